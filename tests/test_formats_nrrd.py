"""Promises of NRRD and MetaImage files: voxels where others see them, and the very bytes back."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import make_scans
import nrrd
import numpy as np
import pytest
from returned import as_nifti, assert_nifti_agrees, assert_very_bytes, unpacked_beside

from medroi.errors import InvalidArgument
from medroi.scans import read_scan

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nrrd_header(affine: np.ndarray) -> dict:
    in_lps = LPS @ affine
    return {
        "space": "left-posterior-superior",
        "space directions": in_lps[:3, :3].T,
        "space origin": in_lps[:3, 3],
    }


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u4", "<f4", ">f8"])
def test_nrrd_comes_back_with_its_very_bytes(tmp_path, encoding, dtype) -> None:
    voxels, affine = make_scans.head(dtype=dtype[-2:]).astype(dtype), make_scans.oblique_affine()
    source = tmp_path / "in.nrrd"
    header = {**nrrd_header(affine), "encoding": encoding}
    if dtype[0] != "u":
        header["endian"] = "big" if dtype[0] == ">" else "little"
    nrrd.write(str(source), voxels, header)
    assert_very_bytes(source)
    assert_nifti_agrees(source, voxels.astype(dtype[-2:]), affine)


@pytest.mark.parametrize(("encoding", "suffix"), [("raw", ".raw"), ("gzip", ".raw.gz")])
def test_detached_nrrd_comes_back_as_both_files(tmp_path, encoding, suffix) -> None:
    voxels, affine = make_scans.head(), make_scans.oblique_affine()
    source = tmp_path / "in.nhdr"
    header = {**nrrd_header(affine), "encoding": encoding}
    nrrd.write(str(source), voxels, header, detached_header=True)
    assert_very_bytes(source, tmp_path / f"in{suffix}")
    assert_nifti_agrees(source, voxels, affine)


# Of the second, a byte of UTF-8 ends a line in Latin-1.
@pytest.mark.parametrize("name", ["gehirn-ä脳", "hjerne-Å"])
def test_data_files_may_have_names_beyond_ascii(tmp_path, name) -> None:
    voxels = make_scans.head()
    (tmp_path / f"{name}.raw").write_bytes(voxels.tobytes("F"))
    sizes = " ".join(map(str, voxels.shape))
    (tmp_path / f"{name}.nhdr").write_text(
        f"NRRD0004\ntype: int16\ndimension: 3\nsizes: {sizes}\nencoding: raw\n"
        f"endian: little\ndata file: {name}.raw\n",
        encoding="utf-8",
    )
    (tmp_path / f"{name}.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = {sizes}\nElementType = MET_SHORT\n"
        f"ElementSpacing = 1 1 1\nElementDataFile = {name}.raw\n",
        encoding="utf-8",
    )
    for suffix in ("nhdr", "mhd"):
        source = tmp_path / f"{name}.{suffix}"
        assert np.array_equal(read_scan(source).voxels, voxels)
        assert_very_bytes(source, tmp_path / f"{name}.raw")


def test_components_of_nrrd_lie_behind_the_axes_of_space(tmp_path) -> None:
    rng = np.random.default_rng(4)
    voxels = rng.integers(0, 99, size=(5, 9, 8, 7)).astype(np.int16)
    affine = make_scans.oblique_affine()
    header = nrrd_header(affine)
    directions = np.vstack([np.full(3, np.nan), header["space directions"]])
    for kind, meaning in (("list", ""), ("vector", "")):
        source = tmp_path / f"{kind}.nrrd"
        kinds = [kind, "domain", "domain", "domain"]
        nrrd.write(str(source), voxels, {**header, "space directions": directions, "kinds": kinds})
        assert_very_bytes(source)
        scan = read_scan(source)
        np.testing.assert_array_equal(scan.voxels, np.moveaxis(voxels, 0, -1))
        np.testing.assert_allclose(scan.affine, affine)
        assert (scan.axis_names, scan.meaning) == (("x", "y", "z", "c"), meaning)


def test_a_colour_of_nrrd_is_no_intensity(tmp_path) -> None:
    voxels = np.random.default_rng(4).integers(0, 256, size=(3, 9, 8)).astype(np.uint8)
    source = tmp_path / "in.nrrd"
    nrrd.write(str(source), voxels, {"kinds": ["RGB-color", "domain", "domain"]})
    assert_very_bytes(source)
    scan = read_scan(source)
    assert (scan.meaning, scan.voxels.shape) == ("colour", (9, 8, 1, 3))


def test_nrrd_without_sizes_of_voxels_says_so(tmp_path) -> None:
    nrrd.write(str(tmp_path / "none.nrrd"), make_scans.head(), {})
    nrrd.write(str(tmp_path / "some.nrrd"), make_scans.head(), {"spacings": [2.0, 3.0, 4.0]})
    scan = read_scan(tmp_path / "none.nrrd")
    assert any("1 mm is stored" in note for note in scan.notes)
    scan = read_scan(tmp_path / "some.nrrd")
    assert scan.spacing_mm == (2.0, 3.0, 4.0)
    assert any("only its spacings" in note for note in scan.notes)


def test_skipped_lines_and_bytes_of_nrrd_come_back(tmp_path) -> None:
    voxels = make_scans.head((4, 5, 6))
    text = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n"
    stored = voxels.tobytes(order="F")
    for name, fields, before in (
        ("lines", b"line skip: 2\nbyte skip: 3\n", b"one\ntwo\nabc"),
        ("end", b"byte skip: -1\n", b"0123456"),
    ):
        (tmp_path / f"{name}.raw").write_bytes(before + stored)
        source = tmp_path / f"{name}.nhdr"
        source.write_bytes(text + fields + f"data file: {name}.raw\n\n".encode())
        np.testing.assert_array_equal(read_scan(source).voxels, voxels)
        assert_very_bytes(source, tmp_path / f"{name}.raw")


NRRD = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (NRRD + bytes(239), "the file holds 239; it is truncated"),
        (NRRD[:-1], "the file ends inside its header"),
        (NRRD.replace(b"4 5 6", b"4 5 99999999999"), "truncated"),
        (NRRD.replace(b"4 5 6", b"4 5"), "sizes|header"),
        (NRRD.replace(b"short", b"block"), "block|header"),
        (NRRD.replace(b"raw", b"ascii"), "encoding 'ascii'"),
        (NRRD.replace(b"\n\n", b"\ndata file: ../x.raw\n\n"), "is not beside it"),
        (NRRD.replace(b"\n\n", b"\ndata file: a%d.raw 1 9 1\n\n"), "several files"),
        (b"rubbish\n\n", "header"),
        (b"x" * 3000000, "a header of more than"),
    ],
)
def test_damaged_nrrd_is_refused_by_name(tmp_path, data, message) -> None:
    (tmp_path / "in.nrrd").write_bytes(data)
    with pytest.raises(InvalidArgument, match=rf"in\.nrrd: .*({message})"):
        read_scan(tmp_path / "in.nrrd")


# MetaImage


def meta(
    path: Path,
    voxels: np.ndarray,
    affine: np.ndarray,
    *,
    level: int | None = None,
    data_file: str = "LOCAL",
    more: str = "",
    n_channels: int = 1,
) -> Path:
    """Write a MetaImage as ITK does."""
    names = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
    shape = voxels.shape[1:] if n_channels > 1 else voxels.shape
    in_lps = LPS @ affine
    spacing = np.linalg.norm(in_lps[:3, :3], axis=0)
    stored = voxels.tobytes(order="F")
    if level is not None:
        stored = zlib.compress(stored, level)
        more += f"CompressedData = True\nCompressedDataSize = {len(stored)}\n"
    channels = f"ElementNumberOfChannels = {n_channels}\n" if n_channels > 1 else ""
    text = (
        f"ObjectType = Image\nNDims = {len(shape)}\nBinaryData = True\n"
        f"BinaryDataByteOrderMSB = {voxels.dtype.str[0] == '>'}\n{more}"
        f"TransformMatrix = {' '.join(map(repr, (in_lps[:3, :3] / spacing).T.ravel().tolist()))}\n"
        f"Offset = {' '.join(map(repr, in_lps[:3, 3].tolist()))}\n"
        f"ElementSpacing = {' '.join(map(repr, spacing.tolist()))}\n"
        f"DimSize = {' '.join(map(str, shape))}\n{channels}"
        f"ElementType = {names[voxels.dtype.str[1:]]}\nElementDataFile = {data_file}\n"
    ).encode()
    if data_file == "LOCAL":
        path.write_bytes(text + stored)
    else:
        path.write_bytes(text)
        (path.parent / data_file).write_bytes(stored)
    return path


@pytest.mark.parametrize("level", [None, 1, 2, 6, 9])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8"])
def test_a_metaimage_comes_back_with_its_very_bytes(tmp_path, level, dtype) -> None:
    voxels, affine = make_scans.head(dtype=dtype[-2:]).astype(dtype), make_scans.oblique_affine()
    source = meta(tmp_path / "in.mha", voxels, affine, level=level)
    assert_very_bytes(source)
    assert_nifti_agrees(source, voxels.astype(dtype[-2:]), affine)


@pytest.mark.parametrize(("level", "name"), [(None, "in.raw"), (2, "in.zraw")])
def test_a_detached_metaimage_comes_back_as_both_files(tmp_path, level, name) -> None:
    voxels, affine = make_scans.head(), make_scans.oblique_affine()
    source = meta(tmp_path / "in.mhd", voxels, affine, level=level, data_file=name)
    assert_very_bytes(source, tmp_path / name)
    assert_nifti_agrees(source, voxels, affine)


def test_a_colour_of_a_metaimage_comes_back(tmp_path) -> None:
    voxels = np.random.default_rng(4).integers(0, 256, size=(3, 9, 8, 7)).astype(np.uint8)
    source = meta(tmp_path / "in.mha", voxels, make_scans.oblique_affine(), n_channels=3)
    assert_very_bytes(source)
    scan = read_scan(source)
    assert (scan.meaning, scan.axis_names) == ("colour", ("x", "y", "z", "c"))
    np.testing.assert_array_equal(scan.voxels, np.moveaxis(voxels, 0, -1))


def test_bytes_before_the_voxels_of_a_metaimage_come_back(tmp_path) -> None:
    voxels, affine = make_scans.head(), np.eye(4)
    for name, size in (("a", 5), ("b", -1)):
        source = meta(
            tmp_path / f"{name}.mhd",
            voxels,
            affine,
            data_file=f"{name}.raw",
            more=f"HeaderSize = {size}\n",
        )
        raw = tmp_path / f"{name}.raw"
        raw.write_bytes(b"front" + raw.read_bytes())
        np.testing.assert_array_equal(read_scan(source).voxels, voxels)
        assert_very_bytes(source, raw)


META = (
    b"ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\n"
    b"ElementDataFile = LOCAL\n"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (META + bytes(239), "the file holds 239; it is truncated"),
        (META[:-1], "the file ends inside its header"),
        (META.replace(b"4 5 6", b"4 5 99999999999"), "truncated"),
        (META.replace(b"4 5 6", b"4 5"), "2 sizes for 3 axes"),
        (META.replace(b"4 5 6", b"4 x 6"), "unusable"),
        (META.replace(b"MET_SHORT", b"MET_STRING"), "MET_STRING"),
        (META.replace(b"LOCAL", b"../x.raw"), "is not beside it"),
        (META.replace(b"LOCAL", b"LIST"), "several files"),
        (META.replace(b"Image", b"Tube"), "type Tube, no image"),
        (b"BinaryData = False\n" + META, "voxels as text"),
        (b"CompressedData = True\n" + META + b"rubbish" * 9, "damaged zlib data"),
        (b"CompressedData = True\n" + META + zlib.compress(bytes(240))[:-3], "truncated"),
        (b"ElementSpacing = 1 2\n" + META + bytes(240), "expected 3 numbers"),
        (b"HeaderSize = -7\n" + META + bytes(240), "HeaderSize -7"),
    ],
)
def test_a_damaged_metaimage_is_refused_by_name(tmp_path, data, message) -> None:
    (tmp_path / "in.mha").write_bytes(data)
    with pytest.raises(InvalidArgument, match=rf"in\.mha: .*{message}"):
        read_scan(tmp_path / "in.mha")


def test_data_compressed_twice_are_refused(tmp_path) -> None:
    text = NRRD.replace(b"raw", b"gzip")
    (tmp_path / "in.nrrd").write_bytes(gzip.compress(text + gzip.compress(bytes(240))))
    with pytest.raises(InvalidArgument, match="compressed itself; unpack it with gzip first"):
        read_scan(tmp_path / "in.nrrd")
    (tmp_path / "in.nrrd").write_bytes(bz2.compress(NRRD + bytes(240)))
    assert_very_bytes(tmp_path / "in.nrrd")


def fixed(data: bytes, wbits: int) -> bytes:
    """Compress as no program does: with the fixed code of deflate alone."""
    coder = zlib.compressobj(6, zlib.DEFLATED, wbits, 8, zlib.Z_FIXED)
    return coder.compress(data) + coder.flush()


def test_an_nrrd_of_another_compressor_is_a_whole_nrrd_again(tmp_path) -> None:
    voxels = make_scans.head((14, 15, 16))
    text = NRRD.replace(b"4 5 6", b"14 15 16").replace(b"raw", b"gzip")
    source = tmp_path / "in.nrrd"
    source.write_bytes(text + fixed(voxels.tobytes(order="F"), 31))
    report, folder = unpacked_beside(source)
    assert [file.outcome for file in report.files] == ["same contents"]
    np.testing.assert_array_equal(nrrd.read(str(folder / "in.nrrd"))[0], voxels)


def test_a_metaimage_of_another_compressor_is_not_written_wrongly(tmp_path) -> None:
    voxels = make_scans.head((14, 15, 16))
    text = META.replace(b"4 5 6", b"14 15 16")
    source = tmp_path / "in.mha"
    source.write_bytes(b"CompressedData = True\n" + text + fixed(voxels.tobytes(order="F"), 15))
    message = r"in\.mha: its header .*unpack it to \.nii or \.nii\.gz"
    with pytest.raises(InvalidArgument, match=message):
        unpacked_beside(source)
    assert not (tmp_path / "in.mha back").exists()
    np.testing.assert_array_equal(read_scan(as_nifti(source)).voxels, voxels)
