"""Promises of files that outlive kills, full disks and other writers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import make_scans
import numpy as np
import pytest
from kernel_build import compiler

from medroi.scans import pack
from medroi.scans.stores import hdf5_journal

HERE = Path(__file__).parent
OLD, NEW = [12, 11, 10], [13, 11, 10]
KILL, FULL = 1, 2


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    library = tmp_path_factory.mktemp("faults") / "file_faults.so"
    source = HERE / "file_faults.c"
    flags = ["-std=c11", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler(), *flags, str(source), "-o", str(library), "-ldl"], check=True)
    return library


@pytest.fixture
def root(tmp_path):
    """A folder in memory where there is one: nothing here waits for a disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def start(root):
    """A folder with an old scan and a new one."""
    folder = root / "start"
    folder.mkdir()
    make_scans.nifti(folder / "old.nii", make_scans.head(OLD))
    make_scans.nifti(folder / "new.nii", make_scans.head(NEW))
    return folder


def hdf5_with_others(path, *, n_others, gap=0, **options):
    """A file of somebody else; `gap` bytes lie between its first structures and its last."""
    with h5py.File(path, "w", **options) as file:
        file.attrs["n_others"] = n_others
        for index in range(n_others):
            file[f"other{index:02}"] = np.arange(100) + index
            if index == n_others // 2 and gap:
                file["gap"] = np.zeros(gap, np.uint8)


def run_faults(faults, root, **scenario):
    given = {
        "mode": KILL,
        "has_others": False,
        "always_readable": True,
        "knows_exchange": True,
        **scenario,
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "fault_runs.py"), str(faults), str(root), json.dumps(given)],
        env={**os.environ, "LD_PRELOAD": str(faults)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split()[-1])


PACK_NEW = ["pack", "{folder}/new.nii", "--lossless"]


@pytest.mark.parametrize("mode", [KILL, FULL])
def test_a_new_store_is_there_whole_or_not_at_all(root, faults, mode):
    start(root)
    n_calls = run_faults(
        faults,
        root,
        command=[*PACK_NEW, "{folder}/s.zarr"],
        target="s.zarr",
        shapes=[None, NEW],
        mode=mode,
    )
    assert n_calls >= 2


@pytest.mark.parametrize("mode", [KILL, FULL])
@pytest.mark.parametrize("knows_exchange", [True, False])
def test_a_replaced_store_is_the_old_or_the_new(root, faults, mode, knows_exchange):
    folder = start(root)
    pack(folder / "old.nii", folder / "s.zarr", lossless=True)
    n_calls = run_faults(
        faults,
        root,
        command=[*PACK_NEW, "{folder}/s.zarr", "--force"],
        target="s.zarr",
        shapes=[OLD, NEW],
        mode=mode,
        knows_exchange=knows_exchange,
        # Without the exchange of names there is a moment in which only the next command helps.
        always_readable=knows_exchange,
    )
    assert n_calls >= 2


@pytest.mark.parametrize("mode", [KILL, FULL])
@pytest.mark.parametrize(
    "options", [{}, {"libver": "latest"}, {"n_others": 20, "gap": 3 << 20}], ids=str
)
def test_an_hdf5_file_keeps_what_it_held(root, faults, mode, options):
    folder = start(root)
    hdf5_with_others(folder / "a.h5", **{"n_others": 7, **options})
    n_calls = run_faults(
        faults,
        root,
        command=[*PACK_NEW, "{folder}/a.h5/scan"],
        target="a.h5/scan",
        shapes=[None, NEW],
        mode=mode,
        has_others=True,
        # What is changed lies further apart than one write reaches: until the next command the
        # file may be between two states.
        always_readable="gap" not in options,
    )
    assert n_calls >= 2


@pytest.mark.parametrize("mode", [KILL, FULL])
def test_a_replaced_dataset_is_the_old_or_the_new(root, faults, mode):
    folder = start(root)
    hdf5_with_others(folder / "a.h5", n_others=3)
    pack(folder / "old.nii", folder / "a.h5" / "scan", lossless=True)
    n_calls = run_faults(
        faults,
        root,
        command=[*PACK_NEW, "{folder}/a.h5/scan", "--force"],
        target="a.h5/scan",
        shapes=[OLD, NEW],
        mode=mode,
        has_others=True,
    )
    assert n_calls >= 2


@pytest.mark.parametrize("mode", [KILL, FULL])
def test_an_unpacked_file_is_the_old_or_the_new(root, faults, mode):
    folder = start(root)
    pack(folder / "new.nii", folder / "s.zarr", lossless=True)
    (folder / "new.nii").unlink()
    (folder / "old.nii").rename(folder / "out.nii")
    n_calls = run_faults(
        faults,
        root,
        command=["unpack", "{folder}/s.zarr", "{folder}/out.nii", "--force"],
        target="out.nii",
        shapes=[OLD, NEW],
        mode=mode,
    )
    assert n_calls >= 2


# The journal of an addition


OLD_BLOCK, NEW_BLOCK = bytes(4096), bytes(range(256)) * 16


def with_journal(path, block, *, body=b""):
    """A file of one block and a tail, with the journal of a change of the block behind them."""
    path.write_bytes(block + b"tail")
    with path.open("r+b", buffering=0) as file:
        hdf5_journal.append_journal(file.fileno(), 4096, 4100, [(0, OLD_BLOCK, NEW_BLOCK)])
        if body:
            os.pwrite(file.fileno(), body, 4100)
    return path


def recovered(path):
    with path.open("r+b", buffering=0) as file:
        hdf5_journal.recover(file.fileno())
    return path.read_bytes()


def test_a_journal_takes_back_what_is_half_done_and_keeps_what_is_done(tmp_path):
    for n_sectors in range(9):
        nbytes = 512 * n_sectors
        for block in (
            NEW_BLOCK[:nbytes] + OLD_BLOCK[nbytes:],
            OLD_BLOCK[:nbytes] + NEW_BLOCK[nbytes:],
        ):
            path = with_journal(tmp_path / "a", block)
            expected = NEW_BLOCK + b"tail" if block == NEW_BLOCK else OLD_BLOCK
            with path.open("rb") as file:
                torn = hdf5_journal.is_torn(file.fileno())
            assert torn == (block not in (OLD_BLOCK, NEW_BLOCK))
            assert recovered(path) == expected
            assert recovered(path) == expected


@pytest.mark.parametrize("body", [b"", b"damaged"])
def test_a_journal_that_does_not_fit_the_file_changes_nothing(tmp_path, body):
    theirs = b"\x07" + OLD_BLOCK[1:] if not body else OLD_BLOCK
    path = with_journal(tmp_path / "a", theirs, body=body)
    before = path.read_bytes()
    assert recovered(path) == before


def test_every_cut_of_a_journal_is_no_journal(tmp_path):
    whole = with_journal(tmp_path / "a", OLD_BLOCK).read_bytes()
    for nbytes in (*range(0, len(whole), 97), len(whole) - 1):
        (tmp_path / "a").write_bytes(whole[:nbytes])
        assert recovered(tmp_path / "a") == whole[:nbytes]
