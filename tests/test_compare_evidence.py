"""Promises of the evidence: every figure equals a slow, obvious one, and says what it claims."""

from __future__ import annotations

import math

import make_scans
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import graycomatrix
from skimage.filters import threshold_multiotsu

from medroi import metrics
from medroi.compare.evidence import fidelity, noise, texture, tissue
from medroi.compare.evidence.figure import PICTURES, draw
from medroi.compare.evidence.rows import EvidenceRow, evidence_of
from medroi.compare.evidence.summary import evidence_section
from medroi.compare.measuring import measure
from medroi.compare.methods import METHODS
from medroi.compare.results import read_rows, write_results
from medroi.compare.sources import Source
from medroi.compare.subject import Subject, prepare
from medroi.compare.work import Options, Piece, run
from medroi.errors import InvalidArgument

SHAPE = (4, 128, 128)


def anatomy(seed: int = 1) -> np.ndarray:
    """Smooth structure without noise, from 0 to 1000."""
    values = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (0, 12, 12))
    return 1000 * (values - values.min()) / np.ptp(values)


def noisy(sigma: float, seed: int = 2) -> np.ndarray:
    return anatomy() + np.random.default_rng(seed).normal(0, sigma, SHAPE)


EVERYWHERE = np.ones(SHAPE, bool)


def ratios(original: np.ndarray, decoded: np.ndarray, mask: np.ndarray = EVERYWHERE):
    return noise.spectrum_ratios(noise.patches_of(original, mask), decoded)


def class_changes(original: np.ndarray, decoded: np.ndarray):
    return tissue.changes(original, decoded, tissue.thresholds_of(original))


@pytest.mark.parametrize("sigma", [2.0, 10.0, 40.0])
@pytest.mark.parametrize("rounded", [False, True])
def test_the_noise_is_found_within_five_percent(sigma: float, rounded: bool) -> None:
    values = noisy(sigma)
    if rounded:
        values = np.rint(values).astype(np.int16)
    found = metrics.noise_sigma(values, EVERYWHERE)
    assert found == pytest.approx(sigma, rel=0.05)


def test_noise_beside_the_mask_does_not_count() -> None:
    values = noisy(5.0)
    values[:, :64] += np.random.default_rng(3).normal(0, 500, (4, 64, 128))
    mask = EVERYWHERE.copy()
    mask[:, :64] = False
    assert metrics.noise_sigma(values, mask) == pytest.approx(5.0, rel=0.05)


def test_a_noiseless_scan_has_no_noise_and_an_empty_mask_none_to_estimate() -> None:
    ramp = np.broadcast_to(np.arange(128), SHAPE)
    assert metrics.noise_sigma(ramp, EVERYWHERE) == 0
    assert metrics.noise_sigma(ramp, ~EVERYWHERE) is None


def test_equal_arrays_have_equal_spectra_and_smoothing_takes_the_high_band_first() -> None:
    values = noisy(20.0)
    assert ratios(values, values) == (1.0, 1.0, 1.0)
    smoothed = gaussian_filter(values, (0, 0.8, 0.8))
    low, middle, high = ratios(values, smoothed)
    # The transfer function of the filter, squared, at the edges of each band.
    for found, (start, stop) in zip((low, middle, high), noise.BANDS, strict=True):
        edges = [math.exp(-2 * (math.pi * f * 0.8) ** 2) ** 2 for f in (start, stop)]
        assert edges[1] * 0.8 < found < edges[0] * 1.2


def test_a_mask_of_few_patches_has_no_spectrum() -> None:
    mask = ~EVERYWHERE
    mask[0, :40, :40] = True
    assert ratios(noisy(5), noisy(5), mask) is None


def test_white_error_does_not_resemble_itself_and_smooth_error_does() -> None:
    white = np.random.default_rng(5).normal(size=SHAPE)
    assert abs(noise.residual_autocorrelation(white, EVERYWHERE)) < 0.02
    assert noise.residual_autocorrelation(gaussian_filter(white, 2), EVERYWHERE) > 0.8
    assert noise.residual_autocorrelation(np.zeros(SHAPE), EVERYWHERE) is None


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_are_those_of_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(m, 20, n) for m, n in ((100, 900), (250, 500), (400, 300))])
    found = tissue.thresholds_of(values)
    assert found == pytest.approx(tuple(threshold_multiotsu(values, classes=3)))


