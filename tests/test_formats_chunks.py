"""Files whose voxels lie in compressed chunks come back: their chunks are made again, or kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from make_scans import head
from nibabel.testing import data_path
from returned import assert_very_bytes

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans import check, clear, pack, read_scan, unpack
from medroi.scans.sources import chunks
from medroi.scans.sources.source import SourceFile

SHAPE = (20, 33, 41)


def kept_of(source: Path) -> int:
    scan = read_scan(source)
    return chunks.n_kept_bytes(scan, scan.sources[0])


def minc(path: Path, values: np.ndarray, **options: Any) -> Path:
    """Write a MINC 2 file with chunks of its own, on the model of one that nibabel ships."""
    shutil.copy(Path(data_path) / "small.mnc", path)
    with h5py.File(path, "r+") as file:
        group = file["minc-2.0/image/0"]
        attributes = dict(group["image"].attrs)
        del group["image"]
        made = group.create_dataset("image", data=values, **options)
        for name, value in attributes.items():
            made.attrs[name] = value
        made.attrs["valid_range"] = [0.0, 200.0]
        for name, size in zip(("zspace", "yspace", "xspace"), values.shape, strict=True):
            file[f"minc-2.0/dimensions/{name}"].attrs["length"] = np.int32(size)
        for name in ("image-max", "image-min"):
            value = float(name == "image-max")
            old = dict(group[name].attrs)
            del group[name]
            made = group.create_dataset(name, data=np.full(values.shape[0], value))
            for key, found in old.items():
                made.attrs[key] = found
    return path


def volume(dtype: str = "u1") -> np.ndarray:
    return np.ascontiguousarray(head(SHAPE).astype(float) / 4 % 200).astype(dtype)


MINC_OPTIONS: dict[str, dict[str, Any]] = {
    "deflate": {"chunks": (8, 16, 16), "compression": "gzip", "compression_opts": 4},
    "a slice each": {"chunks": (1, 33, 41), "compression": "gzip", "compression_opts": 9},
    "shuffle and deflate": {"chunks": (7, 9, 11), "compression": "gzip", "shuffle": True},
    "plain chunks": {"chunks": (8, 16, 16)},
}


@pytest.mark.parametrize("name", ["minc2_1_scale.mnc", "minc2_4d.mnc"])
def test_compressed_minc_that_nibabel_ships_comes_back(tmp_path, name):
    source = Path(shutil.copy(Path(data_path) / name, tmp_path))
    assert_very_bytes(source)
    assert kept_of(source) == 0


@pytest.mark.parametrize("options", MINC_OPTIONS)
@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2"])
def test_compressed_minc_is_made_again(tmp_path, options, dtype):
    values = volume(dtype)
    source = minc(tmp_path / "in.mnc", values, **MINC_OPTIONS[options])
    assert_very_bytes(source)
    assert kept_of(source) == 0
    np.testing.assert_array_equal(read_scan(source).voxels, values.T)
    report = pack(source, tmp_path / "a.ome.zarr", lossless=True)
    assert report.stored_nbytes < 2 * source.stat().st_size
    assert check(tmp_path / "a.ome.zarr", against=source).same_contents


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzf", "chunks": (8, 16, 16)},
        {"compression": "gzip", "fletcher32": True, "chunks": (8, 16, 16)},
    ],
    ids=str,
)
def test_what_cannot_be_made_again_is_kept_or_left_out_on_request(tmp_path, options):
    source = minc(tmp_path / "in.mnc", volume(), **options)
    assert_very_bytes(source)
    n_kept = kept_of(source)
    assert n_kept > 0
    report = pack(source, tmp_path / "a.ome.zarr")
    assert any(f"{n_kept} bytes are kept" in note for note in report.notes)
    without = pack(source, tmp_path / "b.ome.zarr", encapsulated="decode")
    assert without.stored_nbytes < report.stored_nbytes
    with pytest.raises(InvalidArgument, match="names no files"):
        unpack(tmp_path / "b.ome.zarr", f"{tmp_path / 'back'}/")
    unpack(tmp_path / "b.ome.zarr", tmp_path / "b.nii")
    np.testing.assert_array_equal(read_scan(tmp_path / "b.nii").voxels, volume().T)


def test_dropped_voxels_are_said_before_a_broken_file_is_written(tmp_path):
    rng = np.random.default_rng(1)
    values = np.abs(rng.normal(0, 4, SHAPE)).astype(np.int16)
    values[4:16, 8:24, 8:30] += 100
    source = minc(tmp_path / "in.mnc", values, **MINC_OPTIONS["deflate"])
    report = pack(source, tmp_path / "a.ome.zarr", threshold=60, background=0)
    assert report.n_kept < values.size
    with pytest.raises(InvalidArgument, match=r"in\.mnc: .* unpack it to NAME\.nii\.gz"):
        unpack(tmp_path / "a.ome.zarr", f"{tmp_path / 'back'}/")
    assert not list((tmp_path / "back").glob("*")) if (tmp_path / "back").exists() else True
    unpack(tmp_path / "a.ome.zarr", tmp_path / "a.nii.gz")
    pack(source, tmp_path / "b.ome.zarr", threshold=60, background=0, air="keep")
    unpack(tmp_path / "b.ome.zarr", f"{tmp_path / 'whole'}/")
    assert (tmp_path / "whole" / "in.mnc").read_bytes() == source.read_bytes()


def test_clear_writes_nifti_and_no_broken_minc(tmp_path):
    source = minc(tmp_path / "in.mnc", volume(), **MINC_OPTIONS["deflate"])
    with pytest.raises(InvalidArgument, match=r"name it \.nii"):
        clear(source, tmp_path / "out.mnc")
    assert not (tmp_path / "out.mnc").exists()
    clear(source, tmp_path / "out.nii.gz")


TIFF_OPTIONS: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "zlib"},
    "deflate 9": {"compression": "zlib", "compressionargs": {"level": 9}},
    "strips": {"compression": "zlib", "rowsperstrip": 7},
    "predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "deflated tiles": {"tile": (16, 16), "compression": "zlib"},
    "tiles with a predictor": {"tile": (16, 16), "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("options", TIFF_OPTIONS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4, 50, 70), "u2"), ((50, 70), "u1"), ((50, 70, 3), "u1"), ((2, 50, 70, 4), "u2")],
)
def test_compressed_tiff_is_made_again(tmp_path, options, byte_order, shape, dtype):
    rng = np.random.default_rng(7)
    values = rng.integers(0, 40, shape).cumsum(axis=1).astype(dtype)
    source = tmp_path / "in.tif"
    in_colour = shape[-1] in (3, 4)
    more = {"photometric": "rgb" if in_colour else "minisblack"}
    tifffile.imwrite(source, values, byteorder=byte_order, **more, **TIFF_OPTIONS[options])
    assert_very_bytes(source)
    assert kept_of(source) == 0
    planes = values if values.ndim - in_colour == 3 else values[None]
    expected = planes.transpose(2, 1, 0, *range(3, planes.ndim))
    np.testing.assert_array_equal(read_scan(source).voxels.reshape(expected.shape), expected)


def attachment(tmp_path: Path) -> tuple[Any, SourceFile, bytes]:
    source = minc(tmp_path / "in.mnc", volume(), **MINC_OPTIONS["deflate"])
    scan = read_scan(source)
    (file,) = scan.sources
    return scan, file, scan.attachments[chunks.attachment_of(file.name)]


def test_every_prefix_of_the_index_is_refused_by_name(tmp_path):
    scan, file, data = attachment(tmp_path)
    stop = 13 + int.from_bytes(data[5:13], "little")
    assert b"".join(chunks.contents(scan, file, data)) == (tmp_path / "in.mnc").read_bytes()
    for nbytes in range(0, stop, 7):
        with pytest.raises(CorruptStream, match=r"chunks/in\.mnc"):
            b"".join(chunks.contents(scan, file, data[:nbytes]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"level":4', b'"level":44'),
        (b'"engine":"zlib"', b'"engine":"none"'),
        (b'"deflate":{', b'"deflate":3,"more":{'),
        (b'"shape":[20,', b'"shape":[21,'),
        (b'"chunk":[8,16,16]', b'"chunk":[8,16]'),
        (b'"chunk":[8,16,16]', b'"chunk":[800000,160000,16]'),
        (b'"chunk":[8,16,16]', b'"chunk":[-8,16,16]'),
        (b'"dtype":"|u1"', b'"dtype":"|O1"'),
        (b'"filter":""', b'"filter":"x"'),
        (b'"fill":"00"', b'"fill":"0000"'),
        (b'"chunks":[[', b'"chunks":[[9'),
        (b'"chunks":[[', b'"chunks":[3,['),
    ],
)
def test_a_damaged_index_is_refused(tmp_path, before, after):
    scan, file, data = attachment(tmp_path)
    stop = 13 + int.from_bytes(data[5:13], "little")
    assert before in data[:stop]
    text = data[13:stop].replace(before, after, 1)
    damaged = data[:5] + len(text).to_bytes(8, "little") + text + data[stop:]
    with pytest.raises(CorruptStream, match=r"chunks/in\.mnc"):
        b"".join(chunks.contents(scan, file, damaged))
