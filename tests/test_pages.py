"""Programs in pages of docs run as they stand there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def programs(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.M | re.S)


@pytest.mark.parametrize("program", programs("python.md"))
def test_a_program_of_the_python_page_runs(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "examples/data/head_T1w.nii.gz", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "python.md", "exec"), {})


def test_the_page_has_programs() -> None:
    assert len(programs("python.md")) == 2
