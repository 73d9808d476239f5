"""A Debian chroot with Python 3.14 and Emscripten, for networks with package registries only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cache import VERSIONS, BuildError, cache_dir, content_key, is_fresh, run, say, write_stamp

HOME = "/opt/strandline"  # inside: the venv, the cross-build environment, the sources
VENV = f"{HOME}/venv"

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_APT_CONF = """\
Acquire::Check-Valid-Until "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
"""
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
              "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")  # fmt: skip


def missing() -> str | None:
    """What this machine lacks to make the chroot, as a sentence; None if nothing."""
    if os.geteuid() != 0:
        return "making a Debian chroot needs root"
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed (apt-get install debootstrap)"
    return None


class Chroot:
    """The chroot in the cache folder.

    Each step ends in a stamp; an interrupted step starts again and repairs what it left.
    """

    def __init__(self) -> None:
        self.root = cache_dir() / "chroot"
        self._namespaces = _can_unshare()

    def path(self, inside: str) -> Path:
        """The host's path of a path inside."""
        return self.root / inside.lstrip("/")

    def run(self, command: Sequence[str], what: str, env: Mapping[str, str] | None = None) -> None:
        """Run a command inside, as root, with a clean environment."""
        variables = {
            "PATH": ":".join([f"{VENV}/bin", *self._llvm(), "/usr/sbin:/usr/bin:/sbin:/bin"]),
            "HOME": HOME,
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            **(env or {}),
        }
        enter: list[str | Path] = ["chroot", self.root]
        if self._namespaces:
            # /proc mounted in a private namespace vanishes with the command, however that ends.
            script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
            enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                     "sh", "-c", script, self.root]  # fmt: skip
        run([*enter, *command], what, env=variables)

    def _llvm(self) -> list[str]:
        """The folder of llvm-readobj, which pyodide-build looks for on PATH."""
        found = sorted(self.root.glob("usr/lib/llvm-*/bin/llvm-readobj"))
        return [f"/{found[-1].parent.relative_to(self.root)}"] if found else []

    def ensure(self, requirements: Path) -> None:
        """Make or complete the chroot; `requirements` is the lock file of its Python packages."""
        self._bootstrap()
        self._packages()
        self._venv(requirements)

    def _bootstrap(self) -> None:
        spec = VERSIONS["chroot"]
        key = content_key([], spec["suite"], *spec["base"])
        stamp = self.path(f"{HOME}/stamps/base")
        if is_fresh(stamp, key):
            return
        partial = self.root.with_name("chroot.partial")
        for old in (partial, self.root):
            if old.exists():
                say(f"removing an unfinished or outdated {old.name}")
                shutil.rmtree(old)
        include = ",".join(spec["base"])
        mirror = _mirror()
        run(
            ["debootstrap", "--variant=minbase", f"--include={include}", spec["suite"], partial,
             *([mirror] if mirror else [])],
            f"debootstrap: Debian {spec['suite']} with Python 3.14 (about 1 minute)",
        )  # fmt: skip
        (partial / "etc/apt/apt.conf.d/99strandline").write_text(_APT_CONF)
        write_stamp(partial / HOME.lstrip("/") / "stamps/base", key)
        partial.rename(self.root)

    def _packages(self) -> None:
        if _CERTIFICATES.is_file():  # the host may trust more, such as a proxy of its own
            shutil.copyfile(_CERTIFICATES, self.path(str(_CERTIFICATES)))
        packages = VERSIONS["chroot"]["packages"]
        key = content_key([], *packages)
        stamp = self.path(f"{HOME}/stamps/packages")
        if is_fresh(stamp, key):
            return
        self.run(["dpkg", "--configure", "-a"], "dpkg: finish what was interrupted")
        self.run(["apt-get", "update", "-q"], "apt-get update: in the chroot")
        install = ["apt-get", "install", "-y", "-q", "--fix-broken", *packages]
        self.run(install, "apt-get install: Emscripten (about 1 minute, 1.2 GB)")
        self.run(["apt-get", "clean"], "apt-get clean: in the chroot")
        if not self._llvm():
            raise BuildError(
                "Emscripten came without /usr/lib/llvm-*/bin/llvm-readobj in the chroot."
            )
        write_stamp(stamp, key)

    def _venv(self, requirements: Path) -> None:
        key = content_key([requirements])
        stamp = self.path(f"{HOME}/stamps/venv")
        if is_fresh(stamp, key):
            return
        locked = f"{HOME}/requirements.lock"
        shutil.copyfile(requirements, self.path(locked))
        self.run(["python3.14", "-m", "venv", "--clear", VENV], "venv: in the chroot")
        install = [
            f"{VENV}/bin/pip",
            "install",
            "--require-hashes",
            "-r",
            f"{HOME}/requirements.lock",
        ]
        self.run(install, "pip install: pyodide-build and build backends")
        write_stamp(stamp, key)


def _can_unshare() -> bool:
    command = ["unshare", "--mount", "--pid", "--fork", "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _mirror() -> str | None:
    """The Debian mirror this machine uses; None (debootstrap's own default) if it is no Debian."""
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SUITE)|$(REPO_URI)",
               "Created-By: Packages"]  # fmt: skip
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        origin, _, rest = line.partition("|")
        suite, _, uri = rest.partition("|")
        plain = "security" not in suite and "updates" not in suite
        if origin == "Debian" and plain and uri.startswith(("http://", "https://")):
            return uri
    return None
