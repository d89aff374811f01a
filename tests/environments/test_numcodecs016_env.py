"""numcodecs' own checks of codecs, on arrays like those of its own tests of compressors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numcodecs.tests import common

from medroi import MedROI

RNG = np.random.default_rng(16)
LOW, HIGH = -(2**63), -(2**63) + 20

NUMBERS = {
    f"{kind}{itemsize}-{order}": RNG.integers(0, 2**8, (10, 20, 5 * itemsize), np.uint8)
    .view(f"{kind}{itemsize}")
    .copy(order)
    for kind in "iu"
    for itemsize in (1, 2, 4, 8)
    for order in "CF"
}
ARRAYS = {
    **NUMBERS,
    "i4-1d": np.arange(1000, dtype="i4"),
    "big-endian": np.arange(1000, dtype=">i4").reshape(10, 10, 10),
    "f2": RNG.normal(1000, 1, (100, 10)).astype("f2"),
    "f4-F": np.asfortranarray(RNG.normal(1000, 1, (100, 10)).astype("f4")),
    "f8-1d": np.linspace(1000, 1001, 1000, dtype="f8"),
    "f8": RNG.normal(1000, 1, (100, 10)),
    "c16": RNG.normal(size=(10, 10, 10)) * 1j,
    "bool-F": RNG.integers(0, 2, 1000).astype(bool).reshape((100, 10), order="F"),
    "bytes": RNG.choice([b"a", b"bb", b"ccc"], size=1000).reshape(10, 10, 10),
    "text": RNG.choice(["a", "bb", "ccc"], size=1000).reshape(10, 10, 10),
    "M8[ns]": RNG.integers(0, 2**60, 1000, "u8").view("M8[ns]"),
    "m8[ns]": RNG.integers(0, 2**60, 1000, "u8").view("m8[ns]"),
    "M8[m]": RNG.integers(0, 2**25, 1000, "u8").view("M8[m]"),
    "m8[m]": RNG.integers(0, 2**25, 1000, "u8").view("m8[m]"),
    "M8[ns]-early": RNG.integers(LOW, HIGH, 1000, "i8").view("M8[ns]"),
    "m8[ns]-early": RNG.integers(LOW, HIGH, 1000, "i8").view("m8[ns]"),
    "M8[m]-early": RNG.integers(LOW, HIGH, 1000, "i8").view("M8[m]"),
    "m8[m]-early": RNG.integers(LOW, HIGH, 1000, "i8").view("m8[m]"),
}
CODECS = [
    MedROI(threshold=None),
    MedROI("raw", threshold=None),
    MedROI({"id": "deflate", "level": 9}, threshold=None),
    MedROI({"id": "zstd", "level": -1, "shuffle": False}, threshold=None),
]
each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.get_config()["inner"])


@each_codec
@pytest.mark.parametrize("name", ARRAYS)
def test_encode_decode(name: str, codec: MedROI) -> None:
    common.check_encode_decode(ARRAYS[name], codec)
    common.check_encode_decode_array(ARRAYS[name], codec)


@each_codec
def test_config(codec: MedROI) -> None:
    common.check_config(codec)


@each_codec
def test_repr(codec: MedROI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "MedROI", MedROI, raising=False)
    common.check_repr(repr(codec))


def test_stored_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the first run writes, the second reads
        common.check_backwards_compatibility("medroi", list(ARRAYS.values()), CODECS)


@each_codec
def test_object_buffers(codec: MedROI) -> None:
    common.check_err_decode_object_buffer(codec)
    common.check_err_encode_object_buffer(codec)
