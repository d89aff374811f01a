"""One region a scan: every chunk, however it is cut and written, drops exactly the same voxels."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import h5py
import hosted_codec
import numpy as np
import pytest
import zarr
from arrays import make_array, phantom

import medroi.hdf5
import medroi.zarr
from medroi import MedROI, ScanRegion, errors, inspect
from medroi.hdf5 import MedROIFilter
from medroi.scans.stores.kept import kept_mask
from medroi.zarr import MedROICodec

SHAPE = (27, 34, 30)
SCAN = phantom(SHAPE)
SERIES = np.stack([phantom((18, 22, 20)) + t for t in range(3)], axis=3)
LOSSY = {"id": "wavelet3d", "max_error": 9}

# Chunks that are even, odd, a slice, longer than the scan, and the scan.
CHUNKS = [(16, 16, 16), (9, 34, 7), (27, 34, 1), (32, 40, 32), SHAPE]
OPTIONS: dict[str, dict[str, Any]] = {
    "box": {"threshold": "mean"},
    "mask": {"roi": "mask", "threshold": 50},
    "nothing dropped": {"threshold": None},
}


def fitted(scan: np.ndarray = SCAN, **options: Any) -> MedROI:
    return MedROI.fit(scan, **{"inner": "zstd", **options})


def expected(region: ScanRegion, scan: np.ndarray) -> np.ndarray:
    """The scan with everything outside the region set to background."""
    return np.where(region.kept(), scan, scan.dtype.type(region.background))


def config_of(codec: MedROI) -> dict[str, Any]:
    return {key: value for key, value in codec.get_config().items() if key != "id"}


def zarr_of(codec: MedROI, scan: np.ndarray, store: Any = None, **options: Any) -> zarr.Array:
    return zarr.create_array(
        {} if store is None else store,
        shape=scan.shape,
        dtype=scan.dtype,
        serializer=MedROICodec(**config_of(codec)),
        compressors=None,
        fill_value=codec.region.background,
        **options,
    )


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_region_is_what_the_stream_of_the_whole_scan_keeps(options: Any, order: str) -> None:
    scan = np.array(SCAN, order=order)
    codec = fitted(scan, **options)
    stream = codec.encode(scan)
    info = inspect(stream)
    np.testing.assert_array_equal(codec.region.kept(), kept_mask(stream, info))
    assert codec.region.n_kept == kept_mask(stream, info).sum()
    assert codec.region.miss_rate == info.miss_rate
    assert (codec.region.threshold, codec.region.background) == (
        None if np.isnan(info.threshold) else info.threshold,
        info.background,
    )


@pytest.mark.parametrize("inner", ["zstd", "raw", LOSSY], ids=str)
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_same_voxels_are_dropped_whatever_the_chunks_are(
    options: Any, chunks: tuple[int, ...], inner: Any
) -> None:
    codec = fitted(inner=inner, **options)
    made = zarr_of(codec, SCAN, chunks=chunks)
    medroi.zarr.write(made, SCAN, region=codec.region)
    kept = codec.region.kept()
    assert (made[...][~kept] == codec.region.background).all()
    error = np.abs(made[...].astype(int) - SCAN)[kept]
    assert error.max() <= (9 if inner == LOSSY else 0)


@pytest.mark.parametrize("dtype", ["|u1", ">i2", "<u4", "<i8", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("order", "CF")
def test_every_kind_of_number_is_cleared_bit_by_bit(dtype: str, order: str) -> None:
    scan = np.array(SCAN.clip(0, 255).astype(dtype), order=order)
    region = fitted(scan, roi="mask", threshold=50).region
    cleared = region.cleared(scan)
    assert (cleared.dtype, cleared.flags.f_contiguous) == (scan.dtype, scan.flags.f_contiguous)
    np.testing.assert_array_equal(cleared, expected(region, scan))
    part = [(3, 20), (0, 9), (11, 30)]
    inside = tuple(slice(*bounds) for bounds in part)
    np.testing.assert_array_equal(region.cleared(scan[inside], part), cleared[inside])


def test_background_that_is_no_number_comes_back_as_it_is() -> None:
    scan = SCAN.astype("<f4")
    scan[:, :, :4] = np.nan
    codec = fitted(scan, background=float("nan"), threshold=60)
    made = zarr_of(codec, scan, chunks=(10, 10, 10))
    medroi.zarr.write(made, scan, region=codec.region)
    np.testing.assert_array_equal(made[...], expected(codec.region, scan))
    assert np.isnan(made[...][~codec.region.kept()]).all()


@pytest.mark.parametrize("chunks", [(7, 22, 20, 3), (18, 9, 11, 1), (8, 8, 8, 2)], ids=str)
@pytest.mark.parametrize("inner", ["zstd", LOSSY], ids=str)
def test_times_share_one_region(chunks: tuple[int, ...], inner: Any) -> None:
    codec = fitted(SERIES, axes=(0, 1, 2), roi="mask", threshold=50, inner=inner)
    assert codec.region.kept().shape == (18, 22, 20, 1)
    made = zarr_of(codec, SERIES, chunks=chunks)
    medroi.zarr.write(made, SERIES, region=codec.region)
    kept = np.broadcast_to(codec.region.kept(), SERIES.shape)
    assert codec.region.n_kept == kept.sum()
    assert (made[...][~kept] == 0).all()
    assert np.abs(made[...].astype(int) - SERIES)[kept].max() <= (9 if inner == LOSSY else 0)


@pytest.mark.parametrize("dark", [False, True])
def test_an_image_has_one_region_too(dark: bool) -> None:
    image = phantom((90, 75))
    options: dict[str, Any] = {"roi": "mask", "threshold": 50, "axes": (0, 1)}
    if dark:
        image = (250 - image).astype("<i2")
        options |= {"polarity": "dark", "threshold": 200, "background": 250}
    codec = fitted(image, **options)
    made = zarr_of(codec, image, chunks=(20, 31))
    medroi.zarr.write(made, image, region=codec.region)
    assert 0 < codec.region.n_kept < image.size
    np.testing.assert_array_equal(made[...], expected(codec.region, image))


@pytest.mark.parametrize("kind", ["shards", "format 2", "dask", "slabs", "another codec"])
def test_every_way_of_writing_stores_the_same_voxels(kind: str) -> None:
    codec = fitted(roi="mask", threshold=50)
    if kind == "format 2":
        made = zarr.create_array(
            {},
            shape=SHAPE,
            dtype=SCAN.dtype,
            chunks=(10, 10, 10),
            zarr_format=2,
            compressors=codec,
            filters=None,
            fill_value=0,
        )
    elif kind == "another codec":
        made = zarr.create_array({}, shape=SHAPE, dtype=SCAN.dtype, chunks=(10, 10, 10))
    else:
        shards = {"shards": (18, 18, 18)} if kind == "shards" else {}
        made = zarr_of(codec, SCAN, chunks=(9, 9, 9), **shards)
    if kind == "dask":
        dask_array = pytest.importorskip("dask.array")
        scan = dask_array.from_array(SCAN, chunks=(7, 34, 5))
        medroi.zarr.write(made, scan, region=codec.region)
    elif kind == "slabs":
        for start in (18, 0, 9):
            part = slice(start, start + 9)
            medroi.zarr.write(made, SCAN[part], region=codec.region, selection=part)
    else:
        medroi.zarr.write(made, SCAN, region=codec.region)
    np.testing.assert_array_equal(made[...], expected(codec.region, SCAN))


@pytest.mark.parametrize(
    "inner", ["zstd", "raw", LOSSY, {"id": "numcodecs", "codec": "lz4"}], ids=str
)
@pytest.mark.parametrize("chunks", [(16, 16, 16), (9, 34, 7), SHAPE], ids=str)
@pytest.mark.parametrize("roi", ["box", "mask"])
def test_zarr_hdf5_and_the_codec_give_a_chunk_the_same_bytes(
    roi: str, chunks: tuple[int, ...], inner: Any, tmp_path: Path
) -> None:
    codec = fitted(roi=roi, threshold=50, inner=inner)
    region, store = codec.region, {}
    medroi.zarr.write(
        zarr_of(codec, SCAN, store, chunks=chunks, config={"write_empty_chunks": True}),
        SCAN,
        region=region,
    )
    of_crops = codec.for_crops(region, chunks, SCAN.dtype)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        options = MedROIFilter.from_config(codec.get_config())
        made = file.create_dataset("scan", shape=SHAPE, dtype=SCAN.dtype, chunks=chunks, **options)
        medroi.hdf5.write(made, SCAN, region=region)
        assert json.loads(made.attrs["medroi_region"]) == region.facts()
        for index in np.ndindex(*(-(-n // size) for n, size in zip(SHAPE, chunks, strict=True))):
            corner = [i * size for i, size in zip(index, chunks, strict=True)]
            place = tuple(slice(at, at + n) for at, n in zip(corner, chunks, strict=True))
            part = SCAN[place]
            chunk = np.zeros(chunks, SCAN.dtype)
            bounds = [(at, at + n) for at, n in zip(corner, part.shape, strict=True)]
            chunk[tuple(slice(n) for n in part.shape)] = region.cleared(part, bounds)
            coded = of_crops.encode(chunk)
            assert store["c/" + "/".join(map(str, index))].to_bytes() == coded
            assert bytes(made.id.read_direct_chunk(tuple(corner))[1]) == coded


def test_every_stream_states_the_threshold_and_the_miss_rate_of_the_scan() -> None:
    for inner in ("zstd", LOSSY):
        scan = SCAN.copy()
        scan[0, 0, 0] = 900
        codec = fitted(scan, roi="mask", threshold=50, inner=inner)
        store: dict[str, Any] = {}
        made = zarr_of(codec, scan, store, chunks=(9, 9, 9))
        medroi.zarr.write(made, scan, region=codec.region)
        assert dict(made.attrs) == {"medroi_region": codec.region.facts()}
        streams = [value.to_bytes() for key, value in store.items() if key.startswith("c/")]
        assert len(streams) > 10
        for stream in streams:
            info = inspect(stream)
            assert info.threshold == 50
            assert info.miss_rate == info.unopened_miss_rate == codec.region.miss_rate
    assert codec.region.n_missed == int((scan >= 50)[~codec.region.kept()].sum())


@pytest.mark.parametrize(("size", "version"), [(16, (1, 2)), (9, (2, 1))])
def test_only_a_lossy_chunk_carries_a_mask_and_of_voxels_only_where_tiles_do_not_do(
    size: int, version: tuple[int, int]
) -> None:
    for inner in ("zstd", LOSSY):
        codec = fitted(roi="mask", threshold=50, inner=inner)
        store: dict[str, Any] = {}
        medroi.zarr.write(
            zarr_of(codec, SCAN, store, chunks=(size,) * 3), SCAN, region=codec.region
        )
        streams = [value.to_bytes() for key, value in store.items() if key.startswith("c/")]
        masked = [stream for stream in streams if inspect(stream).mask_nbytes]
        assert bool(masked) == (inner == LOSSY)
        assert {(stream[117], stream[118]) for stream in masked} == ({version} if masked else set())


@pytest.mark.parametrize("shape", [(13, 18, 21), (40, 37), (6, 5, 9, 4), (1, 30, 28)], ids=str)
@pytest.mark.parametrize("order", "CF")
def test_a_lossy_codec_with_a_mask_gives_back_background_outside_the_tiles(
    shape: tuple[int, ...], order: str
) -> None:
    array = make_array("<i2", shape, order, 5) % 50 + 40
    array[np.random.default_rng(2).random(shape) < 0.9] = 7
    codec = MedROI({"id": "wavelet3d", "max_error": 3}, roi="mask", threshold=None, background=7)
    stream = codec.encode(array)
    kept = kept_mask(stream, inspect(stream))
    differs = array != 7
    axes = list(range(max(0, len(shape) - 3), len(shape)))
    tiles = differs.any(axis=tuple(i for i in range(len(shape)) if i not in axes), keepdims=True)
    for axis in axes:  # pairs of even and odd places, as far as both are there
        padded = np.moveaxis(
            np.pad(tiles, [(0, int(i == axis)) for i in range(tiles.ndim)]), axis, 0
        )
        n = tiles.shape[axis]
        pairs = padded[0 : n + n % 2 : 2] | padded[1 : n + 1 : 2][: -(-n // 2)]
        tiles = np.moveaxis(np.repeat(pairs, 2, axis=0)[:n], 0, axis)
    np.testing.assert_array_equal(kept, np.broadcast_to(tiles, shape))
    decoded = codec.decode(stream)
    assert (decoded[~kept] == 7).all()
    assert np.abs(decoded.astype(int) - array).max() <= 3


@pytest.mark.parametrize("inner", [{"id": "wavelet3d", "psnr": 40}, {"id": "jpeg2000", "psnr": 40}])
def test_a_psnr_over_a_mask_is_verified_as_it_was_asked_for(inner: dict[str, Any]) -> None:
    for array, threshold in ((SCAN, 50), (np.where(SCAN > 50, SCAN, 0), None)):
        codec = MedROI(inner, roi="mask", threshold=threshold, verify=True)
        assert inspect(codec.encode(array)).roi == "mask"


class Smearing(hosted_codec.Hosted):
    """A codec of Python's that says that it changes voxels."""

    lossless = False


