"""Promises of what a comparison says is dropped: the same voxels count for every region."""

from __future__ import annotations

import dataclasses
import math

import make_scans
import numpy as np
import pytest

from medroi import MedROI, metrics, roi
from medroi.cli import main
from medroi.compare import measuring, methods, tables
from medroi.compare.results import read_results
from medroi.compare.signal import largest_group, region_of, signal_of
from medroi.compare.sources import find_sources
from medroi.compare.subject import REGIONS, prepare


def thin_labels() -> np.ndarray:
    """One block, and 600 plates two voxels thick, which an opening takes away."""
    rng = np.random.default_rng(0)
    labels = np.zeros((120, 120, 60), np.uint8, order="F")
    labels[40:70, 40:70, 20:40] = 2
    for x, y, z in rng.integers(5, [110, 110, 55], (600, 3)):
        size = rng.integers(1, 6, 2)
        labels[x : x + size[0], y : y + size[1], z : z + 2] = 1 + rng.integers(3)
    return labels


def prepared(folder, voxels):
    make_scans.nifti(folder / "scan.nii", voxels, affine=np.eye(4))
    (source,) = find_sources([folder])[0]
    return prepare(source)


@pytest.fixture(scope="module")
def thin(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("thin"), thin_labels())


def lossless() -> methods.Method:
    (found,) = methods.select(["zstd"])
    return found


def mask_config(**options) -> dict:
    """A mask of which the fit is not asked, so that it may drop what it likes."""
    config = MedROI("raw", roi="mask", background=0, max_miss_rate=1, **options).get_config()
    return {name: value for name, value in config.items() if name not in ("id", "inner")}


@pytest.mark.parametrize("region", REGIONS)
def test_what_is_dropped_is_counted_in_what_comes_back(thin, region):
    labels = thin.voxels
    row, decoded = measuring.measure(thin, lossless(), region)
    lost = decoded != labels
    assert row.signal_voxels == np.count_nonzero(labels)
    assert row.missed_voxels == np.count_nonzero(lost)
    assert row.miss_rate == row.missed_voxels / row.signal_voxels
    assert row.brightest_dropped == (labels[lost].max() if lost.any() else None)
    assert (row.psnr_db == math.inf) == (row.missed_voxels == 0)


def test_a_mask_that_drops_thin_labels_is_not_called_exact(thin):
    config = mask_config(threshold=1.0)
    dropping = dataclasses.replace(
        thin, regions={"mask": region_of(thin.voxels, config, labels_in_axes(thin))}
    )
    decoded = MedROI("zstd", **config).decode(MedROI("zstd", **config).encode(thin.voxels))
    n_lost = np.count_nonzero(decoded != thin.voxels)
    assert n_lost > 500
    row, _ = measuring.measure(dropping, lossless(), "mask")
    assert row.missed_voxels == n_lost
    assert row.brightest_dropped == 3
    assert row.psnr_db < 30
    assert row.psnr_volume_db == metrics.psnr(thin.voxels, decoded, thin.peak)


def labels_in_axes(subject) -> np.ndarray:
    """The signal voxels in the axes of the scan."""
    return subject.signal.transpose(np.argsort(subject.order))


def test_labels_lose_nothing_whatever_the_region(tmp_path):
    make_scans.nifti(tmp_path / "thin.nii.gz", thin_labels(), affine=np.eye(4))
    command = ["compare", str(tmp_path / "thin.nii.gz"), "-o", str(tmp_path / "r")]
    command += ["--methods", "zstd", "--no-published", "--no-matched", "--no-times"]
    assert main(command) == 0
    rows = {row.region: row for row in read_results(tmp_path / "r" / "results.csv")}
    assert {name: row.missed_voxels for name, row in rows.items()} == dict.fromkeys(REGIONS, 0)
    assert {row.psnr_volume_db for row in rows.values()} == {math.inf}


def noisy(shape=(48, 48, 24)) -> np.ndarray:
    """A ball in noisy air, and a plate of one slice beside it, which an opening takes away."""
    rng = np.random.default_rng(3)
    volume = np.abs(rng.normal(0, 4, shape))
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    volume[sum(x * x for x in grid) < 0.3] += 150
    volume[40:46, 40:46, 3] += 90
    return np.asfortranarray(volume.astype(np.int16))


