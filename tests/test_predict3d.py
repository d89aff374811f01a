"""predict3d gives back every bit, on every build, and survives any bytes."""

from __future__ import annotations

import itertools
import re
import sys
from ctypes import CDLL

import coder_golden
import numpy as np
import pytest
import reference_predict3d
import reference_predict3d_local
import reference_predict3d_stacked
from arrays import DTYPES, arrays, phantom
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_build import CODECS, Coder
from reference_coder import RefusedError
from scans import part

from medroi import MedROI, errors, inner
from medroi.inner.base import Block
from medroi.inner.predict3d import Predict3D
from medroi.peak_memory import peak_of

# What level max takes: its models, and a multiple of an image.
MODELS_NBYTES, MOST_OF_IMAGE = 16 << 20, 64
LEVELS = st.sampled_from(["dense", "fast", "max"])
# Of the local methods, which want slices of 16 x 16: images, volumes, and volumes over time.
LOCAL_SHAPES = [(17, 16), (40, 19), (2, 16, 18), (5, 17, 25), (7, 2, 16, 17), (3, 3, 16, 16)]


def through(array: np.ndarray, level: str = "dense") -> tuple[bytes, np.ndarray]:
    coded = Predict3D(level).encode(array)
    out = np.empty_like(array)
    Predict3D.decode(memoryview(coded), out)
    return coded, out


@given(array=arrays(DTYPES), level=LEVELS)
@settings(max_examples=200, deadline=None)
def test_random_arrays_come_back(array: np.ndarray, level: str) -> None:
    codec = MedROI.lossless({"id": "predict3d", "level": level})
    decoded = codec.decode(codec.encode(array))
    assert decoded.dtype == array.dtype
    assert decoded.tobytes("A") == array.tobytes("A")


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple),
    level=LEVELS,
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_smooth_arrays_come_back_and_the_reference_agrees(
    dtype: str, shape: tuple[int, ...], level: str, seed: int
) -> None:
    array = part(dtype, shape, seed)
    coded, decoded = through(array, level)
    assert decoded.tobytes() == array.tobytes()
    assert reference_predict3d.decode(coded, shape, dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize("level", ["dense", "fast"])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_special_floats_keep_their_bits(dtype: str, level: str) -> None:
    array = part(dtype, (6, 8, 9))
    array[0, 0] = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 6e-8, -6e-8, 1.0]
    assert through(array, level)[1].tobytes() == array.tobytes()


@pytest.mark.parametrize("level", ["dense", "fast"])
@pytest.mark.parametrize("dtype", ["<i4", "<u4", ">i8", "<u8", "|i1"])
def test_whole_ranges_come_back(dtype: str, level: str) -> None:
    limits = np.iinfo(dtype)
    array = part("<i2", (5, 8, 9)).astype(dtype)
    array[1, 2, 3:5] = [limits.min, limits.max]
    assert through(array, level)[1].tobytes() == array.tobytes()