def test_a_lossy_codec_of_python_gets_the_mask_too() -> None:
    array = np.where(SCAN > 50, SCAN, 0)
    for inner, has_mask in ((Smearing(), True), (hosted_codec.Hosted(), False)):
        stream = MedROI(inner, roi="mask", threshold=None).encode(array)
        assert (inspect(stream).roi == "mask") == has_mask


def test_a_lossless_stream_that_keeps_every_voxel_has_no_mask() -> None:
    array = np.where(SCAN > 50, SCAN, 0)
    for inner in ("zstd", "raw", "predict3d", {"id": "jpeg2000"}):
        mask, box = (
            MedROI(inner, roi=roi, threshold=None).encode(array) for roi in ("mask", "box")
        )
        assert mask == box


def test_a_region_is_no_part_of_a_configuration() -> None:
    codec = fitted(roi="mask", threshold=50)
    same = MedROI.from_config(codec.get_config())
    assert same == codec and hash(same) == hash(codec)
    assert same.region is None
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert len(json.dumps(codec.get_config())) < 400


def test_a_region_survives_pickling() -> None:
    region = fitted(roi="mask", threshold=50).region
    copy = pickle.loads(pickle.dumps(region))
    np.testing.assert_array_equal(copy.kept(), region.kept())
    assert copy.facts() == region.facts()


