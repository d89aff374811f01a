"""Promises of `medroi.scans`: what goes in comes back, and what cannot is refused by name."""

from __future__ import annotations

import errno
import json
import struct
import sys
import tempfile
from pathlib import Path

import make_scans
import nibabel
import numpy as np
import pydicom
import pytest
import zarr
from pydicom.uid import JPEGLosslessSV1, RLELossless

import medroi
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, MedROIError
from medroi.scans import pack, packing, read_scan, unpack
from medroi.scans.chunking import chunk_shape
from medroi.scans.formats import nifti_header
from medroi.scans.scan import slice_axis_of
from medroi.scans.stores import storing, writing
from medroi.scans.stores.digests import facts_digest
from medroi.zarr import MedROICodec


def round_trip(source: Path, target: Path, **options):
    """Pack and unpack; the store lies beside the target."""
    store = target.with_name("store.zarr")
    report = pack(source, store, force=True, **options)
    unpack(store, target)
    return report, store


def signed(metadata):
    """Metadata in which the digest fits what somebody changed deliberately."""
    attributes = metadata["attributes"]
    attributes["medroi_digests"]["facts"] = facts_digest(
        attributes["medroi"], metadata["shape"], np.dtype(metadata["data_type"])
    )
    return metadata


def region_of(report, shape):
    kept = np.zeros(shape, dtype=bool)
    if report.box is not None:
        kept[tuple(slice(*bounds) for bounds in report.box)] = True
    return kept


# NIfTI


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_a_lossless_nifti_comes_back_byte_for_byte(tmp_path, dtype, byte_order):
    voxels = make_scans.head(dtype=dtype)
    source = make_scans.nifti(tmp_path / "in.nii", voxels, byte_order=byte_order)
    round_trip(source, tmp_path / "out.nii", lossless=True)
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_the_box_keeps_header_extension_and_tissue(tmp_path, version, suffix):
    voxels = make_scans.head(background=-5)
    source = make_scans.nifti(
        tmp_path / f"in{suffix}",
        voxels,
        version=version,
        slope=0.125,
        intercept=-1024.0,
        extension=b"said by the scanner",
    )
    report, store = round_trip(source, tmp_path / f"out{suffix}")
    before, after = (make_scans.plain_bytes(path) for path in (source, tmp_path / f"out{suffix}"))
    form, place = ("<f", 108) if version == 1 else ("<q", 168)
    offset = int(struct.unpack_from(form, before, place)[0])
    assert b"said by the scanner" in after[:offset]
    assert after[:offset] == before[:offset]
    assert len(after) == len(before)
    decoded = read_scan(tmp_path / f"out{suffix}").voxels
    kept = region_of(report, voxels.shape)
    assert 0 < kept.sum() < voxels.size
    np.testing.assert_array_equal(decoded[kept], voxels[kept])
    assert (decoded[~kept] == -5).all()
    assert report.background == -5
    attributes = zarr.open(store, mode="r").attrs["medroi"]
    assert (attributes["slope"], attributes["intercept"]) == (0.125, -1024.0)


def test_bytes_behind_the_voxels_come_back(tmp_path):
    source = make_scans.nifti(
        tmp_path / "in.nii", make_scans.head(), edit=lambda data: data.extend(b"tail")
    )
    round_trip(source, tmp_path / "out.nii", lossless=True)
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


def test_the_stored_array_is_cut_into_axial_slices(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head(), affine=np.eye(4))
    for zarr_format in (2, 3):
        store = tmp_path / f"{zarr_format}.zarr"
        pack(source, store, zarr_format=zarr_format, chunks=(16, 34, 26))
        for chunk in store.rglob("*"):
            if chunk.is_file() and chunk.read_bytes()[:4] == b"MROI":
                assert medroi.inspect(chunk.read_bytes()).order == "F"


def test_slices_are_cut_across_the_widest_spacing():
    def axis(spacing, ndim=3):
        affine = make_scans.oblique_affine(spacing)
        scan = medroi.scans.Scan(np.zeros((2,) * ndim), "nifti", affine)
        return slice_axis_of(scan)

    assert axis((3, 1, 1)) == 0
    assert axis((1, 3, 1)) == 1
    assert axis((0.868, 0.868, 1.0)) == 2
    assert axis((3, 1, 1), ndim=4) == 0
    assert axis((1, 1.3333334, 1.3333333)) is None
    assert axis((3, 1, 1), ndim=2) is None