def test_signal_is_counted_before_any_opening(tmp_path):
    volume = noisy()
    subject = prepared(tmp_path, volume)
    signal = labels_in_axes(subject)
    assert signal[volume > 60].all()
    assert signal[40:46, 40:46, 3].all()
    # Most of the air is no signal, or the set would be the volume.
    assert signal.sum() < 0.25 * volume.size
    assert not (signal & (volume == 0)).any()
    # A threshold decides: no voxel that is not signal is brighter than one that is.
    assert volume[~signal].max() < volume[signal].min()


def default_thresholds(volume, options):
    """What a box and a mask of a volume get by default."""
    known = {"background": options.background, "polarity": options.polarity}
    fitted = (MedROI.fit(volume, roi=name, **known) for name in ("box", "mask"))
    return [codec.get_config()["threshold"] for codec in fitted]


def test_noise_in_the_corners_of_a_box_that_keeps_everything_is_no_signal():
    volume = noisy()
    for axis in range(3):
        # Bars of tissue through the whole volume.
        bar = [slice(size // 2 - 4, size // 2 + 4) for size in volume.shape]
        bar[axis] = slice(None)
        volume[tuple(bar)] = 150
    options = roi.RegionOptions(background=0)
    by_box, by_mask = default_thresholds(volume, options)
    of_noise = roi.find_region(volume, threshold="noise", background=0).threshold
    signal = signal_of(volume, options, [by_box, by_mask])
    assert by_box is None and by_mask is not None
    assert np.array_equal(signal, volume >= min(by_mask, of_noise))
    assert 5000 < signal.sum() < 10000


def test_one_set_of_signal_voxels_serves_every_region(tmp_path):
    subject = prepared(tmp_path, noisy())
    assert len({region.n_signal for region in subject.regions.values()}) == 1
    assert subject.regions["full"].n_missed == 0
    assert subject.regions["full"].brightest_dropped is None
    tight = region_of(subject.voxels, mask_config(threshold="noise"), labels_in_axes(subject))
    assert tight.n_signal == subject.regions["box"].n_signal
    assert tight.n_missed >= 36


def test_dark_scans_are_counted_the_other_way_round():
    volume = np.asfortranarray(1000 - noisy())
    options = roi.RegionOptions(background=1000, polarity="dark")
    signal = signal_of(volume, options, default_thresholds(volume, options))
    bright = roi.RegionOptions(background=0)
    of_bright = signal_of(noisy(), bright, default_thresholds(noisy(), bright))
    assert np.array_equal(signal, of_bright)
    config = {**mask_config(threshold="noise", polarity="dark"), "background": 1000}
    found = region_of(volume, config, signal)
    codec = MedROI("raw", **config)
    lost = codec.decode(codec.encode(volume)) != volume
    assert lost.any()
    assert found.brightest_dropped == volume[lost].min()


def test_a_value_that_is_missing_is_signal(tmp_path):
    volume = noisy().astype(np.float32)
    volume[30:32, 30:32, 20] = np.nan
    options = roi.RegionOptions(background=0)
    signal = signal_of(volume, options, default_thresholds(volume, options))
    assert signal[30:32, 30:32, 20].all()


def test_the_summary_says_what_regions_drop_once_for_all_codecs(thin):
    config = mask_config(threshold=1.0)
    dropping = dataclasses.replace(
        thin,
        regions={**thin.regions, "mask": region_of(thin.voxels, config, labels_in_axes(thin))},
    )
    chosen = methods.select(["zstd", "predict3d"])
    rows = [
        measuring.measure(dropping, method, region)[0] for method in chosen for region in REGIONS
    ]
    text = tables.summary_markdown(rows, [])
    (line,) = (line for line in text.splitlines() if line.startswith("| mask | 1 | 1 |"))
    group = rows[2].largest_missed_voxels
    assert 0 < group <= rows[2].missed_voxels
    assert f"({rows[2].missed_voxels} voxels) | scan | {group} | 3 |" in line
    assert "| full | 1 | 0 | 0 | - | 0 | - |" in text


def test_the_largest_group_is_followed_around_corners_and_not_through_time() -> None:
    mask = np.zeros((2, 6, 6, 6), bool)
    for i in range(4):
        mask[0, i, i, i] = True
    mask[1, 4, 4, 4] = mask[1, 4, 4, 5] = True
    assert largest_group(mask, None) == 4
    assert largest_group(mask, (0, 1, 2)) == 1
    assert largest_group(np.zeros((3, 3), bool), None) == 0
