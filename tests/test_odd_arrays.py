"""Arrays without a right answer have a defined one, those of the clinic have the right one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from arrays import phantom, same_bits

import medroi
from medroi import MedROI
from medroi.errors import InvalidArgument

OPTIONS = [
    {"roi": region, "threshold": threshold, "components": components}
    for region, threshold, components in itertools.product(
        ("box", "mask"), ("mean", "otsu", "noise", 40, None), ("all", "largest")
    )
]


def sheets(dtype: str) -> np.ndarray:
    """Tissue one voxel thin, of which an opening leaves nothing."""
    array = np.zeros((24, 20, 22), dtype)
    array[::6], array[:, 10, ::5] = 90, 90
    return array


def one_bright(dtype: str) -> np.ndarray:
    array = np.zeros((16, 15, 14), dtype)
    array[3, 4, 5] = 100
    return array


def broken(dtype: str) -> np.ndarray:
    """A body with voxels that are no numbers, or the ends of an integer's range."""
    array = phantom((20, 22, 24), dtype)
    ends = np.iinfo(dtype) if array.dtype.kind in "iu" else np.finfo(dtype)
    array[2, 2, 2], array[10, 11, 12], array[0, 0, 0] = ends.max, ends.min, ends.max
    if array.dtype.kind == "f":
        array[4, 4, 4], array[10, 10, 10], array[11, 11, 11] = np.nan, np.inf, -np.inf
    return array


def all_noise(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(9)
    return rng.rayleigh(8, (20, 21, 22)).clip(0, 100).astype(dtype)


ODD = {
    "zeros": lambda dtype: np.zeros((9, 10, 11), dtype),
    "ones": lambda dtype: np.ones((9, 10, 11), dtype),
    "not a number": lambda dtype: np.full((9, 10, 11), np.nan if dtype[1] == "f" else 3, dtype),
    "infinite": lambda dtype: np.full((9, 10, 11), np.inf if dtype[1] == "f" else 3, dtype),
    "noise": all_noise,
    "one bright voxel": one_bright,
    "sheets": sheets,
    "not finite in parts": broken,
    "a slice": lambda dtype: phantom((1, 40, 44), dtype),
    "a row": lambda dtype: phantom((1, 1, 44), dtype),
    "one voxel": lambda dtype: np.full((1, 1, 1), 7, dtype),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("dtype", ["<i2", "<f2", ">f4"])
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_every_option_gives_back_each_voxel_or_the_background(
    name: str, dtype: str, polarity: str
) -> None:
    array = ODD[name](dtype)
    background = np.zeros((), array.dtype)
    for options in OPTIONS:
        asked = {"inner": "raw", "polarity": polarity, **options}
        codecs = [MedROI(**asked)]
        if options["threshold"] in ("mean", "noise", 40) and options["components"] == "all":
            codecs += [MedROI.fit(array, chunks=chunks, **asked) for chunks in (None, (8, 8, 8))]
        for codec in codecs:
            stream = codec.encode(array)
            info, decoded = medroi.inspect(stream), MedROI().decode(stream)
            bits = f"u{array.dtype.itemsize}"
            came_back = decoded.view(bits) == array.view(bits)
            assert (came_back | (decoded.view(bits) == background.view(bits))).all()
            assert info.miss_rate <= 0.002
            assert came_back.all() or codec.get_config()["threshold"] is not None


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("dtype", ["<i2", "<f2"])
def test_a_background_that_cannot_be_told_is_refused_in_words(name: str, dtype: str) -> None:
    array = ODD[name](dtype)
    refusal = ""
    try:
        codec = MedROI.fit(array, background="auto", roi="mask", inner="raw")
    except InvalidArgument as error:
        refusal = str(error)
    if refusal:
        assert "background=VALUE" in refusal
    else:
        assert codec.decode(codec.encode(array)).shape == array.shape


@pytest.mark.parametrize("options", OPTIONS[:10:2])
def test_tissue_too_thin_to_open_is_kept_by_a_box_and_reported_by_a_mask(
    options: dict[str, Any],
) -> None:
    array = sheets("<i2")
    for region in ("box", "mask"):
        codec = MedROI("raw", **{**options, "roi": region})
        info = medroi.inspect(codec.encode(array))
        came_back = same_bits(codec.decode(codec.encode(array)), array)
        assert came_back or (info.roi == "mask" and info.unopened_miss_rate > 0)


@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("polarity", ["bright", "dark"])
@pytest.mark.parametrize("threshold", [1e9, -1e9, 70000, -1, float("inf"), float("-inf")])
def test_a_threshold_beyond_all_values_keeps_all_or_nothing(
    roi: str, polarity: str, threshold: float
) -> None:
    array = phantom((16, 17, 18), "<u2")
    stream = MedROI("raw", roi=roi, polarity=polarity, threshold=threshold).encode(array)
    keeps = (threshold < 0) == (polarity == "bright")
    decoded = MedROI().decode(stream)
    if threshold == -1 and polarity == "dark":  # 2 is too far from 0 to be the air's noise
        assert same_bits(decoded[array >= 2], array[array >= 2])
        return
    assert same_bits(decoded, array if keeps else np.zeros_like(array))


def ct(with_table: bool) -> np.ndarray:
    """A body of soft tissue with lungs in air of -1000, and a table under it."""
    rng = np.random.default_rng(5)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 96, 112)), indexing="ij")
    values = rng.normal(-1000, 8, z.shape)
    body = (y + 0.15) ** 2 / 0.3 + x**2 / 0.5 < 1
    lungs = (y + 0.2) ** 2 / 0.06 + (abs(x) - 0.35) ** 2 / 0.04 < 1
    values[body] = rng.normal(40, 25, body.sum())
    values[lungs] = rng.normal(-850, 30, lungs.sum())
    if with_table:
        values[:, 86:90, 4:108] = rng.normal(-150, 20, (24, 4, 104))
    return values.clip(-1024, 3000).astype("<i2")