def test_zarr_gives_the_stored_values_and_the_attributes_their_place(tmp_path):
    voxels = make_scans.head()
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    report = pack(source, tmp_path / "s.zarr", lossless=True)
    array = zarr.open(tmp_path / "s.zarr", mode="r")
    np.testing.assert_array_equal(array[:], voxels)
    assert array.dtype == voxels.dtype
    assert array.metadata.dimension_names == ("x", "y", "z")
    attributes = array.attrs["medroi"]
    np.testing.assert_allclose(attributes["affine"], make_scans.oblique_affine(), atol=1e-6)
    np.testing.assert_allclose(attributes["spacing_mm"], (1.5, 1.25, 3.0), atol=1e-6)
    assert report.n_missed == report.n_changed_inside == 0
    files = [path for path in (tmp_path / "s.zarr").rglob("*") if path.is_file()]
    assert report.stored_nbytes == sum(path.stat().st_size for path in files)
    assert report.array_nbytes == voxels.nbytes


def test_the_record_holds_the_affine_of_the_file(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    pack(source, tmp_path / "s.zarr")
    (chunk,) = [path for path in (tmp_path / "s.zarr" / "c").rglob("*") if path.is_file()]
    expected = make_scans.oblique_affine()[:3, :3]
    np.testing.assert_allclose(medroi.inspect(chunk.read_bytes()).affine, expected, atol=1e-6)


@pytest.mark.parametrize("chunks", ["volume", (16,), (11, 13, 7)])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_chunking_gives_the_same_voxels(tmp_path, chunks, zarr_format):
    voxels = make_scans.head(dtype=np.uint8)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    report, _ = round_trip(
        source,
        tmp_path / "out.nii",
        chunks=chunks,
        zarr_format=zarr_format,
        padding=0,
        threshold="mean",
    )
    decoded = read_scan(tmp_path / "out.nii").voxels
    lost = decoded != voxels
    assert (decoded[lost] == 0).all()
    assert np.count_nonzero(lost & (voxels >= report.threshold)) == report.n_missed
    assert report.miss_rate <= 0.002


def test_a_4d_scan_has_one_region_for_all_times(tmp_path):
    voxels = make_scans.head((20, 22, 18, 5))
    voxels[3:6, 3:6, 3:6, 4] = 150
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    report, store = round_trip(source, tmp_path / "out.nii")
    assert report.box[3] == (0, 5)
    decoded = read_scan(tmp_path / "out.nii").voxels
    kept = region_of(report, voxels.shape)
    assert kept[3:6, 3:6, 3:6].all()
    np.testing.assert_array_equal(decoded[kept], voxels[kept])
    assert zarr.open(store, mode="r").metadata.dimension_names == ("x", "y", "z", "t")


def test_the_default_chunk_is_the_volume_and_for_large_4d_scans_each_volume():
    assert chunk_shape((300, 300, 300), 1 << 40, "volume") == (300, 300, 300)
    assert chunk_shape((64, 64, 30, 100), 1 << 30, "volume") == (64, 64, 30, 100)
    assert chunk_shape((64, 64, 30, 100), (1 << 30) + 1, "volume") == (64, 64, 30, 1)
    assert chunk_shape((64, 64, 30, 100), 1, (32,)) == (32, 32, 30, 100)
    assert chunk_shape((64, 64), 1, (32,)) == (32, 32)
    for chunks in ((8, 8, 8, 8), (0,), (), "slices"):
        with pytest.raises(InvalidArgument, match="chunks is"):
            chunk_shape((64, 64, 30), 1, chunks)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (20, 22, 18, 1, 2)])
def test_other_numbers_of_axes_come_back(tmp_path, shape):
    voxels = np.random.default_rng(1).integers(0, 200, shape).astype(np.int16)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    round_trip(source, tmp_path / "out.nii", lossless=True)
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


def test_nan_minus_zero_and_infinity_come_back_bit_by_bit(tmp_path):
    voxels = make_scans.head(dtype=np.float32)
    voxels[0, 0, :4] = np.nan, -0.0, np.inf, -np.inf
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    for chunks in ("volume", (16,)):
        (tmp_path / "out.nii").unlink(missing_ok=True)
        round_trip(source, tmp_path / "out.nii", lossless=True, background=0, chunks=chunks)
        assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_nan_background_can_be_named(tmp_path, zarr_format):
    voxels = make_scans.head(dtype=np.float32, background=np.nan)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    report, _ = round_trip(
        source,
        tmp_path / "out.nii",
        background=float("nan"),
        lossless=True,
        zarr_format=zarr_format,
    )
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["background"] == "nan"


