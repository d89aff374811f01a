"""Read a packed scan back and measure what was kept, chunk by chunk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import roi
from medroi.errors import MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.stores.decoding import Chunk, each_chunk
from medroi.scans.stores.digests import StreamsDigest, VoxelsDigest
from medroi.scans.stores.kept import clipped, inspected, kept_of, same_bits
from medroi.scans.stores.wholeness import check_complete
from medroi.scans.stores.zarr_array import Advance, open_array, reading
from medroi.working_memory import WorkingMemory

_SLAB_N_VOXELS = 1 << 20


@dataclass
class Measured:
    """Sums over all chunks. A voxel is exact when its bits are."""

    n_kept: int = 0
    n_changed: int = 0
    n_tissue: int = 0
    n_missed: int = 0
    max_abs_error: float = 0.0
    box: tuple[tuple[int, int], ...] | None = None
    inner: str = ""
    streams_digest: str = ""
    voxels_digest: str = ""

    @property
    def miss_rate(self) -> float:
        """Share of the tissue voxels that lie outside the region."""
        return self.n_missed / self.n_tissue if self.n_tissue else 0.0

    def add(self, of_chunk: Measured) -> None:
        """Take the sums of one chunk in, its box in coordinates of the whole array."""
        self.n_kept += of_chunk.n_kept
        self.n_changed += of_chunk.n_changed
        self.n_tissue += of_chunk.n_tissue
        self.n_missed += of_chunk.n_missed
        self.max_abs_error = max(self.max_abs_error, of_chunk.max_abs_error)
        self.inner = of_chunk.inner
        if self.box is None or of_chunk.box is None:
            self.box = self.box or of_chunk.box
            return
        self.box = tuple(
            (min(a, c), max(b, d)) for (a, b), (c, d) in zip(self.box, of_chunk.box, strict=True)
        )


def measure(
    path: Path,
    voxels: npt.NDArray[Any],
    config: dict[str, Any],
    crops: ScanRegion | None,
    advance: Advance,
    threads: int,
    memory: WorkingMemory,
) -> Measured:
    """Compare what `path` gives back with the voxels that went in.

    `crops` is the region of which the chunks are crops; None where each stream has its own.
    """
    array = open_array(path)
    check_complete(path, array)
    background = np.asarray(number(config["background"]), dtype=voxels.dtype)
    total = Measured()
    all_streams, all_voxels = StreamsDigest(), VoxelsDigest(array.shape, array.dtype, memory)

    def compared(chunk: Chunk) -> Measured:
        return _compared(path, array, chunk, voxels[chunk.selection], config, crops, background)

    with reading(path, array):
        for chunk, found in each_chunk(path, array, threads, compared):
            all_streams.add(chunk.position, chunk.stream)
            all_voxels.add(chunk.selection, chunk.voxels)
            total.add(found)
            advance(1)
    if crops is not None:
        # Where a region holds background, boxes of streams are smaller.
        total.box = crops.box if total.n_kept else None
    total.streams_digest = all_streams.hexdigest()
    total.voxels_digest = all_voxels.hexdigest()
    return total


def number(value: Any) -> Any:
    """Numbers that are not finite are text in a configuration, as JSON has no others."""
    return float(value) if isinstance(value, str) else value


def tissue_mask(
    voxels: npt.NDArray[Any], config: dict[str, Any], background: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Mark the voxels that the codec's threshold calls tissue, before any opening."""
    threshold = number(config["threshold"])
    if threshold is None:
        return ~same_bits(voxels, background)
    return roi.reaches(voxels, threshold, config["polarity"])


def _compared(
    path: Path,
    array: Any,
    chunk: Chunk,
    original: npt.NDArray[Any],
    config: dict[str, Any],
    crops: ScanRegion | None,
    background: npt.NDArray[Any],
) -> Measured:
    """Compare one chunk with the voxels that went in, a slab at a time."""
    info, decoded = inspected(array, chunk.stream), chunk.voxels
    kept = kept_of(chunk.stream, info, crops, chunk.selection)
    found = Measured(inner=info.inner)
    for slab in _slabs(original.shape):
        _add_slab(path, found, original[slab], decoded[slab], kept[slab], config, background)
    inside = clipped(info.box, original.shape)
    if all(part.start < part.stop for part in inside):
        found.box = tuple(
            (whole.start + part.start, whole.start + part.stop)
            for whole, part in zip(chunk.selection, inside, strict=True)
        )
    return found


def _slabs(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Cut a chunk along its last axis, so that flags of a slab are all that is in memory."""
    if not shape:
        yield ()
        return
    n_planes = max(1, _SLAB_N_VOXELS // max(1, math.prod(shape[:-1])))
    for start in range(0, shape[-1], n_planes):
        yield ..., slice(start, start + n_planes)


def _add_slab(
    path: Path,
    found: Measured,
    original: npt.NDArray[Any],
    decoded: npt.NDArray[Any],
    kept: npt.NDArray[np.bool_],
    config: dict[str, Any],
    background: npt.NDArray[Any],
) -> None:
    if (~same_bits(decoded, background) & ~kept).any():
        raise MedROIError(f"{path}: voxels outside the region did not come back as background")
    found.n_kept += int(np.count_nonzero(kept))
    changed = ~same_bits(original, decoded) & kept
    n_changed = int(np.count_nonzero(changed))
    if n_changed:
        error = np.abs(original[changed].astype(np.float64) - decoded[changed].astype(np.float64))
        found.n_changed += n_changed
        found.max_abs_error = max(found.max_abs_error, float(error.max()))
    tissue = tissue_mask(original, config, background)
    found.n_tissue += int(np.count_nonzero(tissue))
    found.n_missed += int(np.count_nonzero(tissue & ~kept))
