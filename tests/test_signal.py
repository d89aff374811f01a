"""Signal: what stands out of the noise of the air; its level, padding values, dropped groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference_signal
from arrays import same_bits

import medroi
from medroi import MedROI, roi

SHAPE = (48, 56, 52)


def body(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """An ellipsoid that fills about a third of each axis."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.asarray(sum((axis / 0.55) ** 2 for axis in grid) < 1)


def magnitude_noise(n_coils: int, sigma: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, sigma, (2 * n_coils, *SHAPE))
    return np.sqrt((parts**2).sum(axis=0))


def found_in(voxels: np.ndarray, **options: Any) -> roi.Region:
    asked = roi.RegionOptions(**{"roi": "mask", "background": 0, **options})
    return roi.search(voxels, asked, complete=True)


@pytest.mark.parametrize("n_coils", [1, 2, 4])
@pytest.mark.parametrize("sigma", [1.5, 6.0, 200.0])
def test_noise_of_any_coils_reaches_the_level_about_once_in_an_array(
    n_coils: int, sigma: float
) -> None:
    air = magnitude_noise(n_coils, sigma, 1)
    voxels = np.where(body(), air + 40 * sigma, air).round().astype("<u2")
    level = found_in(voxels, threshold="noise").dropped.level
    others = [magnitude_noise(n_coils, sigma, seed).round() for seed in range(2, 12)]
    n_above = sum(int((noise >= level).sum()) for noise in others)
    assert n_above <= 40  # ten arrays, about one voxel each: the law is an approximation
    assert level < 1.6 * max(noise.max() for noise in others)


def test_noise_on_both_sides_of_the_background_is_normal() -> None:
    air = np.random.default_rng(1).normal(-1000, 15, SHAPE)
    voxels = np.where(body(), 40, air).round().astype("<i2")
    level = found_in(voxels, threshold="noise", background=-1000).dropped.level
    assert -1000 + 4 * 15 < level < -1000 + 6.5 * 15


def test_the_level_is_that_of_the_reference() -> None:
    """Of an array whose every voxel is in the outer eighth of an axis or another, and sampled."""
    rng = np.random.default_rng(3)
    voxels = rng.rayleigh(5, (16, 16, 16)).round().astype("<i2")
    voxels[2:14, 2:14, 2:14] = 400
    found = found_in(voxels, threshold="noise")
    shell = np.ones(voxels.shape, bool)
    shell[2:14, 2:14, 2:14] = False
    air = voxels[shell & (voxels < found.threshold)]
    expected = reference_signal.signal_level(np.sort(air), 0, voxels.size)
    assert found.dropped.level == pytest.approx(max(expected, found.threshold), rel=1e-12)


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_a_group_of_nine_voxels_is_kept_and_one_of_eight_is_counted(kind: str) -> None:
    rng = np.random.default_rng(4)
    voxels = np.where(body(), 300, rng.rayleigh(4, SHAPE)).round().astype("<i2")
    voxels[2, 2, 20:29] = 90
    voxels[44, 2, 20:28] = 90
    options = {"roi": kind, "threshold": 60, "max_miss_rate": 0.01, "background": 0}
    stream = MedROI("raw", padding=0, **options).encode(voxels)
    info, decoded = medroi.inspect(stream), MedROI().decode(stream)
    assert (decoded[2, 2, 20:29] == 90).all()
    assert not decoded[44, 2, 20:28].any()
    assert info.n_dropped_signal == info.largest_dropped_group.n_voxels == 8
    assert info.largest_dropped_group.box == ((44, 45), (2, 3), (20, 28))
    assert info.largest_dropped_group.peak == 90
    assert info.signal_level == 60


def test_a_group_is_followed_around_corners() -> None:
    """Nine voxels that touch at corners only, as a staircase, and back through earlier planes."""
    voxels = np.zeros((40, 40, 40), "<i2")
    voxels[15:25, 15:25, 15:25] = 300
    stairs = np.zeros(voxels.shape, bool)
    for i in range(5):
        stairs[2 + i, 2 + i, 2 + i] = stairs[2 + i, 10 - i, 2 + i] = True
    voxels[stairs] = 300
    codec = MedROI("raw", roi="mask", threshold=100, max_miss_rate=0.05)
    assert (codec.decode(codec.encode(voxels))[stairs] == 300).all()
    voxels[6, 6, 6] = 0
    stairs[6, 6, 6] = False
    assert not codec.decode(codec.encode(voxels))[stairs].any()


def test_only_the_largest_component_still_counts_what_it_drops() -> None:
    voxels = np.zeros((40, 40, 40), "<i2")
    voxels[15:25, 15:25, 15:25] = 300
    voxels[2:6, 2:6, 2:6] = 200
    for kind in ("box", "mask"):
        codec = MedROI("raw", roi=kind, threshold=100, components="largest")
        info = medroi.inspect(codec.encode(voxels))
        assert (info.n_dropped_signal, info.largest_dropped_group.n_voxels) == (64, 64)
        assert info.largest_dropped_mm3 == 64


def circle_scan(dtype: str, padding: float, level: float, slices: int = 20) -> np.ndarray:
    """CT with padding outside a circle, noisy air in it, and a body."""
    rng = np.random.default_rng(0)
    y, x = np.indices((128, 128)) - 63.5
    scan = np.empty((128, 128, slices))
    for z in range(slices):
        inside = (x / 32) ** 2 + (y / 24) ** 2 < 1
        air = level + np.where(inside, 1040, 0) + rng.normal(0, 15, x.shape)
        scan[..., z] = np.where(np.hypot(x, y) > 63, padding, air)
    scan = scan if dtype.startswith("<f") else scan.round()
    return np.asfortranarray(scan.astype(dtype))


