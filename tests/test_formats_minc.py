"""Promises of MINC files, by those that come with nibabel; and of files that nobody here reads."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.testing import data_path
from returned import as_nifti, assert_very_bytes

from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan

FOLDER = Path(data_path)
WHOLE = (
    "tiny.mnc",
    "minc1_1_scale.mnc",
    "minc1_4d.mnc",
    "minc1-no-att.mnc",
    "small.mnc",
    "minc2-no-att.mnc",
    "minc2-4d-d.mnc",
)
COMPRESSED = ("minc2_1_scale.mnc", "minc2_4d.mnc")


def assert_nifti_means_the_same(source: Path) -> None:
    """Check values and millimetres of what a scan unpacks to against nibabel's own reading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minc = nibabel.load(source)
        values = minc.get_fdata()
    found = nibabel.load(as_nifti(source))
    np.testing.assert_allclose(found.get_fdata(), values.T, rtol=1e-6, atol=1e-6)
    corner = (3, 2, 1)
    in_minc = minc.affine @ [*corner[::-1], 1.0]
    np.testing.assert_allclose(found.affine @ [*corner, 1.0], in_minc, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", [*WHOLE, *COMPRESSED])
def test_minc_comes_back_with_its_very_bytes(tmp_path, name) -> None:
    source = Path(shutil.copy(FOLDER / name, tmp_path))
    assert_very_bytes(source)
    assert_nifti_means_the_same(source)


@pytest.mark.parametrize("name", ["tiny.mnc", "small.mnc"])
def test_damaged_minc_is_refused_by_name(tmp_path, name) -> None:
    whole = (FOLDER / name).read_bytes()
    source = tmp_path / name
    rng = np.random.default_rng(5)
    for nbytes in (0, 1, 4, 9, 100, len(whole) // 3):
        source.write_bytes(whole[:nbytes])
        with pytest.raises(InvalidArgument, match=name):
            read_scan(source)
    refused = []
    for _ in range(60):
        data = bytearray(whole)
        data[rng.integers(0, min(4000, len(data)))] ^= 1 << rng.integers(0, 8)
        source.write_bytes(data)
        try:
            read_scan(source)
        except InvalidArgument as error:
            refused.append(str(error))
    assert refused and all(name in message for message in refused)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a.PAR", "Philips.*parrec2nii"),
        ("a.rec", "Philips"),
        ("a+orig.HEAD", "AFNI.*3dAFNItoNIFTI"),
        ("a+orig.BRIK.gz", "AFNI"),
        ("a.v", "ECAT.*medcon"),
        ("a.vmr", "BrainVoyager.*bvbabel"),
        ("a.mif.gz", "MRtrix.*mrconvert"),
        ("a.gipl", "SimpleITK"),
        ("a.zip", "an archive.*unpack it"),
        ("a.czi", "microscope.*bioformats2raw"),
        ("a.jpg", "picture.*PNG"),
        ("a.gii", "no voxels"),
    ],
)
def test_what_nobody_here_reads_is_one_line_with_what_converts_it(tmp_path, name, what) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InvalidArgument, match=f"(?i){what}") as refused:
        pack(tmp_path / name, tmp_path / "store.zarr")
    assert name in str(refused.value) and "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]