def test_without_a_background_a_lossless_pack_still_works(tmp_path):
    voxels = np.random.default_rng(5).integers(-900, 900, (20, 20, 20)).astype(np.int16)
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    round_trip(source, tmp_path / "out.nii", lossless=True)
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


def _put(form, offset, *values):
    return lambda data: struct.pack_into(form, data, offset, *values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_put("<8h", 40, 3, 30000, 30000, 30000, 1, 1, 1, 1), "announces 54000000000000 bytes"),
        (_put("<8h", 40, 3, -4, 34, 26, 1, 1, 1, 1), "sizes start at 1"),
        (_put("<f", 108, 1e9), "begin at byte 1e.09; expected .* to 67108864"),
        (_put("<f", 108, 1e6), "announces .* header extensions"),
        (_put("<f", 108, 16.0), "begin at byte 16"),
        (_put("<f", 108, float("nan")), "begin at byte nan"),
        (_put("<h", 70, 77), "unusable NIfTI header"),
        (lambda data: data.__delitem__(slice(-10, None)), "truncated"),
        (lambda data: data.__delitem__(slice(200, None)), "announces 348 bytes"),
        (_put("4s", 344, b"ni1\0"), ".hdr/.img pair"),
        (_put("4s", 344, b"junk"), "not a NIfTI file"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_lying_nifti_header_is_refused(tmp_path, edit, message, suffix):
    source = make_scans.nifti(tmp_path / f"in{suffix}", make_scans.head(), edit=edit)
    with pytest.raises(InvalidArgument, match=message):
        pack(source, tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == [source]


def test_a_damaged_gzip_file_is_refused(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())
    data = bytearray(source.read_bytes())
    for damaged in (data[: len(data) // 2], data[:500] + b"\xff" * 64 + data[564:]):
        source.write_bytes(damaged)
        with pytest.raises(InvalidArgument, match=r"damaged gzip|announces"):
            read_scan(source)


@pytest.mark.parametrize(("code", "name"), [(1536, "float128"), (2048, "complex256")])
def test_a_type_that_this_machine_lacks_is_not_called_colour(tmp_path, code, name):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head(), edit=_put("<h", 70, code))
    with pytest.raises(InvalidArgument, match=name) as refused:
        read_scan(source)
    assert "RGB" not in str(refused.value)


def test_half_a_pair_and_unknown_names_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(make_scans.head(), np.eye(4)), tmp_path / "pair.img")
    (tmp_path / "half.hdr").write_bytes((tmp_path / "pair.hdr").read_bytes())
    (tmp_path / "half.nii").write_bytes((tmp_path / "pair.hdr").read_bytes())
    for name, message in (
        ("half.hdr", "half.img is not beside it"),
        ("half.nii", "give it the suffix .hdr"),
        ("notes.txt", "expected .nii"),
        ("absent.nii", "does not exist"),
    ):
        if name == "notes.txt":
            (tmp_path / name).write_text("hello")
        with pytest.raises(InvalidArgument, match=message):
            read_scan(tmp_path / name)


def test_a_header_without_a_usable_affine_is_kept_as_it_is(tmp_path):
    source = make_scans.nifti(
        tmp_path / "in.nii", make_scans.head(), edit=_put("<3f", 280, *[float("nan")] * 3)
    )
    report, _ = round_trip(source, tmp_path / "out.nii", lossless=True)
    assert any("affine" in note for note in report.notes)
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


# FreeSurfer


@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_a_freesurfer_volume_comes_back_byte_for_byte(tmp_path, suffix, dtype):
    source = make_scans.mgz(
        tmp_path / f"in{suffix}", make_scans.head(dtype=dtype), footer=b"tags of FreeSurfer"
    )
    _, store = round_trip(source, tmp_path / f"out{suffix}", lossless=True)
    after = make_scans.plain_bytes(tmp_path / f"out{suffix}")
    assert after == make_scans.plain_bytes(source)
    attributes = zarr.open(store, mode="r").attrs["medroi"]
    np.testing.assert_allclose(attributes["affine"], nibabel.load(source).affine)


def test_a_freesurfer_volume_with_frames_comes_back(tmp_path):
    source = make_scans.mgz(tmp_path / "in.mgz", make_scans.head((12, 14, 10, 3), np.float32))
    round_trip(source, tmp_path / "out.mgz", lossless=True)
    after = make_scans.plain_bytes(tmp_path / "out.mgz")
    assert after == make_scans.plain_bytes(source)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(0, 9, "not an MGH file"), (4, 1 << 30, "announces"), (8, 0, "sizes start"), (20, 99, "type")],
)
def test_a_lying_freesurfer_header_is_refused(tmp_path, offset, value, message):
    source = make_scans.mgz(tmp_path / "in.mgh", make_scans.head())
    data = bytearray(source.read_bytes())
    struct.pack_into(">i", data, offset, value)
    source.write_bytes(data)
    with pytest.raises(InvalidArgument, match=message):
        read_scan(source)


