"""Promises of `medroi.system`, and of packing where a system lacks what POSIX has."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from medroi import system


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | system.BINARY)


def test_a_lock_is_held_by_one_and_free_when_it_is_closed(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "lock"), opened(tmp_path / "lock")
    assert system.try_lock(first)
    assert not system.try_lock(second)
    os.close(first)
    assert system.try_lock(second)
    os.close(second)


def test_shared_locks_stand_side_by_side_and_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    first, second, third = (opened(tmp_path / "lock") for _ in range(3))
    assert system.try_lock(first, shared=True)
    assert system.try_lock(second, shared=True)
    assert not system.try_lock(third)
    for one in (first, second, third):
        os.close(one)


def test_a_locked_file_is_read_and_written_by_all(tmp_path: Path) -> None:
    locked = opened(tmp_path / "lock")
    assert system.try_lock(locked)
    (tmp_path / "lock").write_bytes(b"holder")
    assert (tmp_path / "lock").read_bytes() == b"holder"
    os.close(locked)


def test_a_folder_is_locked_by_one(tmp_path: Path) -> None:
    first, second = system.open_folder(tmp_path), system.open_folder(tmp_path)
    assert system.try_lock(first)
    assert not system.try_lock(second)
    os.close(first)
    os.close(second)


@pytest.mark.parametrize("has_positions", [True, False])
def test_bytes_come_back_from_where_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_positions: bool
) -> None:
    if not has_positions:
        monkeypatch.delattr(os, "pread", raising=False)
        monkeypatch.delattr(os, "pwrite", raising=False)
    descriptor = opened(tmp_path / "file")
    system.write_at(descriptor, b"\n\r\n\x1a" * 5, 7)
    system.write_at(descriptor, b"ab", 0)
    assert system.read_at(descriptor, 100, 0) == b"ab" + bytes(5) + b"\n\r\n\x1a" * 5
    assert system.read_at(descriptor, 4, 7) == b"\n\r\n\x1a"
    assert system.read_at(descriptor, 4, 1000) == b""
    os.close(descriptor)


def test_a_process_runs_until_it_has_ended() -> None:
    waiting = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert system.is_running(process.pid)
        process.kill()
        process.wait()
    assert not system.is_running(process.pid)
    assert system.is_running(os.getpid())


def test_files_and_folders_are_synchronised(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    system.sync(tmp_path / "file")
    system.sync(tmp_path)


def test_the_machine_has_memory() -> None:
    found = system.memory_nbytes()
    assert found is not None and found > 1 << 28


WITHOUT_POSIX = """
    import os, signal, sys
    for name in ("fcntl", "resource", "termios", "pwd", "grp"):
        sys.modules[name] = None
    for name in ("pread", "pwrite", "sync", "sysconf", "posix_fallocate", "sched_getaffinity"):
        delattr(os, name)
    del signal.SIGHUP
    import ctypes
    whole = ctypes.CDLL
    ctypes.CDLL = lambda name, *a, **k: whole(name + "", *a, **k)
    os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
    import medroi, medroi.cli
    from medroi.scans.stores import durable
    durable._CALLS.clear()
    source, folder = sys.argv[1:]
    for target in ("a.ome.zarr", "b.zarr", "c.h5/x", "c.h5/y", "d.ome.zarr.zip"):
        assert medroi.cli.main(["pack", source, f"{folder}/{target}", "--lossless"]) == 0, target
        assert medroi.cli.main(["check", f"{folder}/{target}", "--against", source]) == 0, target
        back = f"{folder}/{target.replace('/', '-')}.nii"
        assert medroi.cli.main(["unpack", f"{folder}/{target}", back]) == 0
        assert open(back, "rb").read() == open(source, "rb").read()
    os.mkdir(f"{folder}/tree")
    os.rename(source, f"{folder}/tree/scan.nii")
    for _ in range(2):
        assert medroi.cli.main(["archive", f"{folder}/tree", f"{folder}/archive"]) == 0
    assert medroi.cli.main(["check", f"{folder}/archive", "--against", f"{folder}/tree"]) == 0
    assert not [name for name in os.listdir(folder) if name.endswith(".partial")]
"""


def test_a_system_without_what_posix_has_packs_and_archives(tmp_path: Path) -> None:
    import nibabel as nib

    voxels = np.random.default_rng(5).integers(0, 9, (64, 48, 32)).astype("i2")
    source = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1, 2, 1])), source)
    program = [sys.executable, "-c", textwrap.dedent(WITHOUT_POSIX), str(source), str(tmp_path)]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
