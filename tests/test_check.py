"""Promises of `medroi check`, and of what unpack and info say about damaged stores."""

from __future__ import annotations

import dataclasses
import json
import shutil

import h5py
import make_scans
import numpy as np
import pytest
import zarr
from make_hdf5 import FILTER_ID

from medroi.cli import main
from medroi.errors import CorruptStream, MedROIError
from medroi.scans import check, pack, unpack
from medroi.scans.stores import wholeness
from medroi.scans.stores.digests import VoxelsDigest, json_digest
from medroi.working_memory import of_machine

# The errors that the command line prints as one line.
EXPECTED = (MedROIError, OSError, MemoryError)
LAYOUTS = {
    "zarr 3": ("s.zarr", {"chunks": (8,)}),
    "zarr 2": ("s.zarr", {"chunks": (8,), "zarr_format": 2}),
    "hdf5": ("a.h5", {"chunks": (8,)}),
}


@pytest.fixture
def scan(tmp_path):
    return make_scans.nifti(tmp_path / "in.nii", make_scans.head((16, 14, 12)), slope=2.0)


def outcome(work):
    """What a command of the library gives; any other error than ours is one of the test."""
    try:
        return work()
    except EXPECTED:
        return None


def files_of(store):
    return (
        sorted(path for path in store.rglob("*") if path.is_file()) if store.is_dir() else [store]
    )


def rewrite(path, change):
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("lossless", [True, False])
def test_a_packed_store_is_whole(tmp_path, scan, layout, lossless):
    name, options = LAYOUTS[layout]
    pack(scan, tmp_path / name, lossless=lossless, **options)
    report = check(tmp_path / name)
    assert (report.shape, report.n_chunks, report.lossless) == ((16, 14, 12), 8, True)
    assert report.n_changed is None
    report = check(tmp_path / name, against=scan)
    assert (report.n_changed, report.max_abs_error) == (0, 0.0)
    assert 0 < report.n_kept <= 16 * 14 * 12


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_flipped_bit_gives_another_file_in_silence(tmp_path, scan, layout):
    name, options = LAYOUTS[layout]
    store, out = tmp_path / name, tmp_path / "out.nii"
    pack(scan, store, lossless=True, **options)
    rng = np.random.default_rng(11)
    n_flips = 160 if layout == "hdf5" else 30
    n_found = 0
    for path in files_of(store):
        data = path.read_bytes()
        for bit in rng.choice(len(data) * 8, min(len(data) * 8, n_flips), replace=False):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << (bit % 8)
            path.write_bytes(changed)
            found = outcome(lambda: check(store))
            if outcome(lambda: unpack(store, out, force=True)) is not None:
                assert out.read_bytes() == scan.read_bytes(), (path, bit)
            n_found += found is None
        path.write_bytes(data)
    check(store)
    assert n_found > 20


@pytest.mark.parametrize("layout", ["zarr 3", "zarr 2"])
def test_swapped_and_foreign_chunks_are_found(tmp_path, scan, layout, capsys):
    name, options = LAYOUTS[layout]
    other = make_scans.nifti(tmp_path / "other.nii", make_scans.head((16, 14, 12), seed=8))
    for source, target in ((scan, name), (other, "other.zarr")):
        pack(source, tmp_path / target, lossless=True, **options)
    store = tmp_path / name
    first, second = ("c/0/0/0", "c/1/0/0") if layout == "zarr 3" else ("0.0.0", "1.0.0")
    whole = {path: path.read_bytes() for path in files_of(store)}
    for changes in (
        {first: store / second, second: store / first},
        {first: tmp_path / "other.zarr" / first},
    ):
        for target, source in [(store / a, b.read_bytes()) for a, b in changes.items()]:
            target.write_bytes(source)
        for work in (lambda: check(store), lambda: unpack(store, tmp_path / "out.nii")):
            with pytest.raises(CorruptStream, match=r"s\.zarr.*that were packed"):
                work()
        assert main(["info", str(store)]) == 1
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1 and "damaged" in errors
        for path, data in whole.items():
            path.write_bytes(data)
    check(store)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["medroi", "medroi_digests"])
def test_a_lost_attribute_is_seen(tmp_path, scan, zarr_format, name):
    store = tmp_path / "s.zarr"
    pack(scan, store, zarr_format=zarr_format)
    if zarr_format == 3:
        rewrite(store / "zarr.json", lambda found: found["attributes"].pop(name))
    else:
        rewrite(store / ".zattrs", lambda found: found.pop(name))
    for work in (lambda: check(store), lambda: unpack(store, tmp_path / "out.nii")):
        with pytest.raises(MedROIError, match=name):
            work()