# DICOM


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4"])
def test_a_shuffled_oblique_series_is_sorted_and_placed(tmp_path, dtype):
    voxels = make_scans.head((20, 24, 9), dtype)
    folder = make_scans.dicom_series(tmp_path / "series", voxels)
    scan = read_scan(folder)
    assert scan.voxels.dtype == voxels.dtype
    np.testing.assert_array_equal(scan.voxels, voxels)
    # The affine takes every slice's first voxel to where DICOM says that it lies.
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        corner = scan.affine @ (0, 0, dataset.InstanceNumber - 1, 1)
        np.testing.assert_allclose(corner[:3], make_scans.dicom_corner_ras(dataset), atol=1e-6)
    np.testing.assert_allclose(scan.spacing_mm, (1.5, 1.25, 3.0), atol=1e-9)


def test_the_dicom_affine_follows_the_standard_equation(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 9)))
    scan = read_scan(folder)
    dataset = pydicom.dcmread(sorted(folder.iterdir())[0])
    k = dataset.InstanceNumber - 1
    # C.7.6.2.1.1: P = IPP + X * column spacing * i + Y * row spacing * j, in LPS.
    along_row, along_column = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
    row_spacing, column_spacing = (float(value) for value in dataset.PixelSpacing)
    position = np.asarray(dataset.ImagePositionPatient, dtype=float)
    lps = position + along_row * column_spacing * 13 + along_column * row_spacing * 4
    np.testing.assert_allclose((scan.affine @ (13, 4, k, 1))[:3], lps * (-1, -1, 1), atol=1e-6)


def test_a_series_unpacks_to_nifti_with_affine_slope_and_intercept(tmp_path):
    voxels = make_scans.head((20, 24, 9), background=-1000)

    def rescale(k, dataset):
        dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-24"

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=rescale)
    expected = read_scan(folder).affine
    report, _ = round_trip(folder, tmp_path / "out.nii.gz")
    assert report.background == -1000
    image = nibabel.load(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(image.affine, expected, atol=1e-4)
    np.testing.assert_allclose(image.get_qform(), expected, atol=1e-4)
    kept = region_of(report, voxels.shape)
    np.testing.assert_array_equal(np.asarray(image.dataobj.get_unscaled())[kept], voxels[kept])
    np.testing.assert_array_equal(image.get_fdata()[kept], voxels[kept] * 0.5 - 24)


@pytest.mark.parametrize(("factor", "dtype"), [("0.25", np.float32), ("0.1", np.float64)])
def test_slopes_that_vary_per_slice_are_applied_exactly(tmp_path, factor, dtype):
    voxels = make_scans.head((20, 24, 9))

    def rescale(k, dataset):
        dataset.RescaleSlope = str(float(factor) * (k + 1))[:16]
        dataset.RescaleIntercept = str(k)

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=rescale)
    report, store = round_trip(folder, tmp_path / "out.nii", lossless=True)
    assert any("vary" in note for note in report.notes)
    np.testing.assert_array_equal(zarr.open(store, mode="r")[:], voxels)
    slopes = np.array([float(str(float(factor) * (k + 1))[:16]) for k in range(9)])
    image = nibabel.load(tmp_path / "out.nii")
    assert image.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels * slopes + np.arange(9.0))


def test_a_tilted_gantry_keeps_its_sheared_affine(tmp_path):
    voxels = make_scans.head((20, 24, 9))
    folder = make_scans.dicom_series(tmp_path / "series", voxels, tilt_mm=0.8)
    round_trip(folder, tmp_path / "out.nii", lossless=True)
    image = nibabel.load(tmp_path / "out.nii")
    assert int(image.header["qform_code"]) == 0
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        corner = image.affine @ (0, 0, dataset.InstanceNumber - 1, 1)
        np.testing.assert_allclose(corner[:3], make_scans.dicom_corner_ras(dataset), atol=1e-4)


def test_a_dose_series_keeps_its_own_scaling(tmp_path):
    folder = make_scans.dicom_series(
        tmp_path / "series",
        make_scans.head((20, 24, 3), np.uint16),
        edit=lambda k, dataset: setattr(dataset, "DoseGridScaling", "0.25"),
    )
    assert read_scan(folder).slope == 0.25


