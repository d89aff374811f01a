"""Inner codecs through MedROI against the same libraries called by hand on the same crop.

    python benchmarks/inners.py [SCAN.nii.gz] [-o benchmarks/inners.csv]

Each round times the library by hand, MedROI, MedROI's search for the region alone, and the library
once more: the processor time of this process, as the clock says nothing on a busy machine. A line
holds medians of the rounds' ratios to the library by hand:

time        `MedROI.encode` whole: search, copy, value map, library, checksums
codec_time  without the search for the region, which nobody who has the crop pays for
by_hand     the library by hand against itself: what the measurement is worth
bytes       of the streams

By hand is the least that gives the bytes: cut, contiguous, 8 bits, one call per slice, joined.
JPEG 2000 by hand is a few lines of C on the OpenJPEG that MedROI is built with; imagecodecs brings
another version of it.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import functools
import io
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from medroi import MedROI, inspect
from medroi.roi import find_region

HERE = Path(__file__).parent
SCAN = HERE.parent / "examples" / "data" / "head_T1w.nii.gz"
# Levels of the wavelet transform plus one, as inner codec jpeg2000 has for slices of this size.
N_RESOLUTIONS = 6
COLUMNS = ("codec", "time", "codec_time", "by_hand", "bytes")


def by_imagecodecs(name: str, **settings: object) -> Callable[[np.ndarray], bytes]:
    """Encode slice by slice with a function of imagecodecs."""
    import imagecodecs

    encode = getattr(imagecodecs, f"{name}_encode")
    return lambda crop: b"".join([encode(image, **settings) for image in crop.astype("u1")])


def by_pillow_heif(crop: np.ndarray) -> bytes:
    """Encode slice by slice, lossless, and look at it once as heif does."""
    import pillow_heif

    files = []
    for image in crop.astype("u1"):
        target = io.BytesIO()
        pillow_heif.encode("L", image.shape[::-1], image.tobytes(), target, quality=-1)
        files.append(target.getvalue())
        assert np.array_equal(np.asarray(pillow_heif.open_heif(files[-1])), image)
    return b"".join(files)


def by_blosc(crop: np.ndarray) -> bytes:
    """Encode the crop in one call."""
    import numcodecs

    return bytes(numcodecs.Blosc("zstd", 5, numcodecs.Blosc.BITSHUFFLE).encode(crop))


@functools.cache
def openjpeg_driver() -> Any:
    """`by_hand_jpeg2000.c`, compiled for this run."""
    found = subprocess.run(
        ["pkg-config", "--cflags", "libopenjp2"], capture_output=True, text=True, check=True
    )
    source = str(HERE / "by_hand_jpeg2000.c")
    library = str(Path(tempfile.mkdtemp()) / "by_hand_jpeg2000.so")
    flags = ["-O3", "-fPIC", "-shared", *found.stdout.split()]
    subprocess.run(["cc", *flags, source, "-o", library, "-lopenjp2"], check=True)
    encode = ctypes.CDLL(library).encode_slices
    encode.restype = ctypes.c_size_t
    encode.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint32]
    encode.argtypes += [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    return encode


def by_openjpeg(crop: np.ndarray) -> bytes:
    """Encode slice by slice with OpenJPEG in C."""
    samples = crop.astype("u1")
    n_slices, height, width = samples.shape
    coded = np.empty(2 * samples.size, np.uint8)
    nbytes = openjpeg_driver()(
        samples.ctypes.data,
        n_slices,
        width,
        height,
        N_RESOLUTIONS,
        coded.ctypes.data,
        coded.size,
    )
    assert nbytes > 0
    return coded[:nbytes].tobytes()


def cases() -> tuple[tuple[str, Any, Callable[[np.ndarray], bytes]], ...]:
    """Name, inner codec, and the same by hand."""
    blosc = {"id": "blosc", "cname": "zstd", "shuffle": 2}
    return (
        ("jpeg2000", "jpeg2000", by_openjpeg),
        ("heif", "heif", by_pillow_heif),
        ("imagecodecs_jpegls", "imagecodecs_jpegls", by_imagecodecs("jpegls")),
        ("imagecodecs_jpegxl", "imagecodecs_jpegxl", by_imagecodecs("jpegxl", lossless=True)),
        ("imagecodecs_htj2k", "imagecodecs_htj2k", by_imagecodecs("htj2k")),
        ("blosc", blosc, by_blosc),
    )


def seconds(work: Callable[[], object], at_least: float) -> float:
    """Processor time of one call, from as many calls as last `at_least` seconds."""
    began, n_calls = time.process_time(), 0
    while n_calls == 0 or time.process_time() - began < at_least:
        work()
        n_calls += 1
    return (time.process_time() - began) / n_calls


def measure(
    volume: np.ndarray, inner: Any, by_hand: Callable[[np.ndarray], bytes], n_rounds: int
) -> list[float]:
    """The numbers of one line."""
    codec = MedROI(inner)
    stream = codec.encode(volume)
    bounds = inspect(stream).box
    assert find_region(volume).box == bounds
    box = tuple(slice(*pair) for pair in bounds)

    def hand() -> bytes:
        return by_hand(np.ascontiguousarray(volume[box].T))

    work = (hand, lambda: codec.encode(volume), lambda: find_region(volume), hand)
    n_bytes = len(hand())
    rounds = [[seconds(call, 0.05) for call in work] for _ in range(n_rounds)]
    middles = [(first + last) / 2 for first, _, _, last in rounds]
    return [
        median(row[1] / middle for row, middle in zip(rounds, middles, strict=True)),
        median((row[1] - row[2]) / middle for row, middle in zip(rounds, middles, strict=True)),
        median(row[3] / row[0] for row in rounds),
        len(stream) / n_bytes,
    ]


def main() -> None:
    """Print one line per codec, and write the CSV that is asked for."""
    import nibabel

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scan", nargs="?", type=Path, default=SCAN)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    # 8 bits, so that every library takes it as it is.
    slab = np.minimum(np.asanyarray(nibabel.load(options.scan).dataobj)[:, :, 40:100], 255)
    volume = np.asfortranarray(slab.astype("<i2"))
    print(f"{'':20}{'time':>8}{'codec_time':>12}{'by_hand':>9}{'bytes':>8}")
    rows = []
    for name, inner, by_hand in cases():
        numbers = [f"{number:.3f}" for number in measure(volume, inner, by_hand, options.rounds)]
        rows.append([name, *numbers])
        print("{:20}{:>8}{:>12}{:>9}{:>8}".format(*rows[-1]), flush=True)
    if options.output is not None:
        with options.output.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
