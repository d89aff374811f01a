"""Colours and lookup tables of DICOM that is not compressed: as pydicom reads them, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import make_dicom
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, pixel_array
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

import medroi
from medroi.errors import InvalidArgument
from medroi.scans import check, clear, pack, read_scan, unpack
from medroi.scans.dicom.layout import PixelLayout
from medroi.scans.scaling import scaling_of

ROWS, COLUMNS = 6, 10


def colours(path: Path, meaning: str, *, planar: int = 0, n_frames: int = 1, **more: Any) -> Path:
    """Write random colours; also where two pixels share one."""
    rng = np.random.default_rng(len(meaning))
    samples = {"CMYK": 4, "ARGB": 4}.get(meaning, 3)
    per_pixel = 2 if meaning.endswith("_422") else samples
    sop_class = UltrasoundMultiFrameImageStorage if n_frames > 1 else SecondaryCaptureImageStorage
    dataset = make_dicom.blank(sop_class, "US")
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = samples, meaning
    dataset.PlanarConfiguration = planar
    if n_frames > 1:
        dataset.NumberOfFrames = n_frames
    for name, value in more.items():
        setattr(dataset, name, value)
    data = rng.integers(0, 256, n_frames * dataset.Rows * dataset.Columns * per_pixel, np.uint8)
    dataset.add_new("PixelData", "OB", data.tobytes() + b"\0" * (data.size % 2))
    dataset.save_as(path, enforce_file_format=True)
    return path


def check_returned(source: Path, tmp_path: Path, name: str = "store.ome.zarr") -> None:
    """Pack one file, check the store and unpack it to its very bytes."""
    store = tmp_path / name
    pack(source, store)
    assert check(store, against=source).same_contents
    unpack(store, f"{tmp_path / 'again'}/")
    assert (tmp_path / "again" / source.name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("n_frames", [1, 3])
@pytest.mark.parametrize(
    ("meaning", "planar"),
    [("RGB", 0), ("RGB", 1), ("YBR_FULL", 0), ("YBR_FULL", 1), ("YBR_FULL_422", 0)],
)
def test_colours_are_those_of_pydicom_and_come_back(tmp_path, meaning, planar, n_frames):
    source = colours(tmp_path / "a.dcm", meaning, planar=planar, n_frames=n_frames)
    expected = pixel_array(source, raw=True).reshape(n_frames, ROWS, COLUMNS, 3)
    scan = read_scan(source)
    found = scan.voxels.reshape(COLUMNS, ROWS, n_frames, 3).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(found, expected)
    assert scan.meaning == "colour"
    assert scan.axis_names[-1] == "c"
    # OME-Zarr has no room for colours that change with time.
    check_returned(source, tmp_path, "store.ome.zarr" if n_frames == 1 else "store.zarr")


@pytest.mark.parametrize("meaning", ["CMYK", "ARGB", "HSV", "YBR_PARTIAL_422"])
def test_retired_colours_keep_their_numbers_and_come_back(tmp_path, meaning):
    source = colours(tmp_path / "a.dcm", meaning)
    scan = read_scan(source)
    data = np.frombuffer(pydicom.dcmread(source).PixelData, np.uint8)
    components = scan.details["components"]
    assert scan.voxels.shape == (COLUMNS, ROWS, 1, len(components))
    if meaning.endswith("422"):
        assert components == ["luminance", "blue difference", "red difference"]
        np.testing.assert_array_equal(scan.voxels[:2, 0, 0, 0], data[:2])
        np.testing.assert_array_equal(scan.voxels[:2, 0, 0, 1:], [data[2:4]] * 2)
    else:
        expected = data.reshape(ROWS, COLUMNS, len(components)).transpose(1, 0, 2)
        np.testing.assert_array_equal(scan.voxels[:, :, 0], expected)
    check_returned(source, tmp_path)


def test_a_file_that_pydicom_ships_comes_back(tmp_path):
    (source,) = map(Path, get_testdata_files("SC_ybr_full_422_uncompressed.dcm"))
    expected = pixel_array(source, raw=True).transpose(1, 0, 2)
    np.testing.assert_array_equal(read_scan(source).voxels[:, :, 0], expected)
    check_returned(source, tmp_path)


@pytest.mark.parametrize(
    ("meaning", "more", "said"),
    [
        ("YBR_FULL_422", {"Columns": 9}, "expected an even number"),
        ("CMYK", {"SamplesPerPixel": 3}, "CMYK pixels with 3 samples; expected 4"),
        ("RGB", {"SamplesPerPixel": 1}, "RGB pixels with 1 samples; expected 3"),
        ("YBR_PARTIAL_420", {}, "photometric interpretation YBR_PARTIAL_420; expected"),
        ("YBR_RCT", {}, "photometric interpretation YBR_RCT; expected"),
    ],
)
def test_colours_that_nobody_can_tell_are_refused_by_name(tmp_path, meaning, more, said):
    source = colours(tmp_path / "a.dcm", meaning, **more)
    with pytest.raises(InvalidArgument, match=said) as caught:
        read_scan(source)
    assert "a.dcm" in str(caught.value)


def test_shared_colours_that_are_cut_off_are_refused(tmp_path):
    source = colours(tmp_path / "a.dcm", "YBR_FULL_422")
    dataset = pydicom.dcmread(source)
    dataset.PixelData = dataset.PixelData[:-4]
    dataset.save_as(source, enforce_file_format=True)
    with pytest.raises(InvalidArgument, match="its header declares 120"):
        read_scan(source)


def test_a_layout_that_no_file_has_is_refused():
    layout = PixelLayout(1, 4, 6, "u", 8, 8, samples=3, subsampled=True)
    assert PixelLayout.from_json(layout.to_json()) == layout
    for wrong in ({"columns": 5}, {"samples": 1}, {"planar": True}):
        with pytest.raises(ValueError, match="no file has"):
            PixelLayout.from_json({**layout.to_json(), **wrong})


@pytest.mark.parametrize(
    ("meaning", "planar"), [("RGB", 0), ("RGB", 1), ("YBR_FULL_422", 0), ("CMYK", 0)]
)
def test_colours_have_no_air_to_clear(tmp_path, meaning, planar):
    source = colours(tmp_path / "a.dcm", meaning, planar=planar, n_frames=2)
    clear(source, f"{tmp_path / 'out'}/")
    (path,) = (tmp_path / "out").iterdir()
    assert pydicom.dcmread(path).PixelData == pydicom.dcmread(source).PixelData


# --- modality lookup tables ---


def with_table(path: Path, *, first: int = -20, n_bits: int = 16, vr: str = "US") -> Path:
    """Give a CT slice a table of 100 values in place of slope and intercept."""
    dataset = pydicom.dcmread(path)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    values = np.random.default_rng(8).permutation(300)[:100] % (1 << n_bits)
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [100, first, n_bits])
    item.ModalityLUTType = "OD"
    order = "<>"[path.stem == "big"]
    item.add_new(
        "LUTData", vr, values.tolist() if vr == "US" else values.astype(f"{order}u2").tobytes()
    )
    dataset.ModalityLUTSequence = [item]
    if path.stem == "big":
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    if path.stem == "implicit":
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    syntax = dataset.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(
        path,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=True,
    )
    return path


def slice_of_numbers() -> np.ndarray:
    return np.random.default_rng(4).integers(-60, 130, (12, 9)).astype(np.int16)


@pytest.mark.parametrize("name", ["plain", "implicit", "big"])
@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_modality_table_gives_the_values_of_pydicom(tmp_path, name, vr):
    source = make_dicom.ct_slice(tmp_path / f"{name}.dcm", slice_of_numbers(), (0, 0, 0))
    with_table(source, vr=vr)
    dataset = pydicom.dcmread(source)
    expected = apply_modality_lut(dataset.pixel_array, dataset).T
    scan = read_scan(source)
    np.testing.assert_array_equal(scan.voxels[:, :, 0], slice_of_numbers())
    assert any("modality lookup table of 100 values" in note for note in scan.notes)
    pack(source, tmp_path / "a.ome.zarr", lossless=True)
    unpack(tmp_path / "a.ome.zarr", tmp_path / "a.nii")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii").voxels[:, :, 0], expected)
    with medroi.open(tmp_path / "a.ome.zarr") as packed:
        np.testing.assert_array_equal(np.asarray(packed.scaled)[:, :, 0], expected)
        np.testing.assert_array_equal(packed.scaled[2:5, 1:3, 0], expected[2:5, 1:3])
        np.testing.assert_array_equal(packed.to_nibabel().get_fdata()[:, :, 0], expected)


def test_files_with_a_modality_table_come_back(tmp_path):
    source = make_dicom.ct_slice(tmp_path / "a.dcm", slice_of_numbers(), (0, 0, 0))
    check_returned(with_table(source), tmp_path)


def test_clear_keeps_the_table_in_dicom_and_writes_its_values_into_nifti(tmp_path):
    source = with_table(make_dicom.ct_slice(tmp_path / "a.dcm", slice_of_numbers(), (0, 0, 0)))
    dataset = pydicom.dcmread(source)
    clear(source, f"{tmp_path / 'out'}/")
    (path,) = (tmp_path / "out").iterdir()
    assert pydicom.dcmread(path).ModalityLUTSequence == dataset.ModalityLUTSequence
    clear(source, tmp_path / "a.nii.gz")
    expected = apply_modality_lut(dataset.pixel_array, dataset).T
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii.gz").voxels[:, :, 0], expected)


def test_entries_of_a_byte_may_lie_in_bytes(tmp_path):
    source = with_table(make_dicom.ct_slice(tmp_path / "a.dcm", slice_of_numbers(), (0, 0, 0)))
    dataset = pydicom.dcmread(source)
    item = dataset.ModalityLUTSequence[0]
    item.LUTDescriptor = [100, -20, 8]
    item["LUTData"] = pydicom.DataElement(0x00283006, "OW", bytes(range(100)))
    dataset.save_as(source, enforce_file_format=True)
    assert read_scan(source).details["modality_lut"]["values"] == list(range(100))


def test_slices_share_their_modality_table_or_are_refused(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    uid = pydicom.uid.generate_uid()
    for k in range(3):
        path = make_dicom.ct_slice(
            folder / f"{k}.dcm",
            slice_of_numbers(),
            (0, 0, 3 * k),
            SeriesInstanceUID=uid,
            FrameOfReferenceUID="1.2.3",
            InstanceNumber=k + 1,
        )
        with_table(path)
    scan = read_scan(folder)
    assert scan.details["modality_lut"]["type"] == "OD"
    assert scan.voxels.shape == (12, 9, 3)
    with_table_again = pydicom.dcmread(folder / "1.dcm")
    with_table_again.ModalityLUTSequence[0].LUTDescriptor = [99, -20, 16]
    with_table_again.save_as(folder / "1.dcm", enforce_file_format=True)
    with pytest.raises(InvalidArgument, match="another modality lookup table"):
        read_scan(folder)


@pytest.mark.parametrize("descriptor", [[101, -20, 16], [100, -20], None, ["a", 0, 16]])
def test_a_damaged_modality_table_is_refused(tmp_path, descriptor):
    source = with_table(make_dicom.ct_slice(tmp_path / "a.dcm", slice_of_numbers(), (0, 0, 0)))
    dataset = pydicom.dcmread(source)
    item = dataset.ModalityLUTSequence[0]
    del item.LUTDescriptor
    if descriptor is not None:
        vr = "LO" if "a" in descriptor else "SS"
        item.add_new("LUTDescriptor", vr, list(map(str, descriptor)) if vr == "LO" else descriptor)
    dataset.save_as(source, enforce_file_format=True)
    with pytest.raises(InvalidArgument, match=r"a\.dcm: a modality lookup table that cannot be"):
        read_scan(source)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"first": 0, "values": []},
        {"first": 0, "values": [-1]},
        {"first": 1 << 40, "values": [1]},
        {"first": 0, "values": "a"},
    ],
)
def test_a_damaged_table_of_a_store_is_refused(found):
    facts = {"details": {"modality_lut": found}}
    with pytest.raises(InvalidArgument, match="damaged"):
        scaling_of(facts, (3, 3, 3), "a.zarr")