def test_only_the_stored_bits_are_read(tmp_path):
    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 60

    def twelve_bits(k, dataset):
        # An overlay in the four unused bits; the sign sits in bit 11.
        raw = np.frombuffer(dataset.PixelData, np.uint16) & 0x0FFF | 0x5000
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.PixelData = raw.astype("<u2").tobytes()

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=twelve_bits)
    np.testing.assert_array_equal(read_scan(folder).voxels, voxels)


def test_monochrome1_means_bright_air(tmp_path):
    voxels = (4000 - make_scans.head((20, 24, 9))).astype(np.uint16)

    def invert(k, dataset):
        dataset.PhotometricInterpretation = "MONOCHROME1"

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=invert)
    report, _ = round_trip(folder, tmp_path / "out.nii")
    assert (report.polarity, report.background) == ("dark", 4000)
    assert report.n_kept < voxels.size
    assert report.miss_rate <= 0.002


def test_identifiers_stay_behind_where_asked_for(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 9)))
    uid = str(pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID)
    for keep in (False, True):
        store = tmp_path / f"{keep}.zarr"
        pack(folder, store, identifiers=keep)
        text = (store / "zarr.json").read_text()
        for identifier in ("Doe^Jane", "secret-4711", uid):
            assert (identifier in text) == keep
        assert json.loads(text)["attributes"]["medroi"]["details"]["tags"]["Modality"] == "MR"


def test_a_compressed_series_is_decoded(tmp_path):
    voxels = make_scans.head((20, 24, 5))
    folder = make_scans.dicom_series(
        tmp_path / "series", voxels, edit=lambda k, dataset: dataset.compress(RLELossless)
    )
    np.testing.assert_array_equal(read_scan(folder).voxels, voxels)


def test_a_compressed_series_without_its_decoder_names_the_remedy(tmp_path, monkeypatch):
    def label(k, dataset):
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 not decoded here \xff\xd9"])

    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 5)), edit=label)
    decoder = pydicom.pixels.get_decoder(JPEGLosslessSV1)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(InnerUnavailable, match="pip install pylibjpeg"):
        read_scan(folder)


def test_a_missing_slice_is_named(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 9)))
    for path in folder.iterdir():
        if pydicom.dcmread(path).InstanceNumber == 5:
            path.unlink()
    with pytest.raises(InvalidArgument, match=r"1 slice missing between IM\d+ .* 6.000 mm apart"):
        pack(folder, tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()


def _move(k_moved, offset_mm):
    def edit(k, dataset):
        if k == k_moved:
            row, column = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
            basis = np.column_stack([row, column, np.cross(row, column)])
            moved = np.asarray(dataset.ImagePositionPatient, dtype=float) + basis @ offset_mm
            dataset.ImagePositionPatient = [float(value) for value in moved]

    return edit


def _set(**elements):
    def edit(k, dataset):
        for name, value in elements.items():
            setattr(dataset, name, value)

    return edit


def _set_one(**elements):
    def edit(k, dataset):
        if k == 3:
            _set(**elements)(k, dataset)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_move(4, (0, 0, 3.0)), "1 slice missing between"),
        (_move(8, (0, 0, -3.0)), "same position"),
        (_move(4, (0, 2.0, 0)), "beside the line"),
        (_set(NumberOfFrames=2), "multi-frame"),
        (
            _set(SamplesPerPixel=3, PhotometricInterpretation="RGB"),
            "unreadable pixel data: 960 bytes",
        ),
        (_set(PhotometricInterpretation="LUMINANCE"), "LUMINANCE; expected MONOCHROME1"),
        (_set(HighBit=12), "high bit is 12"),
        (_set(BitsAllocated=12), "12"),
        (_set(RescaleSlope="0"), "slope"),
        (_set(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "right-angled"),
        (_set(ImageOrientationPatient=None), "ImageOrientationPatient is None"),
        (_set(PixelSpacing=None), "PixelSpacing is None"),
        (_set(PixelData=b"\0" * 10), "unreadable pixel data"),
        (_set(Rows=60000, Columns=60000), "unreadable pixel data"),
        (_set_one(PixelRepresentation=0), "PixelRepresentation is 0"),
        (_set_one(Rows=12), r"holds 2 volumes.* 8 images .*20 x 24.* 1 images .*20 x 12"),
        (_set_one(PixelSpacing=[2, 2]), "PixelSpacing is"),
        (_set_one(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]), r"holds 2 volumes.*--series N"),
    ],
)
def test_an_unusable_series_is_refused_with_its_reason(tmp_path, edit, message):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 9)), edit=edit)
    with pytest.raises(InvalidArgument, match=message):
        read_scan(folder)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_damaged_element_is_refused_only_where_it_matters(tmp_path):
    def break_(tag, vr):
        def edit(k, dataset):
            dataset[tag] = pydicom.dataelem.RawDataElement(
                pydicom.tag.Tag(tag), vr, 2, b"1A", 0, False, True
            )

        return edit

    voxels = make_scans.head((20, 24, 3))
    for name, tag, vr in (("a", (0x0028, 0x0008), "IS"), ("b", (0x0018, 0x0060), "DS")):
        make_scans.dicom_series(tmp_path / name, voxels, edit=break_(tag, vr))
    with pytest.raises(InvalidArgument, match="NumberOfFrames is '1A'"):
        read_scan(tmp_path / "a")
    np.testing.assert_array_equal(read_scan(tmp_path / "b").voxels, voxels)
    assert read_scan(tmp_path / "b").details["tags"]["KVP"] == "1A"


