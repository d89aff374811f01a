"""Promises of the published protocol, and of the comparison at matched quality."""

from __future__ import annotations

import dataclasses
import io
import math

import make_scans
import needs
import numpy as np
import pytest
from PIL import Image
from scans import scan as smooth_scan

from medroi import metrics
from medroi.compare import matching, measuring, methods, published, published_wavelet
from medroi.compare.sources import find_sources
from medroi.compare.subject import prepare
from medroi.errors import InvalidArgument


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    volume = smooth_scan((40, 44, 36)).astype(np.int16)
    make_scans.nifti(folder / "head.nii.gz", np.asfortranarray(volume), affine=np.eye(4))
    (source,) = find_sources([folder])[0]
    return prepare(source)


def method(name: str) -> methods.Method:
    (found,) = methods.select([name])
    return found


def test_the_published_box_loses_the_last_voxel_of_each_axis():
    volume = np.zeros((30, 30, 30), np.int16)
    volume[8:20, 9:21, 10:22] = 300
    volume[0, ::2] = 1
    # Tissue is 8..19: padded 5..22, of which the published code keeps 5..21.
    assert published.find_box(volume) == (slice(5, 22), slice(6, 23), slice(7, 24))


def test_the_published_box_is_clipped():
    volume = np.zeros((14, 30, 30), np.int16)
    volume[1:13, 9:21, 10:22] = 300
    volume[0, ::2] = 1
    assert published.find_box(volume)[0] == slice(0, 13)


def test_the_published_rule_refuses_a_scan_of_one_value():
    with pytest.raises(InvalidArgument, match="no tissue"):
        published.find_box(np.full((8, 8, 8), 5, np.int16))


def test_published_slices_are_scaled_each_by_its_own_limits():
    stack = np.array([[[0, 10]], [[0, 1000]], [[7, 7]]], np.int16)
    assert published.to_bytes(stack, whole=False).ravel().tolist() == [0, 255, 0, 255, 0, 0]
    assert published.to_bytes(stack, whole=True).ravel().tolist() == [0, 2, 0, 255, 1, 1]


def test_published_psnr_takes_equal_slices_for_100_db():
    first = np.zeros((2, 4, 4), np.uint8)
    second = first.copy()
    second[1] = 255
    assert published.capped_psnr(first, second, per_slice=True) == 50.0
    assert published.capped_psnr(first, first, per_slice=False) == 100.0


def test_published_jpeg2000_is_pillows_slice_by_slice(subject):
    found = published.measure(subject, method("jpeg2000/rate 20"), "full")
    assert found.status == "ok"
    nbytes = 0
    for pixels in published.to_bytes(np.moveaxis(subject.voxels, -1, 0), whole=False):
        file = io.BytesIO()
        image = Image.fromarray(pixels)
        image.save(file, "JPEG2000", quality_mode="rates", quality_layers=[20])
        nbytes += len(file.getvalue())
    assert found.stored_nbytes == nbytes
    assert found.original_nbytes == subject.voxels.size
    box = published.measure(subject, method("jpeg2000/rate 20"), "box")
    assert box.original_nbytes == subject.voxels.size
    assert box.region_voxels < subject.voxels.size


@needs.pillow_heif
def test_published_heif_is_charged_a_record_a_slice(subject):
    chosen = method("heif/quality 20")
    box = published.measure(subject, chosen, "box")
    plain = dataclasses.replace(
        chosen, published=dataclasses.replace(chosen.published, coder="pillow-jpeg2000")
    )
    assert box.status == published.measure(subject, plain, "box").status == "ok"
    n_slices = box.region_voxels // math.prod(
        s.stop - s.start for s in published.find_box(subject.voxels)[:2]
    )
    record = published._record_nbytes(chosen.published, n_slices)
    assert record == 54 * n_slices
    assert published._record_nbytes(plain.published, n_slices) == 54


def test_the_published_wavelet_gives_back_what_its_search_sees():
    scaled = np.random.default_rng(4).integers(0, 256, (17, 20, 23)).astype(np.float32)
    coded = published_wavelet.encode(scaled, 3.0)
    decoded = published_wavelet.decode(coded, 3.0, scaled.shape)
    assert np.array_equal(decoded, published_wavelet.distorted(scaled, 3.0))
    assert np.abs(decoded - scaled).max() < 20


