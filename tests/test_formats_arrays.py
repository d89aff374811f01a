"""Promises of other programs' arrays as scans: axes by name, millimetres by unit, no guesses."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan, unpack

VOXELS = np.arange(5 * 6 * 7, dtype=np.int16).reshape(7, 6, 5)


def ome(path, array, axes, *, scale=None, shift=None, version="0.5"):
    """Write an OME-Zarr group as other programs do."""
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.create_group(path, zarr_format=zarr_format)
    made = group.create_array("0", shape=array.shape, dtype=array.dtype, chunks=array.shape)
    made[...] = array
    steps = [{"type": "scale", "scale": scale or [1.0] * array.ndim}]
    if shift is not None:
        steps.append({"type": "translation", "translation": shift})
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{**image, "version": version}]
    return path


def space(names, unit):
    return [{"name": name, "type": "space", "unit": unit} for name in names]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(("unit", "mm"), [("millimeter", 1.0), ("micrometer", 1e-3)])
def test_ome_zarr_has_its_axes_and_millimetres(tmp_path, version, unit, mm) -> None:
    source = ome(
        tmp_path / "in.zarr",
        VOXELS,
        space("zyx", unit),
        scale=[3.0, 2.0, 1.5],
        shift=[30.0, -20.0, 10.0],
        version=version,
    )
    scan = read_scan(source)
    np.testing.assert_array_equal(scan.voxels, VOXELS.T)
    expected = np.diag([1.5 * mm, 2.0 * mm, 3.0 * mm, 1.0])
    expected[:3, 3] = 10.0 * mm, -20.0 * mm, 30.0 * mm
    np.testing.assert_allclose(scan.affine, expected)
    assert any("does not say how the patient lies" in note for note in scan.notes)


def test_time_and_channels_lie_behind_the_axes_of_space(tmp_path) -> None:
    array = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)
    axes = [
        {"name": "t", "type": "time"},
        {"name": "c", "type": "channel"},
        *space("zyx", "millimeter"),
    ]
    scan = read_scan(ome(tmp_path / "in.zarr", array, axes, scale=[9, 1, 3, 2, 1.5]))
    assert scan.axis_names == ("x", "y", "z", "t", "c")
    np.testing.assert_array_equal(scan.voxels, array.transpose(4, 3, 2, 0, 1))
    assert scan.spacing_mm == (1.5, 2.0, 3.0)


def test_axes_in_another_order_are_found_by_name(tmp_path) -> None:
    axes = space("xyz", "millimeter")
    scan = read_scan(ome(tmp_path / "in.zarr", VOXELS, axes, scale=[3.0, 2.0, 1.0]))
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert scan.spacing_mm == (3.0, 2.0, 1.0)


def test_an_unknown_unit_is_said(tmp_path) -> None:
    scan = read_scan(ome(tmp_path / "in.zarr", VOXELS, space("zyx", "parsec")))
    assert any("unit parsec" in note for note in scan.notes)


def test_a_bare_array_keeps_its_order_and_says_what_it_does_not_say(tmp_path) -> None:
    zarr.create_array(tmp_path / "bare.zarr", data=VOXELS)
    scan = read_scan(tmp_path / "bare.zarr")
    np.testing.assert_array_equal(scan.voxels, VOXELS)
    assert any("no names" in note for note in scan.notes)
    assert any("1 mm is stored" in note for note in scan.notes)
    named = zarr.create_array(
        tmp_path / "named.zarr",
        shape=VOXELS.shape,
        dtype=VOXELS.dtype,
        dimension_names=("z", "y", "x"),
    )
    named[...] = VOXELS
    scan = read_scan(tmp_path / "named.zarr")
    np.testing.assert_array_equal(scan.voxels, VOXELS.T)
    assert not any("names" in note for note in scan.notes)


def test_a_dataset_of_hdf5_is_found_by_its_name(tmp_path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["a/voxels"] = VOXELS
        for axis, name in enumerate("zyx"):
            file["a/voxels"].dims[axis].label = name
        file["other"] = np.arange(3)
    scan = read_scan(tmp_path / "in.h5" / "a" / "voxels")
    np.testing.assert_array_equal(scan.voxels, VOXELS.T)
    with pytest.raises(InvalidArgument, match=r"name one of its datasets.*a/voxels, other"):
        read_scan(tmp_path / "in.h5")


def test_a_foreign_store_packs_and_unpacks_to_nifti(tmp_path) -> None:
    source = ome(tmp_path / "in.zarr", VOXELS, space("zyx", "millimeter"), scale=[3.0, 2.0, 1.5])
    pack(source, tmp_path / "packed.ome.zarr", lossless=True)
    unpack(tmp_path / "packed.ome.zarr", tmp_path / "out.nii.gz")
    scan = read_scan(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(scan.voxels, VOXELS.T)
    assert scan.spacing_mm == (1.5, 2.0, 3.0)
    with pytest.raises(InvalidArgument, match="packed scan already; unpack it first"):
        pack(tmp_path / "packed.ome.zarr", tmp_path / "twice.ome.zarr")


@pytest.mark.parametrize("dtype", [bool, np.complex64])
def test_truth_values_and_complex_numbers_of_arrays_are_stored(tmp_path, dtype) -> None:
    array = (VOXELS % 3).astype(dtype)
    zarr.create_array(tmp_path / "in.zarr", data=array)
    pack(tmp_path / "in.zarr", tmp_path / "packed.zarr", lossless=True)
    unpack(tmp_path / "packed.zarr", tmp_path / "out.nii")
    scan = read_scan(tmp_path / "out.nii")
    expected = array.astype(np.uint8) if dtype is bool else np.stack([array.real, array.imag], -1)
    np.testing.assert_array_equal(scan.voxels, expected)


def test_damaged_metadata_of_ome_are_refused_by_name(tmp_path) -> None:
    source = ome(tmp_path / "in.zarr", VOXELS, space("yx", "millimeter"), scale=[1.0, 1.0])
    with pytest.raises(InvalidArgument, match=r"in\.zarr"):
        read_scan(source)


def test_a_time_and_a_channel_that_are_alone_are_left_out(tmp_path) -> None:
    """As microscopes' programs write them; a group has room for what is left."""
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(1, 1, 4, 5, 6)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
    path = ome(tmp_path / "a.zarr", voxels, [*axes, *space("zyx", "millimeter")])
    scan = read_scan(path)
    assert scan.axis_names == ("x", "y", "z")
    assert np.array_equal(scan.voxels, voxels[0, 0].T)
    pack(path, tmp_path / "b.ome.zarr", lossless=True)
    many = ome(tmp_path / "c.zarr", np.tile(voxels, (2, 3, 1, 1, 1)), [*axes, *space("zyx", "mm")])
    assert read_scan(many).axis_names == ("x", "y", "z", "t", "c")


@pytest.mark.parametrize("name", ["raw", "deep/er"])
def test_a_dataset_is_reported_against_its_own_bytes(tmp_path, name) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
        file["another"] = np.zeros(10**5)
    report = pack(tmp_path / "a.h5" / name, tmp_path / "b.zarr")
    assert report.source_nbytes == 240
    assert "WARNING: the store is larger" in str(report)


def test_background_that_is_not_stored_is_not_called_dropped(tmp_path) -> None:
    voxels = np.zeros((20, 21, 22), np.int16)
    voxels[5:9, 6:9, 7:9] = 9
    source = ome(tmp_path / "in.zarr", voxels, space("zyx", "mm"))
    for number, chunks in enumerate(["volume", (8,)]):
        store = tmp_path / f"{number}.zarr"
        pack(source, store, chunks=chunks)
        (file,) = unpack(store, tmp_path / "out.nii", force=True).files
        assert (file.outcome, file.n_dropped_voxels) == ("same voxels", 0)
