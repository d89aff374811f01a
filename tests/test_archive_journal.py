"""Promises of the journal of an archive: what is known of a path, at any length, in any place."""

from __future__ import annotations

import dataclasses
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import medroi
from medroi import archives, errors
from medroi.archives import journal as lines
from medroi.archives import journals, records
from medroi.archives.keeping import Index
from medroi.archives.place_remote import RemotePlace
from medroi.archives.restore import _inside


def drawn(draw: random.Random) -> archives.Record:
    """A record of one of few paths, so that many take the place of others."""
    names = ["a.nii", "b/a.nii", "b/\u00e9.nii", os.fsdecode(b"b/\xe9.nii"), "b/\U0001f9e0.nii"]
    path = draw.choice(names) + draw.choice(["", ".gz", "-2", "/005-series"])
    digest = draw.choice("0123")
    return archives.Record(
        path,
        "dicom" if path.endswith("series") else "scan",
        draw.choice(["stored", "stored", "duplicate", "failed"]),
        nbytes=draw.choice([1, 2, 1 << 40]),
        sha256=digest,
        target=draw.choice(["", "t", f"t{digest}", path]),
        settings=draw.choice(["x", "y"]),
        n_files=draw.randrange(1, 4),
        listing=draw.choice(["", "l"]),
        pruned=draw.random() < 0.2,
        stored_nbytes=draw.randrange(5),
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_index_says_what_a_dictionary_of_all_records_says(seed: int) -> None:
    draw, index, latest = random.Random(seed), Index(), {}
    for number in range(draw.randrange(1, 80)):
        record = drawn(draw)
        index.add(record.to_json(), (f"segment {number % 3}", number))
        latest[record.path] = (record, (f"segment {number % 3}", number))
    assert len(index) == len(latest)
    assert list(index.paths()) == sorted(latest)
    for path, (record, at) in latest.items():
        known = index.get(path)
        assert known is not None and known.at == at
        for field in dataclasses.fields(known):
            if field.name != "at":
                assert getattr(known, field.name) == getattr(record, field.name)
    records = [record for record, _ in latest.values()]
    for state in ("stored", "failed", "listed"):
        expected = [record for record in records if record.state == state]
        assert [path for path, _ in index.items(state)] == sorted(one.path for one in expected)
        for total in index.totals():
            if total.state == state:
                assert total.n_records == len(expected)
                assert total.n_files == sum(one.n_files for one in expected)
                assert total.nbytes == sum(one.nbytes for one in expected)
                assert total.stored_nbytes == sum(one.stored_nbytes for one in expected)
    for target in ("t", "t1", "a.nii", "none"):
        assert index.users_of(target) == {one.path for one in records if one.target == target}
    assert index.users_of("") == set()
    stored = [one for one in records if one.state == "stored"]
    for nbytes in (1, 2):
        found = index.equal_before("b/b", nbytes, "x")
        alike = [one for one in stored if (one.nbytes, one.settings) == (nbytes, "x")]
        before = [one for one in alike if one.path < "b/b"]
        assert set(found) == {one.sha256 for one in before}
        assert set(found.items()) <= {(one.sha256, one.target) for one in before}
    contents = {(one.sha256, one.settings) for one in stored}
    groups = [
        sorted(one.path for one in stored if (one.sha256, one.settings) == content)
        for content in contents
    ]
    assert sorted(index.stored_twice()) == sorted(group for group in groups if len(group) > 1)
    for sha256, settings in contents:
        alike = [one for one in stored if (one.sha256, one.settings) == (sha256, settings)]
        first = min(alike, key=lambda one: one.path)
        assert index.target_of(sha256, settings) == first.target
    series = [one for one in records if one.kind == "dicom" and one.listing]
    for folder in ("a.nii", "b/\u00e9.nii", "b"):
        assert [path for path, _ in index.series_in(folder)] == sorted(
            one.path for one in series if one.path.rpartition("/")[0] == folder
        )
    index.close()


def test_paths_that_are_added_while_others_are_read_disturb_nothing() -> None:
    index = Index()
    for number in range(3000):
        index.add({"path": f"{number:05}", "kind": "scan", "state": "stored"})
    seen = []
    for path in index.paths():
        seen.append(path)
        index.add({"path": path, "kind": "scan", "state": "failed"})
        if len(path) == 5:
            index.add({"path": f"{path}-new", "kind": "scan", "state": "stored"})
    assert [path for path in seen if len(path) == 5] == [f"{number:05}" for number in range(3000)]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "changed",
    [{"nbytes": "many"}, {"nbytes": 1 << 80}, {"sha256": 3}, {"kind": None}, {"listing": [1]}],
)
def test_a_record_of_other_values_is_refused(changed: dict[str, object]) -> None:
    index = Index()
    with pytest.raises(errors.CorruptStream, match=r"7\.jsonl: byte 30"):
        index.add({"path": "a", "kind": "scan", "state": "stored", **changed}, ("7.jsonl", 30))


