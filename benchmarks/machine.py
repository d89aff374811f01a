"""What a figure was measured on: processor, versions and commit, as columns of a CSV."""

from __future__ import annotations

import csv
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLUMNS = ("machine", "versions", "commit")
ALWAYS = ("medroi", "numpy", "numcodecs")


@dataclass(frozen=True)
class Machine:
    """One machine, one set of packages, one state of the source."""

    machine: str
    versions: str
    commit: str

    @property
    def cells(self) -> tuple[str, str, str]:
        """In the order of `COLUMNS`."""
        return self.machine, self.versions, self.commit


def describe(packages: Iterable[str] = ()) -> Machine:
    """This machine; versions of `packages` besides those that every benchmark needs."""
    versions = [f"python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in dict.fromkeys((*ALWAYS, *packages))]
    return Machine(f"{processor()}, {usable_cores()} cores", "; ".join(versions), commit())


def processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(names, platform.processor() or 'unknown')} {platform.machine()}"


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """Of the source beside this file; `+` where it was changed since, tables aside."""
    try:
        found = git("rev-parse", "--short=12", "HEAD").strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!*.csv")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found + ("+" if changed else "")


def git(*arguments: str) -> str:
    """What git says of the folder of this file."""
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)
    return done.stdout


def add_columns(table: Path, target: Path, machine: Machine) -> int:
    """Write the CSV `table` to `target` with the columns of a machine; its number of rows."""
    with table.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    half = target.with_name(target.name + ".part")
    with half.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*header, *COLUMNS])
        writer.writerows([*row, *machine.cells] for row in rows)
    half.replace(target)
    return len(rows)
