"""Scans that no region should have to meet: nothing fails from deep inside, and every loss counts.

A loss is counted here from the decoded voxels alone, with NumPy and SciPy.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import make_scans
import numpy as np
import numpy.typing as npt
import pytest
import reference_signal
import reference_stream
import zarr
from arrays import same_bits

import medroi
import medroi.zarr
from medroi import MedROI, roi
from medroi.cli import main

SHAPE = (30, 36, 40)
Array = npt.NDArray[Any]


def ellipsoid(shape: tuple[int, ...], radius: float = 0.55) -> Array:
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.asarray(sum((axis / radius) ** 2 for axis in grid) < 1)


def air(seed: int, shape: tuple[int, ...] = SHAPE) -> Array:
    return np.random.default_rng(seed).rayleigh(5, shape)


def head(seed: int = 1, shape: tuple[int, ...] = SHAPE) -> Array:
    rng = np.random.default_rng(seed + 100)
    return np.where(ellipsoid(shape), 300 + 30 * rng.normal(size=shape), air(seed, shape))


def with_values(array: Array, place: Any, values: Any) -> Array:
    changed = array.copy()
    changed[place] = values
    return changed


def bright_border() -> Array:
    scan = head()
    for axis in range(3):
        scan.swapaxes(0, axis)[[0, -1]] = 65535
    return scan


def zero_wedge() -> Array:
    """Zeros that a motion correction moved in from two sides."""
    scan = head()
    for z in range(SHAPE[0]):
        scan[z, : z // 3] = 0
        scan[z, :, : z // 5] = 0
    return scan


def zero_padded() -> Array:
    """Smooth air: the middle of k-space alone was measured."""
    space = np.zeros(SHAPE, complex)
    space[7:23, 9:27, 10:30] = np.fft.fftshift(np.fft.fftn(head(3, (16, 18, 20))))
    return np.abs(np.fft.ifftn(np.fft.ifftshift(space))) * 7.5


def bodies() -> Array:
    scan = air(4)
    for z, y, x in ((8, 8, 8), (22, 26, 30), (9, 27, 32)):
        scan[z - 4 : z + 4, y - 4 : y + 4, x - 4 : x + 4] += 200
    return scan


def sheet(axis: int, place: int) -> Array:
    scan = head()
    scan.swapaxes(0, axis)[place, 4:26, 4:26] = 200
    return scan


def wire() -> Array:
    """One voxel thick, and along no axis."""
    scan = head()
    for n in range(24):
        scan[2 + n // 2, 2 + n, 2] = 200
    return scan


def table() -> Array:
    """Two thin plates below a body."""
    scan = head()
    scan[3:27, 33], scan[3:27, 35, 4:36] = 90, 60
    return scan


SCANS = {
    "all noise": air(2),
    "no air": 300 + 3 * air(2),
    "all air": np.zeros(SHAPE),
    "one value": np.full(SHAPE, 7.0),
    "one voxel": with_values(np.zeros(SHAPE), (3, 4, 5), 9),
    "one voxel in noise": with_values(air(2), (3, 4, 5), 90),
    "two values": np.where(ellipsoid(SHAPE), 5.0, 2.0),
    "nan in air": with_values(head(), np.s_[2:5, 3, 7], np.nan),
    "inf in air": with_values(head(), np.s_[2:5, 3, 7], [np.inf, -np.inf, np.inf]),
    "65535 on every border": bright_border(),
    "8 bits": np.clip(head() / 2, 0, 255).round(),
    "ghost": head() + np.roll(np.where(ellipsoid(SHAPE), 18, 0), 18, 1),
    "wrap-around": np.maximum(head(), np.roll(np.where(ellipsoid(SHAPE), 290, 0), 20, 1)),
    "zero wedges": zero_wedge(),
    "zero-padded k-space": zero_padded(),
    "defaced": with_values(head(), np.s_[:8, :12], 0),
    "slabs of zeros": with_values(head(), np.s_[:, [*range(8), *range(26, 36)]], 0),
    "noise that is wider on one side": head() * np.geomspace(0.5, 2, SHAPE[0])[:, None, None],
    "interleaved slices": head() + np.where(np.arange(SHAPE[2]) % 2, 6, 0),
    "hot voxels": with_values(head(), np.s_[[2, 20, 27], [3, 4, 30], [1, 38, 5]], 3000),
    "wire": wire(),
    "table": table(),
    "cropped": head()[8:22, 10:26],
    "several bodies": bodies(),
    **{f"sheet across {axis} at {n}": sheet(axis, n) for axis in range(3) for n in (0, 3)},
    "one slice": head()[:, :, 20:21],
    "image": head()[15],
    "line": head()[15:16, 18:19],
}
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "auto mask": {"roi": "mask", "background": "auto"},
    "noise mask": {"roi": "mask", "threshold": "noise"},
    "noise box": {"threshold": "noise", "max_miss_rate": 0, "padding": 0},
    "mean box": {"threshold": "mean", "max_miss_rate": 0.01},
    "otsu mask": {"roi": "mask", "threshold": "otsu", "max_miss_rate": 1},
    "number": {"roi": "mask", "threshold": 60, "max_miss_rate": 0},
    "largest": {"roi": "mask", "threshold": "noise", "components": "largest"},
}


def stored(scan: Array, dtype: str) -> Array:
    if np.dtype(dtype).kind == "f":
        with np.errstate(over="ignore"):  # 65535 is infinity in 16 bits
            return scan.astype(dtype)
    limits = np.iinfo(dtype)
    finite = np.nan_to_num(scan, nan=0, posinf=60000, neginf=-60000)
    return finite.round().clip(limits.min, limits.max).astype(dtype)


def assert_loss_is_as_said(scan: Array, **options: Any) -> Array:
    """Encode, decode, and count; returns where voxels changed."""
    stream = MedROI("raw", **options).encode(scan)
    decoded, info = MedROI().decode(stream), medroi.inspect(stream)
    assert same_bits(reference_stream.read(bytes(stream)), decoded)
    changed = scan.view(f"u{scan.itemsize}") != decoded.view(f"u{scan.itemsize}")
    assert np.isfinite(scan[changed]).all()
    assert (decoded[changed] == info.background).all()
    asked = roi.RegionOptions(**{**options, "background": info.background})
    level = roi.search(scan, asked).dropped.level
    signal = scan >= np.float64(level)
    assert not np.isnan(level) or not changed.any()
    lost = signal & changed
    n_largest = reference_signal.largest_group(lost, info.axes)
    largest = info.largest_dropped_group
    assert info.n_dropped_signal == lost.sum()
    assert n_largest == (largest.n_voxels if largest else 0)
    if largest:
        assert (info.n_signal, info.signal_level) == (signal.sum(), level)
    if options.get("components") != "largest" and options.get("max_miss_rate") != 1:
        assert n_largest <= reference_signal.LIMIT
        assert lost.sum() <= options.get("max_miss_rate", 0.002) * signal.sum()
    return changed


@pytest.mark.parametrize("dtype", ["<i2", "|u1", "<f2"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCANS)
def test_what_is_lost_is_what_the_stream_says(name: str, way: str, dtype: str) -> None:
    assert_loss_is_as_said(np.ascontiguousarray(stored(SCANS[name], dtype)), **WAYS[way])


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 3), (0, 2, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("way", WAYS)
def test_repeats_are_counted_wherever_they_lie(way: str, order: Any, axes: tuple[int, ...]) -> None:
    """Also among the elements of one place of the volume."""
    repeats = [stored(head(seed, (14, 18, 20)), "<i2") for seed in range(12)]
    repeats[5][1, 1, 1:10] = repeats[7][12, 1, 1:9] = 200
    scan = np.asarray(np.stack(repeats, -1 if axes[0] == 0 else 0), order=order)
    assert_loss_is_as_said(scan, axes=axes, **WAYS[way])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("column", [0.0, np.nan, np.inf, -1.0, 10.0, 1e-30, 1e30])
def test_an_affine_without_a_spacing_is_no_trouble(way: str, column: float) -> None:
    scan = stored(SCANS["several bodies"], "<i2")
    affine = np.diag([1, 1, column])
    stream = MedROI("raw", affine=affine, **WAYS[way]).encode(scan)
    assert np.isfinite(medroi.inspect(stream).largest_dropped_mm3) or not np.isfinite(column)
    codec = MedROI.fit(scan, inner="raw", affine=affine, **WAYS[way])
    assert np.array(codec.decode(codec.encode(scan))).shape == scan.shape


@pytest.mark.parametrize(
    ("dtype", "offset"), [("<u8", 2**63 - 400), ("<i8", -(2**62)), ("<i8", 2**53 + 1)]
)
@pytest.mark.parametrize("threshold", ["auto", "noise", "mean", "otsu"])
@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("background", ["air", "auto"])
@pytest.mark.parametrize("name", ["all noise", "no air", "one voxel in noise", "several bodies"])
def test_integers_that_float64_rounds_lose_no_tissue(
    dtype: str, offset: int, threshold: str, kind: str, background: str, name: str
) -> None:
    """One of a thousand integers is a float64 there: no threshold rounds up to the next."""
    above = stored(SCANS[name], "<i8")
    scan = above.astype(dtype) + np.array(offset, dtype)
    asked: dict[str, Any] = {"threshold": threshold, "roi": kind}
    asked["background"] = offset if background == "air" else background
    for codec in (MedROI("raw", **asked), MedROI.fit(scan, inner="raw", **asked)):
        decoded = codec.decode(codec.encode(scan))
        assert (decoded == scan)[above >= 60].all()


@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
@pytest.mark.parametrize("way", ["auto mask", "noise box", "largest"])
@pytest.mark.parametrize("name", SCANS)
def test_chunks_drop_what_the_region_of_the_scan_says(name: str, way: str, dtype: str) -> None:
    scan = np.ascontiguousarray(stored(SCANS[name], dtype))
    codec = MedROI.fit(scan, inner="raw", **WAYS[way])
    region = codec.region
    assert region is not None
    made = zarr.create_array(
        {},
        shape=scan.shape,
        dtype=scan.dtype,
        chunks=tuple(min(n, 19) for n in scan.shape),
        serializer=medroi.zarr.MedROICodec(
            **{name: value for name, value in codec.get_config().items() if name != "id"}
        ),
        compressors=None,
        fill_value=region.background,
    )
    medroi.zarr.write(made, scan, region=region)
    assert same_bits(np.asarray(made[...]), region.cleared(scan))
    level = region.dropped.level
    lost = (scan >= np.float64(level)) & ~np.broadcast_to(region.kept(), scan.shape)
    n_lost = 0 if np.isnan(level) else np.count_nonzero(lost)
    assert n_lost == region.dropped.n_dropped
    assert np.isfinite(scan[~np.broadcast_to(region.kept(), scan.shape)]).all()


@pytest.mark.parametrize("length", [0.0, np.nan, np.inf, 1e30, 1e-30])
@pytest.mark.parametrize("options", [[], ["--roi", "mask", "--threshold", "noise"]])
def test_files_without_a_voxel_size_are_packed(
    length: float, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the third axis: in pixdim and in the affine."""
    voxels = stored(SCANS["several bodies"], "<i2")
    source = make_scans.nifti(tmp_path / "scan.nii", voxels)
    header = bytearray(source.read_bytes())
    struct.pack_into("<f", header, 76 + 4 * 3, length)
    struct.pack_into("<hh", header, 252, 0, 1)  # no quaternion, but an affine
    struct.pack_into("<12f", header, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, length, 0)
    source.write_bytes(header)
    store, back = str(tmp_path / "scan.zarr"), tmp_path / "back.nii"
    assert main(["pack", str(source), store, *options]) in make_scans.PACKED
    for command in (["check", store], ["info", store], ["unpack", store, str(back)]):
        assert main(command) == 0
    assert back.read_bytes()[:348] == header[:348]
    returned = np.frombuffer(back.read_bytes()[352:], "<i2").reshape(voxels.shape, order="F")
    bright = voxels >= 100
    assert (returned == voxels)[bright].all()
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("dtype", "level"), [("<f2", 60.01), ("<f4", 16777216.5)])
def test_voxels_outside_a_given_mask_are_counted_at_the_exact_threshold(
    dtype: str, level: float
) -> None:
    """The voxel just below a threshold that its type would round to it."""
    scan = np.zeros((20, 20, 20), dtype)
    scan[5:9, 5:9, 5:9] = 2 * level
    scan[15, 15, 15] = level
    assert float(scan[15, 15, 15]) < level
    region = MedROI.fit(scan, mask=scan > 1.5 * level, threshold=level).region
    assert region is not None
    assert (region.n_tissue, region.n_missed) == (64, 0)


@pytest.mark.parametrize("threshold", ["inf", "-inf"])
@pytest.mark.parametrize("dtype", ["<f4", "<i2"])
def test_an_infinite_threshold_is_packed_or_refused_in_words(
    dtype: str, threshold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voxels = np.zeros(SHAPE, dtype, order="F")
    voxels[4:20, 4:20, 4:20] = np.inf if dtype == "<f4" else 300
    source = make_scans.nifti(tmp_path / "scan.nii", voxels)
    store = str(tmp_path / "scan.zarr")
    refused = dtype == "<i2" and threshold == "inf"
    assert (main(["pack", str(source), store, f"--threshold={threshold}"]) == 1) == refused
    assert main(["show", str(source), f"--threshold={threshold}"]) in make_scans.PACKED
    said = capsys.readouterr()
    assert ("none reaches the threshold inf" in said.err) == refused
    if not refused:
        assert f"at least {threshold}" in said.out
        assert np.array_equal(medroi.open(store).array[...], voxels)
