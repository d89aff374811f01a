"""Promises of reading a series: a file that could not be read is never taken for one not there."""

from __future__ import annotations

import gzip
import io
import os
import re
import tracemalloc
import zlib

import make_dicom
import make_scans
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan
from medroi.scans.dicom import skeletons

N_SLICES = 20


@pytest.fixture
def voxels():
    return make_scans.head((20, 24, N_SLICES))


@pytest.fixture
def series(tmp_path, voxels):
    return make_scans.dicom_series(tmp_path / "series", voxels)


def by_number(folder):
    """The files of a series by InstanceNumber."""
    found = {int(pydicom.dcmread(path).InstanceNumber): path for path in folder.iterdir()}
    return [found[number] for number in sorted(found)]


def dataset_bytes(path, *, keep_meta=False, syntax=None):
    """A file's bytes without preamble, with its meta header or without, in any syntax."""
    dataset = pydicom.dcmread(path)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        dataset,
        enforce_file_format=True,
        little_endian=None,
        implicit_vr=None,
        overwrite=True,
    )
    data = buffer.getvalue()
    assert data[128:132] == b"DICM"
    return data[132:] if keep_meta else data[144 + int.from_bytes(data[140:144], "little") :]


SPOILT = {
    "empty": (lambda data: b"", "an empty file"),
    "cut within the meta header": (lambda data: data[:200], "cut off"),
    "cut at 300 bytes": (lambda data: data[:300], "cut off"),
    "cut within its header": (lambda data: data[:700], "cut off"),
    "a page of HTML": (lambda data: b"<html>404 not found</html>", "a page of HTML"),
    "zeros": (lambda data: bytes(len(data)), "no DICOM file"),
    "a damaged gzip file": (lambda data: gzip.compress(data)[:-40], "damaged gzip data"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
@pytest.mark.parametrize("which", [slice(None, 3), slice(-3, None), slice(8, 9)])
def test_a_file_that_cannot_be_read_stops_the_pack_and_is_named(tmp_path, series, spoilt, which):
    damage, reason = SPOILT[spoilt]
    files = by_number(series)[which]
    for path in files:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidArgument, match=reason) as refused:
        pack(series, tmp_path / "s.zarr")
    for path in files:
        assert path.name in str(refused.value)
    assert f"{len(files)} of {N_SLICES} files cannot be read" in str(refused.value)
    assert "move what does not belong" in str(refused.value)
    assert not (tmp_path / "s.zarr").exists()


def test_of_many_unreadable_files_the_first_are_named_and_all_are_counted(series):
    for path in by_number(series)[4:]:
        path.write_bytes(b"")
    with pytest.raises(InvalidArgument, match=r"16 of 20 files .* and 12 more"):
        read_scan(series)


@pytest.mark.parametrize("n_cut", [1, 100, 959])
def test_pixels_that_are_cut_off_are_named(series, n_cut):
    files = by_number(series)
    for path in files[-2:]:
        path.write_bytes(path.read_bytes()[:-n_cut])
    with pytest.raises(InvalidArgument, match="the pixels of 2 of 20 files") as refused:
        read_scan(series)
    assert all(path.name in str(refused.value) for path in files[-2:])
    files[-1].unlink()
    with pytest.raises(InvalidArgument, match=f"{files[-2].name}: unreadable pixel data"):
        read_scan(series)


def test_links_to_nothing_and_unreadable_folders_are_not_passed_over(tmp_path, series, voxels):
    last = by_number(series)[-1]
    last.unlink()
    os.symlink(tmp_path / "not fetched", last)
    with pytest.raises(InvalidArgument, match=rf"{last.name} \(a link to a file that is not there"):
        read_scan(series)
    # Links to files and to folders are followed, a circle of them too.
    other = make_scans.dicom_series(tmp_path / "whole", voxels)
    linked = tmp_path / "linked"
    linked.mkdir()
    os.symlink(other, linked / "there")
    os.symlink(linked, linked / "circle")
    np.testing.assert_array_equal(read_scan(linked).voxels, voxels)


def test_a_pipe_in_the_folder_is_no_file(series):
    os.mkfifo(series / "pipe")
    with pytest.raises(InvalidArgument, match=r"pipe \(no ordinary file"):
        read_scan(series)


@pytest.mark.parametrize(
    "name",
    [
        "DICOMDIR",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "README",
        "._IM0001",
        "sub.json",
        "sub.bval",
        "sub.bvec",
        "sub.nii.gz",
        "notes.txt",
    ],
)
def test_known_other_files_are_passed_over_and_said(series, voxels, name):
    (series / name).write_bytes(b"" if name == "README" else b"something else entirely")
    scan = read_scan(series)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert any(f"no DICOM image: 1 ({name})" in note for note in scan.notes)


def test_dicom_under_a_known_other_name_is_never_passed_over(series):
    last = by_number(series)[-1]
    (series / "notes.txt").write_bytes(last.read_bytes()[:300])
    last.unlink()
    with pytest.raises(InvalidArgument, match=r"notes.txt \(a DICOM file that is cut off"):
        read_scan(series)


def test_objects_that_are_no_images_are_passed_over_unless_they_are_cut_off(series, voxels):
    report = pydicom.dcmread(by_number(series)[0])
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(report, keyword)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedSRStorage
    report.SeriesDescription = "x" * 64
    report.save_as(series / "report", enforce_file_format=True)
    scan = read_scan(series)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert any("(report)" in note for note in scan.notes)
    (series / "report").write_bytes((series / "report").read_bytes()[:-5])
    with pytest.raises(InvalidArgument, match=r"report \(a DICOM file that is cut off"):
        read_scan(series)


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("keep_meta", [False, True])
def test_files_without_preamble_are_read(series, voxels, syntax, keep_meta):
    for path in by_number(series)[-3:]:
        path.write_bytes(dataset_bytes(path, keep_meta=keep_meta, syntax=syntax))
    np.testing.assert_array_equal(read_scan(series).voxels, voxels)


def test_files_that_begin_with_the_magic_are_read(series, voxels):
    for path in by_number(series)[:2]:
        path.write_bytes(path.read_bytes()[128:])
    np.testing.assert_array_equal(read_scan(series).voxels, voxels)


@pytest.mark.parametrize("suffix", ["", ".gz", ".dcm.gz"])
def test_gzipped_files_are_read_whatever_their_name(series, voxels, suffix):
    for path in by_number(series)[-3:]:
        data = gzip.compress(path.read_bytes())
        path.unlink()
        path.with_name(path.name + suffix).write_bytes(data)
    np.testing.assert_array_equal(read_scan(series).voxels, voxels)


def test_a_bomb_is_never_unpacked_beyond_what_the_header_declares(series):
    path = by_number(series)[3]
    original = path.read_bytes()
    path.write_bytes(gzip.compress(original + bytes(70 << 20)))
    with pytest.raises(InvalidArgument, match=f"{path.name}: unpacks to more than .* declares 960"):
        read_scan(series)
    dataset = pydicom.dcmread(io.BytesIO(original))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    read_scan(series)
    data = path.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    bomb = zlib.compressobj(wbits=-15)
    path.write_bytes(data[:start] + bomb.compress(bytes(70 << 20)) + bomb.flush())
    with pytest.raises(InvalidArgument, match=f"{path.name} .unpacks to more than"):
        read_scan(series)


def without(folder, numbers):
    files = by_number(folder)
    for number in numbers:
        files[number - 1].unlink()
    return folder


def declare(folder, **elements):
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for name, value in elements.items():
            setattr(dataset, name, value)
        dataset.save_as(path)
    return folder


def test_slices_missing_at_the_beginning_are_seen(tmp_path, series):
    without(series, [1, 2, 3])
    with pytest.raises(
        InvalidArgument, match=r"InstanceNumber runs from 4 to 20: 3 .*--incomplete"
    ):
        pack(series, tmp_path / "s.zarr")
    report = pack(series, tmp_path / "s.zarr", incomplete=True)
    assert report.shape[2] == 17
    assert any("missing at the ends" in note for note in report.notes)


@pytest.mark.parametrize(
    "keyword", ["NumberOfSlices", "ImagesInAcquisition", "NumberOfSeriesRelatedInstances"]
)
def test_slices_missing_at_the_end_are_seen_where_their_number_is_declared(series, keyword):
    declare(series, **{keyword: N_SLICES})
    read_scan(series)
    without(series, [18, 19, 20])
    with pytest.raises(InvalidArgument, match=f"{keyword} is 20, here are 17 images"):
        read_scan(series)


def test_slices_numbered_against_their_order_in_space_are_seen_too(tmp_path, voxels):
    def interleaved(k, dataset):
        dataset.InstanceNumber = 1 + (k // 2 if k % 2 == 0 else N_SLICES // 2 + k // 2)

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=interleaved)
    read_scan(folder)
    for path in folder.iterdir():
        # The second last in space, and so the last, has number 10 of 20.
        if pydicom.dcmread(path).InstanceNumber in (10, 20):
            path.unlink()
    with pytest.raises(InvalidArgument, match="and 10 is not among them"):
        read_scan(folder)


def test_one_volume_of_several_is_packed_with_a_note(tmp_path, voxels):
    def third_volume(k, dataset):
        dataset.InstanceNumber = 2 * N_SLICES + k + 1
        dataset.NumberOfTemporalPositions, dataset.ImagesInAcquisition = 5, 5 * N_SLICES

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=third_volume)
    assert any("one volume of 5 time points" in note for note in read_scan(folder).notes)


