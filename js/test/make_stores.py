"""Write stores for the tests of this package: `python make_stores.py FOLDER`.

sums.json names each array, its element type and shape, and the SHA-256 of its elements in C order,
little-endian, as Python reads them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import zarr

import medroi.scans
import medroi.zarr
from medroi import MedROI
from medroi.zarr import MedROICodec

SCAN = Path(__file__).parents[2] / "examples" / "data" / "head_T1w.nii.gz"


def head() -> np.ndarray:
    """Make a volume with an object in noisy air."""
    rng = np.random.default_rng(1)
    volume = np.abs(rng.normal(0, 4, (48, 56, 40)))
    z, y, x = np.ogrid[:48, :56, :40]
    volume += 900.0 * (((z - 24) / 16) ** 2 + ((y - 28) / 18) ** 2 + ((x - 20) / 13) ** 2 < 1)
    return volume


def write(folder: Path) -> None:
    """Write every store."""
    volume = head().astype("<i2")
    arrays = {
        "whole-zstd": (volume, {"serializer": MedROICodec()}),
        "whole-predict3d": (volume, {"serializer": MedROICodec("predict3d", roi="mask")}),
        "sharded": (
            volume,
            {
                "serializer": MedROICodec("predict3d"),
                "chunks": (16, 16, 16),
                "shards": (48, 64, 48),
            },
        ),
        "deflate-uint8": ((volume >> 3).astype("u1"), {"serializer": MedROICodec("deflate")}),
        "wavelet3d-float32": (
            head().astype("<f4"),
            {"serializer": MedROICodec({"id": "wavelet3d", "psnr": 60.0}, verify=False)},
        ),
        "bool": (volume > 100, {"serializer": MedROICodec("predict3d")}),
        "v2": (volume, {"zarr_format": 2, "compressors": MedROI("predict3d"), "order": "C"}),
        "v2-big-endian": (
            volume.astype(">i2"),
            {"zarr_format": 2, "compressors": MedROI("zstd"), "order": "F"},
        ),
    }
    for name, (array, options) in arrays.items():
        options = {"chunks": array.shape, **options}
        if "serializer" in options:
            options["compressors"] = None
        stored = zarr.create_array(
            str(folder / name), shape=array.shape, dtype=array.dtype, **options
        )
        stored[...] = array
    medroi.scans.pack(SCAN, folder / "packed.zarr")
    sums = {}
    for name in [*arrays, "packed.zarr"]:
        read = np.asarray(zarr.open_array(str(folder / name), mode="r")[...])
        elements = np.ascontiguousarray(read, read.dtype.newbyteorder("<"))
        sums[name] = {
            "dtype": read.dtype.name,
            "shape": read.shape,
            "sha256": hashlib.sha256(elements.tobytes()).hexdigest(),
        }
    (folder / "sums.json").write_text(json.dumps(sums))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
