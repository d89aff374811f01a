"""Promises of trees behind a URL: the bytes of an archive of the same tree on a disk."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archive_trees
import fsspec
import make_scans
import pytest

import medroi
from medroi import archives, errors
from medroi.archives import jobs, tree_remote
from medroi.archives.items import Item
from medroi.archives.tree_remote import RemoteTree
from medroi.archives.trees import open_tree
from medroi.archives.urls import without_secrets
from medroi.cli import main

URL = "memory://tree"


@pytest.fixture(autouse=True)
def an_empty_store() -> Iterator[None]:
    files = fsspec.filesystem("memory")
    yield
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = archive_trees.tree(tmp_path_factory.mktemp("tree") / "src")
    # No object store has links, and none has empty folders.
    (root / "sub-02" / "back").unlink()
    make_scans.dicom_series(root / "sub-03" / "mr", archive_trees.noisy(5, (8, 9, 4)))
    for file in list((root / "sub-03" / "mr").iterdir()):
        file.rename(file.with_suffix(""))
    return root


@pytest.fixture(scope="module")
def packed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("packed") / "dst"
    medroi.archive(source, place, lossless=True)
    return place


def put(name: str, data: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(f"/tree/{name}", data)


def uploaded(source: Path) -> str:
    for name, data in archive_trees.files_in(source).items():
        put(name, data)
    return URL


class Listing(http.server.SimpleHTTPRequestHandler):
    """Lists folders, knows no ranges, and refuses some names."""

    refused: tuple[str, ...] = ()

    def do_GET(self) -> None:
        if self.path.endswith(self.refused or ("\0",)):
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path, handler: Any = Listing) -> Iterator[str]:
    made = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def items(url: str) -> dict[str, Item]:
    return {item.path: item for item in open_tree(url).items(".ome.zarr")}


def digests(place: Path) -> dict[str, tuple[str, str, str]]:
    with archives.Journal(archives.open_place(str(place)), writes=False) as journal:
        return {one.path: (one.state, one.sha256, one.target) for one in journal.records()}


def test_an_object_store_has_the_items_of_the_disk(source: Path) -> None:
    found, expected = items(uploaded(source)), items(str(source))
    assert list(found) == list(expected)
    for path, item in expected.items():
        one = found[path]
        assert (one.kind, one.files, one.target) == (item.kind, item.files, item.target)
        assert one.nbytes == item.nbytes and one.n_files == item.n_files


def test_an_archive_of_an_object_store_has_the_bytes_of_one_of_the_disk(
    source: Path, packed: Path, tmp_path: Path
) -> None:
    place = tmp_path / "dst"
    report = medroi.archive(uploaded(source), place, lossless=True)
    assert archive_trees.stores_in(place) == archive_trees.stores_in(packed)
    assert digests(place) == digests(packed)
    assert [path for path, _, _ in report.failures] == ["sub-02/anat/broken.nii.gz"]
    assert "/tmp" not in report.failures[0][2] and "broken.nii.gz" in report.failures[0][2]
    again = medroi.archive(URL, place, lossless=True)
    assert again.run == {"failed": 1}


def test_a_web_server_that_lists_its_folders_is_a_tree(
    source: Path, packed: Path, tmp_path: Path
) -> None:
    place = tmp_path / "dst"
    with served(source) as url:
        medroi.archive(url, place, lossless=True)
        assert medroi.archive(url, place, lossless=True).run == {"failed": 1}
        assert archives.check_archive(place, against=url).problems == ()
    assert archive_trees.stores_in(place) == archive_trees.stores_in(packed)
    assert digests(place) == digests(packed)
    archives.restore(place, tmp_path / "back", ["sub-01"])
    path = "sub-01/anat/sub-01_T1w.nii.gz"
    assert (tmp_path / "back" / path).read_bytes() == (source / path).read_bytes()
    seconds = [int((root / path).stat().st_mtime) for root in (tmp_path / "back", source)]
    assert seconds[0] == seconds[1]


def test_names_that_a_url_escapes_come_back(tmp_path: Path) -> None:
    names = ["a b&c.txt", "100%#1?.txt", "größe.txt", "x/<y>.txt"]
    for name in names:
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(name)
    with served(tmp_path / "src") as url:
        assert medroi.archive(url, tmp_path / "dst").states == {"copied": len(names)}
    archives.restore(tmp_path / "dst", tmp_path / "back")
    assert archive_trees.files_in(tmp_path / "back") == archive_trees.files_in(tmp_path / "src")


def test_a_loop_of_links_of_a_server_ends(tmp_path: Path) -> None:
    root = tmp_path / "src"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "up").symlink_to("..")
    # Folders of one name in each other are no loop.
    (root / "x" / "x" / "x").mkdir(parents=True)
    (root / "x" / "x" / "x" / "b.txt").write_text("b")
    with served(root) as url:
        found = items(url)
    assert {path: item.error_class for path, item in found.items()} == {
        "a.txt": "",
        "sub/up": "FolderLoop",
        "x/x/x/b.txt": "",
    }


def test_a_file_that_a_server_refuses_is_a_failure_that_names_it(tmp_path: Path) -> None:
    root = tmp_path / "src"
    make_scans.dicom_series(root / "ct", archive_trees.noisy(4, (9, 8, 6)))
    for number, file in enumerate(sorted((root / "ct").iterdir())):
        file.rename(root / "ct" / f"slice{number}")
    (root / "a.txt").write_text("a")
    (root / "b.txt").write_text("b")

    class Closed(Listing):
        refused = ("/slice5", "/a.txt")

    with served(root, Closed) as url:
        report = medroi.archive(url, tmp_path / "dst")
    assert {path: name for path, name, _ in report.failures} == {
        "a.txt": "Unreachable",
        "ct/unreadable": "Unreachable",
    }
    assert "slice5" in report.failures[1][2] and report.states["copied"] == 1


def test_what_changed_in_a_store_is_done_again_whatever_its_size(tmp_path: Path) -> None:
    put("a.txt", b"one")
    put("b.txt", b"two")
    medroi.archive(URL, tmp_path / "dst")
    assert medroi.archive(URL, tmp_path / "dst").run == {}
    put("a.txt", b"six")
    assert medroi.archive(URL, tmp_path / "dst").run == {"copied": 1}
    assert (tmp_path / "dst" / "a.txt").read_bytes() == b"six"


def changing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is written anew, in the same size, while it is packed."""
    stored = jobs._stored

    def changed(job: archives.Job, root: Path, place: archives.Place) -> archives.Record:
        record = stored(job, root, place)
        put(job.path, b"six")
        return record

    monkeypatch.setattr(jobs, "_stored", changed)


