"""What bcmnet does without PyTorch: settings, order of slices, parameters on the grid."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from bcmnet_volumes import CASES, volume
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.inner import by_id, make
from medroi.inner.base import Block, block_of
from medroi.inner.neural.bcmnet import indices, mixtures, order
from medroi.inner.neural.bcmnet.codec import Bcmnet

HASH = "0123456789abcdef" * 2


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    codec, array = make({"id": "bcmnet", "weights": HASH}), volume("odd")
    with pytest.raises(InnerUnavailable, match=r"pip install medroi\[neural\]"):
        codec.check(block_of(array))
    with pytest.raises(InnerUnavailable, match=r"pip install medroi\[neural\]"):
        by_id(35).decode(memoryview(b""), array)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "weights"),
        ({"weights": "some/path.npz"}, "a path as text is refused"),
        ({"weights": HASH, "base_psnr": -1}, "base_psnr"),
        ({"weights": HASH, "base_psnr": float("nan")}, "base_psnr"),
        ({"weights": HASH, "bit_depth": 17}, "1 to 16"),
        ({"weights": HASH, "bit_depth": 12.5}, "bit_depth=12.5: expected a whole number"),
        ({"weights": HASH, "slices_per_part": 12}, "multiple of 8"),
        ({"weights": HASH, "slices_per_part": 0}, "multiple of 8"),
        ({"weights": HASH, "quality": 3}, "no setting quality"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        make({"id": "bcmnet", **settings})


def test_elements_and_slices_that_cannot_be_coded_are_refused() -> None:
    codec = Bcmnet(HASH)
    for dtype in ("c8", "S3", "M8[s]"):
        with pytest.raises(InvalidArgument, match="use zstd"):
            codec.check(Block((3, 4, 5), np.dtype(dtype)))
    with pytest.raises(InvalidArgument, match="16384"):
        codec.check(Block((1, 2, 16385), np.dtype("u2")))


def test_configurations_name_weights_by_their_hash() -> None:
    codec = Bcmnet(HASH, bit_depth=12, slices_per_part=16)
    assert make(codec.config()) == codec
    assert Bcmnet(Path("missing.npz")).weights == Path("missing.npz")


def test_weights_have_to_be_named() -> None:
    with pytest.raises(InvalidArgument, match="weights=None"):
        Bcmnet(None)


@pytest.mark.parametrize(
    ("shape", "extent"),
    [((100, 9, 9), 32), ((20, 9, 9), 20), ((7, 30, 5, 5), 1), ((9, 4, 5, 5), 8), ((50, 9), 50)],
)
def test_parts_hold_whole_groups_of_slices(shape: tuple[int, ...], extent: int) -> None:
    assert Bcmnet(HASH).part_extent(Block(shape, np.dtype("u2"))) == extent


@given(st.integers(1, 70), st.integers(1, 300), st.integers(1, 300))
def test_every_slice_is_coded_once_after_its_references(n: int, height: int, width: int) -> None:
    seen: set[int] = set()
    pixels = -(-height // 2) * -(-width // 2)
    for step in order.steps(n, height, width):
        assert len(step.slices) == 1 or len(step.slices) * pixels <= order.STEP_PIXELS
        assert set(step.forward) | set(step.backward) <= seen
        assert len(step.forward) == len(step.backward) == (len(step.slices) if seen else 0)
        assert not seen & set(step.slices)
        seen |= set(step.slices)
    assert seen == set(range(n))


def test_references_are_those_of_the_public_network() -> None:
    inside = [order.references_of(number, 17) for number in range(8, 17)]
    assert inside == [
        (0, 0), (8, 10), (8, 12), (10, 12), (8, 16), (12, 14), (12, 16), (14, 16), (8, 8)
    ]  # fmt: skip
    assert [order.references_of(number, 13) for number in (9, 10, 11, 12)] == [
        (8, 10), (8, 12), (10, 12), (8, 8)
    ]  # fmt: skip


PARAMETERS = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.just(30)),
    elements=st.one_of(
        st.floats(-20, 20),
        st.integers(-500, 500).map(lambda n: (n + 0.5) / 64),
        st.floats(-1e5, 1e5),
    ),
)


@given(PARAMETERS, st.integers(0, 2**32 - 1))
def test_a_machine_that_computes_a_little_otherwise_finds_the_same_integers(
    parameters: np.ndarray, seed: int
) -> None:
    places = mixtures.on_grid(parameters)
    doubts = mixtures.find_doubts(places)
    integers = mixtures.decide(places, doubts)
    assert np.abs(integers - places).max() <= 0.5 + 1e-7
    noise = np.random.default_rng(seed).uniform(-1, 1, places.shape)
    other = places + noise * 0.9e-8 * (1 + np.abs(places))
    again, rest = mixtures.Doubts.read(memoryview(doubts.to_bytes() + b"rest"), places.size)
    assert bytes(rest) == b"rest"
    assert np.array_equal(mixtures.decide(other, again), integers)
    zeros = np.zeros(len(places), np.int32)
    coder = mixtures.coder(integers, zeros - 5, zeros + 5)
    out = zeros + 9
    coder.decode(coder.encode(zeros), out)
    assert np.array_equal(out, zeros)


def test_lists_of_parameters_that_are_no_lists_are_refused() -> None:
    positions = np.array([0, 1, 7], np.int64)
    coded = mixtures.Doubts(positions, np.array([True, False, True])).to_bytes()
    assert mixtures.Doubts.read(memoryview(coded), 8)[0].positions.tolist() == [0, 1, 7]
    for stop in range(len(coded)):
        with pytest.raises(CorruptStream):
            mixtures.Doubts.read(memoryview(coded[:stop]), 8)
    with pytest.raises(CorruptStream, match="ascend"):
        mixtures.Doubts.read(memoryview(coded), 7)
    with pytest.raises(CorruptStream, match="ascend"):
        mixtures.Doubts.read(memoryview(np.array([2, 6, 0], "<u4").tobytes()), 90)
    with pytest.raises(CorruptStream, match="elsewhere"):
        mixtures.decide(np.full((1, 30), 0.25), mixtures.Doubts(positions, positions > 0))


@pytest.mark.parametrize("name", CASES)
def test_elements_become_indices_and_come_back(name: str) -> None:
    array = volume(name)
    indexing = indices.find(array)
    found = indexing.of(array)
    assert found.dtype == np.int32 and found.ndim == 3
    assert found.min() >= 0 and found.max() <= indices.MAX_INDEX
    out = np.empty_like(array)
    indices.put(found, indexing.offset, memoryview(indexing.head(array)), out)
    assert out.tobytes() == array.tobytes()


def test_an_offset_that_leaves_the_element_type_is_refused() -> None:
    out = np.empty((1, 1, 1), "i1")
    for offset in (-129, 128, 0.5):
        with pytest.raises(CorruptStream, match="offset"):
            indices.put(np.zeros((1, 1, 1), np.int32), offset, memoryview(b""), out)
