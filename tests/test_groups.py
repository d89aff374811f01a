"""Promises of OME-Zarr groups: viewers and nifti-zarr read them, and every scan comes back."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import make_scans
import nibabel
import numpy as np
import pytest
import zarr
from arrays import phantom

from medroi.cli import main
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans import check, drop_air, pack, packing, read_scan, show, unpack
from medroi.scans.stores.opened import open_store

SCAN = phantom((70, 66, 65))
SHAPES = [(40, 30), (70, 66, 65), (1, 9, 5), (20, 18, 16, 3)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_scans.nifti(tmp_path / "in.nii.gz", SCAN)


def files_in(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def scan_with(shape: tuple[int, ...], path: Path, dtype: str = "<i2") -> Path:
    return make_scans.nifti(path, make_scans.head(shape, dtype=dtype))


def with_files(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> None:
    """Let every scan that is packed carry some files."""

    def read(path: Path, **options: Any) -> Any:
        return dataclasses.replace(read_scan(path, **options), attachments=files)

    monkeypatch.setattr(packing, "read_scan", read)


# What others read


def test_the_group_says_what_ome_zarr_asks_for(tmp_path: Path, source: Path) -> None:
    pack(source, tmp_path / "s.ome.zarr", lossless=True)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (image,) = ome["multiscales"]
    assert image["axes"] == [
        {"name": name, "type": "space", "unit": "millimeter"} for name in ("z", "y", "x")
    ]
    (dataset,) = image["datasets"]
    scale, translation = dataset["coordinateTransformations"]
    assert (dataset["path"], scale["type"], translation["type"]) == ("s0", "scale", "translation")
    np.testing.assert_allclose(scale["scale"], (3.0, 1.25, 1.5), atol=1e-6)
    assert translation["translation"] == [0, 0, 0]
    voxels = group["s0"]
    assert voxels.chunks == (64, 64, 64) and voxels.shards == (128, 128, 128)
    assert voxels.metadata.dimension_names == ("z", "y", "x")
    np.testing.assert_array_equal(voxels[...].T, SCAN)
    np.testing.assert_array_equal(voxels[3:40, 5, ::7], SCAN.T[3:40, 5, ::7])


def test_the_header_array_is_that_of_nifti_zarr(tmp_path: Path, source: Path) -> None:
    pack(source, tmp_path / "s.nii.zarr")
    array = zarr.open_group(tmp_path / "s.nii.zarr", mode="r")["nifti"]
    content = make_scans.plain_bytes(source)
    assert (array.dtype, array.nchunks, array.shape) == (np.uint8, 1, (348,))
    assert array[...].tobytes() == content[:348]
    # Uncompressed: what has no Zarr library reads the header all the same.
    assert (tmp_path / "s.nii.zarr" / "nifti" / "c" / "0").read_bytes() == content[:348]


def test_an_extension_stays_with_the_header(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", SCAN, extension=b"said by the scanner")
    pack(source, tmp_path / "s.ome.zarr")
    found = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")["nifti"][...].tobytes()
    assert found == source.read_bytes()[: len(found)] and b"said by the scanner" in found


def test_what_is_no_nifti_gets_a_header_that_describes_it(tmp_path: Path) -> None:
    source = make_scans.mgz(tmp_path / "in.mgz", SCAN)
    pack(source, tmp_path / "s.nii.zarr")
    found = zarr.open_group(tmp_path / "s.nii.zarr", mode="r")["nifti"][...].tobytes()
    header = nibabel.Nifti1Header(found[:348])
    assert header.get_data_shape() == SCAN.shape and header.get_data_dtype() == SCAN.dtype
    np.testing.assert_allclose(header.get_sform(), read_scan(source).affine, atol=1e-4)


def test_a_series_has_seconds(tmp_path: Path) -> None:
    def edit(data: bytearray) -> None:
        header = nibabel.Nifti1Header(bytes(data[:348]))
        header.set_zooms((*header.get_zooms()[:3], 2500))
        header.set_xyzt_units("mm", "msec")
        data[:348] = header.binaryblock

    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head((20, 18, 16, 3)), edit=edit)
    pack(source, tmp_path / "s.ome.zarr")
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    (image,) = group.attrs["ome"]["multiscales"]
    assert image["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"][0] == 2.5
    # One chunk is never of two times.
    assert group["s0"].chunks == (1, 16, 18, 20)


def test_a_header_of_another_size_is_known_by_its_magic(tmp_path: Path) -> None:
    def edit(data: bytearray) -> None:
        data[:4] = bytes(4)

    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head((20, 18, 16, 3)), edit=edit)
    pack(source, tmp_path / "s.ome.zarr")
    found = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")["nifti"][...].tobytes()
    assert found == source.read_bytes()[:348]
    unpack(tmp_path / "s.ome.zarr", tmp_path / "back.nii")
    assert (tmp_path / "back.nii").read_bytes() == source.read_bytes()


def test_the_store_is_few_files_whose_names_every_pack_gives(tmp_path: Path, source: Path) -> None:
    pack(source, tmp_path / "s.ome.zarr")
    names = ["nifti/c/0", "nifti/zarr.json", "s0/c/0/0/0", "s0/zarr.json", "zarr.json"]
    assert sorted(files_in(tmp_path / "s.ome.zarr")) == names


# Everything comes back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["viewer", "archive", "training", "bare"])
def test_a_lossless_scan_comes_back_in_every_layout(
    tmp_path: Path, shape: tuple[int, ...], layout: str
) -> None:
    source = scan_with(shape, tmp_path / "in.nii")
    store = tmp_path / "s.zarr"
    pack(source, store, lossless=True, layout=layout)
    unpack(store, tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()
    assert check(store, against=source).n_changed == 0
    opened = open_store(store)
    voxels = read_scan(source).voxels
    assert opened.axes_reversed == (layout != "bare")
    np.testing.assert_array_equal(opened.read(), voxels)
    np.testing.assert_array_equal(opened.read((slice(0, 1), 3)), voxels[0:1, 3])
    assert opened.shape == shape and opened.facts is not None and opened.digests is not None


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "<i4", ">i2", "u8", "<f4", ">f8"])
def test_every_kind_of_voxel_comes_back(tmp_path: Path, dtype: str) -> None:
    order = ">" if dtype.startswith(">") else "<"
    source = make_scans.nifti(
        tmp_path / "in.nii", make_scans.head(dtype=dtype.lstrip("<>")), byte_order=order
    )
    pack(source, tmp_path / "s.ome.zarr", lossless=True)
    unpack(tmp_path / "s.ome.zarr", tmp_path / "out.nii")
    assert (tmp_path / "out.nii").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("roi", ["box", "mask"])
def test_group_and_array_keep_the_same_voxels(
    tmp_path: Path, shape: tuple[int, ...], roi: str
) -> None:
    source = scan_with(shape, tmp_path / "in.nii")
    reports = [pack(source, tmp_path / name, roi=roi) for name in ("a.ome.zarr", "b.zarr")]
    assert len({(one.n_kept, one.n_missed, one.threshold, one.box) for one in reports}) == 1
    in_group, alone = (open_store(tmp_path / name) for name in ("a.ome.zarr", "b.zarr"))
    np.testing.assert_array_equal(in_group.read(), alone.read())
    assert in_group.region is not None and in_group.region["n_kept"] == reports[0].n_kept
    (preview,) = show(tmp_path / "a.ome.zarr")
    assert preview.n_kept == reports[0].n_kept and preview.shape == shape


def test_the_bytes_are_the_same_for_any_number_of_threads(tmp_path: Path, source: Path) -> None:
    for layout in ("viewer", "archive", "training", "bare"):
        found = []
        for threads in (1, 2, 3, 8):
            pack(source, tmp_path / "s.zarr", layout=layout, threads=threads, force=True)
            found.append(files_in(tmp_path / "s.zarr"))
        assert all(files == found[0] for files in found), layout


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_a_number_of_threads_that_is_none_is_refused(
    tmp_path: Path, source: Path, threads: Any
) -> None:
    with pytest.raises(InvalidArgument, match="threads"):
        pack(source, tmp_path / "s.ome.zarr", threads=threads)


def test_scan_and_air_in_a_group_are_the_file(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.ome.zarr"
    report = pack(source, store, air="keep", threshold=50)
    assert report.air_nbytes == sum(
        len(data) for name, data in files_in(store).items() if name.startswith("air/")
    )
    assert zarr.open_group(store, mode="r")["air"].shape == SCAN.shape[::-1]
    unpack(store, tmp_path / "out.nii.gz")
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()
    assert check(store, against=source).air
    drop_air(store)
    assert not (store / "air").exists() and not check(store).air


def test_air_in_a_zip_file_is_merged_and_stays(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.ome.zarr.zip"
    report = pack(source, store, air="keep", threshold=50)
    assert report.air_nbytes > 0
    unpack(store, tmp_path / "out.nii.gz")
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()
    before = store.read_bytes()
    with pytest.raises(InvalidArgument, match="zip file"):
        drop_air(store)
    assert store.read_bytes() == before and check(store).air


def test_a_zip_file_with_compressed_members_is_refused(tmp_path: Path, source: Path) -> None:
    pack(source, tmp_path / "s.ome.zarr")
    with zipfile.ZipFile(tmp_path / "s.ome.zarr.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files_in(tmp_path / "s.ome.zarr").items():
            file.writestr(name, data)
    with pytest.raises(MedROIError, match="compressed in the zip file"):
        check(tmp_path / "s.ome.zarr.zip")


def test_info_says_levels_source_and_files(
    tmp_path: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_files(monkeypatch, {"in.bval": b"0"})
    pack(source, tmp_path / "s.ome.zarr", levels=2)
    assert main(["info", str(tmp_path / "s.ome.zarr"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["levels"], found["files"]) == (2, ["in.bval"])
    assert found["source_nbytes"] == source.stat().st_size


# Damage


def fault_of(store: Path) -> str | None:
    """Check a store; the message where it is damaged."""
    try:
        check(store)
    except MedROIError as error:
        return str(error)
    return None


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.zarr.zip"])
def test_a_changed_byte_of_any_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    with_files(monkeypatch, {"in.json": b'{"EchoTime": 0.03}'})
    source = scan_with((20, 18, 16), tmp_path / "in.nii")
    store = tmp_path / f"s{suffix}"
    pack(source, store)
    check(store)
    voxels = open_store(store).read()
    payloads = (".zip", "c/0", "c/0/0/0")
    n_changed = 0
    for file in [store] if store.is_file() else sorted(store.rglob("*")):
        if not file.is_file() or not file.as_posix().endswith(payloads):
            continue
        content = file.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 40)):
            damaged = bytearray(content)
            damaged[place] ^= 0x11
            file.write_bytes(damaged)
            found = fault_of(store)
            if found is None:
                # Of a zip file's own bytes some say nothing about a scan: dates, rights.
                assert suffix.endswith(".zip")
                np.testing.assert_array_equal(open_store(store).read(), voxels)
            else:
                assert store.name in found
                n_changed += 1
        file.write_bytes(content)
    assert n_changed > 20
    check(store)


def test_damaged_metadata_are_an_error_that_names_the_store(tmp_path: Path, source: Path) -> None:
    store = tmp_path / "s.ome.zarr"
    pack(source, store)
    whole = json.loads((store / "zarr.json").read_bytes())
    edits: list[tuple[str, Any]] = [
        ("ome", None),
        ("ome", {"multiscales": []}),
        ("ome", {"multiscales": [{"axes": 3, "datasets": [{"path": "s0"}]}]}),
        ("medroi", None),
        ("medroi", {"layout_version": 2}),
        ("medroi_digests", None),
    ]
    for name, value in edits:
        changed = json.loads(json.dumps(whole))
        changed["attributes"][name] = value
        (store / "zarr.json").write_text(json.dumps(changed))
        for work in (lambda: check(store), lambda: unpack(store, tmp_path / "out.nii")):
            with pytest.raises(MedROIError, match=r"s\.ome\.zarr"):
                work()
        assert not (tmp_path / "out.nii").exists()


@pytest.mark.parametrize("name", ["s0", "s0/c", "nifti", "air"])
def test_a_missing_part_is_never_background(tmp_path: Path, source: Path, name: str) -> None:
    store = tmp_path / "s.ome.zarr"
    pack(source, store, air="keep")
    shutil.rmtree(store / name)
    with pytest.raises(MedROIError, match=r"s\.ome\.zarr"):
        check(store)


# Names


@pytest.mark.parametrize(
    ("name", "is_group"),
    [("a.ome.zarr", True), ("a.OME.ZARR", True), ("a.nii.zarr", True), ("a.zarr", False)],
)
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_a_name_says_what_is_written(
    tmp_path: Path, source: Path, name: str, suffix: str, is_group: bool
) -> None:
    report = pack(source, tmp_path / f"{name}{suffix}", lossless=True)
    store = tmp_path / f"{name}{suffix}"
    assert store.is_file() == bool(suffix)
    assert open_store(store).axes_reversed == is_group
    if suffix:
        assert report.stored_nbytes == store.stat().st_size
        with zipfile.ZipFile(store) as file:
            assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_STORED}
            assert file.namelist()[0] == "zarr.json"
        opened = zarr.open(zarr.storage.ZipStore(store, mode="r"), mode="r")
        array = opened["s0"] if is_group else opened
        np.testing.assert_array_equal(array[...].T if is_group else array[...], SCAN)
    unpack(store, tmp_path / "out.nii.gz")
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()


def test_a_layout_turns_a_plain_name_into_a_group(tmp_path: Path, source: Path) -> None:
    report = pack(source, tmp_path / "a.zarr", layout="training")
    assert report.chunks == (32, 32, 32)
    assert "ome" in zarr.open_group(tmp_path / "a.zarr", mode="r").attrs


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.nii.zarr", "a.ome.zarr.zip"])
def test_a_name_of_others_is_never_a_bare_array(tmp_path: Path, source: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="names a group"):
        pack(source, tmp_path / name, layout="bare")
    with pytest.raises(InvalidArgument, match="Zarr format 3"):
        pack(source, tmp_path / name, zarr_format=2)
    assert list(tmp_path.iterdir()) == [source]


def test_a_scan_of_five_axes_is_bare_or_refused(tmp_path: Path) -> None:
    source = scan_with((8, 7, 6, 1, 3), tmp_path / "in.nii")
    with pytest.raises(InvalidArgument, match=r"5 axes; name the target \.zarr"):
        pack(source, tmp_path / "s.ome.zarr")
    report = pack(source, tmp_path / "s.zarr", layout="viewer")
    assert any("stands alone" in note for note in report.notes)
    assert open_store(tmp_path / "s.zarr").read().shape == (8, 7, 6, 1, 3)


def test_into_a_folder_the_store_gets_the_name_of_the_scan(tmp_path: Path, source: Path) -> None:
    (tmp_path / "stores").mkdir()
    assert pack(source, tmp_path / "stores").target == "in.ome.zarr"
    assert pack(source, f"{tmp_path}/new/").target == "in.ome.zarr"
    check(tmp_path / "stores" / "in.ome.zarr")
    check(tmp_path / "new" / "in.ome.zarr")


@pytest.mark.parametrize("suffix", [".ome.zarr", ".zarr", ".ome.zarr.zip"])
def test_only_a_packed_scan_is_replaced(tmp_path: Path, source: Path, suffix: str) -> None:
    store = tmp_path / f"s{suffix}"
    pack(source, store)
    with pytest.raises(InvalidArgument, match="--force"):
        pack(source, store)
    pack(source, store, force=True)
    check(store)


@pytest.mark.parametrize("name", ["notes.txt", "air/zarr.json", "s0/notes", "mine/c/0"])
def test_force_never_deletes_what_belongs_to_others(
    tmp_path: Path, source: Path, name: str
) -> None:
    for suffix in (".ome.zarr", ".zarr"):
        store = tmp_path / f"s{suffix}"
        pack(source, store)
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("{}")
        with pytest.raises(InvalidArgument, match="is no part of"):
            pack(source, store, force=True)
        assert (store / name).read_text() == "{}"


def test_a_group_of_others_is_never_replaced(tmp_path: Path, source: Path) -> None:
    zarr.create_group(tmp_path / "s.ome.zarr").create_array("a", shape=(3,), dtype="u1")
    with pytest.raises(InvalidArgument, match="remove it yourself"):
        pack(source, tmp_path / "s.ome.zarr", force=True)
    (tmp_path / "s.zarr.zip").write_bytes(b"PK\3\4 and more")
    with pytest.raises(MedROIError, match=r"s\.zarr\.zip"):
        pack(source, tmp_path / "s.zarr.zip", force=True)


# Files that travel with the scan


@pytest.mark.parametrize(
    "target", ["s.ome.zarr", "s.ome.zarr.zip", "s.zarr", "s.zarr.zip", "s.h5/a"]
)
def test_attachments_come_back_from_every_kind_of_store(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    files = {
        "sub/in.json": b'{"EchoTime": 0.03}',
        "../../outside": bytes(range(256)) * 5000,
        "\u00e9" * 100 + ".bval": b"0 1000",
        "empty": b"",
        "": b"no name",
    }
    with_files(monkeypatch, files)
    pack(source, tmp_path / target)
    opened = open_store(tmp_path / target)
    assert opened.attachment_names == tuple(files)
    assert {name: opened.attachment(name) for name in files} == files
    with pytest.raises(InvalidArgument, match="travels with it"):
        opened.attachment("other")
    check(tmp_path / target)
    assert not (tmp_path.parent / "outside").exists()


def test_a_changed_attachment_is_found(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(monkeypatch, {"a.json": b"{}"})
    pack(source, tmp_path / "s.zarr")
    metadata = json.loads((tmp_path / "s.zarr" / "zarr.json").read_bytes())
    for files in ({"a.json": "e30="}, {"b.json": "e30="}, {}, {"a.json": "e3t9"}, 5):
        metadata["attributes"]["medroi_files"] = files
        (tmp_path / "s.zarr" / "zarr.json").write_text(json.dumps(metadata))
        if files == {"a.json": "e30="}:
            check(tmp_path / "s.zarr")
            continue
        with pytest.raises(CorruptStream, match="travel with the scan"):
            check(tmp_path / "s.zarr")


def test_the_command_line_takes_layout_and_threads(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "s.ome.zarr"
    options = ["--layout", "archive", "--threads", "2", "--json"]
    assert main(["pack", str(source), str(store), *options]) in make_scans.PACKED
    assert json.loads(capsys.readouterr().out)["chunks"] == list(SCAN.shape)
    assert main(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shape"] == list(SCAN.shape) and found["kind"] == "nifti"
    assert main(["check", str(store)]) == 0
    with pytest.raises(SystemExit):
        main(["pack", str(source), str(store), "--threads", "0"])


# Smaller levels


def means(voxels: np.ndarray, factor: tuple[int, ...]) -> np.ndarray:
    """The mean of the voxels that become one, by the definition."""
    shape = [-(-size // n) for size, n in zip(voxels.shape, factor, strict=True)]
    found = np.empty(shape)
    for index in np.ndindex(*shape):
        part = tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, factor, strict=True))
        found[index] = voxels[part].mean(dtype=np.float64)
    return found


def most_frequent(voxels: np.ndarray, factor: tuple[int, ...]) -> np.ndarray:
    shape = [-(-size // n) for size, n in zip(voxels.shape, factor, strict=True)]
    found = np.empty(shape, voxels.dtype)
    for index in np.ndindex(*shape):
        part = tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, factor, strict=True))
        values, counts = np.unique(voxels[part], return_counts=True)
        found[index] = values[counts.argmax()]
    return found


@pytest.mark.parametrize("shape", [(17, 18, 9), (1, 13, 12), (11, 10), (8, 9, 7, 3)])
@pytest.mark.parametrize("dtype", ["<i2", "u1", "<f4"])
def test_a_level_holds_the_means_of_the_one_before(
    tmp_path: Path, shape: tuple[int, ...], dtype: str
) -> None:
    rng = np.random.default_rng(4)
    voxels = rng.random(shape) if dtype == "<f4" else rng.integers(0, 250, shape)
    voxels = voxels.astype(dtype)
    source = make_scans.nifti(tmp_path / "in.nii", voxels, affine=np.eye(4))
    pack(source, tmp_path / "s.ome.zarr", lossless=True, levels=3)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    (image,) = group.attrs["ome"]["multiscales"]
    assert [one["path"] for one in image["datasets"]] == ["s0", "s1", "s2"]
    assert image["type"] == "mean"
    before = voxels
    for number in (1, 2):
        factor = tuple(2 if axis < 3 and size > 1 else 1 for axis, size in enumerate(before.shape))
        expected = means(before, factor)
        expected = (expected if dtype == "<f4" else np.rint(expected)).astype(dtype)
        level = group[f"s{number}"][...].T
        assert level.dtype == voxels.dtype
        np.testing.assert_array_equal(level, expected)
        before = level
    check(tmp_path / "s.ome.zarr", against=source)


@pytest.mark.parametrize("step", [1.0, 0.37, 5.514774322509766])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_levels_of_scaled_floats_are_those_of_the_integers_scaled(
    tmp_path: Path, step: float, dtype: str
) -> None:
    numbers = np.random.default_rng(4).integers(-90, 250, (17, 18, 9))
    voxels = (numbers * step).astype(dtype)
    voxels[3:6, 4:7, 2] = np.nan
    source = make_scans.nifti(tmp_path / "in.nii", voxels, affine=np.eye(4))
    pack(source, tmp_path / "s.ome.zarr", lossless=True, levels=3)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    before = np.rint(voxels / step)
    for number in (1, 2):
        before = np.rint(means(before, (2, 2, 2)))
        level = group[f"s{number}"][...].T
        assert level.dtype == voxels.dtype
        np.testing.assert_array_equal(level, ((before + 0.0) * step).astype(dtype))
        assert not np.signbit(level[level == 0]).any()
    check(tmp_path / "s.ome.zarr", against=source)


def test_a_level_of_scaled_floats_takes_the_bytes_of_one_of_integers(tmp_path: Path) -> None:
    numbers = make_scans.head((48, 44, 40))
    nbytes = []
    for name, voxels in (("i", numbers), ("f", numbers.astype("<f4") * np.float32(0.37))):
        source = make_scans.nifti(tmp_path / f"{name}.nii", voxels, affine=np.eye(4))
        pack(source, tmp_path / f"{name}.ome.zarr", levels=2)
        files = (tmp_path / f"{name}.ome.zarr" / "s1").rglob("*")
        nbytes.append(sum(path.stat().st_size for path in files if path.name != "zarr.json"))
    assert abs(nbytes[1] - nbytes[0]) < 100


def test_a_level_of_labels_holds_labels(tmp_path: Path) -> None:
    voxels = np.random.default_rng(4).choice([0, 3, 7, 200], (12, 11, 9)).astype("u1")
    source = make_scans.nifti(tmp_path / "in.nii", voxels, affine=np.eye(4))
    pack(source, tmp_path / "s.ome.zarr", levels=2)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    assert group.attrs["ome"]["multiscales"][0]["type"] == "mode"
    np.testing.assert_array_equal(group["s1"][...].T, most_frequent(voxels, (2, 2, 2)))


def test_thick_slices_wait_until_their_plane_is_as_coarse(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head((32, 32, 8)), affine=affine)
    pack(source, tmp_path / "s.ome.zarr", levels=4)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    shapes = [group[f"s{number}"].shape[::-1] for number in range(4)]
    assert shapes == [(32, 32, 8), (16, 16, 8), (8, 8, 8), (4, 4, 4)]
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    scale, shift = datasets[2]["coordinateTransformations"]
    assert scale["scale"] == [4, 4, 4] and shift["translation"] == [0, 1.5, 1.5]


@pytest.mark.parametrize(
    ("shape", "spacing", "factors"),
    [
        ((33, 32, 18), (1, 1, 1), (4, 4, 4)),
        ((32, 32, 8), (1, 1, 4), (4, 4, 1)),
        ((32, 32, 8), (1, 1, 2), (4, 4, 2)),
        ((20, 18), (1, 1), (4, 4)),
        ((12, 9, 8, 3), (1, 1, 1), (4, 4, 4, 1)),
    ],
)
def test_a_preview_is_the_third_of_three_levels(
    tmp_path: Path, shape: tuple[int, ...], spacing: tuple[int, ...], factors: tuple[int, ...]
) -> None:
    voxels = np.random.default_rng(4).integers(0, 250, shape).astype("<i2")
    affine = np.diag([*[*spacing, 1][:3], 1])
    source = make_scans.nifti(tmp_path / "in.nii", voxels, affine=affine)
    pack(source, tmp_path / "three.ome.zarr", lossless=True, levels=3)
    pack(source, tmp_path / "two.ome.zarr", lossless=True, preview=True)
    three, two = (zarr.open_group(tmp_path / f"{name}.ome.zarr") for name in ("three", "two"))
    np.testing.assert_array_equal(two["s1"][...], three["s2"][...])
    (full, _, small), datasets = (
        group.attrs["ome"]["multiscales"][0]["datasets"] for group in (three, two)
    )
    assert datasets == [full, {**small, "path": "s1"}]
    assert two["s1"].shape[::-1] == tuple(-(-n // m) for n, m in zip(shape, factors))
    check(tmp_path / "two.ome.zarr", against=source)


@pytest.mark.parametrize(
    ("shape", "spacing", "small"),
    [
        ((256, 96, 3), (0.5, 0.5, 7.5), (32, 12, 3)),
        ((96, 64, 6), (0.5, 0.5, 7.5), (24, 16, 6)),
        ((256, 192), (0.1, 0.1), (32, 24)),
        ((68, 64, 3, 8), (1, 1, 8), (17, 16, 3, 8)),
    ],
)
def test_a_preview_of_thick_slices_has_a_64th_of_the_voxels_or_32_along_its_longest_side(
    tmp_path: Path, shape: tuple[int, ...], spacing: tuple[float, ...], small: tuple[int, ...]
) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape).astype("<i4")
    affine = np.diag([*spacing, *[1.0] * (4 - len(spacing))])
    source = make_scans.nifti(tmp_path / "in.nii", voxels, affine=affine)
    pack(source, tmp_path / "s.ome.zarr", lossless=True, preview=True)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    assert (group["s0"].shape[::-1], group["s1"].shape[::-1]) == (shape, small)


def test_a_scan_without_room_for_a_preview_has_one_level(tmp_path: Path) -> None:
    source = make_scans.nifti(tmp_path / "in.nii", np.ones((1, 1, 1), "<i2"), affine=np.eye(4))
    assert main(["pack", str(source), str(tmp_path / "s.ome.zarr"), "--preview"]) in (0, 3)
    group = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")
    assert sorted(group.array_keys()) == ["nifti", "s0"]


def test_the_largest_integers_have_a_mean_too(tmp_path: Path) -> None:
    for dtype in ("i8", "u8"):
        voxels = np.full((4, 4, 4), np.iinfo(dtype).max, dtype)
        source = make_scans.nifti(tmp_path / f"{dtype}.nii", voxels, affine=np.eye(4))
        pack(source, tmp_path / f"{dtype}.ome.zarr", levels=2, lossless=True)
        level = zarr.open_group(tmp_path / f"{dtype}.ome.zarr", mode="r")["s1"][...]
        assert (level > np.iinfo(dtype).max // 4 * 3).all()


@pytest.mark.parametrize("levels", [0, 17, 1.5, "2"])
def test_a_number_of_levels_that_is_none_is_refused(
    tmp_path: Path, source: Path, levels: Any
) -> None:
    with pytest.raises(InvalidArgument, match="levels"):
        pack(source, tmp_path / "s.ome.zarr", levels=levels)
    assert list(tmp_path.iterdir()) == [source]


def test_levels_are_those_of_a_group_with_room_for_them(tmp_path: Path, source: Path) -> None:
    for name in ("s.zarr", "s.h5"):
        with pytest.raises(InvalidArgument, match="those of a group"):
            pack(source, tmp_path / name, levels=2)
        with pytest.raises(InvalidArgument, match="those of a group"):
            pack(source, tmp_path / name, preview=True)
    with pytest.raises(InvalidArgument, match="leave it out"):
        pack(source, tmp_path / "s.ome.zarr", levels=2, preview=True)
    with pytest.raises(InvalidArgument, match="levels at most"):
        pack(source, tmp_path / "s.ome.zarr", levels=16)
    assert list(tmp_path.iterdir()) == [source]


# Against the source


def test_the_report_compares_with_the_file_that_was_read(tmp_path: Path, source: Path) -> None:
    report = pack(source, tmp_path / "s.ome.zarr")
    assert report.source_nbytes == source.stat().st_size
    assert report.saved_share == 1 - report.stored_nbytes / source.stat().st_size > 0
    assert not report.is_larger and "is saved" in str(report)
    found = report.to_json()
    assert (found["saved_share"], found["is_larger"]) == (report.saved_share, False)


def test_a_store_that_is_larger_is_kept_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scan_with((4, 4, 4), tmp_path / "in.nii")
    assert main(["pack", str(source), str(tmp_path / "s.ome.zarr")]) == 3
    assert "WARNING: the store is larger than its source" in capsys.readouterr().out
    check(tmp_path / "s.ome.zarr")


# The inner codec that nobody named


@pytest.mark.parametrize(
    ("options", "dtype", "level"),
    [
        ({}, "<i2", "fast"),
        ({"lossless": True}, "<i2", "dense"),
        ({}, "<f4", "dense"),
        ({"layout": "archive"}, "<i2", "max"),
        ({"inner": {"id": "predict3d", "level": "fast"}, "lossless": True}, "<i2", "fast"),
    ],
)
def test_what_keeps_everything_is_coded_densely(
    tmp_path: Path, options: dict[str, Any], dtype: str, level: str
) -> None:
    noise = np.random.default_rng(3).normal(20, 4, SCAN.shape).clip(0)
    source = make_scans.nifti(tmp_path / "in.nii", (SCAN * 5 + noise).astype(dtype))
    pack(source, tmp_path / "s.ome.zarr", **options)
    codec = zarr.open_group(tmp_path / "s.ome.zarr", mode="r")["s0"].serializer
    assert codec.to_dict()["configuration"]["inner"] == {"id": "predict3d", "level": level}