def test_a_class_that_grows_is_told_by_volume_and_dice() -> None:
    original = np.repeat([0.0, 100.0, 200.0], [100, 100, 100])
    decoded = original.copy()
    decoded[100:110] = 0
    volume, dice = class_changes(original, decoded)
    assert volume == pytest.approx(0.1)
    assert dice == pytest.approx(2 * 90 / (100 + 90))
    assert class_changes(original, original) == (0.0, 1.0)
    assert class_changes(np.repeat([1.0, 2.0], 9), np.repeat([1.0, 2.0], 9)) is None


def test_co_occurrence_is_that_of_scikit_image() -> None:
    levels = np.random.default_rng(9).integers(0, texture.N_LEVELS, (40, 50))
    angles = [0, np.pi / 2, np.pi / 4, 3 * np.pi / 4]
    counts = graycomatrix(levels.astype(np.uint8), [1], angles, texture.N_LEVELS, symmetric=True)
    total = counts.sum(axis=(2, 3))
    found = texture.co_occurrence(levels, np.ones(levels.shape, bool))
    np.testing.assert_allclose(found, total / total.sum())


def test_pairs_that_leave_the_mask_do_not_count() -> None:
    levels = np.zeros((8, 8), np.intp)
    levels[:, 4:] = 31
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    assert texture.co_occurrence(levels, mask)[0, 0] == 1
    assert texture.co_occurrence(levels, np.zeros((8, 8), bool)) is None


