"""Promises for files whose filter parameters do not belong to their dataset: refused, in words.

HDF5 reads a whole chunk from what a filter gives it. Who believed the file would make it read
beyond, so every reader runs in a process of its own that may not die.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import needs
import numpy as np
import pytest
from make_hdf5 import PLUGINS

import medroi
import medroi.hdf5
from medroi import errors
from medroi.hdf5 import FILTER_ID, MedROIFilter

sys.path.append(str(Path(__file__).parent / "environments"))

from lying_file import make, words_of

CODEC = medroi.MedROI.lossless("raw")
SMALL = CODEC.encode(np.arange(1, 25, dtype="<i2").reshape(2, 3, 4))
RIGHT = CODEC.encode(np.arange(64**3, dtype="<i2").reshape(64, 64, 64))
AIR = CODEC.encode(np.zeros((2, 3, 4), "<i2"))
LATER = CODEC.encode(np.arange(24, dtype="<i4").reshape(2, 3, 4))

LIES = {
    "a small chunk": (SMALL, words_of("i", 2, 2, 3, 4)),
    "a small chunk of air": (AIR, words_of("i", 2, 2, 3, 4)),
    "no local part": (SMALL, [1]),
    "no parameters": (SMALL, []),
    "all axes but one": (SMALL, words_of("i", 2, 64, 64)),
    "the stream is another's": (SMALL, words_of("i", 2, 64, 64, 64)),
    "another element": (CODEC.encode(np.zeros((64, 64, 64), "|i1")), words_of("i", 1, 64, 64, 64)),
    "a float": (CODEC.encode(np.ones((64, 64, 64), "<f2")), words_of("f", 2, 64, 64, 64)),
    "a large chunk": (
        CODEC.encode(np.zeros((64, 64, 640), "<i2")),
        words_of("i", 2, 64, 64, 640),
    ),
}

READ = """
import sys, h5py
if sys.argv[1] == "medroi":
    import medroi
for path in sys.argv[2:]:
    try:
        with h5py.File(path) as file:
            print("read", file["scan"][...].sum())
    except OSError as error:
        print("refused", error)
"""
WRITE = """
import sys, h5py, medroi
for path in sys.argv[2:]:
    try:
        with h5py.File(path, "r+") as file:
            file["scan"][1, 1, 1] = 5
        print("written")
    except (OSError, RuntimeError) as error:
        print("refused", error)
