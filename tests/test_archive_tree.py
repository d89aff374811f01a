"""Promises of trees: every file once, odd names and links, folders that cannot be read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import archive_trees
import make_scans
import nibabel
import numpy as np
import pytest

import medroi
from medroi import archives
from medroi.archives import items
from medroi.archives.tree_local import walk


def items_of(root: Path) -> dict[str, str]:
    return {item.path: item.kind for item in walk(root, ".ome.zarr")}


def targets_of(root: Path) -> dict[str, str]:
    return {item.path: item.target for item in walk(root, ".ome.zarr")}


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_loops_of_links_end(tmp_path: Path) -> None:
    root, outside = tmp_path / "src", tmp_path / "outside"
    touch(root / "a" / "x.txt")
    touch(outside / "y.txt")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to("self")
    (root / "b").symlink_to("a")
    (root / "out").symlink_to(outside)
    (root / "out2").symlink_to(outside)
    (outside / "back").symlink_to(root)
    assert items_of(root) == {
        "a/self": "link",
        "a/up": "link",
        "a/x.txt": "file",
        "b": "link",
        "out/back": "link",
        "out/y.txt": "file",
        "out2": "link",
    }


def test_a_link_to_nothing_is_a_failure_with_its_cause(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    (root / "annexed.nii.gz").symlink_to(".git/annex/objects/none")
    ((path, kind, text),) = medroi.archive(root, tmp_path / "dst").failures
    assert (path, kind) == ("annexed.nii.gz", "BrokenLink")
    assert "datalad get" in text


def test_a_folder_that_cannot_be_read_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "src"
    touch(root / "secret" / "x.txt")
    touch(root / "y.txt")
    listed = os.listdir

    def refused(path: object) -> list[str]:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", refused)
    report = medroi.archive(root, tmp_path / "dst")
    ((path, kind, text),) = report.failures
    assert (path, kind) == ("secret", "PermissionError") and "cannot be read" in text
    assert report.states == {"copied": 1, "failed": 1}


def test_names_that_differ_by_case_or_form_have_names_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "src"
    names = ["Scan.txt", "scan.txt", "caf\u00e9.txt", "cafe\u0301.txt", "Sub/x.txt", "sub/x.txt"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    targets = targets_of(root)
    import unicodedata

    folded = {unicodedata.normalize("NFC", target).casefold() for target in targets.values()}
    assert len(folded) == len(names)
    medroi.archive(root, tmp_path / "dst")
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert {name: (tmp_path / "back" / name).read_text() for name in names} == {
        name: name for name in names
    }


def test_scans_of_one_stem_have_stores_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "src"
    for name in ("x.nii", "x.nii.gz", "x.mgz", "x.ome.zarr", "manifest.tsv", "y.tar.gz"):
        touch(root / name)
    assert targets_of(root) == {
        "manifest.tsv": ".medroi-archive/kept/manifest.tsv",
        "x.mgz": "x.mgz.ome.zarr",
        "x.nii": "x.nii.ome.zarr",
        "x.nii.gz": "x.nii.gz.ome.zarr",
        "x.ome.zarr": "x.ome.zarr",
        "y.tar.gz": "y.tar.gz",
    }


def test_a_scan_that_comes_later_takes_no_name(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    make_scans.nifti(root / "x.nii", archive_trees.noisy(1))
    medroi.archive(root, tmp_path / "dst", lossless=True)
    make_scans.mgz(root / "x.mgz", make_scans.head(archive_trees.SHAPE, seed=3))
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.run == {"stored": 1}
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    name = os.fsdecode(b"caf\xe9.txt")
    (root / name).write_text("latin")
    (root / "tab\tand\nline.txt").write_text("odd")
    medroi.archive(root, tmp_path / "dst")
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)
    assert len((tmp_path / "dst" / "manifest.tsv").read_text().splitlines()) == 3


def test_version_control_is_listed_and_not_copied(tmp_path: Path) -> None:
    root = tmp_path / "src"
    touch(root / ".git" / "annex" / "objects" / "x.nii.gz")
    touch(root / ".git" / "index")
    touch(root / "y.txt")
    report = medroi.archive(root, tmp_path / "dst")
    assert report.states == {"copied": 1, "listed": 1} and report.n_files == 3
    touch(root / ".git" / "more")
    assert medroi.archive(root, tmp_path / "dst").run == {}


def test_what_is_no_file_is_listed(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    os.mkfifo(root / "pipe")
    assert items_of(root) == {"pipe": "special"}


def test_each_series_of_a_folder_has_a_store(tmp_path: Path) -> None:
    root = tmp_path / "src"

    def second(k: int, dataset: object) -> None:
        dataset.SeriesNumber = 7  # type: ignore[attr-defined]
        dataset.SeriesDescription = "T2 / axial"  # type: ignore[attr-defined]

    make_scans.dicom_series(root / "study", archive_trees.noisy(1, (9, 8, 4)))
    make_scans.dicom_series(root / "other", archive_trees.noisy(2, (9, 8, 3)), edit=second)
    for file in (root / "other").iterdir():
        file.rename(root / "study" / f"{file.name}.dcm")
    report = medroi.archive(root, tmp_path / "dst")
    assert report.states == {"stored": 2} and report.n_files == 7
    assert sorted(path.name for path in (tmp_path / "dst" / "study").iterdir()) == [
        "005_MR.ome.zarr",
        "007_T2-axial.ome.zarr",
    ]
    # Nothing changed: no file is opened again.
    assert medroi.archive(root, tmp_path / "dst").run == {}


def two_series(root: Path) -> Path:
    """A folder with the files of two series, and a DICOM file that holds no image."""

    def second(k: int, dataset: object) -> None:
        dataset.SeriesNumber = 7  # type: ignore[attr-defined]

    make_scans.dicom_series(root / "study", archive_trees.noisy(1, (9, 8, 4)))
    make_scans.dicom_series(root / "other", archive_trees.noisy(2, (9, 8, 3)), edit=second)
    for file in list((root / "other").iterdir()):
        file.rename(root / "study" / f"{file.name}.dcm")
    (root / "other").rmdir()
    return root


def test_a_run_that_did_some_series_of_a_folder_takes_the_others_for_series_too(
    tmp_path: Path,
) -> None:
    root = two_series(tmp_path / "src")
    medroi.archive(root, tmp_path / "whole", lossless=True)
    for parts in (("1/2", "2/2"), ("2/2", "1/2"), ("3/5", "5/5", "1/5")):
        place = tmp_path / "-".join(part[0] for part in parts)
        for part in parts:
            medroi.archive(root, place, lossless=True, part=part)
        assert medroi.archive(root, place, lossless=True).states == {"stored": 2}
        assert archive_trees.stores_in(place) == archive_trees.stores_in(tmp_path / "whole")


def test_a_slice_that_is_replaced_by_an_older_one_is_seen(tmp_path: Path) -> None:
    root = two_series(tmp_path / "src")
    medroi.archive(root, tmp_path / "dst", lossless=True)
    file = sorted((root / "study").iterdir())[0]
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(file, (1, 1))
    assert medroi.archive(root, tmp_path / "dst", lossless=True).run == {"stored": 1}
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert (tmp_path / "back" / "study" / file.name).read_bytes() == file.read_bytes()


def test_a_file_beside_slices_that_cannot_be_opened_stops_their_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_series(tmp_path / "src")
    closed, is_dicom = sorted((root / "study").iterdir())[0], items.dicom_scans.is_dicom

    def refused(path: Path) -> bool:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return is_dicom(path)

    monkeypatch.setattr(items.dicom_scans, "is_dicom", refused)
    assert items_of(root)["study/005_MR"] == "dicom"
    assert closed.suffix == "" and f"study/{closed.name}" not in items_of(root)


@pytest.mark.parametrize("suffix", [".dcm.gz", ".gz", ""])
def test_gzipped_dicom_and_files_without_a_preamble_are_series_too(tmp_path: Path, suffix) -> None:
    root = tmp_path / "src"
    folder = make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 3)))
    for file in list(folder.iterdir()):
        if suffix:
            data = gzip.compress(file.read_bytes(), 6, mtime=0)
            file.unlink()
        else:
            # A name says that it is DICOM where no magic does.
            data = file.read_bytes()[132:]
            file.unlink()
            file = file.with_name(f"{file.name}.dcm")
        file.with_name(file.name + suffix).write_bytes(data)
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.states == {"stored": 1} and report.n_files == 3
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()


def test_a_header_may_have_its_image_gzipped(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    image = nibabel.Nifti1Pair(archive_trees.noisy(1, (9, 8, 4)), np.eye(4))
    nibabel.save(image, root / "head.img")
    data = (root / "head.img").read_bytes()
    (root / "head.img").unlink()
    (root / "head.img.gz").write_bytes(gzip.compress(data, 6, mtime=0))
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.states == {"stored": 1} and report.n_files == 2
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()


def test_a_series_whose_only_file_has_its_name_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "src"
    folder = make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 1)))
    (file,) = folder.iterdir()
    file.rename(folder / "005_MR")
    assert medroi.archive(root, tmp_path / "dst", lossless=True).run == {"stored": 1}
    assert medroi.archive(root, tmp_path / "dst", lossless=True).run == {}
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()
    restored = archives.restore(tmp_path / "dst", tmp_path / "back")
    assert restored.failures == () and restored.n_contents == 0
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)


def test_a_damaged_slice_stops_its_series_and_is_named(tmp_path: Path) -> None:
    root = tmp_path / "src"
    folder = make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 4)))
    bad = sorted(folder.iterdir())[1]
    bad.write_bytes(bad.read_bytes()[:140])
    report = medroi.archive(root, tmp_path / "dst")
    ((path, _, text),) = report.failures
    assert path == "ct/unreadable" and bad.name in text and report.n_files == 4


def test_scans_of_several_files_are_one_record_and_come_back(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    voxels = archive_trees.noisy(1)
    import nibabel

    nibabel.save(nibabel.Nifti1Pair(voxels, make_scans.oblique_affine()), root / "pair.img")
    size = " ".join(map(str, voxels.shape))
    (root / "mäta.raw").write_bytes(voxels.tobytes("F"))
    (root / "meta.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_SHORT\n"
        "ElementSpacing = 1 1 1\nElementDataFile = mäta.raw\n",
        encoding="utf-8",
    )
    (root / "half.hdr").write_bytes((root / "pair.hdr").read_bytes())
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.failures == () and report.n_files == 5
    assert report.states == {"stored": 2, "copied": 1}
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()
    restored = archives.restore(tmp_path / "dst", tmp_path / "back")
    assert restored.failures == () and restored.n_contents == 0
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)


def test_a_series_of_several_volumes_is_one_record_and_comes_back(tmp_path: Path) -> None:
    root = tmp_path / "src"
    make_scans.dicom_series(root / "scout", archive_trees.noisy(1, (9, 8, 4)))
    other = make_scans.dicom_series(
        root / "other", archive_trees.noisy(2, (9, 8, 3)), cosines=((1, 0, 0), (0, 1, 0))
    )
    import pydicom

    uid = pydicom.dcmread(next((root / "scout").iterdir())).SeriesInstanceUID
    for file in sorted(other.iterdir()):
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = uid
        dataset.save_as(root / "scout" / f"other-{file.name}")
        file.unlink()
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.failures == () and report.states == {"stored": 1} and report.n_files == 7
    assert len(list((tmp_path / "dst" / "scout" / "005_MR.series").iterdir())) == 2
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()
    restored = archives.restore(tmp_path / "dst", tmp_path / "back")
    assert restored.failures == () and restored.n_contents == 0
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)


def test_what_failed_and_was_removed_is_gone_and_no_failure(tmp_path: Path) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 4)))
    cut = sorted((root / "ct").iterdir())[1]
    data = cut.read_bytes()
    cut.write_bytes(data[:200])
    touch(root / "broken.nii")
    scan = make_scans.nifti(root / "scan.nii", archive_trees.noisy(2))
    assert medroi.archive(root, place).states == {"failed": 2, "stored": 1}
    # An earlier version of a scan that is damaged, and then removed, stays in the archive.
    touch(scan)
    assert medroi.archive(root, place).states == {"failed": 3}
    cut.write_bytes(data)
    scan.unlink()
    (root / "broken.nii").unlink()
    report = medroi.archive(root, place)
    assert report.states == {"gone": 2, "stored": 2} and report.n_failed == 0
    assert medroi.archive(root, place).run == {}
    assert archives.check_archive(place).problems == ()
    restored = archives.restore(place, tmp_path / "back")
    assert restored.failures == () and (tmp_path / "back" / "scan.nii").exists()
    touch(root / "broken.nii")
    assert medroi.archive(root, place).n_failed == 1


def test_what_lies_in_a_folder_that_cannot_be_read_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    touch(root / "sub" / "broken.nii")
    assert medroi.archive(root, place).states == {"failed": 1}
    listed = os.listdir

    def refused(path: str | Path) -> list[str]:
        if str(path).endswith("src/sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "listdir", refused)
    assert medroi.archive(root, place).states == {"failed": 2}
    monkeypatch.undo()
    assert medroi.archive(root, place).states == {"failed": 1, "gone": 1}


def test_a_file_that_takes_the_name_of_a_folder_takes_nothing_else(tmp_path: Path) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    touch(root / "sub" / "b.txt")
    touch(root / "a.txt")
    make_scans.nifti(root / "scan.nii", archive_trees.noisy(2))
    medroi.archive(root, place)
    (root / "sub" / "b.txt").rename(root / "b.txt")
    (root / "sub").rmdir()
    (root / "sub").write_bytes(b"now a file")
    (root / "a.txt").unlink()
    for name in ("c.txt", "d.txt"):
        touch(root / "a.txt" / name)
    # The name of a store, too.
    touch(root / "scan.ome.zarr" / "e.txt")
    assert medroi.archive(root, place).n_failed == 0
    assert archives.check_archive(place).problems == ()
    assert medroi.archive(root, place).run == {}
    for number, path in enumerate(("sub", "sub/b.txt", "a.txt/d.txt", "scan.ome.zarr", "scan.nii")):
        folder = tmp_path / f"back{number}"
        if path == "sub":
            (folder / "sub").mkdir(parents=True)
            ((_, text),) = archives.restore(place, folder, ["su[b]"]).failures
            assert "a folder of another time" in text
            continue
        assert archives.restore(place, folder, [path]).failures == ()
    assert (tmp_path / "back1" / "sub" / "b.txt").read_bytes() == b"x"


def test_every_name_that_a_disk_has_is_packed(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    for number, name in enumerate(("m" * 251, "M" * 251, "\u00e9" * 125, "Scan", "scan", "SCAN")):
        make_scans.nifti(root / f"{name}.nii", archive_trees.noisy(number))
    touch(root / "scan.ome.zarr")
    touch(root / ("n" * 255))
    touch(root / os.fsdecode(b"\xff" * 251 + b".txt"))
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.failures == () and report.states == {"stored": 6, "copied": 3}
    assert archives.restore(tmp_path / "dst", tmp_path / "back").failures == ()
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)


def test_a_dry_run_says_what_cannot_be_read(tmp_path: Path) -> None:
    root = tmp_path / "src"
    touch(root / "a.txt")
    (root / "nothing").symlink_to("nowhere")
    (root / "up").symlink_to(".")
    for _ in range(2):
        report = medroi.archive(root, tmp_path / "dst", dry_run=True)
        assert report.n_files == 3 and report.run["failed"] == 1
        assert [path for path, _, _ in report.failures] == ["nothing"]
        assert "1 failed" in str(report) and "nothing was written" in str(report)
        medroi.archive(root, tmp_path / "dst")


def test_another_layout_or_content_leaves_no_store_that_nobody_has(tmp_path: Path) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    root.mkdir()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(1))
    make_scans.nifti(root / "b.nii", archive_trees.noisy(2))
    medroi.archive(root, place)
    assert medroi.archive(root, place, layout="bare").run == {"stored": 2}
    assert sorted(path.name for path in place.glob("*.zarr")) == ["a.zarr", "b.zarr"]
    # Now b has the content of a, and then one of its own again.
    data = (root / "b.nii").read_bytes()
    (root / "b.nii").write_bytes((root / "a.nii").read_bytes())
    medroi.archive(root, place, layout="bare")
    assert [path.name for path in place.glob("*.zarr")] == ["a.zarr"]
    (root / "b.nii").write_bytes(data)
    assert medroi.archive(root, place, layout="bare").states == {"stored": 2}
    assert archives.check_archive(place).problems == ()


def test_files_that_were_copied_go_on_to_be_when_others_are_listed(tmp_path: Path) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    touch(root / "a.txt")
    medroi.archive(root, place)
    touch(root / "b.txt")
    (root / "a.txt").write_bytes(b"newer")
    assert medroi.archive(root, place, others="list").states == {"copied": 1, "listed": 1}
    archives.restore(place, tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == {"a.txt": b"newer"}
