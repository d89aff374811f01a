"""Scans for which there is no memory are packed, checked and unpacked, with the same bytes."""

from __future__ import annotations

import filecmp
import gzip
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import make_dicom
import make_scans
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
import zarr

from medroi import MedROI, archives, working_memory
from medroi.cli import main
from medroi.errors import InvalidArgument, MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans import check, pack, read_scan, unpack
from medroi.working_memory import WorkingMemory, nbytes_of

LITTLE = "16MiB"
SHAPE = (110, 121, 97)


def volume(shape: tuple[int, ...] = SHAPE, seed: int = 3) -> np.ndarray:
    """Two bodies, one of them with a hole, in the noise of a magnitude; Fortran order."""
    rng = np.random.default_rng(seed)
    found = rng.rayleigh(20, shape).astype(np.uint16)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:3]), indexing="ij", sparse=True)
    body = ((x / 0.6) ** 2 + (y / 0.5) ** 2 + (z / 0.7) ** 2 < 1) & (x**2 + y**2 + z**2 > 0.04)
    body |= (x - 0.8) ** 2 + (y - 0.8) ** 2 + (z + 0.5) ** 2 < 0.01
    found[body] += 800
    return np.asfortranarray(found)


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def assert_same_files(one: Path, other: Path) -> None:
    names = files_in(one)
    assert names == files_in(other)
    _, differing, failing = filecmp.cmpfiles(one, other, names, shallow=False)
    assert not differing and not failing