@pytest.mark.parametrize(
    "number",
    [
        lambda k: k,
        lambda k: k + 1,
        lambda k: N_SLICES - k,
        lambda k: 2 * k + 1,
        lambda k: 3 * k + 3,
        lambda k: 7,
        lambda k: None,
        lambda k: k + 1 if k < 5 else k + 2,
    ],
)
def test_numbers_that_show_no_gap_at_an_end_are_no_reason_to_refuse(tmp_path, voxels, number):
    def renumber(k, dataset):
        dataset.InstanceNumber = number(k)

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=renumber)
    scan = read_scan(folder, identifiers=False)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.notes == ()


def test_a_single_image_may_have_any_number(tmp_path, voxels):
    folder = make_scans.dicom_series(
        tmp_path / "series",
        voxels[:, :, :1],
        edit=lambda k, dataset: setattr(dataset, "InstanceNumber", 9),
    )
    assert read_scan(folder, identifiers=False).notes == ()


def _mosaic_type(dataset):
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]


def _mosaic_count(dataset):
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", 36)


def _mosaic_csa(dataset):
    def tag(name, value):
        items = b"".join(
            len(text).to_bytes(4, "little") * 4 + text.ljust(-(-len(text) // 4) * 4, b"\0")
            for text in [value, *[b""] * 5]
        )
        head = name.ljust(64, b"\0") + (1).to_bytes(4, "little") + b"LO\0\0"
        return head + bytes(4) + (6).to_bytes(4, "little") + (77).to_bytes(4, "little") + items

    header = b"SV10\4\3\2\1" + (2).to_bytes(4, "little") + (77).to_bytes(4, "little")
    header += tag(b"NumberOfImagesInMosaic", b"36\0") + tag(b"AcquisitionMatrixText", b"64*64\0")
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", header)


@pytest.mark.parametrize("mark", [_mosaic_type, _mosaic_count, _mosaic_csa])
def test_a_mosaic_that_cannot_be_unfolded_is_refused_by_name(tmp_path, voxels, mark):
    folder = make_scans.dicom_series(
        tmp_path / "series", voxels[:, :, :1], edit=lambda k, dataset: mark(dataset)
    )
    with pytest.raises(
        InvalidArgument, match=r"IM0000: a Siemens mosaic .*(dcm2niix|do not divide its 24 rows)"
    ):
        pack(folder, tmp_path / "s.zarr")


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "DoseGridScaling"])
@pytest.mark.parametrize("having", [lambda k: k == 3, lambda k: k != 3])
def test_a_slice_without_rescale_among_slices_with_one_is_refused(
    tmp_path, voxels, keyword, having
):
    def some(k, dataset):
        if having(k):
            setattr(dataset, keyword, "2")

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=some)
    with pytest.raises(InvalidArgument, match=f"no {keyword}, which (1|19) of the 20 images have"):
        read_scan(folder)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelRepresentation", 0),
        ("PhotometricInterpretation", "MONOCHROME1"),
        ("BitsStored", 12),
        ("Modality", "CT"),
        ("RescaleType", "HU"),
        ("FrameOfReferenceUID", "1.2.3"),
    ],
)
def test_slices_that_do_not_agree_are_refused(tmp_path, voxels, keyword, value):
    def other(k, dataset):
        if k == 11:
            setattr(dataset, keyword, value)

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=other)
    with pytest.raises(
        InvalidArgument, match=f"{keyword} is .*; the images of a volume must agree"
    ):
        read_scan(folder)


