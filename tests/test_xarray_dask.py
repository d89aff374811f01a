"""xarray and dask, in threads and in other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from arrays import phantom

from medroi import MedROI
from medroi.zarr import MedROICodec

xr = pytest.importorskip("xarray")
dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")

CHUNKS = (16, 16, 16)
VOLUME = phantom((40, 36, 34))
AXES = ("z", "y", "x")

ENCODINGS = {
    3: {"serializer": MedROICodec.lossless(), "compressors": None, "chunks": CHUNKS},
    2: {"compressors": MedROI.lossless(), "chunks": CHUNKS},
}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=True, **options) as cluster,
        distributed.Client(cluster) as connected,
    ):
        yield connected


def create(path: Path, data: np.ndarray, **options: Any) -> zarr.Array:
    return zarr.create_array(
        path,
        shape=data.shape,
        dtype=data.dtype,
        chunks=CHUNKS,
        serializer=MedROICodec.lossless(),
        compressors=None,
        **options,
    )


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_xarray_returns_every_bit(zarr_format: int, dtype: str, tmp_path: Path) -> None:
    data = xr.Dataset(
        {"t1": (AXES, VOLUME.astype(dtype), {"units": "1"})},
        coords={"z": np.arange(40) * 1.5},
    )
    encoding = {"t1": ENCODINGS[zarr_format]}
    data.to_zarr(
        tmp_path / "scan.zarr", zarr_format=zarr_format, encoding=encoding, consolidated=False
    )
    found = xr.open_zarr(tmp_path / "scan.zarr", consolidated=False)
    assert found["t1"].dtype == np.dtype(dtype)
    xr.testing.assert_identical(found.load(), data)
    stored = zarr.open_array(tmp_path / "scan.zarr" / "t1", mode="r")
    if zarr_format == 3:
        assert stored.serializer == MedROICodec.lossless()
    else:
        assert stored.compressors == (MedROI.lossless(),)


def test_xarray_appends_and_selects(tmp_path: Path) -> None:
    path = tmp_path / "scan.zarr"
    data = xr.Dataset({"t1": (AXES, VOLUME)})
    data.isel(z=slice(0, 20)).to_zarr(path, encoding={"t1": ENCODINGS[3]}, consolidated=False)
    data.isel(z=slice(20, 40)).to_zarr(path, append_dim="z", consolidated=False)
    found = xr.open_zarr(path, consolidated=False)
    assert np.array_equal(found["t1"].isel(z=17, x=slice(3, 30, 4)), VOLUME[17, :, 3:30:4])
    assert np.array_equal(found["t1"], VOLUME)


@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_xarray_needs_no_fill_value_to_keep_tissue(dtype: str, tmp_path: Path) -> None:
    volume = VOLUME.astype(dtype)
    codec = MedROICodec(threshold=50, background=0)
    encoding = {"t1": {"serializer": codec, "compressors": None}}
    data = xr.Dataset({"t1": (AXES, volume)})
    data.to_zarr(tmp_path / "scan.zarr", encoding=encoding, consolidated=False)
    found = xr.open_zarr(tmp_path / "scan.zarr", consolidated=False)["t1"].to_numpy()
    assert np.array_equal(found[volume >= 50], volume[volume >= 50])
    assert not found[0].any()


def test_air_does_not_become_missing_beside_a_fill_value_of_nan(tmp_path: Path) -> None:
    volume = VOLUME.astype("<f4")
    encoding = {"serializer": MedROICodec(), "compressors": None}
    found = written(volume, encoding, 3, tmp_path / "scan.zarr")
    assert np.array_equal(found, volume)


@pytest.mark.parametrize("reader", ["xarray", "dask"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_both_read_without_an_import_of_medroi(
    reader: str, zarr_format: int, tmp_path: Path
) -> None:
    path = tmp_path / "scan.zarr"
    xr.Dataset({"t1": (AXES, VOLUME)}).to_zarr(
        path, zarr_format=zarr_format, encoding={"t1": ENCODINGS[zarr_format]}, consolidated=False
    )
    imports, opened = {
        "xarray": ("xarray", "xarray.open_zarr(path, consolidated=False)['t1']"),
        "dask": ("dask.array", "dask.array.from_zarr(path + '/t1')"),
    }[reader]
    program = (
        f"import sys, {imports}\n"
        "assert 'medroi' not in sys.modules\n"
        f"path = sys.argv[1]; scan = {opened}\n"
        "print(int(scan.astype('i8').sum()), int(scan[20, 18, 17]))\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout.split() == [str(VOLUME.astype("i8").sum()), str(VOLUME[20, 18, 17])]


def test_dask_threads_write_and_read(tmp_path: Path) -> None:
    made = create(tmp_path / "scan.zarr", VOLUME)
    with dask.config.set(scheduler="threads"):
        dask.array.store(dask.array.from_array(VOLUME, chunks=CHUNKS), made, lock=False)
        found = dask.array.from_zarr(made).compute()
    assert np.array_equal(found, VOLUME)


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_workers_in_other_processes_write_and_read(
    client: Any, shards: Any, tmp_path: Path
) -> None:
    made = create(tmp_path / "scan.zarr", VOLUME, shards=shards)
    blocks = dask.array.from_array(VOLUME, chunks=shards or CHUNKS)
    client.compute(dask.array.store(blocks, made, lock=False, compute=False)).result()
    found = dask.array.from_zarr(str(tmp_path / "scan.zarr"))
    assert int(client.compute(found.astype("i8").sum()).result()) == VOLUME.astype("i8").sum()
    assert np.array_equal(found.compute(), VOLUME)


def test_codecs_travel_to_workers_and_back(client: Any) -> None:
    codec = MedROI("deflate", axes=(0, 1), affine=np.diag([1.0, 2.0, 3.0]))
    stream = client.submit(codec.encode, VOLUME).result()
    assert stream == codec.encode(VOLUME)
    for sent in (codec, MedROICodec("deflate", background=-1, threshold=3)):
        assert client.submit(lambda found: found, sent).result() == sent
        assert client.submit(dask.base.tokenize, sent).result() == dask.base.tokenize(sent)


def test_xarray_writes_from_workers(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "scan.zarr"
    data = xr.Dataset({"t1": (AXES, dask.array.from_array(VOLUME, chunks=CHUNKS))})
    data.to_zarr(path, encoding={"t1": ENCODINGS[3]}, consolidated=False)
    found = xr.open_zarr(path, consolidated=False)["t1"]
    assert np.array_equal(found.compute(), VOLUME)


def masked(kind: str) -> np.ndarray:
    """A volume of floats with NaN outside a mask, or scattered through air and tissue."""
    volume = VOLUME.astype("<f4")
    if kind == "mask":
        return np.where(VOLUME > 50, volume, np.float32(np.nan))
    volume[np.random.default_rng(4).random(volume.shape) < 1e-3] = np.nan
    return volume


def written(data: np.ndarray, encoding: dict[str, Any], zarr_format: int, path: Path) -> Any:
    xr.Dataset({"t1": (AXES, data)}).to_zarr(
        path, zarr_format=zarr_format, encoding={"t1": encoding}, consolidated=False
    )
    return xr.open_zarr(path, consolidated=False)["t1"].load()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("options", [{}, {"roi": "mask"}, {"threshold": "mean", "background": 0}])
@pytest.mark.parametrize("kind", ["mask", "scattered"])
def test_nan_comes_back_from_xarray_as_nan(
    kind: str, options: dict[str, Any], zarr_format: int, tmp_path: Path
) -> None:
    data = masked(kind)
    encoding = {
        2: {"compressors": MedROI(**options)},
        3: {"serializer": MedROICodec(**options), "compressors": None},
    }[zarr_format]
    found = written(data, encoding, zarr_format, tmp_path / "scan.zarr")
    assert np.array_equal(np.isnan(found), np.isnan(data))
    assert np.array_equal(found.to_numpy()[data > 50], data[data > 50])
    assert float(found.where(data > 50).mean()) == float(xr.DataArray(data).where(data > 50).mean())


PACKED = {
    "int16": {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -32768},
    "uint16": {"dtype": "uint16", "scale_factor": 0.5, "_FillValue": 65535},
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", PACKED)
@pytest.mark.parametrize("kind", ["mask", "scattered"])
def test_packed_integers_keep_their_missing_values(
    kind: str, dtype: str, zarr_format: int, tmp_path: Path
) -> None:
    data, packing = masked(kind), PACKED[dtype]
    missing = packing["_FillValue"]
    encoding = {
        2: {**packing, "compressors": MedROI(background=missing)},
        3: {
            **packing,
            "fill_value": missing,
            "serializer": MedROICodec(),
            "compressors": None,
        },
    }[zarr_format]
    found = written(data, encoding, zarr_format, tmp_path / "scan.zarr")
    expected = written(data, packing, zarr_format, tmp_path / "plain.zarr")
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.isnan(found), np.isnan(data))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_fills_an_array_region_by_region(zarr_format: int, tmp_path: Path) -> None:
    path, data = tmp_path / "scan.zarr", masked("mask")
    encoding = {
        2: {"compressors": MedROI()},
        3: {"serializer": MedROICodec(), "compressors": None},
    }[zarr_format]
    empty = xr.Dataset({"t1": (AXES, dask.array.full_like(data, np.nan, chunks=CHUNKS))})
    empty.to_zarr(
        path,
        zarr_format=zarr_format,
        encoding={"t1": {**encoding, "chunks": CHUNKS}},
        consolidated=False,
        compute=False,
    )
    for start in range(0, 40, 5):
        region = slice(start, start + 5)
        part = xr.Dataset({"t1": (AXES, data[region])})
        part.to_zarr(path, region={"z": region}, consolidated=False, safe_chunks=False)
    found = xr.open_zarr(path, consolidated=False)["t1"]
    assert np.array_equal(found, data, equal_nan=True)
