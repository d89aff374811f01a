"""Promises of pictures: PNG files come back bit for bit, alone and as the slices of a volume."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from returned import as_nifti, assert_very_bytes, unpacked_beside

from medroi.cli import main
from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan, unpack
from medroi.scans.sources.png_data import filtered

RNG_SHAPE = (47, 61)


def pixels(mode: str, seed: int = 1, shape: tuple[int, int] = RNG_SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.add.outer(np.arange(shape[0]), 2 * np.arange(shape[1]))
    if mode == "I;16":
        return (smooth * 201 + rng.integers(0, 99, shape)).astype(np.uint16)
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    values = smooth[..., None] + rng.integers(0, 40, (*shape, channels))
    values = values.astype(np.uint8)
    return values[..., 0] if channels == 1 else values


def picture(path: Path, values: np.ndarray, **options) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_a_png_comes_back_with_its_very_bytes(tmp_path, mode, level) -> None:
    values = pixels(mode)
    source = picture(tmp_path / "in.png", values, compress_level=level)
    assert_very_bytes(source)
    scan = read_scan(source)
    expected = np.swapaxes(values, 0, 1)
    expected = expected if values.ndim == 2 else expected[:, :, None]
    np.testing.assert_array_equal(scan.voxels, expected)
    assert any("how large its pixels are" in note for note in scan.notes)


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("sizes", [None, [2, 500, 0, 7], [1]])
def test_every_filter_and_cut_of_the_data_comes_back(tmp_path, kind, sizes) -> None:
    values = pixels("L")
    types = bytes((kind + row) % 5 for row in range(len(values)))
    source = tmp_path / "in.png"
    source.write_bytes(written(values, types, sizes))
    np.testing.assert_array_equal(np.asarray(Image.open(source)), values)
    assert_very_bytes(source)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def written(values: np.ndarray, types: bytes, sizes: list[int] | None, level: int = 6) -> bytes:
    """Write a PNG of 8 bits by the specification."""
    height, width = values.shape
    stream = zlib.compress(b"".join(filtered(values, types, 1)), level)
    cuts, data = [], stream
    for size in sizes or []:
        cuts.append(data[:size])
        data = data[size:]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = b"".join(chunk(b"IDAT", part) for part in (*cuts, data))
    text = chunk(b"tEXt", b"Comment\0kept")
    end = chunk(b"tIME", bytes(7)) + chunk(b"IEND", b"") + b"behind"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + text + idat + end


def test_a_png_of_another_compressor_is_a_png_of_the_same_pixels(tmp_path) -> None:
    values = pixels("L")
    types = bytes(len(values))
    whole = written(values, types, None)
    start = whole.index(b"IDAT") - 4
    coder = zlib.compressobj(6, zlib.DEFLATED, 15, 8, zlib.Z_FIXED)
    stream = coder.compress(b"".join(filtered(values, types, 1))) + coder.flush()
    source = tmp_path / "in.png"
    source.write_bytes(whole[:start] + chunk(b"IDAT", stream) + chunk(b"IEND", b""))
    report, folder = unpacked_beside(source)
    assert [file.outcome for file in report.files] == ["same contents"]
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "in.png")), values)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_folder_of_pictures_is_a_volume_and_comes_back(tmp_path, mode) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    slices = [pixels(mode, seed) for seed in range(12)]
    for number, values in enumerate(slices):
        picture(folder / f"slice{number}.png", values)
    pack(folder, tmp_path / "s.ome.zarr", lossless=True)
    report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert {file.outcome for file in report.files} == {"very bytes"}
    for path in folder.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    scan = read_scan(folder)
    # Slice 10 follows 9, not 1.
    expected = np.stack([np.swapaxes(values, 0, 1) for values in slices], axis=2)
    np.testing.assert_array_equal(scan.voxels, expected)


@pytest.mark.parametrize("kind", ["pictures", "array"])
def test_a_folder_that_is_no_dicom_is_packed_into_a_folder(tmp_path, kind) -> None:
    source = tmp_path / "in"
    voxels = np.stack([pixels("L", seed).T for seed in range(3)], axis=2)
    if kind == "array":
        zarr.create_array(store=source, data=voxels)
    else:
        source.mkdir()
        for number in range(3):
            picture(source / f"slice{number}.png", voxels[..., number].T)
    # Small scans may be larger than their source, which the exit code 3 says.
    assert main(["pack", str(source), f"{tmp_path / 'stores'}/", "--lossless"]) in (0, 3)
    unpack(tmp_path / "stores" / "in.ome.zarr", tmp_path / "back.nii")
    np.testing.assert_array_equal(read_scan(tmp_path / "back.nii").voxels, voxels)


def test_pictures_of_different_sizes_are_no_volume(tmp_path) -> None:
    picture(tmp_path / "a.png", pixels("L"))
    picture(tmp_path / "b.png", pixels("L", shape=(9, 9)))
    with pytest.raises(InvalidArgument, match=r"b\.png has \(9, 9\).*a\.png has"):
        read_scan(tmp_path)


def test_a_picture_unpacks_to_nifti(tmp_path) -> None:
    source = picture(tmp_path / "in.png", pixels("RGB"))
    unpacked_beside(source)
    scan = read_scan(as_nifti(source))
    np.testing.assert_array_equal(scan.voxels, read_scan(source).voxels)


@pytest.mark.parametrize(("layout", "edge"), [("viewer", 512), ("training", 256)])
def test_an_image_of_one_plane_has_chunks_of_as_many_voxels_as_a_volume(
    tmp_path, layout, edge
) -> None:
    source = picture(tmp_path / "in.png", pixels("L", shape=(600, 1100)))
    report = pack(source, tmp_path / "s.ome.zarr", layout=layout, lossless=True)
    assert report.chunks == (edge, edge)
    assert zarr.open(tmp_path / "s.ome.zarr", mode="r")["s0"].chunks == (edge, edge)
    assert_very_bytes(source, layout=layout)


def test_every_prefix_of_a_png_is_refused(tmp_path) -> None:
    whole = written(pixels("L", shape=(6, 5)), bytes(range(5)) + b"\0", [3])
    end = whole.index(b"tIME") - 4
    for nbytes in range(end):
        (tmp_path / "in.png").write_bytes(whole[:nbytes])
        with pytest.raises(InvalidArgument, match=r"in\.png"):
            read_scan(tmp_path / "in.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "P"}, "colour type 3 with 8 bits"),
        ({"mode": "1"}, "colour type 0 with 1 bits"),
    ],
)
def test_other_kinds_of_png_are_refused_with_what_converts_them(tmp_path, options, message) -> None:
    Image.fromarray(pixels("L")).convert(options["mode"]).save(tmp_path / "in.png")
    with pytest.raises(InvalidArgument, match=f"{message}.*ImageMagick"):
        read_scan(tmp_path / "in.png")


def test_lies_about_the_size_of_a_png_are_refused(tmp_path) -> None:
    whole = written(pixels("L"), bytes(47), None)
    at = whole.index(b"IHDR") + 4
    for width, height in ((60, 47), (61, 48), (0, 47), (1 << 31, 1 << 31)):
        header = struct.pack(">II", width, height) + whole[at + 8 : at + 13]
        lying = whole[: at - 8] + chunk(b"IHDR", header) + whole[at + 17 :]
        (tmp_path / "in.png").write_bytes(lying)
        with pytest.raises(InvalidArgument, match=r"in\.png"):
            read_scan(tmp_path / "in.png")


# TIFF


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((9, 47, 61), "u2"),
        ((47, 61), "u1"),
        ((5, 47, 61), "f4"),
        ((9, 47, 61, 3), "u1"),
        ((47, 61, 4), "u1"),
    ],
    ids=str,
)
def test_plain_tiff_comes_back_with_its_very_bytes(tmp_path, shape, dtype, byte_order) -> None:
    rng = np.random.default_rng(2)
    values = (rng.integers(0, 200, shape)).astype(dtype)
    source = tmp_path / "in.tif"
    options = {"photometric": "rgb"} if shape[-1] in (3, 4) else {"photometric": "minisblack"}
    tifffile.imwrite(source, values, byteorder=byte_order, rowsperstrip=10, **options)
    assert_very_bytes(source)
    scan = read_scan(source)
    in_colour = shape[-1] in (3, 4)
    planes = values if values.ndim - in_colour == 3 else values[None]
    expected = planes.transpose(2, 1, 0, *range(3, planes.ndim))
    np.testing.assert_array_equal(scan.voxels.reshape(expected.shape), expected)


def test_damaged_tiff_is_refused_by_name(tmp_path) -> None:
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, np.zeros((3, 20, 30), np.uint16), photometric="minisblack")
    whole = source.read_bytes()
    for nbytes in range(0, len(whole) - 16, 97):
        source.write_bytes(whole[:nbytes])
        with pytest.raises(InvalidArgument, match=r"in\.tif"):
            read_scan(source)
    rng = np.random.default_rng(6)
    refused = []
    for _ in range(60):
        data = bytearray(whole)
        data[rng.integers(0, 400)] ^= 1 << rng.integers(0, 8)
        source.write_bytes(data)
        try:
            read_scan(source)
        except InvalidArgument as error:
            refused.append(str(error))
    assert refused and all("in.tif" in message for message in refused)


def test_what_the_reader_of_tiff_logs_of_a_damaged_file_is_not_on_stderr(tmp_path, capsys) -> None:
    source = tmp_path / "a.tif"
    with tifffile.TiffWriter(source) as tiff:
        for _ in range(4):
            tiff.write(np.ones((9, 8), np.uint16), contiguous=False)
    data = bytearray(source.read_bytes())
    with tifffile.TiffFile(source) as tiff:
        last = tiff.pages[2].offset
    # Behind the tags of a page stands where the next one is.
    at = last + 2 + 12 * int.from_bytes(data[last : last + 2], "little")
    data[at : at + 4] = (1 << 30).to_bytes(4, "little")
    source.write_bytes(data)
    with pytest.raises(InvalidArgument, match="it is truncated"):
        read_scan(source)
    assert capsys.readouterr().err == ""
