"""Read a packed scan back and measure what was kept, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi import roi
from medroi.errors import MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.stores.digests import StreamsDigest, VoxelsDigest
from medroi.scans.stores.kept import kept_of, same_bits
from medroi.scans.stores.wholeness import check_complete
from medroi.scans.stores.zarr_array import (
    Advance,
    chunk_selections,
    chunk_stream,
    open_array,
    reading,
)


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


def measure(
    path: Path,
    voxels: npt.NDArray[Any],
    config: dict[str, Any],
    crops: ScanRegion | None,
    advance: Advance,
) -> Measured:
    """Compare what `path` gives back with the voxels that went in.

    `crops` is the region of which the chunks are crops; None where each stream has its own.
    """
    array = open_array(path)
    check_complete(path, array)
    background = np.asarray(number(config["background"]), dtype=voxels.dtype)
    total = Measured()
    all_streams, all_voxels = StreamsDigest(), VoxelsDigest(array.shape, array.dtype)
    with reading(path, array):
        for position, selection in chunk_selections(array):
            stream = chunk_stream(path, array, position) or b""
            info = medroi.inspect(stream)
            original = voxels[selection]
            decoded = np.asarray(array[selection])
            all_streams.add(position, stream)
            all_voxels.add(selection, decoded)
            kept = kept_of(stream, info, crops, selection)
            inside = clipped(info.box, original.shape)
            if not same_bits(decoded[~kept], background).all():
                raise MedROIError(
                    f"{path}: voxels outside the region did not come back as background"
                )
            _add_inside(total, original[kept], decoded[kept])
            tissue = tissue_mask(original, config, background)
            total.n_tissue += int(np.count_nonzero(tissue))
            total.n_missed += int(np.count_nonzero(tissue & ~kept))
            total.inner = info.inner
            _grow(total, inside, selection)
            advance(1)
    total.streams_digest = all_streams.hexdigest()
    total.voxels_digest = all_voxels.hexdigest()
    return total


def number(value: Any) -> Any:
    """Numbers that are not finite are text in a configuration, as JSON has no others."""
    return float(value) if isinstance(value, str) else value


def clipped(box: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Cut a chunk's box to the part of the chunk that lies in the array."""
    return tuple(
        slice(min(start, size), min(stop, size))
        for (start, stop), size in zip(box, shape, strict=True)
    )


def tissue_mask(
    voxels: npt.NDArray[Any], config: dict[str, Any], background: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Mark the voxels that the codec's threshold calls tissue, before any opening."""
    threshold = number(config["threshold"])
    if threshold is None:
        return ~same_bits(voxels, background)
    return roi.reaches(voxels, threshold, config["polarity"])


def _add_inside(total: Measured, original: npt.NDArray[Any], decoded: npt.NDArray[Any]) -> None:
    total.n_kept += original.size
    changed = ~same_bits(original, decoded)
    n_changed = int(np.count_nonzero(changed))
    total.n_changed += n_changed
    if n_changed:
        error = np.abs(original[changed].astype(np.float64) - decoded[changed].astype(np.float64))
        total.max_abs_error = max(total.max_abs_error, float(error.max()))


def _grow(total: Measured, inside: tuple[slice, ...], selection: tuple[slice, ...]) -> None:
    """Extend the box, in coordinates of the whole array, by one chunk's region."""
    if any(part.start == part.stop for part in inside):
        return
    here = tuple(
        (chunk.start + part.start, chunk.start + part.stop)
        for chunk, part in zip(selection, inside, strict=True)
    )
    if total.box is not None:
        here = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(total.box, here, strict=True))
    total.box = here
