"""The mask as src/kernel/region/mask/mask.h defines it, slow and obvious, on boolean arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import reference_signal
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
LABEL, TILE, CLOSING = 4, 2, 3


class Expected(NamedTuple):
    """The mask, in the array's volume axes, and what it leaves out."""

    mask: Mask
    left_out: list[tuple[int, tuple[tuple[int, int], ...]]]  # largest first
    n_counted: int  # tissue as it was before the opening
    n_missed: int
    has_one_largest: bool  # which of several components of the largest size is kept is free


def opened(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Opening along the volume axes of 3 and more, as if all around were tissue."""
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    for axis in range(mask.ndim):
        if axis not in axes or mask.shape[axis] < 3:
            cross[tuple(slice(None) if i != axis else [0, 2] for i in range(mask.ndim))] = False
    eroded = ndimage.binary_erosion(mask, structure=cross, border_value=1)
    return np.asarray(ndimage.binary_dilation(eroded, structure=cross))


def blocks(mask: Mask, edge: int) -> Mask:
    """Which blocks of voxels hold any of the mask."""
    padded = np.pad(mask, [(0, -n % edge) for n in mask.shape])
    split = [size for n in padded.shape for size in (n // edge, edge)]
    return np.asarray(padded.reshape(split).any(axis=tuple(range(1, 2 * mask.ndim, 2))))


def voxels(tiles: Mask, edge: int, shape: tuple[int, ...]) -> Mask:
    """The voxels of blocks."""
    for axis in range(tiles.ndim):
        tiles = tiles.repeat(edge, axis)
    return tiles[tuple(slice(n) for n in shape)]


def between(mask: Mask, axis: int) -> Mask:
    """Everything between the first and the last of a mask along an axis."""
    before = np.logical_or.accumulate(mask, axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis), axis)
    return np.asarray(before & behind)


def without_holes(tiles: Mask) -> Mask:
    """Fill what no path joins to the border; axes of one tile have none."""
    flat = tiles.squeeze()
    return ndimage.binary_fill_holes(flat).reshape(tiles.shape) if flat.ndim else tiles


def mask_of(body: Mask) -> Mask:
    """Margin, tiles, closing, majority filling, and no holes, of a mask of 3 axes."""
    cross = ndimage.generate_binary_structure(3, 1)
    tiles = np.pad(blocks(ndimage.binary_dilation(body, cross), TILE), CLOSING)
    tiles = ndimage.binary_dilation(tiles, cross, CLOSING)
    tiles = ndimage.binary_erosion(tiles, cross, CLOSING)
    votes = sum(between(tiles, axis).astype(int) for axis in range(3))
    inner = (votes >= 2)[(slice(CLOSING, -CLOSING),) * 3]
    return voxels(without_holes(inner), TILE, body.shape)


def near(labels: npt.NDArray[np.int_], component: int, shape: tuple[int, ...]) -> Mask:
    """The voxels of the blocks of a component and of those that touch them."""
    found = ndimage.binary_dilation(labels == component, np.ones((3, 3, 3)))
    return voxels(found, LABEL, shape)


def with_islands(mask: Mask, counted: npt.NDArray[np.int_], max_miss_rate: float) -> Mask:
    """A mask and the tiles outside it with 3 voxels of tissue; fewer, where that is not enough.

    `counted` is the number of tissue voxels at each place of the volume.
    """
    outside = np.where(mask, 0, counted)
    padded = np.pad(outside, [(0, -n % TILE) for n in outside.shape])
    split = [size for n in padded.shape for size in (n // TILE, TILE)]
    counts = padded.reshape(split).sum(axis=(1, 3, 5))
    fewest = 3
    while fewest > 1 and counts[counts < fewest].sum() > max_miss_rate * counted.sum():
        fewest -= 1
    return mask | voxels(counts >= fewest, TILE, mask.shape)


def expected_mask(
    tissue: Mask, axes: tuple[int, ...], max_miss_rate: float, largest: bool
) -> Expected:
    """The mask of tissue voxels of an array, whose axes outside the volume share it."""
    others = tuple(i for i in range(tissue.ndim) if i not in axes)
    union = opened(tissue, axes).any(axis=others)
    solid = union.reshape(union.shape + (1,) * (3 - union.ndim))
    labels, n = ndimage.label(blocks(solid, LABEL), np.ones((3, 3, 3)))
    where = voxels(labels, LABEL, solid.shape)
    sizes = np.bincount(where[solid], minlength=n + 1)[1:]
    # of components of one size, the one that comes first in memory order is the larger: none here
    order = sorted(range(n), key=lambda i: -sizes[i])
    has_one_largest = (sizes == sizes.max(initial=0)).sum() <= 1
    dropped = order[1:] if largest else []
    allowed = max_miss_rate * sizes.sum()
    while not largest and len(order) > len(dropped) + 1:
        smallest = order[len(order) - 1 - len(dropped)]
        total = sizes[dropped].sum() + sizes[smallest]
        if sizes[smallest] * 1000 >= sizes.sum() or total > allowed:
            break
        dropped = [smallest, *dropped]
    body = solid & ~np.isin(where, [i + 1 for i in dropped])
    seen = tissue
    if largest:
        around = near(labels, order[0] + 1, solid.shape) if n else np.zeros_like(solid)
        seen = tissue & np.expand_dims(around.reshape(union.shape), others)
    counted = seen.sum(axis=others).reshape(solid.shape)
    mask = with_islands(mask_of(body), counted, max_miss_rate)
    if not largest:
        kept = np.broadcast_to(np.expand_dims(mask.reshape(union.shape), others), tissue.shape)
        kept = reference_signal.guaranteed_mask(kept, tissue, axes, max_miss_rate)
        mask = kept.any(axis=others).reshape(solid.shape)
    else:
        kept = np.broadcast_to(np.expand_dims(mask.reshape(union.shape), others), tissue.shape)
        joined = reference_signal.connected(kept & tissue, tissue, axes).any(axis=others)
        tiles = blocks(joined.reshape(solid.shape), TILE)
        mask = mask | voxels(tiles, TILE, solid.shape)
    left_out = []
    for i in sorted(dropped, key=lambda i: -sizes[i]):
        component = voxels(labels == i + 1, LABEL, solid.shape)
        outside = component & ~mask
        if (outside if largest else outside & (counted > 0)).any():
            bounds = [(int(found.min()), int(found.max()) + 1) for found in np.nonzero(component)]
            left_out.append((int(sizes[i]), tuple(bounds[: union.ndim])))
    missed = int(counted[~mask].sum())
    return Expected(
        mask.reshape(union.shape), left_out, int(counted.sum()), missed, has_one_largest
    )
