"""Promises of medroi.hdf5.write and read: the filter's bytes and values, with threads."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_hdf5 import blob, chunks_of, dataset

import medroi.hdf5
from medroi import errors
from medroi.hdf5 import MedROIFilter

CHUNKS = (9, 16, 13)
SHAPE = (20, 33, 26)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=0) as opened:
        yield opened


def assert_same_chunks(one, other):
    for offset, _ in chunks_of(one[...], one.chunks):
        assert one.id.read_direct_chunk(offset) == other.id.read_direct_chunk(offset)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("inner", ["zstd", "deflate", "raw"])
def test_threads_write_the_bytes_of_the_filter(file, inner, threads):
    array, options = blob(SHAPE), MedROIFilter(inner)
    serial = dataset(file, array, CHUNKS, options, name="serial")
    parallel = file.create_dataset(
        "parallel", shape=SHAPE, chunks=CHUNKS, dtype=array.dtype, **options
    )
    medroi.hdf5.write(parallel, array, threads=threads)
    assert_same_chunks(serial, parallel)
    assert (parallel[...] == array).all()


@pytest.mark.parametrize("fill", [None, -3])
@pytest.mark.parametrize("fill_time", ["never", "ifset", "alloc"])
def test_edges_are_padded_as_hdf5_does(file, fill, fill_time):
    array, options = blob(SHAPE), MedROIFilter.lossless()
    more = {"fillvalue": fill, "fill_time": fill_time}
    serial = dataset(file, array, CHUNKS, options, name="serial", **more)
    parallel = file.create_dataset(
        "parallel", shape=SHAPE, chunks=CHUNKS, dtype="<i2", **more, **options
    )
    medroi.hdf5.write(parallel, array)
    assert_same_chunks(serial, parallel)


def test_values_are_converted_where_none_is_lost(file):
    array, options = blob(SHAPE, "|u1"), MedROIFilter()
    made = file.create_dataset("scan", shape=SHAPE, chunks=CHUNKS, dtype=">i4", **options)
    medroi.hdf5.write(made, array)
    assert (made[...] == array).all()
    with pytest.raises(errors.InvalidArgument, match="convert it first"):
        medroi.hdf5.write(made, array.astype("<f4"))


def test_five_and_six_axes_go_through_threads_too(file):
    for shape in [(2, 3, 5, 6, 7), (2, 1, 2, 7, 8, 9)]:
        array = blob(shape)
        made = file.create_dataset(
            f"scan{len(shape)}", shape=shape, chunks=shape, dtype="<i2", **MedROIFilter()
        )
        medroi.hdf5.write(made, array)
        assert (made[...] == array).all()
        assert (medroi.hdf5.read(made) == array).all()


index = st.integers(-20, 19) | st.builds(
    slice,
    st.none() | st.integers(-25, 25),
    st.none() | st.integers(-25, 25),
    st.none() | st.integers(1, 4),
)


@given(
    selection=st.lists(index, max_size=3).flatmap(
        lambda items: st.sampled_from([tuple(items), (*items[:1], ..., *items[1:])])
    ),
    threads=st.integers(1, 3),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_selection_is_that_of_numpy(tmp_path_factory, selection, threads):
    array = blob((20, 20, 20))
    with h5py.File(tmp_path_factory.mktemp("h5") / "a.h5", "w") as opened:
        made = dataset(opened, array, (7, 20, 6), MedROIFilter.lossless())
        found = medroi.hdf5.read(made, selection, threads=threads)
    expected = array[selection]
    assert found.shape == expected.shape
    assert (found == expected).all()


def n_bytes_read(run):
    """Bytes that this process read from files meanwhile."""

    def so_far():
        return int(Path("/proc/self/io").read_text().split()[1])

    before = so_far()
    run()
    return so_far() - before


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    array = np.random.default_rng(6).integers(0, 4000, (160, 192, 192)).astype("<i2")
    path = tmp_path_factory.mktemp("large") / "a.h5"
    with h5py.File(path, "w") as file:
        dataset(file, array, array.shape, MedROIFilter.lossless())
    return path, array


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize(
    ("selection", "share"),
    [
        (np.s_[80], 0.1),
        (np.s_[80, 5, 7], 0.1),
        (np.s_[3:5, 10:20], 0.1),
        (np.s_[::79], 0.3),
        (np.s_[0:0], 0.01),
    ],
    ids=str,
)
def test_only_the_slabs_that_a_selection_touches_are_read(large, mode, selection, share):
    path, array = large
    with h5py.File(path, mode) as file:
        made = file["scan"]
        size = made.id.get_storage_size()
        found = []
        count = n_bytes_read(lambda: found.append(medroi.hdf5.read(made, selection, threads=2)))
    assert (found[0] == array[selection]).all()
    assert count <= share * size


def test_chunks_between_the_steps_of_a_selection_are_not_read(tmp_path):
    array = np.random.default_rng(6).integers(0, 4000, (64, 48, 48)).astype("<i2")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, array, (1, 48, 48), MedROIFilter.lossless())
        for at in set(range(64)) - {1, 21, 41, 61}:
            made.id.write_direct_chunk((at, 0, 0), b"no stream")
        assert (medroi.hdf5.read(made, np.s_[1::20]) == array[1::20]).all()


@pytest.mark.parametrize(
    "how", [{"userblock_size": 512}, {"driver": "core"}, {"driver": "stdio"}, {"libver": "latest"}]
)
def test_parts_of_chunks_come_from_every_kind_of_file(tmp_path, how):
    array = blob((40, 30, 20))
    with h5py.File(tmp_path / "a.h5", "w", **how) as file:
        made = dataset(file, array, (20, 30, 20), MedROIFilter.lossless("raw"))
        assert (medroi.hdf5.read(made, np.s_[3:30:4, 2:9]) == array[3:30:4, 2:9]).all()
    how.pop("userblock_size", None)
    with h5py.File(tmp_path / "a.h5", **how) as file:
        assert (medroi.hdf5.read(file["scan"], np.s_[35, 2:9]) == array[35, 2:9]).all()


def test_parts_of_chunks_come_from_a_file_in_memory_too():
    array, memory = blob((40, 30, 20)), io.BytesIO()
    with h5py.File(memory, "w") as file:
        made = dataset(file, array, (20, 30, 20), MedROIFilter())
        assert (medroi.hdf5.read(made, np.s_[3:30, 2:9]) == array[3:30, 2:9]).all()


def test_a_part_of_a_chunk_that_changed_since_is_the_new_one(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        made = dataset(opened, blob(SHAPE), SHAPE, MedROIFilter())
        for value in range(5):
            made[3, 3, value] = value + 200
            assert (medroi.hdf5.read(made, np.s_[3, 3]) == made[3, 3]).all()


@pytest.mark.parametrize(
    "selection", [[1, 2], np.arange(3), True, slice(None, None, -1), 20, (0,) * 4]
)
def test_a_selection_of_another_kind_is_refused(file, selection):
    made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    with pytest.raises(errors.InvalidArgument, match="selection"):
        medroi.hdf5.read(made, selection)


def test_chunks_never_written_are_the_fill_value(file):
    made = file.create_dataset(
        "scan", shape=SHAPE, chunks=CHUNKS, dtype="<i2", fillvalue=-7, **MedROIFilter(background=-7)
    )
    made[10, 20, 14] = 500
    assert (medroi.hdf5.read(made) == made[...]).all()


def test_what_the_chunk_cache_holds_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        made = dataset(opened, blob(SHAPE), CHUNKS, MedROIFilter())
        made[3, 3, 3] = 31000
        assert (medroi.hdf5.read(made) == made[...]).all()


def test_writing_replaces_what_the_chunk_cache_holds(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        made = dataset(opened, blob(SHAPE), CHUNKS, MedROIFilter())
        later = blob(SHAPE, seed=8)
        medroi.hdf5.write(made, later)
        assert (made[...] == later).all()


def test_a_corrupt_chunk_is_an_error_and_nothing_hangs(file):
    made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    made.id.write_direct_chunk((9, 16, 13), b"no stream")
    with pytest.raises(errors.CorruptStream):
        medroi.hdf5.read(made, threads=3)


@pytest.mark.parametrize(
    "more", [{}, {"compression": "gzip"}, {"fletcher32": True, **MedROIFilter()}], ids=str
)
def test_datasets_with_other_filters_are_refused(file, more):
    made = file.create_dataset("scan", data=blob(SHAPE), chunks=CHUNKS, **more)
    for run in (medroi.hdf5.read, lambda made: medroi.hdf5.write(made, blob(SHAPE))):
        with pytest.raises(errors.InvalidArgument, match="expected only 33054"):
            run(made)


def test_an_array_of_another_shape_is_refused(file):
    made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    with pytest.raises(errors.InvalidArgument, match="expected \\(20, 33, 26\\)"):
        medroi.hdf5.write(made, blob((20, 33, 25)))


@pytest.mark.parametrize(
    "selection", [np.s_[9:18], np.s_[:9, :16], np.s_[18:], np.s_[:, 16:33, 13:26], np.s_[...], ()]
)
def test_whole_chunks_are_written_where_they_belong(file, selection):
    array, later, options = blob(SHAPE), blob(SHAPE, seed=9), MedROIFilter.lossless()
    serial = dataset(file, array, CHUNKS, options, name="serial")
    parallel = dataset(file, array, CHUNKS, options, name="parallel")
    serial[selection] = later[selection]
    medroi.hdf5.write(parallel, later[selection], selection)
    assert_same_chunks(serial, parallel)


@pytest.mark.parametrize(
    "selection",
    [np.s_[8:18], np.s_[:10], np.s_[0], np.s_[:, 1:], np.s_[::2], np.s_[:, :, :25]],
    ids=str,
)
def test_parts_of_chunks_are_not_written(file, selection):
    made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    with pytest.raises(errors.InvalidArgument, match=r"covers chunks in part|without a step"):
        medroi.hdf5.write(made, blob(SHAPE)[selection], selection)
    assert (made[...] == blob(SHAPE)).all()


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_numbers_of_threads_that_are_none_are_refused(file, threads):
    made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    with pytest.raises(errors.InvalidArgument, match="threads"):
        medroi.hdf5.read(made, threads=threads)
