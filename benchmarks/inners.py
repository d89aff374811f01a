"""Inner codecs through MedROI against the same libraries called by hand on the same crop.

    python benchmarks/inners.py [SCAN.nii.gz]

One run alternates both, takes the fastest of several, and prints the ratios of encoding time and
of bytes. MedROI's side holds everything: finding the region, copying it, mapping, checksums.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medroi import MedROI, inspect

REPEATS = 3
SCAN = Path(__file__).parent.parent / "examples" / "data" / "head_T1w.nii.gz"


def by_imagecodecs(name: str, **settings: object) -> Callable[[np.ndarray], int]:
    """Encode slice by slice with a function of imagecodecs."""
    import imagecodecs

    encode = getattr(imagecodecs, f"{name}_encode")
    return lambda crop: sum(len(encode(image, **settings)) for image in crop)


def by_pillow_heif(crop: np.ndarray) -> int:
    """Encode slice by slice, 8 bits, lossless, and look at it once as heif does."""
    import pillow_heif

    nbytes = 0
    for image in crop:
        target, samples = io.BytesIO(), image.astype("u1")
        pillow_heif.encode("L", samples.shape[::-1], samples.tobytes(), target, quality=-1)
        found = np.asarray(pillow_heif.open_heif(target.getvalue()))
        assert np.array_equal(found, samples)
        nbytes += len(target.getvalue())
    return nbytes


def by_blosc(crop: np.ndarray) -> int:
    """Encode the crop in one call."""
    import numcodecs

    return len(numcodecs.Blosc("zstd", 5, numcodecs.Blosc.BITSHUFFLE).encode(crop))


CASES: tuple[tuple[object, Callable[[np.ndarray], int]], ...] = (
    ("jpeg2000", by_imagecodecs("jpeg2k", level=0, codecformat="j2k", bitspersample=8)),
    ("heif", by_pillow_heif),
    ("imagecodecs_jpegls", by_imagecodecs("jpegls")),
    ("imagecodecs_jpegxl", by_imagecodecs("jpegxl", lossless=True)),
    ("imagecodecs_htj2k", by_imagecodecs("htj2k")),
    ({"id": "blosc", "cname": "zstd", "shuffle": 2}, by_blosc),
)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print one line per codec."""
    import nibabel

    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SCAN
    # 8 bits, so that every library takes it as it is.
    slab = np.minimum(np.asanyarray(nibabel.load(path).dataobj)[:, :, 40:100], 255)
    volume = np.asfortranarray(slab.astype("<i2"))
    for config, by_hand in CASES:
        codec = MedROI(config)
        stream = codec.encode(volume)
        box = tuple(slice(*bounds) for bounds in inspect(stream).box)

        def hand(by_hand: Callable[[np.ndarray], int] = by_hand, box: tuple = box) -> int:
            crop = np.ascontiguousarray(volume[box].T)
            return by_hand(crop.astype("u1"))

        times = [(seconds(lambda c=codec: c.encode(volume)), seconds(hand)) for _ in range(REPEATS)]
        ours, theirs = (min(column) for column in zip(*times, strict=True))
        name = config if isinstance(config, str) else config["id"]
        print(f"{name:24} time {ours / theirs:5.3f}  bytes {len(stream) / hand():5.3f}")


if __name__ == "__main__":
    main()