def test_the_region_of_another_scan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    region = fitted(roi="mask", threshold=50).region
    smaller = phantom((20, 24, 22))
    made = zarr_of(fitted(smaller), smaller, chunks=(10, 10, 10))
    with pytest.raises(errors.InvalidArgument, match="that of a scan of shape"):
        medroi.zarr.write(made, smaller, region=region)
    other = zarr_of(fitted(SCAN, background=3, threshold=50), SCAN, chunks=(10, 10, 10))
    with pytest.raises(errors.InvalidArgument, match="fill_value=0"):
        medroi.zarr.write(other, SCAN, region=region)
    assert made.nchunks_initialized == other.nchunks_initialized == 0
    assert not dict(made.attrs) and not dict(other.attrs)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        options = MedROIFilter(threshold=None)
        made = file.create_dataset("a", data=smaller, chunks=(10, 10, 10), **options)
        with pytest.raises(errors.InvalidArgument, match="that of a scan of shape"):
            medroi.hdf5.write(made, smaller, region=region)
        made = file.create_dataset(
            "b", shape=SHAPE, dtype="<i2", chunks=(10, 10, 10), fillvalue=3, **options
        )
        with pytest.raises(errors.InvalidArgument, match="fillvalue=0"):
            medroi.hdf5.write(made, SCAN, region=region)


def test_a_scan_without_content_keeps_nothing() -> None:
    scan = np.zeros((8, 9, 10), "<i2")
    codec = fitted(scan)
    assert codec.region.n_kept == 0
    made = zarr_of(codec, scan, chunks=(4, 4, 4))
    medroi.zarr.write(made, scan, region=codec.region)
    assert not made[...].any()


def test_the_page_on_regions_runs(
    head_volume: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs" / "regions.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 4
    names: dict[str, Any] = {"scan": head_volume, "brain": head_volume > 40}
    for block in blocks[:3]:
        exec(block, names)
    region = names["region"]
    assert 0 < region.n_kept < head_volume.size
    want = np.where(region.kept(), head_volume, region.background)
    np.testing.assert_array_equal(zarr.open("head.zarr", mode="r")[...], want)
    with h5py.File("head.h5") as file:
        np.testing.assert_array_equal(file["head"][...], want)
    exec(blocks[3], names)
    assert names["codec"].region.is_given