def test_a_slice_that_is_there_twice_is_refused(series):
    last = by_number(series)[-1]
    (series / "copy").write_bytes(last.read_bytes())
    with pytest.raises(
        InvalidArgument, match=r"copy: the same image as IM.* twice at the same position; move one"
    ):
        read_scan(series)


@pytest.mark.parametrize("n_more", [2, 40, 960])
def test_pixels_that_would_be_left_over_are_refused(tmp_path, voxels, n_more):
    def longer(k, dataset):
        if k == 4:
            dataset.PixelData = dataset.PixelData + b"\1" * n_more

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=longer)
    with pytest.raises(InvalidArgument, match=f"{960 + n_more} bytes, its header declares 960"):
        read_scan(folder)


def test_a_few_zeros_behind_the_pixels_are_padding(tmp_path, voxels):
    def longer(k, dataset):
        dataset.PixelData = dataset.PixelData + bytes(6)

    folder = make_scans.dicom_series(tmp_path / "series", voxels, edit=longer)
    np.testing.assert_array_equal(read_scan(folder).voxels, voxels)


def test_what_the_unused_bits_hold_is_said_to_be_no_part_of_the_voxels(tmp_path):
    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 60
    for name, bits in (("sign", 0), ("overlay", 0x5000)):

        def twelve_bits(k, dataset, bits=bits):
            raw = np.frombuffer(dataset.PixelData, np.uint16)
            dataset.BitsStored, dataset.HighBit = 12, 11
            dataset.PixelData = (raw & 0x0FFF | bits if bits else raw).astype("<u2").tobytes()

        scan = read_scan(make_scans.dicom_series(tmp_path / name, voxels, edit=twelve_bits))
        np.testing.assert_array_equal(scan.voxels, voxels)
        assert any(
            "4 images hold something in the bits around the 12 stored" in n for n in scan.notes
        ) == (name == "overlay")


