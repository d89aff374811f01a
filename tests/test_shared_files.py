"""Promises of files that several programs write to, or that hold more than what is replaced."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import make_scans
import numpy as np
import pytest
import zarr

from medroi import system
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import check, pack, unpack
from medroi.scans.stores import hdf5_lock, staging
from medroi.scans.stores.hdf5_addition import Addition

WRITER = """
import sys, time, h5py, numpy
for index in range(int(sys.argv[2])):
    while True:
        try:
            with h5py.File(sys.argv[1], "a") as file:
                file[f"{sys.argv[3]}{index}"] = numpy.arange(50) + index
            break
        except OSError:
            time.sleep(0.01)
"""


@pytest.fixture
def scan(tmp_path):
    return make_scans.nifti(tmp_path / "in.nii", make_scans.head((16, 14, 12)))


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(hdf5_lock, "PATIENCE_S", 0.3)


def medroi(*argv, **options):
    command = [sys.executable, "-m", "medroi", *map(str, argv)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, **options)


def hear_signals():
    """What a parent ignores, as nohup does, its children ignore too: pack rightly goes on then."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.endswith(".partial")]


# Several writers


def test_scans_packed_at_once_into_one_file_are_all_there(tmp_path, scan):
    target = tmp_path / "a.h5"
    jobs = [medroi("pack", scan, target / f"scan{index}", "--lossless") for index in range(4)]
    for job in jobs:
        _, errors = job.communicate()
        # 3: so small a scan takes less room than what HDF5 keeps beside it.
        assert job.returncode in (0, 3) and errors == ""
    assert [check(target / f"scan{index}").n_chunks for index in range(4)] == [1] * 4
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "in.nii"]


def test_what_other_programs_add_meanwhile_stays(tmp_path, scan):
    target = tmp_path / "a.h5"
    with h5py.File(target, "w") as file:
        file["first"] = np.arange(9)
    other = subprocess.Popen([sys.executable, "-c", WRITER, str(target), "30", "theirs"])
    for index in range(5):
        pack(scan, target / f"ours{index}", lossless=True)
    assert other.wait() == 0
    with h5py.File(target) as file:
        assert (file["first"][...] == np.arange(9)).all()
        for index in range(30):
            assert (file[f"theirs{index}"][...] == np.arange(50) + index).all()
    for index in range(5):
        check(target / f"ours{index}")


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_file_that_is_open_elsewhere_is_refused_and_kept(tmp_path, scan, hasty, mode):
    target = tmp_path / "a.h5"
    with h5py.File(target, "w") as file:
        file["first"] = np.arange(9)
    before = target.read_bytes()
    with h5py.File(target, mode), pytest.raises(InvalidArgument, match=r"open in another program"):
        pack(scan, target / "scan")
    assert target.read_bytes() == before
    assert leftovers(tmp_path) == []
    pack(scan, target / "scan")
    check(target / "scan")


def test_a_wait_has_no_end_while_the_other_is_writing(tmp_path, monkeypatch):
    path = tmp_path / "busy"
    path.write_bytes(b"")
    clock = iter(range(100))
    monkeypatch.setattr(hdf5_lock.time, "monotonic", lambda: 6.0 * next(clock))
    monkeypatch.setattr(hdf5_lock.time, "sleep", lambda _: None)
    patience = hdf5_lock.Patience(path)
    for nbytes in range(1, 20):
        path.write_bytes(bytes(nbytes))
        patience.wait()
    patience.wait()
    with pytest.raises(InvalidArgument):
        patience.wait()


