"""The shipped scan, for every test that wants a real volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from kernel_build import builds

if TYPE_CHECKING:
    from ctypes import CDLL

ROOT = Path(__file__).parent.parent


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
