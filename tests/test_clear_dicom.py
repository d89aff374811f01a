"""`medroi clear` of DICOM: the same files with other pixels, which say so."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import make_dicom
import make_scans
import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from medroi.cli import main
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import clear, read_scan

SHAPE = (30, 26, 20)


def noisy(dtype: Any = np.uint16) -> np.ndarray:
    rng = np.random.default_rng(3)
    voxels = make_scans.head(SHAPE, dtype)
    return np.asfortranarray(np.where(voxels, voxels, rng.integers(0, 6, SHAPE)).astype(dtype))


def headers(folder: Path) -> dict[str, pydicom.Dataset]:
    return {path.name: pydicom.dcmread(path) for path in sorted(folder.iterdir())}


def digest_of(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(path.name.encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def series(tmp_path: Path, voxels: np.ndarray, edit: Any = None) -> Path:
    return make_scans.dicom_series(tmp_path / "series", voxels, edit=edit)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_voxels_inside_stay_and_all_others_are_background(dtype: Any, tmp_path: Path) -> None:
    voxels = noisy(dtype)
    source = series(tmp_path, voxels)
    before = digest_of(source)
    report = clear(source, tmp_path / "cleared")
    found = read_scan(tmp_path / "cleared")
    expected = read_scan(source)
    assert np.array_equal(found.affine, expected.affine)
    differs = found.voxels != voxels
    assert 0 < np.count_nonzero(differs) <= report.region.n_dropped
    assert (found.voxels[differs] == report.region.background).all()
    assert np.array_equal(found.voxels[voxels > 50], voxels[voxels > 50])
    assert digest_of(source) == before
    clear(source, tmp_path / "cleared.nii.gz")
    assert np.array_equal(read_scan(tmp_path / "cleared.nii.gz").voxels, found.voxels)
    assert report.n_files == SHAPE[2]
    assert report.source_nbytes == sum(path.stat().st_size for path in source.iterdir())


def test_files_are_new_images_of_a_new_series_that_name_their_source(tmp_path: Path) -> None:
    def edit(k: int, dataset: Any) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        dataset.SeriesDescription = "T1 head"
        dataset.SmallestImagePixelValue = 3
        dataset.add_new((0x0029, 0x0010), "LO", "SOMEBODY")
        dataset.add_new((0x0029, 0x1001), "OB", b"private")

    source = series(tmp_path, noisy(), edit)
    report = clear(source, tmp_path / "cleared")
    before, after = headers(source), headers(tmp_path / "cleared")
    assert list(before) == list(after)
    uids = {str(dataset.SOPInstanceUID) for dataset in after.values()}
    assert len(uids) == SHAPE[2]
    assert uids.isdisjoint(str(dataset.SOPInstanceUID) for dataset in before.values())
    assert len({dataset.SeriesInstanceUID for dataset in after.values()}) == 1
    changed = {
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "ImageType",
        "SeriesDescription",
        "SmallestImagePixelValue",
        "PixelData",
    }
    added = {"DerivationDescription", "DerivationCodeSequence", "SourceImageSequence"}
    for name, dataset in after.items():
        source_of = before[name]
        assert dataset.SeriesInstanceUID != source_of.SeriesInstanceUID
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.SOPInstanceUID.is_valid and dataset.SeriesInstanceUID.is_valid
        assert list(dataset.ImageType) == ["DERIVED", "PRIMARY", "M"]
        assert dataset.SeriesDescription == "T1 head (cleared)"
        assert f"{100 * report.region.kept_share:.1f} % kept" in dataset.DerivationDescription
        (reference,) = dataset.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source_of.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == source_of.SOPClassUID
        assert dataset.DerivationCodeSequence[0].CodeValue == "113047"
        assert "SmallestImagePixelValue" not in dataset
        # All else is what it was, private elements too.
        for element in source_of:
            if element.keyword not in changed:
                assert dataset[element.tag] == element
        assert {e.tag for e in dataset} - {e.tag for e in source_of} == {
            pydicom.datadict.tag_for_keyword(keyword) for keyword in added
        }


def test_the_same_scan_and_options_give_the_same_bytes(tmp_path: Path) -> None:
    source = series(tmp_path, noisy())
    for name in ("one", "two"):
        clear(source, tmp_path / name)
    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "two")
    clear(source, tmp_path / "other", threshold=150)
    one, other = (
        {str(d.SOPInstanceUID) for d in headers(tmp_path / n).values()} for n in ("one", "other")
    )
    assert one.isdisjoint(other)


def test_identifiers_stay_for_a_reason_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = series(tmp_path, noisy())
    with pytest.raises(InvalidArgument, match=r"--reason TEXT \(reason=\)"):
        clear(source, tmp_path / "cleared", keep_uids=True)
    with pytest.raises(InvalidArgument, match="--keep-uids"):
        clear(source, tmp_path / "cleared", reason="a contour refers to them")
    assert main(["clear", str(source), str(tmp_path / "cleared"), "--keep-uids"]) == 1
    assert "--reason" in capsys.readouterr().err
    assert not (tmp_path / "cleared").exists()
    clear(source, tmp_path / "cleared", keep_uids=True, reason="contours refer to them")
    before, after = headers(source), headers(tmp_path / "cleared")
    for name, dataset in after.items():
        assert dataset.SOPInstanceUID == before[name].SOPInstanceUID
        assert dataset.SeriesInstanceUID == before[name].SeriesInstanceUID
        assert "UIDs kept: contours refer to them" in dataset.DerivationDescription
        assert dataset.ImageType[0] == "DERIVED"
    with pytest.raises(InvalidArgument, match="no UIDs"):
        clear(source, tmp_path / "cleared.nii.gz", keep_uids=True, reason="why not")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_encoding_of_the_files_stays(syntax: Any, tmp_path: Path) -> None:
    voxels = noisy()
    made = series(tmp_path, voxels)
    source = tmp_path / "encoded"
    source.mkdir()
    for path in made.iterdir():
        dataset = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(
            source / path.name,
            dataset,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
        )
    clear(source, tmp_path / "cleared")
    for dataset in headers(tmp_path / "cleared").values():
        assert dataset.file_meta.TransferSyntaxUID == syntax
    found = read_scan(tmp_path / "cleared").voxels
    assert np.array_equal(found[voxels > 50], voxels[voxels > 50])
    assert np.count_nonzero(found != voxels) > 0


def test_compressed_pixels_become_plain_ones(tmp_path: Path) -> None:
    voxels = noisy()
    source = series(tmp_path, voxels)
    for path in source.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
    clear(source, tmp_path / "cleared")
    for dataset in headers(tmp_path / "cleared").values():
        assert not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    found = read_scan(tmp_path / "cleared").voxels
    assert np.array_equal(found[voxels > 50], voxels[voxels > 50])
    assert np.count_nonzero(found != voxels) > 0


def test_an_overlay_in_the_upper_bits_stays(tmp_path: Path) -> None:
    voxels = noisy()

    def overlaid(k: int, dataset: Any) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11
        words = np.frombuffer(dataset.PixelData, "<u2").copy()
        words[::3] |= 0x4000
        dataset.PixelData = words.tobytes()

    source = series(tmp_path, voxels, overlaid)
    clear(source, tmp_path / "cleared")
    for dataset in headers(tmp_path / "cleared").values():
        words = np.frombuffer(dataset.PixelData, "<u2")
        assert (words[::3] & 0xF000 == 0x4000).all()
        assert not (words[1::3] & 0xF000).any() and not (words[2::3] & 0xF000).any()
    found = read_scan(tmp_path / "cleared").voxels
    assert np.array_equal(found[voxels > 50], voxels[voxels > 50])


def test_an_enhanced_file_is_cleared_frame_by_frame(tmp_path: Path) -> None:
    voxels = np.stack([noisy(), noisy() // 2], axis=-1)
    order = [int(index) for index in np.random.default_rng(2).permutation(2 * SHAPE[2])]

    def own(k: int, t: int) -> dict[str, Any]:
        return {"MRImageFrameTypeSequence": make_dicom.item(FrameType=["ORIGINAL", "PRIMARY"])}

    source = make_dicom.enhanced(tmp_path / "frames.dcm", voxels, order=order, own=own)
    report = clear(source, tmp_path / "cleared")
    assert report.n_files == 1
    found = read_scan(tmp_path / "cleared/frames.dcm").voxels
    assert found.shape == voxels.shape
    kept = voxels[..., 0] > 50
    assert np.array_equal(found[kept], voxels[kept])
    assert 0 < np.count_nonzero(found != voxels) <= report.region.n_dropped
    after = pydicom.dcmread(tmp_path / "cleared/frames.dcm")
    assert {
        group.MRImageFrameTypeSequence[0].FrameType[0]
        for group in after.PerFrameFunctionalGroupsSequence
    } == {"DERIVED"}


def test_a_mosaic_is_cleared_tile_by_tile(tmp_path: Path) -> None:
    voxels = noisy()
    source = make_dicom.mosaic(tmp_path / "sheet.dcm", voxels, rubbish=True)
    clear(source, tmp_path / "cleared")
    found = read_scan(tmp_path / "cleared/sheet.dcm").voxels
    assert np.array_equal(found[voxels > 50], voxels[voxels > 50])
    assert np.count_nonzero(found != voxels) > 0
    before, after = (
        pydicom.dcmread(path).pixel_array for path in (source, tmp_path / "cleared/sheet.dcm")
    )
    # Tiles of no slice stay.
    assert np.array_equal(after[-SHAPE[1] :], before[-SHAPE[1] :])


def test_one_of_several_series_is_chosen(tmp_path: Path) -> None:
    voxels = noisy()
    for number in (3, 7):

        def numbered(k: int, dataset: Any, number: int = number) -> None:
            dataset.SeriesNumber = number

        make_scans.dicom_series(tmp_path / f"study/{number}", voxels, edit=numbered)
    with pytest.raises(InvalidArgument, match="--series"):
        clear(tmp_path / "study", tmp_path / "cleared")
    report = clear(tmp_path / "study", tmp_path / "cleared", series="7")
    assert report.n_files == SHAPE[2]
    assert sorted(path.name for path in (tmp_path / "cleared").iterdir()) == ["7"]


def test_an_empty_folder_is_taken_and_any_other_stays(tmp_path: Path) -> None:
    source = series(tmp_path, noisy())
    (tmp_path / "empty").mkdir()
    clear(source, tmp_path / "empty")
    before = digest_of(tmp_path / "empty")
    for force in (False, True):
        with pytest.raises(InvalidArgument, match="exists"):
            clear(source, tmp_path / "empty", force=force)
    with pytest.raises(InvalidArgument, match="the source itself"):
        clear(source, source, force=True)
    assert digest_of(tmp_path / "empty") == before


def test_nothing_is_left_of_a_series_that_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medroi.scans.clearing import dicom_files

    right = dicom_files._replaced

    def wrong(*args: Any) -> bytes:
        return right(*args)[:-2] + b"\x01\x01"

    source = series(tmp_path, noisy())
    monkeypatch.setattr(dicom_files, "_replaced", wrong)
    with pytest.raises(MedROIError, match="did not come back"):
        clear(source, tmp_path / "cleared")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["series"]


def test_a_file_name_is_no_target_of_a_series(tmp_path: Path) -> None:
    source = series(tmp_path, noisy())
    with pytest.raises(InvalidArgument, match="name a folder"):
        clear(source, tmp_path / "cleared.dcm")
    with pytest.raises(InvalidArgument, match=r"\.nii"):
        clear(source, tmp_path / "cleared.mgz")
