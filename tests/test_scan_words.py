"""Promises of what `pack` says and keeps where a threshold would be wrong, and of its words."""

from __future__ import annotations

import gzip
import os
import struct

import make_scans
import numpy as np
import pytest
import zarr

import medroi
from medroi.cli import main
from medroi.errors import InvalidArgument
from medroi.scans import fitting, pack, read_scan, show, unpack
from medroi.scans.report import percent


def intent(code, byte_order="<"):
    return lambda data: struct.pack_into(f"{byte_order}h", data, 68, code)


def noisy(shape=(40, 44, 36), seed=2):
    """A head in noisy air, on which a threshold saves something."""
    rng = np.random.default_rng(seed)
    air = np.hypot(*rng.normal(0, 4, (2, *shape)))
    return np.asfortranarray(np.rint(air + make_scans.head(shape)).astype(np.int16))


def labels(dtype=np.uint8):
    """One voxel per disc, as tools for the spinal cord write them."""
    voxels = np.zeros((40, 40, 200), dtype, order="F")
    for k in range(18):
        voxels[20, 22, 190 - 10 * k] = k + 2
    return voxels


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"roi": "mask"}, {"chunks": (16,)}])
def test_every_label_comes_back_with_the_default_settings(tmp_path, dtype, options):
    source = make_scans.nifti(tmp_path / "in.nii", labels(dtype))
    report = pack(source, tmp_path / "s.zarr", **options)
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[:], labels(dtype))
    assert (report.threshold, report.n_missed) == (None, 0)
    assert any("every voxel that is not background is kept" in note for note in report.notes)


def test_both_halves_of_a_signed_map_come_back(tmp_path):
    rng = np.random.default_rng(3)
    voxels = np.zeros((30, 32, 28), np.float32)
    voxels[8:20, 9:22, 7:19] = rng.normal(0, 2, (12, 13, 12))
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    pack(source, tmp_path / "s.zarr")
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[:], voxels)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1002, "label"),
        (3, "t test"),
        (22, "p value"),
        (1007, "vector"),
        (999, "<unknown code 999>"),
    ],
)
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_values_that_are_no_intensities_have_no_threshold(tmp_path, code, name, byte_order):
    source = make_scans.nifti(
        tmp_path / "in.nii", noisy(), byte_order=byte_order, edit=intent(code, byte_order)
    )
    report = pack(source, tmp_path / "s.zarr")
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[:], noisy())
    assert report.threshold is None
    assert any(f"no intensities ({name})" in note for note in report.notes)
    # Who gives a threshold gets it.
    report = pack(source, tmp_path / "s.zarr", threshold="mean", force=True)
    assert report.threshold_rule == "mean"
    assert show(source)[0].settings["threshold"] is None


@pytest.mark.parametrize("code", [0, 2001])
def test_intensities_in_noisy_air_have_a_threshold(tmp_path, code):
    source = make_scans.nifti(tmp_path / "in.nii", noisy(), edit=intent(code))
    report = pack(source, tmp_path / "s.zarr")
    assert report.threshold is not None
    assert report.notes == ()


def test_a_scan_without_recognisable_air_is_kept_whole_and_says_so(tmp_path):
    voxels = np.random.default_rng(5).integers(-900, 900, (20, 20, 20)).astype(np.int16)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    report = pack(source, tmp_path / "s.zarr")
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[:], voxels)
    assert any(note.endswith("not background is kept") for note in report.notes)
    assert report.notes[-1] in str(report)


@pytest.mark.parametrize(
    "options", [{}, {"threshold": "mean"}, {"roi": "mask"}, {"lossless": True}]
)
def test_a_scan_with_one_axis_is_packed(tmp_path, options):
    voxels = np.r_[np.zeros(9), np.arange(15), np.zeros(9)].astype(np.int16)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    pack(source, tmp_path / "s.zarr", **options)
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()
    (preview,) = show(source, **options)
    assert preview.n_missed == 0


@pytest.mark.parametrize("target", ["s.zarr", "s.h5"])
@pytest.mark.parametrize("chunks", ["volume", (16,)])
@pytest.mark.parametrize(
    ("dark", "threshold", "extreme"),
    [(False, 1e9, "brightest is 199"), (True, -1e9, "darkest is 301")],
)
def test_a_threshold_that_no_voxel_reaches_is_an_error(
    tmp_path, target, chunks, dark, threshold, extreme
):
    voxels = 500 - make_scans.head() if dark else make_scans.head()
    source = make_scans.nifti(tmp_path / "in.nii", voxels.astype(np.int16))
    options = {"polarity": "dark"} if dark else {}
    with pytest.raises(InvalidArgument, match=rf"in.nii: nothing would be kept.*{extreme}.*--thr"):
        pack(source, tmp_path / target, threshold=threshold, chunks=chunks, **options)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("value", [0, 7])
def test_a_scan_of_nothing_but_background_is_packed(tmp_path, value):
    source = make_scans.nifti(tmp_path / "in.nii", np.full((8, 9, 10), value, np.int16))
    pack(source, tmp_path / "s.zarr")
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


