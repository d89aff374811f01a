"""Promises of what a comparison reads: volumes, images, DICOM, and no stop at anything else."""

from __future__ import annotations

import make_scans
import numpy as np
import pytest
from PIL import Image

from medroi.compare.reading import read
from medroi.compare.sources import find_sources
from medroi.compare.subject import prepare
from medroi.errors import InvalidArgument


def breast(shape=(60, 44)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside = (rows - 30) ** 2 + (columns * 1.2) ** 2 < 600
    texture = np.random.default_rng(1).integers(20000, 60000, shape)
    return np.where(inside, texture, 0).astype(np.uint16)


@pytest.fixture
def folder(tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    make_scans.nifti(mixed / "head.nii.gz", make_scans.head())
    Image.fromarray(breast()).save(mixed / "left.png")
    Image.fromarray(breast()).save(mixed / "right.tif")
    one = make_scans.dicom_series(tmp_path / "one", breast().T[:, :, None])
    next(one.iterdir()).rename(mixed / "view.dcm")
    make_scans.dicom_series(mixed / "series", make_scans.head())
    (mixed / "notes.txt").write_text("no scan")
    (mixed / "damaged.nii.gz").write_bytes(b"\x1f\x8b nothing of the kind")
    (mixed / ".hidden").write_text("")
    return mixed


def test_every_kind_of_scan_is_found_and_the_rest_is_listed(folder, tmp_path):
    sources, failures = find_sources([folder, tmp_path / "gone"])
    found = {(source.kind, source.scan) for source in sources}
    assert found == {
        ("volume", "head"),
        ("volume", "damaged"),
        ("image", "left"),
        ("image", "right"),
        ("dicom", "view"),
        ("dicom", "series"),
    }
    assert {failure.path for failure in failures} == {"mixed/notes.txt", "gone"}
    assert not any(str(tmp_path) in failure.path for failure in failures)


def test_images_of_16_bits_are_read_as_they_are_whatever_the_format(folder):
    sources, _ = find_sources([folder])
    for source in sources:
        if source.scan in ("left", "right", "view"):
            voxels = read(source).voxels
            assert voxels.dtype == np.uint16
            assert np.array_equal(voxels, breast())


def test_a_series_is_one_volume(folder):
    (series,) = (s for s in find_sources([folder])[0] if s.scan == "series")
    assert np.array_equal(read(series).voxels, make_scans.head())
    assert series.data_set == "mixed"


def test_a_damaged_scan_is_refused_by_name(folder):
    (damaged,) = (s for s in find_sources([folder])[0] if s.scan == "damaged")
    with pytest.raises(InvalidArgument, match="damaged"):
        prepare(damaged)


def test_colour_and_several_pages_are_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "colour.png")
    pages = [Image.fromarray(breast()) for _ in range(2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    for source in find_sources([tmp_path])[0]:
        with pytest.raises(InvalidArgument, match="expected"):
            read(source)


def test_scans_of_one_name_are_told_apart_and_none_is_taken_twice(tmp_path):
    Image.fromarray(breast()).save(tmp_path / "a.png")
    Image.fromarray(breast()).save(tmp_path / "a.tif")
    sources, _ = find_sources([tmp_path, tmp_path / "a.png"])
    assert [source.scan for source in sources] == ["a", "a (2)"]


def test_every_region_of_a_subject_is_measured_on_the_same_voxels(folder):
    (source,) = (s for s in find_sources([folder])[0] if s.scan == "head")
    subject = prepare(source)
    assert subject.regions["full"].n_voxels == subject.voxels.size
    assert subject.regions["full"].miss_rate == 0
    assert subject.regions["box"].n_voxels < subject.voxels.size
    # Its air is 0: nothing is opened away, not the tips of the ellipsoid either.
    assert np.array_equal(subject.signal, subject.in_order(subject.voxels) != 0)
    assert subject.peak == np.ptp(subject.in_order(subject.voxels)[subject.signal])


def test_an_empty_scan_is_refused(tmp_path):
    make_scans.nifti(tmp_path / "empty.nii", np.zeros((8, 9, 10), np.int16, order="F"))
    (source,) = find_sources([tmp_path])[0]
    with pytest.raises(InvalidArgument):
        prepare(source)
