"""Run tests of the core under AddressSanitizer and UndefinedBehaviorSanitizer.

The core is built a second time, with every access and every arithmetic step checked, and takes the place of the
installed one in one run of pytest (whose arguments may be given): an access out of bounds or undefined
behaviour ends that run with a report.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cache import REPO, BuildError, lock, run, say

VENV = REPO / ".venv/bin"
FOLDER = REPO / ".skbuild/sanitize"

TESTS = [
    "tests/core",  # every kernel on its specimens, bent out of shape
    "tests/onnx",  # damaged and hostile models
    "tests/runtime/test_hostile.py",
    "tests/runtime/test_session.py",
    "tests/runtime/test_arena.py",
    "tests/compiler/test_control.py",  # loops inside a program
    "tests/compiler/lower",  # every lowering rule on every instruction set
    "tests/drift/test_core_tally.py",
    "tests/ops/test_forests.py",
    "tests/ops/test_svm.py",
]


def build() -> Path:
    """The extension with the sanitizers in it."""
    env = {**os.environ, "PATH": f"{VENV}:{os.environ['PATH']}"}
    configure = ["cmake", "-S", REPO / "py/core", "-B", FOLDER, "-G", "Ninja", "-DSTRANDLINE_SANITIZE=ON",
                 "-DCMAKE_BUILD_TYPE=Debug", "-DSKBUILD_SABI_COMPONENT=Development.SABIModule",
                 f"-DPython_EXECUTABLE={VENV / 'python'}"]  # fmt: skip
    with lock("sanitize"):
        run(configure, "cmake: the core with sanitizers", env=env)
        run(["cmake", "--build", FOLDER], "compiling the core with sanitizers", env=env)
    return next(FOLDER.glob("_core*.so"))


def runtime(name: str) -> str:
    """The compiler's own shared library of a sanitizer, which has to be loaded before Python is."""
    command = [os.environ.get("CC", "cc"), f"-print-file-name={name}.so"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_file():
        raise BuildError(
            f"{command[0]} has no {name}: install gcc, which brings it, or set CC=gcc."
        )
    return found


def main() -> int:
    try:
        preload = f"{runtime('libasan')} {runtime('libubsan')}"
        extension = build()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    env = {
        **os.environ,
        "LD_PRELOAD": preload,
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",  # Python keeps much to the end
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(REPO / "build"),
        "STRANDLINE_SANITIZED": str(extension),
    }
    say("pytest: under the sanitizers")
    tests = sys.argv[1:] or TESTS
    command = [
        VENV / "python",
        "-m",
        "pytest",
        "-q",
        "--capture=sys",
        "-p",
        "sanitized",
        "-m",
        "not slow and not browser",
        *tests,
    ]
    return subprocess.run(
        [str(part) for part in command], env=env, cwd=REPO, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
