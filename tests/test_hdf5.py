"""Promises of the HDF5 filter in h5py: the same bytes as numcodecs, the same values back."""

from __future__ import annotations

import ctypes
import pickle

import h5py
import hosted_codec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_hdf5 import PLUGINS, blob, chunks_of, codec_of, dataset

import medroi.hdf5
from medroi import errors
from medroi.hdf5 import FILTER_ID, MedROIFilter

CHUNKS = (9, 16, 13)
SHAPE = (20, 33, 26)

OPTIONS = {
    "default": {},
    "deflate": {"inner": {"id": "deflate", "level": 3}},
    "raw": {"inner": "raw"},
    "negative level": {"inner": {"id": "zstd", "level": -7, "shuffle": False}},
    "jpeg2000": {"inner": "jpeg2000"},
    "jpeg2000 by rate": {"inner": {"id": "jpeg2000", "rate": 2.5}, "slice_axis": 1},
    "wavelet3d": {"inner": {"id": "wavelet3d", "max_error": 4}},
    "wavelet3d small": {"inner": {"id": "wavelet3d", "step": 9.0, "speed": "small"}},
    "wavelet3d with spacing": {
        "inner": {"id": "wavelet3d", "step": 3.75, "spacing_mm": (3.0, 1.0, 0.9375)}
    },
    "predict3d": {"inner": "predict3d"},
    "predict3d fast": {"inner": {"id": "predict3d", "level": "fast"}},
    "numcodecs": {"inner": {"id": "numcodecs", "codec": {"id": "lz4", "acceleration": 2}}},
    "number": {"threshold": 61.5},
    "otsu": {"threshold": "otsu"},
    "lossless": {"threshold": None},
    "dark": {"polarity": "dark"},
    "padding": {"padding": 0, "max_miss_rate": 0.25},
    "two axes": {"axes": (0, 2)},
    "axes from the last": {"axes": (-1, -2)},
    "slice axis": {"slice_axis": 2},
    "slice axis from the last": {"slice_axis": -2},
    "auto": {"background": "auto"},
}


@pytest.fixture
def file(tmp_path):
    # Without a chunk cache, so that what is read was stored.
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=0) as opened:
        yield opened


def assert_same_bytes(made, array, options, fill=0):
    codec = codec_of(options)
    for offset, chunk in chunks_of(array, made.chunks, fill):
        mask, stream = made.id.read_direct_chunk(offset)
        assert mask == 0
        assert bytes(stream) == codec.encode(chunk)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_chunk_holds_the_bytes_of_numcodecs(file, name):
    options, array = MedROIFilter(**OPTIONS[name]), blob(SHAPE)
    made = dataset(file, array, CHUNKS, options)
    file.flush()
    assert_same_bytes(made, array, options)


@pytest.mark.parametrize(
    "dtype",
    ["|i1", "|u1", "<u2", ">i2", "<i4", ">u4", "<i8", ">u8", "<f2", "<f4", ">f4", ">f8", "|b1"],
)
def test_every_element_type_gives_the_bytes_of_numcodecs(file, dtype):
    options, array = MedROIFilter(), blob(SHAPE, dtype)
    made = dataset(file, array, CHUNKS, options)
    file.flush()
    assert_same_bytes(made, array, options)


