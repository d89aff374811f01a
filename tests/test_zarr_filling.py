"""Chunks that take several writes hold what one write would have put there, voxel for voxel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import zarr

from medroi import MedROI
from medroi.zarr import MedROICodec

Region = tuple[Any, ...]


@pytest.fixture(scope="module")
def head(head_volume: np.ndarray) -> np.ndarray:
    """A real scan with noisy air, small enough to be coded a hundred times."""
    return np.ascontiguousarray(head_volume[::4, ::3, ::3])


def slices(shape: tuple[int, ...], axis: int) -> list[Region]:
    return [(slice(None),) * axis + (k,) for k in range(shape[axis])]


def blocks(shape: tuple[int, ...], edges: tuple[int, ...]) -> list[Region]:
    starts = [range(0, size, edge) for size, edge in zip(shape, edges, strict=True)]
    return [
        tuple(slice(start, start + edge) for start, edge in zip(corner, edges, strict=True))
        for corner in product(*starts)
    ]


def shuffled(regions: list[Region], seed: int) -> list[Region]:
    order = np.random.default_rng(seed).permutation(len(regions))
    return [regions[k] for k in order]


def orders(shape: tuple[int, ...]) -> Iterator[tuple[str, list[Region]]]:
    for axis in range(3):
        yield f"axis {axis}", slices(shape, axis)
        yield f"axis {axis} from behind", slices(shape, axis)[::-1]
        yield f"axis {axis} shuffled", shuffled(slices(shape, axis), axis)
    yield "every other slice first", slices(shape, 0)[::2] + slices(shape, 0)[1::2]
    yield "thick slabs", blocks(shape, (7, *shape[1:]))


def block_edges(layout: str) -> tuple[int, ...]:
    """Blocks that fill whole chunks, or of a chunk of the whole scan, an eighth."""
    return (24, 40, 24) if layout == "chunks" else (20, 32, 32)


ORDERS = [name for name, _ in orders((40, 64, 64))]


def create(layout: str, shape: tuple[int, ...], dtype: Any, options: dict[str, Any]) -> zarr.Array:
    common = {"shape": shape, "dtype": dtype, "fill_value": 0}
    if layout == "format 2":
        return zarr.create_array(
            {}, **common, zarr_format=2, chunks=shape, compressors=MedROI(**options), filters=None
        )
    cut = {
        "format 3": {"chunks": shape},
        "chunks": {"chunks": (24, 40, 24)},
        "shards": {"chunks": (20, 32, 32), "shards": (40, 64, 64)},
    }[layout]
    codec = MedROICodec(**options)
    return zarr.create_array({}, **common, **cut, serializer=codec, compressors=None)


@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("layout", ["format 2", "format 3", "chunks", "shards"])
@pytest.mark.parametrize("name", ORDERS)
def test_a_scan_written_in_any_order_equals_one_write(
    name: str, layout: str, roi: str, head: np.ndarray
) -> None:
    once = create(layout, head.shape, head.dtype, {"roi": roi})
    once[...] = head
    slowly = create(layout, head.shape, head.dtype, {"roi": roi})
    for region in dict(orders(head.shape))[name]:
        slowly[region] = head[region]
    assert np.array_equal(slowly[...], once[...])
    assert np.array_equal(once[...][head > 100], head[head > 100])


@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("layout", ["format 2", "format 3", "chunks", "shards"])
def test_a_scan_written_block_by_block_equals_one_write(
    layout: str, seed: int, roi: str, head: np.ndarray
) -> None:
    once = create(layout, head.shape, head.dtype, {"roi": roi})
    once[...] = head
    slowly = create(layout, head.shape, head.dtype, {"roi": roi})
    for region in shuffled(blocks(head.shape, block_edges(layout)), seed):
        slowly[region] = head[region]
    assert np.array_equal(slowly[...], once[...])


@pytest.mark.parametrize("layout", ["format 2", "format 3", "chunks", "shards"])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "<u2", "<f8"])
def test_scans_of_other_dtypes_too(dtype: str, layout: str, head: np.ndarray) -> None:
    scan = head.astype(dtype)
    once = create(layout, scan.shape, scan.dtype, {})
    once[...] = scan
    slowly = create(layout, scan.shape, scan.dtype, {})
    for region in shuffled(slices(scan.shape, 1), 5):
        slowly[region] = scan[region]
    assert np.array_equal(slowly[...], once[...])


@pytest.mark.parametrize("layout", ["format 2", "format 3", "chunks", "shards"])
def test_a_chunk_that_is_not_yet_complete_holds_everything_written(
    layout: str, head: np.ndarray
) -> None:
    slowly = create(layout, head.shape, head.dtype, {})
    expected = np.zeros_like(head)
    for region in slices(head.shape, 2)[20:44]:
        slowly[region] = expected[region] = head[region]
    assert np.array_equal(slowly[...], expected)