def test_damaged_compressed_pixels_are_not_blamed_on_a_missing_decoder(tmp_path, voxels):
    def damage(k, dataset):
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
        dataset.PixelData = pydicom.encaps.encapsulate([b"\1\0\0\0 no run lengths"])

    folder = make_scans.dicom_series(tmp_path / "series", voxels[:, :, :1], edit=damage)
    with pytest.raises(InvalidArgument, match="unreadable pixel data") as refused:
        read_scan(folder)
    assert "pip install" not in str(refused.value)


def test_spacings_that_nobody_gave_are_said(tmp_path, voxels):
    def flat(k, dataset):
        del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing

    def thin(k, dataset):
        del dataset.SliceThickness

    one = voxels[:, :, :1]
    scan = read_scan(make_scans.dicom_series(tmp_path / "flat", one, edit=flat))
    assert any("1 mm is stored for all axes" in note for note in scan.notes)
    scan = read_scan(make_scans.dicom_series(tmp_path / "thin", one, edit=thin))
    assert any("no slice thickness; 1 mm is stored" in note for note in scan.notes)
    assert scan.spacing_mm == pytest.approx((1.5, 1.25, 1.0))


def test_deeply_nested_sequences_are_refused(series):
    path = by_number(series)[-1]
    data = path.read_bytes()
    start = data.index(b"\x10\x00\x10\x00PN")
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(data[:start] + begin * 5000 + data[start:])
    with pytest.raises(InvalidArgument, match=rf"{path.name} \(sequences nested too deeply"):
        read_scan(series)