def test_what_changed_without_a_lock_is_seen_before_it_is_overwritten(tmp_path, scan):
    target, fresh = tmp_path / "a.h5", tmp_path / "fresh.h5"
    for path, name in ((target, "first"), (fresh, "scan")):
        with h5py.File(path, "w") as file:
            file[name] = np.arange(9)
    with target.open("r+b", buffering=0) as file:
        addition = Addition(file.fileno())
        with h5py.File(addition, "r+", driver="fileobj") as ours:
            ours["scan"] = np.arange(9)
        os.pwrite(file.fileno(), b"\x07", 20)
        with pytest.raises(MedROIError, match="another program changed it"):
            addition.commit()
        addition.discard()
    os.truncate(target, len(target.read_bytes()))
    assert target.read_bytes()[20] == 7


def test_adding_writes_no_more_than_what_is_added(tmp_path, scan, monkeypatch):
    target = tmp_path / "a.h5"
    with h5py.File(target, "w") as file:
        file["large"] = np.random.default_rng(1).integers(0, 255, 8 << 20).astype(np.uint8)
    size, inode = target.stat().st_size, target.stat().st_ino
    written, pwrite = [], os.pwrite

    def counting(descriptor, data, offset):
        written.append(len(data))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counting)
    report = pack(scan, target / "scan", lossless=True)
    assert sum(written) < 4 * report.stored_nbytes + 65536 < size / 10
    assert target.stat().st_ino == inode


def test_mode_links_and_other_names_of_a_file_stay(tmp_path, scan):
    real, link, second = tmp_path / "real.h5", tmp_path / "link.h5", tmp_path / "second.h5"
    pack(scan, real / "one", lossless=True)
    real.chmod(0o640)
    link.symlink_to("real.h5")
    os.link(real, second)
    pack(scan, link / "two", lossless=True)
    pack(scan, link / "two", lossless=True, force=True)
    assert link.is_symlink() and real.stat().st_mode & 0o777 == 0o640
    for path in (real, link, second):
        check(path / "one")
        check(path / "two")


@pytest.mark.parametrize("make", ["zarr", "nii"])
def test_what_a_link_points_to_is_replaced_and_keeps_its_mode(tmp_path, scan, make):
    real, link = tmp_path / f"real.{make}", tmp_path / f"link.{make}"
    link.symlink_to(real.name)
    pack(scan, tmp_path / "source.zarr", lossless=True)
    for force in (False, True):
        if make == "zarr":
            pack(scan, link, force=force)
        else:
            unpack(tmp_path / "source.zarr", link, force=force)
        assert link.is_symlink() and not real.is_symlink()
        if not force:
            real.chmod(0o750)
    assert real.stat().st_mode & 0o777 == 0o750


# What --force may not touch


@pytest.mark.parametrize("extra", ["mask/zarr.json", "notes.txt", "c/0/notes.txt"])
def test_force_never_replaces_what_is_more_than_one_array(tmp_path, scan, extra):
    target = tmp_path / "s.zarr"
    pack(scan, target, lossless=True)
    (target / extra).parent.mkdir(exist_ok=True)
    (target / extra).write_text("{}")
    with pytest.raises(InvalidArgument, match=extra.split("/")[0]):
        pack(scan, target, force=True)
    assert (target / extra).read_text() == "{}"
    check(target)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_force_never_replaces_a_group(tmp_path, scan, zarr_format):
    group = zarr.create_group(tmp_path / "s.zarr", zarr_format=zarr_format)
    group.create_array("mask", shape=(2,), dtype="i2")[:] = 7
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        pack(scan, tmp_path / "s.zarr", force=True)
    assert (zarr.open(tmp_path / "s.zarr", mode="r")["mask"][:] == 7).all()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_force_replaces_one_array(tmp_path, scan, zarr_format):
    for _ in range(2):
        pack(scan, tmp_path / "s.zarr", force=True, zarr_format=zarr_format, chunks=(8,))
        check(tmp_path / "s.zarr")
    assert sorted(os.listdir(tmp_path)) == ["in.nii", "s.zarr"]


