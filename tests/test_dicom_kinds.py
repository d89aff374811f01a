"""Promises of reading DICOM as people have it: frames, tiles, segments, times, several series."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil

import make_dicom
import make_scans
import nibabel
import numpy as np
import pydicom
import pytest
from make_dicom import item
from pydicom.uid import generate_uid

from medroi.cli import main
from medroi.errors import InvalidArgument
from medroi.scans import check as check_store
from medroi.scans import pack, pack_series, read_scan, unpack
from medroi.scans.dicom import find_volumes

SHAPE = (16, 20, 10)


@pytest.fixture
def voxels():
    return make_scans.head(SHAPE)


@pytest.fixture
def times(voxels):
    return np.stack([voxels, voxels + 1, voxels + 2], -1)


def check(scan, expected, affine=None):
    assert scan.voxels.dtype == expected.dtype
    np.testing.assert_array_equal(scan.voxels, expected)
    wanted = make_dicom.affine_ras() if affine is None else affine
    np.testing.assert_allclose(scan.affine, wanted, atol=1e-6)


# Multi-frame files


@pytest.mark.parametrize("modality", ["MR", "CT", "PT"])
def test_an_enhanced_file_is_a_volume(tmp_path, voxels, modality):
    check(
        read_scan(make_dicom.enhanced(tmp_path / "a.dcm", voxels, modality=modality)),
        voxels,
    )


def test_frames_in_any_order_are_sorted_in_space_and_time(tmp_path, times):
    order = list(np.random.default_rng(0).permutation(30))
    scan = read_scan(make_dicom.enhanced(tmp_path / "a.dcm", times, order=order))
    check(scan, times)
    assert scan.details["volumes"] == {"temporal_position": [1, 2, 3]}


def test_frames_keep_slopes_of_their_own(tmp_path, voxels):
    def own(k, t):
        values = item(RescaleSlope=k + 1, RescaleIntercept=-5, RescaleType="HU")
        return {"PixelValueTransformationSequence": values}

    scan = read_scan(make_dicom.enhanced(tmp_path / "a.dcm", voxels, modality="CT", own=own))
    check(scan, voxels)
    assert scan.details["rescale_per_slice"] == {
        "slope": [float(k + 1) for k in range(10)],
        "intercept": [-5.0] * 10,
    }


def test_diffusion_volumes_come_with_their_b_values_and_directions(tmp_path, times):
    directions = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]

    def own(k, t):
        direction = item(DiffusionGradientOrientation=directions[t])
        return {
            "FrameContentSequence": item(StackID="1"),
            "MRDiffusionSequence": item(
                DiffusionBValue=[0.0, 1000.0, 1000.0][t],
                DiffusionGradientDirectionSequence=direction,
            ),
        }

    scan = read_scan(make_dicom.enhanced(tmp_path / "a.dcm", times, own=own))
    check(scan, times)
    assert scan.details["volumes"] == {"b_value": [0, 1000, 1000], "b_vector": directions}


def test_echoes_of_one_file_are_volumes_sorted_by_their_times(tmp_path, times):
    def own(k, t):
        return {
            "FrameContentSequence": item(StackID="1"),
            "MREchoSequence": item(EffectiveEchoTime=9.5 - 2 * t),
        }

    scan = read_scan(make_dicom.enhanced(tmp_path / "a.dcm", times, own=own))
    check(scan, times[..., ::-1])
    assert scan.details["volumes"] == {"echo_time_ms": [5.5, 7.5, 9.5]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_parametric_map_keeps_its_floats(tmp_path, voxels, dtype):
    values = np.asfortranarray(voxels.astype(dtype) / 3)
    check(read_scan(make_dicom.parametric_map(tmp_path / "a.dcm", values)), values)


@pytest.mark.parametrize("fractional", [False, True])
def test_segments_are_volumes_and_empty_slices_come_back(tmp_path, voxels, fractional):
    segments = np.stack([voxels > 120, voxels > 150, np.zeros_like(voxels)], -1).astype(np.uint8)
    segments[5:8, 3:9, 2:6, 2] = 1
    segments[:, :, 4] = 0
    scan = read_scan(make_dicom.segmentation(tmp_path / "a.dcm", segments, fractional=fractional))
    # Slices in front of the first voxel and behind the last one are not in the file at all.
    first, *_, last = np.flatnonzero(segments.any((0, 1, 3)))
    np.testing.assert_array_equal(scan.voxels, segments[:, :, first : last + 1])
    np.testing.assert_allclose(
        (scan.affine @ (0, 0, 0, 1))[:3],
        (make_dicom.affine_ras() @ (0, 0, first, 1))[:3],
        atol=1e-6,
    )
    assert scan.details["volumes"] == {"segment": [1, 2, 3]}
    assert scan.details["segments"][2]["SegmentLabel"] == "segment 3"
    assert scan.meaning == "label"


def test_one_segment_is_a_volume_of_three_axes(tmp_path, voxels):
    segments = np.ones((*SHAPE, 1), np.uint8)
    scan = read_scan(make_dicom.segmentation(tmp_path / "a.dcm", segments))
    check(scan, segments[..., 0])


@pytest.mark.parametrize("offset", [0, 10])
def test_a_dose_grid_lies_at_its_offsets(tmp_path, offset):
    values = make_scans.head(SHAPE, np.uint32)
    offsets = [offset + 3 * k for k in range(10)]
    scan = read_scan(make_dicom.dose(tmp_path / "a.dcm", values, offsets))
    affine = np.diag([-1.5, -1.25, 3.0, 1.0])
    affine[:3, 3] = 40, -25, 10
    check(scan, values, affine)
    assert scan.slope == 0.001


def test_frames_without_a_place_are_times(tmp_path):
    dataset = make_dicom.blank(make_dicom.MRImageStorage, "US")
    frames = np.arange(3 * 6 * 5, dtype=np.uint8).reshape(3, 6, 5)
    make_dicom.with_pixels(dataset, frames).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    scan = read_scan(tmp_path / "a.dcm")
    np.testing.assert_array_equal(scan.voxels, frames.transpose(2, 1, 0)[:, :, None])
    assert any("no position" in note for note in scan.notes)


# Mosaics


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n_slices", [4, 5, 10])
def test_a_mosaic_is_unfolded_where_its_slices_lie(tmp_path, reverse, n_slices):
    voxels = make_scans.head((16, 20, n_slices))
    scan = read_scan(make_dicom.mosaic(tmp_path / "a.dcm", voxels, reverse=reverse, rubbish=True))
    check(scan, voxels)
    times = [62.5 * k for k in range(n_slices)]
    assert scan.details["slice_times_ms"] == (times[::-1] if reverse else times)


def test_mosaics_of_one_series_are_a_time_series(tmp_path, times):
    uid = generate_uid()
    for t in range(3):
        elements = {
            "SeriesInstanceUID": uid,
            "FrameOfReferenceUID": "1.2.3",
            "InstanceNumber": t + 1,
            "AcquisitionNumber": t + 1,
            "AcquisitionTime": f"10590{8 + t}.5" if t < 2 else "105910.5",
        }
        voxels = np.ascontiguousarray(times[..., t])
        make_dicom.mosaic(tmp_path / f"{9 - t}.dcm", voxels, **elements)
    scan = read_scan(tmp_path)
    check(scan, times)
    assert scan.details["volumes"] == {"acquisition": [1, 2, 3], "time_s": [0.0, 1.0, 2.0]}


# One file a slice


def time_series(folder, times, **elements):
    """A file for each slice of each time; an element may be a function of the time."""
    shared = {name: generate_uid() for name in ("SeriesInstanceUID", "FrameOfReferenceUID")}

    folder.mkdir(exist_ok=True)
    for t in range(times.shape[3]):
        for k in range(times.shape[2]):
            given = {
                name: value(t, k) if callable(value) else value for name, value in elements.items()
            }
            make_dicom.ct_slice(
                folder / f"{t:02d}_{k:02d}.dcm",
                np.ascontiguousarray(times[:, :, k, t]),
                (0, 0, 3 * k),
                **{**shared, "InstanceNumber": t * times.shape[2] + k + 1, **given},
            )
    return folder


@pytest.mark.parametrize(
    ("elements", "points"),
    [
        ({"TemporalPositionIdentifier": lambda t, k: t + 1}, {"temporal_position": [1, 2, 3]}),
        ({"TriggerTime": lambda t, k: 40.5 * t}, {"trigger_time_ms": [0, 40.5, 81]}),
        ({"DiffusionBValue": lambda t, k: 500.0 * t}, {"b_value": [0, 500, 1000]}),
        ({"AcquisitionNumber": lambda t, k: 3 * t + 1}, {"acquisition": [1, 4, 7]}),
        ({"AcquisitionTime": lambda t, k: f"1000{10 * t + k:02d}"}, {"time_s": [0, 10, 20]}),
        ({}, {"order": [1, 2, 3]}),
    ],
    ids=lambda value: "-".join(value),
)
def test_a_time_series_has_four_axes_and_its_times(tmp_path, times, elements, points):
    scan = read_scan(time_series(tmp_path / "s", times, **elements))
    np.testing.assert_array_equal(scan.voxels, times)
    assert scan.axis_names == ("x", "y", "z", "t")
    found = scan.details["volumes"]
    assert {name: found[name] for name in points} == points


def test_phases_of_a_heart_are_sorted_though_slices_differ_in_their_times(tmp_path, times):
    folder = time_series(
        tmp_path / "s",
        times,
        TriggerTime=lambda t, k: 40.0 * t + k,
        InstanceNumber=lambda t, k: 100 * k + (7 * t + 3) % 5,
    )
    np.testing.assert_array_equal(read_scan(folder).voxels, times)


@pytest.mark.parametrize(
    ("elements", "step_s"),
    [
        ({"TriggerTime": lambda t, k: 40.5 * t}, 0.0405),
        ({"AcquisitionTime": lambda t, k: f"1000{10 * t + k:02d}"}, 10.0),
        ({"TriggerTime": lambda t, k: 40.5 * t**2}, None),
        ({"TemporalPositionIdentifier": lambda t, k: t + 1}, None),
    ],
)
def test_the_time_from_one_volume_to_the_next_is_kept_where_it_is_even(
    tmp_path, times, elements, step_s
):
    scan = read_scan(time_series(tmp_path / "s", times, **elements))
    assert scan.details.get("time_step_s") == step_s
    if step_s is not None:
        pack(tmp_path / "s", tmp_path / "s.ome.zarr")
        unpack(tmp_path / "s.ome.zarr", tmp_path / "s.nii")
        zooms = nibabel.load(tmp_path / "s.nii").header.get_zooms()
        assert zooms[3] == pytest.approx(step_s)


def test_a_time_point_that_lacks_a_slice_is_refused(tmp_path, times):
    folder = time_series(tmp_path / "s", times, TemporalPositionIdentifier=lambda t, k: t + 1)
    (folder / "01_04.dcm").unlink()
    with pytest.raises(InvalidArgument, match=r"_04.dcm: 2 images lie at its place \(5 of 10\)"):
        read_scan(folder)


def test_images_at_one_place_that_nothing_tells_apart_are_refused(tmp_path, times):
    folder = time_series(tmp_path / "s", times, InstanceNumber=1)
    with pytest.raises(InvalidArgument, match=r"same position .* nothing says which comes first"):
        read_scan(folder)


def test_uneven_spacing_is_kept_for_every_slice(tmp_path, voxels):
    heights = [0, 3, 6, 9, 12, 16, 20, 24.5, 29, 33.5]
    uid = generate_uid()
    for k, height in enumerate(heights):
        make_dicom.ct_slice(
            tmp_path / f"{k}.dcm",
            np.ascontiguousarray(voxels[:, :, k]),
            (0, 0, height),
            SeriesInstanceUID=uid,
            FrameOfReferenceUID="1.2.3",
            InstanceNumber=k + 1,
        )
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.details["slice_heights_mm"] == heights
    assert scan.spacing_mm[2] == pytest.approx(33.5 / 9)
    assert any("uneven slice spacing, the most between" in note for note in scan.notes)


def test_a_padding_value_is_kept_with_the_scan(tmp_path, voxels):
    path = make_dicom.ct_slice(
        tmp_path / "a.dcm",
        np.ascontiguousarray(voxels[:, :, 0]),
        (0, 0, 0),
        PixelPaddingValue=-2000,
    )
    assert read_scan(path).details["tags"]["PixelPaddingValue"] == -2000


def test_monochrome1_is_said(tmp_path, voxels):
    path = make_dicom.ct_slice(
        tmp_path / "a.dcm",
        np.ascontiguousarray(voxels[:, :, 0]),
        (0, 0, 0),
        PhotometricInterpretation="MONOCHROME1",
    )
    scan = read_scan(path)
    assert scan.polarity == "dark"
    assert any("MONOCHROME1" in note for note in scan.notes)


def test_a_high_bit_above_the_stored_bits_shifts_the_values(tmp_path):
    values = np.arange(-60, 60, dtype=np.int16).reshape(12, 10)
    path = make_dicom.ct_slice(tmp_path / "a.dcm", np.left_shift(values, 4), (0, 0, 0))
    dataset = pydicom.dcmread(path)
    dataset.BitsStored, dataset.HighBit = 12, 15
    dataset.save_as(path)
    np.testing.assert_array_equal(read_scan(path).voxels[..., 0], values)


# Colours


def coloured(path, values, *, planar, meaning="RGB", **elements):
    """Write (frame, row, column, 3) as one file."""
    dataset = make_dicom.blank(make_dicom.MRImageStorage, "US", **elements)
    make_dicom.with_pixels(dataset, values[..., 0])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, meaning
    dataset.PlanarConfiguration = int(planar)
    pixels = np.moveaxis(values, 3, 1) if planar else values
    data = pixels.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("n_frames", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_colours_are_a_last_axis_and_come_back(tmp_path, dtype, n_frames, planar):
    values = np.random.default_rng(6).integers(0, 250, (n_frames, 5, 7, 3)).astype(dtype)
    path = coloured(tmp_path / "a.dcm", values, planar=planar)
    scan = read_scan(path)
    expected = values.transpose(2, 1, 0, 3)[:, :, None]
    np.testing.assert_array_equal(scan.voxels, expected[:, :, :, 0] if n_frames == 1 else expected)
    assert scan.axis_names == (("x", "y", "z", "c") if n_frames == 1 else ("x", "y", "z", "t", "c"))
    assert scan.details["components"] == ["red", "green", "blue"]
    pack(path, tmp_path / "s.zarr")
    report = unpack(tmp_path / "s.zarr", tmp_path / "back.dcm")
    assert report.files[0].outcome == "very bytes"
    if dtype == "u1":
        unpack(tmp_path / "s.zarr", tmp_path / "s.nii")
        image = np.asarray(nibabel.load(tmp_path / "s.nii").dataobj)
        np.testing.assert_array_equal(np.stack([image[c] for c in "RGB"], -1), scan.voxels)


def test_colours_of_another_space_are_kept_as_they_are(tmp_path):
    values = np.random.default_rng(6).integers(0, 250, (1, 5, 7, 3)).astype("u1")
    scan = read_scan(coloured(tmp_path / "a.dcm", values, planar=False, meaning="YBR_FULL"))
    np.testing.assert_array_equal(scan.voxels[:, :, 0], values[0].transpose(1, 0, 2))
    assert scan.details["components"] == ["luminance", "blue difference", "red difference"]


# Several series


@pytest.fixture
def study(tmp_path, voxels):
    """Series 2 with two echoes, series 7, and a localizer in three orientations, as series 1."""
    folder = tmp_path / "study"

    def edit(number, description, **elements):
        def change(k, dataset):
            dataset.SeriesNumber, dataset.SeriesDescription = number, description
            dataset.FrameOfReferenceUID = "1.2.3"
            for name, value in elements.items():
                setattr(dataset, name, value)

        return change

    uid, scout = generate_uid(), generate_uid()
    for name, echo, more in (("a", 4.6, 0), ("b", 9.2, 7)):
        change = edit(2, "field map", EchoTime=echo, SeriesInstanceUID=uid)
        make_scans.dicom_series(folder / name, voxels + np.int16(more), edit=change)
    make_scans.dicom_series(folder / "c", voxels[:, :, :4], edit=edit(7, "t2/tse (ax)"))
    planes = ([1, 0, 0], [0, 1, 0]), ([1, 0, 0], [0, 0, -1]), ([0, 1, 0], [0, 0, -1])
    for index, cosines in enumerate(planes):
        change = edit(1, "localizer", SeriesInstanceUID=scout)
        make_scans.dicom_series(
            folder / f"l{index}", voxels[:, :, :1], cosines=cosines, edit=change
        )
    return folder


def test_a_study_is_split_into_volumes_with_names(study):
    volumes, found = find_volumes(study)
    assert [volume.label for volume in volumes] == ["1.1", "1.2", "1.3", "2.1", "2.2", "7"]
    assert [volume.name for volume in volumes] == [
        "001_1_localizer",
        "001_2_localizer",
        "001_3_localizer",
        "002_1_field-map",
        "002_2_field-map",
        "007_t2-tse-ax",
    ]
    assert sum(len(volume.frames) for volume in volumes) == len(found.images) == 27


def test_several_series_are_listed_with_what_chooses_one(study):
    with pytest.raises(InvalidArgument, match=r"holds 6 volumes, expected one: 1.1: ") as refused:
        read_scan(study)
    assert "2.2: 10 images of series 2 'field map' (MR, 16 x 20); 7: " in str(refused.value)
    assert "--series N (series=)" in str(refused.value)


@pytest.mark.parametrize(("series", "more"), [("2.1", 0), ("2.2", 7), ("002_2_field-map", 7)])
def test_a_series_is_chosen_by_its_label(study, voxels, series, more):
    np.testing.assert_array_equal(read_scan(study, series=series).voxels, voxels + more)


def test_a_series_is_chosen_by_number_or_uid_where_that_is_one_volume(study, voxels):
    expected = voxels[:, :, :4]
    np.testing.assert_array_equal(read_scan(study, series="7").voxels, expected)
    uid = str(pydicom.dcmread(next((study / "c").iterdir())).SeriesInstanceUID)
    np.testing.assert_array_equal(read_scan(study, series=uid).voxels, expected)
    with pytest.raises(InvalidArgument, match=r"holds 2 volumes, expected one: 2.1: "):
        read_scan(study, series="2")
    with pytest.raises(InvalidArgument, match=r"no series '9' among the 6 of this folder: 1.1: "):
        read_scan(study, series="9")


def test_two_images_without_a_position_are_two_volumes(tmp_path, voxels):
    def flat(k, dataset):
        del dataset.ImagePositionPatient, dataset.ImageOrientationPatient

    folder = make_scans.dicom_series(tmp_path / "s", voxels[:, :, :2], edit=flat)
    with pytest.raises(InvalidArgument, match="holds 2 volumes"):
        read_scan(folder)


# Files and DICOMDIRs


def test_one_file_is_read_alone_whatever_its_name(tmp_path, voxels):
    folder = make_scans.dicom_series(tmp_path / "s", voxels)
    path = sorted(folder.iterdir())[3]
    k = pydicom.dcmread(path).InstanceNumber - 1
    for name in ("IM0", "a.dcm", "a.ima"):
        shutil.copy(path, tmp_path / name)
        np.testing.assert_array_equal(read_scan(tmp_path / name).voxels, voxels[:, :, k : k + 1])
    (tmp_path / "a.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.gz").voxels, voxels[:, :, k : k + 1])
    for damaged in (b"\x1f\x8b", b"\x1f\x8b\x08 no gzip at all", gzip.compress(b"text")):
        (tmp_path / "b.gz").write_bytes(damaged)
        with pytest.raises(InvalidArgument, match=r"b\.gz"):
            read_scan(tmp_path / "b.gz")


@pytest.fixture
def disc(tmp_path, voxels):
    """A DICOMDIR beside its files."""
    from pydicom.fileset import FileSet

    made = FileSet()
    for path in make_scans.dicom_series(tmp_path / "s", voxels).iterdir():
        dataset = pydicom.dcmread(path)
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260102", "101112", "1"
        made.add(dataset)
    made.write(tmp_path / "disc")
    return tmp_path / "disc"


def test_a_dicomdir_stands_for_the_files_that_it_lists(disc, voxels):
    (disc / "unlisted.dcm").write_bytes(b"not DICOM")
    scan = read_scan(disc / "DICOMDIR")
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert {source.name for source in scan.sources if source.role == "sidecar"} == {"DICOMDIR"}


def test_a_listed_file_that_is_not_there_is_named(disc):
    path = sorted(path for path in disc.rglob("*") if path.is_file() and "DIR" not in path.name)[2]
    path.unlink()
    name = path.relative_to(disc).as_posix()
    with pytest.raises(InvalidArgument, match=f"DICOMDIR: lists {name}, which is not there"):
        read_scan(disc / "DICOMDIR")


def test_a_dicomdir_never_leads_out_of_its_folder(disc):
    dataset = pydicom.dcmread(disc / "DICOMDIR")
    for record in dataset.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "s", "IM0000"]
    dataset.save_as(disc / "DICOMDIR")
    with pytest.raises(InvalidArgument, match="which is no name of a file below it"):
        read_scan(disc / "DICOMDIR")


# What lies


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"NumberOfFrames": 1 << 30}, "1073741824 frames need at least"),
        ({"NumberOfFrames": 11}, "11 frames, of which 10 are described|11 frames need"),
        ({"NumberOfFrames": 0}, "NumberOfFrames is 0"),
        ({"Rows": 65535, "Columns": 65535}, "bytes, a multi-frame file of"),
        ({"BitsAllocated": 12}, "12 bits allocated"),
        ({"BitsStored": 17}, "17 stored"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "unreadable pixel data"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "RGB"}, "RGB pixels with 4 samples"),
        ({"SharedFunctionalGroupsSequence": []}, "ImageOrientationPatient is None"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_multi_frame_header_that_lies_is_refused(tmp_path, voxels, change, message):
    path = make_dicom.enhanced(tmp_path / "a.dcm", voxels)
    dataset = pydicom.dcmread(path)
    for name, value in change.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    with pytest.raises(InvalidArgument, match=message) as refused:
        read_scan(path)
    assert "a.dcm" in str(refused.value)


def test_a_grid_of_segments_that_would_be_endless_is_refused(tmp_path):
    path = make_dicom.segmentation(tmp_path / "a.dcm", np.ones((*SHAPE, 1), np.uint8))
    dataset = pydicom.dcmread(path)
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[-1].PlanePositionSequence[0].ImagePositionPatient = make_dicom.corner(1e7)
    dataset.save_as(path)
    with pytest.raises(InvalidArgument, match=r"are no multiples of 3.000 mm"):
        read_scan(path)


KINDS = {
    "enhanced": lambda path, voxels: make_dicom.enhanced(path, np.stack([voxels, voxels], -1)),
    "mosaic": make_dicom.mosaic,
    "segmentation": lambda path, voxels: make_dicom.segmentation(
        path, (voxels > 120).astype(np.uint8)[..., None]
    ),
    "dose": lambda path, voxels: make_dicom.dose(path, voxels.astype("u2"), [0, 3, 6]),
    "map": lambda path, voxels: make_dicom.parametric_map(path, voxels.astype("f4")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_prefix_of_a_multi_frame_file_is_refused(tmp_path, kind):
    path = KINDS[kind](tmp_path / "a.dcm", make_scans.head((8, 10, 3)))
    data = path.read_bytes()
    ends = np.random.default_rng(4).choice(np.arange(1, len(data) - 1), 60, replace=False)
    for end in [0, 131, 132, *ends, len(data) - 1]:
        path.write_bytes(data[:end])
        with pytest.raises(InvalidArgument) as refused:
            read_scan(path)
        assert "a.dcm" in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_are_read_or_refused_by_name(tmp_path, kind):
    path = KINDS[kind](tmp_path / "a.dcm", make_scans.head((8, 10, 3)))
    data, rng = path.read_bytes(), np.random.default_rng(5)
    n_refused = 0
    for _ in range(60):
        changed = bytearray(data)
        for place in rng.integers(132, len(data) // 2, 4):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        refused = []
        with contextlib.suppress(InvalidArgument):
            try:
                read_scan(path)
            except InvalidArgument as error:
                refused.append(str(error))
                raise
        assert all("a.dcm" in message for message in refused)
        n_refused += len(refused)
    assert n_refused > 0


# Every series into a store of its own


def test_a_folder_as_target_gets_a_store_for_each_series(study, tmp_path, voxels):
    reports = list(pack_series(study, tmp_path / "out", lossless=True))
    names = [f"{volume.name}.ome.zarr" for volume in find_volumes(study)[0]]
    assert [report.target for report in reports] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    for name in names:
        check_store(tmp_path / "out" / name, against=study)
        unpack(tmp_path / "out" / name, f"{tmp_path / 'back'}/")
    before, after = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*/*")}
        for root in (study, tmp_path / "back")
    )
    assert len(before) == 27
    assert after == before


def test_what_lies_beside_series_goes_with_the_first_that_lies_there(study, tmp_path):
    (study / "README").write_text("of the study")
    (study / "c" / "notes.txt").write_text("of series 7")
    scans = {label: read_scan(study, series=label) for label in ("1.1", "2.1", "7")}
    beside = {
        label: [source.name for source in scan.sources if source.role == "sidecar"]
        for label, scan in scans.items()
    }
    assert beside == {"1.1": ["README"], "2.1": [], "7": ["c/notes.txt"]}


def test_a_series_that_cannot_be_packed_leaves_the_others(study, tmp_path):
    path = sorted((study / "a").iterdir())[2]
    path.write_bytes(path.read_bytes()[:-1])
    made = []
    with pytest.raises(InvalidArgument, match=r"1 of 6 series could not be packed: 2\.1: ") as why:
        made.extend(pack_series(study, tmp_path / "out"))
    assert path.name in str(why.value)
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_the_command_line_packs_each_series_or_the_one_that_is_chosen(study, tmp_path, capsys):
    assert main(["pack", str(study), f"{tmp_path / 'out'}/", "--json"]) in (0, 3)
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["target"] for report in reports][-1] == "007_t2-tse-ax.ome.zarr"
    assert len(reports) == 6
    one = str(tmp_path / "one.zarr")
    assert main(["pack", str(study), one, "--series", "7"]) in (0, 3)
    assert main(["pack", str(study), str(tmp_path / "no.zarr")]) == 1
    assert "choose with --series N" in capsys.readouterr().err
    assert not (tmp_path / "no.zarr").exists()