def slow_haarpsi(original: np.ndarray, decoded: np.ndarray) -> float:
    """The formulas of Reisenhofer et al. (2018), one output at a time."""

    def convolved(image: np.ndarray, window: np.ndarray) -> np.ndarray:
        height, width = window.shape
        top, left = (height - 1) // 2, (width - 1) // 2
        padded = np.zeros((image.shape[0] + height, image.shape[1] + width))
        padded[height - 1 - top : height - 1 - top + image.shape[0],
               width - 1 - left : width - 1 - left + image.shape[1]] = image  # fmt: skip
        out = np.empty(image.shape)
        turned = window[::-1, ::-1]
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                out[row, column] = (
                    padded[row : row + height, column : column + width] * turned
                ).sum()
        return out

    def coefficients(image: np.ndarray) -> list[np.ndarray]:
        half = convolved(image, np.ones((2, 2)) / 4)[::2, ::2]
        found = []
        for turned in (False, True):
            for scale in (1, 2, 3):
                window = 2.0**-scale * np.ones((2**scale, 2**scale))
                window[: window.shape[0] // 2] = -window[: window.shape[0] // 2]
                found.append(convolved(half, window.T if turned else window))
        return found

    first, second = coefficients(original), coefficients(decoded)
    above = below = 0.0
    for at in (0, 3):
        weight = np.maximum(abs(first[at + 2]), abs(second[at + 2]))
        likeness = 0.0
        for scale in (0, 1):
            a, b = abs(first[at + scale]), abs(second[at + scale])
            likeness = likeness + (2 * a * b + 30) / (a**2 + b**2 + 30)
        above += (weight / (1 + np.exp(-4.2 * likeness / 2))).sum()
        below += weight.sum()
    ratio = above / below
    return (math.log(ratio / (1 - ratio)) / 4.2) ** 2


@pytest.mark.parametrize("sigma", [1.0, 12.0])
def test_haarpsi_is_that_of_its_formulas(sigma: float) -> None:
    original = anatomy()[0, :50, :60] * 0.255
    decoded = np.clip(original + np.random.default_rng(4).normal(0, sigma, original.shape), 0, 255)
    found = fidelity.haarpsi(original, decoded)
    assert found == pytest.approx(slow_haarpsi(original, decoded), rel=1e-9)


@pytest.mark.parametrize("measure", [fidelity.vif, fidelity.haarpsi])
def test_fidelity_is_one_for_equal_slices_and_falls_with_noise(measure) -> None:
    original = anatomy()[0] * 0.255
    rng = np.random.default_rng(6)
    values = [measure(original, original)]
    assert values[0] == pytest.approx(1, abs=1e-9)
    for sigma in (2, 8, 32):
        decoded = np.clip(original + rng.normal(0, sigma, original.shape), 0, 255)
        values.append(measure(original, decoded))
    assert values == sorted(values, reverse=True)
    flat = np.full((64, 64), 7.0)
    assert measure(flat, flat) == pytest.approx(1)


def head(tmp_path) -> Source:
    rng = np.random.default_rng(12)
    _, y, x = np.indices((12, 96, 96))
    inside = (y - 48) ** 2 + (x - 48) ** 2 < 40**2
    tissue_mean = np.where(x > 60, 500, np.where(y > 50, 350, 200))
    values = np.where(inside, tissue_mean + rng.normal(0, 12, inside.shape), 0)
    values += np.hypot(*rng.normal(0, 4, (2, *inside.shape)))
    path = tmp_path / "heads" / "one.nii.gz"
    path.parent.mkdir()
    make_scans.nifti(path, np.rint(values).T.astype(np.int16), affine=np.eye(4))
    return Source("heads", "one", "volume", (str(path),))


def pieces(source: Source, *labels: str) -> list[Piece]:
    options = Options(protocols=("medroi",), matched=False)
    return [Piece(source, m, options, "figures") for m in METHODS if m.label in labels]


def test_a_lossy_codec_has_a_row_for_every_region_and_a_lossless_one_none(tmp_path) -> None:
    labels = ("zstd/lossless", "wavelet3d/psnr 40", "wavelet3d/psnr 50")
    lossless, coarse, fine = pieces(head(tmp_path), *labels)
    assert run(lossless).evidence == ()
    good, bad = run(fine).evidence, run(coarse).evidence
    assert [row.region for row in good] == ["full", "box", "mask"]
    for better, worse in zip(good, bad, strict=True):
        assert better.noise_sigma == worse.noise_sigma == pytest.approx(12, rel=0.15)
        assert better.error_per_noise == pytest.approx(better.rms_error / better.noise_sigma)
        assert better.error_per_noise < worse.error_per_noise
        assert better.spectrum_high > worse.spectrum_high
        assert better.vif > worse.vif
        assert better.haarpsi > worse.haarpsi
        assert 0.9 < worse.least_dice <= 1
        assert abs(better.contrast_change) < abs(worse.contrast_change)


def test_missing_values_and_what_the_region_drops_are_no_error_of_the_codec(tmp_path) -> None:
    subject: Subject = prepare(head(tmp_path))
    method = next(m for m in METHODS if m.label == "wavelet3d/psnr 45")
    row, decoded = measure(subject, method, "mask")
    beside = decoded.copy()
    beside[~subject.regions["mask"].kept] = 12345
    assert (
        evidence_of(subject, row, beside).max_error == evidence_of(subject, row, decoded).max_error
    )
    assert evidence_of(subject, row, subject.voxels) is None


def made(data_set: str, level: str, bits: float, **figures: float) -> EvidenceRow:
    return EvidenceRow("one", data_set, "wavelet3d", level, "mask", bpv_volume=bits, **figures)


ROWS = [
    made("a", "psnr 40", 0.5, error_per_noise=1.5, vif=0.5, volume_change=0.03, least_dice=0.8),
    made("a", "psnr 50", 1.5, error_per_noise=0.5, vif=0.8, volume_change=0.01, least_dice=0.9),
]


def test_rows_come_back_from_their_file(tmp_path) -> None:
    write_results(ROWS, tmp_path / "evidence.csv", EvidenceRow)
    assert read_rows(tmp_path / "evidence.csv", EvidenceRow) == ROWS


def test_the_summary_says_the_worst_where_a_mean_would_hide_it() -> None:
    worse = made("a", "psnr 40", 0.5, error_per_noise=2.5, volume_change=0.09, least_dice=0.6)
    text = "\n".join(evidence_section([*ROWS, worse]))
    line = next(line for line in text.splitlines() if "psnr 40" in line)
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[4] == "2.00"
    assert "9.00" in cells
    assert "0.600" in cells
    assert evidence_section([]) == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.file)
def test_a_figure_is_drawn_alike_twice_or_refused(tmp_path, picture) -> None:
    if not any(getattr(row, name) is not None for row in ROWS for name in picture.names):
        with pytest.raises(InvalidArgument, match="no figure"):
            draw(ROWS, picture, tmp_path / "a.png")
        return
    draw(ROWS, picture, tmp_path / "a.png")
    draw(ROWS, picture, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