def test_a_file_that_changes_while_it_is_read_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.txt", b"one")
    changing(monkeypatch)
    report = medroi.archive(URL, tmp_path / "dst")
    assert [name for _, name, _ in report.failures] == ["SourceChanged"]


def test_a_store_without_times_and_tags_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.txt", b"one")
    monkeypatch.setattr(tree_remote, "_TIMES", ())
    assert items(URL)["a.txt"].listing == "" and open_tree(URL).status("a.txt").token == ""
    assert medroi.archive(URL, tmp_path / "dst").states == {"copied": 1}
    put("b.txt", b"one")
    changing(monkeypatch)
    report = medroi.archive(URL, tmp_path / "dst")
    assert [name for _, name, _ in report.failures] == ["SourceChanged"]


def test_headers_of_any_length_are_read_until_the_series_is_known(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = items(uploaded(source))
    monkeypatch.setattr(tree_remote, "_DICOM_NBYTES", 140)
    monkeypatch.setattr(tree_remote, "_GROWTH", 2)
    assert items(URL) == expected


def test_a_dry_run_of_a_url_reads_beginnings_and_writes_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = uploaded(source)
    monkeypatch.setattr(RemoteTree, "at_hand", None)
    report = medroi.archive(url, tmp_path / "dst", dry_run=True)
    assert report.planned == {"scan": 5, "dicom": 2, "file": 5}
    assert not (tmp_path / "dst").exists()


def test_a_scan_for_which_the_disk_has_no_room_is_a_failure_with_the_figures(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.txt", b"one" * 100)
    put("b.txt", b"two")
    usage = shutil.disk_usage(tmp_path)._replace(free=299)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    report = medroi.archive(URL, tmp_path / "dst")
    ((path, name, text),) = report.failures
    assert (path, name) == ("a.txt", "NoRoom") and "300 bytes" in text and "299" in text
    assert report.states == {"copied": 1, "failed": 1}


def test_nothing_is_left_among_the_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tree_remote.tempfile, "tempdir", str(tmp_path / "tmp"))
    put("ct/slice", b"no DICOM")
    put("broken.nii.gz", b"no gzip")
    medroi.archive(URL, tmp_path / "dst")
    assert os.listdir(tmp_path / "tmp") == []


def test_a_name_that_no_folder_has_is_a_failure(tmp_path: Path) -> None:
    put("a.txt", b"one")
    files = fsspec.filesystem("memory")
    files.store["/tree/.."] = files.store["/tree/a.txt"]
    report = medroi.archive(URL, tmp_path / "dst")
    assert [(path, name) for path, name, _ in report.failures] == [("%2E%2E", "NoSuchName")]
    assert report.states == {"copied": 1, "failed": 1} and report.n_files == 2


def test_prune_deletes_nothing_behind_a_url(tmp_path: Path) -> None:
    put("a.txt", b"one")
    medroi.archive(URL, tmp_path / "dst")
    with pytest.raises(errors.InvalidArgument, match="check DST --against SRC"):
        archives.prune(tmp_path / "dst", URL, yes=True)
    assert fsspec.filesystem("memory").cat("/tree/a.txt") == b"one"


def test_check_compares_with_a_url(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = uploaded(source)
    medroi.archive(url, tmp_path / "dst")
    assert archives.check_archive(tmp_path / "dst", against=url).problems == ()
    put("participants.tsv", b"other")
    fsspec.filesystem("memory").rm("/tree/sub-01/anat/sub-01_T1w.json")
    assert main(["check", str(tmp_path / "dst"), "--against", url, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)[0]["problems"]
    assert [path for path, _ in found] == ["participants.tsv", "sub-01/anat/sub-01_T1w.json"]
    assert "has changed" in found[0][1] and "No such file" in found[1][1]


def test_a_url_of_this_machine_is_a_path(source: Path, packed: Path, tmp_path: Path) -> None:
    medroi.archive(f"file://{source}", tmp_path / "dst", lossless=True)
    assert archive_trees.stores_in(tmp_path / "dst") == archive_trees.stores_in(packed)
    assert medroi.archive(source, tmp_path / "dst", lossless=True).run == {"failed": 1}


def test_a_password_in_a_url_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.txt").write_text("a")
    with served(tmp_path / "src") as url:
        medroi.archive(url.replace("//", "//someone:secret@"), tmp_path / "dst")
    for data in archive_trees.files_in(tmp_path / "dst").values():
        assert b"secret" not in data and b"someone" not in data


def test_a_password_in_a_url_opens_the_server_and_is_in_no_error(tmp_path: Path) -> None:
    (tmp_path / "src" / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.txt"):
        (tmp_path / "src" / name).write_text(name)

    class Closed(Listing):
        def send_head(self) -> Any:
            # Of "some@one" and "secret".
            if self.headers["Authorization"] != "Basic c29tZUBvbmU6c2VjcmV0":
                self.send_error(401)
            elif self.path in ("/b.txt", "/sub/"):
                self.send_error(404)
            else:
                return super().send_head()
            return None

    with served(tmp_path / "src", Closed) as url:
        report = medroi.archive(url.replace("//", "//some%40one:secret@"), tmp_path / "dst")
    assert report.states == {"copied": 1, "failed": 2}
    assert [path for path, _, _ in report.failures] == ["b.txt", "sub"]
    for data in (*archive_trees.files_in(tmp_path / "dst").values(), str(report).encode()):
        assert b"secret" not in data and b"one:" not in data and b"some%40" not in data


@pytest.mark.parametrize("place", ["memory://tree", "memory://tree/dst", "memory://"])
def test_an_archive_within_its_tree_or_around_it_is_refused(place: str) -> None:
    put("a.txt", b"one")
    with pytest.raises(errors.InvalidArgument, match="the archive lies"):
        medroi.archive(URL, place)


def test_what_cannot_be_listed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for url, text in (
        ("memory://nothing", "cannot be listed|nothing is listed"),
        ("http://127.0.0.1:9/tree", "cannot be listed"),
        ("nonsense://x", "install the package"),
    ):
        with pytest.raises(errors.InvalidArgument, match=text):
            medroi.archive(url, tmp_path / "dst")
    assert not (tmp_path / "dst").exists()


@pytest.mark.parametrize("n_links", [1, 2, 12])
def test_loops_of_folders_without_files_end_soon(tmp_path: Path, n_links: int) -> None:
    root = tmp_path / "src"
    (root / "loop").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    for number in range(n_links):
        (root / "loop" / f"{number}").symlink_to(".")
    listed = []

    class Counted(Listing):
        def list_directory(self, path: Any) -> Any:
            listed.append(path)
            return super().list_directory(path)

    with served(root, Counted) as url:
        found = items(url)
    assert found.pop("a.txt").error_class == ""
    assert {item.error_class for item in found.values()} == {"FolderLoop"}
    assert len(listed) < 3000


def test_a_place_with_a_password_in_its_url_is_named_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.txt").write_text("a")
    make_scans.nifti(tmp_path / "src" / "b.nii", archive_trees.noisy(1))
    url = "memory://someone:secret@host/tree"
    page = tmp_path / "page.html"
    put_file = type(fsspec.filesystem("memory")).put_file

    def refusing(self: Any, local: str, at: str) -> None:
        if at.endswith("a.txt"):
            raise RuntimeError(f"{url} refuses it")
        put_file(self, local, at)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "put_file", refusing)
    report = medroi.archive(tmp_path / "src", url, report=page)
    assert report.states == {"failed": 1, "stored": 1}
    assert "memory://host/tree refuses it" in report.failures[0][2]
    checked = archives.check_archive(url)
    assert checked.problems == ()
    with pytest.raises(errors.InvalidArgument, match=r"^memory://host/tree: the archive of"):
        medroi.archive(tmp_path, url)
    files = fsspec.filesystem("memory")
    kept = [files.cat(name) for name in files.find("/")]
    for data in (*kept, str(report).encode(), page.read_bytes()):
        assert b"secret" not in data and b"someone" not in data


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/x", "s3://bucket/x"),
        ("sftp://me:secret@host:22/x@y", "sftp://host:22/x@y"),
        ("filecache::s3://key:secret@bucket/x", "filecache::s3://bucket/x"),
        ("zip://a/b::sftp://me:se@cret@host/x.zip", "zip://a/b::sftp://host/x.zip"),
        ("blockcache::filecache::ftp://me:s@h/", "blockcache::filecache::ftp://h/"),
    ],
)
def test_every_url_of_a_chain_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_an_unknown_kind_of_url_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        archives.open_place("nonsense://me:secret@host/x")
    assert "secret" not in str(caught.value) and "nonsense://host/x" in str(caught.value)


def test_check_names_no_folder_that_is_gone(tmp_path: Path) -> None:
    root, place = tmp_path / "src", "memory://tree/place"
    root.mkdir()
    (root / "a.txt").write_text("a")
    make_scans.nifti(root / "b.nii", archive_trees.noisy(1))
    for name in ("a.txt", "b.nii"):
        put(f"raw/{name}", (root / name).read_bytes())
    medroi.archive("memory://tree/raw", place, lossless=True)
    put("raw/a.txt", b"b")
    make_scans.nifti(root / "b.nii", archive_trees.noisy(2))
    put("raw/b.nii", (root / "b.nii").read_bytes())
    problems = dict(archives.check_archive(place, against="memory://tree/raw").problems)
    assert problems == {
        "a.txt": "a.txt: has changed since it was archived",
        "b.nii": "b.nii: has changed since it was archived",
    }