def test_an_unknown_jpeg_without_a_decoder_says_which(tmp_path, voxels, monkeypatch):
    def label(k, dataset):
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8 nothing \xff\xd9"])

    folder = make_scans.dicom_series(tmp_path / "series", voxels[:, :, :1], edit=label)
    monkeypatch.setattr(pydicom.pixels.get_decoder(JPEGBaseline8Bit), "_available", {})
    with pytest.raises(ImportError, match=r"JPEG Baseline .*pip install pylibjpeg"):
        read_scan(folder)


@pytest.mark.parametrize("length", [0x7FFFFFFE, 0xFFFFFFFE])
@pytest.mark.parametrize("tag", [b"\x29\x00\x10\x10", b"\x08\x00\x40\x11", b"\xe0\x7f\x10\x00"])
def test_lengths_that_no_file_has_take_no_memory(series, length, tag):
    path = by_number(series)[-1]
    data = path.read_bytes()
    start = data.index(b"\xe0\x7f\x10\x00")
    hostile = tag + b"OB\0\0" + length.to_bytes(4, "little")
    path.write_bytes(data[:start] + hostile + data[start + 12 :])
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgument, match=path.name):
            read_scan(series)
        _, peak_nbytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_nbytes < 1 << 25


@pytest.mark.parametrize("defined", [False, True])
def test_deeply_nested_sequences_of_a_multi_frame_file_never_end_in_a_recursion(
    tmp_path, voxels, defined
):
    path = make_dicom.enhanced(tmp_path / "a.dcm", voxels)
    data = path.read_bytes()
    start = data.index(b"\x00\x52\x29\x92SQ")
    nested = b""
    for _ in range(5000):
        nbytes = len(nested).to_bytes(4, "little") if defined else b"\xff\xff\xff\xff"
        end = b"" if defined else b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
        inside = b"\xfe\xff\x00\xe0" + nbytes + nested + end
        length = len(inside).to_bytes(4, "little") if defined else b"\xff\xff\xff\xff"
        nested = b"\x08\x00\x40\x11SQ\0\0" + length + inside
    path.write_bytes(data[:start] + nested + data[start:])
    try:
        scan = read_scan(path)
    except InvalidArgument as refused:
        assert re.search(r"a\.dcm.* nested too deeply", str(refused))  # noqa: PT017
    else:
        # Sequences whose length is known are not looked into.
        np.testing.assert_array_equal(scan.voxels, voxels)
        found = skeletons.unpacked(scan.attachments["dicom"])
        contents = dict(skeletons.contents_of(found, scan.voxels))
        assert contents["a.dcm"] == path.read_bytes()


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "9.9.9.99.9999", "1.2.840.10008.1.3.10"])
def test_a_transfer_syntax_that_is_none_of_dicoms_is_refused(tmp_path, series, syntax):
    for path in series.iterdir():
        data, known = path.read_bytes(), b"1.2.840.10008.1.2.1\0"
        path.write_bytes(data.replace(known, syntax.encode().ljust(len(known), b"\0"), 1))
    with pytest.raises(InvalidArgument, match=rf"IM\d+.*{re.escape(syntax)}.*gdcmconv"):
        pack(series, tmp_path / "store.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["series"]


@pytest.mark.parametrize("place", [lambda k: 1e308, lambda k: 1e308 * (-1) ** k, lambda k: 2e9 * k])
def test_places_that_no_patient_has_are_refused(tmp_path, voxels, place):
    def edit(k, dataset):
        dataset.ImagePositionPatient = [place(k), 0, 0]

    folder = make_scans.dicom_series(tmp_path / "far", voxels, edit=edit)
    with pytest.raises(InvalidArgument, match=r"IM\d+: ImagePositionPatient.*below 1e\+09"):
        read_scan(folder)
