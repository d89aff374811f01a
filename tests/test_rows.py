"""The row kernels in vectors and the portable ones give the same results."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kernel_build import KERNEL, compiler

COMPARED = Path(__file__).parent / "compare_rows.c"
ROWS = KERNEL / "grid" / "rows_kernels.c"
FLAGS = ["-std=c11", "-O2", "-ffp-contract=off", f"-I{KERNEL}"]
PORTABLE = ["-DMEDROI_PORTABLE_ROWS", "-Dmedroi_row_ops_for=portable_row_ops_for"]


def build(folder: Path, rows: Path, *flags: str) -> Path:
    """The program that compares these rows with the portable ones."""
    portable, program = folder / "portable.o", folder / "compare"
    subprocess.run(
        [*compiler(), *FLAGS, *PORTABLE, "-c", str(ROWS), "-o", str(portable)], check=True
    )
    sources = [COMPARED, rows, KERNEL / "grid" / "rows.c", KERNEL / "base" / "elements.c", portable]
    subprocess.run(
        [*compiler(), *FLAGS, *flags, *map(str, sources), "-o", str(program), "-lm"], check=True
    )
    return program


@pytest.mark.parametrize("seed", [1, 2])
def test_vectors_and_portable_rows_agree(tmp_path, seed):
    program = build(tmp_path, ROWS)
    made = subprocess.run([str(program), str(seed), "4000"], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout
    assert "4000 rounds" in made.stdout


def test_a_difference_of_one_element_is_found(tmp_path):
    text = ROWS.read_text().replace("INT16_MIN", "(INT16_MIN + 1)")
    wrong = tmp_path / "rows_wrong.c"
    wrong.write_text(text)
    program = build(tmp_path, wrong)
    made = subprocess.run([str(program), "1", "4000"], capture_output=True, text=True)
    assert made.returncode == 1
    assert "differ" in made.stdout