def test_force_replaces_no_group_and_no_link_of_an_hdf5_file(tmp_path, scan):
    target = tmp_path / "a.h5"
    pack(scan, target / "group" / "one", lossless=True)
    with h5py.File(target, "r+") as file:
        file["soft"] = h5py.SoftLink("/group/one")
    for name, message in (("group", "a group"), ("soft", "a link"), ("group/one/x", "dataset")):
        with pytest.raises(InvalidArgument, match=message):
            pack(scan, target / name, force=True)
    check(target / "group" / "one")


def test_what_appears_while_a_scan_is_packed_is_kept(tmp_path, scan):
    target = tmp_path / "s.zarr"

    def write(force):
        with staging.staged(target, force=force, may_replace=Path.is_dir) as fresh:
            fresh.mkdir()
            target.mkdir(exist_ok=True)
            (target / f"theirs{force}").write_text("x")

    for force in (False, True):
        with pytest.raises(InvalidArgument, match="meanwhile"):
            write(force)
    assert sorted(os.listdir(target)) == ["theirsFalse", "theirsTrue"]
    assert leftovers(tmp_path) == []


# Killed processes


def test_what_an_older_release_left_in_between_comes_back(tmp_path, scan):
    pack(scan, tmp_path / "s.zarr", lossless=True)
    workspace = tmp_path / ".s.zarr.abcd1234.partial"
    workspace.mkdir()
    (tmp_path / "s.zarr").rename(workspace / "old")
    (workspace / "new").mkdir()
    check(tmp_path / "s.zarr")
    assert leftovers(tmp_path) == []


def test_a_workspace_in_use_is_left_alone(tmp_path):
    with staging.workspace(tmp_path / "s.zarr") as first:
        (first / "new").write_text("x")
        with staging.workspace(tmp_path / "s.zarr") as second:
            assert first != second
        assert (first / "new").read_text() == "x"
    assert leftovers(tmp_path) == []


def test_work_that_others_delete_is_said_and_nothing_is_put_in_place(tmp_path):
    def write() -> None:
        target = tmp_path / "back.nii.gz"
        with staging.staged(target, force=False, may_replace=Path.is_file) as fresh:
            fresh.write_bytes(b"x")
            shutil.rmtree(fresh.parent)

    with pytest.raises(InvalidArgument, match=r"back\.nii\.gz.*was deleted by something else"):
        write()
    assert os.listdir(tmp_path) == []


def test_a_process_without_an_open_file_left_for_its_lock_writes_nothing(tmp_path, monkeypatch):
    # With a folder that is not locked it would go on, until another process took that away.
    def used_up(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(system.os, "open", used_up)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        staging.staged(tmp_path / "a.nii", force=False, may_replace=Path.is_file).__enter__()
    assert os.listdir(tmp_path) == []


def test_where_there_are_no_locks_files_are_written_without(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with staging.staged(tmp_path / "a.nii", force=False, may_replace=Path.is_file) as fresh:
        fresh.write_bytes(b"x")
        staging.recover(tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes() == b"x"
    assert leftovers(tmp_path) == []


def test_a_workspace_of_another_target_is_left_alone(tmp_path):
    other = tmp_path / ".s.zarr.old.abcd1234.partial"
    other.mkdir()
    staging.recover(tmp_path / "s.zarr")
    assert other.is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("name", ["s.zarr", "a.h5"])
def test_a_pack_that_is_told_to_stop_leaves_nothing(tmp_path, number, name):
    noise = np.random.default_rng(5).integers(0, 60000, (150, 160, 170)).astype("<u2")
    source = make_scans.nifti(tmp_path / "in.nii", noise)
    inner = "zstd:level=22"
    job = medroi(
        "pack",
        source,
        tmp_path / name,
        "--lossless",
        "--inner",
        inner,
        preexec_fn=hear_signals,
    )
    deadline = time.monotonic() + 60
    while not leftovers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert leftovers(tmp_path)
    job.send_signal(number)
    _, errors = job.communicate()
    assert job.returncode == 128 + number
    assert "Traceback" not in errors and errors.count("\n") == 1
    assert os.listdir(tmp_path) == ["in.nii"]
