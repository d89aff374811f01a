"""Integers under mixtures of logistics, in the kernel."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import reference_mixture
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_build import KERNEL

from medroi import _kernel
from medroi.errors import CorruptStream, InvalidArgument

GOLDEN = Path(__file__).parent / "golden" / "mixtures.npz"
Component = tuple[int, int, int]

COMPONENTS = st.tuples(
    st.one_of(st.integers(0, 127), st.just(0)),
    st.one_of(st.integers(-3000, 3000), st.integers(-(2**23), 2**23)),
    st.integers(0, 175),
)


@st.composite
def symbols_with_mixtures(draw: st.DrawFn) -> list[tuple[int, int, int, list[Component]]]:
    """Rows of symbol, low, high, components; as many components in each."""
    count, found = draw(st.integers(1, 16)), []
    for _ in range(draw(st.integers(0, 12))):
        low = draw(st.one_of(st.integers(-40, 40), st.integers(-131071, 131071 - 40)))
        high = low + draw(st.integers(0, 40))
        components = draw(st.lists(COMPONENTS, min_size=count, max_size=count))
        found.append((draw(st.integers(low, high)), low, high, components))
    return found


def coder(
    mixtures: Sequence[Sequence[Component]], limits: Sequence[tuple[int, int]]
) -> _kernel.Mixtures:
    components = len(mixtures[0]) if mixtures else 1
    table = np.array(mixtures, np.int32).reshape(len(limits), components, 3)
    ends = np.array(limits, np.int32).reshape(-1, 2)
    weights, means, scales = (np.ascontiguousarray(table[:, :, i]) for i in range(3))
    low, high = (np.ascontiguousarray(ends[:, i]) for i in range(2))
    return _kernel.Mixtures(weights.astype(np.uint8), means, scales.astype(np.uint8), low, high)


def decode(found: _kernel.Mixtures, coded: bytes, count: int) -> list[int]:
    out = np.empty(count, np.int32)
    found.decode(coded, out)
    return [int(symbol) for symbol in out]


@settings(max_examples=60, deadline=None)
@given(symbols_with_mixtures())
def test_the_slow_reference_reads_what_the_kernel_writes(
    rows: list[tuple[int, int, int, list[Component]]],
) -> None:
    symbols = [row[0] for row in rows]
    mixtures, limits = [row[3] for row in rows], [(row[1], row[2]) for row in rows]
    found = coder(mixtures, limits)
    coded = found.encode(np.array(symbols, np.int32))
    assert reference_mixture.decode(coded, mixtures, limits) == symbols
    assert decode(found, coded, len(symbols)) == symbols


def typical(count: int = 1000) -> tuple[list[int], list[list[Component]], list[tuple[int, int]]]:
    """Symbols of mixtures that fit them more or less, over ranges of 1 to 65536 levels."""
    rng = np.random.default_rng(35)
    symbols, mixtures, limits = [], [], []
    for number in range(count):
        low = -int(rng.integers(0, 2 ** (1 + number % 16)))
        high = low + int(rng.integers(0, 2 ** (1 + number % 16)))
        symbol = int(np.clip(rng.normal(0, 20), low, high))
        means = 64 * (symbol + rng.normal(0, 10, 10))
        weights, scales = rng.integers(0, 60, 10), rng.integers(30, 90, 10)
        components = zip(weights.tolist(), means.astype(int).tolist(), scales.tolist(), strict=True)
        symbols.append(symbol)
        mixtures.append(list(components))
        limits.append((low, high))
    return symbols, mixtures, limits


def test_the_whole_range_of_65536_levels_is_reached() -> None:
    mixtures = [[(0, 64 * at, 10), (9, 0, 100)] for at in (-65535, -65535, 0, 0, 131071)]
    limits = [(-65535, 0), (-65535, 0), (-30000, 35535), (-30000, 35535), (65536, 131071)]
    symbols = np.array([-65535, 0, -30000, 35535, 131071], np.int32)
    found = coder(mixtures, limits)
    assert decode(found, found.encode(symbols), 5) == symbols.tolist()


def test_the_golden_stream_decodes_and_is_written_again() -> None:
    with np.load(GOLDEN) as golden:
        fields = [golden[name] for name in ("weights", "means", "scales", "low", "high")]
        symbols, coded = golden["symbols"], golden["coded"].tobytes()
    found = _kernel.Mixtures(*fields)
    assert decode(found, coded, symbols.size) == symbols.tolist()
    assert found.encode(symbols) == coded


def test_the_frozen_tables_are_those_of_the_format() -> None:
    text = (KERNEL / "entropy" / "mixture_tables.h").read_text()
    rows = re.findall(r"\[(\d+)\] = \{([^}]*)\}", text)
    found = [[int(number) for number in row.split(",")] for _, row in rows]
    assert found == [reference_mixture.POWERS, reference_mixture.SIGMOID]
    assert zlib.crc32(np.array([*found[0], *found[1]], "<u4").tobytes()) == 0x28D51455
    assert [reference_mixture.weight_of(i) for i in (0, 8, 60, 127)] == [65536, 32768, 362, 1]


def test_every_prefix_and_every_excess_is_refused() -> None:
    symbols, mixtures, limits = typical()
    found = coder(mixtures, limits)
    coded = found.encode(np.array(symbols, np.int32))
    for stop in range(len(coded)):
        with pytest.raises(CorruptStream):
            decode(found, coded[:stop], len(symbols))
    with pytest.raises(CorruptStream):
        decode(found, coded + b"\0", len(symbols))


def test_flipped_bytes_give_an_error_or_symbols_within_their_limits() -> None:
    symbols, mixtures, limits = typical()
    found = coder(mixtures, limits)
    coded = found.encode(np.array(symbols, np.int32))
    other = 0
    for place in range(len(coded)):
        broken = bytearray(coded)
        broken[place] ^= 1 << (place % 8)
        try:
            got = decode(found, bytes(broken), len(symbols))
        except CorruptStream:
            continue
        other += got != symbols
        assert all(low <= s <= high for s, (low, high) in zip(got, limits, strict=True))
    assert other > 0


def test_a_good_mixture_costs_its_entropy() -> None:
    rng = np.random.default_rng(2)
    symbols = np.rint(rng.logistic(3, 5, 20000)).astype(np.int32)
    found = coder([[(0, 3 * 64, 40 + 19)]] * symbols.size, [(-1000, 1000)] * symbols.size)
    scale = 2 ** (19 / 8)
    upper, lower = (1 / (1 + np.exp(-(symbols + d - 3) / scale)) for d in (0.5, -0.5))
    assert 8 * len(found.encode(symbols)) <= 1.0005 * -np.log2(upper - lower).sum() + 64


@pytest.mark.parametrize(
    ("component", "limits"),
    [
        ((128, 0, 0), (0, 1)),
        ((0, 2**23 + 1, 0), (0, 1)),
        ((0, -(2**23) - 1, 0), (0, 1)),
        ((0, 0, 176), (0, 1)),
        ((0, 0, 0), (1, 0)),
        ((0, 0, 0), (0, 65536)),
        ((0, 0, 0), (-131072, 0)),
        ((0, 0, 0), (131000, 131072)),
    ],
)
def test_what_the_format_does_not_allow_is_refused(
    component: Component, limits: tuple[int, int]
) -> None:
    with pytest.raises(InvalidArgument, match="mixtures"):
        coder([[component]], [limits])


def test_a_symbol_outside_its_limits_is_refused() -> None:
    found = coder([[(0, 0, 40)]], [(-3, 3)])
    for symbol in (-4, 4):
        with pytest.raises(InvalidArgument, match=r"expected -3\.\.3"):
            found.encode(np.array([symbol], np.int32))


def test_arrays_of_other_sizes_are_refused() -> None:
    found = coder([[(0, 0, 40)]], [(-3, 3)])
    with pytest.raises(InvalidArgument):
        found.encode(np.zeros(2, np.int32))
    with pytest.raises(InvalidArgument):
        found.decode(b"", np.zeros(2, np.int32))
    with pytest.raises(InvalidArgument):
        coder([[(0, 0, 40)] * 17], [(-3, 3)])
