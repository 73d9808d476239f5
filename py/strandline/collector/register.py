"""Making a model known: its manifest and the reference that its profiles are compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from strandline.collector.profiles import ProfileError, reference_of
from strandline.collector.storage import Model, Storage, StorageError

MAX_REFERENCE_BYTES = 16 * 1024 * 1024


class RegistrationError(ValueError):
    """A site or a registration that can't be used; the message says what to do."""


class _File(msgspec.Struct):
    file: str
    sha256: str


class _Collector(msgspec.Struct):
    url: str = ""
    key: str = ""


class Manifest(msgspec.Struct):
    """As much of a site's `manifest.json` as the collector needs."""

    name: str
    version: str
    reference: _File
    collector: _Collector | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A packed site, read from its folder.

    `host` and `key` are what its page sends to (`None`: it sends nothing).
    """

    manifest: str
    reference: str
    host: str | None
    key: str | None


def read_site(folder: Path) -> Site:
    """The manifest and the reference of a packed site, checked against each other.

    Raises `RegistrationError`.
    """
    path = folder / "manifest.json"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RegistrationError(
            f"{folder} is not a packed site ({error.strerror}: {path.name}): "
            "make one with `strandline pack`"
        ) from None
    manifest = _decode(text, str(path))
    try:
        data = (folder / manifest.reference.file).read_bytes()
    except OSError as error:
        raise RegistrationError(
            f"{folder / manifest.reference.file} can't be read: {error.strerror}"
        ) from None
    if hashlib.sha256(data).hexdigest() != manifest.reference.sha256:
        raise RegistrationError(
            f"{folder / manifest.reference.file} is not the file that {path} names "
            "(its SHA-256 differs): pack the site again"
        )
    sender = manifest.collector or _Collector()
    return Site(text, data.decode(), urlsplit(sender.url).hostname, sender.key or None)


def register(storage: Storage, manifest_text: str, reference_text: str) -> tuple[Model, bool]:
    """The model, and whether it is new.

    Raises `RegistrationError`, or `StorageError` for a version that holds other counts.
    """
    if len(reference_text) > MAX_REFERENCE_BYTES:
        raise RegistrationError(f"the reference is longer than {MAX_REFERENCE_BYTES} characters")
    manifest = _decode(manifest_text, "manifest")
    try:
        reference = reference_of(reference_text)
    except ProfileError as error:
        raise RegistrationError(f"reference: {error}") from None
    return storage.register(
        manifest.name, manifest.version, manifest_text, reference_text, reference.sha256
    )


def _decode(text: str, where: str) -> Manifest:
    try:
        return msgspec.json.decode(text.encode(), type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RegistrationError(f"{where}: {error}") from None


__all__ = ["RegistrationError", "Site", "StorageError", "read_site", "register"]
