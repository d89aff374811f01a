"""Promises of `medroi show` about masks: both contours, what is dropped, and why."""

from __future__ import annotations

import json
import math

import make_scans
import numpy as np
import pytest
from arrays import phantom
from PIL import Image

import medroi
from medroi.cli import main
from medroi.scans import pack, read_scan, show
from medroi.scans.pictures.painting import TINT, contour, painted
from medroi.scans.pictures.planes import planes_at
from medroi.scans.pictures.sheet import sheet_of
from medroi.scans.stores.kept import kept_mask

GREEN, BLUE = (0x35, 0xE0, 0x6F), (0x4F, 0xC3, 0xFF)


@pytest.fixture
def scan(tmp_path):
    voxels = phantom((40, 48, 44))
    voxels[2:8, 2:8, 2:6] = 60  # a separate piece
    return make_scans.nifti(tmp_path / "in.nii.gz", voxels)


def region_of(voxels, **options):
    stream = medroi.MedROI.fit(voxels, background="auto", inner="raw", **options).encode(voxels)
    return kept_mask(stream, medroi.inspect(stream))


@pytest.mark.parametrize(("roi", "other"), [("box", "mask"), ("mask", "box")])
def test_box_and_mask_are_found_together(scan, roi, other):
    (preview,) = show(scan, roi=roi)
    voxels = read_scan(scan).voxels
    np.testing.assert_array_equal(preview.shown.kept, region_of(voxels, roi=roi))
    np.testing.assert_array_equal(preview.shown.other, region_of(voxels, roi=other))
    assert (preview.other_roi, preview.n_kept_by_other) == (other, preview.shown.other.sum())
    assert f"a {other} would keep {100 * preview.shown.other.mean():.1f} %" in str(preview)
    for plane in planes_at(preview.shown, (20, 24, 22)):
        assert plane.other.shape == plane.kept.shape == plane.image.shape
        smaller, larger = (plane.kept, plane.other) if roi == "mask" else (plane.other, plane.kept)
        assert (larger | ~smaller).mean() > 0.99
        assert contour(plane.other) != contour(plane.kept)


@pytest.mark.parametrize("roi", ["box", "mask"])
def test_the_picture_holds_both_contours_and_tints_what_is_dropped(scan, tmp_path, roi):
    (preview,) = show(scan, tmp_path / "p.png", roi=roi)
    with Image.open(tmp_path / "p.png") as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    for colour in (GREEN, BLUE):
        near = (abs(pixels - colour) < 40).all(axis=-1)
        rows = np.flatnonzero(near.any(axis=1))
        assert near.sum() > 500
        assert rows[-1] - rows[0] > 300
    sheet = sheet_of([preview])
    assert (sheet.kept, sheet.other) == (f"{roi}: kept", {"box": "mask", "mask": "box"}[roi])
    panel = sheet.rows[0].panels[0]
    colours = painted(panel.plane, panel.window)
    plain = ~panel.plane.kept & ~panel.plane.missed
    shade = colours[plain] / np.float32(TINT)
    np.testing.assert_allclose(shade, shade[:, :1].repeat(3, axis=1), rtol=1e-5)
    assert (np.ptp(colours[panel.plane.kept], axis=-1) == 0).all()


def test_chunks_have_the_contours_of_the_whole_scan(scan):
    (preview,) = show(scan, roi="mask", chunks=(16,))
    (whole,) = show(scan, roi="mask")
    np.testing.assert_array_equal(preview.shown.kept, whole.shown.kept)
    np.testing.assert_array_equal(preview.shown.other, whole.shown.other)


def test_without_a_threshold_or_with_settings_beside_there_is_one_contour(scan):
    assert show(scan, threshold=None)[0].shown.other is None
    assert [p.shown.other for p in show(scan, beside=[{"roi": "mask"}])] == [None, None]