def as_nifti(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.nifti(folder / "in.nii", voxels)


def as_compressed(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.nifti(folder / "in.nii.gz", voxels)


def as_big_endian(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.nifti(folder / "in.nii", voxels, byte_order=">")


def as_odd_offset(folder: Path, voxels: np.ndarray) -> Path:
    """The voxels do not begin at a multiple of their size."""
    plain = as_nifti(folder, voxels)
    data = bytearray(plain.read_bytes())
    data[108:112] = np.float32(353).tobytes()
    plain.write_bytes(bytes(data[:352]) + b"\0" + bytes(data[352:]))
    return plain


def as_zarr(folder: Path, voxels: np.ndarray) -> Path:
    made = zarr.create_array(
        str(folder / "in.zarr"),
        shape=voxels.T.shape,
        chunks=(32, 32, 32),
        dtype=voxels.dtype,
        dimension_names=("z", "y", "x"),
    )
    made[...] = voxels.T
    return folder / "in.zarr"


def as_hdf5(folder: Path, voxels: np.ndarray) -> Path:
    with h5py.File(folder / "in.h5", "w") as file:
        file.create_dataset("volume", data=voxels, chunks=(20, 30, 40))
    return folder / "in.h5"


def as_tiff(folder: Path, voxels: np.ndarray) -> Path:
    tifffile.imwrite(folder / "in.tif", voxels.T, photometric="minisblack", bigtiff=True)
    return folder / "in.tif"


def as_compressed_tiff(folder: Path, voxels: np.ndarray) -> Path:
    tifffile.imwrite(
        folder / "in.tif", voxels.T, photometric="minisblack", compression="zlib", byteorder=">"
    )
    return folder / "in.tif"


def as_imagej_tiff(folder: Path, voxels: np.ndarray) -> Path:
    """One page that stands for all, as ImageJ writes stacks above 4 GB."""
    path = folder / "in.tif"
    tifffile.imwrite(path, voxels.T, imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages[0]
        place = first.offset + 2 + 12 * len(first.tags)
    data = bytearray(path.read_bytes())
    data[place : place + 4] = bytes(4)
    path.write_bytes(data)
    return path


def as_tiff_folder(folder: Path, voxels: np.ndarray) -> Path:
    (folder / "in").mkdir()
    for index, plane in enumerate(voxels.T):
        tifffile.imwrite(folder / "in" / f"slice{index}.tif", plane, byteorder="<")
    return folder / "in"


SOURCES = (
    *(as_nifti, as_compressed, as_big_endian, as_odd_offset, as_zarr, as_hdf5),
    *(as_tiff, as_compressed_tiff, as_imagej_tiff, as_tiff_folder),
)


@pytest.mark.parametrize("made", SOURCES, ids=lambda made: made.__name__)
def test_a_store_has_the_same_bytes_for_any_memory(
    tmp_path: Path, made: Callable[[Path, np.ndarray], Path]
) -> None:
    voxels = volume()
    source = made(tmp_path, voxels)
    scan = read_scan(source, memory=LITTLE)
    assert scan.voxels.flags.f_contiguous
    np.testing.assert_array_equal(scan.voxels, voxels)
    of_file = scan.voxels
    while of_file is not None and not isinstance(of_file, np.memmap):
        of_file = of_file.base
    assert isinstance(of_file, np.memmap)
    pack(source, tmp_path / "little.ome.zarr", memory=LITTLE)
    pack(source, tmp_path / "much.ome.zarr")
    # A compressed TIFF file is made again, or kept, where there is memory for it.
    same = "s0/c" if made is as_compressed_tiff else ""
    assert_same_files(tmp_path / "little.ome.zarr" / same, tmp_path / "much.ome.zarr" / same)
    assert check(tmp_path / "little.ome.zarr", against=source, memory=LITTLE).n_changed == 0


@pytest.mark.parametrize(
    "options",
    [
        {"levels": 3},
        {"air": "keep"},
        {"lossless": True},
        {"roi": "box"},
        {"threshold": "mean"},
        {"components": "largest"},
        {"chunks": (48,), "layout": "bare"},
        {"layout": "training", "threads": 2},
    ],
    ids=str,
)
def test_every_option_has_the_same_bytes_for_any_memory(tmp_path: Path, options: Any) -> None:
    source = as_nifti(tmp_path, volume())
    name = "zarr" if options.get("layout") == "bare" else "ome.zarr"
    for memory, store in ((LITTLE, "little"), (None, "much")):
        pack(source, tmp_path / f"{store}.{name}", memory=memory, **options)
        check(tmp_path / f"{store}.{name}", memory=memory)
        unpack(tmp_path / f"{store}.{name}", tmp_path / f"{store}.nii", memory=memory)
    assert_same_files(tmp_path / f"little.{name}", tmp_path / f"much.{name}")
    assert (tmp_path / "little.nii").read_bytes() == (tmp_path / "much.nii").read_bytes()


def test_a_series_of_volumes_has_the_same_bytes_for_any_memory(tmp_path: Path) -> None:
    source = as_compressed(tmp_path, volume((60, 64, 50, 9)))
    for memory, store in ((LITTLE, "little"), (None, "much")):
        pack(source, tmp_path / f"{store}.ome.zarr", memory=memory)
    assert_same_files(tmp_path / "little.ome.zarr", tmp_path / "much.ome.zarr")
    unpack(tmp_path / "little.ome.zarr", tmp_path / "out.nii.gz", memory=LITTLE)
    stored = read_scan(tmp_path / "out.nii.gz").voxels
    assert ((stored == read_scan(source).voxels) | (stored == 0)).all()


def test_zip_files_and_hdf5_have_the_same_bytes_for_any_memory(tmp_path: Path) -> None:
    source = as_nifti(tmp_path, volume())
    for memory, store in ((LITTLE, "little"), (None, "much")):
        pack(source, tmp_path / f"{store}.ome.zarr.zip", memory=memory)
        pack(source, tmp_path / f"{store}.h5", chunks=(40,), memory=memory)
    for suffix in ("ome.zarr.zip", "h5"):
        little, much = ((tmp_path / f"{one}.{suffix}").read_bytes() for one in ("little", "much"))
        assert little == much


def test_a_fit_of_a_large_array_finds_the_same_region(tmp_path: Path) -> None:
    voxels = volume()
    little = MedROI.fit(voxels, roi="mask", background=0, memory=LITTLE)
    much = MedROI.fit(voxels, roi="mask", background=0)
    assert little.get_config() == much.get_config()
    np.testing.assert_array_equal(little.region.kept(), much.region.kept())
    assert little.region.facts() == much.region.facts()
    stored = zarr.open(as_zarr(tmp_path, voxels), mode="r")
    chunked = MedROI.fit(stored, roi="mask", background=0, memory=nbytes_of(LITTLE))
    assert (
        chunked.region.facts()["n_kept"]
        == MedROI.fit(np.ascontiguousarray(voxels.T), roi="mask", background=0).region.n_kept
    )


# Under a limit that the system holds

_LIMITED = """
import resource, sys, threading
from pathlib import Path
from medroi import archives
from medroi.scans import check, pack, unpack

def private_nbytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))

folder, memory, allowed = Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])
threading.stack_size(1 << 19)
# Once before, so that libraries are loaded and have what they keep.
pack(folder / "small.nii", folder / "small.ome.zarr", threads=1, force=True)
unpack(folder / "small.ome.zarr", folder / "small-out.nii", force=True)
if (folder / "small").is_dir():
    pack(folder / "small", folder / "small-series.ome.zarr", threads=1, force=True)
(folder / "little").mkdir(exist_ok=True)
archives.archive(folder / "little", folder / "little-archive")
resource.setrlimit(resource.RLIMIT_DATA, (private_nbytes() + allowed,) * 2)
"""
_STEPS = """
pack(folder / "in.nii", folder / "out.ome.zarr", memory=memory, threads=1)
check(folder / "out.ome.zarr", memory=memory)
unpack(folder / "out.ome.zarr", folder / "out.nii", memory=memory)
"""
_STEPS_OF_ARCHIVES = """
assert archives.check_archive(folder / "dst", memory=memory).problems == ()
report = archives.restore(folder / "dst", folder / "back", memory=memory)
assert report.failures == (), report
assert archives.prune(folder / "dst", folder / "src", yes=True, memory=memory).kept == ()
"""


def limited(
    folder: Path, memory: str, allowed_nbytes: int, steps: str = _STEPS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _LIMITED + steps, str(folder), memory, str(allowed_nbytes)],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_DATA")
def test_a_scan_is_packed_checked_and_unpacked_in_less_private_memory_than_its_voxels(
    tmp_path: Path,
) -> None:
    voxels = volume((256, 250, 244))
    source = as_nifti(tmp_path, voxels)
    make_scans.nifti(tmp_path / "small.nii", volume((40, 40, 40)))
    allowed = voxels.nbytes * 2 // 3
    # The limit is one: without scratch files the same work has no room in it.
    assert "memory" in limited(tmp_path, "1TiB", allowed).stderr
    done = limited(tmp_path, LITTLE, allowed)
    assert done.returncode == 0, done.stderr
    pack(source, tmp_path / "much.ome.zarr")
    assert_same_files(tmp_path / "out.ome.zarr", tmp_path / "much.ome.zarr")
    out = read_scan(tmp_path / "out.nii").voxels
    assert ((out == voxels) | (out == 0)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_DATA")
def test_an_archive_is_checked_restored_and_pruned_in_less_private_memory_than_its_scans(
    tmp_path: Path,
) -> None:
    voxels = volume((256, 250, 244))
    make_scans.nifti(tmp_path / "small.nii", volume((40, 40, 40)))
    (tmp_path / "src").mkdir()
    source = as_nifti(tmp_path / "src", voxels)
    data = source.read_bytes()
    archives.archive(tmp_path / "src", tmp_path / "dst", lossless=True, inner="zstd")
    allowed = voxels.nbytes * 2 // 3
    done = limited(tmp_path, "1TiB", allowed, _STEPS_OF_ARCHIVES)
    assert done.returncode != 0 and "emory" in done.stderr and source.exists()
    done = limited(tmp_path, LITTLE, allowed, _STEPS_OF_ARCHIVES)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back" / source.name).read_bytes() == data and not source.exists()


_STEPS_OF_DICOM = """
pack(folder / "in", folder / "out.ome.zarr", memory=memory, threads=1)
check(folder / "out.ome.zarr", against=folder / "in", memory=memory)
unpack(folder / "out.ome.zarr", folder / "back/in", memory=memory)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold RLIMIT_DATA")
def test_a_series_is_packed_checked_and_unpacked_in_less_private_memory_than_its_voxels(
    tmp_path: Path,
) -> None:
    voxels = volume((256, 250, 244))
    source = make_scans.dicom_series(tmp_path / "in", voxels.astype(np.int16))
    make_scans.nifti(tmp_path / "small.nii", volume((40, 40, 40)))
    make_scans.dicom_series(tmp_path / "small", volume((40, 40, 4)).astype(np.int16))
    (tmp_path / "back" / "in").mkdir(parents=True)
    allowed = voxels.nbytes * 2 // 3
    done = limited(tmp_path, "1TiB", allowed, _STEPS_OF_DICOM)
    assert done.returncode != 0 and "emory" in done.stderr
    done = limited(tmp_path, LITTLE, allowed, _STEPS_OF_DICOM)
    assert done.returncode == 0, done.stderr
    pack(source, tmp_path / "much.ome.zarr")
    assert_same_files(tmp_path / "out.ome.zarr", tmp_path / "much.ome.zarr")
    assert files_in(tmp_path / "back" / "in") == files_in(source)


# What is refused


def test_a_dicom_file_for_which_there_is_no_memory_is_refused_with_the_figures(
    tmp_path: Path,
) -> None:
    voxels = volume((160, 160, 80)).astype(np.uint16)
    make_dicom.enhanced(tmp_path / "many.dcm", voxels)
    needed = 5 * voxels.nbytes
    assert needed > nbytes_of(LITTLE)
    with pytest.raises(InvalidArgument, match=f"needs memory of {needed} bytes, found 16777216"):
        pack(tmp_path / "many.dcm", tmp_path / "out.ome.zarr", memory=LITTLE)
    pack(tmp_path / "many.dcm", tmp_path / "out.ome.zarr", memory=needed)


def test_compressed_pixels_that_are_kept_need_memory_and_say_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    noise = np.asfortranarray(rng.integers(0, 1 << 12, (220, 220, 40)).astype(np.int16))

    def compressed(_: int, dataset: Any) -> None:
        dataset.compress(pydicom.uid.RLELossless)

    make_scans.dicom_series(tmp_path / "in", noise, edit=compressed)
    with pytest.raises(InvalidArgument, match="--encapsulated decode"):
        pack(tmp_path / "in", tmp_path / "out.ome.zarr", memory=LITTLE)
    pack(tmp_path / "in", tmp_path / "out.ome.zarr", memory=LITTLE, encapsulated="decode")
    pack(tmp_path / "in", tmp_path / "kept.ome.zarr", memory="64MiB")


def test_a_mask_for_which_there_is_no_memory_is_refused_with_the_figures(tmp_path: Path) -> None:
    voxels = volume((180, 170, 160))
    source = as_nifti(tmp_path, voxels)
    mask = make_scans.nifti(tmp_path / "mask.nii", (voxels > 400).astype(np.float32))
    needed = 4 * voxels.size
    with pytest.raises(InvalidArgument, match=f"needs memory of {needed} bytes, found 16777216"):
        pack(source, tmp_path / "out.ome.zarr", memory=LITTLE, mask=mask)
    pack(source, tmp_path / "out.ome.zarr", memory=needed, mask=mask)
    pack(source, tmp_path / "much.ome.zarr", mask=mask)
    assert_same_files(tmp_path / "out.ome.zarr", tmp_path / "much.ome.zarr")
    with pytest.raises(InvalidArgument, match="give a mask that has its margin"):
        pack(source, tmp_path / "o.ome.zarr", memory=needed, mask=mask, mask_margin_mm=1)


def test_a_file_that_ends_early_is_refused_whatever_the_memory(tmp_path: Path) -> None:
    for made in (as_nifti, as_big_endian, as_compressed):
        source = made(tmp_path, volume())
        data = source.read_bytes()
        if source.suffix == ".gz":
            source.write_bytes(gzip.compress(gzip.decompress(data)[:-1000]))
        else:
            source.write_bytes(data[:-1000])
        with pytest.raises(InvalidArgument, match=r"in\.nii.*truncated or its header is wrong"):
            read_scan(source, memory=LITTLE)


def test_a_chunk_for_which_there_is_no_memory_is_refused(tmp_path: Path, capsys: Any) -> None:
    source = as_nifti(tmp_path, volume((256, 250, 244)))
    with pytest.raises(InvalidArgument, match=r"256 x 250 x 244 voxels .* --chunks 64"):
        pack(source, tmp_path / "out.zarr", memory="64MiB")
    assert not (tmp_path / "out.zarr").exists()
    for size in ("1MiB", "2 gigabytes", "-4GB", ""):
        with pytest.raises(SystemExit):
            main(["pack", str(source), str(tmp_path / "out.zarr"), "--memory", size])
        assert "--memory" in capsys.readouterr().err


def test_a_disk_without_room_for_a_scratch_file_is_named(tmp_path: Path) -> None:
    as_compressed(tmp_path, volume())
    code = (
        "import resource, sys; from medroi.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "sys.exit(main(['pack', 'in.nii.gz', 'out.ome.zarr', '--memory', '16MiB']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no room for a scratch file" in done.stderr
    assert "--memory" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii.gz"]


def test_pictures_of_one_folder_have_one_page_each(tmp_path: Path) -> None:
    folder = as_tiff_folder(tmp_path, volume((30, 31, 5)))
    tifffile.imwrite(
        folder / "slice2.tif", np.zeros((3, 31, 30), np.uint16), photometric="minisblack"
    )
    with pytest.raises(InvalidArgument, match=r"slice2\.tif: 3 pages"):
        read_scan(folder)


# Sizes, and arrays in files


@pytest.mark.parametrize(
    ("size", "nbytes"),
    [
        ("2GiB", 2 << 30),
        ("2 gib", 2 << 30),
        ("500M", 500_000_000),
        ("1.5TB", 1_500_000_000_000),
        ("4096", 4096),
        (7, 7),
    ],
)
def test_sizes_are_read_as_people_write_them(size: str | int, nbytes: int) -> None:
    assert nbytes_of(size) == nbytes


@pytest.mark.parametrize("size", ["2Gi", "2i", "GiB", "1e9", "2PB", True, None])
def test_what_is_no_size_is_refused(size: Any) -> None:
    if size == "2Gi":
        assert nbytes_of(size) == 2 << 30
        return
    with pytest.raises(InvalidArgument, match="such as 2GiB"):
        nbytes_of(size)


def test_large_arrays_lie_in_files_without_names(tmp_path: Path) -> None:
    memory = WorkingMemory(1 << 24, tmp_path)
    small, large = memory.array((1000,), np.int16), memory.array((1 << 21, 2), np.int16, "F")
    assert small.base is None
    assert large.flags.f_contiguous
    assert large.shape == (1 << 21, 2)
    assert not large.any()
    assert not list(tmp_path.iterdir())


def test_the_memory_of_the_machine_is_a_limit() -> None:
    assert working_memory.of_machine().limit_nbytes >= 1 << 24


# Regions in tiles


def test_the_tiles_of_a_region_are_its_voxels() -> None:
    rng = np.random.default_rng(11)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(1, 14, 3))
        box = []
        for n in shape:
            start = 2 * int(rng.integers(0, (n + 1) // 2))
            stop = min(n, start + 2 * int(rng.integers(1, 8)))
            box.append((start, stop))
        tiles = rng.random([math.ceil((stop - start) / 2) for start, stop in box]) < rng.random()
        region = ScanRegion(
            shape=shape,
            axes=(0, 1, 2),
            roi="mask",
            box=tuple(box),
            mask=tiles,
            mask_edge=2,
            background=0,
            background_bits=0,
            threshold=None,
            n_tissue=0,
            n_missed=0,
        )
        slow = np.zeros(shape, bool)
        for x, y, z in np.ndindex(shape):
            inside = all(a <= at < b for at, (a, b) in zip((x, y, z), box, strict=True))
            place = tuple((at - a) // 2 for at, (a, _) in zip((x, y, z), box, strict=True))
            slow[x, y, z] = inside and tiles[place]
        np.testing.assert_array_equal(region.kept(), slow)
        assert region.n_kept == slow.sum()
        np.testing.assert_array_equal(region.transposed().kept(), slow.T)
        low = [int(rng.integers(0, n)) for n in shape]
        bounds = [(a, int(rng.integers(a, n + 1))) for a, n in zip(low, shape, strict=True)]
        part = tuple(slice(a, b) for a, b in bounds)
        np.testing.assert_array_equal(region.kept(bounds), slow[part])


def test_a_map_of_a_nifti_file_is_not_written(tmp_path: Path) -> None:
    source = as_nifti(tmp_path, volume())
    before = source.read_bytes()
    scan = read_scan(source, memory=LITTLE)
    assert not scan.voxels.flags.writeable
    np.testing.assert_array_equal(scan.voxels, np.asanyarray(nibabel.load(source).dataobj))
    assert source.read_bytes() == before
    assert scan.sources[0].nbytes == len(before)


def test_a_scratch_file_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    memory = WorkingMemory(1 << 24, tmp_path / "none")
    with pytest.raises(OSError, match="none"):
        memory.array((1 << 22,), np.int64)
    with pytest.raises(MedROIError, match="no room for a scratch file"):
        WorkingMemory(1 << 24, tmp_path).array((1 << 55,), np.int8)
