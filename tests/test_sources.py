"""Promises of `medroi.scans.sources`: the very bytes of a file come back, or it is said."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import itertools
import json
import lzma
import struct
import subprocess
import zlib
from pathlib import Path

import make_scans
import numpy as np
import pytest
import zarr
import zstandard
from zlib_ng import zlib_ng

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans import check, pack, read_scan, unpack
from medroi.scans.sources import gzip_program, pigz
from medroi.scans.sources.containers import packed
from medroi.scans.sources.finding import found
from medroi.scans.sources.pieces import contents
from medroi.scans.sources.source import source_of_json

CONTENTS_NAME = "in.nii"
# Of more than one block of every compressor.
LARGE = (90, 90, 88)
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """The bytes of a .nii whose levels of deflate all differ."""
    path = make_scans.nifti(tmp_path_factory.mktemp("plain") / CONTENTS_NAME, make_scans.head())
    return path.read_bytes()


def deflated(data: bytes, level: int, mem_level: int) -> bytes:
    coder = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, mem_level)
    return coder.compress(data) + coder.flush()


def member(data: bytes, level: int = 6, mem_level: int = 8, header: bytes = b"") -> bytes:
    header = header or b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
    body = deflated(data, level, mem_level)
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


def header_with(flags: int, *parts: bytes) -> bytes:
    return (
        b"\x1f\x8b\x08"
        + bytes([flags])
        + struct.pack("<I", 1516849545)
        + b"\2\xff"
        + b"".join(parts)
    )


def round_trip(source: Path, name: str | None = None, **options):
    """Pack losslessly and unpack under the source's own name; return the report and the file."""
    folder = source.parent / "back"
    folder.mkdir()
    pack(source, source.parent / "store.zarr", lossless=True, **options)
    report = unpack(source.parent / "store.zarr", folder / (name or source.name))
    return report, folder / (name or source.name)


def assert_very_bytes(source: Path, **options) -> None:
    report, back = round_trip(source, **options)
    assert back.read_bytes() == source.read_bytes()
    assert [file.outcome for file in report.files] == ["very bytes"]
    assert f"the very bytes of {source.name} (SHA-256 checked)" in str(report)


@pytest.mark.parametrize("mem_level", [8, 9])
@pytest.mark.parametrize("level", range(1, 10))
def test_a_gzip_file_of_every_level_comes_back_with_its_very_bytes(
    tmp_path, plain, level, mem_level
) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain, level, mem_level))
    assert_very_bytes(source)


HEADERS = {
    "name and time": header_with(8, b"t2s_uint8.nii\0"),
    "comment": header_with(16, b"from a scanner\0"),
    "extra field": header_with(4, struct.pack("<H", 6), b"ab\2\0xy"),
    "all of them": header_with(4 + 8 + 16, struct.pack("<H", 3), b"abc", b"n\xe4me\0", b"c\0"),
    "its own checksum": header_with(2, b"\x12\x34"),
    "another system and no level": b"\x1f\x8b\x08\0\0\0\0\0\0\x0b",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_every_field_of_a_gzip_header_comes_back(tmp_path, plain, header) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain, 6, 8, header))
    assert_very_bytes(source)


def test_members_behind_each_other_and_zeros_behind_them_come_back(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    cuts = [*range(0, len(plain), 20000), len(plain)]
    blocks = [plain[start:stop] for start, stop in itertools.pairwise(cuts)]
    source.write_bytes(b"".join(map(member, blocks)) + member(b"") + bytes(300))
    assert_very_bytes(source)


def test_members_of_different_levels_come_back_as_contents(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain[:30000], 6) + member(plain[30000:], 1))
    report, back = round_trip(source)
    assert [file.outcome for file in report.files] == ["same contents"]
    assert gzip.decompress(back.read_bytes()) == plain
    assert "the same contents of in.nii.gz (SHA-256 checked)" in str(report)
    unpack(tmp_path / "store.zarr", f"{tmp_path / 'folder'}/")
    assert (tmp_path / "folder" / "in.nii.gz").read_bytes() == back.read_bytes()


def test_of_deflate_data_that_zlib_does_not_make_the_contents_come_back(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    coder = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_HUFFMAN_ONLY)
    body = coder.compress(plain) + coder.flush()
    trailer = struct.pack("<II", zlib.crc32(plain), len(plain))
    source.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + body + trailer)
    report, back = round_trip(source)
    assert [file.outcome for file in report.files] == ["same contents"]
    assert gzip.decompress(back.read_bytes()) == plain


