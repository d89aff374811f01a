"""The air kept aside: with it every voxel comes back, without it the scan stays as it was."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import make_scans
import numpy as np
import pytest
import zarr
from arrays import phantom
from range_server import serving

import medroi
from medroi import errors
from medroi.cli import main
from medroi.scans import check, drop_air, pack, unpack

SHAPE = (30, 36, 33)
SCAN = phantom(SHAPE)
SERIES = np.stack([phantom((16, 20, 18)) + t for t in range(3)], axis=3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_scans.nifti(tmp_path / "in.nii.gz", SCAN)


def content(path: Path) -> bytes:
    return make_scans.plain_bytes(path)


@pytest.mark.parametrize("inner", ["zstd", "predict3d", "predict3d:level=fast", "raw"])
@pytest.mark.parametrize("chunks", ["volume", "16", "9,36,7"])
@pytest.mark.parametrize("roi", ["box", "mask"])
def test_scan_and_air_together_are_the_file(
    tmp_path: Path, source: Path, roi: str, chunks: str, inner: str
) -> None:
    store = tmp_path / "s.zarr"
    options = ["--roi", roi, "--chunks", chunks, "--inner", inner, "--threshold", "50"]
    assert main(["pack", str(source), str(store), "--air", "keep", *options]) in make_scans.PACKED
    unpack(store, tmp_path / "back.nii.gz")
    assert content(tmp_path / "back.nii.gz") == content(source)
    assert not np.array_equal(zarr.open(store, mode="r")[...], SCAN)
    assert check(store, against=source).air


@pytest.mark.parametrize("dtype", ["|u1", "<i4", "<f4", "<f8"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_every_kind_of_voxel_comes_back(tmp_path: Path, dtype: str, zarr_format: int) -> None:
    voxels = SCAN.clip(0, 255).astype(dtype)
    if voxels.dtype.kind == "f":
        voxels[0, :4, 0] = [np.nan, -0.0, np.inf, -np.inf]
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    store = tmp_path / "s.zarr"
    pack(source, store, air="keep", threshold=50, chunks=(16,), zarr_format=zarr_format)
    unpack(store, tmp_path / "back.nii")
    assert content(tmp_path / "back.nii") == content(source)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("zstd", {"id": "predict3d", "level": "fast"}),
        ({"id": "predict3d", "level": "fast"}, {"id": "predict3d", "level": "fast"}),
        ("predict3d", {"id": "predict3d", "level": "max"}),
        ({"id": "predict3d", "level": "max"}, {"id": "predict3d", "level": "max"}),
    ],
)
def test_the_air_is_coded_as_fast_or_as_densely_as_the_scan(
    tmp_path: Path, source: Path, inner: Any, expected: dict[str, str]
) -> None:
    pack(source, tmp_path / "s.zarr", inner=inner, threshold=50, air="keep")
    air = json.loads((tmp_path / "s.zarr" / "air" / "zarr.json").read_text())
    assert air["codecs"][0]["configuration"]["inner"] == expected


@pytest.mark.parametrize(("inner", "has_mask"), [("predict3d", False), ("wavelet3d:psnr=40", True)])
def test_a_chunk_alone_holds_its_mask_only_where_voxels_do_not_tell_it(
    tmp_path: Path, source: Path, inner: str, has_mask: bool
) -> None:
    options = ["--roi", "mask", "--threshold", "50", "--inner", inner]
    assert main(["pack", str(source), str(tmp_path / "s.zarr"), *options]) in make_scans.PACKED
    (chunk,) = chunks_of(tmp_path / "s.zarr")
    assert (medroi.inspect(chunk.read_bytes()).mask_nbytes > 0) == has_mask


def test_a_series_and_a_mask_of_ones_own_keep_their_air(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", SERIES)
    mask = make_scans.nifti(tmp_path / "mask.nii", (SERIES[..., 0] > 50).astype("u1"))
    for number, chunks in enumerate(((16, 20, 18, 1), (7, 8, 9, 2))):
        store = tmp_path / f"{number}.zarr"
        pack(source, store, mask=mask, air="keep", chunks=chunks)
        unpack(store, tmp_path / f"{number}.nii")
        assert content(tmp_path / f"{number}.nii") == content(source)


def test_what_air_costs_is_counted_and_said(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = pack(source, tmp_path / "s.zarr", air="keep", threshold=50)
    nbytes = sum(f.stat().st_size for f in (tmp_path / "s.zarr" / "air").rglob("*") if f.is_file())
    assert report.air and report.air_nbytes == nbytes > 0
    assert report.to_json()["air_nbytes"] == nbytes and "kept aside" in str(report)
    all_nbytes = sum(f.stat().st_size for f in (tmp_path / "s.zarr").rglob("*") if f.is_file())
    assert report.stored_nbytes == all_nbytes
    assert not pack(source, tmp_path / "t.zarr").air
    capsys.readouterr()
    assert main(["info", str(tmp_path / "s.zarr"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["air_nbytes"] == nbytes


def test_dropping_the_air_leaves_the_scan(tmp_path: Path, source: Path) -> None:
    store, plain = tmp_path / "s.zarr", tmp_path / "plain.zarr"
    options: dict[str, Any] = {"roi": "mask", "threshold": 50, "chunks": (16,)}
    pack(source, store, air="keep", **options)
    pack(source, plain, **options)
    assert main(["drop-air", str(store)]) == 0
    for path in (store, plain):
        assert not check(path, against=source).air
    files = [
        {f.relative_to(path): f.read_bytes() for f in path.rglob("*") if f.is_file()}
        for path in (store, plain)
    ]
    assert files[0] == files[1]
    with pytest.raises(errors.InvalidArgument, match="no air is kept aside"):
        drop_air(store)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def chunks_of(folder: Path) -> list[Path]:
    return sorted(f for f in (folder / "c").rglob("*") if f.is_file())


def test_the_air_of_a_damaged_scan_is_not_deleted(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.zarr"
    pack(source, store, air="keep", threshold=50, chunks=(16,))
    flip(chunks_of(store)[3])
    with pytest.raises(errors.CorruptStream):
        drop_air(store)
    assert chunks_of(store / "air")


@pytest.mark.parametrize("damage", ["flipped", "missing chunk", "missing", "another scan's"])
def test_damaged_air_is_found_and_can_still_be_deleted(
    tmp_path: Path, source: Path, damage: str
) -> None:
    store = tmp_path / "s.zarr"
    pack(source, store, air="keep", threshold=50, chunks=(16,))
    if damage == "flipped":
        flip(chunks_of(store / "air")[0])
    elif damage == "missing chunk":
        os.remove(chunks_of(store / "air")[0])
    else:
        shutil.rmtree(store / "air")
    if damage == "another scan's":
        other = make_scans.nifti(tmp_path / "other.nii", np.roll(SCAN, 1, axis=0))
        pack(other, tmp_path / "o.zarr", air="keep", threshold=50, chunks=(16,))
        shutil.copytree(tmp_path / "o.zarr" / "air", store / "air")
    with pytest.raises(errors.CorruptStream):
        check(store)
    with pytest.raises(errors.CorruptStream):
        unpack(store, tmp_path / "back.nii")
    assert not (tmp_path / "back.nii").exists()
    drop_air(store)
    assert not check(store, against=source).air


def test_a_store_that_is_replaced_leaves_no_old_air(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.zarr"
    for zarr_format in (3, 2):
        pack(source, store, air="keep", threshold=50, force=True, zarr_format=zarr_format)
        pack(source, store, threshold=50, force=True)
        assert not (store / "air").exists()
        assert not check(store).air


def test_foreign_files_beside_the_air_are_never_replaced(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.zarr"
    pack(source, store, air="keep", threshold=50)
    (store / "air" / "notes.txt").write_text("mine")
    with pytest.raises(errors.InvalidArgument, match=r"notes\.txt"):
        pack(source, store, threshold=50, force=True)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("s.h5", {}, "Zarr stores only"),
        ("s.zarr", {"inner": {"id": "wavelet3d", "psnr": 50}}, "is lossy"),
        ("s.zarr", {"air": "bottle"}, "expected 'drop' or 'keep'"),
    ],
)
def test_air_that_could_not_be_merged_is_refused(
    tmp_path: Path, source: Path, target: str, options: Any, message: str
) -> None:
    with pytest.raises(errors.InvalidArgument, match=message):
        pack(source, tmp_path / target, **{"air": "keep", **options})
    assert not (tmp_path / target).exists()


@pytest.mark.parametrize("name", ["s.ome.zarr", "s.zarr", "s.ome.zarr.zip"])
@pytest.mark.parametrize("roi", ["box", "mask"])
def test_an_opened_scan_can_have_its_air(tmp_path: Path, source: Path, name: str, roi: str) -> None:
    store = tmp_path / name
    pack(source, store, air="keep", threshold=50, roi=roi, chunks=(16,))
    with medroi.open(store, air="merge") as scan:
        np.testing.assert_array_equal(np.asarray(scan.array), SCAN)
        np.testing.assert_array_equal(scan.array[3:20, ::-2, 7], SCAN[3:20, ::-2, 7])
        np.testing.assert_array_equal(scan.to_nibabel().dataobj[..., 5], SCAN[..., 5])
        again = pickle.loads(pickle.dumps(scan))
        np.testing.assert_array_equal(again.array[4], SCAN[4])
    with medroi.open(store) as scan:
        assert not np.array_equal(np.asarray(scan.array), SCAN)


def test_an_opened_series_can_have_its_air(tmp_path: Path) -> None:
    store = tmp_path / "s.ome.zarr"
    pack(make_scans.nifti(tmp_path / "in.nii", SERIES), store, air="keep", threshold=50)
    with medroi.open(store, air="merge") as scan:
        np.testing.assert_array_equal(scan.array[..., 1], SERIES[..., 1])


def test_air_behind_a_url_is_merged(tmp_path: Path, source: Path) -> None:
    pack(source, tmp_path / "s.ome.zarr", air="keep", threshold=50, chunks=(16,))
    with (
        serving(tmp_path) as server,
        medroi.open(f"{server.url}/s.ome.zarr", air="merge") as scan,
    ):
        np.testing.assert_array_equal(scan.array[:, 9], SCAN[:, 9])


def test_a_store_without_air_has_none_to_merge(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.zarr"
    pack(source, store, threshold=50)
    with pytest.raises(errors.InvalidArgument, match=r"s\.zarr: keeps no air to merge"):
        medroi.open(store, air="merge")
    with pytest.raises(errors.InvalidArgument, match="'leave' or 'merge'"):
        medroi.open(store, air="both")


def test_an_air_with_a_missing_chunk_is_no_background(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.zarr"
    pack(source, store, air="keep", threshold=50, chunks=(16,))
    chunks_of(store / "air")[3].unlink()
    with pytest.raises(errors.CorruptStream, match=r"s\.zarr.*chunks are missing"):
        medroi.open(store, air="merge")
