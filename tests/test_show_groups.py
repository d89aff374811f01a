"""Promises of `medroi show` about dropped groups and the grey scale that shows dim tissue."""

from __future__ import annotations

import make_scans
import numpy as np
import pytest
from PIL import Image

from medroi.scans import pack, read_scan, show
from medroi.scans.pictures.marks import groups_of
from medroi.scans.pictures.painting import windows_of
from medroi.scans.pictures.planes import dropped_along, planes_at
from medroi.scans.pictures.sheet import sheet_of

SHAPE = (48, 52, 40)
YELLOW = (0xFF, 0xE1, 0x4D)
GROUP = (slice(44, 45), slice(3, 4), slice(20, 28))
SETTINGS = {"threshold": 60, "max_miss_rate": 0.01, "background": 0, "padding": 0}


def body():
    inside = np.zeros(SHAPE, bool)
    inside[12:36, 14:40, 10:32] = True
    return inside


@pytest.fixture
def scan(tmp_path):
    """A body in the noise of air, and a bright line of eight voxels that a threshold drops."""
    rng = np.random.default_rng(4)
    voxels = np.where(body(), 300, rng.rayleigh(4, SHAPE)).round().astype("<i2")
    voxels[GROUP] = 90
    return make_scans.nifti(tmp_path / "in.nii", voxels, affine=np.diag([1.0, 1.0, 1.0, 1.0]))


def ct(padding):
    """Air of -1000 with noise of 20 in a circle, lung-like tissue, a body, and padding around."""
    rng = np.random.default_rng(5)
    voxels = np.where(body(), 40.0, -1000) + rng.normal(0, 20, SHAPE)
    voxels[14:20, 16:22, 12:18] = -820
    x, y = np.ogrid[: SHAPE[0], : SHAPE[1]]
    outside = (x - 23.5) ** 2 + (y - 25.5) ** 2 > 25**2
    voxels[outside] = padding
    return voxels.round().astype("<i2")


@pytest.mark.parametrize("chunks", ["volume", (24,)])
def test_the_largest_dropped_group_is_marked_wherever_it_lies(scan, chunks):
    (preview,) = show(scan, chunks=chunks, **SETTINGS)
    (group,) = groups_of(preview)
    assert (group.n_voxels, group.peak) == (8, 90)
    assert group.box == ((44, 45), (3, 4), (20, 28))
    assert "the largest connected group has 8 voxels" in str(preview)
    through = dropped_along(preview.shown, dark=False, groups=[group])
    for at, cut in (((44, 3, 24), True), ((20, 20, 5), False)):
        for plane in [*planes_at(preview.shown, at, [group]), *(through if cut else [])]:
            (mark,) = plane.marks
            here = plane.image[slice(*mark.rows), slice(*mark.columns)]
            assert mark.n_voxels == 8
            assert mark.is_cut == cut
            assert (here == 90).all() == cut


def test_a_mark_follows_the_group_however_the_axes_lie(scan, tmp_path):
    voxels = read_scan(scan).voxels
    for number, signs in enumerate([(1, 1, 1), (-1, 1, -1), (1, -1, -1)]):
        for order in ((0, 1, 2), (2, 0, 1), (1, 0, 2)):
            affine = np.zeros((4, 4))
            affine[3, 3] = 1
            for axis, world in enumerate(order):
                affine[world, axis] = signs[axis]
            path = make_scans.nifti(tmp_path / f"{number}.nii", voxels, affine=affine)
            (preview,) = show(path, **SETTINGS)
            for plane in planes_at(preview.shown, (44, 3, 24), groups_of(preview)):
                (mark,) = plane.marks
                assert (plane.image[slice(*mark.rows), slice(*mark.columns)] == 90).all()


def test_a_group_of_another_volume_is_not_marked(tmp_path):
    rng = np.random.default_rng(6)
    still = np.where(body(), 300, rng.rayleigh(4, SHAPE)).round().astype("<i2")
    voxels = np.stack([still, still, still], axis=-1)
    voxels[(*GROUP, 0)] = 90
    path = make_scans.nifti(tmp_path / "4d.nii", voxels)
    (preview,) = show(path, **SETTINGS)
    assert preview.dropped_groups[0].n_voxels == 8
    assert preview.shown.index[3] == 1
    assert groups_of(preview) == []


def test_the_picture_frames_the_group(scan, tmp_path):
    show(scan, tmp_path / "p.png", **SETTINGS)
    show(scan, tmp_path / "kept.png", **{**SETTINGS, "max_miss_rate": 0})
    n_yellow = []
    for name in ("p.png", "kept.png"):
        with Image.open(tmp_path / name) as opened:
            pixels = np.asarray(opened.convert("RGB")).astype(int)
        n_yellow.append(int((abs(pixels - YELLOW) < 40).all(axis=-1).sum()))
    assert n_yellow[0] > 300
    assert n_yellow[1] == 0


def test_a_store_names_and_marks_the_group_too(scan, tmp_path):
    pack(scan, tmp_path / "s.zarr", **SETTINGS)
    (preview,) = show(tmp_path / "s.zarr", tmp_path / "p.png")
    (group,) = groups_of(preview)
    assert group.n_voxels == 8
    assert sheet_of([preview]).rows[0].panels[0].plane.marks[0].n_voxels == 8


@pytest.mark.parametrize("padding", [-2000, 3071])
def test_dim_tissue_shows_on_ct_and_padding_sets_no_grey_scale(tmp_path, padding):
    path = make_scans.nifti(tmp_path / "ct.nii", ct(padding))
    (preview,) = show(path, roi="mask")
    assert 40 < preview.bright_tissue < 140
    air = preview.settings["background"]
    assert abs(air + 1000) < 20
    assert air + 60 < preview.noise_level < air + 130
    tissue, low = windows_of(preview)
    assert tissue[0] == low[0] == air
    assert 40 < tissue[1] < 140
    # Lung is white and the median of the air's noise black; both had been one grey.
    assert air + 60 < low[1] < -820


def test_the_grey_scale_does_not_depend_on_the_threshold(scan):
    found = [windows_of(show(scan, threshold=threshold)[0])[1] for threshold in ("auto", 150, None)]
    assert found[0] == found[1] == found[2]


def test_without_noise_dim_tissue_is_a_share_of_bright_tissue(tmp_path):
    voxels = np.where(body(), 300, 0).astype("<i2")
    voxels[body()] += np.random.default_rng(7).integers(0, 40, int(body().sum()))
    (preview,) = show(make_scans.nifti(tmp_path / "still.nii", voxels))
    assert preview.noise_level is None
    tissue, low = windows_of(preview)
    assert low[1] == pytest.approx(0.15 * tissue[1])
