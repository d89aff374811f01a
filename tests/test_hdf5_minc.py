"""Promises of packed scans in HDF5 to readers of MINC 2 and of NIfTI's header."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import h5py
import make_scans
import nibabel
import numpy as np
import pytest
from nibabel.testing import data_path
from test_formats_minc import COMPRESSED, WHOLE

import medroi
from medroi.cli import main
from medroi.errors import CorruptStream, InvalidArgument
from medroi.hdf5 import MedROIFilter, plugin_path
from medroi.scans import check, pack, unpack
from medroi.scans.scan import Scan
from medroi.scans.stores import hdf5_minc

FOLDER = Path(data_path)
OBLIQUE = np.array(
    [[-1.2, 0.3, 0.1, 40.0], [0.2, 1.4, -0.2, -55.5], [0.3, 0.1, -2.0, 12.25], [0, 0, 0, 1.0]]
)


def load(path: Path):
    """Read a file by its name with nibabel: values and affine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nibabel.load(path)
        return image.get_fdata(), image.affine


@pytest.mark.parametrize("name", [*WHOLE, *COMPRESSED])
def test_minc_packed_as_minc_opens_in_nibabel_with_the_same_values(tmp_path, name) -> None:
    source = Path(shutil.copy(FOLDER / name, tmp_path / "source.mnc"))
    pack(source, tmp_path / "packed.mnc", lossless=True)
    values, affine = load(source)
    found, found_affine = load(tmp_path / "packed.mnc")
    np.testing.assert_allclose(found, values, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found_affine, affine, atol=1e-9)
    check(tmp_path / "packed.mnc", against=source)
    unpack(tmp_path / "packed.mnc", tmp_path / "back.mnc")
    assert (tmp_path / "back.mnc").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("chunks", [None, (16, 16, 16)])
