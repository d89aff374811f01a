"""Promises of archives that are killed, run out of disk, or lose the end of their journal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import archive_trees
import make_scans
import pytest
from kernel_build import compiler

import medroi
from medroi import archives, errors

HERE = Path(__file__).parent


def small(root: Path) -> Path:
    root.mkdir()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(1, (6, 7, 5)))
    (root / "b.nii").write_bytes((root / "a.nii").read_bytes())
    make_scans.nifti(root / "c.nii.gz", archive_trees.noisy(2, (6, 7, 5)))
    (root / "note.txt").write_text("a note")
    return root


def test_every_kill_and_every_full_disk_leaves_what_the_next_run_completes(tmp_path: Path) -> None:
    library = tmp_path / "file_faults.so"
    source = HERE / "file_faults.c"
    flags = ["-std=c11", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*compiler(), *flags, str(source), "-o", str(library), "-ldl"], check=True)
    small(tmp_path / "src")
    ran = subprocess.run(
        [sys.executable, str(HERE / "archive_faults.py"), str(library), str(tmp_path), "12"],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["n_calls"] > 50 and found["n_stopped"] > 15


def test_a_journal_that_lost_its_end_is_gone_on_from(tmp_path: Path) -> None:
    """Power that fails takes what was not yet on the disk: any end of the file."""
    source, place = small(tmp_path / "src"), tmp_path / "dst"
    medroi.archive(source, place, lossless=True)
    expected = archive_trees.stores_in(place)
    segment = next((place / ".medroi-archive" / "journal").iterdir())
    whole = segment.read_bytes()
    for nbytes in range(0, len(whole), max(1, len(whole) // 12)):
        other = tmp_path / f"cut-{nbytes}"
        shutil.copytree(place, other)
        (other / segment.relative_to(place)).write_bytes(whole[:nbytes])
        medroi.archive(source, other, lossless=True)
        assert archive_trees.stores_in(other) == expected
        shutil.rmtree(other)


def test_every_changed_line_of_a_journal_is_found(tmp_path: Path) -> None:
    source, place = small(tmp_path / "src"), tmp_path / "dst"
    medroi.archive(source, place)
    segment = next((place / ".medroi-archive" / "journal").iterdir())
    whole = segment.read_bytes()
    lines = whole.splitlines(keepends=True)
    edited = [
        whole.replace(b'"stored"', b'"failed"', 1),
        b"".join([lines[0], *lines[2:]]),
        b"".join([lines[0], lines[2], lines[1], *lines[3:]]),
        b"".join([*lines[:2], lines[1], *lines[2:]]),
        b"path,state\na.nii,stored\n",
    ]
    for text in edited:
        assert text != whole
        segment.write_bytes(text)
        with pytest.raises(errors.CorruptStream, match="damaged or edited"):
            medroi.archive(source, place)
    segment.write_bytes(whole)
    assert medroi.archive(source, place).run == {}


@pytest.mark.parametrize("changed", [{"target": "../outside"}, {"path": "/etc/x"}, {"path": 3}])
def test_a_journal_that_names_what_lies_outside_is_refused(
    changed: dict[str, object], tmp_path: Path
) -> None:
    from medroi.archives.journal import Lines

    source, place = small(tmp_path / "src"), tmp_path / "dst"
    medroi.archive(source, place)
    lines = Lines()
    record = {"path": "a.nii", "kind": "scan", "state": "stored", **changed}
    text = lines.line({"medroi_journal": 1}) + lines.line(record)
    (place / ".medroi-archive" / "journal" / "000009.jsonl").write_bytes(text)
    with pytest.raises(errors.CorruptStream, match="line 2"):
        medroi.archive(source, place)


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    from medroi.archives.journal import Lines

    source, place = small(tmp_path / "src"), tmp_path / "dst"
    medroi.archive(source, place)
    folder = place / ".medroi-archive" / "journal"
    for version in (0, 2):
        (folder / "000009.jsonl").write_bytes(Lines().line({"medroi_journal": version}))
        with pytest.raises(errors.UnsupportedVersion, match=f"version {version}"):
            medroi.archive(source, place)
    (folder / "000009.jsonl").unlink()
    (place / ".medroi-archive" / "archive.json").write_text('{"medroi_archive": 2}')
    with pytest.raises(errors.UnsupportedVersion):
        medroi.archive(source, place)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_command_leaves_no_process_and_nothing_half_done(
    how: signal.Signals, tmp_path: Path
) -> None:
    source, place = tmp_path / "src", tmp_path / "dst"
    source.mkdir()
    for seed in range(6):
        make_scans.nifti(source / f"{seed}.nii", archive_trees.noisy(seed, (40, 44, 40)))
    command = [sys.executable, "-m", "medroi", "archive", str(source), str(place), "--lossless"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = place / ".medroi-archive" / "journal"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if journal.is_dir() and any(path.stat().st_size > 300 for path in journal.iterdir()):
            break
        time.sleep(0.01)
    program.send_signal(how)
    program.communicate(timeout=30)
    assert program.returncode in (128 + how, -how)
    if how == signal.SIGTERM:
        assert not list(place.rglob("*.partial"))
    report = medroi.archive(source, place, lossless=True)
    assert report.states == {"stored": 6} and report.n_done_before > 0
    assert not list(place.rglob("*.partial"))
    assert archives.check_archive(place, against=source).problems == ()
