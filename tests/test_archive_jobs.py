"""Promises of the unit of work of an archive, and of the engines that run it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import pty
import re
import stat
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import archive_trees
import fsspec
import make_scans
import pytest

import medroi
from medroi import archives, errors
from medroi.archives import jobs, places
from medroi.archives.hashing import facts_in
from medroi.archives.planning import Planner
from medroi.archives.summary import size_text
from medroi.archives.tree_local import walk


def jobs_of(source: Path, place: Path) -> list[archives.Job]:
    """The jobs of a tree, in their order, as a run gives them to an engine."""
    opened = archives.open_place(str(place))
    archives.claim(opened, str(source), moved=False)
    with archives.Journal(opened) as journal:
        planner = Planner(journal, archives.Settings({}), opened.exists, rehash=False)
        plan = planner.plan(walk(source, ".ome.zarr"))
        return [planner.job(item, str(source), opened.url, {}) for item in plan.todo]


def of_sizes(root: Path, *sizes: int) -> Path:
    root.mkdir()
    for number, size in enumerate(sizes):
        make_scans.nifti(root / f"{number}.nii", archive_trees.noisy(number, (size, 7, 5)))
    return root


def test_a_job_and_its_record_travel_and_a_job_may_run_twice(tmp_path: Path) -> None:
    source = of_sizes(tmp_path / "src", 6)
    (job,) = jobs_of(source, tmp_path / "dst")
    sent = pickle.loads(pickle.dumps(job))
    assert sent == job
    record = archives.pack_job(sent)
    assert pickle.loads(pickle.dumps(record)) == record and record.state == "stored"
    before = archive_trees.stores_in(tmp_path / "dst")
    again = archives.pack_job(job)
    assert archive_trees.stores_in(tmp_path / "dst") == before
    assert again.stored_sha256 == record.stored_sha256
    assert archives.Record.of_json(record.to_json()) == record


def test_large_scans_come_first_and_small_ones_by_path(tmp_path: Path) -> None:
    source = of_sizes(tmp_path / "src", 6, 40, 20, 40)
    for number in range(3):
        (source / f"{number}.txt").write_text(str(number))
    found = [job.path for job in jobs_of(source, tmp_path / "dst")]
    assert found == ["1.nii", "3.nii", "2.nii", "0.nii", "0.txt", "1.txt", "2.txt"]


def test_a_scan_that_takes_its_process_down_is_a_failure_and_the_others_are_stored(
    tmp_path: Path,
) -> None:
    source = of_sizes(tmp_path / "src", 6, 7, 8)
    (source / "1.nii").rename(source / "deadly.nii")
    todo = jobs_of(source, tmp_path / "dst")
    done = archives.run_processes(iter(todo), 2, archive_trees.deadly)
    found = {job.path: (record.state, record.error_class) for job, record in done}
    assert found == {
        "0.nii": ("stored", ""),
        "2.nii": ("stored", ""),
        "deadly.nii": ("failed", "ProcessEnded"),
    }


def test_a_file_that_cannot_be_read_or_went_away_is_a_failure_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = of_sizes(tmp_path / "src", 6, 7)
    (source / "a.txt").write_text("a")
    todo = jobs_of(source, tmp_path / "dst")
    (source / "0.nii").unlink()
    digest = jobs.sha256_of

    def refused(path: Path) -> str:
        if path.name in ("1.nii", "a.txt"):
            raise PermissionError(13, "Permission denied", str(path))
        return digest(path)

    monkeypatch.setattr(jobs, "sha256_of", refused)
    records = {job.path: archives.pack_job(job) for job in todo}
    assert {path: one.state for path, one in records.items()} == dict.fromkeys(records, "failed")
    assert records["0.nii"].error_class == "FileNotFoundError"
    for name in ("1.nii", "a.txt"):
        assert records[name].error_class == "PermissionError"
        assert records[name].error == f"[Errno 13] Permission denied: '{name}'"


def test_every_file_waits_for_the_disk_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = of_sizes(tmp_path / "src", 6)
    (source / "a.txt").write_text("a")
    todo = jobs_of(source, tmp_path / "dst")
    waited, fsync = [], os.fsync

    def waiting(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            waited.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", waiting)
    records = [archives.pack_job(job) for job in todo]
    assert len(waited) == sum(len(record.stored_files) or 1 for record in records)
    monkeypatch.undo()
    with archives.Journal(archives.open_place(str(tmp_path / "dst"))) as journal:
        for record in records:
            journal.add(record)
    waited.clear()
    monkeypatch.setattr(os, "fsync", waiting)
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert len(waited) == 2


@pytest.mark.parametrize("url", ["gs://bucket/x", "az://bucket/x", "abfs://bucket/x"])
def test_a_kind_of_url_without_its_package_says_which_to_install(url: str) -> None:
    assert places.is_url(url)
    with pytest.raises(errors.InvalidArgument, match=r"install"):
        archives.open_place(url)


def test_a_place_inside_the_tree_is_found_through_links(tmp_path: Path) -> None:
    source = of_sizes(tmp_path / "src", 6)
    (tmp_path / "elsewhere").symlink_to(source)
    with pytest.raises(errors.InvalidArgument, match="inside"):
        medroi.archive(source, tmp_path / "elsewhere" / "dst")
    assert os.listdir(source) == ["0.nii"]


def test_nothing_lies_beside_the_root_of_a_disk(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgument, match="inside the tree /;"):
        medroi.archive("/", tmp_path / "dst", dry_run=True)


def test_a_place_by_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    source = of_sizes(tmp_path / "src", 6)
    with pytest.raises(errors.InvalidArgument, match="inside"):
        medroi.archive(source, f"file://{source}/dst")
    medroi.archive(source, f"file://{tmp_path}/dst")
    assert medroi.archive(source, tmp_path / "dst").run == {}


def test_progress_says_what_is_done_saved_and_left(tmp_path: Path) -> None:
    source = of_sizes(tmp_path / "src", 6, 40)
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
    command = [sys.executable, "-m", "medroi", "archive", str(source), str(tmp_path / "dst")]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    text = b""
    # A terminal whose other end is closed gives an error in place of an end.
    with contextlib.suppress(OSError):
        while more := os.read(shown, 1 << 16):
            text += more
    os.close(shown)
    assert program.wait(timeout=60) == 0
    # Elapsed, left, and what is saved.
    figures = r"archive: 100%.*\[\d\d:\d\d<00:00, .*B/s, 2 of 2, -?[\d.]+ MB saved\]"
    assert re.search(figures, text.decode())


def test_sizes_have_the_unit_that_suits_them() -> None:
    found = [size_text(nbytes) for nbytes in (0, 5_000_000, 2_500_000_000, 20 * 10**12, -(10**9))]
    assert found == ["0.00 MB", "5.00 MB", "2.50 GB", "20.00 TB", "-1.00 GB"]


def test_an_object_store_gets_data_side_by_side_and_metadata_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["zarr.json", "s0/zarr.json", "s0/c/0/0", "nifti/zarr.json", "nifti/c/0"]
    for name in names:
        (tmp_path / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / name).write_text(name)
    files = fsspec.filesystem("memory")
    # Each of two waits for the other, which never comes where they are sent one after another.
    meeting, events, put = threading.Barrier(2, timeout=30), [], type(files).put_file

    def watched(self: object, local: str, at: str) -> None:
        name = at.partition("/store/")[2]
        if name != "zarr.json":
            meeting.wait()
        events.append(("begins", name))
        put(files, local, at)
        events.append(("ends", name))

    monkeypatch.setattr(type(files), "put_file", watched)
    place = archives.open_place(f"memory://{tmp_path.name}")
    place.put(tmp_path / "store", "store", facts_in(tmp_path / "store"))
    data, deeper = {names[2], names[4]}, {names[1], names[3]}
    assert {name for _, name in events[:4]} == data
    assert {name for _, name in events[4:8]} == deeper
    assert events[8:] == [("begins", "zarr.json"), ("ends", "zarr.json")]
    assert sorted(files.find(f"/{tmp_path.name}")) == sorted(
        f"/{tmp_path.name}/store/{name}" for name in names
    )
    files.rm(f"/{tmp_path.name}", recursive=True)