def test_an_edited_order_or_type_never_gives_other_voxels(tmp_path, scan):
    store = tmp_path / "s.zarr"
    for inner in ("zstd", "wavelet3d:step=2"):
        assert (
            main(["pack", str(scan), str(store), "--zarr-format", "2", "--inner", inner])
            in make_scans.PACKED
        )
        for key, value in (("order", "C"), ("dtype", ">i2"), ("dtype", "<u2")):
            kept = (store / ".zarray").read_bytes()
            rewrite(store / ".zarray", lambda found, edit=(key, value): found.update([edit]))
            for work in (lambda: check(store), lambda: unpack(store, tmp_path / "out.nii")):
                with pytest.raises(MedROIError, match=r"s\.zarr"):
                    work()
            (store / ".zarray").write_bytes(kept)
        check(store)
        shutil.rmtree(store)


def test_a_lossy_codec_that_decodes_differently_is_said_not_refused(tmp_path, scan, capsys):
    store = tmp_path / "s.zarr"
    lossy = ["--inner", "wavelet3d:step=60"]
    assert main(["pack", str(scan), str(store), *lossy]) in make_scans.PACKED
    report = check(store, against=scan)
    assert not report.lossless and report.n_changed > 0 and report.max_abs_error > 0
    assert "lossy inner codec" in str(report)
    # As if another version had packed it.
    rewrite(
        store / "zarr.json",
        lambda found: found["attributes"]["medroi_digests"].update(voxels="0" * 64),
    )
    with pytest.raises(CorruptStream, match="decodes differently"):
        check(store)
    assert "other values" in unpack(store, tmp_path / "out.nii").notes[0]
    (chunk,) = files_of(store / "c")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(CorruptStream):
        unpack(store, tmp_path / "out2.nii")


def test_check_against_another_scan_is_refused(tmp_path, scan):
    pack(scan, tmp_path / "s.zarr", lossless=True)
    voxels = make_scans.head((16, 14, 12))
    voxels[8, 7, 6] += 1
    for other, message in (
        ({"slope": 2.0}, "1 of .* kept voxels"),
        ({"slope": 3.0}, "slope, header_base64 differ"),
        ({"slope": 2.0, "affine": np.diag([2.0, 2, 2, 1])}, "affine, header_base64"),
    ):
        source = make_scans.nifti(tmp_path / "other.nii", voxels, **other)
        with pytest.raises(CorruptStream, match=message):
            check(tmp_path / "s.zarr", against=source)
    source = make_scans.nifti(tmp_path / "short.nii", voxels[:-1], slope=2.0)
    with pytest.raises(CorruptStream, match="shape or element type"):
        check(tmp_path / "s.zarr", against=source)


@pytest.mark.parametrize("keep", [False, True])
def test_check_against_a_dicom_series(tmp_path, keep):
    folder = make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 5)))
    pack(folder, tmp_path / "s.zarr", lossless=True, identifiers=keep)
    assert check(tmp_path / "s.zarr", against=folder).n_changed == 0