def test_missing_folders_are_made_and_go_again_where_nothing_is_written(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    for target in ("a/b/s.zarr", "c/d/s.h5/scan"):
        with pytest.raises(InvalidArgument):
            pack(source, tmp_path / target, threshold=1e9)
        assert list(tmp_path.iterdir()) == [source]
    for target in ("a/b/s.zarr", "c/d/s.h5/scan"):
        pack(source, tmp_path / target)
        unpack(tmp_path / target, tmp_path / "e" / target[0] / "out.nii")
    with pytest.raises(InvalidArgument, match=r"in.nii.* cannot be a folder"):
        pack(source, source / "s.zarr")


def test_a_note_says_by_how_much_the_threshold_was_lowered(tmp_path):
    scan = read_scan(make_scans.nifti(tmp_path / "in.nii", noisy()))
    region = medroi.MedROI.fit(scan.voxels, threshold="mean", background=0).region
    lowered = medroi.MedROI(threshold=3, background=0).get_config()
    (note,) = fitting.note_of_lowering(region, lowered)
    assert note.startswith("the threshold of the whole scan is 24.6849; with it more")
    assert note.endswith("max_miss_rate allows: 3 instead")


def test_percentages_are_written_as_people_write_them():
    shares = (1, 0.9997, 0.123456, 0.0123, 0.000017, 1.2e-8, 0)
    written = ["100.0 %", "99.9 %", "12.3 %", "1.2 %", "0.0017 %", "0.0000012 %", "0 %"]
    assert [percent(share) for share in shares] == written


def test_a_spacing_that_the_file_lacks_is_said(tmp_path):
    source = make_scans.mgz(tmp_path / "in.mgh", make_scans.head())
    data = bytearray(source.read_bytes())
    struct.pack_into(">h", data, 28, 0)
    source.write_bytes(data)
    assert any("no voxel size; 1 mm is stored" in note for note in read_scan(source).notes)
    zero = make_scans.nifti(
        tmp_path / "in.nii",
        make_scans.head(),
        edit=lambda data: (
            struct.pack_into("<hh", data, 252, 0, 1),
            struct.pack_into("<12f", data, 280, *[0.0] * 12),
        ),
    )
    assert any("voxel size of 0 mm" in note for note in read_scan(zero).notes)


def test_an_affine_that_overflows_is_unusable(tmp_path):
    source = make_scans.nifti(
        tmp_path / "in.nii",
        make_scans.head(),
        edit=lambda data: struct.pack_into("<f", data, 280, 1e38),
    )
    report = pack(source, tmp_path / "s.zarr")
    assert any("no usable affine" in note for note in report.notes)


def test_voxels_behind_those_that_the_header_declares_are_refused(tmp_path):
    for suffix, make in ((".nii", make_scans.nifti), (".mgh", make_scans.mgz)):
        source = make(tmp_path / f"in{suffix}", make_scans.head())
        with source.open("ab") as file:
            file.truncate(source.stat().st_size + (1 << 24) + 999)
        with pytest.raises(InvalidArgument, match="bytes stand behind the voxels"):
            read_scan(source)


def test_a_bomb_behind_the_voxels_is_not_unpacked(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())
    plain = gzip.decompress(source.read_bytes())
    source.write_bytes(gzip.compress(plain) + gzip.compress(bytes(1 << 20)) * 400)
    with pytest.raises(InvalidArgument, match="bytes stand behind the voxels"):
        read_scan(source)


def test_gzip_files_of_several_members_are_read_and_rubbish_behind_them_is_refused(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())
    plain = gzip.decompress(source.read_bytes())
    source.write_bytes(gzip.compress(plain[:999]) + gzip.compress(plain[999:]))
    np.testing.assert_array_equal(read_scan(source).voxels, make_scans.head())
    source.write_bytes(gzip.compress(plain) + b"rubbish")
    with pytest.raises(InvalidArgument, match=r"in.nii.gz: damaged gzip data .*get the file again"):
        read_scan(source)


def test_names_that_are_no_text_are_printed(tmp_path, capsys):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9.nii")
    os.rename(source, odd)
    store = os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.zarr")
    back = os.fsdecode(os.fsencode(tmp_path) + b"/\xfd.nii")
    for argv in (["pack", odd, store], ["show", odd], ["show", store], ["info", store]):
        assert main(argv) == 0
    assert main(["unpack", store, back]) == 0
    assert main(["show", odd, "-o", os.fsdecode(os.fsencode(tmp_path) + b"/\xfc.png")]) == 0
    assert main(["pack", odd, f"{tmp_path}/s.h5/\udcff"]) == 1
    assert "names in HDF5 are UTF-8" in capsys.readouterr().err
    assert main(["pack", store[:-5], f"{tmp_path}/t.zarr"]) == 1
    assert "udcfe does not exist" in capsys.readouterr().err


def test_a_pipe_is_no_scan(tmp_path):
    os.mkfifo(tmp_path / "in.nii")
    with pytest.raises(InvalidArgument, match="neither a file nor a folder"):
        read_scan(tmp_path / "in.nii")