def test_a_region_in_minc_is_the_one_of_any_other_store(tmp_path, chunks) -> None:
    voxels = make_scans.head()
    source = make_scans.nifti(tmp_path / "in.nii.gz", voxels)
    pack(source, tmp_path / "a.mnc", chunks=chunks)
    pack(source, tmp_path / "a.zarr", chunks=chunks)
    with medroi.open(tmp_path / "a.mnc") as minc, medroi.open(tmp_path / "a.zarr") as plain:
        assert np.array_equal(minc.array[...], plain.array[...])
        assert minc.array[3:9, 4, 5:20].tolist() == plain.array[3:9, 4, 5:20].tolist()
        assert np.array_equal(minc.affine, plain.affine)
        assert minc.region.to_json() == plain.region.to_json()
    values, _ = load(tmp_path / "a.mnc")
    with medroi.open(tmp_path / "a.zarr") as plain:
        assert np.array_equal(values.T, plain.scaled[...])


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "f4", "f8"])
def test_nifti_becomes_minc_with_its_values_and_millimetres(tmp_path, dtype) -> None:
    voxels = make_scans.head().astype(dtype)
    image = nibabel.Nifti1Image(voxels, OBLIQUE)
    if voxels.dtype.kind != "f":
        image.header.set_slope_inter(0.25, -3.0)
    nibabel.save(image, tmp_path / "in.nii")
    pack(tmp_path / "in.nii", tmp_path / "a.mnc", lossless=True)
    values, affine = load(tmp_path / "in.nii")
    found, of_minc = load(tmp_path / "a.mnc")
    # The axes of MINC are the outermost first, and named for the nearest one of the patient.
    np.testing.assert_allclose(found.T, values, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(of_minc[:, [2, 1, 0, 3]], affine, rtol=1e-6, atol=1e-5)
    with h5py.File(tmp_path / "a.mnc") as file:
        assert file["minc-2.0/image/0/image"].attrs["dimorder"] == b"zspace,yspace,xspace"
        assert file["minc-2.0/dimensions/xspace"].attrs["step"] < 0
    unpack(tmp_path / "a.mnc", tmp_path / "back.nii")
    assert (tmp_path / "back.nii").read_bytes() == (tmp_path / "in.nii").read_bytes()


def test_the_range_of_floats_is_that_of_the_finite_ones_and_is_found_slice_by_slice(
    tmp_path,
) -> None:
    voxels = np.asfortranarray(np.random.default_rng(3).normal(size=(90, 80, 70)), "f4")
    voxels[3, 4, 5], voxels[6, 7, 8], voxels[..., 9] = np.nan, -np.inf, np.inf
    finite = voxels[np.isfinite(voxels)]
    for values, span in ((voxels, (finite.min(), finite.max())), (voxels[..., 9:10], (0, 0))):
        scan = Scan(voxels=values, kind="array", affine=np.eye(4))
        with h5py.File(tmp_path / f"{values.shape[2]}.mnc", "w") as file:
            image = file.create_dataset(hdf5_minc.IMAGE, data=values.T)
            tracemalloc.start()
            hdf5_minc.write_around(file, scan)
            peak_nbytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak_nbytes < voxels.nbytes / 8
            assert image.attrs["valid_range"].tolist() == list(span)
            assert [image.parent[name][()] for name in ("image-min", "image-max")] == list(span)


def test_a_series_becomes_minc_with_time_outermost(tmp_path) -> None:
    voxels = np.stack([make_scans.head() + step for step in range(3)], axis=-1).astype("<i2")
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header.set_zooms((2.0, 2.0, 3.0, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "in.nii")
    pack(tmp_path / "in.nii", tmp_path / "a.mnc", lossless=True)
    found, _ = load(tmp_path / "a.mnc")
    assert np.array_equal(found.T, voxels)
    with h5py.File(tmp_path / "a.mnc") as file:
        assert file["minc-2.0/dimensions/time"].attrs["step"] == 1.5
        assert file["minc-2.0/image/0/image"].chunks == (1, *voxels.shape[2::-1])


def test_a_minc_file_is_minc_in_any_hdf5_file_unless_its_dataset_is_named(tmp_path) -> None:
    source = Path(shutil.copy(FOLDER / "small.mnc", tmp_path))
    pack(source, tmp_path / "a.h5")
    pack(source, tmp_path / "b.h5" / "head")
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["minc-2.0"]
    with h5py.File(tmp_path / "b.h5") as file:
        assert list(file) == ["head"]
    for place in (tmp_path / "a.h5", tmp_path / "b.h5"):
        with medroi.open(place) as packed:
            assert packed.shape == (29, 28, 18)


def test_a_packed_minc_file_is_replaced_by_force_and_no_other_is(tmp_path) -> None:
    source = Path(shutil.copy(FOLDER / "small.mnc", tmp_path))
    before = source.read_bytes()
    other = Path(shutil.copy(source, tmp_path / "other.mnc"))
    for force in (False, True):
        with pytest.raises(InvalidArgument, match="is the source itself"):
            pack(source, source, force=force)
    with pytest.raises(InvalidArgument, match="--force"):
        pack(source, other)
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        pack(source, other, force=True)
    assert source.read_bytes() == before == other.read_bytes()
    pack(source, tmp_path / "a.mnc")
    pack(source, tmp_path / "a.mnc", lossless=True, force=True)
    assert check(tmp_path / "a.mnc").lossless
    with pytest.raises(InvalidArgument, match="packed scan already"):
        pack(tmp_path / "a.mnc", tmp_path / "b.mnc")
    with pytest.raises(InvalidArgument, match="one scan"):
        pack(source, tmp_path / "c.mnc" / "name")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mnc", "other.mnc", "small.mnc"]


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (nibabel.Nifti1Image(np.ones((4, 5, 6), "c8"), np.eye(4)), "the axes x, y, z, c"),
        (nibabel.Nifti1Image(np.ones((4, 5, 6), "i8"), np.eye(4), dtype="i8"), "type int64"),
        (nibabel.Nifti1Image(np.ones((4, 5), "i2"), np.eye(4)), "the axes x, y;"),
    ],
)
def test_what_minc_has_no_place_for_is_refused_with_what_to_do(tmp_path, image, why) -> None:
    nibabel.save(image, tmp_path / "in.nii")
    with pytest.raises(InvalidArgument, match=f"{why}.*NAME.ome.zarr"):
        pack(tmp_path / "in.nii", tmp_path / "a.mnc")
    assert [path.name for path in tmp_path.iterdir()] == ["in.nii"]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("minc-2.0/dimensions/xspace", "start", 3.0),
        ("minc-2.0/dimensions/zspace", "direction_cosines", np.array([0.0, 1.0, 0.0])),
        ("minc-2.0/image/0/image", "valid_range", np.array([0.0, 9.0])),
    ],
)
def test_check_finds_what_was_changed_around_the_voxels(tmp_path, place, name, value) -> None:
    pack(FOLDER / "small.mnc", tmp_path / "a.mnc")
    check(tmp_path / "a.mnc")
    with h5py.File(tmp_path / "a.mnc", "r+") as file:
        file[place].attrs[name] = value
    with pytest.raises(CorruptStream, match=r"a\.mnc"):
        check(tmp_path / "a.mnc")