@given(
    dtype=st.sampled_from(["|u1", "<i2", ">u2", "<i4", "<f4", "|b1"]),
    shape=st.sampled_from(LOCAL_SHAPES),
    noise=st.sampled_from([0.0, 2.0, 40.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=8, deadline=None)
def test_parts_of_the_level_max_come_back_and_the_reference_agrees(
    dtype: str, shape: tuple[int, ...], noise: float, seed: int
) -> None:
    array = part(dtype, shape, seed, noise)
    coded, decoded = through(array, "max")
    assert decoded.tobytes() == array.tobytes()
    assert reference_predict3d.decode(coded, shape, dtype).tobytes() == array.tobytes()


def golden(name: str) -> bytes:
    return (coder_golden.FOLDER / f"part-predict3d-{name}.bin").read_bytes()


LOCAL = [name for name in coder_golden.cases() if name.startswith("predict3d-max-")]
STACKED = [name for name in coder_golden.cases() if name.startswith("predict3d-stacked-")]


@pytest.mark.parametrize(("names", "method"), [(LOCAL, 4), (STACKED, 5)])
def test_goldens_have_the_method_that_they_are_named_after(names: list[str], method: int) -> None:
    assert {golden(name.removeprefix("predict3d-"))[0] for name in names} == {method}
    assert len(names) >= 6


@pytest.mark.parametrize("name", sorted({*STACKED} - coder_golden.READ_ONLY))
def test_the_smallest_method_is_taken(name: str) -> None:
    array = coder_golden.cases()[name][1]
    assert len(through(array, "max")[0]) < len(through(array, "dense")[0])


def test_series_of_many_large_slices_have_the_local_method() -> None:
    array = np.stack([part("<i2", (66, 64, 64), seed) for seed in (1, 2)])
    coded, decoded = through(array, "max")
    assert coded[0] == 4
    assert decoded.tobytes() == array.tobytes()


def test_a_large_part_is_coded_in_the_way_that_suits_its_middle() -> None:
    array = part("<i2", (32, 96, 96), noise=2.0)
    coded, decoded = through(array, "max")
    assert coded[0] == 5 and len(coded) < len(through(array, "dense")[0])
    assert decoded.tobytes() == array.tobytes()
    noise = np.random.default_rng(2).integers(0, 1 << 16, array.shape).astype("<u2")
    noise[14:18] = array[14:18]  # the middle misleads: the whole does not fit and is stored
    assert len(through(noise, "max")[0]) <= noise.nbytes + 1
    assert through(noise, "max")[1].tobytes() == noise.tobytes()


def check_as_the_reference(coded: bytes, array: np.ndarray) -> None:
    """What the kernel decodes the reference decodes too, and what one refuses the other does."""
    out = np.empty_like(array)
    try:
        Predict3D.decode(memoryview(coded), out)
    except errors.CorruptStream:
        with pytest.raises(RefusedError):
            reference_predict3d.decode(coded, array.shape, array.dtype.str)
    else:
        expected = reference_predict3d.decode(coded, array.shape, array.dtype.str)
        assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ["max-image", "stacked-image", "stacked-wide"])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_damaged_local_parts_are_refused_or_decode_as_the_reference_does(
    name: str, data: st.DataObject
) -> None:
    array = coder_golden.cases()[f"predict3d-{name}"][1]
    coded = bytearray(golden(name))
    for _ in range(data.draw(st.integers(1, 3))):
        coded[data.draw(st.integers(5, len(coded) - 1))] = data.draw(st.integers(0, 255))
    check_as_the_reference(bytes(coded), array)


@pytest.mark.parametrize("name", ["max-image", "stacked-image"])
@pytest.mark.parametrize("shape", [(15, 40), (16, 15), (4, 15, 16), (600,)])
def test_local_parts_of_small_slices_are_refused(shape: tuple[int, ...], name: str) -> None:
    method = name.split("-")[0].replace("max", "local")
    with pytest.raises(errors.CorruptStream, match=f"the {method} method"):
        Predict3D.decode(memoryview(golden(name)), np.empty(shape, "<u2"))
    assert through(part("<i2", shape), "max")[0][0] not in (4, 5)


@pytest.mark.parametrize("shape", [(2, 1024, 512), (2, 1025, 16, 16), (16, 131073)])
def test_stacked_parts_of_large_slices_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(errors.CorruptStream, match="stacked method"):
        Predict3D.decode(memoryview(golden("stacked-image")), np.empty(shape, "<u2"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the peak")
def test_images_take_memory_by_their_size_however_low_they_are() -> None:
    image = part("<i2", (16, 20_000))
    coded, encoding_nbytes = peak_of(lambda: Predict3D("max").encode(image))
    out = np.empty_like(image)
    _, decoding_nbytes = peak_of(lambda: Predict3D.decode(memoryview(coded), out))
    assert coded[0] == 5
    assert max(encoding_nbytes, decoding_nbytes) < MODELS_NBYTES + MOST_OF_IMAGE * image.nbytes


def frozen(name: str) -> list[int]:
    """A table of the kernel's."""
    header = {"local_weight": "local_weights"}.get(name, f"{name.split('_')[0]}_tables")
    path = CODECS / "predict3d" / f"{header}.h"
    found = re.search(rf"{name}\[[^]]*\] = \{{(.*?)\}};", path.read_text(), re.DOTALL)
    assert found
    return [int(number) for number in found[1].replace("\n", " ").split(",") if number.strip()]


def test_frozen_tables_are_what_their_formulas_give() -> None:
    assert frozen("local_place") == reference_predict3d_local.PLACES
    assert frozen("local_first_share") == reference_predict3d_local.FIRST_SHARES
    assert frozen("local_reciprocal") == reference_predict3d_local.FACTOR
    assert frozen("local_shift") == reference_predict3d_local.SHIFT
    assert frozen("local_weight") == reference_predict3d_local.WEIGHTS
    for name in ("SOFTPLUS", "WIDTH", "SQUASH", "STRETCH"):
        first, *bends = frozen(f"stacked_{name.lower()}_bends")
        drawn = itertools.accumulate(itertools.accumulate(bends), initial=first)
        assert list(drawn) == getattr(reference_predict3d_stacked, name)
    for name in ("STEP", "OCTAVE", "TRUST", "RATE"):
        assert frozen(f"stacked_{name.lower()}") == getattr(reference_predict3d_stacked, name)
    assert frozen("stacked_blend") == reference_predict3d_stacked.BLEND


def test_no_value_is_left_without_a_share() -> None:
    # Shares of cells differ by 1 or more in each of two models, so that a step of 2 places in a
    # cell of 4096 owns (2 * 2) >> 2 of 2^26. All fractions of the mean, at every scale.
    places, top = np.array(reference_predict3d_local.PLACES), 12 << 14
    for level8 in range(8, 224):
        n = (level8 - 76) >> 3 if level8 > 83 else 0
        factor = reference_predict3d_local.FACTOR[level8 & 7]
        shift = reference_predict3d_local.SHIFT[level8 & 7] + (level8 >> 3)
        reach = (top << shift) // factor >> (8 + n)
        edges = (np.arange(-reach - 2, reach + 3)[:, None] << (8 + n)) + np.arange(
            0, 256 << n, 8 << n
        )
        z = edges * factor >> shift
        t = np.clip(z, -top, top) + top
        low = places[t >> 8]
        place = low + ((places[(t >> 8) + 1] - low) * (t & 255) >> 8)
        inside = (z[:-1] >= -top) & (z[1:] <= top)
        assert (np.diff(place, axis=0)[inside] >= 2).all(), level8


PREFIXES = [
    *itertools.product(["int16", "special-floats", "wide", "sparse"], ["dense", "fast"]),
    ("multiples", "dense"),
    ("stacked-flat", "max"),
]


@pytest.mark.parametrize(("name", "level"), PREFIXES)
def test_every_prefix_and_every_extra_byte_is_refused(name: str, level: str) -> None:
    array = coder_golden.cases()[f"predict3d-{name}"][1]
    coded, _ = through(array, level)
    out = np.empty_like(array)
    for length in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            Predict3D.decode(memoryview(coded[:length]), out)
    with pytest.raises(errors.CorruptStream):
        Predict3D.decode(memoryview(coded + b"\0"), out)


@given(data=st.data(), level=LEVELS)
@settings(max_examples=300, deadline=None)
def test_damaged_parts_are_refused_or_decode_as_the_reference_does(
    data: st.DataObject, level: str
) -> None:
    array = part("<i2", (3, 5, 6))
    coded = bytearray(through(array, level)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        coded[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    check_as_the_reference(bytes(coded), array)


@given(coded=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_survived(coded: bytes) -> None:
    out = np.empty((3, 4, 5), "<i2")
    try:
        Predict3D.decode(memoryview(coded), out)
    except errors.CorruptStream:
        return
    expected = reference_predict3d.decode(coded, out.shape, "<i2")
    assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("method", [1, 7, 255])
def test_an_unknown_method_is_refused_by_its_number(method: int) -> None:
    array = part("<i2", (3, 5, 6))
    coded = bytes([method]) + through(array, "fast")[0][1:]
    expected = (
        f"method {method}, expected 0 .dense., 2 .stored., 3 .fast., 4 .local., 5 .stacked. or"
    )
    with pytest.raises(errors.CorruptStream, match=expected):
        Predict3D.decode(memoryview(coded), np.empty_like(array))
    with pytest.raises(RefusedError, match="method"):
        reference_predict3d.decode(coded, array.shape, "<i2")


def test_all_builds_write_and_read_the_same_bytes(coder_builds: list[CDLL]) -> None:
    arrays_here = [part("<i2", (9, 20, 21)), part("<f4", (8, 9, 10)) / 3, part(">u2", (30, 40))]
    arrays_here += [coder_golden.cases()[name][1] for name in STACKED]
    arrays_here += [coder_golden.cases()[f"predict3d-{name}"][1] for name in MULTIPLES]
    made = [Coder(library, "predict3d") for library in coder_builds]
    for array in arrays_here:
        for level in (0.0, 1.0, 2.0):
            written = {coder.encode(array, [level]) for coder in made}
            assert len(written) == 1
            coded = written.pop()
            for coder in made:
                assert coder.decode(coded, array).tobytes() == array.tobytes()


def test_sparse_values_cost_no_more_than_dense_ones() -> None:
    dense = part("<i4", (20, 30, 31))
    sparse = dense * 1000 + 7
    assert len(through(sparse)[0]) < 1.1 * len(through(dense)[0])


def test_scaled_integers_as_floats_cost_little_more_than_the_integers() -> None:
    whole = part("<u2", (20, 40, 41))
    scaled = (whole * np.float32(1.7331)).astype("<f4")
    assert len(through(scaled)[0]) < 1.15 * len(through(whole)[0])


@given(
    dtype=st.sampled_from(["<f2", ">f4", "<f4", "<f8"]),
    step=st.sampled_from([1.0, 0.25, 0.37, 0.1, 1 / 3, 7.5, 3e-5]),
    offset=st.integers(-400, 400),
    thinned=st.integers(1, 3),
    level=LEVELS,
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_multiples_of_a_step_come_back_and_the_reference_agrees(
    dtype: str, step: float, offset: int, thinned: int, level: str, seed: int
) -> None:
    multiples = np.rint(part("<f8", (4, 9, 11), seed) / 2) * thinned + offset
    array = (multiples * step).astype(dtype)
    coded, decoded = through(array, level)
    assert decoded.tobytes() == array.tobytes()
    assert reference_predict3d.decode(coded, array.shape, dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize("level", ["dense", "fast"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_multiples_of_a_step_cost_a_few_bytes_more_than_integers(dtype: str, level: str) -> None:
    whole = np.rint(part("<f8", (8, 9, 11))).astype("<i2")
    scaled = (whole * 0.0371).astype(dtype)
    assert len(through(scaled, level)[0]) < len(through(whole, level)[0]) + 32


MULTIPLES = ["multiples", "fast-multiples"]


@pytest.mark.parametrize("name", MULTIPLES)
def test_a_damaged_step_is_refused_or_decodes_as_the_reference_does(name: str) -> None:
    array = coder_golden.cases()[f"predict3d-{name}"][1]
    coded = bytearray((coder_golden.FOLDER / f"part-predict3d-{name}.bin").read_bytes())
    n_range = int.from_bytes(coded[1:5], "little")
    # The bits of the step are the first raw ones.
    for at in (*range(5, 17), *range(5 + n_range, 5 + n_range + 10)):
        for flip in (1, 0x80, 0xFF):
            damaged = coded.copy()
            damaged[at] ^= flip
            check_as_the_reference(bytes(damaged), array)


def test_it_is_smaller_than_zstd_and_fast_is_not_much_larger() -> None:
    array = part("<i2", (24, 40, 41))
    dense, fast = (len(through(array, level)[0]) for level in ("dense", "fast"))
    assert dense < 0.8 * len(inner.make("zstd").encode(array))
    assert dense < fast < 1.15 * dense


def test_a_part_never_grows_by_more_than_a_byte() -> None:
    noise = np.random.default_rng(1).integers(0, 2**16, (9, 10, 11)).astype("<u2")
    assert len(through(noise)[0]) <= noise.nbytes + 1


def test_constant_volumes_are_a_few_bytes() -> None:
    assert len(through(np.full((40, 50, 60), -1024, "<i2"))[0]) < 20


def test_parts_follow_the_slices_and_several_are_an_even_number() -> None:
    codec = Predict3D()
    assert codec.part_extent(Block((192, 192, 160), np.dtype("<i2"))) == 48
    assert codec.part_extent(Block((100, 160, 160), np.dtype("<i2"))) == 50
    assert codec.part_extent(Block((60, 160, 160), np.dtype("<i2"))) == 60
    assert codec.part_extent(Block((5, 1, 1), np.dtype("<i2"))) == 5


@pytest.mark.parametrize("dtype", ["<c8", "<M8[s]", "|S3", "<U2", "|V5"])
def test_what_is_not_a_number_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="zstd"):
        Predict3D().check(Block((3, 4), np.dtype(dtype)))


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="dense"):
        Predict3D("warp")


def test_a_stream_holds_it() -> None:
    volume = phantom((30, 40, 50))
    stream = MedROI.lossless("predict3d").encode(volume)
    assert np.array_equal(MedROI().decode(stream), volume)