def test_what_is_left_out_is_listed_where_it_lies(scan):
    (preview,) = show(scan, roi="mask", components="largest")
    assert preview.n_left_out == len(preview.left_out) == 1
    assert preview.left_out[0].box == ((0, 8), (0, 8), (0, 8))
    assert "1 separate pieces of tissue were left out" in str(preview)
    assert f"{preview.left_out[0].n_voxels} in x 0:8 y 0:8 z 0:8" in str(preview)
    (chunked,) = show(scan, roi="mask", components="largest", chunks=(40, 48, 22))
    assert chunked.left_out[0].box == ((0, 8), (0, 8), (0, 8))


def test_pack_lists_what_is_left_out_and_says_volumes(scan, tmp_path):
    store = tmp_path / "s.ome.zarr"
    report = pack(scan, store, roi="mask", components="largest")
    (preview,) = show(scan, roi="mask", components="largest")
    found = report.to_json()
    assert (found["n_left_out"], found["left_out"][0]["box"]) == (1, [[0, 8]] * 3)
    assert "1 separate pieces of tissue were left out" in str(report)
    group = found["largest_dropped_group"]
    voxel_mm3 = math.prod(read_scan(scan).spacing_mm)
    assert group["volume_mm3"] == pytest.approx(group["n_voxels"] * voxel_mm3)
    assert f"{group['n_voxels']} voxels ({group['volume_mm3']:.3g} mm3)" in str(report)
    assert str(preview).count(f"({group['volume_mm3']:.3g} mm3)") == 1
    assert "of the tissue of the largest component lay outside" in str(show(store)[0])


@pytest.mark.parametrize("chunks", ["volume", (20, 16, 24)])
@pytest.mark.parametrize("options", [{"threshold": "mean"}, {"threshold": 60, "roi": "mask"}, {}])
def test_every_report_has_the_box_of_the_region_where_streams_have_smaller_ones(
    tmp_path, chunks, options
):
    voxels = phantom((40, 48, 44)).astype(np.float32)
    voxels[voxels < 50] = 0  # boxes of streams hold no margin of constant air
    path = make_scans.nifti(tmp_path / "in.nii.gz", voxels)
    store = tmp_path / "s.ome.zarr"
    report = pack(path, store, chunks=chunks, **options)
    (before,), (after,) = show(path, chunks=chunks, **options), show(store)
    with medroi.open(store) as packed:
        box = packed.region.box
    assert before.box == after.box == report.box == box
    assert before.kept_as == after.kept_as
    assert before.n_kept == after.n_kept == report.n_kept


def test_the_dropped_voxel_that_is_brightest_can_be_looked_at(scan):
    (preview,) = show(scan, roi="mask", components="largest", chunks=(16,))
    voxels, kept = read_scan(scan).voxels, preview.shown.kept
    at = preview.extreme_dropped_at
    assert not kept[at]
    assert voxels[at] == voxels[~kept].max() == preview.extreme_dropped
    assert ",".join(map(str, at)) in str(preview)


def test_a_cavity_where_chunks_meet_lowers_no_threshold(tmp_path):
    voxels = phantom((48, 48, 48))
    voxels[16:32, 16:32, 16:32] = np.random.default_rng(1).integers(0, 4, (16, 16, 16))
    path = make_scans.nifti(tmp_path / "cavity.nii", voxels)
    (whole,) = show(path, roi="mask")
    (cut,) = show(path, roi="mask", chunks=(24,))
    assert cut.settings["threshold"] == whole.settings["threshold"]
    assert pack(path, tmp_path / "s.zarr", roi="mask", chunks=(24,)).notes == cut.notes
    assert not any("threshold" in note for note in cut.notes)
    for name in ("n_kept", "n_tissue", "n_missed", "n_enclosed", "n_enclosed_dropped"):
        assert getattr(cut, name) == getattr(whole, name), name


