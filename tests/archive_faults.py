"""Runs of `medroi.archive` under `file_faults.c`: killed, or out of disk, at many of its calls.

Started by test_archive_survival.py as a process of its own, into which the faults are preloaded.
Every run is a fork that begins with an empty archive; the next fork runs again, undisturbed.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
from pathlib import Path

import archive_trees
from fault_runs import FULL, KILL, forked

import medroi
from medroi import archives
from medroi.scans import check

# Whether a fork stopped as it had to: killed, or with an error of ours.
STOPPED = {KILL: 9, FULL: 4 << 8}


def run(source: Path, place: Path) -> None:
    try:
        medroi.archive(source, place, lossless=True)
    except (archives.InUse, medroi.errors.MedROIError, OSError) as error:
        print(error)
        os._exit(4)


def armed(faults: ctypes.CDLL, source: Path, place: Path, mode: int, n_calls: int) -> None:
    faults.medroi_faults_arm(mode, n_calls, 1)
    run(source, place)
    faults.medroi_faults_arm(0, 0, 1)


def look(place: Path) -> None:
    """Every store that has its name is whole."""
    for store in place.rglob("*.ome.zarr"):
        if ".medroi-archive" not in store.parts:
            check(store)


def left_over(place: Path) -> list[str]:
    """Everything in the folder where stores and files are made."""
    return [str(path) for path in (place / ".medroi-archive" / "work").rglob("*")]


def count(faults: ctypes.CDLL, source: Path, place: Path, report: Path) -> None:
    many = 1 << 30
    faults.medroi_faults_arm(KILL, many, 1)
    medroi.archive(source, place, lossless=True)
    left = faults.medroi_faults_left()
    faults.medroi_faults_arm(0, 0, 1)
    report.write_text(str(many - left))


def main() -> None:
    library, root, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    faults = ctypes.CDLL(library)
    faults.medroi_faults_left.restype = ctypes.c_long
    source, place = root / "src", root / "dst"
    assert forked(lambda: count(faults, source, place, root / "count")) == 0
    expected = archive_trees.stores_in(place)
    n_calls = int((root / "count").read_text())
    found = {"n_calls": n_calls, "n_stopped": 0, "n_runs": 0}
    for mode in (KILL, FULL):
        for number in range(1, n_calls + 1, max(1, n_calls // steps)):
            shutil.rmtree(place)
            status = forked(lambda m=mode, n=number: armed(faults, source, place, m, n))
            assert status in (0, STOPPED[mode]), (mode, number, status)
            found["n_stopped"] += status != 0
            found["n_runs"] += 1
            if place.is_dir():
                assert forked(lambda: look(place)) == 0, (mode, number)
            assert forked(lambda: run(source, place)) == 0, (mode, number)
            assert archive_trees.stores_in(place) == expected, (mode, number)
            assert left_over(place) == [], (mode, number)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