def test_what_pigz_wrote_comes_back(tmp_path) -> None:
    # By pigz 2.6 -n -T -6: six blocks, joined at odd and even bits.
    source = tmp_path / "in.nii.gz"
    source.write_bytes((GOLDEN / "gzip" / "pigz-128.nii.gz").read_bytes())
    assert_very_bytes(source)
    container = found_container(source)
    assert (container["engine"], container["block_nbytes"]) == ("pigz", 131072)


def test_blocks_of_dcm2niix_come_back(tmp_path) -> None:
    voxels = make_scans.head(LARGE)
    plain = make_scans.nifti(tmp_path / "plain.nii", voxels).read_bytes()
    coder = pigz.PigzCompressor(6, 960 << 10)
    body = coder.compress(plain) + coder.flush()
    assert zlib.decompress(body, -zlib.MAX_WBITS) == plain
    source = tmp_path / "in.nii.gz"
    trailer = struct.pack("<II", zlib.crc32(plain), len(plain))
    source.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + body + trailer)
    assert_very_bytes(source)
    assert found_container(source)["block_nbytes"] == 960 << 10


@pytest.mark.parametrize("level", [1, 6, 9])
def test_what_the_program_gzip_wrote_comes_back(tmp_path, level) -> None:
    make_scans.nifti(tmp_path / "in.nii", make_scans.head(LARGE))
    subprocess.run(["gzip", f"-{level}", str(tmp_path / "in.nii")], check=True)
    assert_very_bytes(tmp_path / "in.nii.gz")
    assert found_container(tmp_path / "in.nii.gz")["engine"] == "gzip"


@pytest.mark.parametrize("level", [1, 2, 6, 9])
def test_what_zlib_ng_wrote_comes_back(tmp_path, plain, level) -> None:
    coder = zlib_ng.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8)
    body = coder.compress(plain) + coder.flush()
    source = tmp_path / "in.nii.gz"
    trailer = struct.pack("<II", zlib.crc32(plain), len(plain))
    source.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + body + trailer)
    assert_very_bytes(source)
    assert found_container(source)["engine"] == "zlib-ng"


def test_without_its_compressor_a_file_is_refused_not_written_differently(
    tmp_path, monkeypatch
) -> None:
    plain = make_scans.nifti(tmp_path / "in.nii", make_scans.head(LARGE)).read_bytes()
    subprocess.run(["gzip", str(tmp_path / "in.nii")], check=True)
    pack(tmp_path / "in.nii.gz", tmp_path / "store.zarr", lossless=True)
    monkeypatch.setattr(gzip_program, "version", lambda: None)
    with pytest.raises(InnerUnavailable, match=r"need the program gzip \(GNU\)"):
        unpack(tmp_path / "store.zarr", tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()
    unpack(tmp_path / "store.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == plain


def found_container(source: Path) -> dict:
    (kept,) = zarr.open_array(source.parent / "store.zarr", mode="r").attrs["medroi"]["sources"]
    return kept["container"]


def zstd(data: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def zstd_stream(data: bytes) -> bytes:
    coder = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return coder.compress(data) + coder.flush()


OTHERS = {
    "bz2 9": (".bz2", lambda data: bz2.compress(data, 9)),
    "bz2 1": (".bz2", lambda data: bz2.compress(data, 1)),
    "xz 6": (".xz", lambda data: lzma.compress(data, preset=6)),
    "xz 1 extreme": (".xz", lambda data: lzma.compress(data, preset=1 | lzma.PRESET_EXTREME)),
    "xz crc32": (".xz", lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=0)),
    "zst 3": (".zst", zstd),
    "zst 19": (".zst", lambda data: zstd(data, level=19, write_checksum=True)),
    "zst stream": (".zst", zstd_stream),
}


@pytest.mark.parametrize(("suffix", "compress"), OTHERS.values(), ids=OTHERS)
def test_other_compressed_files_come_back_with_their_very_bytes(
    tmp_path, plain, suffix, compress
) -> None:
    source = tmp_path / f"in.nii{suffix}"
    source.write_bytes(compress(plain))
    assert_very_bytes(source)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nii.bz2", ".nii.xz", ".nii.zst"])
def test_a_scan_unpacks_to_every_container_with_the_same_contents(tmp_path, plain, suffix) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain, 9))
    _, back = round_trip(source, f"out{suffix}")
    again = tmp_path / "again.zarr"
    pack(back, again, lossless=True)
    unpack(again, tmp_path / "again.nii")
    assert (tmp_path / "again.nii").read_bytes() == plain


def test_freesurfer_volumes_and_big_endian_files_come_back(tmp_path) -> None:
    for name in ("in.mgz", "in.mgh"):
        (tmp_path / name).mkdir()
        source = make_scans.mgz(tmp_path / name / name, make_scans.head(), footer=b"tags" * 9)
        assert_very_bytes(source)
    (tmp_path / "big").mkdir()
    assert_very_bytes(
        make_scans.nifti(tmp_path / "big" / "in.nii.gz", make_scans.head(), byte_order=">")
    )


