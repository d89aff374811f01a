"""Somebody without optional libraries runs the rest, and CI does not take that for everything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# Runs pytest where no optional library can be imported.
HIDDEN = """
import sys
import pytest
for name in ("imagecodecs", "imagecodecs.numcodecs", "pcodec", "pillow_heif", "zfpy", "xarray"):
    sys.modules[name] = None
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_hidden(*arguments: str, no_skips: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDDEN, "-q", "-p", "no:cacheprovider", *arguments],
        cwd=TESTS.parent,
        env={**os.environ, "MEDROI_NO_SKIPS": no_skips},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["test_inner_table", "test_hosted", "test_trust", "test_metrics"])
def test_every_file_is_collected_without_optional_libraries(name: str) -> None:
    ran = run_hidden("--collect-only", f"tests/{name}.py", no_skips="0")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(("no_skips", "status"), [("0", 0), ("1", 1)])
def test_what_a_library_is_missing_for_is_skipped_and_ci_says_so(
    no_skips: str, status: int
) -> None:
    chosen = ["tests/test_inner_table.py", "tests/test_xarray_dask.py", "-k", "served or xarray"]
    ran = run_hidden(*chosen, no_skips=no_skips)
    assert ran.returncode == status, ran.stdout
    assert "needs the Python module imagecodecs" in ran.stdout
    assert "could not import 'xarray'" in ran.stdout
    assert "passed" in ran.stdout


def test_a_run_without_a_skipped_test_is_right_for_ci() -> None:
    ran = run_hidden("tests/test_needs.py", "-k", "nothing_but_this", no_skips="1")
    assert ran.returncode == pytest.ExitCode.OK, ran.stdout


def test_nothing_but_this() -> None:
    assert set(TESTS.glob("needs.py")) == {TESTS / "needs.py"}
