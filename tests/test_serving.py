"""Promises of `medroi serve` and `view`: the scan's own values and no more; nothing is written."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import make_scans
import nibabel
import numpy as np
import pytest
import zarr
from range_server import serving

import medroi
from medroi.cli import main
from medroi.errors import CorruptStream, InvalidArgument
from medroi.serving import ScanServer, make_server
from medroi.serving.blocks import Blocks
from medroi.serving.content import cuts_of
from medroi.serving.ranges import asked_range

Answer = tuple[int, dict[str, str], bytes]


@contextlib.contextmanager
def served(source: Path | str, **options: Any) -> Iterator[ScanServer]:
    server = make_server(str(source), **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.content.close()


def ask(
    server: ScanServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> Answer:
    """One request whose path is sent as it is."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def content_of(server: ScanServer, path: str) -> bytes:
    status, _, content = ask(server, path)
    assert status == 200, content
    return content


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    return make_scans.head()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, scan: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("served")
    source = make_scans.nifti(folder / "scan.nii.gz", scan)
    medroi.pack(source, folder / "scan.ome.zarr", chunks=(16,))
    (folder / "secret").write_bytes(b"not of the store")
    (folder / "scan.ome.zarr.secret").write_bytes(b"not of the store")
    return folder / "scan.ome.zarr"


def test_the_nifti_file_holds_the_scan(store: Path, tmp_path: Path) -> None:
    with served(store) as server, medroi.open(store) as packed:
        (tmp_path / "scan.nii").write_bytes(content_of(server, "/scan.nii"))
        image = nibabel.load(tmp_path / "scan.nii")
        assert np.array_equal(np.asarray(image.dataobj), np.asarray(packed.scaled))
        assert np.array_equal(image.dataobj.get_unscaled(), np.asarray(packed.array))
        assert np.allclose(image.affine, packed.affine, atol=1e-5)
        assert np.allclose(image.header.get_zooms()[:3], packed.spacing_mm)


def test_every_range_of_the_nifti_file_is_that_of_the_whole(store: Path) -> None:
    with served(store) as server:
        whole = content_of(server, "/scan.nii")
        for start, stop in [(0, 10), (340, 360), (352, 353), (1000, 9000), (len(whole) - 3, None)]:
            asked = f"bytes={start}-{'' if stop is None else stop - 1}"
            status, headers, content = ask(server, "/scan.nii", headers={"Range": asked})
            assert status == 206
            assert content == whole[start:stop]
            last = len(whole) if stop is None else stop
            assert headers["Content-Range"] == f"bytes {start}-{last - 1}/{len(whole)}"


def test_plain_zarr_holds_the_scan(store: Path, tmp_path: Path) -> None:
    with served(store) as server, medroi.open(store) as packed:
        for key in ("zarr.json", "s0/zarr.json"):
            file = tmp_path / key
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content_of(server, f"/zarr/{key}"))
        array = zarr.open_array(str(tmp_path / "s0"), mode="r")
        for position in np.ndindex(*array.cdata_shape):
            file = tmp_path / "s0" / "c" / "/".join(map(str, position))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content_of(server, f"/zarr/s0/c/{'/'.join(map(str, position))}"))
        assert np.array_equal(np.asarray(array[...]), np.asarray(packed.array).T)
        multiscales = zarr.open_group(str(tmp_path), mode="r").attrs["ome"]["multiscales"]
        assert [axis["name"] for axis in multiscales[0]["axes"]] == ["z", "y", "x"]
        scale = multiscales[0]["datasets"][0]["coordinateTransformations"][0]["scale"]
        assert np.allclose(scale[::-1], packed.spacing_mm)


def test_the_stores_own_files_come_by_ranges(store: Path) -> None:
    file = next(path for path in store.rglob("*") if "/c/" in str(path) and path.is_file())
    key = file.relative_to(store)
    expected = file.read_bytes()
    with served(store) as server:
        assert content_of(server, f"/store/{key}") == expected
        status, _, content = ask(server, f"/store/{key}", headers={"Range": "bytes=-20"})
        assert (status, content) == (206, expected[-20:])
        status, headers, content = ask(server, f"/store/{key}", method="HEAD")
        assert (status, content) == (200, b"")
        assert int(headers["Content-Length"]) == len(expected)


