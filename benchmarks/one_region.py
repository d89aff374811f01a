"""One region a scan: bytes of small chunks in one shard, and of the air kept aside.

    python benchmarks/one_region.py FOLDER > benchmarks/one_region.csv

FOLDER holds `mri_head`, heads with the scanner's noise in the air. Each is stored with its mask:
as one chunk by `medroi pack`, and in chunks of 64 and of 32 voxels, all in one shard, by
`medroi.zarr.write` with the region of `MedROI.fit`. `by_one` is all bytes of such a store by those
of the one chunk, `with_air` those of `pack --air keep` by those of `pack --lossless`. The status
is 1 where the stores do not drop the same voxels, or where scan and air do not give the file back
(pack compares every voxel). The last rows are geometric means, beside the targets; a target that
is missed is said on stderr.
"""

from __future__ import annotations

import csv
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr

import medroi.zarr
from medroi import MedROI
from medroi.scans import pack, read_scan
from medroi.zarr import MedROICodec

INNERS: dict[str, Any] = {
    "zstd": "zstd",
    "predict3d fast": {"id": "predict3d", "level": "fast"},
    "predict3d": "predict3d",
}
EDGES = (64, 32)
TARGETS = {"by_one_64": 1.01, "by_one_32": 1.03, "with_air": 1.015}
COLUMNS = (
    *("scan", "inner", "lossless_nbytes", "one_nbytes", "shard_64_nbytes", "shard_32_nbytes"),
    *("air_store_nbytes", "by_one_64", "by_one_32", "with_air", "n_dropped", "is_same"),
)


def nbytes_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def sharded(voxels: Any, codec: MedROI, edge: int, folder: Path) -> tuple[int, Any]:
    """Bytes of a store of small chunks in one shard, and the voxels that it gives back."""
    config = {key: value for key, value in codec.get_config().items() if key != "id"}
    array = zarr.create_array(
        str(folder),
        shape=voxels.shape,
        dtype=voxels.dtype,
        chunks=(edge,) * 3,
        shards=tuple(-(-n // edge) * edge for n in voxels.shape),
        serializer=MedROICodec(**config),
        compressors=None,
        fill_value=codec.region.background,
        config={"order": "F"},
    )
    medroi.zarr.write(array, voxels, region=codec.region)
    return nbytes_of(folder), np.asarray(array[...])


def row_of(path: Path, inner: str, folder: Path) -> dict[str, Any]:
    """Measure one scan with one inner codec."""
    asked = INNERS[inner]
    scan = read_scan(path)
    lossless = pack(path, folder / "lossless.zarr", inner=asked, lossless=True)
    one = pack(path, folder / "one.zarr", inner=asked, roi="mask")
    air = pack(path, folder / "air.zarr", inner=asked, roi="mask", air="keep")
    known = {"affine": scan.affine, "axes": (0, 1, 2), "background": "auto"}
    codec = MedROI.fit(scan.voxels, inner=asked, roi="mask", **known)
    expected = np.asarray(zarr.open(str(folder / "one.zarr"), mode="r")[...])
    stores = {edge: sharded(scan.voxels, codec, edge, folder / f"{edge}.zarr") for edge in EDGES}
    return {
        "scan": path.name,
        "inner": inner,
        "lossless_nbytes": lossless.stored_nbytes,
        "one_nbytes": one.stored_nbytes,
        **{f"shard_{edge}_nbytes": stores[edge][0] for edge in EDGES},
        "air_store_nbytes": air.stored_nbytes,
        **{f"by_one_{edge}": round(stores[edge][0] / one.stored_nbytes, 4) for edge in EDGES},
        "with_air": round(air.stored_nbytes / lossless.stored_nbytes, 4),
        "n_dropped": int((expected != scan.voxels).sum()),
        "is_same": all(np.array_equal(back, expected) for _, back in stores.values()),
    }


def means_of(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The geometric means of each inner codec, and the targets."""
    for inner in INNERS:
        own = [row for row in rows if row["inner"] == inner]
        if own:
            logs = {name: [math.log(row[name]) for row in own] for name in TARGETS}
            means = {name: round(math.exp(sum(x) / len(x)), 4) for name, x in logs.items()}
            yield {"scan": "geometric mean", "inner": inner, **means}
    yield {"scan": "target, at most", **TARGETS}


def main() -> int:
    """Measure every scan."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = []
    for path in sorted(Path(sys.argv[1], "mri_head").glob("*.nii.gz")):
        for inner in INNERS:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(row_of(path, inner, Path(folder)))
            writer.writerow(rows[-1])
            sys.stdout.flush()
    for mean in means_of(rows):
        writer.writerow(mean)
        for name, target in TARGETS.items():
            if mean[name] > target:
                print(f"{mean['inner']}: {name} {mean[name]} is above {target}", file=sys.stderr)
    return 0 if all(row["is_same"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