def test_info_says_what_the_mask_of_crops_keeps_and_leaves_out(scan, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    report = pack(scan, store, roi="mask", components="largest", chunks=(40, 48, 22))
    capsys.readouterr()
    assert main(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["roi"], found["n_kept"], found["mask_nbytes"]) == ("mask", report.n_kept, 0)
    assert found["threshold"] == report.threshold
    assert (found["n_left_out"], found["left_out"][0]["box"]) == (1, [[0, 8]] * 3)
    assert main(["info", str(store)]) == 0
    assert "left out: " in capsys.readouterr().out


def test_show_of_a_store_says_what_its_crops_dropped(scan, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    report = pack(scan, store, roi="mask", components="largest", chunks=(40, 48, 22))
    (shown,) = show(store)
    assert (shown.n_left_out, shown.left_out[0].box) == (1, ((0, 8),) * 3)
    assert shown.n_dropped_signal == report.dropped["n_dropped_signal"] > 0
    group = report.dropped["largest_dropped_group"]
    assert [one.n_voxels for one in shown.dropped_groups] == [group["n_voxels"]]
    assert f"{report.dropped['n_dropped_signal']} of" in str(shown)


@pytest.mark.parametrize("what", ["store", "scan"])
def test_show_without_dropped_signal_is_json(scan, tmp_path, capsys, what):
    arguments = [str(scan), "--lossless"]
    if what == "store":
        pack(scan, tmp_path / "s.zarr", lossless=True)
        arguments = [str(tmp_path / "s.zarr")]
    capsys.readouterr()
    assert main(["show", *arguments, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["signal_level"] is found["noise_level"] is None or what == "scan"
    assert found["n_dropped_signal"] == 0


@pytest.mark.parametrize("what", ["store", "scan"])
@pytest.mark.parametrize(
    ("air", "chunks", "asked", "kept_as"),
    [
        ("none", None, {"threshold": None}, "whole array"),
        ("zeros", None, {"threshold": None}, "box"),
        ("zeros", (16, 16, 16), {"threshold": None}, "box"),
        ("noise", None, {}, "mask"),
        ("noise", (16, 16, 16), {}, "mask"),
        ("noise", None, {"roi": "box"}, "box"),
    ],
)
def test_show_says_which_kind_of_region_was_found(tmp_path, what, air, chunks, asked, kept_as):
    voxels = phantom((40, 48, 44))
    if air == "zeros":
        voxels[:4] = voxels[:, :4] = voxels[..., :4] = 0
    path = make_scans.nifti(tmp_path / "in.nii.gz", voxels + (air == "none"))
    if what == "store":
        path = tmp_path / "s.zarr"
        pack(tmp_path / "in.nii.gz", path, chunks=chunks, inner="zstd", **asked)
        (shown,) = show(path)
    else:
        (shown,) = show(path, chunks=chunks, **asked)
    assert shown.kept_as == kept_as
    assert f"kept     {kept_as} with {100 * shown.kept_share:.1f} %" in str(shown)


def test_info_says_what_a_mask_keeps_and_leaves_out(scan, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    inner = {"id": "wavelet3d", "psnr": 50}
    report = pack(scan, store, roi="mask", components="largest", inner=inner)
    capsys.readouterr()
    assert main(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["roi"] == "mask"
    assert sum(stream["n_kept"] for stream in found["streams"]) == report.n_kept
    assert found["mask_nbytes"] > 0
    assert (found["n_left_out"], found["streams"][0]["n_left_out"]) == (1, 1)
    assert found["streams"][0]["left_out"][0]["box"] == [[0, 8]] * 3
    assert main(["info", str(store)]) == 0
    assert "left out: " in capsys.readouterr().out


def test_info_of_a_lossless_chunk_has_the_mask_that_cleared_it(scan, tmp_path, capsys):
    store = tmp_path / "s.zarr"
    report = pack(scan, store, roi="mask", components="largest")
    capsys.readouterr()
    assert main(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["roi"], found["n_kept"]) == ("mask", report.n_kept)
    assert found["kept_share"] == report.n_kept / report.n_voxels
    # Its stream is a box of voxels that were cleared, and holds no mask of its own.
    assert (found["streams"][0]["roi"], found["mask_nbytes"]) == ("box", 0)
    assert (found["n_left_out"], found["n_left_out_voxels"]) == (1, 128)
    assert found["left_out"] == [{"n_voxels": 128, "box": [[0, 8]] * 3}]
    assert main(["info", str(store)]) == 0
    assert "left out: " in capsys.readouterr().out