class Remote:
    """An archive in the memory of fsspec, whose calls can be made to fail."""

    def __init__(self, name: str) -> None:
        self.url = f"memory://{name}"
        self.files = fsspec.filesystem("memory")

    def segments(self) -> list[str]:
        folder = f"/{self.url.removeprefix('memory://')}/{journals.FOLDER}"
        return sorted(one.rpartition("/")[2] for one in self.files.ls(folder, detail=False))

    def states(self) -> dict[str, str]:
        with archives.Journal(archives.open_place(self.url), writes=False) as journal:
            return {record.path: record.state for record in journal.records()}


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    # A segment for every second record.
    monkeypatch.setattr(journals, "_BATCH_RECORDS", 2)
    made = Remote(tmp_path.name)
    yield made
    made.files.rm(f"/{tmp_path.name}", recursive=True)


def several(root: Path, count: int = 7) -> Path:
    root.mkdir()
    for number in range(count):
        (root / f"{number}.txt").write_text(str(number))
    return root


def test_segments_of_a_run_in_an_object_store_become_one(remote: Remote, tmp_path: Path) -> None:
    source = several(tmp_path / "src")
    medroi.archive(source, remote.url)
    assert remote.segments() == ["000001.jsonl"]
    assert remote.states() == {f"{number}.txt": "copied" for number in range(7)}
    assert medroi.archive(source, remote.url).run == {}
    assert remote.segments() == ["000001.jsonl"]
    # What is small beside what there is stays by itself, and is merged with its like.
    for number in range(8):
        (source / f"new-{number}.txt").write_text("new")
        medroi.archive(source, remote.url)
        assert len(remote.segments()) <= 3
    assert len(remote.states()) == 15
    assert archives.check_archive(remote.url, against=source).problems == ()


def test_a_merge_keeps_what_a_later_version_wrote_in_a_record(remote: Remote) -> None:
    place = RemotePlace(remote.url, {})
    written = {"path": "a.txt", "kind": "file", "state": "copied", "later": [1, {"b": None}]}
    for number in (1, 2):
        segment = lines.Lines()
        data = segment.header(1) + segment.line({**written, "path": f"{number}.txt"})
        place.write(f"{journals.FOLDER}/000001.{number:06d}.jsonl", data)
    with journals.Journal(place) as book:
        book.merge()
    (name,) = remote.segments()
    data = place.read(f"{journals.FOLDER}/{name}")
    assert data is not None
    merged = [one for _, one in lines.read_segment(name, io.BytesIO(data))]
    assert merged == [{**written, "path": "1.txt"}, {**written, "path": "2.txt"}]


def test_parts_leave_segments_that_the_whole_run_merges(remote: Remote, tmp_path: Path) -> None:
    source = several(tmp_path / "src")
    for part in ("1/2", "2/2"):
        medroi.archive(source, remote.url, part=part)
    assert len(remote.segments()) > 3
    medroi.archive(source, remote.url)
    assert len(remote.segments()) == 1 and len(remote.states()) == 7