@pytest.mark.parametrize(
    "path",
    [
        "/store/../secret",
        "/store/%2e%2e/secret",
        "/store/..%2fsecret",
        "/store/s0/../../secret",
        "/store//etc/passwd",
        "/store/%2fetc%2fpasswd",
        "/store/../scan.ome.zarr.secret",
        "/store/link",
        "/store/",
        "/store/s0",
        "/store/nothing",
        "/store/%00",
        "/store/" + 5000 * "a",
        "/store/round",
        "/store/%ff%fe",
        "/../secret",
        "/page.py",
        "/server.py",
        "/zarr/s0/c/0/0/999",
        "/zarr/s0/c/0/0",
        "/zarr/s0/c/-1/0/0",
        "/planes/3/0/0",
        "/planes/0/100000/0",
        "/planes/0/0/1",
        "/planes/0/0",
    ],
)
def test_no_path_leads_out_of_the_store(store: Path, path: str) -> None:
    links = {store / "link": store.parent / "secret", store / "round": store / "round"}
    for link, target in links.items():
        link.symlink_to(target)
    try:
        with served(store) as server:
            status, _, content = ask(server, path)
    finally:
        for link in links:
            link.unlink()
    assert status == 404
    assert b"not of the store" not in content


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "MOVE"])
def test_nothing_can_be_written(store: Path, method: str) -> None:
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    with served(store) as server:
        for path in ("/store/zarr.json", "/zarr/zarr.json", "/store/new"):
            assert ask(server, path, method=method)[0] == 501
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_pages_of_other_names_and_origins_read_nothing(store: Path) -> None:
    page = "https://viewer.example"
    with served(store) as server:
        status, _, content = ask(server, "/facts.json", headers={"Host": "evil.example:80"})
        assert (status, b"shape" in content) == (421, False)
        assert ask(server, "/facts.json", headers={"Host": "localhost:1"})[0] == 200
        _, headers, _ = ask(server, "/facts.json", headers={"Origin": page})
        assert "Access-Control-Allow-Origin" not in headers
    with served(store, allow_origins=(page,)) as server:
        _, headers, _ = ask(server, "/facts.json", headers={"Origin": page})
        assert headers["Access-Control-Allow-Origin"] == page
        _, headers, _ = ask(server, "/facts.json", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in headers


def test_an_origin_that_is_not_allowed_may_not_embed_anything(store: Path) -> None:
    page = "https://viewer.example"
    with served(store, allow_origins=(page,)) as server:
        for headers, policy in (
            ({}, "same-origin"),
            ({"Origin": "https://evil.example"}, "same-origin"),
            ({"Origin": "null"}, "same-origin"),
            ({"Origin": page}, "cross-origin"),
        ):
            _, answer, _ = ask(server, "/facts.json", headers=headers)
            assert answer["Cross-Origin-Resource-Policy"] == policy


@pytest.mark.parametrize(
    "host", ["", "[", "[::1", "localhost.evil.example", "127.0.0.1.evil.example", "127.1@evil", "0"]
)
def test_names_that_are_none_of_this_machine_are_refused(store: Path, host: str) -> None:
    with served(store) as server:
        status, _, content = ask(server, "/facts.json", headers={"Host": host})
        assert (status, b"shape" in content) == (421, False)


def sent(server: ScanServer, request: bytes) -> bytes:
    """Everything that comes back for some bytes, up to the end of the connection."""
    with socket.create_connection(server.server_address[:2], timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_an_address_that_is_none_is_refused_in_words(store: Path) -> None:
    with served(store) as server:
        answer = sent(server, b"GET http://[::1/facts.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "HEAD"])
def test_the_body_of_a_request_is_not_taken_for_the_next_one(store: Path, method: str) -> None:
    inner = b"GET /facts.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = f"{method} /page.css HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(inner)}\r\n"
    with served(store) as server:
        assert b'"shape"' not in sent(server, request.encode() + b"\r\n" + inner)


def test_a_store_damaged_behind_the_reader_is_an_answer_in_words(
    store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.ome.zarr"
    shutil.copytree(store, copy)
    with served(copy) as server:
        for metadata in ("{", "[]", '{"codecs": 3}', '{"codecs": [{}]}', '{"attributes": NaN}'):
            (copy / "s0" / "zarr.json").write_text(metadata)
            facts = json.loads(content_of(server, "/facts.json"))
            assert facts["metadata"] is None, metadata


def test_a_file_that_becomes_shorter_ends_the_connection(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.ome.zarr"
    shutil.copytree(store, copy)
    (copy / "long").write_bytes(bytes(1000))
    with served(copy) as server:
        body = server.body("store/long")
        assert body is not None
        (copy / "long").write_bytes(bytes(10))
        with pytest.raises(CorruptStream, match="990 bytes early"):
            body.piece(0, 1000)


def test_it_listens_at_this_machine_alone_unless_asked(store: Path) -> None:
    with served(store) as server:
        assert server.server_address[0] == "127.0.0.1"
    with pytest.raises(InvalidArgument, match="expected an address in numbers"):
        make_server(str(store), host="localhost.example")


def test_the_page_takes_nothing_from_elsewhere(store: Path) -> None:
    with served(store) as server:
        status, headers, content = ask(server, "/")
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        script = content_of(server, "/page.js").decode() + content_of(server, "/planes.js").decode()
    assert b"http" not in content.replace(b"<!doctype html>", b"")
    assert "innerHTML" not in script and "http" not in script


AFFINES = {
    "RAS": np.diag([2.0, 3.0, 4.0, 1.0]),
    "LPS": np.diag([-2.0, -3.0, 4.0, 1.0]),
    "SAR": np.array([[0, 0, 4.0, 0], [0, 3.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]]),
    "PIL": np.array([[0, 0, -4.0, 0], [-2.0, 0, 0, 0], [0, -3.0, 0, 0], [0, 0, 0, 1]]),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_planes_are_turned_as_a_radiologist_sees_them(affine: np.ndarray, scan: np.ndarray) -> None:
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(scan, affine))
    volume = np.asarray(canonical.dataobj)[::-1, ::-1, ::-1]  # from right, front, head
    # Of the canonical volume: axial, coronal, sagittal as rows of pixels.
    expected = [volume[:, :, 5].T, volume[:, 5, :].T, volume[5, :, :].T]
    for cut, plane, edges in zip(cuts_of(affine), expected, ["RLAP", "RLSI", "APSI"], strict=True):
        n = scan.shape[cut.axis]
        start = nibabel.orientations.io_orientation(affine)[cut.axis, 1]
        index = n - 1 - 5 if start > 0 else 5
        part: list[Any] = [slice(None)] * 3
        part[cut.axis] = slice(index, index + 1)
        assert np.array_equal(cut.turned(scan[tuple(part)]), plane)
        assert cut.edges == edges


@pytest.fixture(scope="module")
def behind_url(store: Path) -> Iterator[str]:
    with serving(store.parent) as folder:
        yield f"{folder.url}/{store.name}"


def test_a_store_behind_a_url_comes_by_ranges_and_nothing_beside_it_does(
    store: Path, behind_url: str
) -> None:
    file = next(path for path in store.rglob("*") if "/c/" in str(path) and path.is_file())
    key, expected = file.relative_to(store), file.read_bytes()
    with served(behind_url) as server:
        assert content_of(server, "/store/zarr.json") == (store / "zarr.json").read_bytes()
        for asked, part in (("bytes=-20", expected[-20:]), ("bytes=7-30", expected[7:31])):
            status, _, content = ask(server, f"/store/{key}", headers={"Range": asked})
            assert (status, content) == (206, part)
        for path in (
            "/store/../secret",
            "/store/%2e%2e/secret",
            "/store/s0/../../secret",
            "/store/..%2fsecret",
            "/store/%2e%2e%5csecret",
            "/store//secret",
            "/store/http://127.0.0.1/secret",
            "/store/zarr.json%3fx",
            "/store/zarr.json%23x",
            "/store/nothing",
            "/store/",
        ):
            status, _, content = ask(server, path)
            assert (status, b"not of the store" in content) == (404, False), path


@pytest.mark.parametrize(
    ("name", "options", "keys"),
    [
        ("a.ome.zarr", {"levels": 2}, {"/zarr.json", "/s0/zarr.json", "/s1/zarr.json"}),
        ("a.zarr", {"inner": "zstd"}, {"/zarr.json"}),
        ("b.ome.zarr", {"inner": "jpeg2000"}, None),
        ("a.h5", {}, None),
        ("a.ome.zarr.zip", {}, {"/zarr.json", "/s0/zarr.json"}),
    ],
)
def test_a_page_is_told_what_it_can_decode_itself(
    tmp_path: Path, scan: np.ndarray, name: str, options: dict[str, Any], keys: set[str] | None
) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", scan)
    medroi.pack(source, tmp_path / name, **options)
    with served(tmp_path / name) as server:
        metadata = json.loads(content_of(server, "/facts.json"))["metadata"]
        low, high = json.loads(content_of(server, "/window.json"))
        for key, found in (metadata or {}).items():
            assert json.loads(content_of(server, f"/store{key}")) == found
    assert (None if metadata is None else set(metadata)) == keys
    assert scan.min() <= low < high <= scan.max()


def test_the_decoder_of_the_page_is_its_scripts_alone(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "decoder.js").write_text("export {};")
    (tmp_path / "decoder" / "notes.txt").write_text("secret")
    (tmp_path / "beside.js").write_text("secret")
    monkeypatch.setattr("medroi.serving.server.__file__", str(tmp_path / "server.py"))
    with served(store) as server:
        status, headers, content = ask(server, "/decoder/decoder.js")
        assert (status, content) == (200, b"export {};")
        assert headers["Content-Type"].startswith("text/javascript")
        for name in ("notes.txt", "../beside.js", "%2e%2e/beside.js", "..%2fbeside.js", "a.js", ""):
            assert ask(server, f"/decoder/{name}")[0] == 404


def test_planes_and_facts_are_those_of_the_scan(store: Path) -> None:
    with served(store) as server, medroi.open(store) as packed:
        facts = json.loads(content_of(server, "/facts.json"))
        assert facts["shape"] == list(packed.shape)
        assert facts["region"] == str(packed.region)
        for number, cut in enumerate(facts["cuts"]):
            content = content_of(server, f"/planes/{number}/{cut['n'] // 3}/0")
            plane = np.frombuffer(content, f"<{facts['dtype']}")
            axis = "xyz".index(cut["axis"])
            part: list[Any] = [slice(None)] * 3
            part[axis] = slice(cut["n"] // 3, cut["n"] // 3 + 1)
            expected = server.content.cuts[number].turned(packed.array[tuple(part)])
            assert np.array_equal(plane.reshape(cut["rows"], cut["columns"]), expected)


def test_the_region_is_the_boxes_of_the_streams(tmp_path: Path, scan: np.ndarray) -> None:
    source = make_scans.nifti(tmp_path / "scan.nii.gz", scan)
    medroi.pack(source, tmp_path / "box.zarr", chunks=(16,), roi="box")
    with served(tmp_path / "box.zarr") as server, medroi.open(tmp_path / "box.zarr") as packed:
        facts = json.loads(content_of(server, "/facts.json"))
        n_kept = sum(
            content_of(server, f"/regions/0/{index}/0").count(1)
            for index in range(facts["cuts"][0]["n"])
        )
        assert n_kept == packed.region.n_kept


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_frames_and_element_types(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(3)
    voxels = rng.integers(0, 200, (7, 6, 5, 3)).astype(dtype)
    medroi.pack(make_scans.nifti(tmp_path / "s.nii", voxels), tmp_path / "s.zarr", lossless=True)
    with served(tmp_path / "s.zarr") as server:
        facts = json.loads(content_of(server, "/facts.json"))
        assert (facts["n_frames"], facts["dtype"]) == (3, dtype)
        cut = server.content.cuts[0]
        content = content_of(server, "/planes/0/2/1")
        part: list[Any] = [slice(None)] * 3
        part[cut.axis] = slice(2, 3)
        expected = cut.turned(voxels[(*part, 1)])
        assert np.array_equal(np.frombuffer(content, f"<{dtype}").reshape(expected.shape), expected)


def test_a_damaged_chunk_is_an_answer_in_words(store: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ome.zarr"
    shutil.copytree(store, broken)
    with served(broken) as server:
        file = next(path for path in (broken / "s0" / "c").rglob("*") if path.is_file())
        content = bytearray(file.read_bytes())
        content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)
        file.write_bytes(content)
        found = [ask(server, f"/planes/0/{index}/0") for index in (0, 8, 16)]
        assert {status for status, _, _ in found} >= {500}
        assert any(b"damaged" in content or b"corrupt" in content for _, _, content in found)
        assert ask(server, "/page.css")[0] == 200


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=0-1,4-5", None),
        ("bytes=4-3", None),
        ("lines=0-1", None),
        ("bytes=-", None),
    ],
)
def test_ranges_are_read_as_http_says(header: str | None, found: tuple[int, int] | None) -> None:
    assert asked_range(header, 10) == found


def test_a_range_is_what_a_get_without_conditions_asks_for(store: Path) -> None:
    part = {"Range": "bytes=0-9"}
    with served(store) as server:
        status, headers, _ = ask(server, "/page.css", method="HEAD", headers=part)
        assert (status, headers["Content-Length"] != "10") == (200, True)
        status, _, content = ask(server, "/page.css", headers={**part, "If-Range": '"old"'})
        assert (status, content) == (200, content_of(server, "/page.css"))


def test_ranges_without_a_byte_are_refused(store: Path) -> None:
    for header in ("bytes=10-", "bytes=-0", "bytes=99-100"):
        with pytest.raises(ValueError, match="no byte of 10"):
            asked_range(header, 10)
    with served(store) as server:
        status, headers, _ = ask(server, "/scan.nii", headers={"Range": "bytes=99999999-"})
        assert status == 416
        assert headers["Content-Range"].startswith("bytes */")


def test_blocks_are_read_once_and_memory_is_bounded() -> None:
    class Counted:
        shape, dtype, chunks = (10, 9, 4), np.dtype("<i2"), (4, 4, 4)
        n_read = 0
        voxels = np.arange(360, dtype="<i2").reshape(shape)

        def __getitem__(self, box: Any) -> np.ndarray:
            self.n_read += 1
            return self.voxels[box]

    array = Counted()
    blocks = Blocks(array)
    for _ in range(2):
        found = blocks.read(((1, 9), (3, 9), (0, 4)))
        assert np.array_equal(found, array.voxels[1:9, 3:9, 0:4])
    assert array.n_read == 9
    small = Blocks(array, kept_nbytes=300)
    small.read(((0, 10), (0, 9), (0, 4)))
    assert sum(block.nbytes for block in small._found.values()) <= 300


def test_what_is_no_packed_scan_is_refused(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "empty.zarr").mkdir()
    assert main(["serve", str(tmp_path / "empty.zarr")]) == 1
    assert main(["view", "--no-open", str(tmp_path / "nothing.zarr")]) == 1
    assert "empty.zarr" in capsys.readouterr().err


def test_the_digest_of_the_nifti_file_is_that_of_a_packed_one(store: Path) -> None:
    """The same bytes however the ranges are cut."""
    with served(store) as server:
        whole = content_of(server, "/scan.nii")
        pieces = hashlib.sha256()
        for start in range(0, len(whole), 77_777):
            asked = f"bytes={start}-{start + 77_776}"
            pieces.update(ask(server, "/scan.nii", headers={"Range": asked})[2])
        assert pieces.hexdigest() == hashlib.sha256(whole).hexdigest()


def test_the_air_that_was_kept_is_served_where_it_is_asked_for(
    tmp_path: Path, scan: np.ndarray
) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", scan)
    store = tmp_path / "both.ome.zarr"
    medroi.pack(source, store, air="keep", roi="mask", threshold=50)
    with served(store, air="merge") as server:
        (tmp_path / "back.nii").write_bytes(content_of(server, "/scan.nii"))
        back = np.asarray(nibabel.load(tmp_path / "back.nii").dataobj)
        np.testing.assert_array_equal(back, scan)
        facts = json.loads(content_of(server, "/facts.json"))
        assert facts["metadata"] is None
        kept = content_of(server, "/regions/0/5/0")
    with served(store) as server:
        # The region is that of the scan, not of what is shown.
        assert content_of(server, "/regions/0/5/0") == kept
