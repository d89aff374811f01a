"""The row kernels in vectors and the portable ones give the same results."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from kernel_build import KERNEL

CHECK = Path(__file__).parents[1] / "scripts" / "check_rows.sh"
ROWS = KERNEL / "grid" / "rows_kernels.c"


def compare(rows: Path, seed: int) -> subprocess.CompletedProcess[str]:
    """Compare these rows with the portable ones, as anyone can."""
    return subprocess.run(
        ["bash", str(CHECK), "4000", str(seed)],
        env={**os.environ, "ROWS": str(rows)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_vectors_and_portable_rows_agree(seed):
    made = compare(ROWS, seed)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "4000 rounds" in made.stdout


def test_a_difference_of_one_element_is_found(tmp_path):
    text = ROWS.read_text().replace("INT16_MIN", "(INT16_MIN + 1)")
    wrong = tmp_path / "rows_wrong.c"
    wrong.write_text(text)
    made = compare(wrong, 1)
    assert made.returncode == 1
    assert "differ" in made.stdout