@pytest.mark.parametrize(
    "shape", [(50,), (30, 41), (3, 9, 14, 10), (2, 3, 5, 6, 7), (2, 1, 2, 7, 8, 9)]
)
def test_one_to_six_axes_give_the_bytes_of_numcodecs(file, shape):
    options, array = MedROIFilter(slice_axis=-1), blob(shape)
    chunks = tuple(max(1, size // 2) for size in shape)
    made = dataset(file, array, chunks, options)
    file.flush()
    assert_same_bytes(made, array, options)


@pytest.mark.parametrize("background", [-1024, -1024.0, 7, 2**15 - 1])
def test_a_background_that_is_the_fill_value_gives_the_bytes_of_numcodecs(file, background):
    options, array = MedROIFilter(background=background), blob(SHAPE, background=int(background))
    made = dataset(file, array, CHUNKS, options, fillvalue=int(background))
    file.flush()
    assert_same_bytes(made, array, options, fill=int(background))


@pytest.mark.parametrize(
    ("dtype", "background"),
    [
        ("<u8", 2**64 - 1),
        ("<i8", -(2**63)),
        ("<i8", 2**53 + 1),
        ("<f2", -0.5),
        ("<f2", 65504.0),
        ("<f2", 2.0**-24),
        (">f4", 0.1015625),
        ("<f8", 0.1),
        ("<f8", -0.0),
        ("<f4", float("nan")),
        ("<f8", float("-inf")),
    ],
)
def test_every_value_of_an_element_can_be_the_background(file, dtype, background):
    options = MedROIFilter(background=background, threshold=1.0)
    array = blob(SHAPE, dtype, background)
    made = dataset(file, array, CHUNKS, options, fillvalue=np.dtype(dtype).type(background))
    file.flush()
    assert_same_bytes(made, array, options, fill=background)


@given(
    shape=st.lists(st.integers(1, 17), min_size=1, max_size=4),
    dtype=st.sampled_from(["|u1", "<i2", ">i2", "<f4"]),
    level=st.integers(-5, 9),
    threshold=st.sampled_from(["mean", "otsu", None, 60, 70.25]),
    polarity=st.sampled_from(["bright", "dark"]),
    padding=st.integers(0, 4),
    miss=st.sampled_from([0.0, 0.002, 0.5]),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_options_give_the_bytes_of_numcodecs(
    tmp_path_factory, shape, dtype, level, threshold, polarity, padding, miss, data
):
    ndim = len(shape)
    slice_axis = data.draw(st.none() | st.integers(-ndim, ndim - 1))
    axes = data.draw(st.none() | st.sets(st.integers(0, ndim - 1), min_size=1, max_size=3))
    options = MedROIFilter(
        {"id": "zstd", "level": level, "shuffle": level % 2 == 0},
        threshold=threshold,
        polarity=polarity,
        padding=padding,
        max_miss_rate=miss,
        slice_axis=slice_axis,
        axes=None if axes is None else tuple(axes),
    )
    array = blob(shape, dtype, seed=level + 5)
    with h5py.File(tmp_path_factory.mktemp("h5") / "a.h5", "w") as opened:
        made = dataset(opened, array, tuple(shape), options)
        opened.flush()
        assert_same_bytes(made, array, options)


@pytest.mark.parametrize("dtype", ["<i2", ">f8", "|b1", "S5", "V3", "<c8", ">c16"])
def test_lossless_gives_every_bit_back(file, dtype):
    rng = np.random.default_rng(4)
    count = int(np.prod(SHAPE))
    itemsize = np.dtype(dtype).itemsize
    raw = rng.integers(0, 2 if dtype == "|b1" else 256, count * itemsize, np.uint8)
    array = raw.view(dtype).reshape(SHAPE)
    made = dataset(file, array, CHUNKS, MedROIFilter.lossless())
    file.flush()
    assert made[...].tobytes() == array.tobytes()


def test_an_enumeration_is_coded_as_its_integers(file):
    dtype = h5py.enum_dtype({"air": 0, "bone": 70, "other": 300}, basetype="<i2")
    array = np.zeros(SHAPE, "<i2")
    array[5:12, 5:20, 5:20] = 70
    made = dataset(file, array, CHUNKS, MedROIFilter(), dtype=dtype)
    file.flush()
    assert (made[...] == array).all()
    assert_same_bytes(made, array, MedROIFilter())


def test_both_ways_to_name_the_filter_are_the_same(file):
    options = MedROIFilter(padding=1)
    spread = file.create_dataset("a", shape=SHAPE, chunks=CHUNKS, dtype="<i2", **options)
    passed = file.create_dataset("b", shape=SHAPE, chunks=CHUNKS, dtype="<i2", compression=options)
    assert spread._filters == passed._filters
    assert list(spread._filters) == [str(FILTER_ID)]


def test_the_filter_survives_pickle_repr_and_its_configuration():
    options = MedROIFilter({"id": "zstd", "level": 9}, threshold=17, axes=(0, 1), slice_axis=1)
    assert pickle.loads(pickle.dumps(options)) == options
    assert MedROIFilter.from_config(options.get_config()).filter_options == options.filter_options
    assert eval(repr(options)).filter_options == options.filter_options


def test_a_fitted_filter_has_the_numbers_of_the_whole_array(file):
    array = blob(SHAPE, background=-1000)
    options = MedROIFilter.fit(array, chunks=CHUNKS, background="auto", threshold="mean")
    config = options.get_config()
    assert config["background"] == -1000
    assert isinstance(config["threshold"], float)
    made = dataset(file, array, CHUNKS, options, fillvalue=-1000)
    file.flush()
    assert_same_bytes(made, array, options, fill=-1000)


def test_a_dataset_grows_and_takes_partial_writes(file):
    made = file.create_dataset(
        "scan", shape=(0, 24, 24), maxshape=(None, 24, 24), chunks=(4, 24, 24), dtype="<i2",
        **MedROIFilter(),
    )  # fmt: skip
    expected = np.zeros((0, 24, 24), "<i2")
    for step in range(1, 6):
        slab = blob((3, 24, 24), seed=step)
        made.resize(3 * step, axis=0)
        made[3 * step - 3 :] = slab
        expected = np.concatenate([expected, slab])
        file.flush()
        # What a slab of tissue may lose are voxels outside the box of its chunk: there are none.
        assert (made[...] == expected).all()
    made[2:9, 5:20:3, 7] = 99
    expected[2:9, 5:20:3, 7] = 99
    file.flush()
    assert (made[...] == expected).all()


def test_voxels_never_written_are_the_fill_value(file):
    made = file.create_dataset(
        "scan", shape=SHAPE, chunks=CHUNKS, dtype="<i2", fillvalue=-7, **MedROIFilter(background=-7)
    )
    made[10, 20, 14] = 500
    file.flush()
    found = made[...]
    assert found[10, 20, 14] == 500
    assert np.count_nonzero(found != -7) == 1


def test_a_checksum_behind_the_filter_is_allowed(file):
    array = blob(SHAPE)
    made = dataset(file, array, CHUNKS, MedROIFilter(), fletcher32=True)
    file.flush()
    assert (made[...] == array).all()
    assert list(made._filters) == [str(FILTER_ID), "fletcher32"]


def test_plugin_path_is_the_folder_of_the_plugin():
    assert medroi.hdf5.plugin_path() == str(PLUGINS)
    assert (PLUGINS / "libh5medroi.so").is_file()


def test_the_id_is_in_the_range_for_testing_and_the_plugins_own():
    plugin = ctypes.CDLL(str(PLUGINS / "libh5medroi.so"))
    plugin.H5PLget_plugin_info.restype = ctypes.POINTER(ctypes.c_int)
    version, filter_id = plugin.H5PLget_plugin_info()[:2]
    assert (version, filter_id) == (1, FILTER_ID)
    assert 32768 <= FILTER_ID <= 65535


@pytest.fixture
def hosted():
    from medroi import inner

    before = inner.TABLE
    hosted_codec.install()
    yield hosted_codec.NAME
    inner.TABLE = before


def test_an_inner_codec_of_python_gives_the_bytes_of_numcodecs(file, hosted):
    options, array = MedROIFilter({"id": hosted, "plus": 3}, slice_axis=1), blob(SHAPE)
    made = dataset(file, array, CHUNKS, options)
    file.flush()
    assert_same_bytes(made, array, options)
    assert (made[...] == array).all()


def test_what_an_inner_codec_of_python_refuses_is_said(file, hosted):
    with pytest.raises((ValueError, OSError), match="codes integers only"):
        dataset(file, blob(SHAPE, "<f4"), CHUNKS, MedROIFilter(hosted))


def test_an_error_inside_python_reaches_the_reader(file, hosted, monkeypatch):
    array = blob(SHAPE)
    made = dataset(file, array, CHUNKS, MedROIFilter(hosted))
    file.flush()

    def fail(cls, coded, out):
        raise errors.CorruptStream("the model says no")

    monkeypatch.setattr(hosted_codec.Hosted, "decode", classmethod(fail))
    with pytest.raises(OSError, match="the model says no"):
        made[...]
    assert medroi.hdf5.last_error() == "the model says no"
