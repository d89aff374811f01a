"""ITK finds the same voxels at the same millimetres, and its own files come back bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan, unpack

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SHAPE = (21, 18, 14)
PLAIN = ("a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.nii", "a.hdr")


def image(dtype: str, n_channels: int = 1) -> SimpleITK.Image:
    rng = np.random.default_rng(11)
    shape = SHAPE[::-1] if n_channels == 1 else (*SHAPE[::-1], n_channels)
    values = rng.integers(0, 200, shape).astype(dtype)
    made = SimpleITK.GetImageFromArray(values, isVector=n_channels > 1)
    made.SetSpacing((1.5, 1.25, 3.0))
    made.SetOrigin((-31.5, 12.25, 7.0))
    made.SetDirection((0.96, -0.168, 0.224, 0.28, 0.576, -0.768, 0.0, 0.8, 0.6))
    return made


def written(tmp_path: Path, name: str, made: SimpleITK.Image, compressed: bool) -> Path:
    """Write an image into a folder of its own, and check that it is read alike."""
    folder = tmp_path / "in"
    folder.mkdir()
    SimpleITK.WriteImage(made, str(folder / name), compressed)
    scan = read_scan(folder / name)
    np.testing.assert_array_equal(scan.voxels, SimpleITK.GetArrayFromImage(made).T)
    np.testing.assert_allclose(scan.affine, affine_of(made), atol=1e-5)
    return folder


def affine_of(made: SimpleITK.Image) -> np.ndarray:
    affine = np.eye(4)
    direction = np.reshape(made.GetDirection(), (3, 3))
    affine[:3, :3] = direction * np.asarray(made.GetSpacing())
    affine[:3, 3] = made.GetOrigin()
    return LPS_TO_RAS @ affine


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("name", PLAIN)
def test_what_itk_writes_is_read_alike_and_comes_back(
    tmp_path: Path, name: str, dtype: str
) -> None:
    folder = written(tmp_path, name, image(dtype), False)
    pack(folder / name, tmp_path / "s.ome.zarr", lossless=True)
    report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert {file.outcome for file in report.files} == {"very bytes"}
    for path in folder.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("name", [*PLAIN[:4], "a.nii.gz", "a.img.gz"])
def test_of_what_itk_compresses_the_report_says_what_came_back(
    tmp_path: Path, name: str, dtype: str
) -> None:
    made = image(dtype)
    folder = written(tmp_path, name, made, True)
    pack(folder / name, tmp_path / "s.ome.zarr", lossless=True)
    unpack(tmp_path / "s.ome.zarr", tmp_path / "out.nii")
    found = SimpleITK.ReadImage(str(tmp_path / "out.nii"))
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(found), SimpleITK.GetArrayFromImage(made)
    )
    try:
        report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    except InvalidArgument as error:
        # A MetaImage says how many bytes its compressed data have: it is never written wrongly.
        assert Path(name).suffix in (".mha", ".mhd") and "which no compressor here" in str(error)  # noqa: PT017
        assert not (tmp_path / "back").exists()
        return
    for file in report.files:
        same = (folder / file.source).read_bytes() == (tmp_path / "back" / file.name).read_bytes()
        assert file.outcome == ("very bytes" if same else "same contents")
    found = SimpleITK.ReadImage(str(tmp_path / "back" / name))
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(found), SimpleITK.GetArrayFromImage(made)
    )


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
def test_itk_reads_what_a_scan_unpacks_to(tmp_path: Path, name: str) -> None:
    made = image("int16")
    SimpleITK.WriteImage(made, str(tmp_path / name), True)
    pack(tmp_path / name, tmp_path / "s.ome.zarr", lossless=True)
    unpack(tmp_path / "s.ome.zarr", tmp_path / "out.nii.gz")
    found = SimpleITK.ReadImage(str(tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(found), SimpleITK.GetArrayFromImage(made)
    )
    np.testing.assert_allclose(affine_of(found), affine_of(made), atol=1e-5)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii"])
def test_colours_of_itk_are_read_alike(tmp_path: Path, name: str) -> None:
    made = image("uint8", 3)
    SimpleITK.WriteImage(made, str(tmp_path / name))
    voxels = read_scan(tmp_path / name).voxels
    expected = SimpleITK.GetArrayFromImage(made).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(voxels.reshape(expected.shape), expected)