@pytest.mark.parametrize(
    ("dtype", "padding", "level"),
    [("<i2", -2000, -1000), ("<i2", -2048, -1000), ("<u2", 0, 1024), ("<f4", -2000, -1000)],
)
@pytest.mark.parametrize("background", ["auto", None])
def test_padding_comes_back_as_itself_and_the_air_beside_it_goes(
    dtype: str, padding: float, level: float, background: str | None
) -> None:
    scan = circle_scan(dtype, padding, level)
    if dtype == "<f4" and background == "auto":  # no float stands out in continuous noise
        background = None
    codec = MedROI.fit(scan, roi="mask", background=background or level)
    decoded = codec.decode(codec.encode(scan))
    region = codec.region
    assert same_bits(decoded[scan == padding], scan[scan == padding])
    inside = scan > level + 500
    assert same_bits(decoded[inside], scan[inside])
    assert region.n_kept < 0.5 * scan.size
    assert abs(float(region.background) - level) < 10


@pytest.mark.parametrize("edge", [16, 32, 48])
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_padding_comes_back_in_every_chunk(kind: str, edge: int) -> None:
    """Chunks coded alone, with the numbers of the scan: no corner of the scan lies in most."""
    scan = circle_scan("<i2", -2000, -1000)
    codec = MedROI.fit(scan, roi=kind, background=-1000)
    for y in range(0, 128, edge):
        for x in range(0, 128, edge):
            chunk = np.asfortranarray(scan[y : y + edge, x : x + edge])
            decoded = codec.decode(codec.encode(chunk))
            kept = (chunk == -2000) | (chunk > -500)
            assert same_bits(decoded[kept], chunk[kept])


def test_bright_padding_is_no_tissue() -> None:
    scan = circle_scan("<u2", 0, 1024)
    scan[scan == 0] = 65535
    codec = MedROI.fit(scan, roi="mask", background=1024)
    decoded = codec.decode(codec.encode(scan))
    assert (decoded[scan == 65535] == 65535).all()
    assert codec.region.n_kept < 0.5 * scan.size


def test_two_tissues_are_no_noise() -> None:
    """Values in two groups far apart do not fit a noise law, however they are mixed."""
    rng = np.random.default_rng(6)
    air = np.where(rng.random(SHAPE) < 0.08, 10, 60) + rng.normal(0, 2, SHAPE)
    voxels = np.where(body(), 900, air).round().astype("<u2")
    region = found_in(voxels, threshold="auto")
    assert "not shown to be the noise" in region.note


@pytest.mark.parametrize("spacing", [0.0, float("nan"), float("inf"), -1.0])
def test_a_spacing_that_is_none_is_refused(spacing: float) -> None:
    with pytest.raises(medroi.errors.InvalidArgument, match="spacing_mm"):
        MedROI.fit(np.zeros((8, 8, 8), "u1"), spacing_mm=(1.0, 1.0, spacing))


def test_nothing_is_opened_along_thick_slices() -> None:
    """A sheet in one slice: noise along 1 mm voxels would be as thin, a slice of 6 mm is not."""
    voxels = np.random.default_rng(7).integers(1, 8, (64, 64, 24)).astype("<i2")
    voxels[10:50, 10:50, 4:20] = 200
    voxels[52:60, 20:40, 12] = 90
    thick = MedROI.fit(voxels, roi="mask", threshold=40, affine=np.diag([1.0, 1.0, 6.0]))
    assert thick.region.kept()[52:60, 20:40, 12].all()
    assert thick.region.n_left_out == 0


def test_holes_that_no_path_joins_to_the_border_are_kept() -> None:
    voxels = np.random.default_rng(8).integers(1, 8, (64, 64, 64)).astype("<i2")
    grid = np.meshgrid(*(np.linspace(-1, 1, 64),) * 3, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in grid))
    voxels[(radius < 0.9) & (radius > 0.75)] = 200
    stream = MedROI("raw", roi="mask", threshold=40).encode(voxels)
    decoded = MedROI().decode(stream)
    assert same_bits(decoded[radius < 0.9], voxels[radius < 0.9])
    assert not decoded[radius > 1.1].any()


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_more_groups_than_can_be_followed_keep_everything(kind: str) -> None:
    """Lone voxels in one plane, few enough for max_miss_rate and too many for its runs."""
    voxels = np.random.default_rng(9).integers(1, 8, (60, 200, 200)).astype("u1")
    voxels[20:, 10:190, 10:190] = 200
    voxels[2, ::3, ::3] = 200
    stream = MedROI("raw", roi=kind, threshold=100, max_miss_rate=0.01).encode(voxels)
    assert same_bits(MedROI().decode(stream), voxels)
    assert medroi.inspect(stream).miss_rate == 0


def test_gaps_between_thick_slices_are_no_part_of_the_contour() -> None:
    """Closing by 5 mm: along slices of 8 mm none is closed, so that fitting wants no air there."""
    voxels = np.random.default_rng(7).integers(1, 8, (64, 64, 24)).astype("<i2")
    for z in range(0, 24, 8):
        voxels[10:50, 10:50, z : z + 3] = 200
    spacings = {"thin": np.eye(3), "thick": np.diag([1.0, 1.0, 8.0])}
    shares = {}
    for name, affine in spacings.items():
        config = roi.config_of(roi.RegionOptions(threshold=40), tuple(affine.ravel()))
        layout, memory = roi.arrays.layout_of(voxels), roi.arrays.memory_of(voxels)
        mask = np.zeros(voxels.size, np.uint8)
        config.find_mask(layout, memory, 0, mask)
        shares[name] = mask.mean()
    assert 0 < shares["thick"] < 0.6 * shares["thin"]
