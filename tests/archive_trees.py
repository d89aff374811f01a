"""Small trees of scans for the tests of archives, made from numbers alone."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import make_scans
import numpy as np

from medroi.archives import Job, Record, pack_job

SHAPE = (12, 14, 10)


def noisy(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A bright ellipsoid in noisy air."""
    rng = np.random.default_rng(seed)
    air = np.abs(rng.normal(0, 4, shape)).astype(np.int16)
    return np.asfortranarray(np.maximum(make_scans.head(shape, seed=seed), air))


def tree(root: Path, *, dicom: bool = True) -> Path:
    """NIfTI, FreeSurfer, DICOM, sidecars, two equal scans, a broken one and links."""
    anat = root / "sub-01" / "anat"
    anat.mkdir(parents=True)
    make_scans.nifti(anat / "sub-01_T1w.nii.gz", noisy(1))
    (anat / "sub-01_T1w.json").write_text('{"EchoTime": 0.003}\n')
    other = root / "sub-02" / "anat"
    other.mkdir(parents=True)
    make_scans.nifti(other / "sub-02_T1w.nii", noisy(2))
    (other / "copy.nii").write_bytes((other / "sub-02_T1w.nii").read_bytes())
    make_scans.mgz(other / "aseg.mgz", make_scans.head(SHAPE, np.uint8, seed=3))
    whole = (anat / "sub-01_T1w.nii.gz").read_bytes()
    (other / "broken.nii.gz").write_bytes(whole[: len(whole) // 2])
    if dicom:
        make_scans.dicom_series(root / "sub-03" / "ct", noisy(4, (9, 8, 6)))
        (root / "sub-03" / "ct" / "notes.txt").write_text("a note\n")
    (root / "empty").mkdir()
    (root / "participants.tsv").write_text("participant_id\nsub-01\n")
    description = {"Name": "a test", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "sub-02" / "back").symlink_to("..")
    (root / "sub-02" / "again.json").symlink_to("../sub-01/anat/sub-01_T1w.json")
    return root


def files_in(root: Path) -> dict[str, bytes]:
    """Every file below a folder by name, links to files as files."""
    return {
        str(Path(folder, name).relative_to(root)): Path(folder, name).read_bytes()
        for folder, _, names in os.walk(root)
        for name in names
    }


def stores_in(place: Path) -> dict[str, bytes]:
    """Everything in an archive but what only its journal and its locks say."""
    return {
        name: data
        for name, data in files_in(place).items()
        if not name.startswith(".medroi-archive/")
    }


def deadly(job: Job) -> Record:
    """A job that takes its process down where its path says so; for engines with processes."""
    if job.path.endswith("deadly.nii"):
        os.kill(os.getpid(), signal.SIGKILL)
    return pack_job(job)
