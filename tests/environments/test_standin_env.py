"""Without zlib, libzstd and OpenJPEG in the kernel, Python writes and reads the same streams.

The other build, with all three, is that of the main environment.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from medroi import MedROI, _kernel, errors

ROOT = Path(__file__).parents[2]
FULL_BUILD = ROOT / ".venv" / "bin" / "python"
GOLDENS = sorted((ROOT / "tests" / "golden").glob("v*.medroi"))
CODECS = ("raw", "deflate", "zstd", "jpeg2000")
DTYPES = ("|u1", "|b1", "<i2", ">i2", "<u4", ">f4", "<f8", "<c16", "<M8[ns]", "|S3")
# jpeg2000 takes numbers only.
SERVED = [
    (inner, dtype)
    for inner in CODECS
    for dtype in DTYPES
    if inner != "jpeg2000" or np.dtype(dtype).kind in "biuf"
]

# Decode stdin, and encode what that was once more with the full build's kernel.
RECODE = """
import sys
from medroi import MedROI, _kernel
assert all(_kernel.has_inner(codec_id) for codec_id in (1, 2, 3))
array = MedROI().decode(sys.stdin.buffer.read())
sys.stdout.buffer.write(MedROI.lossless(sys.argv[1]).encode(array))
"""


def make_array(dtype: str, order: str = "C") -> np.ndarray:
    shape, rng = (9, 40, 31), np.random.default_rng(20)
    itemsize = np.dtype(dtype).itemsize
    data = rng.integers(0, 2 if dtype == "|b1" else 20, (*shape, itemsize), np.uint8)
    data[:2] = 0
    return np.asarray(data.reshape(-1).view(dtype).reshape(shape), order=order)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.flags.f_contiguous == expected.flags.f_contiguous
    assert found.tobytes("A") == expected.tobytes("A")


@pytest.mark.parametrize("codec_id", [1, 2, 3])
def test_the_kernel_is_without_its_libraries(codec_id: int) -> None:
    assert not _kernel.has_inner(codec_id)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_goldens_decode(path: Path) -> None:
    assert_same(MedROI().decode(path.read_bytes()), np.load(path.with_suffix(".npz"))["array"])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("inner", "dtype"), SERVED)
def test_lossless_returns_every_bit(inner: str, dtype: str, order: str) -> None:
    array = make_array(dtype, order)
    codec = MedROI.lossless(inner)
    assert_same(codec.decode(codec.encode(array)), array)


@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">f4"])
@pytest.mark.parametrize("inner", CODECS)
def test_streams_go_from_either_build_to_the_other(inner: str, dtype: str) -> None:
    array = make_array(dtype, "F")
    sent = MedROI.lossless(inner).encode(array)
    returned = subprocess.run(
        [FULL_BUILD, "-c", RECODE, inner], input=sent, capture_output=True, check=True, cwd=ROOT
    ).stdout
    assert_same(MedROI().decode(returned), array)


def test_jpeg2000_of_text_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="use zstd"):
        MedROI.lossless("jpeg2000").encode(make_array("|S3"))


@pytest.mark.parametrize("inner", CODECS)
def test_a_cut_stream_is_refused(inner: str) -> None:
    stream = MedROI.lossless(inner).encode(make_array("<i2"))
    for length in range(0, len(stream), 97):
        with pytest.raises(errors.CorruptStream):
            MedROI().decode(stream[:length])
