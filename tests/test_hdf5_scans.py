"""Promises of pack, unpack and info for HDF5 files."""

from __future__ import annotations

import gzip
import json

import h5py
import make_scans
import numpy as np
import pytest
from make_hdf5 import FILTER_ID, PLUGINS

from medroi import errors
from medroi.cli import main
from medroi.scans import pack, unpack


@pytest.fixture
def scan(tmp_path):
    return make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())


def content(path):
    return gzip.decompress(path.read_bytes())


def test_a_scan_comes_back_byte_for_byte(tmp_path, scan):
    report = pack(scan, tmp_path / "a.h5", lossless=True)
    assert report.zarr_format is None
    assert 0 < report.stored_nbytes == (tmp_path / "a.h5").stat().st_size
    unpack(tmp_path / "a.h5", tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(scan)


def test_the_dataset_has_the_axes_of_the_file_and_its_affine(tmp_path, scan):
    import nibabel

    pack(scan, tmp_path / "a.h5", lossless=True)
    image = nibabel.load(scan)
    with h5py.File(tmp_path / "a.h5") as file:
        made = file["scan"]
        assert list(made._filters) == [str(FILTER_ID)]
        assert (made[...] == np.asanyarray(image.dataobj.get_unscaled())).all()
        assert np.allclose(made.attrs["affine"], image.affine)
        assert json.loads(made.attrs["medroi"])["kind"] == "nifti"


def test_several_scans_go_into_one_file(tmp_path, scan):
    for name in ("one", "two/deeper"):
        packed = pack(scan, tmp_path / "a.h5" / name, lossless=True, chunks=(16, 16, 16))
        assert packed.target == f"a.h5/{name}"
    for name in ("one", "two/deeper"):
        report = unpack(tmp_path / "a.h5" / name, tmp_path / "out.nii.gz", force=True)
        assert report.source == f"a.h5/{name}"
        assert content(tmp_path / "out.nii.gz") == content(scan)
    with pytest.raises(errors.InvalidArgument, match="one, two/deeper"):
        unpack(tmp_path / "a.h5", tmp_path / "x.nii.gz")
    with pytest.raises(errors.InvalidArgument, match="has no dataset three"):
        unpack(tmp_path / "a.h5" / "three", tmp_path / "x.nii.gz")


def test_a_dataset_is_replaced_only_by_force_and_the_others_stay(tmp_path, scan):
    pack(scan, tmp_path / "a.h5" / "one", lossless=True)
    pack(scan, tmp_path / "a.h5" / "two", lossless=True)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(errors.InvalidArgument, match="--force"):
        pack(scan, tmp_path / "a.h5" / "one")
    assert (tmp_path / "a.h5").read_bytes() == before
    pack(scan, tmp_path / "a.h5" / "one", inner="deflate", lossless=True, force=True)
    for name in ("one", "two"):
        unpack(tmp_path / "a.h5" / name, tmp_path / "out.nii.gz", force=True)
        assert content(tmp_path / "out.nii.gz") == content(scan)


def test_a_file_that_is_no_hdf5_is_kept(tmp_path, scan):
    (tmp_path / "a.h5").write_bytes(b"notes")
    with pytest.raises(errors.InvalidArgument, match="no HDF5 file"):
        pack(scan, tmp_path / "a.h5", force=True)
    assert (tmp_path / "a.h5").read_bytes() == b"notes"


def test_the_command_line_packs_inspects_and_unpacks(tmp_path, scan, capsys):
    target = tmp_path / "a.h5"
    assert (
        main(["pack", str(scan), str(target), "--lossless", "--chunks", "16,16,16"])
        in make_scans.PACKED
    )
    capsys.readouterr()
    assert main(["info", str(target), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["chunks"] == [16, 16, 16]
    assert facts["n_chunks"] == len(facts["streams"])
    assert facts["inner"] == "predict3d"
    assert 0 < facts["streams_nbytes"] <= facts["stored_nbytes"]
    assert main(["unpack", str(target), str(tmp_path / "out.nii.gz")]) == 0
    assert content(tmp_path / "out.nii.gz") == content(scan)


def test_plugin_path_prints_the_folder(capsys):
    assert main(["plugin-path"]) == 0
    assert capsys.readouterr().out == f"{PLUGINS}\n"


def test_a_dataset_of_others_unpacks_to_nifti(tmp_path):
    import nibabel

    from medroi.hdf5 import MedROIFilter

    voxels = np.arange(6 * 7 * 8, dtype="<i2").reshape(6, 7, 8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=voxels, chunks=(4, 4, 4), **MedROIFilter.lossless())
        file.create_dataset("plain", data=voxels)
    unpack(tmp_path / "a.h5", tmp_path / "out.nii.gz")
    assert (np.asanyarray(nibabel.load(tmp_path / "out.nii.gz").dataobj) == voxels).all()
    with pytest.raises(errors.InvalidArgument, match="without MedROI"):
        unpack(tmp_path / "a.h5" / "plain", tmp_path / "y.nii.gz")


def test_a_missing_chunk_of_a_packed_scan_is_refused(tmp_path, scan):
    pack(scan, tmp_path / "a.h5", chunks=(16, 16, 16))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        shape = file["scan"].shape
        packed = dict(file["scan"].attrs)
        options = file["scan"]._filters[str(FILTER_ID)]
        del file["scan"]
        made = file.create_dataset(
            "scan", shape=shape, dtype="<i2", chunks=(16, 16, 16), fillvalue=0,
            compression=FILTER_ID, compression_opts=options,
        )  # fmt: skip
        made.attrs.update(packed)
    with pytest.raises(errors.CorruptStream, match="chunks are missing"):
        unpack(tmp_path / "a.h5", tmp_path / "out.nii.gz")


def test_a_four_dimensional_scan_has_one_chunk_per_volume(tmp_path):
    voxels = np.stack([make_scans.head() + step for step in range(3)], axis=-1).astype("<i2")
    source = make_scans.nifti(tmp_path / "t.nii.gz", voxels)
    pack(source, tmp_path / "a.h5", lossless=True)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["scan"].chunks == (*voxels.shape[:3], 1)
    unpack(tmp_path / "a.h5", tmp_path / "out.nii.gz")
    assert content(tmp_path / "out.nii.gz") == content(source)