def test_the_command_checks_all_and_says_which_are_damaged(tmp_path, scan, capsys):
    stores = [tmp_path / "one.zarr", tmp_path / "two.zarr", tmp_path / "a.h5"]
    for store in (*stores[:2], stores[2] / "x", stores[2] / "y"):
        pack(scan, store, lossless=True)
    names = [str(store) for store in stores]
    assert main(["check", *names, "--against", str(scan), "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)
    # A name alone would not say which file: two have a dataset of the same name.
    in_files = [stores[2] / "x", stores[2] / "y"]
    assert [report["path"] for report in reports] == [*names[:2], *map(str, in_files)]
    rewrite(
        stores[0] / "zarr.json",
        lambda found: found["attributes"]["medroi"].update(slope=3.0),
    )
    assert main(["check", *names]) == 1
    printed = capsys.readouterr()
    assert printed.out.count(": whole") == 3
    assert "one.zarr" in printed.err and "1 of 4 are not whole" in printed.err
    assert main(["check", names[0]]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_pack_did_not_write_has_nothing_to_check(tmp_path, capsys):
    from medroi.zarr import MedROICodec

    zarr.create_array(
        tmp_path / "s.zarr", shape=(4, 4, 4), dtype="i2", serializer=MedROICodec(), compressors=None
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["plain"] = np.zeros(3)
    for name in ("s.zarr", "a.h5", "a.h5/plain", "absent"):
        assert main(["check", str(tmp_path / name)]) == 1
        assert capsys.readouterr().err.count("\n") == 1


# Damaged metadata


DAMAGES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"zarr_format": 3}',
    b'{"zarr_format": 3, "node_type": "array"}',
    b'{"zarr_format": 2}',
]
EDITS = {
    "shape": [None, [], [-1, 14, 12], [10**18] * 3, ["x"], 5, [2**63] * 3, [16.5, 14, 12]],
    "codecs": [None, [], [{}], [{"name": "medroi"}], [{"name": "medroi", "configuration": 5}], 5],
    "chunk_grid": [None, {}, {"name": "regular", "configuration": {"chunk_shape": [0, 0, 0]}}],
    "data_type": [None, 5, "object", "r8", "float32"],
    "attributes": [5, {"medroi": 5}, {"medroi": {}, "medroi_digests": {}}],
    "fill_value": [None, "x", [], {}],
    "chunk_key_encoding": [None, {}, {"name": "x"}],
    "node_type": [None, 5, "group"],
}


def is_refused(store, tmp_path, capsys):
    """Every command says one line and ends with 1."""
    for command in (["info", str(store)], ["check", str(store)], ["show", str(store)]):
        assert main(command) == 1, command
        printed = capsys.readouterr()
        assert printed.err.startswith("medroi: error: ") and printed.err.count("\n") == 1
        assert store.name in printed.err
    assert main(["unpack", str(store), str(tmp_path / "out.nii"), "--force"]) == 1
    assert store.name in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: repr(damage[:30]))
@pytest.mark.parametrize("layout", ["zarr 3", "zarr 2"])
def test_damaged_metadata_is_an_error_with_the_name_of_the_store(
    tmp_path, scan, capsys, damage, layout
):
    name, options = LAYOUTS[layout]
    pack(scan, tmp_path / name, lossless=True, **options)
    metadata = "zarr.json" if layout == "zarr 3" else ".zarray"
    (tmp_path / name / metadata).write_bytes(damage)
    is_refused(tmp_path / name, tmp_path, capsys)


@pytest.mark.parametrize("key", EDITS)
def test_metadata_that_lies_is_refused(tmp_path, scan, capsys, key):
    store = tmp_path / "s.zarr"
    pack(scan, store, lossless=True)
    kept = (store / "zarr.json").read_bytes()
    for value in EDITS[key]:
        rewrite(store / "zarr.json", lambda found, edit=(key, value): found.update([edit]))
        if key not in ("fill_value", "codecs"):
            is_refused(store, tmp_path, capsys)
        elif outcome(lambda: check(store)) is not None:
            # The streams say themselves how they are coded.
            unpack(store, tmp_path / "same.nii", force=True)
            assert (tmp_path / "same.nii").read_bytes() == scan.read_bytes()
        else:
            main(["info", str(store), "--json"])
            printed = capsys.readouterr()
            assert '"changed"' in printed.out or store.name in printed.err
        (store / "zarr.json").write_bytes(kept)
    check(store)


def test_a_cut_hdf5_file_is_refused_at_every_length(tmp_path, scan):
    pack(scan, tmp_path / "a.h5", lossless=True)
    data = (tmp_path / "a.h5").read_bytes()
    for nbytes in range(8, len(data), 311):
        (tmp_path / "a.h5").write_bytes(data[:nbytes])
        for name in ("a.h5", "a.h5/scan"):
            with pytest.raises(MedROIError, match=r"a\.h5"):
                check(tmp_path / name)
        with pytest.raises(MedROIError, match=r"a\.h5"):
            pack(scan, tmp_path / "a.h5" / "more")


# Many chunks


class CountingMetadata:
    """An array of Zarr with as many chunks as asked for, all or none of them stored."""

    zarr_format = 3

    def __init__(self):
        self.n_keys = 0

    def encode_chunk_key(self, position):
        self.n_keys += 1
        return "/".join(map(str, ("c", *position)))


class ManyChunks:
    """What `check_complete` needs of an array."""

    def __init__(self, shape, attrs):
        self.shape = self.cdata_shape = shape
        self.chunks = (1,) * len(shape)
        self.nchunks = int(np.prod([float(size) for size in shape]))
        self.attrs = attrs
        self.metadata = CountingMetadata()


def test_every_chunk_is_looked_for_once(tmp_path):
    for n_chunks in (100, 400):
        folder = tmp_path / f"{n_chunks}"
        (folder / "c").mkdir(parents=True)
        for index in range(n_chunks):
            (folder / "c" / str(index)).write_bytes(b"")
        array = ManyChunks((n_chunks,), {"medroi": {}})
        wholeness.check_complete(folder, array)
        assert array.metadata.n_keys == n_chunks
        (folder / "c" / "7").rename(folder / "c" / "7x")
        with pytest.raises(CorruptStream, match=f"1 of {n_chunks} chunks are missing"):
            wholeness.check_complete(folder, array)


def test_a_chunk_of_an_hdf5_file_is_read_without_a_search_for_it(tmp_path):
    from medroi.hdf5 import MedROIFilter
    from medroi.hdf5.dataset import open_chunked

    class Counting:
        """The dataset's identifier; counts what takes HDF5 through all chunks."""

        n_searches = 0

        def __init__(self, identifier):
            self.read_direct_chunk = identifier.read_direct_chunk
            self._search = identifier.get_chunk_info_by_coord

        def get_chunk_info_by_coord(self, offset):
            self.n_searches += 1
            return self._search(offset)

    class Dataset:
        def __init__(self, dataset):
            self.id = Counting(dataset.id)

    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("x", (8, 4), "i2", chunks=(1, 4), **MedROIFilter.lossless())
        made[:4] = 5
        chunked = dataclasses.replace(open_chunked(made), dataset=Dataset(made))
        assert all(chunked.read_stream((row, 0)) is not None for row in range(4))
        assert chunked.dataset.id.n_searches == 0
        assert chunked.read_stream((6, 0)) is None


@pytest.mark.parametrize("attrs", [{"medroi": {}}, {}], ids=["packed", "of others"])
def test_a_shape_of_a_million_million_chunks_is_refused_unread(tmp_path, attrs):
    array = ManyChunks((10**4,) * 3, attrs)
    with pytest.raises(CorruptStream, match=r"1000000000000"):
        wholeness.check_complete(tmp_path, array)
    assert array.metadata.n_keys == 0


def test_a_store_with_a_damaged_shape_is_refused_unread(tmp_path, scan, capsys):
    from medroi.zarr import MedROICodec

    zarr.create_array(
        tmp_path / "s.zarr",
        shape=(10**5, 10**5, 10**5),
        chunks=(10, 10, 10),
        dtype="i2",
        serializer=MedROICodec(),
        compressors=None,
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (10**6,) * 3, "i2", chunks=(64,) * 3, compression=FILTER_ID)
    for store in (tmp_path / "s.zarr", tmp_path / "a.h5"):
        for command in (["info"], ["unpack"]):
            target = [str(tmp_path / "out.nii")] if command == ["unpack"] else []
            assert main([*command, str(store), *target]) == 1
            assert "damaged" in capsys.readouterr().err


# Digests


def test_the_digest_of_voxels_does_not_depend_on_the_chunks():
    voxels = make_scans.head((7, 6, 5))
    whole = VoxelsDigest(voxels.shape, voxels.dtype, of_machine())
    whole.add((slice(0, 7), slice(0, 6), slice(0, 5)), voxels)
    cut = VoxelsDigest(voxels.shape, voxels.dtype, of_machine())
    for z in range(0, 5, 2):
        for x in range(0, 7, 3):
            for y in range(0, 6, 4):
                at = (slice(x, x + 3), slice(y, y + 4), slice(z, z + 2))
                part = np.ascontiguousarray(voxels[at])
                at = tuple(slice(a.start, a.start + n) for a, n in zip(at, part.shape))
                cut.add(at, part)
    assert whole.hexdigest() == cut.hexdigest()
    other = VoxelsDigest(voxels.shape, voxels.dtype, of_machine())
    voxels[3, 3, 3] ^= 1
    other.add_slab(voxels)
    assert other.hexdigest() != whole.hexdigest()


def test_the_digest_of_json_outlives_other_writers():
    assert json_digest({"a": 1.0, "b": [2, 0.5]}) == json_digest({"b": [2.0, 0.5], "a": 1})
    for other in ({"a": 1.5}, {"a": -1.0}, {"a": "1"}, {"b": 1.0}):
        assert json_digest(other) != json_digest({"a": 1.0})
    assert json_digest(-0.0) != json_digest(0.0)


def test_attributes_of_ones_own_do_no_harm(tmp_path, scan):
    pack(scan, tmp_path / "s.zarr", lossless=True)
    zarr.open_array(tmp_path / "s.zarr", mode="r+").attrs["mine"] = {"note": 1.0}
    check(tmp_path / "s.zarr", against=scan)
    unpack(tmp_path / "s.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == scan.read_bytes()
