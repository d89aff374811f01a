"""Padding that a scan declares is neither air nor tissue, wherever it lies, and comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import make_dicom
import numpy as np
import pydicom
import pytest
import reference_signal
from make_scans import dicom_series
from pydicom.uid import generate_uid

import medroi
from medroi.errors import InvalidArgument
from medroi.roi import find_region
from medroi.scans import check, clear, pack, read_scan, unpack

SHAPE = (96, 96, 12)
Y, X, Z = np.indices(SHAPE, sparse=True)
RADIUS = np.hypot(X - 47.5, Y - 47.5)
BODY = (((X - 47.5) / 26) ** 2 + ((Y - 47.5) / 18) ** 2 < 1) & (Z >= 0)


def ct() -> np.ndarray:
    """A body of 40 in air of -1000, both noisy."""
    rng = np.random.default_rng(11)
    scan = np.where(BODY, 40, -1000) + rng.normal(0, 15, SHAPE)
    return np.asfortranarray(np.rint(scan).astype(np.int16))


# Where padding lies that the corners of a volume do not show.
PLACES: dict[str, Any] = {
    "a circle": np.broadcast_to(RADIUS > 46, SHAPE),
    "the corners alone": RADIUS > 64,
    "a wedge": np.broadcast_to(X < 3 * Z, SHAPE),
    "two slices": (RADIUS > 46) & (Z < 2),
    "rows": np.broadcast_to(Y < 9, SHAPE),
    "a stripe inside": np.broadcast_to((X > 12) & (X < 16), SHAPE),
}


def kept_of(scan: np.ndarray, values: Any, **options: Any) -> tuple[medroi.ScanRegion, np.ndarray]:
    codec = medroi.MedROI.fit(scan, background="auto", roi="mask", padding_values=values, **options)
    return codec.region, np.broadcast_to(codec.region.kept(), scan.shape)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("place", PLACES)
def test_declared_padding_is_kept_and_the_air_beside_it_is_not(place, order):
    scan = ct()
    scan[np.broadcast_to(PLACES[place], SHAPE)] = -2000
    scan = np.asarray(scan, order=order)
    region, kept = kept_of(scan, -2000)
    assert kept[scan == -2000].all()
    air = (scan < -900) & (scan > -1100)
    assert kept[air].mean() < 0.35
    assert region.n_missed <= 0.002 * region.n_tissue
    cleared = region.cleared(scan)
    np.testing.assert_array_equal(cleared[scan == -2000], -2000)
    np.testing.assert_array_equal(cleared[kept], scan[kept])


@pytest.mark.parametrize("place", ["a wedge", "two slices", "rows", "a stripe inside"])
def test_without_the_declaration_all_of_such_a_scan_is_kept(place):
    scan = ct()
    scan[np.broadcast_to(PLACES[place], SHAPE)] = -2000
    assert kept_of(scan, None)[1].all()


@pytest.mark.parametrize("values", [None, -2000])
def test_a_box_that_has_to_hold_the_padding_says_so(values):
    scan = ct()
    scan[np.broadcast_to(RADIUS > 60, SHAPE)] = -2000
    fitted = medroi.MedROI.fit(scan, background="auto", roi="box", padding_values=values)
    assert fitted.region.box == tuple((0, n) for n in SHAPE)
    assert find_region(scan, background=-1000).note.startswith("a box that holds the padding")
    assert kept_of(scan, values)[1].mean() < 0.45
    np.testing.assert_array_equal(fitted.decode(fitted.encode(scan)), scan)


def test_a_range_of_padding_is_kept():
    scan = ct()
    rng = np.random.default_rng(3)
    outside = np.broadcast_to(RADIUS > 46, SHAPE)
    scan[outside] = rng.integers(-3000, -1999, outside.sum())
    assert kept_of(scan, -2000)[1].all()
    region, kept = kept_of(scan, (-3000, -2000))
    assert kept[outside].all()
    assert kept[~outside & ~BODY].mean() < 0.35
    assert region.padding_values == (-3000, -2000)


@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "f4", "f8"])
def test_the_type_of_the_voxels_does_not_matter(dtype):
    scan = ct()
    scan[np.broadcast_to(PLACES["a wedge"], SHAPE)] = -2000
    codecs = [
        medroi.MedROI.fit(array, background=-1000, roi="mask", padding_values=-2000)
        for array in (scan, scan.astype(dtype))
    ]
    np.testing.assert_array_equal(*(codec.region.kept() for codec in codecs))
    assert codecs[0].region.n_kept < 0.6 * scan.size


def test_dark_tissue_has_the_same_region():
    scan = ct()
    scan[np.broadcast_to(PLACES["a wedge"], SHAPE)] = -2000
    expected = kept_of(scan, -2000)[1]
    found = kept_of(-scan, 2000, polarity="dark")[1]
    np.testing.assert_array_equal(found, expected)


def test_padding_brighter_than_tissue_is_no_tissue():
    scan = ct()
    wedge = np.broadcast_to(PLACES["a wedge"], SHAPE)
    scan[wedge] = 3000
    kept = kept_of(scan, 3000)[1]
    assert kept[wedge].all()
    assert kept[~wedge & ~BODY].mean() < 0.35


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_of_padding_is_what_the_slow_reference_keeps(seed):
    rng = np.random.default_rng(seed)
    scan = np.asarray(ct(), order="CF"[seed % 2])
    value = int(rng.choice([-1200, -1040, -1010]))
    for _ in range(12):
        low = rng.integers(0, (90, 90, 11))
        size = rng.integers(1, (40, 40, 6))
        scan[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = value
    options: dict[str, Any] = {"threshold": "noise", "background": -1000, "roi": "mask"}
    found = find_region(scan, padding_values=(value, value), **options)
    wanted = reference_signal.padding_mask(scan, (0, 1, 2), value)
    codec = medroi.MedROI.fit(scan, padding_values=value, **options)
    assert codec.region.kept()[wanted].all()
    assert found.n_missed <= 0.002 * found.n_tissue


@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("values", [-2000, (200, 300), (-1100, -900), -1000])
def test_a_declaration_of_no_padding_changes_nothing(values, roi):
    """Of values that no voxel has, or that the air has itself."""
    scan = ct()
    scan[(scan >= 200) & (scan <= 300)] = 199
    with_it, without = (
        medroi.MedROI.fit(scan, background=-1000, roi=roi, padding_values=given).region
        for given in (values, None)
    )
    np.testing.assert_array_equal(with_it.kept(), without.kept())
    assert with_it.threshold == without.threshold


@pytest.mark.parametrize("values", [(2, 1), (1, 2, 3), (), float("nan"), "a", {"low": 1}])
def test_padding_values_that_are_none_are_refused(values):
    with pytest.raises(InvalidArgument, match=r"padding.values"):
        medroi.MedROI.fit(ct(), padding_values=values)


# --- from DICOM ---


def declaring(**elements: Any) -> Callable[[int, pydicom.FileDataset], None]:
    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        for name, value in elements.items():
            dataset.add_new(name, "US" if value > 32767 else "SS", value)

    return edit


@pytest.mark.parametrize("declared", [-2000, 63536])
@pytest.mark.parametrize("place", PLACES)
def test_pixel_padding_value_is_handed_to_the_region(tmp_path, place, declared):
    """Also where it was written without its sign."""
    scan = ct()
    padding = np.broadcast_to(PLACES[place], SHAPE)
    scan[padding] = -2000
    dicom_series(tmp_path / "ct", scan, edit=declaring(PixelPaddingValue=declared))
    report = pack(tmp_path / "ct", tmp_path / "a.ome.zarr")
    whole = pack(tmp_path / "ct", tmp_path / "whole.ome.zarr", lossless=True)
    assert report.stored_nbytes < 0.6 * whole.stored_nbytes
    (note,) = [note for note in report.notes if "padding values" in note]
    assert f"-2000, as the source declares: {padding.sum()} voxels" in note
    assert "all of them come back as they are" in note
    unpack(tmp_path / "a.ome.zarr", f"{tmp_path / 'again'}/")
    again = read_scan(tmp_path / "again").voxels
    np.testing.assert_array_equal(again[padding], -2000)
    np.testing.assert_array_equal(again[BODY], scan[BODY])


def test_a_range_limit_is_the_other_end_on_either_side(tmp_path):
    scan = ct()
    outside = np.broadcast_to(RADIUS > 46, SHAPE)
    scan[outside] = np.random.default_rng(5).integers(-3000, -1999, outside.sum())
    for value, limit in ((-2000, -3000), (-3000, -2000)):
        folder = tmp_path / str(-value)
        edit = declaring(PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
        dicom_series(folder / "ct", scan, edit=edit)
        assert read_scan(folder / "ct").details["padding_values"] == [-3000, -2000]
        report = pack(folder / "ct", folder / "a.ome.zarr")
        assert report.n_kept < 0.8 * scan.size
        assert any("-3000 to -2000, as the source declares" in note for note in report.notes)


def test_padding_among_the_noise_of_the_air_is_said(tmp_path):
    scan = ct()
    circle = np.broadcast_to(RADIUS > 46, SHAPE)
    scan[circle] = -1024
    dicom_series(tmp_path / "ct", scan, edit=declaring(PixelPaddingValue=-1024))
    report = pack(tmp_path / "ct", tmp_path / "a.ome.zarr")
    (note,) = [note for note in report.notes if "padding values" in note]
    unpack(tmp_path / "a.ome.zarr", f"{tmp_path / 'again'}/")
    again = read_scan(tmp_path / "again").voxels
    changed = (scan == -1024) & (again != -1024)
    assert 0 < changed.sum() < 0.02 * scan.size
    assert not changed[circle].any()
    assert f"but {changed.sum()} that lie singly in the noise" in note


def test_slices_may_have_padding_values_of_their_own(tmp_path):
    scan = ct()
    outside = np.broadcast_to(RADIUS > 46, SHAPE)
    scan[outside] = np.broadcast_to(-2000 - Z, SHAPE)[outside]

    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        dataset.add_new("PixelPaddingValue", "SS", -2000 - k)

    dicom_series(tmp_path / "ct", scan, edit=edit)
    assert read_scan(tmp_path / "ct").details["padding_values"] == [-2011, -2000]
    report = pack(tmp_path / "ct", tmp_path / "a.ome.zarr")
    assert report.n_kept < 0.8 * scan.size


def test_clear_leaves_padding_and_check_finds_the_rest_as_it_was(tmp_path):
    scan = ct()
    wedge = np.broadcast_to(PLACES["a wedge"], SHAPE)
    scan[wedge] = -2000
    dicom_series(tmp_path / "ct", scan, edit=declaring(PixelPaddingValue=-2000))
    clear(tmp_path / "ct", f"{tmp_path / 'out'}/")
    cleared = read_scan(tmp_path / "out").voxels
    np.testing.assert_array_equal(cleared[wedge | BODY], scan[wedge | BODY])
    assert (cleared != scan).mean() > 0.3
    report = pack(tmp_path / "ct", tmp_path / "a.ome.zarr", air="keep")
    assert report.n_kept < 0.6 * scan.size
    assert check(tmp_path / "a.ome.zarr", against=tmp_path / "ct").same_contents
    unpack(tmp_path / "a.ome.zarr", f"{tmp_path / 'again'}/")
    for path in (tmp_path / "ct").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_one_chunk_that_stands_alone_has_the_same_region(tmp_path):
    scan = ct()
    scan[np.broadcast_to(PLACES["a wedge"], SHAPE)] = -2000
    dicom_series(tmp_path / "ct", scan, edit=declaring(PixelPaddingValue=-2000))
    reports = [pack(tmp_path / "ct", tmp_path / name) for name in ("a.ome.zarr", "b.zarr", "c.h5")]
    assert len({report.n_kept for report in reports}) == 1
    assert reports[0].n_kept < 0.6 * scan.size


def test_padding_of_float_pixels_is_declared_by_elements_of_their_own(tmp_path):
    scan = ct().astype(np.float32)
    scan[np.broadcast_to(PLACES["a wedge"], SHAPE)] = -2000.5
    path = make_dicom.parametric_map(tmp_path / "a.dcm", scan)
    dataset = pydicom.dcmread(path)
    dataset.FloatPixelPaddingValue = -2000.5
    dataset.save_as(path, enforce_file_format=True)
    report = pack(path, tmp_path / "a.ome.zarr", background=-1000)
    assert any("-2000.5, as the source declares" in note for note in report.notes)
    assert report.n_kept < 0.6 * scan.size


@pytest.mark.parametrize("value", ["", None, [1, 2], 70000])
def test_a_padding_value_that_is_none_is_no_reason_to_refuse(tmp_path, value):
    path = make_dicom.ct_slice(
        tmp_path / "a.dcm", ct()[:, :, 0], (0, 0, 0), SeriesInstanceUID=generate_uid()
    )
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "DS", value)
    dataset.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read_scan(path).voxels[..., 0], ct()[:, :, 0])
