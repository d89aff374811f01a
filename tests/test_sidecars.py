"""Promises of the files beside a scan, and of `check`: they come back, and damage is found."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import make_scans
import pytest

from medroi.cli import main
from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans import check, pack, unpack
from medroi.scans.sources import sidecars

STEM = "sub-01_task-rest_bold"
BESIDE = {
    f"{STEM}.json": json.dumps({"RepetitionTime": 2.0}).encode(),
    f"{STEM}.bval": b"0 1000\n",
    f"{STEM}.bvec": b"0 1\n0 0\n0 0\n",
    f"{STEM}.tsv": b"",
    "sub-01_task-rest_events.tsv": b"onset\tduration\n1\t2\n",
    "sub-01_task-rest_events.json": b"{}",
    "sub-01_task-rest_physio.tsv.gz": gzip.compress(b"1\t2\n", mtime=0),
}
# Of every stream.
MAGIC = b"MROI"
STRANGERS = ("sub-01_task-rest_bold2.json", "sub-02_task-rest_bold.json", "notes.txt")


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "bids"
    folder.mkdir()
    for name, data in BESIDE.items():
        (folder / name).write_bytes(data)
    for name in STRANGERS:
        (folder / name).write_bytes(b"{}")
    return make_scans.nifti(folder / f"{STEM}.nii.gz", make_scans.head())


@pytest.mark.parametrize("store", ["s.ome.zarr", "s.zarr", "s.ome.zarr.zip", "s.h5"])
def test_sidecars_travel_in_every_store_and_come_back(tmp_path, source, store) -> None:
    pack(source, tmp_path / store, lossless=True)
    report = unpack(tmp_path / store, f"{tmp_path / 'back'}/")
    back = {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()}
    assert back == {**BESIDE, source.name: source.read_bytes()}
    assert {file.outcome for file in report.files} == {"very bytes"}


def test_a_single_file_as_target_says_what_stays_in_the_store(tmp_path, source) -> None:
    pack(source, tmp_path / "s.zarr", lossless=True)
    report = unpack(tmp_path / "s.zarr", tmp_path / "out.nii.gz")
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()
    assert any("a folder as target gets" in note for note in report.notes)
    for name in BESIDE:
        assert name in str(report)


def test_sidecars_stay_behind_where_that_is_asked_for(tmp_path, source, capsys) -> None:
    main(["pack", str(source), str(tmp_path / "s.zarr"), "--sidecars", "none"])
    main(["unpack", str(tmp_path / "s.zarr"), f"{tmp_path / 'back'}/"])
    assert [path.name for path in (tmp_path / "back").iterdir()] == [source.name]
    assert "the very bytes" in capsys.readouterr().out


def test_a_sidecar_larger_than_any_is_refused(tmp_path, source, monkeypatch) -> None:
    monkeypatch.setattr(sidecars, "_MAX_NBYTES", 20)
    with pytest.raises(InvalidArgument, match=r"bold\.json: more than 20 bytes; .*--sidecars none"):
        pack(source, tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize("store", ["s.ome.zarr", "s.zarr", "s.ome.zarr.zip", "s.h5"])
def test_no_flipped_bit_of_a_payload_passes_check_or_info(tmp_path, source, store, capsys) -> None:
    path = tmp_path / store
    make_scans.nifti(source, make_scans.head((60, 64, 52)))
    pack(source, path, lossless=True, inner="predict3d")
    assert check(path).lossless
    capsys.readouterr()
    file, offsets = payload_of(path)
    whole = file.read_bytes()
    for offset in offsets:
        data = bytearray(whole)
        data[offset] ^= 0x10
        file.write_bytes(data)
        with pytest.raises((CorruptStream, InvalidArgument), match=r"s\."):
            check(path)
        for command in ("check", "info"):
            assert main([command, str(path)]) == 1
            assert "s." in capsys.readouterr().err
    file.write_bytes(whole)
    assert main(["info", str(path)]) == 0


def payload_of(store: Path) -> tuple[Path, list[int]]:
    """The file of a store with its streams, and places in the first of them."""
    files = [path for path in store.rglob("*") if path.is_file()] if store.is_dir() else [store]
    file = max((path for path in files if path.suffix != ".json"), key=lambda p: p.stat().st_size)
    start = file.read_bytes().index(MAGIC)
    return file, [start + 400, start + 2500, start + 20001]


def test_check_compares_the_contents_of_the_source(tmp_path, source) -> None:
    pack(source, tmp_path / "s.zarr", threshold=50, roi="box", padding=0)
    assert check(tmp_path / "s.zarr", against=source).same_contents
    # Another compressor is no other scan.
    again = tmp_path / "again.nii.gz"
    again.write_bytes(gzip.compress(gzip.decompress(source.read_bytes()), 2))
    assert check(tmp_path / "s.zarr", against=again).same_contents
    voxels = make_scans.head()
    voxels[0, 0, 0] = 7
    other = make_scans.nifti(tmp_path / "other.nii.gz", voxels)
    with pytest.raises(CorruptStream, match=r"contents \(SHA-256\) differ"):
        check(tmp_path / "s.zarr", against=other)


def test_several_stores_are_checked_and_the_damaged_named(tmp_path, source, capsys) -> None:
    for name in ("a.zarr", "b.zarr", "c.zarr"):
        pack(source, tmp_path / name)
    chunk, _ = payload_of(tmp_path / "b.zarr")
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    capsys.readouterr()
    names = [str(tmp_path / name) for name in ("a.zarr", "b.zarr", "c.zarr")]
    assert main(["check", *names, "--against", str(source)]) == 1
    captured = capsys.readouterr()
    assert "a.zarr: whole" in captured.out and "c.zarr: whole" in captured.out
    assert "has the contents that were packed (SHA-256)" in captured.out
    assert "b.zarr" in captured.err and "1 of 3 are not whole" in captured.err


def test_a_folder_that_must_not_be_written_is_named_and_stays_empty(
    tmp_path, source, monkeypatch
) -> None:
    pack(source, tmp_path / "s.zarr", lossless=True)
    locked = tmp_path / "locked"
    locked.mkdir()

    def denied(**options: str) -> str:
        raise PermissionError(13, "Permission denied", str(options["dir"]))

    monkeypatch.setattr("tempfile.mkdtemp", denied)
    for target in (locked / "out.nii.gz", f"{locked}/"):
        with pytest.raises(PermissionError, match="locked"):
            unpack(tmp_path / "s.zarr", target)
    with pytest.raises(PermissionError, match="locked"):
        pack(source, locked / "s.zarr")
    assert list(locked.iterdir()) == []


def test_damage_of_a_sidecar_in_the_store_is_found(tmp_path, source) -> None:
    pack(source, tmp_path / "s.zarr")
    text = (tmp_path / "s.zarr" / "zarr.json").read_text()
    metadata = json.loads(text)
    files = metadata["attributes"]["medroi_files"]
    name = next(name for name in files if name.endswith(".bval"))
    files[name] = "MCAyMDAwCg=="
    (tmp_path / "s.zarr" / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(CorruptStream, match="files that travel with the scan"):
        check(tmp_path / "s.zarr")
    report = unpack(tmp_path / "s.zarr", f"{tmp_path / 'back'}/")
    (damaged,) = [file for file in report.files if file.name.endswith(".bval")]
    assert damaged.outcome != "very bytes"


def test_voxels_that_differ_from_a_source_of_many_members_are_told(tmp_path) -> None:
    plain = make_scans.nifti(tmp_path / "in.nii", make_scans.head()).read_bytes()
    source = tmp_path / "in.nii.gz"
    source.write_bytes(gzip.compress(plain[:999]) + gzip.compress(plain[999:]))
    shutil.copy(source, tmp_path / "copy.nii.gz")
    pack(source, tmp_path / "s.zarr")
    assert check(tmp_path / "s.zarr", against=tmp_path / "copy.nii.gz").same_contents