"""


def run(script, *paths, who="medroi"):
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}
    if who != "medroi":
        environment["HDF5_PLUGIN_PATH"] = str(PLUGINS)
    python = "/usr/bin/python3" if who == "libhdf5 1.10" else sys.executable
    ran = subprocess.run(
        [python, "-c", script, who, *map(str, paths)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert ran.returncode == 0, (ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout


LIBHDF5_1_10 = pytest.param("libhdf5 1.10", marks=needs.debian_h5py)


@pytest.fixture(scope="module")
def lies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lies")
    paths = [folder / f"{number}.h5" for number in range(len(LIES))]
    for path, lie in zip(paths, LIES.values()):
        make(path, *lie)
    return paths


@pytest.mark.parametrize("who", ["medroi", "plugin alone", LIBHDF5_1_10])
def test_every_lie_is_refused(lies, who):
    said = [line.split()[0] for line in run(READ, *lies, who=who).splitlines()]
    assert dict(zip(LIES, said, strict=True)) == dict.fromkeys(LIES, "refused")


def test_every_lie_is_refused_where_a_part_is_written(lies):
    said = [line.split()[0] for line in run(WRITE, *lies).splitlines()]
    assert dict(zip(LIES, said, strict=True)) == dict.fromkeys(LIES, "refused")


def test_every_lie_is_an_error_of_ours_in_read(lies):
    for path in lies:
        with h5py.File(path) as file:
            for selection in ((), np.s_[1], np.s_[60:, 60:, 60:]):
                with pytest.raises(errors.MedROIError):
                    medroi.hdf5.read(file["scan"], selection)


@needs.h5tools
def test_h5dump_ends_in_order(lies):
    for path in lies:
        dumped = subprocess.run(
            ["h5dump", "-d", "/scan", path],
            env={"PATH": "/usr/bin:/bin", "HDF5_PLUGIN_PATH": str(PLUGINS)},
            capture_output=True,
        )
        assert dumped.returncode == 1


def test_what_is_no_lie_is_read_although_there_is_no_local_part(tmp_path):
    """As a program without the plugin writes streams of another one."""
    make(tmp_path / "a.h5", RIGHT, [1])
    expected = np.arange(64**3, dtype="<i2").sum()
    assert run(READ, tmp_path / "a.h5") == f"read {expected}\n"


@pytest.mark.parametrize(
    "filters",
    [
        [[1, [4]], [FILTER_ID, list(words_of("i", 2, 2, 3, 4))]],
        [[FILTER_ID, list(words_of("i", 2, 64, 64, 64))], [FILTER_ID, [1]]],
        [[2, [2]], [FILTER_ID, list(words_of("i", 2, 64, 64, 64))]],
    ],
    ids=["behind deflate", "twice", "behind shuffle"],
)
def test_a_filter_that_is_not_the_first_is_refused(tmp_path, filters):
    make(tmp_path / "a.h5", SMALL, [], filters=filters)
    assert "refused" in run(READ, tmp_path / "a.h5")


def test_a_dataset_of_another_element_is_refused(tmp_path):
    make(tmp_path / "a.h5", LATER, words_of("i", 4, 2, 3, 4), (2, 3, 4), "<f4")
    assert "refused" in run(READ, tmp_path / "a.h5")


TOGETHER = """
import sys, h5py, medroi
right, lying = sys.argv[2:]
with h5py.File(right) as one, h5py.File(lying) as other:
    good, bad = one["scan"], other["scan"]
    try:
        print("read", good[...].sum())
    except OSError as error:
        print("refused", error)
    del bad
    other.close()
    print("read", good[...].sum())
"""


def test_two_datasets_with_the_same_parameters_are_told_apart_or_refused(tmp_path):
    make(tmp_path / "right.h5", SMALL, [1], (2, 3, 4))
    make(tmp_path / "lying.h5", SMALL, [1])
    said = run(TOGETHER, tmp_path / "right.h5", tmp_path / "lying.h5").splitlines()
    assert said[0].startswith("refused")
    assert said[1] == "read 300"


# Virtual datasets: their sources are open without an id of their own.


@pytest.mark.parametrize("who", ["medroi", LIBHDF5_1_10])
def test_a_lying_source_of_a_virtual_dataset_is_refused(tmp_path, lies, who):
    paths = []
    for source in lies:
        paths.append(tmp_path / source.name)
        layout = h5py.VirtualLayout((64, 64, 64), "<i2")
        layout[...] = h5py.VirtualSource(source, "scan", (64, 64, 64))
        with h5py.File(paths[-1], "w") as file:
            file.create_virtual_dataset("scan", layout)
    said = [line.split()[0] for line in run(READ, *paths, who=who).splitlines()]
    assert dict(zip(LIES, said, strict=True)) == dict.fromkeys(LIES, "refused")


@pytest.mark.parametrize("name", ["../a.h5", "{}/a.h5", "."])
@pytest.mark.parametrize("who", ["medroi", LIBHDF5_1_10])
def test_a_virtual_dataset_gives_its_sources(tmp_path, name, who):
    rng = np.random.default_rng(2)
    array = rng.integers(0, 900, (12, 16, 16)).astype("<i2")
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "virtual.h5"
    with h5py.File(path if name == "." else tmp_path / "a.h5", "w") as file:
        file.create_dataset("scan", data=array, chunks=(5, 16, 7), **MedROIFilter())
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[...] = h5py.VirtualSource(name.format(tmp_path), "scan", array.shape)
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("virtual", layout)
    script = READ.replace('file["scan"]', 'file["virtual"]')
    assert run(script, path, who=who) == f"read {array.sum()}\n"