def test_the_peer_is_charged_for_header_region_and_scale(subject):
    full, _ = measuring.measure(subject, method("published-wavelet/step 5"), "full")
    mask, decoded = measuring.measure(subject, method("published-wavelet/step 5"), "mask")
    assert full.status == mask.status == "ok"
    # More than the record and the scale, beside whatever gzip makes.
    assert full.stored_nbytes > 54 + published_wavelet.SCALE_NBYTES
    outside = ~subject.in_order(decoded)[~subject.signal].astype(bool)
    assert outside.mean() > 0.5
    assert mask.max_error < 30


@pytest.mark.parametrize("region", ["full", "box", "mask"])
def test_the_psnr_that_was_asked_for_is_that_inside_the_region(subject, region):
    row, decoded = measuring.measure(subject, method("wavelet3d/psnr 40"), region)
    assert row.psnr_region_db == pytest.approx(40, abs=0.1)
    kept = subject.regions[region].kept
    error = decoded[kept].astype(float) - subject.voxels[kept]
    peak = float(np.ptp(subject.voxels[kept]))
    assert row.psnr_region_db == pytest.approx(10 * np.log10(peak**2 / np.mean(error**2)))


@pytest.mark.parametrize("region", ["full", "box", "mask"])
def test_a_lossless_codec_is_infinitely_good(subject, region):
    row, decoded = measuring.measure(subject, method("predict3d/dense"), region)
    # What is not kept comes back as background, and is the only error there is.
    assert (row.psnr_db == math.inf) == (row.missed_voxels == 0)
    assert row.psnr_volume_db == metrics.psnr(subject.voxels, decoded, subject.peak)
    assert row.compression_ratio == subject.voxels.nbytes / row.stored_nbytes
    assert row.bpv_region == 8 * row.stored_nbytes / row.region_voxels


@pytest.mark.parametrize(
    "name",
    ["jpeg2000/rate 20", "jpeg2000/psnr 45", "wavelet3d/psnr 45", "published-wavelet/step 5"],
)
def test_matched_regions_have_the_psnr_of_full(subject, name):
    full, _ = measuring.measure(subject, method(name), "full")
    rows = matching.match(subject, method(name), {"full": full})
    assert [row.region for row in rows] == ["full", "box", "mask"]
    for row in rows:
        assert row.status == "ok"
        assert abs(row.psnr_db - full.psnr_db) <= matching.TOLERANCE_DB
        assert row.peak == full.peak


def test_rows_that_are_known_change_nothing_but_the_work(subject):
    chosen = method("jpeg2000/rate 20")
    known = {r: measuring.measure(subject, chosen, r)[0] for r in ("full", "box", "mask")}
    rows = matching.match(subject, chosen, known)
    alone = matching.match(subject, chosen, {"full": known["full"]})
    assert [row.stored_nbytes for row in rows] == [row.stored_nbytes for row in alone]


@needs.pillow_heif
def test_whole_qualities_are_read_off_between_two_files(subject):
    chosen = method("heif/quality 60")
    full, _ = measuring.measure(subject, chosen, "full")
    box = next(r for r in matching.match(subject, chosen, {"full": full}) if r.region == "box")
    assert box.status == "ok"
    assert box.psnr_db == pytest.approx(full.psnr_db, abs=matching.TOLERANCE_DB)
    if "between" in box.settings:
        sizes = []
        for quality in (59, 61):
            row, _ = measuring.measure(subject, chosen.at(quality), "box")
            sizes.append(row.stored_nbytes)
        assert min(sizes) <= box.stored_nbytes <= max(sizes)


def test_a_lossless_row_is_not_matched(subject):
    row, _ = measuring.measure(subject, method("zstd"), "full")
    assert matching.match(subject, method("zstd"), {"full": row}) == []


@pytest.mark.parametrize(("slope", "wanted"), [(-8.7, 41.0), (-3.0, 37.0), (-30.0, 12.5)])
def test_a_search_reaches_any_falling_curve(slope, wanted):
    calls = []

    def psnr_of(value):
        calls.append(value)
        return 45 + slope * math.log(value) + 0.8 * math.sin(math.log(value))

    found = matching.reach(psnr_of, 5.0, wanted, (1e-6, 1e6))
    assert abs(psnr_of(found) - wanted) <= matching.TOLERANCE_DB / 2
    assert len(calls) < 12


def test_a_search_starts_with_the_setting_that_is_given():
    assert matching.reach(lambda value: 40.0, 5.0, 40.0, (1.0, 1e5)) == 5.0


def test_what_cannot_be_reached_says_so(subject):
    chosen = method("jpeg2000/rate 20")
    full, _ = measuring.measure(subject, chosen, "full")
    far = dataclasses.replace(full, psnr_db=3.0)
    statuses = [row.status for row in matching.match(subject, chosen, {"full": far})][1:]
    assert all(status.startswith("not reached") for status in statuses)
