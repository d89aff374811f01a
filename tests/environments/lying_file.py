"""Make a dataset whose filter parameters say what they like: lying_file.py PATH < JSON.

Run by a Python that has h5py and no plugin, so that nobody corrects the parameters. JSON holds
`shape`, `dtype`, `filters` (a list of [id, parameters]) and `stream` (hexadecimal).
"""

from __future__ import annotations

import json
import subprocess
import sys

import h5py
import numpy as np

FILTER_ID = 33054
DEFAULTS = (1, 0x50002, 0x800005, 3, 0, 0, 0xD2F1A9FC, 0x3F60624D, 0, 0, 3, 1)


def words_of(kind, itemsize, *shape):
    """Complete cd_values that tell of a chunk."""
    element = len(shape) | ord(kind) << 8 | itemsize << 16
    return (1 | len(DEFAULTS) << 8, *DEFAULTS[1:], element, *shape)


def make(path, stream, words, shape=(64, 64, 64), dtype="<i2", filters=None):
    """Write the file in a process of its own."""
    filters = [[FILTER_ID, list(words)]] if filters is None else filters
    what = {"shape": shape, "dtype": dtype, "filters": filters, "stream": bytes(stream).hex()}
    argv = [sys.executable, __file__, path]
    environment = {"PATH": "/usr/bin:/bin"}
    subprocess.run(argv, input=json.dumps(what), env=environment, text=True, check=True)


def main(path):
    assert not h5py.h5z.filter_avail(FILTER_ID)
    what = json.load(sys.stdin)
    dtype, shape = np.dtype(what["dtype"]), tuple(what["shape"])
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(shape)
    for number, words in what["filters"]:
        creation.set_filter(number, h5py.h5z.FLAG_OPTIONAL, tuple(words))
    space = h5py.h5s.create_simple(shape)
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, b"scan", h5py.h5t.py_create(dtype), space, creation)
        made.write_direct_chunk((0,) * len(shape), bytes.fromhex(what["stream"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
