"""Promises of commands that work on one archive at the same time."""

from __future__ import annotations

import json
from pathlib import Path

import archive_trees
import make_scans
import pytest

import medroi
from medroi import archives
from medroi.archives import checking
from medroi.archives.locks import is_in_use, locked
from medroi.archives.places import open_place
from medroi.cli import main

PARTS = ["", "-part-1-of-2"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "src"
    root.mkdir()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(1))
    make_scans.nifti(root / "b.nii", archive_trees.noisy(2))
    return root


@pytest.fixture
def place(source: Path, tmp_path: Path) -> Path:
    medroi.archive(source, tmp_path / "dst", lossless=True)
    return tmp_path / "dst"


def damage(place: Path, name: str) -> None:
    chunk = next(path for path in (place / f"{name}.ome.zarr").rglob("c/**/*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)


@pytest.mark.parametrize("part", PARTS)
def test_prune_beside_a_run_is_refused_and_deletes_nothing(
    part: str, source: Path, place: Path
) -> None:
    with locked(open_place(str(place)), part), pytest.raises(archives.InUse):
        archives.prune(place, source, yes=True)
    assert sorted(path.name for path in source.iterdir()) == ["a.nii", "b.nii"]


@pytest.mark.parametrize("part", PARTS)
def test_a_check_beside_a_run_goes_on_and_says_so_where_something_is_wrong(
    part: str, source: Path, place: Path
) -> None:
    with locked(open_place(str(place)), part):
        report = archives.check_archive(place, against=source)
        assert report.problems == () and report.notes == ()
        damage(place, "b")
        report = archives.check_archive(place)
        assert [path for path, _ in report.problems] == ["b.nii"]
        assert "another command works on this archive" in report.notes[0]
    assert archives.check_archive(place).notes == ()


@pytest.mark.parametrize("part", PARTS)
def test_what_is_in_use_is_seen(part: str, place: Path, tmp_path: Path) -> None:
    for url in (str(place), f"memory://{tmp_path.name}"):
        assert not is_in_use(open_place(url))
        with locked(open_place(url), part):
            assert is_in_use(open_place(url))
        assert not is_in_use(open_place(url))


def test_a_store_that_a_run_replaces_under_a_check_is_no_problem(
    source: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, replaced = checking.at_hand, []

    def meanwhile(*given: object) -> object:
        if not replaced:
            replaced.append(True)
            make_scans.nifti(source / "a.nii", archive_trees.noisy(3))
            medroi.archive(source, place, lossless=True)
        return read(*given)

    monkeypatch.setattr(checking, "at_hand", meanwhile)
    report = archives.check_archive(place)
    assert replaced and report.problems == () and report.n_checked == 2


def test_an_original_that_prune_deletes_under_a_check_is_no_problem(
    source: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, deleted = checking.at_hand, []

    def meanwhile(*given: object) -> object:
        if not deleted:
            deleted.append(True)
            archives.prune(place, source, yes=True)
        return read(*given)

    monkeypatch.setattr(checking, "at_hand", meanwhile)
    report = archives.check_archive(place, against=source)
    assert not list(source.iterdir())
    assert report.problems == () and report.n_checked == 2


def test_check_goes_on_after_an_archive_that_cannot_be_read(
    source: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    medroi.archive(source, tmp_path / "bad", lossless=True)
    (segment,) = (tmp_path / "bad" / ".medroi-archive" / "journal").iterdir()
    segment.write_bytes(segment.read_bytes().replace(b"a.nii", b"c.nii", 1))
    damage(place, "b")
    given = [str(tmp_path / "bad"), str(place), str(place / "a.ome.zarr"), str(tmp_path / "none")]
    assert main(["check", "--json", *given]) == 1
    taken = capsys.readouterr()
    archive, store = json.loads(taken.out)
    assert archive["n_checked"] == 2 and [path for path, _ in archive["problems"]] == ["b.nii"]
    assert store["path"] == given[2]
    assert "damaged or edited" in taken.err and "1 are not whole" in taken.err
    assert "3 of 4 are not whole" in taken.err