def test_two_series_in_a_folder_are_listed(tmp_path):
    for name, n_slices in (("a", 4), ("b", 6)):
        make_scans.dicom_series(tmp_path / "study" / name, make_scans.head((20, 24, n_slices)))
    with pytest.raises(InvalidArgument, match=r"2 series.* 5.1: 4 images.* 5.2: 6 images"):
        read_scan(tmp_path / "study")


def test_other_files_in_the_folder_are_passed_over_and_said(tmp_path):
    voxels = make_scans.head((20, 24, 9))
    folder = make_scans.dicom_series(tmp_path / "series", voxels)
    (folder / "notes.txt").write_text("not DICOM")
    scan = read_scan(folder)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert any("no DICOM image: 1" in note for note in scan.notes)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidArgument, match="no DICOM images"):
        read_scan(tmp_path / "empty")


def test_one_image_without_a_position_is_a_volume_of_one_slice(tmp_path):
    def flat(k, dataset):
        del dataset.ImagePositionPatient, dataset.ImageOrientationPatient

    voxels = make_scans.head((40, 30, 3))[:, :, 1:2]
    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=flat)
    scan = read_scan(folder)
    np.testing.assert_array_equal(scan.voxels, voxels)
    np.testing.assert_allclose(scan.spacing_mm, (1.5, 1.25, 1.0))


# Stores and targets


