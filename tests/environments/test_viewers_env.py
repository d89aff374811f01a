"""Other people's programs open the default store and the file unpacked of it, in millimetres."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import niizarr
import numpy as np
import ome_zarr_models
import pytest
import SimpleITK
import xarray
import zarr
from napari_ome_zarr import napari_get_reader

import medroi
import medroi.scans

HEAD = Path(__file__).parent.parent.parent / "examples/data/head_T1w.nii.gz"
# Oblique, with voxels of three lengths.
ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.168, 0.576, 0.8])
AFFINE = np.eye(4)
AFFINE[:3, :3] = np.column_stack([ROW, COLUMN, np.cross(ROW, COLUMN)]) * (1.5, 1.25, 3.0)
AFFINE[:3, 3] = -31.5, 12.25, 7.0


def made(folder: Path, kind: str) -> tuple[Path, Path]:
    """A NIfTI file of a kind, and its default store."""
    source, store = folder / f"{kind}.nii.gz", folder / f"{kind}.ome.zarr"
    if kind == "head":
        source = HEAD
    else:
        shape = {"volume": (40, 36, 30), "series": (20, 18, 16, 5), "float": (33, 20, 18)}[kind]
        rng = np.random.default_rng(5)
        voxels = np.zeros(shape, np.float32 if kind == "float" else np.int16)
        inside = (slice(3, -4), slice(4, -3), slice(2, -5))
        voxels[inside] = rng.integers(50, 900, voxels[inside].shape)
        image = nibabel.Nifti1Image(voxels, AFFINE)
        image.header.set_xyzt_units("mm", "sec")
        if kind == "series":
            image.header.set_zooms((*image.header.get_zooms()[:3], 2.5))
        if kind == "volume":
            image.header.set_slope_inter(0.5, -7)
        nibabel.save(image, source)
    medroi.pack(source, store)
    return source, store


KINDS = ["head", "volume", "series", "float"]


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    source, store = made(tmp_path_factory.mktemp(request.param), request.param)
    # What the region dropped is background in the store; nothing else may differ.
    return nibabel.load(source), np.asarray(medroi.open(store).array), store


def test_only_background_differs_from_the_source(pair: Any) -> None:
    image, voxels, store = pair
    stored = image.dataobj.get_unscaled()
    differs = stored != voxels
    assert np.count_nonzero(differs) <= medroi.open(store).region.n_dropped
    assert (voxels[differs] == medroi.open(store).region.background).all()
    kept = stored > 50
    assert kept.any() and np.array_equal(voxels[kept], stored[kept])


def test_napari_shows_the_voxels_with_their_distances(pair: Any) -> None:
    image, voxels, store = pair
    ((data, metadata, kind),) = napari_get_reader(str(store))(str(store))
    assert kind == "image"
    assert np.array_equal(np.asarray(data[0]), voxels.T)
    zooms = [float(zoom) for zoom in image.header.get_zooms()]
    (scale,) = scale_of(metadata)
    assert np.allclose(scale, zooms[::-1], rtol=1e-6, atol=0)


def scale_of(metadata: dict[str, Any]) -> list[np.ndarray]:
    """Distances of voxels, under whichever name the version of the plugin has them."""
    if "scale" in metadata:
        return [np.asarray(metadata["scale"])]
    affine = metadata["affine"]
    matrix = np.asarray(getattr(affine, "affine_matrix", affine))
    assert not (matrix[:-1, :-1] - np.diag(np.diag(matrix[:-1, :-1]))).any()
    return [np.diag(matrix)[:-1]]


def test_ome_zarr_models_finds_nothing_to_object_to(pair: Any) -> None:
    image, _, store = pair
    found = ome_zarr_models.open_ome_zarr(zarr.open_group(store, mode="r"))
    assert type(found).__module__.startswith("ome_zarr_models.v05")
    (multiscale,) = found.attributes.ome.multiscales
    axes = [(axis.name, axis.type, axis.unit) for axis in multiscale.axes]
    space = [(name, "space", "millimeter") for name in "zyx"]
    assert axes == ([("t", "time", "second")] if len(image.shape) == 4 else []) + space
    scale = multiscale.datasets[0].coordinateTransformations[0].scale
    zooms = [float(zoom) for zoom in image.header.get_zooms()]
    assert np.allclose(scale, zooms[::-1], rtol=1e-6, atol=0)


def test_nifti_zarr_gives_the_image(pair: Any) -> None:
    image, voxels, store = pair
    found = niizarr.zarr2nii(str(store))
    assert found.shape == image.shape
    assert np.array_equal(found.header.get_best_affine(), image.affine)
    assert np.array_equal(np.asarray(found.dataobj), voxels)
    assert found.header.get_zooms() == image.header.get_zooms()
    assert found.header.get_xyzt_units() == image.header.get_xyzt_units()


def test_the_header_is_the_one_that_nifti_zarr_writes(tmp_path: Path) -> None:
    source, store = made(tmp_path, "volume")
    niizarr.nii2zarr(str(source), str(tmp_path / "theirs.nii.zarr"))
    theirs = zarr.open_group(tmp_path / "theirs.nii.zarr", mode="r")
    ours = zarr.open_group(store, mode="r")
    read = [
        nibabel.Nifti1Header(np.asarray(group["nifti"]).tobytes()[:348], check=False)
        for group in (ours, theirs)
    ]
    for field in ("dim", "datatype", "pixdim", "srow_x", "srow_y", "srow_z", "sform_code"):
        assert np.array_equal(read[0][field], read[1][field]), field


def test_zarr_and_xarray_read_the_voxels(pair: Any) -> None:
    image, voxels, store = pair
    assert np.array_equal(zarr.open_group(store, mode="r")["s0"][...], voxels.T)
    with xarray.open_dataset(store, engine="medroi") as found:
        expected = medroi.open(store).to_nibabel().get_fdata()
        assert np.array_equal(found.voxels, expected)
        assert np.array_equal(found.voxels.attrs["affine"], image.affine)
        if len(image.shape) == 4:
            assert np.array_equal(found.t, 2.5 * np.arange(image.shape[3]))
    assert np.array_equal(xarray.open_zarr(store, consolidated=False)["s0"], voxels.T)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_the_unpacked_file_is_the_same_for_simpleitk_and_nibabel(
    suffix: str, pair: Any, tmp_path: Path
) -> None:
    image, voxels, store = pair
    file = tmp_path / f"scan{suffix}"
    medroi.unpack(store, file)
    found = nibabel.load(file)
    assert found.header == image.header and np.array_equal(found.affine, image.affine)
    assert np.array_equal(found.dataobj.get_unscaled(), voxels)
    original, unpacked = (SimpleITK.ReadImage(str(path)) for path in (image.get_filename(), file))
    for place in ("GetSpacing", "GetOrigin", "GetDirection", "GetSize", "GetPixelIDTypeAsString"):
        assert getattr(original, place)() == getattr(unpacked, place)()
    values = SimpleITK.GetArrayFromImage(unpacked)
    assert np.array_equal(values, np.asarray(found.dataobj).T)
    spacing = [float(zoom) for zoom in image.header.get_zooms()]
    assert np.allclose(unpacked.GetSpacing(), spacing, rtol=1e-5, atol=0)


def test_zarr_reads_it_where_medroi_was_never_imported(tmp_path: Path) -> None:
    _, store = made(tmp_path, "volume")
    program = (
        "import sys, zarr\n"
        "assert 'medroi' not in sys.modules\n"
        "print(int(zarr.open_group(sys.argv[1], mode='r')['s0'][...].sum(dtype='i8')))"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(store)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(ran.stdout) == np.asarray(medroi.open(store).array).sum(dtype="i8")


@pytest.mark.parametrize("kind", ["head", "series"])
def test_a_cleared_group_is_read_where_there_is_no_medroi(kind: str, tmp_path: Path) -> None:
    source, _ = made(tmp_path, kind)
    store = tmp_path / "cleared.ome.zarr"
    medroi.scans.clear(source, store)
    program = (
        "import sys\n"
        "sys.modules['medroi'] = None\n"
        "import numpy, niizarr, ome_zarr_models, zarr\n"
        "from napari_ome_zarr import napari_get_reader\n"
        "ome_zarr_models.open_ome_zarr(zarr.open_group(sys.argv[1], mode='r'))\n"
        "image = niizarr.zarr2nii(sys.argv[1])\n"
        "((data, _, _),) = napari_get_reader(sys.argv[1])(sys.argv[1])\n"
        "assert numpy.array_equal(numpy.asarray(data[0]).T, numpy.asarray(image.dataobj))\n"
        "numpy.save(sys.argv[2], numpy.asarray(image.dataobj))\n"
        "numpy.save(sys.argv[3], image.header.get_best_affine())\n"
    )
    paths = [str(store), str(tmp_path / "voxels.npy"), str(tmp_path / "affine.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, *paths], check=True)
    medroi.scans.clear(source, tmp_path / "cleared.nii.gz")
    expected = nibabel.load(tmp_path / "cleared.nii.gz")
    assert np.array_equal(np.load(paths[1]), expected.dataobj.get_unscaled())
    assert np.array_equal(np.load(paths[2]), expected.affine)
