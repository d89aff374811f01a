"""A packed scan, opened: the voxels that NumPy, nibabel and xarray would give, read late."""

from __future__ import annotations

import math
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import make_scans
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_server import serving

import medroi
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.scans.access.selecting import boxed

CHUNKS = {"chunks": (16,), "lossless": True}


def packed(tmp_path: Path, voxels: np.ndarray, name: str = "scan.zarr", **options: Any) -> Path:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", voxels, **options)
    medroi.pack(source, tmp_path / name, **CHUNKS)
    return tmp_path / name


KEYS = [
    np.s_[...],
    np.s_[3],
    np.s_[-1, :, 4],
    np.s_[1, 2, 3],
    np.s_[2:9, ::3, -4:],
    np.s_[::-1, 30:2:-3, 1],
    np.s_[..., 5],
    np.s_[:, None, 4:6],
    np.s_[5:5],
    np.s_[[3, -1, 3]],
    np.s_[[1, 2], [3, 4], ::2],
    np.s_[:, np.array([[0, 1], [2, 3]]), 7],
    np.s_[[]],
    np.s_[100:],
]


NAMES = ["scan.zarr", "scan.ome.zarr", "scan.ome.zarr.zip", "scan.h5/a"]


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_an_index_gives_what_numpy_gives(key: Any, name: str, tmp_path: Path) -> None:
    voxels = make_scans.head()
    with medroi.open(packed(tmp_path, voxels, name)) as scan:
        found, expected = scan.array[key], voxels[key]
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_a_mask_is_an_index(tmp_path: Path) -> None:
    voxels = make_scans.head()
    with medroi.open(packed(tmp_path, voxels)) as scan:
        assert np.array_equal(scan.array[voxels > 150], voxels[voxels > 150])
        rows = np.arange(30) % 3 == 0
        assert np.array_equal(scan.array[rows, :, 2], voxels[rows, :, 2])


_INTEGERS = st.integers(-9, 9)
_ITEMS = st.one_of(
    _INTEGERS,
    st.slices(7),
    st.none(),
    st.just(...),
    st.lists(_INTEGERS, max_size=4),
    st.builds(slice, _INTEGERS, _INTEGERS, _INTEGERS.filter(bool)),
)


@given(key=st.lists(_ITEMS, max_size=4).map(tuple))
def test_any_index_is_answered_or_refused_as_by_numpy(key: tuple[Any, ...]) -> None:
    array = np.arange(7 * 5 * 6).reshape(7, 5, 6)
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(IndexError):
            answered(array, key)
    else:
        found = answered(array, key)
        assert np.array_equal(found, expected) and found.shape == expected.shape


def answered(array: np.ndarray, key: Any) -> Any:
    box, inside = boxed(key, array.shape)
    return array[tuple(slice(*bounds) for bounds in box)][inside]


@pytest.mark.parametrize("key", [np.s_[30], np.s_[-31], np.s_[0, 0, 0, 0], np.s_[..., ...], True])
def test_an_index_beyond_the_array_is_refused(key: Any, tmp_path: Path) -> None:
    with medroi.open(packed(tmp_path, make_scans.head())) as scan, pytest.raises(IndexError):
        scan.array[key]


@pytest.mark.parametrize("key", [1.5, "x", np.s_[[0.5]]])
def test_what_is_no_index_is_refused(key: Any, tmp_path: Path) -> None:
    scan = medroi.open(packed(tmp_path, make_scans.head()))
    with pytest.raises((IndexError, TypeError)):
        scan.array[key]


def test_only_the_chunks_that_are_needed_are_read(tmp_path: Path) -> None:
    voxels = make_scans.head((32, 32, 32))
    path = packed(tmp_path, voxels)
    for chunk in path.glob("c/*/*/0"):
        chunk.write_bytes(b"damaged")
    scan = medroi.open(path)
    assert np.array_equal(scan.array[:, :, 16:], voxels[:, :, 16:])
    with pytest.raises(CorruptStream, match=r"scan\.zarr"):
        scan.array[:, :, 15]


