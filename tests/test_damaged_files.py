"""Promises about damaged files: one error that names the file, or a result; nothing else."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import make_scans
import numpy as np
import pydicom
import pytest

import medroi
from medroi.cli import main
from medroi.errors import MedROIError
from medroi.scans import pack, read_scan

SHAPE = (7, 6, 5)
N_FLIPS = 30


def damaged(data: bytes, seed: int, n_head: int) -> Iterator[bytes]:
    """Prefixes, and copies with changed bytes, most of them among the first `n_head`."""
    rng = np.random.default_rng(seed)
    yield from (data[:n] for n in (0, 1, 2, 3, 4, 8, 40, 131, 132, 133, 200, 300, 347, 348, 352))
    yield from (data[:n] for n in rng.integers(0, len(data), 12))
    for _ in range(N_FLIPS):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(0, min(n_head, len(data))))
            changed[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(0, 256)]))
        yield bytes(changed)
    yield data + b"\0" * 7
    yield data + b"rubbish"


def run(*argv: object) -> tuple[int, str]:
    """Run a command; no exception may leave it, and no warning be printed."""
    err, out = io.StringIO(), io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(err),
        contextlib.redirect_stdout(out),
    ):
        warnings.simplefilter("error")
        code = main([str(item) for item in argv])
    return code, err.getvalue()


def check_refusal(code: int, printed: str, name: str) -> None:
    """One line that names the file."""
    assert code == 1
    assert printed.startswith("medroi: error: ")
    assert printed.count("\n") == 1
    assert name in printed


def check_scan(folder: Path, source: Path, name: str) -> int:
    """`pack` and `show` answer or refuse alike; how many of both answered."""
    store = folder / "s.zarr"
    code, printed = run("pack", source, store, "--force")
    code = 0 if code in make_scans.PACKED else code
    if code:
        check_refusal(code, printed, name)
        assert not store.exists()
    else:
        assert printed == ""
        shutil.rmtree(store)
    shown, printed = run("show", source)
    if shown:
        check_refusal(shown, printed, name)
    assert shown == code or (code and not shown)
    return 1 - code


def nifti(folder: Path, dtype: str = "i2", **options: object) -> Path:
    voxels = make_scans.head(SHAPE, dtype)
    return make_scans.nifti(folder / "in.nii", voxels, extension=b"said", **options)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_nifti_is_read_or_refused_by_name(tmp_path, version, byte_order, zipped):
    data = nifti(tmp_path, version=version, byte_order=byte_order).read_bytes()
    source = tmp_path / ("bad.nii.gz" if zipped else "bad.nii")
    n_read = 0
    for changed in damaged(data, 10 * version, 352 if version == 1 else 544):
        source.write_bytes(gzip.compress(changed, mtime=0) if zipped else changed)
        n_read += check_scan(tmp_path, source, source.name)
    # Not all of the damage matters, or nothing is shown here.
    assert n_read > 5


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_damaged_freesurfer_volumes_are_read_or_refused_by_name(tmp_path, dtype):
    data = make_scans.mgz(tmp_path / "in.mgh", make_scans.head(SHAPE, dtype)).read_bytes()
    source = tmp_path / "bad.mgz"
    n_read = 0
    for changed in damaged(data, 3, 90):
        source.write_bytes(gzip.compress(changed, mtime=0))
        n_read += check_scan(tmp_path, source, source.name)
    assert n_read > 5


def test_damaged_gzip_bytes_are_read_or_refused_by_name(tmp_path):
    data = gzip.compress(nifti(tmp_path).read_bytes(), mtime=0)
    source = tmp_path / "bad.nii.gz"
    for changed in damaged(data, 4, len(data)):
        source.write_bytes(changed)
        check_scan(tmp_path, source, source.name)


@pytest.mark.parametrize(
    ("form", "place", "values"),
    [
        ("<8h", 40, (7, 32767, 32767, 32767, 32767, 1, 1, 1)),
        ("<8h", 40, (3, 0, 0, 0, 0, 0, 0, 0)),
        ("<8h", 40, (3, -1, 1, 1, 1, 1, 1, 1)),
        ("<8h", 40, (0, 7, 6, 5, 1, 1, 1, 1)),
        ("<8h", 40, (9, 7, 6, 5, 1, 1, 1, 1)),
        ("<h", 70, (0,)),
        ("<h", 70, (1,)),
        ("<h", 70, (128,)),
        ("<h", 70, (2304,)),
        ("<h", 70, (1536,)),
        ("<h", 72, (9,)),
        ("<f", 108, (-1.0,)),
        ("<f", 108, (float("inf"),)),
        ("<f", 108, (353.5,)),
        ("<f", 108, (3e9,)),
        ("<2f", 112, (float("inf"), 1.0)),
        ("<2f", 112, (float("nan"), float("nan"))),
        ("<2f", 112, (1.0, float("inf"))),
        ("<2f", 112, (1e-40, 1e38)),
        ("<4f", 76, (float("nan"),) * 4),
        ("<4f", 76, (7.0, 1e38, 1e38, 1e38)),
        ("<3f", 256, (3.0, 3.0, 3.0)),
        ("<12f", 280, (1e38,) * 12),
        ("<h", 68, (-1,)),
    ],
)
def test_headers_that_lie_are_read_or_refused_by_name(tmp_path, form, place, values):
    for codes in ((0, 1), (1, 0), (0, 0)):

        def lie(data, codes=codes):
            struct.pack_into("<hh", data, 252, *codes)
            struct.pack_into(form, data, place, *values)

        source = make_scans.nifti(tmp_path / "bad.nii", make_scans.head(SHAPE), edit=lie)
        check_scan(tmp_path, source, "bad.nii")


@pytest.mark.parametrize("wrapping", ["whole", "no preamble", "gzip"])
def test_a_damaged_slice_is_read_or_refused_by_name(tmp_path, wrapping):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((7, 6, 3)))
    path = sorted(folder.iterdir())[1]
    data = path.read_bytes()
    rest = data[144 + int.from_bytes(data[140:144], "little") :]
    plain = rest if wrapping == "no preamble" else data
    for changed in damaged(plain, 5, len(plain)):
        path.write_bytes(gzip.compress(changed, mtime=0) if wrapping == "gzip" else changed)
        # Damage may make one slice disagree with the others, of which the message names one.
        check_scan(tmp_path, folder, "series")


@pytest.mark.parametrize("vr", ["SQ", "UN", "OB"])
def test_lengths_that_lie_anywhere_in_a_slice_are_refused(tmp_path, vr):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((7, 6, 3)))
    path = sorted(folder.iterdir())[1]
    data = path.read_bytes()
    start = data.index(b"\x10\x00\x10\x00PN")
    head = b"\x08\x00\x40\x11" + vr.encode() + b"\0\0"
    for length in (1, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF):
        path.write_bytes(data[:start] + head + struct.pack("<I", length) + data[start:])
        code, printed = run("pack", folder, tmp_path / "s.zarr")
        check_refusal(code, printed, "series")


def test_every_element_of_a_slice_may_hold_nonsense(tmp_path):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((7, 6, 3)))
    path = sorted(folder.iterdir())[1]
    original = pydicom.dcmread(path)
    for element in original:
        for value in (b"", b"\xff" * 6, b"1\\2\\3\\4", b"nan ", b"1e999 ", b"-1"):
            dataset = pydicom.dcmread(path)
            raw = pydicom.dataelem.RawDataElement
            dataset[element.tag] = raw(element.tag, element.VR, len(value), value, 0, False, True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset.save_as(tmp_path / "changed", enforce_file_format=True)
            kept = path.read_bytes()
            path.write_bytes((tmp_path / "changed").read_bytes())
            try:
                check_scan(tmp_path, folder, "series")
            finally:
                path.write_bytes(kept)


def test_a_damaged_stream_is_described_or_refused_by_name(tmp_path):
    data = bytes(medroi.MedROI(inner="raw").encode(make_scans.head(SHAPE)))
    source = tmp_path / "bad.mroi"
    for changed in damaged(data, 6, 200):
        source.write_bytes(changed)
        code, printed = run("info", source)
        if code:
            check_refusal(code, printed, "bad.mroi")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_metadata_of_a_store_is_read_or_refused_by_name(tmp_path, zarr_format):
    source = nifti(tmp_path)
    store, target = tmp_path / "s.zarr", tmp_path / "back.nii"
    pack(source, store, zarr_format=zarr_format)
    path = store / ("zarr.json" if zarr_format == 3 else ".zarray")
    data = path.read_bytes()
    for changed in (*damaged(data, 7, len(data)), b"null", b"[]", b"{}", b'{"a":' * 3000, b"\xff"):
        path.write_bytes(changed)
        for command in (["info", store], ["show", store], ["unpack", store, target, "--force"]):
            code, printed = run(*command)
            if code:
                check_refusal(code, printed, "s.zarr")


def test_a_damaged_hdf5_file_is_read_or_refused_by_name(tmp_path):
    pack(nifti(tmp_path), tmp_path / "s.h5")
    data = (tmp_path / "s.h5").read_bytes()
    source, target = tmp_path / "bad.h5", tmp_path / "back.nii"
    for changed in damaged(data, 9, len(data)):
        source.write_bytes(changed)
        for command in (["info", source], ["unpack", source, target, "--force"]):
            code, printed = run(*command)
            if code:
                check_refusal(code, printed, "bad.h5")


def test_readers_raise_the_errors_of_this_project_only(tmp_path):
    source = nifti(tmp_path)
    for changed in damaged(source.read_bytes(), 8, 352):
        source.write_bytes(changed)
        with contextlib.suppress(MedROIError):
            read_scan(source)
