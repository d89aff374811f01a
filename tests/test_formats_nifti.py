"""Promises of NIfTI and Analyze files: pairs, colours and complex voxels come back bit for bit."""

from __future__ import annotations

import gzip

import make_scans
import nibabel
import numpy as np
import pytest
from returned import as_nifti, assert_nifti_agrees, assert_very_bytes

from medroi.errors import InvalidArgument
from medroi.scans import pack, read_scan, unpack

RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
SHAPE = (9, 8, 7)


def random_of(dtype, shape=SHAPE, seed=3):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.names:
        numbers = rng.integers(0, 256, size=(*shape, len(dtype.names))).astype(np.uint8)
        return numbers.view(dtype).reshape(shape)
    parts = rng.normal(size=(*shape, 2)).astype(f"f{dtype.itemsize // 2}")
    return parts.view(dtype).reshape(shape)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("dtype", [RGB, RGBA, "c8", "c16"], ids=["rgb", "rgba", "c64", "c128"])
@pytest.mark.parametrize("shape", [SHAPE, (9, 8), (9, 8, 7, 3)], ids=str)
def test_colours_and_complex_voxels_come_back_bit_for_bit(
    tmp_path, dtype, byte_order, shape
) -> None:
    voxels = random_of(dtype, shape)
    source = make_scans.nifti(tmp_path / "in.nii", voxels, byte_order=byte_order)
    assert_very_bytes(source)
    scan = read_scan(source)
    numbers = {RGB: 3, RGBA: 4}.get(np.dtype(dtype), 2)
    assert scan.voxels.shape == (*shape, *(1,) * (3 - len(shape)), numbers)
    assert scan.axis_names[-1] == "c"
    assert scan.meaning == ("colour" if np.dtype(dtype).names else "complex")
    if np.dtype(dtype).names:
        np.testing.assert_array_equal(scan.voxels[..., 1].reshape(shape), voxels["G"])
    else:
        np.testing.assert_array_equal(scan.voxels[..., 1].reshape(shape), voxels.imag)


def test_nothing_of_a_colour_is_taken_for_air(tmp_path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", random_of(RGB))
    report = pack(source, tmp_path / "store.zarr")
    assert report.threshold is None
    unpack(tmp_path / "store.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("image_class", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("half", [".hdr", ".img"])
@pytest.mark.parametrize("gz", ["", ".gz"])
def test_a_pair_comes_back_by_the_name_of_either_file(tmp_path, image_class, half, gz) -> None:
    voxels, affine = make_scans.head(), make_scans.oblique_affine()
    image = image_class(voxels, affine)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    nibabel.save(image, tmp_path / f"in.img{gz}")
    files = [tmp_path / f"in{half}{gz}", tmp_path / f"in{'.img' if half == '.hdr' else '.hdr'}{gz}"]
    assert_very_bytes(*files)
    assert_nifti_agrees(files[0], voxels, affine)
    header = nibabel.load(as_nifti(files[0], ".nii.gz")).header
    assert header.extensions[0].get_content() == b"kept"


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, RGB, "c8"], ids=str)
def test_analyze_comes_back_and_says_that_sides_are_unknown(tmp_path, dtype, byte_order) -> None:
    plain = np.dtype(dtype).kind in "iuf"
    voxels = make_scans.head(dtype=dtype) if plain else random_of(dtype)
    header = nibabel.AnalyzeHeader(endianness=byte_order)
    header.set_data_dtype(voxels.dtype)
    image = nibabel.AnalyzeImage(voxels, np.diag([-2.0, 1.5, 3.0, 1.0]), header)
    nibabel.save(image, tmp_path / "in.img")
    assert_very_bytes(tmp_path / "in.hdr", tmp_path / "in.img")
    scan = read_scan(tmp_path / "in.hdr")
    assert scan.kind == "analyze"
    assert scan.spacing_mm == (2.0, 1.5, 3.0)
    assert any("left and right" in note for note in scan.notes)


def test_bytes_before_and_behind_the_voxels_of_a_pair_come_back(tmp_path) -> None:
    nibabel.save(nibabel.Nifti1Pair(make_scans.head(), np.eye(4)), tmp_path / "in.img")
    header = bytearray((tmp_path / "in.hdr").read_bytes())
    header[108:112] = np.float32(48).tobytes()
    (tmp_path / "in.hdr").write_bytes(header)
    stored = (tmp_path / "in.img").read_bytes()
    (tmp_path / "in.img").write_bytes(b"before" * 8 + stored + b"behind")
    assert_very_bytes(tmp_path / "in.hdr", tmp_path / "in.img")


def test_a_pair_unpacks_to_a_folder_or_one_file(tmp_path) -> None:
    nibabel.save(nibabel.Nifti1Pair(make_scans.head(), np.eye(4)), tmp_path / "in.img")
    pack(tmp_path / "in.hdr", tmp_path / "store.zarr", lossless=True)
    with pytest.raises(InvalidArgument, match="2 files: name a folder"):
        unpack(tmp_path / "store.zarr", tmp_path / "out.img")
    assert not (tmp_path / "out.img").exists()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"#?RADIANCE\n", "a Radiance picture.*ImageMagick"),
        (b"ENVI\n", "an ENVI header.*GDAL"),
        (b"!INTERFILE :=\n", "an Interfile header.*MedCon"),
        (b"", "0 bytes; the header of a pair has 348"),
        (bytes(348), "no header of NIfTI or Analyze"),
    ],
)
def test_other_files_named_hdr_are_refused_with_what_converts_them(
    tmp_path, start, message
) -> None:
    (tmp_path / "in.hdr").write_bytes(start)
    (tmp_path / "in.img").write_bytes(bytes(99))
    with pytest.raises(InvalidArgument, match=f"in.hdr: {message}"):
        read_scan(tmp_path / "in.hdr")


def test_a_truncated_img_is_refused_by_name(tmp_path) -> None:
    nibabel.save(nibabel.Nifti1Pair(make_scans.head(), np.eye(4)), tmp_path / "in.img")
    stored = (tmp_path / "in.img").read_bytes()
    (tmp_path / "in.img").write_bytes(stored[:-1])
    with pytest.raises(InvalidArgument, match=r"in\.img: .*truncated"):
        read_scan(tmp_path / "in.hdr")
    (tmp_path / "in.img").unlink()
    (tmp_path / "in.img.gz").write_bytes(gzip.compress(stored))
    assert read_scan(tmp_path / "in.hdr").voxels.shape == make_scans.head().shape


def test_a_colour_is_a_channel_of_ome_zarr(tmp_path) -> None:
    import zarr

    source = make_scans.nifti(tmp_path / "in.nii", random_of(RGB))
    pack(source, tmp_path / "store.ome.zarr")
    group = zarr.open_group(tmp_path / "store.ome.zarr", mode="r")
    axes = group.attrs["ome"]["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["c", "z", "y", "x"]
    assert axes[0] == {"name": "c", "type": "channel"}