@pytest.mark.parametrize("shape", [(30, 34, 26), (9, 8, 7, 5)])
@pytest.mark.parametrize("scale", [(None, None), (0.25, -7.0)])
@pytest.mark.parametrize(("name", "version"), list(zip(NAMES, [1, 2, 1, 1])))
def test_nibabel_gets_the_image_of_the_file(
    name: str, version: int, scale: tuple[Any, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = packed(
        tmp_path,
        make_scans.head(shape),
        name,
        version=version,
        slope=scale[0],
        intercept=scale[1],
        extension=b"kept",
    )
    expected = nibabel.load(tmp_path / "scan.nii.gz")
    scan = medroi.open(path)
    found = scan.to_nibabel()
    assert type(found) is type(expected)
    assert found.header == expected.header
    assert [e.get_content() for e in found.header.extensions] == [
        e.get_content() for e in expected.header.extensions
    ]
    assert np.array_equal(found.affine, expected.affine)
    assert np.array_equal(scan.affine, expected.affine)
    assert scan.spacing_mm == pytest.approx(expected.header.get_zooms()[:3], rel=1e-6)
    assert nibabel.is_proxy(found.dataobj)
    for get in (
        lambda image: image.get_fdata(),
        lambda image: image.get_fdata(dtype=np.float32),
        lambda image: np.asanyarray(image.dataobj),
        lambda image: image.dataobj.get_unscaled(),
        lambda image: image.dataobj[..., 2:5],
        lambda image: image.slicer[3:7, :, 2:4].get_fdata(),
    ):
        a, b = get(found), get(expected)
        assert a.dtype == b.dtype and np.array_equal(a, b)
    assert (found.dataobj.slope, found.dataobj.inter) == (
        expected.dataobj.slope,
        expected.dataobj.inter,
    )


@pytest.mark.parametrize("spacing_mm", [0.0, -2.0, math.nan, math.inf])
def test_a_header_without_usable_distances_is_an_image_for_nibabel_too(
    spacing_mm: float, tmp_path: Path
) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii", make_scans.head())
    with source.open("r+b") as file:
        file.seek(76)
        file.write(struct.pack("<4f", *[spacing_mm] * 4))
        file.seek(252)
        file.write(struct.pack("<2h", 0, 0))
    medroi.pack(source, tmp_path / "scan.zarr", **CHUNKS)
    found, expected = medroi.open(tmp_path / "scan.zarr").to_nibabel(), nibabel.load(source)
    assert np.array_equal(found.affine, expected.affine, equal_nan=True)
    assert found.header.binaryblock == expected.header.binaryblock
    assert np.array_equal(found.get_fdata(), expected.get_fdata())


def test_a_freesurfer_volume_is_one_for_nibabel_too(tmp_path: Path) -> None:
    source = make_scans.mgz(tmp_path / "scan.mgz", make_scans.head((12, 11, 10)))
    medroi.pack(source, tmp_path / "scan.zarr", lossless=True)
    scan, expected = medroi.open(tmp_path / "scan.zarr"), nibabel.load(source)
    found = scan.to_nibabel()
    assert type(found) is type(expected) and found.header == expected.header
    assert np.array_equal(found.affine, expected.affine)
    assert np.array_equal(found.get_fdata(), expected.get_fdata())
    assert scan.kind == "mgz" and "FreeSurfer" in repr(scan)


def test_dicom_is_values_in_the_unit_of_the_series(tmp_path: Path) -> None:
    voxels = make_scans.head((12, 11, 10), np.uint16)

    def rescale(k: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 + k, -3

    make_scans.dicom_series(tmp_path / "series", voxels, edit=rescale)
    medroi.pack(tmp_path / "series", tmp_path / "scan.zarr", lossless=True)
    scan = medroi.open(tmp_path / "scan.zarr")
    expected = voxels * (0.5 + np.arange(10)) - 3
    assert np.array_equal(np.asarray(scan.array), voxels)
    assert np.array_equal(np.asarray(scan.scaled), expected)
    assert np.array_equal(scan.scaled[3:5, :, ::3], expected[3:5, :, ::3])
    assert np.array_equal(scan.to_nibabel().get_fdata(), expected)
    assert np.array_equal(scan.to_xarray()[:, 4, 2:].to_numpy(), expected[:, 4, 2:])


def test_xarray_knows_millimetres_and_seconds(tmp_path: Path) -> None:
    voxels = make_scans.head((9, 8, 7, 5))
    affine = np.diag([-2.0, 1.5, 3.0, 1.0])
    affine[:3, 3] = 10, -20, 30

    def timed(header: bytearray) -> None:
        image = nibabel.Nifti1Header(bytes(header[:348]), check=False)
        image.set_xyzt_units("mm", "msec")
        image["pixdim"][4], image["toffset"] = 2500, 500
        header[:348] = image.binaryblock

    path = packed(tmp_path, voxels, affine=affine, slope=2.0, intercept=1.0, edit=timed)
    found = medroi.open(path).to_xarray()
    assert found.dims == ("x", "y", "z", "t")
    assert found.dtype == np.float64
    assert np.array_equal(found.x, 10 - 2.0 * np.arange(9)) and found.x.attrs["units"] == "mm"
    assert np.array_equal(found.y, -20 + 1.5 * np.arange(8))
    assert np.array_equal(found.z, 30 + 3.0 * np.arange(7))
    assert np.array_equal(found.t, 0.5 + 2.5 * np.arange(5)) and found.t.attrs["units"] == "s"
    assert np.array_equal(found.attrs["affine"], affine)
    assert found.attrs["spacing_mm"] == [2.0, 1.5, 3.0]
    assert np.array_equal(found.sel(z=33, method="nearest")[..., 1], voxels[:, :, 1, 1] * 2.0 + 1)
    assert np.array_equal(found[::-2, 3, [1, 4], :], voxels[::-2, 3][:, [1, 4]] * 2.0 + 1)
    again = pickle.loads(pickle.dumps(found))
    assert np.array_equal(again, found)


def test_an_oblique_scan_has_no_coordinates_in_millimetres(tmp_path: Path) -> None:
    found = medroi.open(packed(tmp_path, make_scans.head((9, 8, 7)))).to_xarray()
    assert not found.coords
    assert np.array_equal(found.attrs["affine"], np.float32(make_scans.oblique_affine()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"chunks": "volume"}, {"chunks": (16,)}, {"roi": "box"}])
def test_the_region_is_what_the_report_of_pack_says(
    options: dict[str, Any], name: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    voxels = make_scans.head((48, 40, 36))
    voxels = np.where(voxels, voxels, rng.integers(0, 6, voxels.shape)).astype(np.int16)
    source = make_scans.nifti(tmp_path / "scan.nii", voxels)
    report = medroi.pack(source, tmp_path / name, **options)
    scan = medroi.open(tmp_path / name)
    region = scan.region
    assert (region.n_voxels, region.n_kept) == (voxels.size, report.n_kept)
    assert 0 < region.n_dropped == voxels.size - report.n_kept
    assert region.threshold == report.threshold
    for fact in ("n_dropped_signal", "n_signal", "largest_dropped_group"):
        assert region.dropped[fact] == report.dropped[fact]
    inside = tuple(slice(*bounds) for bounds in region.box)
    rest = np.array(scan.array)
    rest[inside] = region.background
    assert (rest == region.background).all()
    assert f"{report.n_kept} of {voxels.size} voxels" in str(region)
    assert region.to_json()["kept_share"] == report.kept_share


def test_a_scan_of_which_all_is_kept_says_so(tmp_path: Path) -> None:
    voxels = np.arange(120, dtype=np.int16).reshape(6, 5, 4) + 1
    scan = medroi.open(packed(tmp_path, voxels))
    assert str(scan.region) == "all 120 voxels are kept"
    scan = medroi.open(packed(tmp_path, np.full((6, 5, 4), 9, np.int16), "even.zarr"))
    assert str(scan.region) == "no voxel differs from the background, 9"


def test_a_closed_scan_is_not_read(tmp_path: Path) -> None:
    path = packed(tmp_path, make_scans.head())
    with medroi.open(path) as scan:
        assert repr(scan) == (
            "<Packed scan.zarr: 30 x 34 x 26 int16 (x, y, z), 1.5 x 1.25 x 3 mm, from NIfTI>"
        )
    assert repr(scan).endswith("from NIfTI, closed>")
    with pytest.raises(InvalidArgument, match="open it again"):
        scan.array[0]


def test_an_array_of_others_is_opened_with_what_it_says(tmp_path: Path) -> None:
    import zarr

    from medroi.zarr import MedROICodec

    voxels = make_scans.head()
    codec = MedROICodec.lossless(affine=np.diag([1.0, 2.0, 3.0]))
    made = zarr.create_array(
        tmp_path / "a.zarr",
        shape=voxels.shape,
        chunks=(16, 16, 16),
        dtype=voxels.dtype,
        serializer=codec,
        compressors=None,
    )
    made[...] = voxels
    scan = medroi.open(tmp_path / "a.zarr")
    assert scan.kind == "array" and scan.spacing_mm == (1.0, 2.0, 3.0)
    assert np.array_equal(scan.to_nibabel().get_fdata(), voxels)
    zarr.create_array(tmp_path / "plain.zarr", shape=(4, 4, 4), dtype="i2")
    with pytest.raises(InvalidArgument, match=r"without MedROI; open it with zarr\.open"):
        medroi.open(tmp_path / "plain.zarr")


@pytest.mark.parametrize("name", ["nothing.zarr", "file.txt"])
def test_what_is_no_store_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("no store")
    with pytest.raises(InvalidArgument, match=name):
        medroi.open(tmp_path / name)


def test_a_missing_chunk_is_no_background(tmp_path: Path) -> None:
    path = packed(tmp_path, make_scans.head())
    (path / "c/0/0/0").unlink()
    with pytest.raises(CorruptStream, match="1 of 12 chunks are missing"):
        medroi.open(path)


def test_a_group_behind_a_url_is_read_by_ranges(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).integers(1, 3000, (48, 48, 48)).astype(np.int16)
    path = packed(tmp_path, voxels, "scan.ome.zarr")
    (shard,) = path.glob("s0/c/*/*/*")
    with serving(tmp_path) as server, medroi.open(f"{server.url}/scan.ome.zarr/") as scan:
        assert scan.name == "scan.ome.zarr"
        before = server.nbytes
        assert np.array_equal(scan.array[20:30, 18, 17:21], voxels[20:30, 18, 17:21])
        # One of 27 chunks, and the index of the shard.
        assert server.nbytes - before < shard.stat().st_size / 9
        assert scan.region.n_kept == voxels.size
        again = pickle.loads(pickle.dumps(scan))
        assert np.array_equal(np.asarray(again.array), voxels)
        found = pickle.loads(pickle.dumps(scan.to_xarray()))
        assert np.array_equal(found[3:5], voxels[3:5])


def test_a_server_without_ranges_is_read_too(tmp_path: Path) -> None:
    voxels = make_scans.head((48, 48, 48))
    path = packed(tmp_path, voxels, "scan.ome.zarr")
    with serving(tmp_path, ranges=False) as server:
        scan = medroi.open(f"{server.url}/scan.ome.zarr")
        assert np.array_equal(scan.array[20:30, 18, 17:21], voxels[20:30, 18, 17:21])
        assert scan.region.n_kept == medroi.open(path).region.n_kept


def test_a_scan_behind_a_url_is_read_chunk_by_chunk(tmp_path: Path) -> None:
    voxels = make_scans.head((48, 48, 48))
    path = packed(tmp_path, voxels)
    with serving(tmp_path) as server, medroi.open(f"{server.url}/scan.zarr") as scan:
        assert scan.name == "scan.zarr" and scan.kind == "nifti"
        before = server.nbytes
        assert np.array_equal(scan.array[20:30, 18, 17:21], voxels[20:30, 18, 17:21])
        assert {name for name, _ in server.sent if "/c/" in name} == {"/scan.zarr/c/1/1/1"}
        # The codec asks for a head first, and then for what it needs behind it.
        assert server.nbytes - before <= 2 * (path / "c/1/1/1").stat().st_size
        assert np.array_equal(
            scan.to_nibabel().get_fdata(), nibabel.load(tmp_path / "scan.nii.gz").get_fdata()
        )
        assert scan.region.n_kept == medroi.open(path).region.n_kept


def test_a_missing_chunk_behind_a_url_is_no_background(tmp_path: Path) -> None:
    path = packed(tmp_path, make_scans.head())
    (path / "c/1/1/1").unlink()
    with serving(tmp_path) as server:
        scan = medroi.open(f"{server.url}/scan.zarr")
        assert scan.array[0, 0, 0] == 0
        with pytest.raises(CorruptStream, match="c/1/1/1: not there"):
            scan.array[20, 20, 20]


@pytest.mark.parametrize("name", ["nothing.zarr", "scan.h5"])
def test_a_url_without_a_scan_is_refused(name: str, tmp_path: Path) -> None:
    with serving(tmp_path) as server, pytest.raises(InvalidArgument, match=name):
        medroi.open(f"{server.url}/{name}")


def test_a_url_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="nokind://host/scan"):
        medroi.open("nokind://host/scan.zarr")


def test_options_of_a_url_are_refused_for_a_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="storage_options"):
        medroi.open(tmp_path, storage_options={})


def test_import_medroi_imports_nothing_that_open_needs() -> None:
    program = (
        "import sys, medroi\n"
        "print([n for n in ('zarr', 'nibabel', 'xarray', 'medroi.scans') if n in sys.modules])\n"
        "print(medroi.open.__name__, medroi.pack.__name__, 'open' in dir(medroi))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.splitlines() == ["[]", "open_packed pack True"]


@pytest.mark.parametrize("name", NAMES[:2])
@pytest.mark.parametrize(
    "dtype", [[("R", "u1"), ("G", "u1"), ("B", "u1")], np.complex64, np.complex128], ids=str
)
def test_colours_and_complex_voxels_are_those_of_the_file(
    dtype: Any, name: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    element = np.dtype(dtype)
    shape = (9, 8, 7)
    if element.names:
        voxels = rng.integers(0, 255, (*shape, 3)).astype(np.uint8).view(element)[..., 0]
    else:
        voxels = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(element)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "scan.nii.gz")
    medroi.pack(tmp_path / "scan.nii.gz", tmp_path / name)
    scan, expected = medroi.open(tmp_path / name), nibabel.load(tmp_path / "scan.nii.gz")
    found = scan.to_nibabel()
    assert scan.axis_names == ("x", "y", "z", "c") and scan.shape[:3] == shape
    assert found.shape == shape and found.header == expected.header
    assert np.array_equal(np.asanyarray(found.dataobj), np.asanyarray(expected.dataobj))
    assert np.array_equal(found.dataobj[2:5, ::2, 3], expected.dataobj[2:5, ::2, 3])
    assert scan.to_xarray().dims == ("x", "y", "z", "c")


def test_a_dicom_series_in_time_has_its_seconds(tmp_path: Path) -> None:
    voxels = make_scans.head((12, 11, 10), np.uint16)
    for t in range(3):

        def timed(k: int, dataset: Any, t: int = t) -> None:
            dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "1.2.3", "1.2"
            dataset.TemporalPositionIdentifier = t + 1
            dataset.AcquisitionTime = f"1015{2.5 * t:04.1f}"
            dataset.InstanceNumber = 10 * t + k + 1

        make_scans.dicom_series(tmp_path / f"series/{t}", voxels // (t + 1), edit=timed)
    medroi.pack(tmp_path / "series", tmp_path / "scan.ome.zarr", lossless=True)
    found = medroi.open(tmp_path / "scan.ome.zarr").to_xarray()
    assert found.dims == ("x", "y", "z", "t")
    assert np.array_equal(found.t, [0, 2.5, 5.0])
    assert np.array_equal(found[..., 2], voxels // 3)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".hdr"])
def test_other_formats_are_images_for_nibabel(suffix: str, tmp_path: Path) -> None:
    voxels = make_scans.head((12, 11, 10))
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    affine[:3, 3] = 4, -5, 6
    lps = np.diag([-1.0, -1, 1]) @ affine[:3]
    data, sizes = voxels.tobytes("F"), " ".join(map(str, voxels.shape))
    vectors = [",".join(f"{v:g}" for v in lps[:, k]) for k in range(4)]
    path = tmp_path / f"scan{suffix}"
    if suffix == ".nrrd":
        header = (
            f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nendian: little\n"
            "encoding: raw\nspace: left-posterior-superior\nspace directions: "
            f"({vectors[0]}) ({vectors[1]}) ({vectors[2]})\nspace origin: ({vectors[3]})\n\n"
        )
        path.write_bytes(header.encode() + data)
    elif suffix == ".mha":
        header = (
            f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
            f"TransformMatrix = -1 0 0 0 -1 0 0 0 1\nOffset = {vectors[3].replace(',', ' ')}\n"
            f"ElementSpacing = 1.5 2 3\nDimSize = {sizes}\nElementType = MET_SHORT\n"
            "ElementDataFile = LOCAL\n"
        )
        path.write_bytes(header.encode() + data)
    else:
        nibabel.save(nibabel.Nifti1Pair(voxels, affine), path)
    medroi.pack(path, tmp_path / "scan.ome.zarr", lossless=True)
    scan = medroi.open(tmp_path / "scan.ome.zarr")
    assert np.array_equal(scan.affine, affine)
    image = scan.to_nibabel()
    assert np.array_equal(image.get_fdata(), voxels) and np.array_equal(image.affine, affine)
    assert np.array_equal(scan.to_xarray().z, 6 + 3.0 * np.arange(10))


def test_a_url_whose_library_is_not_there_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from medroi.zarr import remote

    def missing(*_: Any) -> None:
        raise ImportError("install s3fs to access S3")

    monkeypatch.setattr(remote, "open_url", missing)
    with pytest.raises(InnerUnavailable, match=r"s3fs.*medroi\[remote\]"):
        medroi.open("s3://bucket/scan.ome.zarr")
