"""Programs in pages of docs run as they stand there."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path

import pytest

from medroi.cli import main

ROOT = Path(__file__).parent.parent


def programs(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.M | re.S)


def commands(name: str) -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with the scan of the pages."""
    shutil.copy(ROOT / "examples/data/head_T1w.nii.gz", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("program", programs("python.md") + programs("clear.md"))
def test_a_program_of_a_page_runs(program: str) -> None:
    exec(compile(program, "page.md", "exec"), {})


def test_the_commands_of_a_page_run(folder: Path) -> None:
    for command in commands("clear.md"):
        program, *arguments = shlex.split(command)
        assert program == "medroi"
        assert main(arguments) == 0, command
    assert (folder / "cleared.ome.zarr").is_dir()


def test_the_pages_have_programs() -> None:
    assert len(programs("python.md")) == 3
    assert len(programs("clear.md")) == 1
    assert len(commands("clear.md")) == 3


def test_the_figures_of_the_clear_page_are_those_of_the_benchmark() -> None:
    with (ROOT / "benchmarks/clear.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["n_changed_kept"] == "0" for row in rows)
    heads = [row for row in rows if row["set"] == "mri_head"]
    source, file_, group = (
        sum(int(row[f"{name}_nbytes"]) for row in heads)
        for name in ("source", "nii_gz", "ome_zarr")
    )
    assert len(heads) == 10
    page = " ".join((ROOT / "docs/clear.md").read_text().split())
    assert f"ten heads take {file_ / source:.2f} of their `.nii.gz`" in page
    assert f"and {group / source:.2f} as OME-Zarr" in page
    brains = [row for row in rows if row["set"] == "mri_brain"]
    assert brains and all(row["n_changed"] == "0" for row in brains)
