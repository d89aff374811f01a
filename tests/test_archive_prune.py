"""Promises of originals that are deleted: only what the archive gives back, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import archive_trees
import make_scans
import pytest

import medroi
from medroi import archives

MANIFEST = ("manifest.tsv", "manifest.parquet")


class Stopped(BaseException):
    """What ends a process."""


def stop_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The process ends when so many originals were deleted."""
    unlink, left = Path.unlink, [count]

    def counted(path: Path, missing_ok: bool = False) -> None:
        if "src" in path.parts:
            if not left[0]:
                raise Stopped
            left[0] -= 1
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", counted)


@pytest.mark.parametrize("n_deleted", [1, 3])
def test_a_prune_that_stops_within_a_series_leaves_the_whole_of_it_in_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_deleted: int
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 6)))
    (root / "z.txt").write_text("z")
    before = archive_trees.files_in(root)
    medroi.archive(root, place, lossless=True)
    stored = archive_trees.stores_in(place)
    stop_at(monkeypatch, n_deleted)
    with pytest.raises(Stopped):
        archives.prune(place, root, yes=True)
    monkeypatch.undo()
    assert len(list((root / "ct").iterdir())) == 6 - n_deleted
    # What is left of the series is not taken for the series.
    assert medroi.archive(root, place, lossless=True).run == {}
    # The manifest alone says that the original was deleted.
    found = archive_trees.stores_in(place)
    assert {name for name in stored if found.pop(name) != stored[name]} <= set(MANIFEST)
    assert not found
    dry = archives.prune(place, root)
    assert dry.n_files == 7 - n_deleted and dry.kept == ()
    assert archives.prune(place, root, yes=True).n_files == 7 - n_deleted
    assert archive_trees.files_in(root) == {}
    assert archives.restore(place, tmp_path / "back").failures == ()
    assert archive_trees.files_in(tmp_path / "back") == before


def test_what_is_changed_after_a_prune_that_stopped_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 6)))
    medroi.archive(root, place, lossless=True)
    stop_at(monkeypatch, 2)
    with pytest.raises(Stopped):
        archives.prune(place, root, yes=True)
    monkeypatch.undo()
    file = sorted((root / "ct").iterdir())[0]
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ((_, text),) = archives.prune(place, root, yes=True).kept
    assert "has changed" in text and file.exists()


def test_prune_deletes_links_with_their_files_and_nothing_outside_of_the_tree(
    tmp_path: Path,
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.txt").write_text("of others")
    (tmp_path / "single.txt").write_text("of others too")
    (root / "a.txt").write_text("a")
    (root / "sub" / "again.txt").symlink_to("../a.txt")
    (root / "elsewhere").symlink_to(tmp_path / "outside")
    (root / "single.txt").symlink_to(tmp_path / "single.txt")
    medroi.archive(root, place)
    report = archives.prune(place, root, yes=True)
    assert [path for path, _ in report.kept] == ["elsewhere/o.txt"]
    assert "outside of the tree" in report.kept[0][1]
    assert (tmp_path / "outside" / "o.txt").exists() and (tmp_path / "single.txt").exists()
    assert not (root / "a.txt").exists() and not os.path.lexists(root / "sub" / "again.txt")
    assert medroi.archive(root, place).n_failed == 0


def test_what_was_archived_comes_back_when_its_original_is_a_dead_link(tmp_path: Path) -> None:
    root, place, annex = tmp_path / "src", tmp_path / "dst", tmp_path / "annex"
    root.mkdir()
    annex.mkdir()
    make_scans.nifti(annex / "1.nii", archive_trees.noisy(1))
    (annex / "2.json").write_text("{}")
    for name, of in (("a.nii", "1.nii"), ("b.nii", "1.nii"), ("c.json", "2.json")):
        (root / name).symlink_to(annex / of)
    before = archive_trees.files_in(root)
    medroi.archive(root, place, lossless=True)
    for file in annex.iterdir():
        file.unlink()
    assert medroi.archive(root, place, lossless=True).states == {"failed": 3}
    checked = archives.check_archive(place, against=root)
    assert (checked.n_checked, checked.problems) == (3, ())
    assert archives.restore(place, tmp_path / "back").failures == ()
    assert archive_trees.files_in(tmp_path / "back") == before
    # Damage to it is found.
    (place / "c.json").write_text("[]")
    assert [path for path, _ in archives.check_archive(place).problems] == ["c.json"]


def test_prune_reads_the_record_of_each_scan_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    make_scans.dicom_series(root / "ct", archive_trees.noisy(1, (9, 8, 6)))
    for name in ("a.nii", "b.nii"):
        make_scans.nifti(root / name, archive_trees.noisy(ord(name[0])))
    (root / "c.nii").symlink_to("b.nii")
    medroi.archive(root, place, lossless=True)
    read, record = [], archives.Journal.record

    def counted(journal: archives.Journal, path: str) -> archives.Record:
        read.append(path)
        return record(journal, path)

    monkeypatch.setattr(archives.Journal, "record", counted)
    assert archives.prune(place, root, yes=True).kept == ()
    # A series is looked at for links among its files, a duplicate asks for the scan with its store.
    assert (read.count("a.nii"), read.count("c.nii")) == (1, 1)
    assert archive_trees.files_in(root) == {}