@pytest.mark.parametrize("n_calls", range(8))
def test_a_merge_that_stops_anywhere_leaves_a_readable_journal(
    n_calls: int, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = several(tmp_path / "src")
    medroi.archive(source, remote.url)
    (source / "3.txt").write_text("changed")
    (source / "8.txt").write_text("new")
    left = [n_calls]

    def stopping(name: str) -> None:
        method = getattr(RemotePlace, name)

        def called(self: RemotePlace, at: str, *given: object) -> object:
            about = given[0] if name == "put" else at
            if str(about).startswith(journals.FOLDER) or about == journals.LIST:
                if left[0] == 0:
                    raise KeyboardInterrupt
                left[0] -= 1
            return method(self, at, *given)

        monkeypatch.setattr(RemotePlace, name, called)

    with monkeypatch.context():
        for name in ("put", "write", "remove"):
            stopping(name)
        try:
            medroi.archive(source, remote.url)
        except KeyboardInterrupt:
            assert left[0] == 0
    monkeypatch.undo()
    remote.states()
    medroi.archive(source, remote.url)
    assert remote.states() == {f"{number}.txt": "copied" for number in [*range(7), 8]}
    assert archives.check_archive(remote.url, against=source).problems == ()
    assert archives.check_archive(remote.url, against=source).notes == ()


def test_a_journal_that_is_merged_while_it_is_read_is_read_again(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = several(tmp_path / "src")
    for part in ("1/2", "2/2"):
        medroi.archive(source, remote.url, part=part)
    fetch, merged = RemotePlace.fetch, []

    def fetched(self: RemotePlace, name: str, local: Path) -> bool:
        if not merged:
            merged.append(True)
            medroi.archive(source, remote.url)
        return fetch(self, name, local)

    monkeypatch.setattr(RemotePlace, "fetch", fetched)
    assert len(remote.states()) == 7
    monkeypatch.setattr(RemotePlace, "fetch", lambda *_: False)
    with pytest.raises(errors.MedROIError, match="run the same command again"):
        remote.states()


def test_a_segment_of_a_few_seconds_is_told_by_its_name() -> None:
    names = ["000001.jsonl", "000001-part-1-of-2.jsonl", "000001.000001.jsonl"]
    assert [lines.is_batch(name) for name in names] == [False, False, True]
    assert sorted(names)[-1] == "000001.jsonl"


@pytest.mark.parametrize(
    ("name", "on_windows", "anywhere"),
    [
        ("a/b.nii", False, False),
        ("../b.nii", True, True),
        ("a/../../b.nii", True, True),
        ("/b.nii", True, True),
        ("a..b/c..nii", False, False),
        ("C:b.nii", True, False),
        ("C:/b.nii", True, False),
        ("\\\\host\\share\\b.nii", True, False),
        ("\\b.nii", True, False),
        ("a\\..\\..\\b.nii", True, False),
    ],
)
def test_names_that_lead_out_are_known_on_each_system(
    name: str, on_windows: bool, anywhere: bool
) -> None:
    assert records.leads_out(name, on_windows=True) == on_windows
    assert records.leads_out(name, on_windows=False) == anywhere


@pytest.mark.parametrize("name", ["a\\b.nii", "scan 10:30.nii", "a?.nii"])
def test_a_name_that_windows_does_not_have_is_not_restored_there(tmp_path: Path, name: str) -> None:
    assert _inside(tmp_path, name, on_windows=False) == tmp_path / name
    with pytest.raises(errors.InvalidArgument, match="Windows does not have"):
        _inside(tmp_path, name, on_windows=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [("Scan.txt", "scan.txt"), ("\u00e9.txt", "e\u0301.txt"), ("a/B.txt", "A/b.txt")],
)
def test_names_that_differ_by_case_or_form_are_two_in_two_runs_too(
    tmp_path: Path, first: str, second: str
) -> None:
    root, place = tmp_path / "src", tmp_path / "dst"
    for name in (first, second):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        medroi.archive(root, place)
        (root / name).unlink()
        (root / name).parent.rmdir()
    with archives.Journal(archives.open_place(str(place)), writes=False) as journal:
        targets = [record.target for record in journal.records()]
    assert len({records.name_key(target) for target in targets}) == 2
    assert archives.restore(place, tmp_path / "back").failures == ()
    assert {path: (tmp_path / "back" / path).read_text() for path in (first, second)} == {
        first: first,
        second: second,
    }
    # Neither is moved by a further run.
    (root / first).parent.mkdir(parents=True, exist_ok=True)
    (root / first).write_text(first)
    medroi.archive(root, place, rehash=True)
    with archives.Journal(archives.open_place(str(place)), writes=False) as journal:
        assert [record.target for record in journal.records()] == targets
