"""Promises of the HDF5 filter for what cannot work: it is said, at once, and nothing is stored."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from make_hdf5 import FILTER_ID, blob, dataset, stored_words

import medroi
import medroi.hdf5
from medroi import errors
from medroi.hdf5 import MedROIFilter

CHUNKS = (9, 16, 13)
SHAPE = (20, 33, 26)
REFUSED = (ValueError, OSError, RuntimeError)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


@pytest.fixture
def file(path):
    with h5py.File(path, "w", rdcc_nbytes=0) as opened:
        yield opened


def assert_not_created(file, match, array=None, options=None, chunks=CHUNKS, **more):
    array = blob(SHAPE) if array is None else array
    with pytest.raises(REFUSED, match=match):
        dataset(file, array, chunks, MedROIFilter() if options is None else options, **more)
    assert "scan" not in file


@pytest.mark.parametrize(
    ("more", "name"), [({"shuffle": True}, "shuffle"), ({"scaleoffset": 4}, "scaleoffset")]
)
def test_a_filter_in_front_is_refused(file, more, name):
    assert_not_created(file, f"filter . \\({name}\\) is in front of medroi", **more)


@pytest.mark.parametrize("fill", [7, -1])
def test_a_fill_value_that_is_not_the_background_is_refused(file, fill):
    match = f"background is 0 and the dataset's fill value {fill}"
    assert_not_created(file, match, options=MedROIFilter(background=0), fillvalue=fill)


def test_a_background_that_is_not_the_default_fill_value_is_refused(file):
    options = MedROIFilter(background=-1024)
    assert_not_created(file, "create the dataset with fillvalue=-1024", options=options)


def test_a_lossless_filter_takes_any_fill_value(file):
    array = blob(SHAPE)
    made = dataset(file, array, CHUNKS, MedROIFilter.lossless(), fillvalue=7)
    assert (made[...] == array).all()


def test_a_background_found_in_a_chunk_must_be_the_fill_value(file):
    array = blob((16, 16, 16), background=-1000)
    options = MedROIFilter(background="auto", threshold="mean")
    with pytest.raises(REFUSED, match="background is -1000 and the dataset's fill value 0"):
        dataset(file, array, (16, 16, 16), options)
    made = dataset(file, array, (16, 16, 16), options, name="b", fillvalue=-1000)
    assert (made[...] == array).all()


def test_a_background_found_in_a_chunk_that_is_kept_whole_may_be_another(file):
    array = blob((16, 16, 16), background=-1000)
    made = file.create_dataset(
        "scan",
        shape=(20, 16, 16),
        chunks=(16, 16, 16),
        dtype="<i2",
        **MedROIFilter(background="auto"),
    )
    made[:16] = array
    assert (made[:16] == array).all()
    assert (made[16:] == 0).all()


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", "<i2"), ("b", "<i2")]),
        np.dtype([("r", "<i4"), ("i", "<i4")]),
        np.dtype([("r", "<f4"), ("i", "<f8")]),
        np.dtype([("i", "<f4"), ("r", "<f4")]),
        np.dtype([("r", "<f4"), ("i", "<f4"), ("j", "<f4")]),
        np.dtype(("<i2", (3,))),
    ],
    ids=str,
)
def test_an_element_that_a_stream_cannot_hold_is_refused(file, dtype):
    with pytest.raises(REFUSED, match=r"elements of .* cannot be stored; possible are integers"):
        file.create_dataset("scan", shape=SHAPE, chunks=CHUNKS, dtype=dtype, **MedROIFilter())


def test_integers_with_unused_bits_are_refused(file):
    twelve = h5py.h5t.STD_I16LE.copy()
    twelve.set_precision(12)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4, 4))
    creation.set_filter(FILTER_ID, h5py.h5z.FLAG_OPTIONAL, MedROIFilter().filter_options)
    with pytest.raises(REFUSED, match="integers with unused bits"):
        h5py.h5d.create(file.id, b"scan", twelve, h5py.h5s.create_simple((4, 4)), creation)


def test_seven_axes_are_refused(file):
    shape = (2,) * 7
    assert_not_created(file, "chunk of 7 axes, expected 1 to 6", blob(shape), chunks=shape)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"axes": (0, 3)}, r"axes=\(0, 3\) of an array of 3 axes"),
        ({"slice_axis": 3}, "slice_axis=3 of an array of 3 axes"),
        ({"slice_axis": -4}, "slice_axis=-4 of an array of 3 axes"),
        ({"background": 40000}, "background=40000 is not a value"),
        ({"background": 0.5}, "background=0.5 is not a value"),
        ({"background": float("nan")}, "background=nan is not a value"),
    ],
)
def test_options_that_do_not_fit_the_dataset_are_refused(file, options, match):
    assert_not_created(file, match, options=MedROIFilter(**options))


@pytest.mark.parametrize(
    "options", [{"axes": (0, -1)}, {"slice_axis": 9}, {"background": 2**64 + 1}]
)
def test_options_that_cd_values_cannot_hold_are_refused(options):
    with pytest.raises(errors.InvalidArgument):
        MedROIFilter(**options)


def test_an_affine_is_refused_with_its_place():
    config = medroi.MedROI(affine=np.diag([2, 2, 2, 1])).get_config()
    with pytest.raises(errors.InvalidArgument, match="keep it in an attribute"):
        MedROIFilter.from_config(config)


DEFAULTS = MedROIFilter().filter_options


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((2,), "version 2; this version of medroi knows 1"),
        ((1, 16), "inner codec word 16 needs 10"),
        ((1, 2 | 3 << 16), "inner codec word"),
        ((*DEFAULTS, 5), "13 words from the user"),
        ((1, 2 | 2 << 16, *DEFAULTS[2:11]), "needs 12"),
        ((*DEFAULTS[:2], 6), "threshold rule 6"),
        ((*DEFAULTS[:2], 2 | 2 << 4), "region 2"),
        ((*DEFAULTS[:2], 2 | 1 << 25), "word 2"),
        ((*DEFAULTS[:2], 2 | 1 << 23 | 1 << 6), "word 2"),
        ((*DEFAULTS[:3], 2**31), "padding 2147483648"),
        ((*DEFAULTS[:6], 0, 0x40000000), "max_miss_rate 2"),
        ((*DEFAULTS[:10], 99, 1), "zstd: level 99"),
        ((1, 99, *DEFAULTS[2:10]), "inner codec id 99 is not part of this plugin"),
        ((1 | 200 << 8,), "200 from the user"),
        ((1 | 1 << 8, 5), "their 1 words on the chunk"),
    ],
)
def test_cd_values_that_mean_nothing_are_refused(file, words, match):
    options = {"compression": FILTER_ID, "compression_opts": words}
    assert_not_created(file, match, options=options)


def test_few_cd_values_are_completed(file):
    short = {"compression": FILTER_ID, "compression_opts": (1,)}
    array = blob(SHAPE)
    few = dataset(file, array, CHUNKS, short, name="few")
    full = dataset(file, array, CHUNKS, MedROIFilter(), name="full")
    for offset in [(0, 0, 0), (9, 16, 13)]:
        assert few.id.read_direct_chunk(offset) == full.id.read_direct_chunk(offset)


def test_a_write_that_fails_stores_no_raw_chunk(file):
    array = blob((16, 16, 16), background=-1000)
    made = file.create_dataset(
        "scan",
        shape=array.shape,
        chunks=array.shape,
        dtype="<i2",
        **MedROIFilter(background="auto", threshold="mean"),
    )
    with pytest.raises(REFUSED, match="fill value"):
        made[...] = array
    assert made.id.get_num_chunks() == 0
    assert "fill value" in medroi.hdf5.last_error()


# Reading: chunks that are no streams, or not of this dataset.


@pytest.fixture
def small(file):
    array = blob((12, 14, 16))
    made = dataset(file, array, array.shape, MedROIFilter())
    return made, array, made.id.read_direct_chunk((0, 0, 0))[1]


def assert_unreadable(made, stream, match="corrupt stream|corrupt chunk|is no MedROI"):
    made.id.write_direct_chunk((0, 0, 0), stream)
    with pytest.raises(OSError, match=match):
        made[...]
    with pytest.raises(errors.MedROIError):
        medroi.hdf5.read(made, threads=1)


def test_every_prefix_is_refused(small):
    made, _, stream = small
    for length in range(1, len(stream), 7):
        assert_unreadable(made, stream[:length])


def test_every_flipped_byte_is_refused(small):
    made, _, stream = small
    rng = np.random.default_rng(1)
    # Every byte of the header, and some of the payload.
    for at in [*range(116), *rng.integers(116, len(stream), 80)]:
        flipped = bytearray(stream)
        flipped[at] ^= 1 << int(rng.integers(8))
        assert_unreadable(made, bytes(flipped), match="medroi: ")


def test_a_byte_too_many_is_refused(small):
    made, _, stream = small
    assert_unreadable(made, bytes(stream) + b"\0")


def test_a_format_of_the_future_is_refused_by_name(small):
    made, _, stream = small
    later = bytearray(stream)
    later[4] = 2
    crc = medroi._kernel.crc32(bytes(later[:112]))
    later[112:116] = crc.to_bytes(4, "little")
    assert_unreadable(made, bytes(later), match="version 2")


@pytest.mark.parametrize(
    "other",
    [
        blob((12, 14, 15)),
        blob((12, 14)),
        blob((14, 12, 16)),
        blob((12, 14, 16), "<u2"),
        blob((12, 14, 16), ">i2"),
        blob((12, 14, 16), "<i4"),
        blob((12, 14, 8), "<i4"),
        np.asfortranarray(blob((12, 14, 16))),
    ],
    ids=lambda array: f"{array.dtype.str}-{array.shape}-{array.flags.c_contiguous}",
)
def test_a_stream_of_another_array_is_refused(small, other):
    assert_unreadable(small[0], medroi.MedROI().encode(other), match="corrupt chunk")


def test_cd_values_of_another_chunk_are_refused(path):
    array = blob((12, 14, 1234))
    with h5py.File(path, "w") as file:
        dataset(file, array, array.shape, MedROIFilter())
        words = file["scan"]._filters[str(FILTER_ID)]
    content = bytearray(path.read_bytes())
    element, size = words[-4].to_bytes(4, "little"), (1234).to_bytes(4, "little")
    at = content.index(element + (12).to_bytes(4, "little") + (14).to_bytes(4, "little") + size)
    for place, value in [(at + 4, 13), (at + 12, 617), (at + 1, ord("u")), (at, 4), (at, 7)]:
        broken = bytearray(content)
        broken[place] = value & 255
        if value > 255:
            broken[place + 1] = value >> 8
        path.write_bytes(broken)
        with h5py.File(path) as file, pytest.raises(OSError, match="medroi: c"):
            file["scan"][...]


def test_cd_values_of_a_later_version_are_refused(path):
    with h5py.File(path, "w") as file:
        dataset(file, blob((12, 14, 16)), (12, 14, 16), MedROIFilter(padding=12345))
    at = stored_words(path, 12345) - 12
    content = bytearray(path.read_bytes())
    assert content[at] == 1
    content[at] = 9
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(OSError, match="version 9"):
        file["scan"][...]
