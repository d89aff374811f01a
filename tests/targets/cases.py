"""Write the cases that same_bytes.c encodes and decodes: `python tests/targets/cases.py FILE`.

The expected bytes are the goldens', and of whole streams those that this machine writes, which hold
a golden slab where there is one of the array.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
# What every build decodes.
OF_THE_KERNEL = {"raw", "wavelet3d", "predict3d"}
PAYLOAD_NBYTES, CRC = struct.Struct("<Q"), struct.Struct("<I")


@dataclass(frozen=True)
class Case:
    """One array and its stream."""

    kind: str
    name: str
    config: dict[str, object]
    array: np.ndarray
    stream: bytes


def packed(case: Case) -> bytes:
    """Give a case as same_bytes.c reads it."""
    array = case.array
    f_order = array.flags.f_contiguous and not array.flags.c_contiguous

    def sized(content: bytes) -> bytes:
        return struct.pack("<Q", len(content)) + content

    layout = struct.pack(
        f"<B{array.ndim}QcBBH",
        array.ndim,
        *array.shape,
        array.dtype.kind.encode(),
        array.dtype.str[0] == ">",
        f_order,
        array.dtype.itemsize,
    )
    return (
        case.kind.encode()
        + sized(case.name.encode())
        + sized(json.dumps(case.config).encode())
        + layout
        + sized(array.tobytes("A"))
        + sized(case.stream)
    )


def goldens() -> Iterator[Case]:
    """Streams and slabs that were written once."""
    import coder_golden

    import medroi
    from medroi import MedROI

    nothing = np.zeros(0, "u1")
    for path in sorted(GOLDEN.glob("v1-*.medroi")):
        stream = path.read_bytes()
        if medroi.inspect(stream).inner in OF_THE_KERNEL:
            array = np.load(path.with_suffix(".npz"))["array"]
            yield Case("D", path.stem, {}, array, stream)
    for path in sorted(GOLDEN.glob("bad-*.medroi")):
        yield Case("B", path.stem, {}, nothing, path.read_bytes())
    for name, (inner, array) in coder_golden.cases().items():
        if array.dtype.kind == "b":
            continue  # holds both of its values: there is no background beside them
        slab = (GOLDEN / f"part-{name}.bin").read_bytes()
        codec = MedROI(inner, threshold=None, background=outside(array), slice_axis=0)
        stream = codec.encode(array)
        if medroi.inspect(stream).n_parts > 1 or stored_box(stream) != array.shape:
            continue  # cut into slabs, or smaller than the array
        if stream.endswith(slab):
            yield Case("E", f"part-{name}", codec.get_config(), array, stream)
        else:
            stream = with_slab(stream, slab)  # encoders choose otherwise today
        yield Case("D", f"part-{name}", {}, MedROI().decode(stream), stream)


def stored_box(stream: bytes) -> tuple[int, ...]:
    """Give the shape of a stream's region."""
    import medroi

    return tuple(stop - start for start, stop in medroi.inspect(stream).box)


def with_slab(stream: bytes, slab: bytes) -> bytes:
    """Put another slab into a stream of one (FORMAT.md, sections 1 and 5)."""
    import medroi

    n_header = len(stream) - medroi.inspect(stream).payload_nbytes - CRC.size
    header = bytearray(stream[:n_header])
    PAYLOAD_NBYTES.pack_into(header, 88, len(slab))
    CRC.pack_into(header, 104, zlib.crc32(slab))
    return bytes(header) + CRC.pack(zlib.crc32(header)) + slab


def outside(array: np.ndarray) -> float:
    """Find a value that the array does not hold, so that its region is all of it."""
    held = set(np.unique(array[np.isfinite(array)]).tolist())
    return next(value for value in range(256) if value not in held)


def scans() -> Iterator[Case]:
    """Regions of every kind, with every inner codec of the kernel."""
    import make_scans

    from medroi import MedROI

    rng = np.random.default_rng(5)
    clean = make_scans.head((30, 34, 26))
    noisy = (clean + np.abs(rng.normal(0, 3, clean.shape))).astype("<i2")
    affine = np.diag([1.5, 1.25, 3.0, 1.0])
    inners = (
        "raw",
        "predict3d",
        {"id": "predict3d", "level": "fast"},
        {"id": "predict3d", "level": "max"},
        {"id": "wavelet3d", "step": 4.0},
        {"id": "wavelet3d", "step": 4.0, "speed": "small"},
        {"id": "wavelet3d", "max_error": 3.0},
    )
    arrays = {
        "clean": clean,
        "noisy": noisy,
        "c-order": np.ascontiguousarray(noisy),
        "big-endian": noisy.astype(">i2"),
        "float": noisy.astype("<f4") * np.float32(0.37),
        "series": np.stack([noisy, noisy // 2], axis=3).copy(order="F"),
        "bytes": (clean >> 4).astype("u1"),
    }
    # An inner codec has no say in the region.
    thresholds = {"raw": ("auto", "mean", "otsu", "noise", 60, None)}
    for name, array in arrays.items():
        for number, inner in enumerate(inners):
            for roi in ("box", "mask"):
                for threshold in thresholds.get(str(inner), ("auto", None)):
                    codec = MedROI(inner, roi=roi, threshold=threshold, affine=affine)
                    stream = codec.encode(array)
                    label = f"{name}, inner {number}, {roi}, {threshold}"
                    yield Case("E", label, codec.get_config(), array, stream)
                    if roi == "mask":
                        yield Case("D", label, {}, MedROI().decode(stream), stream)


def main(target: str) -> None:
    """Write all cases."""
    found = [*goldens(), *scans()]
    n_slabs = sum(case.kind == "E" and case.name.startswith("part-") for case in found)
    if n_slabs < 15:
        raise SystemExit(f"only {n_slabs} golden slabs are whole streams, expected 15 or more")
    Path(target).write_bytes(b"".join(map(packed, found)))


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    main(sys.argv[1])