def test_an_existing_target_is_kept_until_the_new_one_is_whole(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    store = tmp_path / "s.zarr"
    pack(source, store)
    before = sorted((path, path.read_bytes()) for path in store.rglob("*") if path.is_file())
    with pytest.raises(InvalidArgument, match="--force"):
        pack(source, store)
    with pytest.raises(InvalidArgument, match="no_such_codec"):
        pack(source, store, inner="no_such_codec", force=True)
    assert before == sorted((p, p.read_bytes()) for p in store.rglob("*") if p.is_file())
    pack(source, store, chunks=(16,), force=True)
    assert zarr.open(store, mode="r").chunks == (16, 16, 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii", "s.zarr"]


def test_a_target_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    module = packing
    measure = module.measure

    def slow(*args):
        (tmp_path / "s.zarr").mkdir()
        return measure(*args)

    monkeypatch.setattr(module, "measure", slow)
    with pytest.raises(InvalidArgument, match="meanwhile"):
        pack(source, tmp_path / "s.zarr")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in.nii", "s.zarr"]


def test_what_is_written_has_ordinary_permissions(tmp_path):
    pack(make_scans.nifti(tmp_path / "in.nii", make_scans.head()), tmp_path / "s.zarr")
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for made, ordinary in (("s.zarr", "folder"), ("out.nii", "file")):
        assert (tmp_path / made).stat().st_mode == (tmp_path / ordinary).stat().st_mode


def test_force_never_replaces_a_folder_that_is_no_store(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        pack(source, tmp_path / "s.zarr", force=True)
    assert (tmp_path / "s.zarr" / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_pack_leaves_nothing(tmp_path, monkeypatch):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(source, tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == [source]


def test_unpack_gives_the_same_kind_of_file_only(tmp_path):
    pack(make_scans.nifti(tmp_path / "in.nii", make_scans.head()), tmp_path / "s.zarr")
    with pytest.raises(InvalidArgument, match=r"\.nii or \.nii\.gz"):
        unpack(tmp_path / "s.zarr", tmp_path / "out.mgz")
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii.gz")
    with pytest.raises(InvalidArgument, match="--force"):
        unpack(tmp_path / "s.zarr", tmp_path / "out.nii.gz")
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii.gz", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii", "out.nii.gz", "s.zarr"]


def test_a_store_with_a_missing_or_damaged_chunk_is_refused(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    pack(source, tmp_path / "s.zarr", chunks=(16,))
    chunk = tmp_path / "s.zarr" / "c" / "0" / "1" / "1"
    data = bytearray(chunk.read_bytes())
    data[-3] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(CorruptStream):
        unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    chunk.unlink()
    with pytest.raises(CorruptStream, match="1 of 12 chunks are missing"):
        unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii", "s.zarr"]


@pytest.mark.parametrize(
    "damage",
    [
        {"layout_version": 99},
        {"kind": "exe"},
        {"affine": [1, 2, 3]},
        {"header_base64": "not base64!"},
        {"slope": None},
    ],
)
def test_damaged_attributes_are_refused(tmp_path, damage):
    pack(make_scans.nifti(tmp_path / "in.nii", make_scans.head()), tmp_path / "s.zarr")
    metadata = json.loads((tmp_path / "s.zarr" / "zarr.json").read_text())
    metadata["attributes"]["medroi"].update(damage)
    (tmp_path / "s.zarr" / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(InvalidArgument, match=r"layout version|damaged"):
        unpack(tmp_path / "s.zarr", tmp_path / "out.nii")


@pytest.mark.parametrize("suffix", [".nii", ".mgh"])
def test_a_header_of_another_array_is_never_written(tmp_path, suffix):
    make = make_scans.nifti if suffix == ".nii" else make_scans.mgz
    packed = []
    for name, dtype in (("a", np.int16), ("b", np.float32)):
        source = make(tmp_path / f"{name}{suffix}", make_scans.head(dtype=dtype))
        pack(source, tmp_path / f"{name}.zarr")
        packed.append(json.loads((tmp_path / f"{name}.zarr" / "zarr.json").read_text()))
    packed[0]["attributes"]["medroi"] = packed[1]["attributes"]["medroi"]
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(packed[0]))
    with pytest.raises(InvalidArgument, match="damaged"):
        unpack(tmp_path / "a.zarr", tmp_path / f"out{suffix}")
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(signed(packed[0])))
    with pytest.raises(InvalidArgument, match=r"describes .* float32 voxels, the array holds"):
        unpack(tmp_path / "a.zarr", tmp_path / f"out{suffix}")


@pytest.mark.parametrize("table", [{}, {"slope": [1], "intercept": [0]}, {"slope": "x"}, None])
def test_a_damaged_table_of_slopes_is_refused(tmp_path, table):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 9)))
    pack(folder, tmp_path / "s.zarr")
    metadata = json.loads((tmp_path / "s.zarr" / "zarr.json").read_text())
    metadata["attributes"]["medroi"]["details"]["rescale_per_slice"] = table
    (tmp_path / "s.zarr" / "zarr.json").write_text(json.dumps(signed(metadata)))
    with pytest.raises(InvalidArgument, match="slopes"):
        unpack(tmp_path / "s.zarr", tmp_path / "out.nii")


def test_arrays_that_others_wrote_become_nifti(tmp_path):
    voxels = make_scans.head()
    affine = make_scans.oblique_affine()
    array = zarr.create_array(
        tmp_path / "other.zarr",
        shape=voxels.shape,
        chunks=voxels.shape,
        dtype=voxels.dtype,
        serializer=MedROICodec(threshold=None, affine=affine),
        compressors=None,
    )
    array[:] = voxels
    unpack(tmp_path / "other.zarr", tmp_path / "out.nii")
    image = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
    np.testing.assert_allclose(image.affine[:3, :3], affine[:3, :3], atol=1e-5)
    array[:] = 0
    assert [p.name for p in (tmp_path / "other.zarr").rglob("*") if p.is_file()] == ["zarr.json"]
    unpack(tmp_path / "other.zarr", tmp_path / "empty.nii")
    assert not np.asarray(nibabel.load(tmp_path / "empty.nii").dataobj).any()
    zarr.create_array(tmp_path / "plain.zarr", shape=(4,), dtype="i2")
    with pytest.raises(InvalidArgument, match="without MedROI"):
        unpack(tmp_path / "plain.zarr", tmp_path / "out2.nii")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_sharded_and_format_2_arrays_of_others_become_nifti(tmp_path, zarr_format):
    voxels = make_scans.head((32, 32, 24))
    codec = medroi.MedROI.lossless("raw", affine=np.diag([2.0, 3.0, 4.0]))
    config = {key: value for key, value in codec.get_config().items() if key != "id"}
    options = {"compressors": codec, "shards": None}
    if zarr_format == 3:
        options = {"serializer": MedROICodec(**config), "compressors": None, "shards": (32, 32, 12)}
    zarr.create_array(
        tmp_path / "other.zarr",
        data=voxels,
        chunks=(16, 16, 12),
        zarr_format=zarr_format,
        **options,
    )
    unpack(tmp_path / "other.zarr", tmp_path / "out.nii")
    image = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
    np.testing.assert_array_equal(image.affine, np.diag([2.0, 3.0, 4.0, 1.0]))


def test_what_is_no_array_is_refused(tmp_path):
    zarr.create_group(tmp_path / "group.zarr").create_array("scan", shape=(2,), dtype="i2")
    (tmp_path / "empty.zarr").mkdir()
    for name, message in (
        ("group.zarr", "one of its arrays: scan"),
        ("empty.zarr", "not a Zarr array"),
        ("absent.zarr", "does not exist"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            unpack(tmp_path / name, tmp_path / "out.nii")


def test_an_affine_that_no_qform_holds_is_written_as_sform():
    for matrix in (np.zeros((4, 4)), np.triu(np.ones((4, 4)))):
        matrix[3] = 0, 0, 0, 1
        header = nifti_header.header_for(np.zeros((2, 3, 4), np.int16), matrix, 1.0, 0.0)
        parsed = nibabel.Nifti1Header(header[:348], check=False)
        np.testing.assert_array_equal(parsed.get_sform(), matrix)
        assert int(parsed["qform_code"]) == 0
    for dtype in (bool, np.float16, np.complex64):
        with pytest.raises(InvalidArgument, match="no voxel type"):
            nifti_header.header_for(np.zeros((2, 3, 4), dtype), np.eye(4), 1.0, 0.0)


def test_progress_counts_the_bytes_of_every_chunk_once_written_and_once_read(tmp_path, monkeypatch):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    shown, units = [], set()

    class Bar:
        def __init__(self, total, **options):
            shown.append([total, 0])
            units.add((options["unit"], options["unit_scale"]))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, count):
            shown[-1][1] += count

    monkeypatch.setattr("tqdm.tqdm", Bar)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    pack(source, tmp_path / "s.zarr", chunks=(16,), progress=True)
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii", progress=True)
    nbytes = make_scans.head().nbytes
    assert shown == [[nbytes, pytest.approx(nbytes)]] * 2
    # What tqdm makes MB/s of.
    assert units == {("B", True)}


@pytest.mark.parametrize("package", ["nibabel", "pydicom"])
def test_a_missing_package_is_named_with_its_remedy(tmp_path, monkeypatch, package):
    if package == "nibabel":
        source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    else:
        source = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 3)))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InnerUnavailable, match=rf"{package}.*pip install 'medroi\[scans\]'"):
        read_scan(source)


