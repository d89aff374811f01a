"""Promises of `medroi show`: it shows what pack does, the right way up, and says what it lacks."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import struct
import sys

import make_scans
import nibabel
import numpy as np
import pytest
import zarr
from arrays import phantom

import medroi
from medroi.cli import main
from medroi.cli.show import beside_argument
from medroi.errors import InnerUnavailable, InvalidArgument, MedROIError
from medroi.scans import pack, read_scan, show
from medroi.scans.formats.orientation import directions_of
from medroi.scans.pictures.painting import MISSED, contour, painted, windows_of
from medroi.scans.pictures.planes import Plane, dropped_along, middle_of_region, planes_at
from medroi.scans.pictures.sheet import sheet_of
from medroi.zarr import MedROICodec


@pytest.fixture
def scan(tmp_path):
    return make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())


@pytest.fixture
def specked(tmp_path):
    """A head with one bright speck in each corner: tissue by the threshold, and dropped."""
    voxels = make_scans.head()
    voxels[::29, ::33, ::25] = 199
    return make_scans.nifti(tmp_path / "specked.nii.gz", voxels)


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack_from(">II", data, 16)


@pytest.mark.parametrize("chunks", ["volume", (16,), (7, 34, 5)])
@pytest.mark.parametrize("threshold", ["mean", 150, None])
def test_the_preview_says_what_pack_then_does(tmp_path, specked, chunks, threshold):
    (preview,) = show(specked, chunks=chunks, threshold=threshold, roi="box")
    store = tmp_path / "s.zarr"
    report = pack(specked, store, chunks=chunks, threshold=threshold, roi="box")
    for name in ("box", "n_kept", "n_tissue", "n_missed", "miss_rate", "n_chunks", "chunks"):
        assert getattr(preview, name) == getattr(report, name), name
    assert preview.settings["threshold"] == report.threshold
    assert preview.threshold_rule == report.threshold_rule
    files = [path for path in (store / "c").rglob("*") if path.is_file()]
    assert preview.streams_nbytes == sum(path.stat().st_size for path in files)
    (packed,) = show(store)
    np.testing.assert_array_equal(packed.shown.kept, preview.shown.kept)
    assert (packed.box, packed.n_kept) == (preview.box, preview.n_kept)
    assert packed.streams_nbytes == preview.streams_nbytes


@pytest.mark.parametrize("roi", ["box", "mask"])
def test_the_region_is_what_comes_back(tmp_path, roi):
    path = make_scans.nifti(tmp_path / "in.nii", phantom((30, 34, 26)))
    (preview,) = show(path, chunks=(11,), threshold="mean", roi=roi)
    pack(path, tmp_path / "s.zarr", chunks=(11,), threshold="mean", roi=roi)
    voxels, shown = read_scan(path).voxels, preview.shown
    back = np.where(shown.kept, voxels, preview.settings["background"])
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[:], back)
    np.testing.assert_array_equal(shown.tissue, voxels >= preview.settings["threshold"])
    assert preview.extreme_dropped == voxels[~shown.kept].max()


def test_the_whole_array_costs_what_it_costs_without_a_region(scan):
    (preview,) = show(scan, inner="raw")
    voxels = read_scan(scan).voxels
    overhead = preview.streams_nbytes - 2 * preview.n_kept
    assert preview.whole_nbytes == voxels.nbytes + overhead


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_however_the_axes_lie_the_planes_are_the_same(tmp_path, order, signs):
    standing = np.arange(7 * 8 * 9, dtype=np.int16).reshape(7, 8, 9) % 401 + 1
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    axes = nibabel.orientations.inv_ornt_aff
    target = np.array([(world, sign) for world, sign in zip(order, signs)])
    lying = nibabel.orientations.apply_orientation(standing, target)
    path = make_scans.nifti(tmp_path / "a.nii", lying, affine=affine @ axes(target, standing.shape))
    (preview,) = show(path, background=0, threshold=200)
    at = tuple(size // 2 for size in lying.shape)
    planes = planes_at(preview.shown, at)
    assert [plane.title.partition(",")[0] for plane in planes] == ["axial", "coronal", "sagittal"]
    assert [plane.edges for plane in planes] == [tuple("RLAP"), tuple("RLSI"), tuple("APSI")]
    spacings = [(plane.row_mm, plane.column_mm) for plane in planes]
    assert spacings == [(2, 1), (3, 1), (3, 2)]
    # A size that is even has two middles: where the axis is turned it is the other one.
    middle = nibabel.orientations.apply_orientation(_marked(lying.shape, at), _inverse(target))
    x, y, z = np.argwhere(middle)[0]
    # Right, front and head have the highest index in RAS+; they come first in the picture.
    expected = standing[::-1, ::-1, z].T, standing[::-1, y, ::-1].T, standing[x, ::-1, ::-1].T
    for plane, image in zip(planes, expected):
        np.testing.assert_array_equal(plane.image, image)


def _marked(shape, at):
    marked = np.zeros(shape, dtype=bool)
    marked[at] = True
    return marked


def _inverse(orientation):
    order, signs = orientation[:, 0].astype(int), orientation[:, 1]
    return np.array([(np.flatnonzero(order == i)[0], signs[order == i][0]) for i in range(3)])


def test_letters_are_written_only_where_the_file_knows_them(tmp_path, scan):
    assert directions_of(read_scan(scan)) is not None
    voxels = make_scans.head()

    def forget(data):
        struct.pack_into("<hh", data, 252, 0, 0)

    silent = make_scans.nifti(tmp_path / "silent.nii", voxels, edit=forget)
    (preview,) = show(silent)
    planes = planes_at(preview.shown, middle_of_region(preview))
    assert [plane.edges for plane in planes] == [None] * 3
    # x to the right and y up, as in the file.
    z = middle_of_region(preview)[2]
    image = next(plane.image for plane in planes if plane.title.startswith("axis 2"))
    np.testing.assert_array_equal(image, voxels[:, ::-1, z].T)


def test_planes_carry_the_masks_of_their_cut(specked):
    (preview,) = show(specked, threshold="mean", max_miss_rate=0.01)
    shown = dataclasses.replace(preview.shown, directions=None, y_up=False)
    for axis, plane in enumerate(planes_at(shown, (0, 0, 0))):
        np.testing.assert_array_equal(plane.kept, shown.kept.take(0, axis))
        lost = (shown.tissue & ~shown.kept).take(0, axis)
        assert lost.sum() == 4
        np.testing.assert_array_equal(plane.missed, lost)


@pytest.mark.parametrize("dark", [False, True])
def test_the_look_through_shows_the_strongest_dropped_voxel(specked, dark):
    (preview,) = show(specked, threshold="mean", max_miss_rate=0.01)
    shown = dataclasses.replace(preview.shown, directions=None, y_up=False)
    voxels = shown.voxels.astype(np.float64)
    dropped = np.ma.masked_array(voxels, shown.kept)
    for axis, plane in enumerate(dropped_along(shown, dark=dark)):
        strongest = dropped.min(axis=axis) if dark else dropped.max(axis=axis)
        np.testing.assert_array_equal(plane.image, strongest.filled(np.nan))
        missed = (shown.tissue & ~shown.kept).any(axis=axis)
        np.testing.assert_array_equal(plane.missed, missed)


def test_the_contour_is_every_edge_between_inside_and_outside():
    mask = np.random.default_rng(5).random((9, 13)) < 0.5
    expected = set()
    padded = np.pad(mask, 1)
    for row, column in np.argwhere(mask):
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if not padded[row + 1 + down, column + 1 + across]:
                y, x = row + max(down, 0), column + max(across, 0)
                expected.add((x, y, x, y + 1) if across else (x, y, x + 1, y))
    found = []
    for (x0, y0), (x1, y1) in contour(mask):
        assert (x0 == x1) != (y0 == y1)
        found += [(x, y0, x + 1, y0) for x in range(x0, x1)]
        found += [(x0, y, x0, y + 1) for y in range(y0, y1)]
    assert sorted(found) == sorted(expected)


def test_what_is_kept_is_grey_what_is_dropped_is_not_and_missed_tissue_is_red():
    image = np.array([[0.0, 50.0, 100.0], [0.0, 50.0, 100.0], [np.nan, 0.0, 100.0]])
    kept = np.array([[True] * 3, [False] * 3, [True, True, False]])
    missed = np.zeros((3, 3), dtype=bool)
    missed[2, 2] = True
    colours = painted(Plane("", image, kept, missed, 1.0, 1.0), (0.0, 100.0))
    np.testing.assert_allclose(colours[0], [[0, 0, 0], [0.5] * 3, [1, 1, 1]])
    dropped = colours[1]
    assert (dropped[:, 0] > dropped[:, 2]).all()
    assert (np.diff(dropped, axis=0) > 0).all()
    np.testing.assert_allclose(colours[2, 2], MISSED)
    assert colours[2, 0, 2] > colours[2, 0, 0]


def test_one_missed_voxel_of_a_large_image_can_be_seen():
    missed = np.zeros((2000, 1500), dtype=bool)
    missed[700, 3] = True
    image = np.ones(missed.shape)
    colours = painted(Plane("", image, ~missed, missed, 1.0, 1.0), (0.0, 1.0))
    red = (colours == np.float32(MISSED)).all(axis=-1)
    assert red.sum() == 9 * 8
    assert red[700, 3]


def test_grey_scales_run_from_the_air_to_the_tissue(tmp_path, scan):
    (bright,) = show(scan, threshold="mean")
    tissue, low = windows_of(bright)
    assert tissue[0] == low[0] == 0
    assert 0 < low[1] < bright.settings["threshold"] < tissue[1]
    inverted = make_scans.nifti(tmp_path / "dark.nii", 500 - make_scans.head())
    (dark,) = show(inverted, threshold="mean", polarity="dark", background=500)
    assert windows_of(dark)[0] == (500, 500 - tissue[1])
    np.testing.assert_array_equal(dark.shown.kept, bright.shown.kept)


def test_of_four_axes_the_middle_volume_is_shown(tmp_path):
    voxels = make_scans.head((20, 22, 18, 5))
    path = make_scans.nifti(tmp_path / "4d.nii", voxels)
    (preview,) = show(path, chunks=(20, 22, 18, 2))
    assert preview.shown.index == (0, 0, 0, 2)
    np.testing.assert_array_equal(preview.shown.voxels, voxels[..., 2])
    assert preview.n_chunks == 3
    assert "t 2 of 5" in sheet_of([preview]).rows[0].title


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 1), (1, 40, 30)])
def test_an_image_of_one_plane_is_drawn_as_one(tmp_path, shape):
    voxels = make_scans.head((40, 30, 1)).reshape(shape)
    path = make_scans.nifti(tmp_path / "2d.nii", voxels)
    (preview,) = show(path, tmp_path / "p.png", background=0)
    (row,) = sheet_of([preview]).rows
    assert sorted(row.panels[0].plane.image.shape) == [30, 40]
    assert [panel.window for panel in row.panels] == list(windows_of(preview))
    assert png_size(tmp_path / "p.png")[0] == 990


def test_every_kind_of_scan_gets_a_picture(tmp_path, scan, specked):
    pack(scan, tmp_path / "s.zarr")
    sources = [
        specked,
        tmp_path / "s.zarr",
        make_scans.mgz(tmp_path / "a.mgz", make_scans.head()),
        make_scans.dicom_series(tmp_path / "series", make_scans.head((20, 24, 8))),
        make_scans.nifti(tmp_path / "empty.nii", np.zeros((9, 9, 9), np.int16)),
        make_scans.nifti(tmp_path / "ct.nii", make_scans.head(background=-1024)),
    ]
    for number, source in enumerate(sources):
        picture = tmp_path / f"{number}.png"
        background = {} if source.suffix == ".zarr" else {"background": "auto"}
        if source.name == "empty.nii":
            background = {"background": 0}
        show(source, picture, **background)
        width, height = png_size(picture)
        assert width == 990
        assert height > 300


def test_settings_beside_each_other_get_a_row_each(tmp_path, scan, capsys):
    picture = tmp_path / "p.png"
    options = ["--beside", "threshold=199,padding=0", "--beside", "lossless", "--chunks", "16"]
    assert main(["show", str(scan), "-o", str(picture), "--json", *options]) == 0
    first, second, third = json.loads(capsys.readouterr().out)
    assert (second["settings"]["threshold"], second["settings"]["padding"]) == (199, 0)
    assert third["settings"]["threshold"] is None
    assert first["chunks"] == second["chunks"] == third["chunks"] == [16, 16, 16]
    assert second["n_kept"] < first["n_kept"]
    previews = show(scan, beside=[{"threshold": 150}, {"threshold": None}])
    assert [len(row.panels) for row in sheet_of(previews).rows] == [3, 3, 3]
    assert png_size(picture)[0] == 990


def test_the_numbers_are_printed_with_the_kept_range_of_every_axis(scan, capsys):
    assert main(["show", str(scan), "--padding", "0", "--threshold", "mean"]) == 0
    printed = capsys.readouterr().out
    (preview,) = show(scan, padding=0, threshold="mean")
    for (start, stop), size in zip(preview.box, preview.shape):
        assert f"| {start}:{stop} of {size}" in printed
    for word in ("kept", "dropped", "background 0", "(mean)", "less than"):
        assert word in printed


def test_an_array_that_others_wrote_is_shown_as_it_lies(tmp_path):
    voxels = np.ascontiguousarray(make_scans.head((24, 20, 22)))
    zarr.create_array(
        tmp_path / "others.zarr",
        data=voxels,
        chunks=(12, 20, 22),
        serializer=MedROICodec(threshold="mean"),
        compressors=None,
    )
    (preview,) = show(tmp_path / "others.zarr", tmp_path / "p.svg")
    assert "mean of each chunk" in str(preview)
    shown = preview.shown
    assert (shown.directions, shown.y_up) == (None, False)
    at = middle_of_region(preview)
    first = planes_at(shown, at)[0]
    np.testing.assert_array_equal(first.image, np.where(shown.kept, voxels, 0)[at[0]])
    assert math.isclose(preview.n_kept, shown.kept.sum())
    assert b"<svg" in (tmp_path / "p.svg").read_bytes()


def test_a_picture_replaces_an_older_one_and_nothing_else(tmp_path, scan):
    picture = tmp_path / "p.png"
    picture.write_bytes(b"old")
    show(scan, picture)
    assert png_size(picture)[0] == 990
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.nii.gz", "p.png"]
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(InvalidArgument, match="is not something this command writes"):
        show(scan, folder)


def test_without_matplotlib_the_numbers_are_there_and_the_picture_says_what_to_install(
    scan, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["show", str(scan)]) == 0
    with pytest.raises(InnerUnavailable, match=r"pip install 'medroi\[show\]'"):
        show(scan, tmp_path / "p.png")
    assert main(["show", str(scan), "-o", str(tmp_path / "p.png")]) == 1
    assert "pip install 'medroi[show]'" in capsys.readouterr().err
    assert not (tmp_path / "p.png").exists()


def test_what_cannot_be_shown_is_refused_with_a_reason(tmp_path, scan):
    with pytest.raises(InvalidArgument, match=r"\.png, \.pdf, \.svg"):
        show(scan, tmp_path / "p.jpg")
    with pytest.raises(InvalidArgument, match="no voxel of the volume"):
        show(scan, tmp_path / "p.png", at=(1, 2, 26))
    pack(scan, tmp_path / "s.zarr")
    with pytest.raises(InvalidArgument, match="its settings are its own"):
        show(tmp_path / "s.zarr", threshold="otsu")
    zarr.create_array(tmp_path / "plain.zarr", data=np.zeros((4, 4)))
    with pytest.raises(InvalidArgument, match="without MedROI"):
        show(tmp_path / "plain.zarr")
    with pytest.raises(InvalidArgument, match="lossless"):
        show(scan, lossless=True, threshold=5)
    chunk = next(path for path in (tmp_path / "s.zarr" / "c").rglob("*") if path.is_file())
    chunk.unlink()
    with pytest.raises(medroi.errors.CorruptStream, match="missing"):
        show(tmp_path / "s.zarr")


@pytest.mark.parametrize("text", ["", "threshold", "padding=x", "chunks=3", "nothing=1"])
def test_a_setting_beside_that_is_none_is_wrong_usage(scan, capsys, text):
    if text == "threshold":  # an empty rule is refused by the codec, in one line
        assert main(["show", str(scan), "--beside", text]) == 1
    else:
        with pytest.raises(SystemExit) as stopped:
            main(["show", str(scan), "--beside", text])
        assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_setting_beside_is_read_like_the_options():
    found = beside_argument("threshold=none,roi=box,max-miss-rate=0,inner=raw,background=-5")
    assert found == {
        "threshold": None,
        "roi": "box",
        "max_miss_rate": 0.0,
        "inner": "raw",
        "background": -5,
    }


@pytest.mark.parametrize("chunks", ["volume", (16,)])
@pytest.mark.parametrize("name", ["a.h5", "a.h5/deep/er", "a.mnc"])
def test_a_store_in_hdf5_shows_what_one_in_zarr_does(tmp_path, specked, capsys, name, chunks):
    pack(specked, tmp_path / "a.zarr", chunks=chunks)
    pack(specked, tmp_path / name, chunks=chunks)
    (plain,), (found,) = show(tmp_path / "a.zarr"), show(tmp_path / name)
    for fact in ("shape", "chunks", "box", "n_kept", "n_chunks", "n_dropped_signal", "from_store"):
        assert getattr(found, fact) == getattr(plain, fact), fact
    for fact in ("threshold", "polarity", "roi", "background", "padding"):
        assert found.settings[fact] == plain.settings[fact], fact
    assert np.array_equal(found.shown.voxels, plain.shown.voxels)
    assert np.array_equal(found.shown.kept, plain.shown.kept)
    assert main(["show", str(tmp_path / name), "-o", str(tmp_path / "a.png")]) == 0
    assert "predict3d" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.h5", "a.zarr"])
def test_a_store_with_a_damaged_region_is_refused_by_it(tmp_path, specked, name):
    import h5py

    pack(specked, tmp_path / name)
    if name == "a.h5":
        with h5py.File(tmp_path / name, "r+") as file:
            file["scan"].attrs["medroi_region"] = "{}"
    else:
        zarr.open_array(tmp_path / name).attrs["medroi_region"] = {}
    with pytest.raises(MedROIError, match="the attribute 'medroi_region' is damaged"):
        show(tmp_path / name)


def test_a_dataset_of_others_in_hdf5_is_shown_as_a_scan_or_by_its_streams(tmp_path):
    import h5py

    from medroi.hdf5 import MedROIFilter

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("plain", data=make_scans.head())
        file.create_dataset(
            "own", data=make_scans.head(), chunks=(16, 16, 16), **MedROIFilter(threshold=150)
        )
    (plain,), (own,) = show(tmp_path / "a.h5" / "plain"), show(tmp_path / "a.h5" / "own")
    assert not plain.from_store and own.from_store
    assert own.settings["threshold"] == 150
    with pytest.raises(InvalidArgument, match="its settings are its own"):
        show(tmp_path / "a.h5" / "own", threshold=3)
