"""What every test shares: the shipped scan, seeds, markers and the rule on skipped tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import needs
import numpy as np
import pytest
from kernel_build import builds

if TYPE_CHECKING:
    from ctypes import CDLL

ROOT = Path(__file__).parent.parent

# Files that take more than a few seconds on one core: `-m "not slow"` leaves them out.
SLOW_FILES = {
    *(
        "bcmnet",
        "dicom_files",
        "dicom_kinds",
        "dicom_return",
        "mixture",
        "range_coder",
        "scan_words",
        "symbols",
        "zarr3",
        "zarr2",
    ),
    "library",
    *("benchmarks", "build", "check", "cli", "cli_verify", "codec", "coder_golden", "compare"),
    *("compare_dropped", "compare_page", "compare_protocols", "compare_statistics"),
    *("damaged_files", "faces_agree", "filling", "filling_odd_blocks", "hdf5", "hdf5_chunks"),
    *("hdf5_damaged", "hdf5_lying_file", "hdf5_open_again", "hdf5_process", "hdf5_refusals"),
    *("hdf5_scans", "hdf5_tools", "hosted", "inner", "inner_table", "jpeg2000", "loss", "mask"),
    *("archive", "archive_survival", "archive_tree", "processes"),
    *("needs", "neural_shared", "noise", "nothing_lost", "odd_arrays", "parameters", "predict3d"),
    *(
        "readme",
        "region",
        "scans",
        "selection",
        "shared_files",
        "stream",
        "show",
        "show_regions",
        "sirenmri",
        "survival",
        "trust",
    ),
    *("wavelet3d", "xarray_dask", "zarr_filling", "zarr_missing", "zarr_partial", "zarr_write"),
}


def pytest_configure(config: pytest.Config) -> None:
    # Some of tests/environments run without Hypothesis.
    if config.pluginmanager.hasplugin("hypothesispytest"):
        load_hypothesis_profile()
    for marker, text in needs.MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: needs {text}")


def load_hypothesis_profile() -> None:
    """Draw the same examples in every run, so that only a change can turn a test red.

    HYPOTHESIS_PROFILE=nightly, as in the nightly workflow, draws new ones.
    """
    from hypothesis import settings

    settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
    settings.register_profile("nightly", derandomize=False, deadline=None, print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW_FILES:
            item.add_marker(pytest.mark.slow)
        for marker in item.iter_markers():
            if marker.name in needs.MARKERS and not needs.is_here(marker.name):
                reason = f"needs {needs.MARKERS[marker.name]}"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with a skipped test where everything that tests need has to be there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("MEDROI_NO_SKIPS") == "1":
        reporter.write_line(f"MEDROI_NO_SKIPS=1, and {len(skipped)} skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def head_path() -> Path:
    return ROOT / "examples" / "data" / "head_T1w.nii.gz"


@pytest.fixture(scope="session")
def head_volume(head_path: Path) -> np.ndarray:
    """Stored values of the shipped scan: int16, F order, read-only."""
    import nibabel

    volume = np.asanyarray(nibabel.load(head_path).dataobj)
    volume.flags.writeable = False
    return volume


@pytest.fixture(scope="session")
def coder_builds(tmp_path_factory: pytest.TempPathFactory) -> list[CDLL]:
    """Both 3-D coders, built with several sets of compiler flags."""
    return builds(tmp_path_factory.mktemp("builds"))
