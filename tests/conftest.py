"""The shipped scan, for every test that wants a real volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
