"""Programs in pages of docs run as they stand there."""

from __future__ import annotations

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
    assert len(programs("python.md")) == 2
    assert len(programs("clear.md")) == 1
    assert len(commands("clear.md")) == 3