def test_check_reads_no_more_numbers_around_the_voxels_than_there_are_slices(tmp_path) -> None:
    pack(FOLDER / "small.mnc", tmp_path / "a.mnc")
    with h5py.File(tmp_path / "a.mnc", "r+") as file:
        group = file["minc-2.0/image/0"]
        del group["image-min"]
        group.create_dataset("image-min", shape=(1 << 14, 1 << 14), chunks=(64, 64), dtype="f8")
    tracemalloc.start()
    with pytest.raises(CorruptStream, match=r"a\.mnc: .*image-min has the shape \(16384, 16384\)"):
        check(tmp_path / "a.mnc")
    peak_nbytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_nbytes < 1 << 26


def test_the_command_line_calls_a_minc_file_by_its_name(tmp_path, capsys) -> None:
    source = Path(shutil.copy(FOLDER / "small.mnc", tmp_path))
    target = str(tmp_path / "a.mnc")
    assert main(["pack", str(source), target]) in make_scans.PACKED
    for command in (["check", target], ["info", target], ["show", target]):
        capsys.readouterr()
        assert main(command) == 0
        assert "a.mnc" in capsys.readouterr().out.splitlines()[0]


def test_a_dataset_has_the_nifti_header_and_names_of_axes(tmp_path) -> None:
    image = nibabel.Nifti1Image(make_scans.head().astype("<i2"), OBLIQUE)
    image.header.set_slope_inter(0.5, 10)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"of the scanner"))
    nibabel.save(image, tmp_path / "in.nii.gz")
    pack(tmp_path / "in.nii.gz", tmp_path / "a.h5" / "head", lossless=True)
    with h5py.File(tmp_path / "a.h5") as file:
        made = file["head"]
        assert [axis.label for axis in made.dims] == ["x", "y", "z"]
        header = nibabel.Nifti1Header(made.attrs["nifti"].tobytes()[:348])
        stored = made[...]
    values, affine = load(tmp_path / "in.nii.gz")
    slope, inter = header.get_slope_inter()
    assert np.array_equal(stored * slope + inter, values)
    assert np.array_equal(header.get_best_affine(), affine)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        changed = file["head"].attrs["nifti"]
        changed[80] ^= 1
        file["head"].attrs["nifti"] = changed
    with pytest.raises(CorruptStream, match="beside its voxels"):
        check(tmp_path / "a.h5" / "head")


def test_nibabel_reads_a_packed_file_by_the_plugin_alone(tmp_path) -> None:
    source = Path(shutil.copy(FOLDER / "small.mnc", tmp_path))
    pack(source, tmp_path / "a.mnc")
    program = (
        "import sys, nibabel\n"
        f"values = nibabel.load({str(tmp_path / 'a.mnc')!r}).get_fdata()\n"
        "assert 'medroi' not in sys.modules\n"
        "print(repr(float(values.sum())))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HDF5_PLUGIN_PATH": str(plugin_path())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(found.stdout) == load(tmp_path / "a.mnc")[0].sum()


def test_minc_that_another_program_filtered_is_packed_and_not_read_without_its_place(
    tmp_path,
) -> None:
    source = Path(shutil.copy(FOLDER / "small.mnc", tmp_path / "a.mnc"))
    with h5py.File(source, "r+") as file:
        group = file["minc-2.0/image/0"]
        voxels, attributes = group["image"][...], dict(group["image"].attrs)
        del group["image"]
        made = group.create_dataset(
            "image", data=voxels, chunks=(9, 14, 29), **MedROIFilter.lossless()
        )
        made.attrs.update(attributes)
    pack(source, tmp_path / "b.mnc", lossless=True)
    for found, expected in zip(load(tmp_path / "b.mnc"), load(FOLDER / "small.mnc"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)
    for read in (medroi.open, lambda path: unpack(path, tmp_path / "c.nii")):
        with pytest.raises(InvalidArgument, match=r"a\.mnc: a MINC file.*medroi pack"):
            read(source)
    assert not (tmp_path / "c.nii").exists()