def test_a_folder_gets_the_files_under_their_own_names(tmp_path, plain) -> None:
    source = tmp_path / "sub-01_T1w ä.nii.gz"
    source.write_bytes(member(plain, 1))
    pack(source, tmp_path / "store.zarr", lossless=True)
    unpack(tmp_path / "store.zarr", f"{tmp_path / 'new'}/")
    (tmp_path / "old").mkdir()
    unpack(tmp_path / "store.zarr", tmp_path / "old")
    for folder in ("new", "old"):
        assert (tmp_path / folder / source.name).read_bytes() == source.read_bytes()
    with pytest.raises(InvalidArgument, match="exists; --force"):
        unpack(tmp_path / "store.zarr", tmp_path / "old")


def test_dropped_voxels_are_counted_for_the_file(tmp_path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head(background=3))
    voxels = make_scans.head(background=3)
    voxels[0, 0, 0] = 4
    source = make_scans.nifti(tmp_path / "in.nii", voxels)
    packed = pack(source, tmp_path / "store.zarr", threshold=50, roi="box", padding=0)
    report = unpack(tmp_path / "store.zarr", tmp_path / "out.nii")
    assert [file.outcome for file in report.files] == ["without what was dropped"]
    n_dropped = packed.n_voxels - packed.n_kept
    assert report.files[0].n_dropped_voxels == n_dropped > 0
    assert f"all of in.nii but {n_dropped} dropped voxels" in str(report)


def test_a_region_that_drops_nothing_but_background_gives_the_very_bytes(tmp_path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())
    pack(source, tmp_path / "store.zarr", threshold=50, roi="box", padding=0)
    report = unpack(tmp_path / "store.zarr", tmp_path / "out.nii.gz")
    assert [file.outcome for file in report.files] == ["very bytes"]
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()


def test_the_air_kept_aside_gives_the_very_bytes(tmp_path) -> None:
    rng = np.random.default_rng(3)
    voxels = np.asfortranarray(make_scans.head() + rng.integers(0, 9, size=(30, 34, 26))).astype(
        "i2"
    )
    source = make_scans.nifti(tmp_path / "in.nii.gz", voxels)
    pack(source, tmp_path / "store.zarr", threshold=50, air="keep")
    report = unpack(tmp_path / "store.zarr", tmp_path / "out.nii.gz")
    assert [file.outcome for file in report.files] == ["very bytes"]


def test_the_store_names_the_file_with_its_digests(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain, 4))
    pack(source, tmp_path / "store.zarr", lossless=True)
    (kept,) = zarr.open_array(tmp_path / "store.zarr", mode="r").attrs["medroi"]["sources"]
    assert kept["name"] == "in.nii.gz"
    assert kept["nbytes"] == source.stat().st_size
    assert kept["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert kept["contents_sha256"] == hashlib.sha256(plain).hexdigest()
    assert kept["role"] == "image"
    assert {name: kept["container"][name] for name in ("kind", "level", "mem_level")} == {
        "kind": "gzip",
        "level": 4,
        "mem_level": 8,
    }


def test_a_file_is_read_once(tmp_path, plain, monkeypatch) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain))
    opened = []
    real_open = Path.open

    def counted(path, *args, **options):
        opened.append(path)
        return real_open(path, *args, **options)

    monkeypatch.setattr(Path, "open", counted)
    scan = read_scan(source)
    file = found(scan.sources[0], lambda: contents(scan, scan.sources[0]))
    # The limits of memory are files too.
    assert [path for path in opened if path.is_relative_to(tmp_path)] == [source]
    assert file.container["level"] == 6


# Bad input


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_every_prefix_of_a_compressed_file_is_refused_by_name(tmp_path, suffix) -> None:
    data = make_scans.nifti(tmp_path / "small.nii", make_scans.head((6, 7, 5))).read_bytes()
    coders = {".gz": member, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}
    whole = coders[suffix](data)
    source = tmp_path / f"in.nii{suffix}"
    for nbytes in range(len(whole)):
        source.write_bytes(whole[:nbytes])
        with pytest.raises(InvalidArgument, match=f"in.nii{suffix}"):
            read_scan(source)


