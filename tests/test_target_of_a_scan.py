"""A PSNR and a rate are those of the whole scan, whatever chunks it is stored in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from scipy import ndimage

import medroi.hdf5
import medroi.zarr
from medroi import MedROI, inspect
from medroi.hdf5 import MedROIFilter
from medroi.zarr import MedROICodec

SHAPE = (48, 64, 64)
CHUNK = (24, 32, 20)  # not a divisor of the last axis
SPEEDS = ("fast", "small")


def head(dtype: str = "<i2") -> np.ndarray:
    """A ball of tissue with noise in noisy air."""
    grid = np.meshgrid(*(np.linspace(-1.4, 1.4, n) for n in SHAPE), indexing="ij")
    ball = sum(axis**2 for axis in grid) < 1
    rng = np.random.default_rng(3)
    tissue = 500 + 80 * np.sin(6 * grid[0]) * np.cos(5 * grid[1]) + rng.normal(0, 9, SHAPE)
    return np.rint(np.where(ball, tissue, rng.rayleigh(9, SHAPE))).astype(dtype)


def labels() -> np.ndarray:
    """Two structures, one inside the other."""
    grid = np.meshgrid(*(np.linspace(-1.4, 1.4, n) for n in SHAPE), indexing="ij")
    radius = sum(axis**2 for axis in grid)
    return ((radius < 1) + 3 * (radius < 0.4)).astype("u1")


def inner_of(codec: Any) -> dict[str, Any]:
    return codec.get_config()["inner"]


def written(scan: np.ndarray, codec: Any, chunks: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """What a Zarr array gives back, and the bytes of its chunks."""
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store=store,
        shape=scan.shape,
        chunks=chunks,
        dtype=scan.dtype,
        serializer=codec,
        compressors=None,
        fill_value=codec.region.background,
    )
    medroi.zarr.write(array, scan, region=codec.region)
    coded = (len(value) for key, value in store._store_dict.items() if key != "zarr.json")
    return np.asarray(array[...]), sum(coded)


def psnr_inside(scan: np.ndarray, found: np.ndarray, region: Any) -> float:
    kept = np.broadcast_to(region.kept(), scan.shape)
    inside = scan[kept].astype(float)
    return float(10 * np.log10(np.ptp(inside) ** 2 / np.mean((found[kept] - inside) ** 2)))


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("dtype", ["<i2", ">f4"])
@pytest.mark.parametrize("chunks", [CHUNK, SHAPE])
def test_a_psnr_is_that_of_the_region_of_the_whole_scan(
    chunks: tuple[int, ...], dtype: str, speed: str
) -> None:
    scan = head(dtype)
    asked = {"id": "wavelet3d", "psnr": 40.0, "speed": speed}
    codec = MedROICodec.fit(scan, chunks=chunks, inner=asked, roi="mask")
    found, _ = written(scan, codec, chunks)
    assert psnr_inside(scan, found, codec.region) == pytest.approx(40.0, abs=0.1)


def test_of_a_given_mask_and_of_a_series_too() -> None:
    scan = np.stack([head(), head()[::-1]])
    mask = head() > 150
    asked = {"id": "wavelet3d", "psnr": 40.0}
    chunks = (1, 24, 32, 32)
    codec = MedROICodec.fit(scan, chunks=chunks, inner=asked, mask=mask)
    found, _ = written(scan, codec, chunks)
    assert psnr_inside(scan, found, codec.region) == pytest.approx(40.0, abs=0.1)


def test_hdf5_reaches_the_same(tmp_path: Path) -> None:
    scan = head()
    codec = MedROI.fit(scan, chunks=CHUNK, inner={"id": "wavelet3d", "psnr": 40.0}, roi="mask")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        made = file.create_dataset(
            "scan",
            scan.shape,
            scan.dtype,
            chunks=CHUNK,
            **MedROIFilter.from_config(codec.get_config()),
        )
        medroi.hdf5.write(made, scan, region=codec.region)
        found = made[...]
    assert psnr_inside(scan, found, codec.region) == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("speed", SPEEDS)
def test_a_rate_is_that_of_all_chunks_together(speed: str) -> None:
    scan = head("<f4")
    asked = {"id": "wavelet3d", "rate": 12.0, "speed": speed}
    codec = MedROICodec.fit(scan, chunks=CHUNK, inner=asked, threshold=None)
    _, nbytes = written(scan, codec, CHUNK)
    n_headers = 2 * 2 * 4 * 200  # of streams, which are no payload
    assert scan.nbytes / 12 * 0.97 - n_headers < nbytes < scan.nbytes / 12 * 1.03 + n_headers


@pytest.mark.parametrize("target", [{"psnr": 45.0}, {"rate": 20.0}])
def test_a_fit_leaves_a_step_and_the_settings_beside_it(target: dict[str, float]) -> None:
    beside = {"spacing_mm": [3.0, 1.0, 1.0], "speed": "small"}
    codec = MedROI.fit(head(), chunks=CHUNK, inner={"id": "wavelet3d", **target, **beside})
    inner = inner_of(codec)
    assert inner == {"id": "wavelet3d", "step": inner["step"], **beside}
    assert inner_of(MedROI.from_config(json.loads(json.dumps(codec.get_config())))) == inner


@pytest.mark.parametrize("target", [{"max_error": 3.0}, {"step": 2.0}])
def test_targets_that_mean_the_same_in_every_chunk_stay_as_they_were(target: dict) -> None:
    asked = {"id": "wavelet3d", **target}
    assert inner_of(MedROI.fit(head(), chunks=CHUNK, inner=asked)) == inner_of(MedROI(asked))


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("target", [{"psnr": 50.0}, {"psnr": 95.0}])
def test_a_label_map_loses_no_more_than_was_asked(target: dict[str, float], speed: str) -> None:
    scan = labels()
    asked = {"id": "wavelet3d", "speed": speed, **target}
    codec = MedROICodec.fit(scan, chunks=CHUNK, inner=asked)
    found, _ = written(scan, codec, CHUNK)
    wrong = float(np.mean((found.astype(float) - scan) ** 2))
    assert wrong <= np.ptp(scan) ** 2 * 10 ** (-target["psnr"] / 10)


@pytest.mark.parametrize("target", [{"psnr": 50.0}, {"rate": 20.0}, {"noise": 0.5}])
@pytest.mark.parametrize("value", [0, 7])
def test_a_scan_of_one_value_comes_back(value: int, target: dict[str, float]) -> None:
    scan = np.full((20, 24, 28), value, "<i2")
    codec = MedROICodec.fit(scan, chunks=(16, 16, 16), inner={"id": "wavelet3d", **target})
    assert np.array_equal(written(scan, codec, (16, 16, 16))[0], scan)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (5, 8, 8), (16, 16, 16)])
@pytest.mark.parametrize("name", ["noise", "two values", "ramp", "labels"])
def test_a_chunk_that_cannot_reach_a_psnr_alone_is_better_than_asked(
    name: str, shape: tuple[int, ...], speed: str
) -> None:
    rng = np.random.default_rng(5)
    n = int(np.prod(shape))
    values = {
        "noise": rng.integers(0, 3, shape),
        "two values": (np.arange(n) % 7 == 0).reshape(shape) * 900,
        "ramp": np.arange(n).reshape(shape),
        "labels": labels()[20:, 20:, 20:][tuple(map(slice, shape))],
    }[name]
    chunk = values.astype("<i2")
    for target in (20.0, 48.0, 90.0, 200.0):
        codec = MedROI({"id": "wavelet3d", "psnr": target, "speed": speed})
        wrong = np.mean((np.asarray(codec.decode(codec.encode(chunk)), float) - chunk) ** 2)
        assert wrong <= float(np.ptp(chunk)) ** 2 * 10 ** (-(target - 0.2) / 10)


def test_floats_that_single_precision_cannot_bring_so_near_are_kept_exactly() -> None:
    scan = np.random.default_rng(6).normal(0, 1, (12, 16, 16))
    codec = MedROI({"id": "wavelet3d", "psnr": 250.0})
    assert np.array_equal(codec.decode(codec.encode(scan)), scan)


def test_a_rate_below_what_headers_take_is_no_error() -> None:
    chunk = head()[20:24, 30:34, 30:34]
    coded = MedROI({"id": "wavelet3d", "rate": 100.0}).encode(chunk)
    assert inspect(coded).payload_nbytes < 64


def blurred(seed: int, sharp: float, axis: int) -> np.ndarray:
    """Texture that is smoother along two axes than along the third, as in thick slices."""
    rng = np.random.default_rng(seed)
    texture = rng.normal(0, 1, (24, 24, 25))
    widths = [sharp if one == axis else 1.6 for one in range(3)]
    texture = ndimage.gaussian_filter(texture, widths)
    noise = rng.normal(0, 3, texture.shape)
    return np.rint(500 + 100 * texture / texture.std() + noise).astype("<i2")


@pytest.mark.parametrize(
    ("seed", "sharp", "axis"), [(0, 0.5, 0), (0, 0.0, 1), (2, 0.5, 0), (7, 0.0, 1), (10, 0.0, 1)]
)
def test_chunks_that_choose_their_axes_anew_reach_the_psnr_of_the_scan(
    seed: int, sharp: float, axis: int
) -> None:
    scan, chunk = blurred(seed, sharp, axis), (12, 24, 25)
    asked = {"id": "wavelet3d", "psnr": 25.0}
    codec = MedROICodec.fit(scan, chunks=chunk, inner=asked, threshold=None)
    found, _ = written(scan, codec, chunk)
    reached = psnr_inside(scan, found, codec.region)
    # The finer of two steps is taken where axes and step follow each other back and forth.
    assert 24.9 < reached < 25.7
