"""`medroi clear`: plain files in which only dropped voxels differ."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import make_scans
import nibabel
import numpy as np
import pytest

import medroi
from medroi.cli import main
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import clear, read_scan


def noisy(shape: tuple[int, ...] = (48, 40, 36), dtype: Any = np.int16) -> np.ndarray:
    """A head in noisy air."""
    rng = np.random.default_rng(3)
    voxels = make_scans.head(shape, dtype)
    return np.where(voxels, voxels, rng.integers(0, 6, shape)).astype(dtype)


def dropped_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return before != after


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_only_voxels_differ(byte_order: str, version: int, suffix: str, tmp_path: Path) -> None:
    voxels = noisy()
    source = make_scans.nifti(
        tmp_path / f"scan{suffix}",
        voxels,
        version=version,
        byte_order=byte_order,
        slope=0.5,
        intercept=7.0,
        extension=b"kept as it is",
    )
    report = clear(source, tmp_path / f"cleared{suffix}")
    before = make_scans.plain_bytes(source)
    after = make_scans.plain_bytes(tmp_path / f"cleared{suffix}")
    offset = len(before) - voxels.nbytes
    assert after[:offset] == before[:offset] and len(after) == len(before)
    found = read_scan(tmp_path / f"cleared{suffix}").voxels
    assert (found[dropped_of(voxels, found)] == report.region.background).all()
    assert np.array_equal(found[voxels >= 100], voxels[voxels >= 100])
    assert 0 < np.count_nonzero(dropped_of(voxels, found)) == report.n_changed
    assert report.n_changed <= report.region.n_dropped
    assert nibabel.load(tmp_path / f"cleared{suffix}").header == nibabel.load(source).header


def test_the_region_is_that_of_pack(tmp_path: Path) -> None:
    voxels = noisy()
    source = make_scans.nifti(tmp_path / "scan.nii.gz", voxels)
    for options in ({"roi": "mask"}, {"roi": "box"}, {"threshold": 150}, {"padding": 3}):
        packed = medroi.pack(
            source, tmp_path / "scan.zarr", force=True, **{"roi": "mask"} | options
        )
        report = clear(source, tmp_path / "cleared.nii.gz", force=True, **options)
        stored = np.asarray(medroi.open(tmp_path / "scan.zarr").array)
        assert np.array_equal(read_scan(tmp_path / "cleared.nii.gz").voxels, stored)
        assert report.region.n_kept == packed.n_kept
        assert report.region.threshold == packed.threshold
        assert dict(report.region.dropped) == packed.dropped


def test_a_given_mask_decides(tmp_path: Path) -> None:
    voxels = noisy()
    mask = np.zeros(voxels.shape, np.uint8)
    mask[10:30, 12:20, 5:25] = 1
    source = make_scans.nifti(tmp_path / "scan.nii.gz", voxels)
    given = make_scans.nifti(tmp_path / "mask.nii.gz", mask)
    report = clear(source, tmp_path / "cleared.nii.gz", mask=given)
    found = read_scan(tmp_path / "cleared.nii.gz").voxels
    assert np.array_equal(found, np.where(mask, voxels, report.region.background))
    assert report.region.is_given and report.region.n_kept == mask.sum()
    clear(source, tmp_path / "wider.nii.gz", mask=given, mask_margin_mm=3)
    wider = read_scan(tmp_path / "wider.nii.gz").voxels
    assert np.count_nonzero(wider) > np.count_nonzero(found)
    with pytest.raises(InvalidArgument, match=r"--roi \(roi=\)"):
        clear(source, tmp_path / "other.nii.gz", mask=given, roi="box")


def test_a_4d_scan_has_one_region(tmp_path: Path) -> None:
    voxels = noisy((24, 22, 20, 4))
    source = make_scans.nifti(tmp_path / "scan.nii.gz", voxels)
    clear(source, tmp_path / "cleared.nii.gz", threshold=80)
    found = read_scan(tmp_path / "cleared.nii.gz").voxels
    gone = (found == 0).all(axis=3)
    assert gone.any()
    assert np.array_equal(found[~gone], voxels[~gone])


def test_a_freesurfer_volume_keeps_its_footer(tmp_path: Path) -> None:
    source = make_scans.mgz(tmp_path / "scan.mgz", noisy(), footer=b"tags of somebody")
    clear(source, tmp_path / "cleared.mgz")
    before, after = (make_scans.plain_bytes(tmp_path / f"{n}.mgz") for n in ("scan", "cleared"))
    assert before[:284] == after[:284] and after.endswith(b"tags of somebody")
    assert len(before) == len(after) and before != after


def test_dicom_becomes_nifti_with_the_slope_of_each_slice(tmp_path: Path) -> None:
    voxels = noisy((24, 22, 20), np.uint16)

    def rescale(k: int, dataset: Any) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + k, -3

    make_scans.dicom_series(tmp_path / "series", voxels, edit=rescale)
    report = clear(tmp_path / "series", tmp_path / "cleared.nii.gz", threshold=80)
    found = nibabel.load(tmp_path / "cleared.nii.gz").get_fdata()
    kept = voxels >= 100
    assert np.array_equal(found[kept], (voxels * (1.0 + np.arange(20)) - 3)[kept])
    assert report.region.n_dropped > 0


def test_a_scan_of_which_nothing_is_dropped_keeps_its_bytes(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii", make_scans.head())
    report = clear(source, tmp_path / "cleared.nii")
    assert (tmp_path / "cleared.nii").read_bytes() == source.read_bytes()
    assert report.written_nbytes == report.source_nbytes and report.saved_share == 0.0
    assert report.n_changed == 0 and "no voxel" in str(report)


def test_the_level_of_gzip_is_that_which_was_asked_for(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    sizes = {}
    for level in (1, 6, 9):
        report = clear(source, tmp_path / f"{level}.nii.gz", gzip_level=level)
        plain = gzip.decompress((tmp_path / f"{level}.nii.gz").read_bytes())
        assert plain == gzip.decompress((tmp_path / "1.nii.gz").read_bytes())
        sizes[level] = report.written_nbytes
        assert report.written_nbytes == (tmp_path / f"{level}.nii.gz").stat().st_size
    assert sizes[9] <= sizes[6] < sizes[1]
    for level in (0, 10, True):
        with pytest.raises(InvalidArgument, match="--gzip-level"):
            clear(source, tmp_path / "other.nii.gz", gzip_level=level)


def test_the_report_says_what_was_dropped_and_what_it_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    assert main(["clear", str(source), str(tmp_path / "cleared.nii.gz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sizes = [(tmp_path / f"{name}.nii.gz").stat().st_size for name in ("scan", "cleared")]
    assert [found["source_nbytes"], found["written_nbytes"]] == sizes
    assert found["saved_share"] == 1 - sizes[1] / sizes[0] > 0.2
    assert main(["clear", str(source), str(tmp_path / "cleared.nii.gz"), "--force"]) == 0
    text = capsys.readouterr().out
    assert f"{found['n_kept']} of {found['n_voxels']} voxels" in text
    assert "bit for bit" in text and "signal" in text and "saved" in text


def test_an_existing_file_and_the_source_itself_stay(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    before = source.read_bytes()
    (tmp_path / "there.nii.gz").write_bytes(b"there")
    with pytest.raises(InvalidArgument, match="--force"):
        clear(source, tmp_path / "there.nii.gz")
    with pytest.raises(InvalidArgument, match="the source itself"):
        clear(source, source, force=True)
    assert (tmp_path / "there.nii.gz").read_bytes() == b"there"
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["cleared.mgz", "cleared.png", "cleared"])
def test_a_name_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    with pytest.raises(InvalidArgument, match=r"\.nii or"):
        clear(source, tmp_path / name)


def test_nothing_is_left_of_a_file_that_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medroi.scans.clearing import scan_files

    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    right = scan_files.write_scan

    def wrong(scan: Any, *rest: Any, **options: Any) -> None:
        scan.voxels[20, 20, 20] += 1
        right(scan, *rest, **options)

    monkeypatch.setattr(scan_files, "write_scan", wrong)
    with pytest.raises(MedROIError, match=r"cleared\.nii\.gz: slice 20 did not come back"):
        clear(source, tmp_path / "cleared.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scan.nii.gz"]


def test_a_scan_of_which_nothing_would_be_kept_is_refused(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    with pytest.raises(InvalidArgument, match="nothing would be kept"):
        clear(source, tmp_path / "cleared.nii.gz", threshold=10_000)
    assert not (tmp_path / "cleared.nii.gz").exists()


@pytest.mark.parametrize("shape", [(48, 40, 36), (24, 22, 20, 4), (40, 30)])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_an_ome_zarr_group_needs_nothing_of_ours(
    dtype: Any, shape: tuple[int, ...], tmp_path: Path
) -> None:
    voxels = noisy(shape, dtype)
    source = make_scans.nifti(tmp_path / "scan.nii.gz", voxels)
    report = clear(source, tmp_path / "cleared.ome.zarr", threshold=80)
    clear(source, tmp_path / "cleared.nii.gz", threshold=80)
    program = (
        "import sys\n"
        "sys.modules['medroi'] = None\n"
        "import numpy, zarr\n"
        "group = zarr.open_group(sys.argv[1], mode='r')\n"
        "numpy.save(sys.argv[2], group['s0'][...])\n"
        "open(sys.argv[3], 'wb').write(group['nifti'][...].tobytes())"
    )
    paths = [str(tmp_path / name) for name in ("cleared.ome.zarr", "found.npy", "header")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, *paths], check=True)
    found = np.load(tmp_path / "found.npy").T
    assert found.dtype == voxels.dtype
    assert np.array_equal(found, read_scan(tmp_path / "cleared.nii.gz").voxels)
    assert np.count_nonzero(found != voxels) > 0
    assert make_scans.plain_bytes(source).startswith((tmp_path / "header").read_bytes())
    assert report.n_files == 5 and report.written_nbytes == sum(
        file.stat().st_size for file in (tmp_path / "cleared.ome.zarr").rglob("*") if file.is_file()
    )


def test_a_group_has_millimetres_and_says_what_was_dropped(tmp_path: Path) -> None:
    import zarr

    source = make_scans.nifti(tmp_path / "scan.nii.gz", noisy())
    report = clear(source, tmp_path / "cleared.ome.zarr")
    group = zarr.open_group(tmp_path / "cleared.ome.zarr", mode="r")
    (image,) = group.attrs["ome"]["multiscales"]
    scale = image["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == pytest.approx([3.0, 1.25, 1.5])
    facts = group["s0"].attrs["medroi_region"]
    assert facts["n_kept"] == report.region.n_kept
    assert facts["box"][::-1] == [list(bounds) for bounds in report.region.box]


def test_only_a_group_that_was_cleared_is_replaced(tmp_path: Path) -> None:
    source, target = make_scans.nifti(tmp_path / "scan.nii", noisy()), tmp_path / "a.ome.zarr"
    clear(source, target)
    with pytest.raises(InvalidArgument, match="--force"):
        clear(source, target)
    clear(source, target, force=True, threshold=80)
    (target / "notes.txt").write_text("of somebody")
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        clear(source, target, force=True)
    packed = tmp_path / "packed.ome.zarr"
    medroi.pack(source, packed)
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        clear(source, packed, force=True)
    assert (target / "notes.txt").exists() and medroi.check(packed)


def test_a_scan_of_five_axes_is_no_ome_zarr(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii", noisy((9, 8, 7, 2, 3)))
    with pytest.raises(InvalidArgument, match="no room for a scan of 5 axes"):
        clear(source, tmp_path / "cleared.ome.zarr")


def test_an_array_of_another_program_is_cleared_too(tmp_path: Path) -> None:
    import zarr

    voxels = noisy()
    transform = {"type": "scale", "scale": [3.0, 2.0, 1.5]}
    image = {
        "axes": [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [transform]}],
    }
    described = {"ome": {"version": "0.5", "multiscales": [image]}}
    group = zarr.create_group(str(tmp_path / "other.ome.zarr"), attributes=described)
    group.create_array("0", data=np.ascontiguousarray(voxels.T), chunks=(16, 16, 16))
    nbytes = sum(f.stat().st_size for f in (tmp_path / "other.ome.zarr").rglob("*") if f.is_file())
    report = clear(tmp_path / "other.ome.zarr", tmp_path / "cleared.nii.gz")
    assert report.source_nbytes == nbytes
    found = nibabel.load(tmp_path / "cleared.nii.gz")
    assert found.header.get_zooms() == (1.5, 2.0, 3.0)
    assert np.array_equal(found.get_fdata()[voxels > 50], voxels[voxels > 50])
    medroi.pack(tmp_path / "other.ome.zarr", tmp_path / "packed.ome.zarr")
    with pytest.raises(InvalidArgument, match="unpack it first"):
        clear(tmp_path / "packed.ome.zarr", tmp_path / "again.nii.gz")


def test_a_folder_gets_a_file_of_the_sources_name(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "scan ä.nii.gz", noisy())
    for folder in (f"{tmp_path}/new/deep/", tmp_path / "there"):
        (tmp_path / "there").mkdir(exist_ok=True)
        assert clear(source, folder).target == "scan ä.nii.gz"
        assert [path.name for path in Path(folder).iterdir()] == ["scan ä.nii.gz"]
    with pytest.raises(InvalidArgument, match="the source itself"):
        clear(source, f"{tmp_path}/")


def test_a_folder_gets_one_nifti_file_of_a_scan_that_is_two_files(tmp_path: Path) -> None:
    pair = nibabel.Nifti1Pair(noisy(), np.diag([1.5, 1.25, 2.0, 1.0]))
    nibabel.save(pair, tmp_path / "scan.img")
    report = clear(tmp_path / "scan.hdr", f"{tmp_path}/out/")
    assert report.target == "scan.nii.gz" and report.n_changed > 0
    found = nibabel.load(tmp_path / "out" / "scan.nii.gz")
    assert np.array_equal(found.affine, pair.affine)
    assert ((np.asarray(found.dataobj) == noisy()) | (np.asarray(found.dataobj) == 0)).all()
