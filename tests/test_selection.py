"""Parts of arrays from parts of their streams, whoever reads the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrays import DTYPES, OPAQUE_DTYPES, arrays, make_array, phantom
from hypothesis import given, settings
from hypothesis import strategies as st

import medroi
from medroi import MedROI, codec, errors
from medroi.selection import narrow

Bounds = Sequence[tuple[int, int]]
GOLDENS = sorted((Path(__file__).parent / "golden").glob("v*.medroi"))


def read(stream: bytes, bounds: Bounds | None) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The selection, and the byte ranges that it took."""
    reading, ranges, answer = codec.decode_selection(bounds), [], None
    while True:
        try:
            asked = reading.send(answer)
        except StopIteration as done:
            return done.value, ranges
        ranges += asked
        answer = [stream[start:stop] for start, stop in asked]


def draw_bounds(data: st.DataObject, shape: tuple[int, ...]) -> Bounds:
    pairs = [data.draw(st.tuples(*[st.integers(0, size)] * 2).map(sorted)) for size in shape]
    return [(low, high) for low, high in pairs]


def assert_selected(stream: bytes, bounds: Bounds) -> None:
    whole = MedROI().decode(stream)
    found, ranges = read(stream, bounds)
    expected = whole[tuple(slice(*pair) for pair in bounds)]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
    assert all(0 <= start < stop <= len(stream) for start, stop in ranges)


@given(arrays(DTYPES + OPAQUE_DTYPES, max_axes=8), st.data())
@settings(max_examples=150, deadline=None)
def test_a_selection_is_what_the_whole_array_has_there(
    array: np.ndarray, data: st.DataObject
) -> None:
    slice_axis = data.draw(st.integers(0, array.ndim - 1))
    stream = MedROI.lossless("raw", slice_axis=slice_axis).encode(array)
    assert_selected(stream, draw_bounds(data, array.shape))


@given(st.sampled_from(GOLDENS), st.data())
@settings(max_examples=80, deadline=None)
def test_goldens_are_read_in_part(path: Path, data: st.DataObject) -> None:
    stream = path.read_bytes()
    assert_selected(stream, draw_bounds(data, medroi.inspect(stream).shape))


@pytest.mark.parametrize("order", ["C", "F"])
def test_preamble_table_and_parts_are_read_one_after_the_other(order: str) -> None:
    array = np.zeros((60, 600, 600), "<u4", order=order)
    array[...] = make_array("<u4", array.shape[1:], "C", 3)
    stream = MedROI.lossless("raw", slice_axis=0, background=1).encode(array)
    assert medroi.inspect(stream).n_parts == 60
    assert_selected(stream, [(41, 43), (5, 9), (500, 600)])
    _, ranges = read(stream, [(41, 43), (5, 9), (500, 600)])
    assert ranges[:2] == [(0, 116), (116, 116 + 60 * 12)]
    assert ranges[2][1] - ranges[2][0] == 2 * 600 * 600 * 4
    assert len(ranges) == 3


@st.composite
def selections(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """What numpy takes for an array: fewer items than axes, an ellipsis, steps, masks, lists."""
    items: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        index = st.integers(-size, size - 1)
        bound = st.none() | st.integers(-size - 2, size + 2)
        step = st.none() | st.integers(-3, 3).filter(bool)
        items.append(draw(index | st.builds(slice, bound, bound, step)))
    if draw(st.booleans()):
        items.append(Ellipsis)
    return tuple(items)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_narrowed_selection_is_the_selection(data: st.DataObject) -> None:
    array = np.arange(5 * 7 * 3).reshape(5, 7, 3)
    selection = data.draw(selections(array.shape))
    narrowed = narrow(selection, array.shape)
    block = array[tuple(slice(*pair) for pair in narrowed.bounds)]
    assert np.array_equal(block[narrowed.inside], array[selection])
    touched = np.zeros(array.shape, bool)
    touched[selection] = True
    for axis, indices in enumerate(narrowed.indices):
        others = tuple(k for k in range(3) if k != axis)
        if touched.any():
            assert indices.tolist() == np.flatnonzero(touched.any(others)).tolist()


@pytest.mark.parametrize(
    "selection",
    [
        ([0, -1, 3], slice(None), [2, 0, 2]),
        (np.array([[0], [4]], "u1"), np.array([1, -7]), 2),
        (np.array([True, False, False, True, False]), slice(1, 5, 2), -1),
        (np.array([], int), slice(None)),
        np.arange(5 * 7 * 3).reshape(5, 7, 3) % 4 == 0,
        (None, slice(2), 3),
    ],
)
def test_arrays_of_indices_and_masks_are_narrowed(selection: Any) -> None:
    array = np.arange(5 * 7 * 3).reshape(5, 7, 3)
    narrowed = narrow(selection, array.shape)
    block = array[tuple(slice(*pair) for pair in narrowed.bounds)]
    assert np.array_equal(block[narrowed.inside], array[selection])


def test_the_whole_array_needs_no_bounds() -> None:
    stream = MedROI().encode(phantom())
    assert np.array_equal(read(stream, None)[0], MedROI().decode(stream))


@pytest.mark.parametrize(
    "bounds", [[(0, 21), (0, 24), (0, 22)], [(-1, 3), (0, 24), (0, 22)], [(3, 2)] * 3, [(0, 2)]]
)
def test_bounds_outside_the_array_are_refused(bounds: Bounds) -> None:
    with pytest.raises(errors.InvalidArgument, match="bounds"):
        read(MedROI().encode(phantom()), bounds)


@pytest.mark.parametrize("nbytes", [0, 3, 111, 115, 300, 2000])
def test_a_cut_stream_is_refused(nbytes: int) -> None:
    stream = MedROI("raw").encode(phantom())
    with pytest.raises(errors.CorruptStream):
        read(stream[:nbytes], [(5, 10), (5, 10), (5, 10)])
