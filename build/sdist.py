"""Source archives from the package index, fetched without running anything of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

from cache import BuildError, cache_dir, say, sha256


def sdist(name: str, version: str, digest: str) -> Path:
    """Fetch a source archive from the package index this machine is configured for.

    Raises BuildError when it is not found, or is not the one with this SHA-256.
    """
    target = cache_dir() / f"{name}-{version}.tar.gz"
    if target.is_file() and sha256(target) == digest:
        return target
    # uv finds the address without running the project's build, as pip would to learn its name.
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--no-deps", "--no-binary", name,
               "--format", "pylock.toml", "-"]  # fmt: skip
    found = subprocess.run(
        command, input=f"{name}=={version}", capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise BuildError(f"Cannot find {name} {version} on the package index: {found.stderr}")
    url = tomllib.loads(found.stdout)["packages"][0]["sdist"]["url"]
    say(f"downloading {name} {version}")
    partial = target.with_suffix(".partial")
    with urllib.request.urlopen(url, timeout=60) as response, partial.open("wb") as file:
        shutil.copyfileobj(response, file)
    if sha256(partial) != digest:
        raise BuildError(
            f"{name} {version}'s archive does not have the SHA-256 that is pinned here."
        )
    partial.rename(target)
    return target
