from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import fixtures
import pytest
import setup
import toolchain
from cache import REPO, BuildError
from xbuildenv import pyconfig


def test_pyconfig_takes_the_targets_values() -> None:
    template = (
        "#ifndef Py_PYCONFIG_H\n#define Py_PYCONFIG_H\n"
        "#define SIZEOF_LONG 8\n/* #undef HAVE_X */\n#define HAVE_Y 1\n"
        "#ifndef _GNU_SOURCE\n# define _GNU_SOURCE 1\n#endif\n#endif\n"
    )
    values = {"SIZEOF_LONG": 4, "HAVE_X": 1, "HAVE_Y": 0, "UNRELATED": 5}
    assert pyconfig(template, values).splitlines() == [
        "#ifndef Py_PYCONFIG_H",
        "#define Py_PYCONFIG_H",
        "#define SIZEOF_LONG 4",
        "#define HAVE_X 1",
        "/* #undef HAVE_Y */",
        "#ifndef _GNU_SOURCE",
        "# define _GNU_SOURCE 1",
        "#endif",
        "#endif",
    ]


def test_without_any_toolchain_the_error_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toolchain, "missing", lambda: "making a Debian chroot needs root")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(BuildError, match=r"(?s)needs root.*python3\.14 is not on PATH"):
        toolchain.choose("auto")
    with pytest.raises(BuildError, match=r"the open way: python3\.14"):
        toolchain.choose("open")


def test_without_python_3_14_no_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise AssertionError("a request was made")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(toolchain, "ChrootToolchain", lambda: "chroot")
    monkeypatch.setattr(toolchain, "missing", lambda: None)
    assert toolchain.choose("auto") == "chroot"


def test_a_silent_server_means_the_chroot(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **keywords: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(toolchain, "ChrootToolchain", lambda: "chroot")
    monkeypatch.setattr(toolchain, "missing", lambda: None)
    assert toolchain.choose("auto") == "chroot"


def test_an_unknown_route_is_refused() -> None:
    with pytest.raises(BuildError, match="use auto, open or chroot"):
        toolchain.choose("quantum")


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = setup.Tool("no-such-program", "no-such-package", "does the impossible")
    monkeypatch.setattr(setup, "TOOLS", [tool])
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BuildError, match=r"(?s)does the impossible.*apt-get install no-such-pack"):
        setup.ensure_tools()


def test_one_stanza_of_a_lock_file() -> None:
    text = "a==1 \\\n    --hash=sha256:1\nuv==2 \\\n    --hash=sha256:2\n    # via x\nb==3\n"
    assert setup.locked_stanza(text, "uv") == "uv==2 \\\n    --hash=sha256:2\n"
    with pytest.raises(BuildError, match="make lock"):
        setup.locked_stanza(text, "missing")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-wasm.lock"])
def test_lock_files_hold_hashes_and_no_host_and_no_giants(name: str) -> None:
    text = (REPO / "build" / name).read_text()
    assert "://" not in text
    assert not re.search(r"^(torch|nvidia-\S+|xgboost)==", text, re.MULTILINE)
    for stanza in re.findall(r"^\S+==.*\n(?:    --hash.*\n)*", text, re.MULTILINE):
        assert "--hash=sha256:" in stanza, stanza


def test_every_declared_package_is_locked() -> None:
    project: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text())
    declared = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        declared += extra
    for group in project["dependency-groups"].values():
        declared += [entry for entry in group if isinstance(entry, str)]
    locked = set(
        re.findall(r"^([a-z0-9-]+)==", (REPO / "build/requirements.lock").read_text(), re.MULTILINE)
    )
    names = {re.split(r"[^A-Za-z0-9-]", line)[0].lower() for line in declared}
    assert names - {"strandline"} <= locked


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-O2"], None),
        (["-Os"], "compiled for size"),
        (["-O2", "-D__EMSCRIPTEN__"], "WASM without SIMD"),
        (["-O2", "-D__EMSCRIPTEN__", "-D__wasm_simd128__"], None),
    ],
)
def test_the_guards_stop_a_build_that_lost_its_flags(flags: list[str], message: str | None) -> None:
    command = ["cc", *flags, "-fsyntax-only", "-x", "c", str(REPO / "py/core/guards.h")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (message is None)
    assert message is None or message in done.stderr


def test_real_flights_are_there() -> None:
    for path in fixtures.flight_delays():
        assert path.stat().st_size > 500_000
        assert path.read_bytes()[:2] == b"\x1f\x8b", "gzip"


def test_fixtures_that_do_not_exist_are_refused() -> None:
    with pytest.raises(BuildError, match="use one of popmon"):
        fixtures.folder("iris")
    with pytest.raises(BuildError, match="use det, rec or cls"):
        fixtures.ocr_model("xyz")


def test_a_changed_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRANDLINE_CACHE", str(tmp_path))
    monkeypatch.setattr(fixtures, "run", lambda *arguments, **keywords: None)
    with pytest.raises(BuildError, match="does not have the SHA-256"):
        fixtures.folder("popmon")
    assert not list((tmp_path / "fixtures").glob("popmon-1.4.12"))
