"""``engine="medroi"`` of xarray: millimetres, values in the unit of the file, read when needed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import make_scans
import nibabel
import numpy as np
import pytest
from range_server import serving

import medroi
from medroi.errors import InvalidArgument
from medroi.readers.xarray import MedROIBackend

xarray = pytest.importorskip("xarray")
ROOT = Path(__file__).parent.parent
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 1.5, 0, -20], [0, 0, 3.0, 30], [0, 0, 0, 1]])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    source = make_scans.nifti(
        tmp_path / "head.nii.gz", make_scans.head(), affine=AFFINE, slope=0.5, intercept=-3.0
    )
    medroi.pack(source, tmp_path / "head.ome.zarr", lossless=True, chunks=(16,))
    return tmp_path / "head.ome.zarr"


def test_a_data_set_has_the_values_of_the_file_and_its_millimetres(store: Path) -> None:
    expected = nibabel.load(store.with_name("head.nii.gz"))
    with xarray.open_dataset(store, engine="medroi") as found:
        assert list(found) == ["voxels"]
        assert np.array_equal(found.voxels, expected.get_fdata())
        for axis, name in enumerate("xyz"):
            places = AFFINE[axis, axis] * np.arange(expected.shape[axis]) + AFFINE[axis, 3]
            assert np.array_equal(found[name], places)
        assert np.array_equal(
            found.voxels.sel(y=-17, z=slice(36, 42)), expected.get_fdata()[:, 2, 2:5]
        )
    found = xarray.open_dataset(store, engine="medroi", drop_variables="voxels")
    assert list(found) == []


def test_a_closed_data_set_is_not_read(store: Path) -> None:
    found = xarray.open_dataset(store, engine="medroi")
    found.close()
    with pytest.raises(InvalidArgument, match="closed"):
        found.voxels.load()


def test_dask_reads_it_chunk_by_chunk(store: Path) -> None:
    found = xarray.open_dataset(store, engine="medroi", chunks={})
    assert found.voxels.chunks == ((16, 14), (16, 16, 2), (16, 10))
    expected = nibabel.load(store.with_name("head.nii.gz")).get_fdata()
    assert float(found.voxels.sum()) == expected.sum()


def test_a_url_is_opened(store: Path) -> None:
    with (
        serving(store.parent) as server,
        xarray.open_dataset(f"{server.url}/head.ome.zarr", engine="medroi") as found,
    ):
        assert (
            found.voxels[3, 4, 5]
            == nibabel.load(store.with_name("head.nii.gz")).get_fdata()[3, 4, 5]
        )


def test_only_stores_of_ours_are_taken_for_ours(store: Path, tmp_path: Path) -> None:
    import zarr

    zarr.create_array(tmp_path / "other.zarr", shape=(3, 3), dtype="i2")
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr/zarr.json").write_text('{"attributes": 3')
    shutil.copytree(store, tmp_path / "head.folder")
    backend = MedROIBackend()
    for name, ours in {
        "head.ome.zarr": True,
        "other.zarr": False,
        "broken.zarr": False,
        "head.folder": False,
        "none.zarr": False,
    }.items():
        assert backend.guess_can_open(str(tmp_path / name)) is ours
        assert backend.guess_can_open(tmp_path / name) is ours
    assert not backend.guess_can_open(b"head.ome.zarr")


def test_the_page_does_what_it_says(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    page = (ROOT / "docs/readers.md").read_text()
    section = re.search(r"^## xarray\n(.*?)(?=^## )", page, re.M | re.S)
    assert section is not None
    (program,) = re.findall(r"```python\n(.*?)```", section[1], re.S)
    found: dict[str, object] = {}
    exec(compile(program, "readers.md", "exec"), found)
    assert found["middle"].shape == (30, 34)


def test_a_data_set_can_have_the_air_that_was_kept_aside(tmp_path: Path) -> None:
    head = make_scans.head()
    source = make_scans.nifti(tmp_path / "in.nii.gz", head)
    medroi.pack(source, tmp_path / "both.ome.zarr", air="keep", roi="box", threshold=50)
    with xarray.open_dataset(tmp_path / "both.ome.zarr", engine="medroi", air="merge") as found:
        assert np.array_equal(found.voxels, head)