def test_a_store_that_does_not_read_back_is_never_kept(tmp_path, monkeypatch):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())

    def careless(path, scan, *rest, **options):
        scan.voxels[15, 17, 13] += 1
        yield from writing.write_array(path, scan, *rest, **options)
        scan.voxels[15, 17, 13] -= 1

    monkeypatch.setattr(storing, "write_array", careless)
    for lossless in (True, False):
        with pytest.raises(MedROIError, match="bit by bit"):
            pack(source, tmp_path / "s.zarr", lossless=lossless)
        assert list(tmp_path.iterdir()) == [source]
    # Of a lossy inner codec, the same difference is what the report says.
    lossy = property(lambda self: False)
    monkeypatch.setattr("medroi.inner.predict3d.Predict3D.lossless", lossy)
    report = pack(source, tmp_path / "s.zarr")
    assert (report.n_changed_inside, report.max_abs_error) == (1, 1.0)
    assert "changed by at most 1 " in str(report)
    with pytest.raises(InvalidArgument, match="lossy"):
        pack(source, tmp_path / "t.zarr", lossless=True)


def test_zarr_2_is_told_from_zarr_3(tmp_path, monkeypatch):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    monkeypatch.delattr(zarr, "create_array")
    with pytest.raises(InnerUnavailable, match="pip install 'zarr>=3'"):
        pack(source, tmp_path / "s.zarr")
    assert list(tmp_path.iterdir()) == [source]


def test_a_folder_that_cannot_be_written_to_is_an_error_that_names_the_target(
    tmp_path, monkeypatch
) -> None:
    def refused(**_):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/.private.partial")

    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    with pytest.raises(PermissionError) as found:
        pack(source, tmp_path / "store.ome.zarr")
    assert found.value.filename == str(tmp_path / "store.ome.zarr")
