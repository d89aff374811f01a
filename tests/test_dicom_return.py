"""Promises of giving DICOM files back: every byte of each, under its own name."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import make_dicom
import make_scans
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medroi.cli import main
from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans import check, pack, read_scan, unpack
from medroi.scans.dicom import skeletons

SHAPE = (16, 20, 10)
TARGETS = ("s.ome.zarr", "s.zarr", "s.ome.zarr.zip")


@pytest.fixture
def voxels():
    return make_scans.head(SHAPE)


def private(k, dataset):
    """Elements that no dictionary has, one in a sequence."""
    block = dataset.private_block(0x0029, "SOMEBODY", create=True)
    block.add_new(0x01, "UN", bytes(range(k, k + 20)))
    inner = pydicom.Dataset()
    inner.PatientComments = "ä" * k
    dataset.SpecificCharacterSet = "ISO_IR 100"
    block.add_new(0x02, "SQ", pydicom.Sequence([inner]))
    dataset.add_new(0x60000010, "US", 4)
    dataset.IconImageSequence = make_dicom.item(BitsAllocated=8, PixelData=b"icon")


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def returned(source: Path, tmp_path: Path, target: str = TARGETS[0], **options):
    """Pack and unpack; the files that came back."""
    pack(source, tmp_path / target, lossless=True, **options)
    check(tmp_path / target)
    report = unpack(tmp_path / target, f"{tmp_path / 'back'}/")
    found = files_in(tmp_path / "back")
    for file in report.files:
        assert file.outcome == "very bytes", str(file)
        assert file.nbytes == len(found[file.name])
    return found


def test_more_files_than_a_process_may_open_come_back_and_are_replaced(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "s", make_scans.head((4, 6, 150)))
    pack(folder, tmp_path / "s.ome.zarr", lossless=True)
    command = [sys.executable, "-m", "medroi", "unpack", str(tmp_path / "s.ome.zarr")]
    limits = (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    for more in ((), ("--force",)):
        subprocess.run(
            [*command, f"{tmp_path / 'back'}/", *more],
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        )
        assert files_in(tmp_path / "back") == files_in(folder)
    assert sorted(os.listdir(tmp_path)) == ["back", "s", "s.ome.zarr"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_comes_back_with_its_private_elements(tmp_path, voxels, target):
    folder = make_scans.dicom_series(tmp_path / "s", voxels, edit=private)
    (folder / "sub").mkdir()
    moved = sorted(path for path in folder.iterdir() if path.is_file())[0]
    moved.rename(folder / "sub" / "ünïcode name.dcm")
    assert returned(folder, tmp_path, target) == files_in(folder)


def test_what_lies_beside_the_images_comes_back_too(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    (folder / "README").write_bytes(b"read me \xff")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.json").write_text("{}")
    report = pydicom.dcmread(next(path for path in folder.iterdir() if path.is_file()))
    for keyword in ("Rows", "Columns", "PixelData"):
        report.pop(keyword, None)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedSRStorage
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    expected = files_in(folder)
    assert returned(folder, tmp_path) == expected
    scan = read_scan(folder)
    roles = {source.name: source.role for source in scan.sources}
    assert len(expected) == len(roles) == 13
    assert [roles[name] for name in ("README", "notes/a.json", "report.dcm")] == ["sidecar"] * 3
    assert any("3 kept with this series" in note for note in scan.notes)


def test_what_lies_beside_the_images_is_left_out_where_that_is_asked_for(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    (folder / "README").write_bytes(b"read me")
    expected = files_in(folder)
    del expected["README"]
    assert returned(folder, tmp_path, sidecars=False) == expected


def test_what_is_too_large_to_keep_is_named(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    (folder / "large.json").write_bytes(bytes((1 << 24) + 1))
    (folder / "small.json").write_bytes(b"{}")
    scan = read_scan(folder)
    assert any("too large to keep: large.json" in note for note in scan.notes)
    assert {source.name for source in scan.sources if source.role == "sidecar"} == {"small.json"}


def without_preamble(data: bytes) -> bytes:
    return data[144 + int.from_bytes(data[140:144], "little") :]


def rewritten(syntax):
    def change(data: bytes) -> bytes:
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        buffer = io.BytesIO()
        pydicom.dcmwrite(
            buffer, dataset, little_endian=None, implicit_vr=None, enforce_file_format=True
        )
        return buffer.getvalue()

    return change


def cut_zip(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=7)


def other_zip(data: bytes) -> bytes:
    """Gzip that no setting of zlib makes."""
    coder = zlib.compressobj(6, zlib.DEFLATED, -15, 8, zlib.Z_HUFFMAN_ONLY)
    body = coder.compress(data) + coder.flush()
    tail = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + tail


ENCODINGS = {
    "no preamble": without_preamble,
    "begins with the magic": lambda data: data[128:],
    "implicit": rewritten(ImplicitVRLittleEndian),
    "big-endian": rewritten(ExplicitVRBigEndian),
    "big-endian, no preamble": lambda data: without_preamble(rewritten(ExplicitVRBigEndian)(data)),
    "deflated": rewritten(DeflatedExplicitVRLittleEndian),
    "gzip": cut_zip,
    "something behind the pixels": lambda data: data + b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0rest",
    "a preamble that says something": lambda data: b"II*\0" + data[4:],
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_files_of_any_encoding_come_back(tmp_path, voxels, encoding):
    folder = make_scans.dicom_series(tmp_path / "s", voxels, edit=private)
    for path in sorted(folder.iterdir())[::2]:
        path.write_bytes(ENCODINGS[encoding](path.read_bytes()))
    assert returned(folder, tmp_path) == files_in(folder)
    np.testing.assert_array_equal(read_scan(folder).voxels, voxels)


def test_gzip_that_nothing_here_makes_comes_back_as_its_contents(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    path = sorted(folder.iterdir())[0]
    data = path.read_bytes()
    path.unlink()
    (folder / "a.dcm.gz").write_bytes(other_zip(data))
    pack(folder, tmp_path / "s.zarr", lossless=True)
    report = unpack(tmp_path / "s.zarr", f"{tmp_path / 'back'}/")
    (other,) = (file for file in report.files if file.outcome != "very bytes")
    assert (other.name, other.outcome) == ("a.dcm.gz", "same contents")
    assert gzip.decompress((tmp_path / "back" / "a.dcm.gz").read_bytes()) == data


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_bits_around_the_stored_ones_come_back(tmp_path, dtype):
    rng = np.random.default_rng(2)
    info = np.iinfo(dtype)
    noise = rng.integers(info.min, info.max, (7, 5, 4), dtype, endpoint=True)

    def narrow(k, dataset):
        dataset.BitsStored, dataset.HighBit = 5, 5

    folder = make_scans.dicom_series(tmp_path / "s", noise, edit=narrow)
    assert returned(folder, tmp_path) == files_in(folder)
    assert any("in the bits around the 5 stored" in note for note in read_scan(folder).notes)


@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_bytes_in_big_endian_files_are_swapped_where_they_are_words(tmp_path, vr):
    values = np.arange(6 * 7, dtype=np.uint8).reshape(6, 7)
    path = make_dicom.ct_slice(tmp_path / "a.dcm", values, (0, 0, 0))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pixels = np.ascontiguousarray(values.T)
    data = pixels.view(np.uint16).byteswap().tobytes() if vr == "OW" else pixels.tobytes()
    dataset.add_new("PixelData", vr, data)
    pydicom.dcmwrite(path, dataset, little_endian=None, implicit_vr=None, enforce_file_format=True)
    dataset = pydicom.dcmread(path)
    assert vr == dataset["PixelData"].VR
    np.testing.assert_array_equal(dataset.pixel_array, values.T)
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.voxels[..., 0], values)
    found = skeletons.unpacked(scan.attachments["dicom"])
    assert dict(skeletons.contents_of(found, scan.voxels)) == files_in(tmp_path)
    assert found[0].kept == b""


def test_odd_pixels_and_what_fills_them_up_come_back(tmp_path):
    voxels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)

    def padded(k, dataset):
        dataset.PixelData = dataset.PixelData + (b"\xab" if k < 2 else bytes(3))

    folder = make_scans.dicom_series(tmp_path / "s", voxels, edit=padded)
    assert returned(folder, tmp_path) == files_in(folder)


def test_compressed_pixels_come_back_beside_their_voxels(tmp_path, voxels):
    folder = make_scans.dicom_series(
        tmp_path / "s", voxels, edit=lambda k, dataset: dataset.compress(RLELossless)
    )
    assert returned(folder, tmp_path) == files_in(folder)
    scan = read_scan(folder)
    assert any("10 files are compressed" in note for note in scan.notes)
    np.testing.assert_array_equal(scan.voxels, voxels)
    # Decoded, they are not kept, and neither are the files.
    report = pack(folder, tmp_path / "d.zarr", lossless=True, encapsulated="decode")
    assert not any("are compressed" in note for note in report.notes)
    with pytest.raises(InvalidArgument, match="packed without its DICOM files"):
        unpack(tmp_path / "d.zarr", f"{tmp_path / 'none'}/")
    unpack(tmp_path / "d.zarr", tmp_path / "d.nii")
    with pytest.raises(InvalidArgument, match="expected 'keep' or 'decode'"):
        read_scan(folder, encapsulated="other")


KINDS = {
    "enhanced": lambda path, voxels: make_dicom.enhanced(path, np.stack([voxels, voxels], -1)),
    "mosaic": lambda path, voxels: make_dicom.mosaic(path, voxels, rubbish=True),
    "segmentation": lambda path, voxels: make_dicom.segmentation(
        path, np.stack([voxels > 120, voxels > 150], -1)
    ),
    "odd segmentation": lambda path, voxels: make_dicom.segmentation(
        path, (voxels[:15, :19, :3] > 120)[..., None]
    ),
    "dose": lambda path, voxels: make_dicom.dose(path, voxels.astype("u4"), range(0, 30, 3)),
    "map": lambda path, voxels: make_dicom.parametric_map(path, voxels.astype("f4") / 3),
    "map of doubles": lambda path, voxels: make_dicom.parametric_map(path, voxels / 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_many_slices_come_back_under_any_name(tmp_path, voxels, kind):
    path = KINDS[kind](tmp_path / "in.dcm", voxels)
    pack(path, tmp_path / "s.ome.zarr", lossless=True)
    report = unpack(tmp_path / "s.ome.zarr", tmp_path / "other.dcm")
    assert (tmp_path / "other.dcm").read_bytes() == path.read_bytes()
    assert str(report.files[0]) == "other.dcm: the very bytes of in.dcm (SHA-256 checked)"


def test_a_file_whose_frames_lie_in_two_volumes_comes_back_from_each(tmp_path, voxels):
    path = make_dicom.enhanced(tmp_path / "a.dcm", voxels)
    dataset = pydicom.dcmread(path)
    turned = make_dicom.item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    dataset.PerFrameFunctionalGroupsSequence[9].PlaneOrientationSequence = turned
    dataset.save_as(path)
    for series, n_slices in (("5.1", 9), ("5.2", 1)):
        scan = read_scan(path, series=series)
        assert scan.voxels.shape == (16, 20, n_slices)
        found = skeletons.unpacked(scan.attachments["dicom"])
        assert dict(skeletons.contents_of(found, scan.voxels)) == files_in(tmp_path)


def noisy_series(folder):
    """A head in the noise of air, some of which a region drops."""
    rng = np.random.default_rng(1)
    air = np.abs(rng.normal(0, 12, (48, 48, 24))).astype(np.int16)
    voxels = np.maximum(make_scans.head((48, 48, 24)) * 4, air)
    return make_scans.dicom_series(folder, voxels, edit=private), voxels


def test_of_a_region_each_file_says_what_it_lacks(tmp_path):
    folder, voxels = noisy_series(tmp_path / "s")
    report = pack(folder, tmp_path / "s.ome.zarr")
    assert report.n_kept < voxels.size
    back = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    n_dropped = 0
    for file in back.files:
        before, after = (pydicom.dcmread(tmp_path / name / file.name) for name in ("s", "back"))
        differs = np.count_nonzero(before.pixel_array != after.pixel_array)
        assert file.n_dropped_voxels == differs
        n_dropped += differs
        # All else is the same.
        after.PixelData = before.PixelData
        assert before == after
    assert 0 < n_dropped <= voxels.size - report.n_kept


def test_with_its_air_a_store_gives_the_very_bytes(tmp_path):
    folder, _ = noisy_series(tmp_path / "s")
    pack(folder, tmp_path / "s.ome.zarr", air="keep")
    report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert {file.outcome for file in report.files} == {"very bytes"}
    assert files_in(tmp_path / "back") == files_in(folder)


def test_without_identifiers_nothing_of_the_files_is_kept(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    scan = read_scan(folder, identifiers=False)
    assert (scan.attachments, scan.sources, scan.notes) == ({}, (), ())
    pack(folder, tmp_path / "s.ome.zarr", identifiers=False)
    stored = b"".join(files_in(tmp_path / "s.ome.zarr").values())
    for identifier in (b"Doe", b"secret-4711", b"IM0000"):
        assert identifier not in stored
    with pytest.raises(InvalidArgument, match="it unpacks to NIfTI"):
        unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert not (tmp_path / "back").exists()


def test_many_files_are_unpacked_to_a_folder_never_to_one(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    pack(folder, tmp_path / "s.zarr")
    with pytest.raises(InvalidArgument, match="from 10 DICOM files; name a folder"):
        unpack(tmp_path / "s.zarr", tmp_path / "a.dcm")


def test_existing_files_are_not_replaced_unasked(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    pack(folder, tmp_path / "s.zarr")
    before = files_in(folder)
    with pytest.raises(InvalidArgument, match="--force"):
        unpack(tmp_path / "s.zarr", folder)
    assert files_in(folder) == before
    unpack(tmp_path / "s.zarr", folder, force=True)
    assert files_in(folder) == before


def test_the_command_line_gives_files_back(tmp_path, voxels, capsys):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    store = str(tmp_path / "s.ome.zarr")
    assert main(["pack", str(folder), store, "--lossless"]) in (0, 3)
    assert "all that the files hold of the patient is in the store" in capsys.readouterr().out
    assert main(["unpack", store, f"{tmp_path / 'back'}/", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert {file["outcome"] for file in files} == {"very bytes"}
    assert files_in(tmp_path / "back") == files_in(folder)


def test_of_many_files_those_that_came_back_are_counted_in_one_line(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "s", make_scans.head((16, 20, 14)))
    pack(folder, tmp_path / "s.zarr", lossless=True)
    report = str(unpack(tmp_path / "s.zarr", f"{tmp_path / 'back'}/"))
    assert "14 of 14 files: the very bytes of each (SHA-256 checked)" in report
    assert "IM0003" not in report


# Damage


@pytest.fixture
def attachment(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels[:, :, :3], edit=private)
    (folder / "README").write_text("read me")
    return read_scan(folder)


def test_every_prefix_of_the_attachment_is_refused(attachment):
    data = attachment.attachments["dicom"]
    for end in range(len(data)):
        with pytest.raises(CorruptStream, match="the attachment 'dicom' is damaged"):
            skeletons.unpacked(data[:end])


def test_a_changed_attachment_is_refused_or_its_files_are_not_those_that_are_listed(attachment):
    data = bytearray(attachment.attachments["dicom"])
    digests = {source.name: source.contents_sha256 for source in attachment.sources}
    rng, n_refused, n_same = np.random.default_rng(3), 0, 0
    for place in rng.integers(0, len(data), 300):
        before = data[place]
        data[place] ^= 1 << int(rng.integers(8))
        try:
            skeletons_found = skeletons.unpacked(bytes(data))
            found = dict(skeletons.contents_of(skeletons_found, attachment.voxels))
            same = {name: hashlib.sha256(found[name]).hexdigest() for name in found} == digests
            n_same += same
        except CorruptStream:
            n_refused += 1
        data[place] = before
    # A few bits of a zstd frame, such as the size of its window, change nothing.
    assert n_refused > 150
    assert n_same < 10


def index_of(data: bytes) -> tuple[dict, bytes]:
    """The index of an attachment, and the skeletons behind it."""
    from numcodecs import Zstd

    nbytes = int.from_bytes(data[5:13], "little")
    first = bytes(Zstd().decode(data[13 : 13 + nbytes]))
    end = 8 + int.from_bytes(first[:8], "little")
    return json.loads(first[8:end]), first[end:]


def with_index(data: bytes, index: dict) -> bytes:
    """The attachment with another index."""
    from numcodecs import Zstd

    _, headers = index_of(data)
    text = json.dumps(index).encode()
    block = bytes(Zstd().encode(len(text).to_bytes(8, "little") + text + headers))
    rest = data[13 + int.from_bytes(data[5:13], "little") :]
    return data[:5] + len(block).to_bytes(8, "little") + block + rest


LIES = {
    "a name outside": {"name": "../../x"},
    "an absolute name": {"name": "/x"},
    "a name with a backslash": {"name": "a\\b"},
    "no name": {"name": 7},
    "a negative size": {"skeleton_nbytes": -1},
    "an endless skeleton": {"skeleton_nbytes": 1 << 60},
    "an endless value": {"value_nbytes": 1 << 60},
    "a value that is too short": {"value_nbytes": 4},
    "a place behind the end": {"pixels_at": 1 << 40},
    "planes that are missing": {"planes": []},
    "planes that are not there": {"planes": [99]},
    "a plane that is no number": {"planes": [True]},
    "endless frames": {"layout": {"n_frames": 1 << 50}},
    "no rows": {"layout": {"rows": 0}},
    "other columns": {"layout": {"columns": 17}},
    "bits that are not there": {"layout": {"stored": 90}},
    "an unknown kind": {"layout": {"kind": "O"}},
    "an unknown setting": {"layout": {"more": 1}},
    "tiles that do not fit": {"layout": {"n_tiles": 5}},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_is_refused_before_memory_is_taken(attachment, lie):
    data = attachment.attachments["dicom"]
    index, _ = index_of(data)
    assert skeletons.unpacked(with_index(data, index))
    entry = index["files"][0]
    for name, value in LIES[lie].items():
        if isinstance(value, dict):
            entry[name].update(value)
        else:
            entry[name] = value
    with pytest.raises(CorruptStream):
        list(skeletons.contents_of(skeletons.unpacked(with_index(data, index)), attachment.voxels))


def test_a_store_without_its_attachment_is_refused(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    pack(folder, tmp_path / "s.ome.zarr")
    (inside,) = (path for path in (tmp_path / "s.ome.zarr").rglob("medroi_files"))
    shutil.rmtree(inside)
    for call in (
        lambda: unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/"),
        lambda: check(tmp_path / "s.ome.zarr"),
    ):
        with pytest.raises((CorruptStream, InvalidArgument), match=r"s\.ome\.zarr"):
            call()
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("name", [b"IM\xff", b"n" * 251 + b".dcm", "ü".encode() * 127, b"a\tb\n"])
@pytest.mark.parametrize("target", ["s.ome.zarr", "s.h5"])
def test_files_of_any_name_come_back_under_it(tmp_path, voxels, name, target):
    folder = make_scans.dicom_series(tmp_path / "s", voxels[:, :, :2])
    path = sorted(folder.iterdir())[0]
    path.rename(folder / os.fsdecode(name))
    assert returned(folder, tmp_path, target) == files_in(folder)
    assert name in os.listdir(os.fsencode(tmp_path / "back"))
