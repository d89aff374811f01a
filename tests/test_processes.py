"""Promises of work in several processes: one that dies costs its own job only."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_PROGRAM = """
import sys
import deadly
from medroi.processes import run_all

if __name__ == "__main__":
    done = run_all(range(5), deadly.work, 2, lambda job: "ended")
    print(sorted(done))
"""
_WORK = """
import os, time

def work(job):
    if job == 1:
        os.kill(os.getpid(), 9)
    return job * job

def slow(job):
    open(f"begun-{job}", "w").close()
    time.sleep(60)
"""
_SLOW = """
import os, signal, sys, threading
import deadly
from medroi.processes import run_all

if __name__ == "__main__":
    if sys.argv[1] == "term":
        def stop(*_):
            raise SystemExit(3)
        signal.signal(signal.SIGTERM, stop)
    list(run_all(range(2), deadly.slow, 2, lambda job: "ended"))
"""


def start(folder: Path, text: str, *more: str) -> subprocess.Popen[str]:
    (folder / "deadly.py").write_text(_WORK)
    (folder / "run.py").write_text(text)
    command = [sys.executable, "run.py", *more]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


def test_a_process_that_dies_costs_its_own_job_only(tmp_path: Path) -> None:
    out, _ = start(tmp_path, _PROGRAM).communicate(timeout=60)
    assert out.strip() == "[(0, 0), (1, 'ended'), (2, 4), (3, 9), (4, 16)]"


def children_in(folder: Path) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdecimal() and os.readlink(f"/proc/{name}/cwd") == str(folder):
                found.append(int(name))
        except OSError:
            continue
    return found


def test_no_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    for how, signal in (("term", 15), ("kill", 9)):
        folder = tmp_path / how
        folder.mkdir()
        program = start(folder, _SLOW, how)
        deadline = time.monotonic() + 60
        while len(list(folder.glob("begun-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(list(folder.glob("begun-*"))) == 2
        program.send_signal(signal)
        assert program.wait(timeout=20) == (3 if how == "term" else -9)
        while children_in(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert children_in(folder) == []
