"""Arrays, datasets and chunks for the tests of the HDF5 binding."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

import medroi
from medroi.hdf5 import FILTER_ID, MedROIFilter

PLUGINS = Path(medroi.__file__).parent / "plugins"


def blob(shape, dtype="<i2", background=0, seed=0) -> np.ndarray:
    """Noise in the middle of a constant, the dtype's byte order kept."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    array = np.full(shape, background).astype(dtype)
    middle = tuple(slice(size // 4, size - size // 5) for size in shape)
    extent = array[middle].shape
    if dtype.kind == "b":
        array[middle] = rng.integers(0, 2, extent)
    elif dtype.kind == "f":
        array[middle] = rng.normal(400, 50, extent)
    else:
        array[middle] = rng.integers(40, 120, extent)
    return array


def chunks_of(array: np.ndarray, chunks, fill=0):
    """(offset, whole chunk) of an array, as HDF5 hands them to a filter."""
    grid = [range(0, size, chunk) for size, chunk in zip(array.shape, chunks)]
    for offset in product(*grid):
        part = array[tuple(slice(at, at + size) for at, size in zip(offset, chunks))]
        whole = np.full(chunks, fill, array.dtype)
        whole[tuple(slice(size) for size in part.shape)] = part
        yield offset, whole


def codec_of(options: MedROIFilter) -> medroi.MedROI:
    """The numcodecs codec with a filter's options."""
    return medroi.MedROI.from_config(options.get_config())


def dataset(file, array, chunks, options, name="scan", **more):
    """A dataset through the filter."""
    return file.create_dataset(name, data=array, chunks=chunks, **more, **options)


def stored_words(path: Path, word: int) -> int:
    """Where a file holds this cd_value, which must stand there once."""
    content = path.read_bytes()
    pattern = word.to_bytes(4, "little")
    assert content.count(pattern) == 1
    return content.index(pattern)


__all__ = ["FILTER_ID", "PLUGINS", "blob", "chunks_of", "codec_of", "dataset", "stored_words"]