def test_a_second_member_that_is_cut_is_refused(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    second = member(plain[30000:])
    for nbytes in (1, 5, 12, len(second) - 9, len(second) - 1):
        source.write_bytes(member(plain[:30000]) + second[:nbytes])
        with pytest.raises(InvalidArgument, match=r"in\.nii\.gz: damaged gzip data"):
            read_scan(source)


def test_what_follows_gzip_data_and_is_none_is_refused(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    for rubbish in (b"rubbish", bytes(700000) + b"x", b"\x1f", b"\x1f\x8c"):
        source.write_bytes(member(plain) + rubbish)
        with pytest.raises(InvalidArgument, match=r"in\.nii\.gz: damaged gzip data \(bytes that"):
            read_scan(source)


def test_a_checksum_of_other_contents_is_refused(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    for place in (-1, -5):
        data = bytearray(member(plain))
        data[place] ^= 1
        source.write_bytes(data)
        with pytest.raises(InvalidArgument, match="its checksum is that of other contents"):
            read_scan(source)


def test_a_gzip_header_without_end_is_refused(tmp_path) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(header_with(8, b"n" * 500000))
    with pytest.raises(InvalidArgument, match="a name without end"):
        read_scan(source)


@pytest.mark.parametrize(
    "name",
    ["../evil.nii", "/etc/evil.nii", "a/../../evil.nii", "", ".", "//", "a//b.nii", "a\0b", "a\\b"],
)
def test_names_that_lead_out_of_the_folder_are_refused(name) -> None:
    kept = {
        "name": name,
        "nbytes": 1,
        "sha256": "0" * 64,
        "contents_sha256": "0" * 64,
        "role": "image",
        "container": {"kind": "plain"},
    }
    with pytest.raises(InvalidArgument, match="no name of a source file"):
        source_of_json(kept)
    assert source_of_json({**kept, "name": "sub/a.nii"}).name == "sub/a.nii"


@pytest.mark.parametrize(
    "change",
    [{"nbytes": -1}, {"sha256": "x"}, {"role": "other"}, {"container": 5}, {"container": {}}],
)
def test_damaged_facts_of_a_file_are_refused(change) -> None:
    kept = {
        "name": "a.nii",
        "nbytes": 1,
        "sha256": "0" * 64,
        "contents_sha256": "0" * 64,
        "role": "image",
        "container": {"kind": "plain"},
    }
    with pytest.raises(InvalidArgument, match="damaged"):
        source_of_json({**kept, **change})


def test_long_and_foreign_names_come_back(tmp_path, plain) -> None:
    for name in ("n" * 251 + ".nii", "Schädel 頭.nii", "ü" * 125 + ".nii"):
        folder = tmp_path / hashlib.sha256(name.encode()).hexdigest()[:9]
        folder.mkdir()
        (folder / name).write_bytes(plain)
        pack(folder / name, folder / "store.zarr", lossless=True)
        unpack(folder / "store.zarr", f"{folder / 'back'}/")
        assert (folder / "back" / name).read_bytes() == plain
        assert check(folder / "store.zarr", against=folder / name).against == name


def test_sources_are_json(tmp_path, plain) -> None:
    source = tmp_path / "in.nii.gz"
    source.write_bytes(member(plain))
    (file,) = read_scan(source).sources
    assert source_of_json(json.loads(json.dumps(file.to_json()))) == file
    assert plain == b"".join(bytes(block) for block in contents(read_scan(source), file))


GZIP = {"kind": "gzip", "engine": "zlib", "level": 6, "mem_level": 8, "members": [{}]}
HOSTILE = {
    "no settings": {"kind": "gzip"},
    "unknown kind": {"kind": "lha"},
    "level": {**GZIP, "level": 99},
    "level as text": {**GZIP, "level": "6"},
    "memory level": {**GZIP, "mem_level": 77},
    "engine": {**GZIP, "engine": "sh"},
    "zeros without end": {**GZIP, "trailing_zeros": 1 << 60},
    "header": {**GZIP, "members": [{"header_base64": "%%%"}]},
    "members": {**GZIP, "members": 5},
    "blocks of nothing": {**GZIP, "engine": "pigz", "block_nbytes": 0},
    "blocks of everything": {**GZIP, "engine": "pigz", "block_nbytes": 1 << 50},
    "threads": {
        "kind": "zstd",
        "level": 3,
        "checksum": True,
        "contents_nbytes": None,
        "threads": 99,
    },
    "bzip2": {"kind": "bzip2", "level": 100},
    "xz": {"kind": "xz", "preset": 1 << 20, "check": 4},
    "rows of nothing": {"kind": "png", "n_rows": 0, "row_nbytes": 0, "start": 1},
    "start": {**GZIP, "start": "x"},
}


@pytest.mark.parametrize("container", HOSTILE.values(), ids=HOSTILE)
def test_hostile_settings_of_a_container_are_refused(container) -> None:
    if "members" in container and container["members"] == [{}]:
        header = base64.b64encode(b"\x1f\x8b\x08\0\0\0\0\0\0\x03").decode()
        container = {**container, "members": [{"header_base64": header}]}
    with pytest.raises(InvalidArgument, match="container"):
        for _ in packed([bytes(300000)], container):
            pass
