"""What is written never takes the place of what is read, and never lies among it."""

from __future__ import annotations

from pathlib import Path

import h5py
import make_scans
import numpy as np
import pytest
import zarr

import medroi
from medroi.cli import main
from medroi.errors import InvalidArgument
from medroi.scans import clear, pack_series

VOXELS = make_scans.head((16, 18, 20))


def zarr_array(folder: Path) -> Path:
    zarr.save_array(str(folder / "others.zarr"), VOXELS)
    return folder / "others.zarr"


def hdf5_file(folder: Path) -> Path:
    with h5py.File(folder / "others.h5", "w") as file:
        file["head"] = VOXELS
    return folder / "others.h5"


@pytest.mark.parametrize("through_a_link", [False, True])
def test_an_array_is_never_replaced_by_its_own_store(tmp_path: Path, through_a_link: bool) -> None:
    source = target = zarr_array(tmp_path)
    if through_a_link:
        source = tmp_path / "link.zarr"
        source.symlink_to(target)
    with pytest.raises(InvalidArgument, match="the source itself"):
        medroi.pack(source, target, force=True)
    assert np.array_equal(zarr.open_array(str(target))[:], VOXELS)


@pytest.mark.parametrize(
    ("source", "target"),
    [("others.h5", "head"), ("others.h5/head", "head"), ("others.h5/head", "again")],
)
def test_a_dataset_is_never_replaced_by_its_own_store(
    tmp_path: Path, source: str, target: str
) -> None:
    path = hdf5_file(tmp_path)
    if target == "again":
        with h5py.File(path, "r+") as file:
            file["again"] = file["head"]
    with pytest.raises(InvalidArgument, match="the source itself"):
        medroi.pack(tmp_path / source, path / target, force=True)
    with h5py.File(path) as file:
        assert np.array_equal(file["head"][:], VOXELS)


def test_a_dataset_of_the_same_file_is_another_target(tmp_path: Path) -> None:
    path = hdf5_file(tmp_path)
    medroi.pack(path, path / "packed", lossless=True)
    with h5py.File(path) as file:
        assert np.array_equal(file["packed"][:], VOXELS)
        assert np.array_equal(file["head"][:], VOXELS)


@pytest.mark.parametrize("name", ["head.ome.zarr", "stores/head.zarr", "head.h5"])
def test_a_store_never_lies_in_the_folder_that_is_packed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "series"
    make_scans.dicom_series(folder, VOXELS)
    before = sorted(folder.iterdir())
    with pytest.raises(InvalidArgument, match="lies in the source"):
        medroi.pack(folder, folder / name)
    with pytest.raises(InvalidArgument, match="lies in the source"):
        list(pack_series(folder, folder / "stores"))
    with pytest.raises(InvalidArgument, match="lies in the source"):
        clear(folder, folder / "cleared")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("name", ["head.zarr", "head.ome.zarr"])
def test_unpack_writes_nothing_into_a_store(tmp_path: Path, name: str, capsys) -> None:
    source = make_scans.nifti(tmp_path / "head.nii", VOXELS)
    for store in (name, f"other-{name}"):
        medroi.pack(source, tmp_path / store)
    before = sorted(tmp_path.rglob("*"))
    for target in (name, f"{name}/files/", f"other-{name}"):
        assert main(["unpack", str(tmp_path / name), f"{tmp_path}/{target}"]) == 1
        assert "name" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    medroi.pack(source, tmp_path / name, force=True)
