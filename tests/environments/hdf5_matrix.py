"""Fill values x ways to write: what every h5py does with the filter, whatever libhdf5 it brings.

Nothing here imports medroi. As a program, for a Python without it:
hdf5_matrix.py FOLDER CD_VALUES...
"""

from __future__ import annotations

import itertools
import sys

import h5py
import numpy as np

FILTER_ID = 33054
SHAPE, CHUNKS = (13, 20, 18), (5, 20, 7)
FILLS = {
    "none": ("<i2", None),
    "zero": ("<i2", 0),
    "-1024": ("<i2", -1024),
    "NaN": ("<f4", float("nan")),
    "largest": ("<u8", 2**64 - 1),
    "True": ("|b1", True),
}


def scan(dtype, fill):
    """Noise in the middle of constant air that is the fill value, and one voxel far from it."""
    rng = np.random.default_rng(3)
    array = np.full(SHAPE, 0 if fill is None else fill, dtype)
    middle = array[3:9, 4:15, 3:14]
    middle[...] = rng.integers(0, 2, middle.shape) * rng.integers(60, 90, middle.shape)
    array[12, 19, 17] = 1 if array[0, 0, 0] == 0 else 0
    return array


def create(path, options, dtype, fill, shape=SHAPE):
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "scan",
            shape=shape,
            maxshape=(None, None, None),
            chunks=CHUNKS,
            dtype=dtype,
            fillvalue=fill,
            **options,
        )


def create_and_write(path, options, dtype, fill):
    array = scan(dtype, fill)
    with h5py.File(path, "w") as file:
        file.create_dataset("scan", data=array, chunks=CHUNKS, fillvalue=fill, **options)
    return array


def open_again(path, options, dtype, fill):
    create(path, options, dtype, fill)
    array = scan(dtype, fill)
    for _ in range(2):
        with h5py.File(path, "r+") as file:
            file["scan"][...] = array
        array = array[::-1].copy()
    return array[::-1]


def resize(path, options, dtype, fill):
    create(path, options, dtype, fill, (4, 20, 9))
    array = scan(dtype, fill)
    with h5py.File(path, "r+") as file:
        file["scan"][...] = array[:4, :, :9]
    with h5py.File(path, "r+") as file:
        file["scan"].resize(SHAPE)
        file["scan"][4:] = array[4:]
    with h5py.File(path, "r+", rdcc_nbytes=0) as file:
        file["scan"].resize(8, axis=0)
        file["scan"].resize(13, axis=0)
        file["scan"][:2, :, 9:] = array[:2, :, 9:]
    array[8:] = 0 if fill is None else fill
    array[2:4, :, 9:] = 0 if fill is None else fill
    return array


def two_handles(path, options, dtype, fill):
    create(path, options, dtype, fill)
    array = scan(dtype, fill)
    with h5py.File(path, "r+") as one, h5py.File(path, "r+") as other:
        first, second = one["scan"], other["scan"]
        first[:7] = array[:7]
        second[7:] = array[7:]
        first[6:8, 3] = array[6:8, 4]
    array[6:8, 3] = array[6:8, 4]
    return array


def parts_of_chunks(path, options, dtype, fill):
    create(path, options, dtype, fill)
    array, written = scan(dtype, fill), np.zeros(SHAPE, bool)
    grid = list(itertools.product(range(0, 13, 4), range(0, 20, 7), range(0, 18, 5)))
    np.random.default_rng(8).shuffle(grid)
    for at in grid[:-6]:
        block = tuple(slice(int(start), int(start) + n) for start, n in zip(at, (4, 7, 5)))
        written[block] = True
        with h5py.File(path, "r+", rdcc_nbytes=0) as file:
            file["scan"][block] = array[block]
    array[~written] = 0 if fill is None else fill
    return array


WAYS = (create_and_write, open_again, resize, two_handles, parts_of_chunks)


def check(path, way, options, fill_name):
    """Write in one of the ways; every bit has to come back after the file was closed."""
    expected = way(path, options, *FILLS[fill_name])
    with h5py.File(path) as file:
        dataset = file["scan"]
        found = dataset[...]
        assert found.tobytes() == expected.tobytes(), (way.__name__, fill_name, options)
        offsets = [
            dataset.id.get_chunk_info(index).chunk_offset
            for index in range(dataset.id.get_num_chunks())
        ]
        assert all(dataset.id.read_direct_chunk(at)[1][:4] == b"MROI" for at in offsets)


def main(folder, *all_words):
    # No Python of ours loads the filter here.
    assert h5py.h5z.filter_avail(FILTER_ID)
    for words in all_words:
        options = {"compression": FILTER_ID, "compression_opts": tuple(map(int, words.split(",")))}
        for way, fill_name in itertools.product(WAYS, FILLS):
            check(f"{folder}/a.h5", way, options, fill_name)
    print(h5py.version.hdf5_version, "exact")


if __name__ == "__main__":
    main(*sys.argv[1:])