def ct_body() -> np.ndarray:
    _, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 96, 112)), indexing="ij")
    return (y + 0.15) ** 2 / 0.3 + x**2 / 0.5 < 1


@pytest.mark.parametrize("roi", ["box", "mask"])
def test_a_ct_loses_its_air_but_neither_lungs_nor_table(roi: str) -> None:
    scan = ct(with_table=True)
    codec = MedROI.fit(scan, background="auto", roi=roi, inner="raw")
    background = codec.get_config()["background"]
    assert -1024 <= background <= -970
    decoded = codec.decode(codec.encode(scan))
    assert np.array_equal(decoded[ct_body()], scan[ct_body()])
    assert np.array_equal(decoded[:, 86:90, 4:108], scan[:, 86:90, 4:108])
    dropped = decoded != scan
    assert dropped.any()
    assert (decoded[dropped] == background).all()


@pytest.mark.parametrize("roi", ["box", "mask"])
def test_a_table_is_left_out_on_request_and_reported(roi: str) -> None:
    scan = ct(with_table=True)
    options = {"background": -1000, "threshold": -500, "roi": roi, "components": "largest"}
    stream = MedROI("raw", **options).encode(scan)
    info, decoded = medroi.inspect(stream), MedROI().decode(stream)
    assert np.array_equal(decoded[ct_body()], scan[ct_body()])
    assert (decoded[:, 87:] == -1000).all()
    assert info.n_left_out == 1
    assert info.left_out[0].box == ((0, 24), (84, 92), (4, 108))
    assert info.box[1][1] <= 86


def test_the_air_between_body_and_table_is_outside_the_mask() -> None:
    scan = ct(with_table=True)
    decoded = MedROI("raw", roi="mask", background=-1000).decode(
        MedROI("raw", roi="mask", background=-1000).encode(scan)
    )
    # but for specks of noise, which are islands
    assert (decoded[:, 50:83, :6] == -1000).mean() > 0.95
    assert (decoded == -1000).mean() > 0.3


def test_a_time_series_keeps_what_any_of_its_volumes_holds() -> None:
    series = np.stack([phantom((26, 28, 10))] * 4, axis=-1)
    series[2:8, 20:26, 2:8, 2] = 90
    for roi in ("box", "mask"):
        codec = MedROI.fit(series, axes=(0, 1, 2), roi=roi, inner="raw")
        decoded = codec.decode(codec.encode(series))
        assert np.array_equal(decoded[2:8, 20:26, 2:8], series[2:8, 20:26, 2:8])
        if roi == "mask":
            cleared = (decoded == 0) & (series != 0)
            assert cleared.any()
            assert (decoded[cleared.any(axis=-1)] == 0).all()


def mammogram(inverted: bool) -> np.ndarray:
    """Half a breast at the left edge of a noisy film and a burnt-in label in the far corner."""
    rng = np.random.default_rng(8)
    y, x = np.meshgrid(np.linspace(-1, 1, 320), np.linspace(0, 1, 240), indexing="ij")
    image = rng.rayleigh(60, y.shape)
    image += (y**2 / 0.5 + x**2 / 0.2 < 1) * rng.normal(20000, 2000, y.shape)
    image[12:34, 205:232] = 60000
    image = image.clip(0, 65535)
    return (65535 - image if inverted else image).astype("<u2")


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("roi", ["box", "mask"])
def test_a_label_stretches_the_box_only_where_nobody_asked(inverted: bool, roi: str) -> None:
    image = mammogram(inverted)
    options: dict[str, Any] = {"roi": roi}
    if inverted:
        options |= {"polarity": "dark", "background": 65535}
    stretched = medroi.inspect(MedROI("raw", **options).encode(image))
    stream = MedROI("raw", components="largest", **options).encode(image)
    alone, decoded = medroi.inspect(stream), MedROI().decode(stream)
    assert stretched.box[1][1] > 230
    assert alone.box[1][1] < 125
    assert alone.n_left_out >= 1
    assert alone.left_out[0].box == ((12, 36), (204, 232))
    y, x = np.meshgrid(np.linspace(-1, 1, 320), np.linspace(0, 1, 240), indexing="ij")
    breast = y**2 / 0.5 + x**2 / 0.2 < 1
    assert np.array_equal(decoded[breast], image[breast])
    assert (decoded[12:34, 205:232] == options.get("background", 0)).all()
