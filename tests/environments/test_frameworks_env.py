"""MONAI and TorchIO read a packed scan as they read its NIfTI file; so says docs/readers.md."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import monai.transforms
import nibabel
import numpy as np
import pytest
import torch
import torchio

import medroi
import medroi.readers.torchio
from medroi.errors import InvalidArgument
from medroi.readers.monai import MedROIReader

PAGE = Path(__file__).parent.parent.parent / "docs" / "readers.md"


def made(folder: Path, shape: tuple[int, ...], name: str = "scan") -> tuple[Path, Path]:
    """A NIfTI file with slope and intercept, and its store."""
    rng = np.random.default_rng(5)
    voxels = np.zeros(shape, np.int16)
    voxels[3:-4, 4:-3, 2:-5] = rng.integers(50, 900, voxels[3:-4, 4:-3, 2:-5].shape)
    affine = np.array([[0, -1.5, 0, 10], [1.2, 0, 0, -3], [0, 0, 2.5, 7], [0, 0, 0, 1.0]])
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, folder / f"{name}.nii.gz")
    medroi.pack(folder / f"{name}.nii.gz", folder / f"{name}.ome.zarr", lossless=True, chunks=(16,))
    return folder / f"{name}.nii.gz", folder / f"{name}.ome.zarr"


@pytest.mark.parametrize("shape", [(24, 20, 18), (24, 20, 18, 3)])
def test_monai_loads_what_it_loads_of_the_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    file, store = made(tmp_path, shape)
    for options in ({}, {"ensure_channel_first": True}, {"dtype": np.float64}):
        expected = monai.transforms.LoadImage(**options)(file)
        found = monai.transforms.LoadImage(reader=MedROIReader(), **options)(store)
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype and torch.equal(found, expected)
        assert torch.equal(found.affine, expected.affine)
        for name in ("space", "original_channel_dim", "spatial_shape"):
            # NaN stands for no channel.
            assert str(found.meta[name]) == str(expected.meta[name])


def test_monai_chooses_the_reader_by_the_name(tmp_path: Path) -> None:
    file, store = made(tmp_path, (24, 20, 18))
    load = monai.transforms.LoadImage()
    load.register(MedROIReader())
    assert torch.equal(load(store), load(file))
    assert not MedROIReader().verify_suffix(file)


def test_monai_stacks_several_scans_of_one_grid(tmp_path: Path) -> None:
    (a, b), (c, d) = (made(tmp_path, (24, 20, 18), name) for name in ("one", "two"))
    expected = monai.transforms.LoadImage()([a, c])
    found = monai.transforms.LoadImage(reader=MedROIReader())([b, d])
    assert torch.equal(found, expected)
    _, other = made(tmp_path, (24, 20, 17), "other")
    reader = MedROIReader()
    with pytest.raises(InvalidArgument, match=r"other\.ome\.zarr: shape"):
        reader.get_data(reader.read([b, other]))


@pytest.mark.parametrize("shape", [(24, 20, 18), (24, 20, 18, 3)])
def test_torchio_reads_what_it_reads_of_the_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    file, store = made(tmp_path, shape)
    expected = torchio.ScalarImage(file)
    found = torchio.ScalarImage(store, reader=medroi.readers.torchio.read)
    assert torch.equal(found.data, expected.data) and found.data.dtype == expected.data.dtype
    assert np.array_equal(found.affine, expected.affine)
    assert found.spacing == expected.spacing and found.orientation == expected.orientation


@pytest.mark.parametrize("library", ["MONAI", "TorchIO", "PyTorch"])
def test_the_page_does_what_it_says(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("head", "labels"):
        made(tmp_path, (80, 72, 70), name)
    monkeypatch.chdir(tmp_path)
    section = re.search(rf"^## {library}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    assert section is not None
    (program,) = re.findall(r"```python\n(.*?)```", section[1], re.S)
    exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})


class Slabs(torch.utils.data.Dataset):
    """Slabs of a packed scan that was opened, and read, before workers are started."""

    def __init__(self, store: Path) -> None:
        self.scan = medroi.open(store)

    def __len__(self) -> int:
        return self.scan.shape[2]

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.scan.scaled[..., index], np.float32))


def test_workers_in_other_processes_read_a_scan_that_is_open(tmp_path: Path) -> None:
    _, store = made(tmp_path, (24, 20, 18))
    slabs = Slabs(store)
    expected = torch.stack([slabs[index] for index in range(len(slabs))])
    loader = torch.utils.data.DataLoader(
        slabs, batch_size=5, num_workers=2, multiprocessing_context="fork"
    )
    assert torch.equal(torch.cat(list(loader)), expected)


def test_air_that_was_kept_aside_is_merged_where_it_is_asked_for(tmp_path: Path) -> None:
    file, _ = made(tmp_path, (24, 20, 18))
    image, half = nibabel.load(file), np.zeros((24, 20, 18), np.uint8)
    half[:12] = 1
    nibabel.save(nibabel.Nifti1Image(half, image.affine), tmp_path / "half.nii.gz")
    store = tmp_path / "both.ome.zarr"
    medroi.pack(file, store, air="keep", mask=tmp_path / "half.nii.gz")
    expected = monai.transforms.LoadImage()(file)
    assert torch.equal(
        monai.transforms.LoadImage(reader=MedROIReader(air="merge"))(store), expected
    )
    assert not torch.equal(monai.transforms.LoadImage(reader=MedROIReader())(store), expected)
    read = functools.partial(medroi.readers.torchio.read, air="merge")
    found = torchio.ScalarImage(store, reader=read)
    assert torch.equal(found.data, torchio.ScalarImage(file).data)
