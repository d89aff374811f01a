"""Integers under frozen tables, in the kernel."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_symbols import decode_symbols
from scipy.stats import norm

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.neural import tables
from medroi.inner.neural.tables import Tables, row_from_cumulative, stack_rows

GOLDEN = Path(__file__).parent / "golden"


def a_table(seed: int = 0) -> Tables:
    """Rows of 1 to 40 symbols, some of almost no share."""
    rng = np.random.default_rng(seed)
    rows = []
    for width in (1, 2, 5, 40, 0):
        shares = rng.exponential(size=width + 1) ** 4
        rows.append(row_from_cumulative(np.cumsum(shares) / shares.sum() - shares / shares.sum()))
    return stack_rows(rows, [0, -1, -2, -20, 7])


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-30, 30), st.integers(-(2**31), 2**31 - 1)), st.integers(0, 4)
        )
    ),
    st.integers(0, 5),
)
def test_what_is_coded_comes_back(pairs: list[tuple[int, int]], seed: int) -> None:
    table = a_table(seed)
    symbols = np.array([pair[0] for pair in pairs], np.int32)
    rows = np.array([pair[1] for pair in pairs], np.uint16)
    assert np.array_equal(table.decode(table.encode(symbols, rows), rows), symbols)


def typical(count: int = 400) -> tuple[Tables, np.ndarray, np.ndarray, bytes]:
    """A table, symbols with a few escapes, their rows, their bytes."""
    rng = np.random.default_rng(1)
    table = a_table()
    rows = rng.integers(0, 5, count).astype(np.uint16)
    symbols = np.rint(rng.normal(0, 6, count)).astype(np.int32)
    return table, symbols, rows, table.encode(symbols, rows)


def test_the_slow_reference_reads_the_same_symbols() -> None:
    table, symbols, rows, coded = typical()
    assert decode_symbols(coded, table.cdf, table.lengths, table.offsets, rows) == symbols.tolist()


def test_the_golden_stream_decodes_and_is_written_again() -> None:
    with np.load(GOLDEN / "symbols.npz") as golden:
        table = Tables(golden["cdf"], golden["lengths"], golden["offsets"])
        coded, symbols, rows = golden["coded"].tobytes(), golden["symbols"], golden["rows"]
    assert np.array_equal(table.decode(coded, rows), symbols)
    assert table.encode(symbols, rows) == coded


def test_every_prefix_and_every_excess_is_refused() -> None:
    table, _, rows, coded = typical()
    for stop in range(len(coded)):
        with pytest.raises(CorruptStream):
            table.decode(coded[:stop], rows)
    with pytest.raises(CorruptStream):
        table.decode(coded + b"\0", rows)


def test_another_number_of_symbols_is_refused() -> None:
    table, _, rows, coded = typical()
    with pytest.raises(CorruptStream):
        table.decode(coded, np.append(rows, np.repeat(rows, 2)))
    with pytest.raises(CorruptStream):
        table.decode(coded, rows[:-100])


def test_flipped_bytes_give_an_error_or_other_symbols_but_no_crash() -> None:
    table, symbols, rows, coded = typical()
    for place in range(len(coded)):
        broken = bytearray(coded)
        broken[place] ^= 1 << (place % 8)
        try:
            assert table.decode(bytes(broken), rows).shape == symbols.shape
        except CorruptStream:
            continue


def test_tables_that_do_not_rise_are_refused() -> None:
    good = a_table()
    for row, entry, value in ((0, 0, 1), (3, 5, 0), (3, 41, 65535), (1, 1, 65536)):
        cdf = good.cdf.copy()
        cdf[row, entry] = value
        with pytest.raises(InvalidArgument):
            Tables(cdf, good.lengths, good.offsets).encode(
                np.zeros(1, np.int32), np.zeros(1, np.uint16)
            )
    with pytest.raises(InvalidArgument, match="entries"):
        Tables(good.cdf, good.lengths + 100, good.offsets).decode(b"", np.zeros(1, np.uint16))


def test_rows_beyond_the_table_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="row 5 of 5"):
        a_table().encode(np.zeros(1, np.int32), np.full(1, 5, np.uint16))


def test_every_symbol_of_a_row_has_a_share_near_its_probability() -> None:
    shares = [Fraction(1, 10**9), Fraction(1, 3), Fraction(1, 10**7), Fraction(1, 2)]
    before = np.array([float(sum(shares[:i], Fraction())) for i in range(5)])
    row = row_from_cumulative(before).astype(np.int64)
    widths = np.diff(row)
    assert row[0] == 0 and row[-1] == 65536 and widths.min() >= 1
    assert np.allclose(widths[:-1] / 65536, [float(share) for share in shares], atol=5 / 65536)


def test_gaussian_rows_follow_the_normal_distribution() -> None:
    table = tables.gaussian_tables()
    for number, scale in enumerate(tables.scale_edges()):
        length, offset = int(table.lengths[number]), int(table.offsets[number])
        symbols = np.arange(offset, offset + length - 2)
        found = np.diff(table.cdf[number, :length].astype(np.int64))[:-1] / 65536
        expected = norm.cdf((symbols + 0.5) / scale) - norm.cdf((symbols - 0.5) / scale)
        slack = length / 65536
        assert np.all(np.abs(found - expected) <= expected * slack + 2 / 65536)
