"""Runs of one command under `file_faults.c`, one for each of its calls that change files.

Started by test_survival.py as a process of its own, into which the faults are preloaded. Every run
is a fork that begins with fresh copies of the same files; forks again look at what it left, before
and after other commands have run.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import h5py
import make_scans
import numcodecs  # noqa: F401
import numpy as np
import zarr

# Once for all forks, which would import each of these anew.
import medroi.hdf5
import medroi.scans.formats.nifti
import medroi.zarr  # noqa: F401
from medroi.cli import main
from medroi.errors import InvalidArgument
from medroi.scans import check, read_scan

KILL, FULL = 1, 2
KILLED, REFUSED = 9, 4 << 8


def forked(work: Callable[[], None]) -> int:
    """Do something in a fork and return how it ended, as os.wait says it."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def check_others(folder: Path) -> None:
    """The datasets that the file held before are the same, without medroi."""
    with h5py.File(folder / "a.h5") as file:
        for index in range(file.attrs["n_others"]):
            assert (file[f"other{index:02}"][...] == np.arange(100) + index).all()


def shape_of(path: Path) -> tuple[int, ...] | None:
    """What a target holds, checked by medroi; None for nothing."""
    if path.suffix == ".nii":
        return read_scan(path).voxels.shape if path.exists() else None
    try:
        return check(path).shape
    except InvalidArgument as error:
        if "does not exist" in str(error) or "has no dataset" in str(error):
            return None
        raise


def check_now(folder: Path, scenario: dict) -> None:
    """Without any command of medroi: what was there before can still be read."""
    if scenario["always_readable"]:
        if scenario["has_others"]:
            check_others(folder)
        elif scenario["target"].endswith(".zarr") and scenario["shapes"][0]:
            shape = zarr.open(folder / scenario["target"], mode="r")[...].shape
            assert list(shape) in scenario["shapes"]


def check_state(folder: Path, scenario: dict, shapes: list) -> None:
    """After a command of medroi: the old content or the new, whole."""
    found = shape_of(folder / scenario["target"])
    assert (None if found is None else list(found)) in shapes, found
    if scenario["has_others"]:
        check_others(folder)


def check_next(folder: Path, scenario: dict) -> None:
    """The next command succeeds and leaves nothing behind."""
    command = [item.format(folder=folder) for item in scenario["command"]]
    assert main([*command, "--force"]) in make_scans.PACKED
    check_state(folder, scenario, scenario["shapes"][1:])
    left = [name for name in os.listdir(folder) if name.endswith(".partial")]
    assert left == []


def run_one(shim: ctypes.CDLL, folder: Path, scenario: dict, n_calls: int) -> int:
    """Run the command with a fault at one of its calls, and return how it ended."""
    command = [item.format(folder=folder) for item in scenario["command"]]

    def work() -> None:
        shim.medroi_faults_arm(scenario["mode"], n_calls, scenario["knows_exchange"])
        code = main(command)
        had_fault = shim.medroi_faults_left() <= 0
        # A disk that was full is never a success.
        assert had_fault == (code not in make_scans.PACKED), (had_fault, code)
        os._exit(4 if had_fault else 0)

    return forked(work)


def run(shim: ctypes.CDLL, root: Path, scenario: dict) -> int:
    """Run with a fault at the first call, the second, ...; return how many calls there are."""
    folder = root / "run"
    for n_calls in range(1, 10_000):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / "start", folder)
        ended = run_one(shim, folder, scenario, n_calls)
        expected = scenario["shapes"][1:] if ended == 0 else scenario["shapes"]
        if ended == REFUSED:
            expected = scenario["shapes"][:1]
        assert ended in (0, KILLED if scenario["mode"] == KILL else REFUSED), ended

        def look(expected: list = expected) -> None:
            check_now(folder, scenario)
            check_state(folder, scenario, expected)
            check_next(folder, scenario)

        assert forked(look) == 0, f"after a fault at call {n_calls}"
        if ended == 0:
            return n_calls - 1
    raise AssertionError("it never ends")


if __name__ == "__main__":
    for name in ("nibabel", "tqdm", "medroi.inner.zstd", "medroi.plugins.host"):
        importlib.import_module(name)
    library, root, text = sys.argv[1:]
    print("calls", run(ctypes.CDLL(library), Path(root), json.loads(text)))
