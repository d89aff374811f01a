"""Promises of whole trees: everything accounted for, the same bytes, nothing done twice."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import zlib
from pathlib import Path

import archive_trees
import make_scans
import numpy as np
import pytest

import medroi
from medroi import archives, errors
from medroi.archives import jobs
from medroi.cli import main
from medroi.scans import pack


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive_trees.tree(tmp_path_factory.mktemp("tree") / "src")


@pytest.fixture(scope="module")
def packed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("packed") / "dst"
    medroi.archive(source, place, lossless=True)
    return place


def manifest_of(place: Path) -> dict[str, dict[str, str]]:
    head, *rows = (place / "manifest.tsv").read_text().splitlines()
    names = head.split("\t")
    found = [dict(zip(names, row.split("\t"))) for row in rows]
    return {row["path"]: row for row in found}


def test_everything_is_accounted_for_as_find_counts_it(source: Path, packed: Path) -> None:
    rows = manifest_of(packed)
    found = subprocess.run(
        ["find", str(source), "!", "-type", "d", "-printf", "."], capture_output=True, check=True
    )
    assert sum(int(row["n_files"]) for row in rows.values()) == len(found.stdout)
    states = {path: row["state"] for path, row in rows.items()}
    assert states == {
        "dataset_description.json": "copied",
        "participants.tsv": "copied",
        "sub-01/anat/sub-01_T1w.json": "copied",
        "sub-01/anat/sub-01_T1w.nii.gz": "stored",
        "sub-02/again.json": "copied",
        "sub-02/anat/aseg.mgz": "stored",
        "sub-02/anat/broken.nii.gz": "failed",
        "sub-02/anat/copy.nii": "stored",
        "sub-02/anat/sub-02_T1w.nii": "duplicate",
        "sub-02/back": "link",
        "sub-03/ct/005_MR": "stored",
        "sub-03/ct/notes.txt": "copied",
    }
    assert rows["sub-03/ct/005_MR"]["n_files"] == "6"
    assert rows["sub-02/anat/broken.nii.gz"]["error_class"] == "InvalidArgument"
    assert rows["sub-02/anat/sub-02_T1w.nii"]["target"] == rows["sub-02/anat/copy.nii"]["target"]


def test_equal_scans_are_stored_once(packed: Path) -> None:
    assert sorted(path.name for path in packed.rglob("*.zarr")) == [
        "005_MR.ome.zarr",
        "aseg.ome.zarr",
        "copy.ome.zarr",
        "sub-01_T1w.ome.zarr",
    ]


def test_the_archive_of_a_bids_tree_is_a_derivative(source: Path, packed: Path) -> None:
    found = json.loads((packed / "dataset_description.json").read_text())
    assert found["DatasetType"] == "derivative"
    kept = packed / ".medroi-archive" / "kept" / "dataset_description.json"
    assert kept.read_bytes() == (source / "dataset_description.json").read_bytes()


@pytest.mark.parametrize("how", ["processes", "parts"])
def test_every_engine_writes_the_same_bytes(
    how: str, source: Path, packed: Path, tmp_path: Path
) -> None:
    place = tmp_path / "dst"
    if how == "processes":
        medroi.archive(source, place, lossless=True, jobs=2)
    else:
        for part in ("2/3", "1/3", "3/3"):
            medroi.archive(source, place, lossless=True, part=part)
        assert not (place / "manifest.tsv").exists()
        medroi.archive(source, place, lossless=True)
    assert archive_trees.stores_in(place) == archive_trees.stores_in(packed)


def test_dask_writes_the_same_bytes(source: Path, packed: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        medroi.archive(source, tmp_path / "dst", lossless=True, scheduler=client)
    assert archive_trees.stores_in(tmp_path / "dst") == archive_trees.stores_in(packed)


def test_restore_gives_the_very_bytes(source: Path, packed: Path, tmp_path: Path) -> None:
    report = archives.restore(packed, tmp_path / "back")
    assert report.failures == () and report.n_contents == 0 and report.n_links == 1
    expected = archive_trees.files_in(source)
    found = archive_trees.files_in(tmp_path / "back")
    assert found == {
        name: data for name, data in expected.items() if name != "sub-02/anat/broken.nii.gz"
    }
    assert os.readlink(tmp_path / "back/sub-02/back") == ".."
    path = "sub-01/anat/sub-01_T1w.nii.gz"
    assert (tmp_path / "back" / path).stat().st_mtime_ns == (source / path).stat().st_mtime_ns


def test_restore_keeps_a_file_that_is_there(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("mine")
    report = archives.restore(packed, tmp_path, ["participants.tsv"])
    assert [path for path, _ in report.failures] == ["participants.tsv"]
    assert (tmp_path / "participants.tsv").read_text() == "mine"


def test_a_second_run_does_nothing_but_what_failed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "dst"
    medroi.archive(source, place)
    begun: list[str] = []
    work = jobs.pack_job

    def counted(job: archives.Job) -> archives.Record:
        begun.append(job.path)
        return work(job)

    monkeypatch.setattr("medroi.archives.engines.pack_job", counted)
    monkeypatch.setattr(
        "medroi.archives.engines.run_here",
        lambda jobs: ((job, counted(job)) for job in jobs),
    )
    medroi.archive(source, place)
    assert begun == ["sub-02/anat/broken.nii.gz"]


def test_what_changed_is_done_again_and_what_was_touched_is_not(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    scan = make_scans.nifti(root / "scan.nii", archive_trees.noisy(1))
    make_scans.nifti(root / "other.nii", archive_trees.noisy(2))
    place = tmp_path / "dst"
    medroi.archive(root, place)
    before = archive_trees.stores_in(place)
    stores = list(place.rglob("zarr.json"))
    stamps = {path: path.stat().st_mtime_ns for path in stores}
    os.utime(root / "other.nii", ns=(1, 1))
    assert medroi.archive(root, place).run == {"stored": 1}
    assert {path: path.stat().st_mtime_ns for path in stores} == stamps
    assert archive_trees.stores_in(place) == before
    make_scans.nifti(scan, archive_trees.noisy(3))
    assert medroi.archive(root, place).run == {"stored": 1}
    after = archive_trees.stores_in(place)
    assert {name for name in after if after[name] != before.get(name)} >= {"manifest.tsv"}
    assert archives.check_archive(place, against=root).problems == ()
    # Other settings are another token: all scans are done again.
    assert medroi.archive(root, place, roi="box").run == {"stored": 2}


def test_the_content_of_a_duplicate_outlives_its_owner(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(1))
    (root / "b.nii").write_bytes((root / "a.nii").read_bytes())
    medroi.archive(root, tmp_path / "dst", lossless=True)
    original = (root / "b.nii").read_bytes()
    (root / "b.nii").unlink()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(2))
    medroi.archive(root, tmp_path / "dst", lossless=True)
    report = archives.restore(tmp_path / "dst", tmp_path / "back")
    assert report.failures == ()
    assert (tmp_path / "back/b.nii").read_bytes() == original
    assert (tmp_path / "back/a.nii").read_bytes() == (root / "a.nii").read_bytes()


def test_a_duplicate_that_was_damaged_and_is_whole_again_is_no_failure(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    whole = make_scans.nifti(root / "a.nii", archive_trees.noisy(1)).read_bytes()
    (root / "b.nii").write_bytes(whole)
    medroi.archive(root, tmp_path / "dst", lossless=True)
    (root / "b.nii").write_bytes(whole[:500])
    assert medroi.archive(root, tmp_path / "dst", lossless=True).run == {"failed": 1}
    (root / "b.nii").write_bytes(whole)
    report = medroi.archive(root, tmp_path / "dst", lossless=True)
    assert report.run == {"duplicate": 1} and report.failures == ()
    assert medroi.archive(root, tmp_path / "dst", lossless=True).run == {}
    assert archives.check_archive(tmp_path / "dst", against=root).problems == ()


def test_a_damaged_store_is_found_and_a_sample_reads_less(packed: Path, tmp_path: Path) -> None:
    copied = tmp_path / "dst"
    subprocess.run(["cp", "-r", str(packed), str(copied)], check=True)
    assert archives.check_archive(copied).problems == ()
    assert archives.check_archive(copied, sample=0.3).n_checked < 9
    chunk = next(path for path in (copied / "sub-01").rglob("c/**/*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    (problem,) = archives.check_archive(copied).problems
    assert problem[0] == "sub-01/anat/sub-01_T1w.nii.gz"
    assert main(["check", str(copied)]) == 1
    assert main(["check", str(packed)]) == 0


def test_an_edited_manifest_is_noticed_and_written_anew(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "dst"
    medroi.archive(source, place)
    whole = (place / "manifest.tsv").read_bytes()
    (place / "manifest.tsv").write_bytes(whole.replace(b"stored", b"failed", 1))
    (note,) = archives.check_archive(place, sample=0.01).notes
    assert "edited" in note
    medroi.archive(source, place)
    assert (place / "manifest.tsv").read_bytes() == whole


def test_prune_deletes_after_a_check_and_says_what(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    make_scans.nifti(root / "a.nii.gz", archive_trees.noisy(1))
    make_scans.nifti(root / "b.nii.gz", archive_trees.noisy(2))
    (root / "c.txt").write_text("c")
    place = tmp_path / "dst"
    medroi.archive(root, place, lossless=True)
    before = archive_trees.files_in(root)
    make_scans.nifti(root / "b.nii.gz", archive_trees.noisy(3))
    assert archives.prune(place, root).n_files == 2
    assert sorted(path.name for path in root.iterdir()) == ["a.nii.gz", "b.nii.gz", "c.txt"]
    report = archives.prune(place, root, yes=True)
    assert [path.name for path in root.iterdir()] == ["b.nii.gz"]
    assert [path for path, _ in report.kept] == ["b.nii.gz"]
    assert "a.nii.gz\t" in (place / report.written).read_text()
    # What was pruned stays in the archive, whatever the tree is.
    medroi.archive(root, place, lossless=True)
    archives.restore(place, tmp_path / "back")
    assert (tmp_path / "back/a.nii.gz").read_bytes() == before["a.nii.gz"]


def test_prune_keeps_what_does_not_come_back_byte_for_byte(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    make_scans.nifti(root / "a.nii", archive_trees.noisy(1, (40, 40, 40)))
    place = tmp_path / "dst"
    medroi.archive(root, place)
    assert float(manifest_of(place)["a.nii"]["kept_share"]) < 1
    ((path, text),) = archives.prune(place, root, yes=True).kept
    assert path == "a.nii" and "very bytes" in text
    assert archives.prune(place, root, yes=True, only_exact=False).n_inexact == 1
    assert not (root / "a.nii").exists()


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    report = medroi.archive(source, tmp_path / "dst", dry_run=True)
    assert report.planned == {"scan": 5, "dicom": 1, "file": 5}
    assert not (tmp_path / "dst").exists()


def test_others_can_be_listed(source: Path, tmp_path: Path) -> None:
    report = medroi.archive(source, tmp_path / "dst", others="list")
    assert report.states["listed"] == 5 and "copied" not in report.states


def test_the_report_shows_failures_and_regions(tmp_path: Path) -> None:
    source = archive_trees.tree(tmp_path / "src", dicom=False)
    page = tmp_path / "report.html"
    medroi.archive(source, tmp_path / "dst", roi="box", threshold=150, report=page)
    text = page.read_text()
    assert "InvalidArgument" in text and "broken.nii.gz" in text
    assert "Regions that deserve a look" in text


def test_the_command_line_archives_restores_and_counts(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "dst"
    assert main(["archive", str(source), str(place), "--json"]) == 1
    taken = capsys.readouterr()
    assert json.loads(taken.out)["n_failed"] == 1 and "1 failed" in taken.err
    back = tmp_path / "back"
    assert main(["archive", "restore", str(place), str(back), "sub-01", "--json"]) == 0
    assert (back / "sub-01" / "anat" / "sub-01_T1w.json").is_file()
    assert main(["archive", "prune", str(place), str(source)]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["archive", "{src}", "{src}/dst"], "inside"),
        (["archive", "{src}/sub-01", "{src}"], "around"),
        (["archive", "{src}/none", "{tmp}/dst"], "expected a folder of scans"),
        (["archive", "{src}", "{tmp}/dst", "--part", "4/3"], "expected I/N"),
        (["archive", "{src}", "{tmp}"], "choose an empty"),
        (["archive", "restore", "{tmp}", "{tmp}/back"], "no archive of medroi"),
        (["archive", "{src}", "{tmp}/dst", "--jobs", "-1"], "from 0"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str],
    message: str,
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    given = [word.format(src=source, tmp=tmp_path) for word in words]
    assert main(given) == 1
    assert message in capsys.readouterr().err


def test_another_tree_is_refused_unless_it_was_moved(tmp_path: Path) -> None:
    root = tmp_path / "src"
    root.mkdir()
    (root / "a.txt").write_text("a")
    medroi.archive(root, tmp_path / "dst")
    root.rename(tmp_path / "moved")
    with pytest.raises(errors.InvalidArgument, match="--moved"):
        medroi.archive(tmp_path / "moved", tmp_path / "dst")
    report = medroi.archive(tmp_path / "moved", tmp_path / "dst", moved=True)
    assert report.run == {}


def test_a_file_that_changes_while_it_is_read_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "src"
    root.mkdir()
    scan = make_scans.nifti(root / "scan.nii", archive_trees.noisy(1))
    from medroi import scans

    packs = scans.pack

    def packed_then_changed(*given: object, **more: object) -> object:
        report = packs(*given, **more)
        data = bytearray(scan.read_bytes())
        data[-1] ^= 1
        scan.write_bytes(data)
        return report

    monkeypatch.setattr(scans, "pack", packed_then_changed)
    report = medroi.archive(root, tmp_path / "dst")
    ((_, kind, text),) = report.failures
    assert kind == "SourceChanged" and "changed while it was read" in text
    assert not list((tmp_path / "dst").rglob("*.zarr"))
    monkeypatch.setattr(scans, "pack", packs)
    assert medroi.archive(root, tmp_path / "dst").states == {"stored": 1}


def test_two_runs_on_one_place(tmp_path: Path) -> None:
    from medroi.archives.locks import locked
    from medroi.archives.places import open_place

    root = tmp_path / "src"
    root.mkdir()
    place = tmp_path / "dst"
    medroi.archive(root, place)
    with locked(open_place(str(place))), pytest.raises(archives.InUse, match="--part"):
        medroi.archive(root, place)
    with locked(open_place(str(place)), "-part-1-of-2"):
        medroi.archive(root, place, part="2/2")
        for part in (None, "1/2"):
            with pytest.raises(archives.InUse):
                medroi.archive(root, place, part=part)
    medroi.archive(root, place)


def test_the_command_of_the_readme_archives_the_example_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parent.parent
    readme = (root / "README.md").read_text()
    (line,) = re.findall(r"^medroi (archive examples/tree .*?)\s+#", readme, re.M)
    (tmp_path / "examples").symlink_to(root / "examples")
    monkeypatch.chdir(tmp_path)
    assert main(line.replace("--jobs 0", "--jobs 1").split()) == 0
    states = {path: row["state"] for path, row in manifest_of(tmp_path / "archive").items()}
    assert states == {
        "dataset_description.json": "copied",
        "participants.tsv": "copied",
        "sub-01/anat/sub-01_T1w.json": "copied",
        "sub-01/anat/sub-01_T1w.nii.gz": "stored",
        "sub-02/anat/sub-02_T1w.nii.gz": "duplicate",
    }
    assert "Regions that deserve a look" in (tmp_path / "archive.html").read_text()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_scan_that_is_packed_already_is_copied(tmp_path: Path, jobs: int) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    (root / "sub").mkdir(parents=True)
    scan = make_scans.nifti(tmp_path / "a.nii", archive_trees.noisy(1))
    pack(scan, root / "sub" / "a.mnc", lossless=True)
    pack(scan, root / "sub" / "b.h5/s", lossless=True)
    pack(scan, root / "c.ome.zarr", lossless=True)
    # Its store has the name that the packed one would have.
    make_scans.nifti(root / "sub" / "a.nii.gz", archive_trees.noisy(2))
    report = medroi.archive(root, place, jobs=jobs, lossless=True)
    assert report.failures == () and report.states["stored"] == 1
    record = manifest_of(place)["sub/a.mnc"]
    assert (record["state"], record["kind"], record["target"]) == ("copied", "file", "sub/a.mnc")
    assert medroi.archive(root, place, lossless=True).run == {}
    assert archives.check_archive(place, against=root).problems == ()
    archives.restore(place, tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)
    assert archives.prune(place, root, yes=True).kept == ()
    assert archive_trees.files_in(root) == {}


def test_contents_that_are_compressed_in_another_way_are_told_from_kept_voxels(
    tmp_path: Path,
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    root.mkdir()
    plain = make_scans.nifti(tmp_path / "plain.nii", archive_trees.noisy(1, (40, 40, 40)))
    # No level of zlib gives these bytes.
    coder = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    (root / "a.nii.gz").write_bytes(coder.compress(plain.read_bytes()) + coder.flush())
    medroi.archive(root, place, lossless=True)
    report = archives.restore(place, tmp_path / "back")
    assert (report.n_exact, report.n_same, report.n_contents) == (0, 1, 0)
    assert report.not_exact == ("a.nii.gz",)
    assert "1 files with the same contents, not compressed in the same way" in str(report)
    back = (tmp_path / "back" / "a.nii.gz").read_bytes()
    assert gzip.decompress(back) == plain.read_bytes()
    ((path, text),) = archives.prune(place, root, yes=True).kept
    assert path == "a.nii.gz" and "the same contents" in text
    medroi.archive(root, place)
    report = archives.restore(place, tmp_path / "again")
    assert (report.n_exact, report.n_same, report.n_contents) == (0, 0, 1)
    ((_, text),) = archives.prune(place, root, yes=True).kept
    assert "the kept voxels" in text
    assert archives.prune(place, root, yes=True, only_exact=False).n_inexact == 1


def test_scans_that_no_group_has_room_for_are_arrays_that_stand_alone(tmp_path: Path) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    root.mkdir()
    scan = archive_trees.noisy(1)
    make_scans.nifti(root / "warp.nii.gz", np.stack([scan, scan[::-1]], -1)[:, :, :, np.newaxis])
    make_scans.nifti(root / "profile.nii", scan[:, 0, 0])
    make_scans.nifti(root / "head.nii", scan)
    report = medroi.archive(root, place, lossless=True)
    assert report.failures == () and report.states["stored"] == 3
    found = manifest_of(place)
    assert found["warp.nii.gz"]["target"] == "warp.array.zarr"
    assert found["profile.nii"]["target"] == "profile.array.zarr"
    assert found["head.nii"]["target"] == "head.ome.zarr"
    assert medroi.archive(root, place, lossless=True).run == {}
    assert archives.check_archive(place, against=root).problems == ()
    archives.restore(place, tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(root)
