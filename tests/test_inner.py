"""The native inner codecs, their Python stand-ins, and the two pipelines write one format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from arrays import DTYPES, arrays, make_array, phantom, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

from medroi import MedROI, _kernel, errors, inner
from medroi.arrays import as_dense, layout_of, memory_of
from medroi.hosting import Hosting
from medroi.inner.base import Block, InnerCodec, NativeCodec

LOSSLESS = tuple(entry.name for entry in inner.TABLE if entry.codec_id in (0, 1, 2))


class StandIn(InnerCodec):
    """A native codec kept from its kernel."""

    codec_id = 0

    def __init__(self, native: NativeCodec) -> None:
        self.native = native
        self.codec_id = native.codec_id

    def part_extent(self, region: Block) -> int:
        return inner.base.short_part_extent(region)

    def encode(self, part: np.ndarray) -> bytes:
        return self.native.encode_without_kernel(part)

    @classmethod
    def decode(cls, coded: memoryview, out: np.ndarray) -> None:
        raise AssertionError("decoding needs no stand-in here")


def hosted(array: np.ndarray, run_by: InnerCodec, slice_axis: int, **options: Any) -> bytes:
    """One stream whose inner codec the engine calls in Python."""
    config = {"threshold": None, "slice_axis": slice_axis, **options}
    made = _kernel.Config(json.dumps(config), run_by.codec_id, None, run_by)
    dense = as_dense(array)
    dtype = dense.dtype.str if dense.dtype.kind in "Mm" else None
    hosting = Hosting(type(run_by), dense.dtype)
    coded: bytes = made.encode(layout_of(dense), memory_of(dense), hosting, dtype)
    return coded


@given(arrays(DTYPES), st.sampled_from(LOSSLESS), st.data())
@settings(max_examples=100, deadline=None)
def test_both_pipelines_write_the_same_bytes(
    array: np.ndarray, name: str, data: st.DataObject
) -> None:
    slice_axis = data.draw(st.integers(0, array.ndim - 1))
    native = MedROI.lossless(name, slice_axis=slice_axis).encode(array)
    assert hosted(array, inner.make(name), 0 if array.ndim == 1 else slice_axis) == native


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">f8"])
def test_a_stand_in_writes_what_the_kernel_reads(name: str, dtype: str) -> None:
    array = make_array(dtype, (60, 101, 97), "C", 5)
    written = hosted(array, StandIn(inner.make(name)), 0)
    assert same_bits(MedROI().decode(written), array)


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">f8"])
def test_a_stand_in_reads_what_the_kernel_writes(name: str, dtype: str) -> None:
    part, made = make_array(dtype, (7, 11, 13), "C", 6), inner.make(name)
    assert _kernel.has_inner(made.codec_id)
    out = np.empty_like(part)
    type(made).decode_without_kernel(memoryview(made.encode(part)), out)
    assert same_bits(out, part)


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("native", [True, False])
def test_every_prefix_of_a_part_is_refused(name: str, native: bool) -> None:
    part, made = phantom((5, 6, 7)), inner.make(name)
    coded, out = made.encode(part), np.empty((5, 6, 7), "<i2")
    decode = type(made).decode if native else type(made).decode_without_kernel
    for length in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            decode(memoryview(coded[:length]), out)
    with pytest.raises(errors.CorruptStream):
        decode(memoryview(coded + b"\0"), out)


def test_levels_trade_size() -> None:
    volume = phantom((60, 60, 60))
    for name in ("deflate", "zstd"):
        fast = MedROI({"id": name, "level": 1}).encode(volume)
        small = MedROI({"id": name, "level": 9}).encode(volume)
        assert len(small) < len(fast)
