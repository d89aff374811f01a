"""Write stores for the tests of this package: `python make_stores.py FOLDER`.

sums.json names each array, its element type and shape, and the SHA-256 of its elements in C order,
little-endian, as Python reads them. volumes.json has planes of packed scans, rows of doubles, and
their regions.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import zarr

import medroi.scans
import medroi.zarr
from medroi import MedROI
from medroi.serving.content import Content, Cut
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
    (folder / "volumes.json").write_text(json.dumps(volumes(folder)))


def volumes(folder: Path) -> dict[str, Any]:
    """Pack scans of every kind that a page opens, and give planes of them as Python reads them."""
    frames = np.stack([head()[:20], head()[20:40], head()[28:]], axis=-1)
    made: dict[str, tuple[Path | np.ndarray, dict[str, Any]]] = {
        "levels.ome.zarr": (SCAN, {"levels": 3}),
        "box.ome.zarr": (SCAN, {"roi": "box", "inner": "zstd"}),
        "bare.zarr": (SCAN, {}),
        "frames.ome.zarr": (frames.astype("<f4"), {"chunks": (16,)}),
        "labels.ome.zarr": ((head() > 100).astype("u1"), {}),
        "wide.ome.zarr": (head().astype("<i8"), {}),
    }
    found = {}
    for name, (source, options) in made.items():
        if isinstance(source, np.ndarray):
            image = nibabel.Nifti1Image(source, np.eye(4), dtype=source.dtype)
            source = folder / "scan.nii"
            nibabel.save(image, source)
        medroi.pack(source, folder / name, **options)
        with contextlib.closing(Content(str(folder / name))) as content:
            shape = (*content.packed.shape, 1)[:4]
            planes = [
                {
                    "axis": axis,
                    "index": index,
                    "frame": frame,
                    "values": plane_sha256(content.plane(cut, index, frame).astype("<f8")),
                    "kept": plane_sha256(content.kept_plane(cut, index, frame)),
                }
                for axis, frame in ((0, 0), (1, shape[3] - 1), (2, shape[3] // 2))
                for cut in [Cut("", axis, *(i for i in range(3) if i != axis), False, False, "")]
                for index in (0, shape[axis] // 2, shape[axis] - 1)
            ]
        files = [path for path in (folder / name).rglob("*") if path.is_file()]
        found[name] = {"planes": planes, "nbytes": sum(path.stat().st_size for path in files)}
    level = zarr.open_array(str(folder / "levels.ome.zarr" / "s2"), mode="r")
    middle = np.asarray(level[level.shape[0] // 2]).astype("<f8")
    found["levels.ome.zarr"]["smallest"] = plane_sha256(middle)
    return found


def plane_sha256(plane: np.ndarray) -> str:
    """Digest of rows of pixels."""
    return hashlib.sha256(plane.tobytes(order="C")).hexdigest()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
