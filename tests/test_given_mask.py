"""A mask of one's own: on the scan's grid or refused, grown in millimetres, the same everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import make_scans
import nibabel
import numpy as np
import pytest
import zarr
from arrays import phantom
from scipy import ndimage

import medroi.hdf5
import medroi.zarr
from medroi import MedROI, errors, given_mask
from medroi.cli import main
from medroi.hdf5 import MedROIFilter
from medroi.scans import check, pack, read_scan, unpack
from medroi.zarr import MedROICodec

SHAPE = (24, 30, 26)
SCAN = phantom(SHAPE)


def blob(shape: tuple[int, ...] = SHAPE, seed: int = 3) -> np.ndarray:
    """An irregular mask, its voxels anywhere."""
    grid = np.meshgrid(*(np.linspace(-1.7, 1.4, n) for n in shape), indexing="ij")
    wobble = np.random.default_rng(seed).normal(0, 0.05, shape)
    return sum(axis**2 for axis in grid) + wobble < 0.8


def slowly_grown(mask: np.ndarray, margin_mm: float, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Every voxel against every voxel of the mask."""
    places = np.argwhere(np.ones(mask.shape, bool)) * spacing_mm
    inside = np.argwhere(mask) * spacing_mm
    near = [(((inside - place) ** 2).sum(axis=1)).min() <= margin_mm**2 for place in places]
    return np.reshape(near, mask.shape)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.75, 2.5, 1.25), (5.0, 0.5, 0.5)], ids=str)
@pytest.mark.parametrize("margin", [0, 0.5, 1.25, 2.5, 6.0, 100.0])
def test_a_margin_is_measured_in_millimetres(margin: float, spacing: tuple[float, ...]) -> None:
    mask = blob((9, 12, 10)) & (np.random.default_rng(1).random((9, 12, 10)) < 0.2)
    expected = slowly_grown(mask, margin, spacing)
    np.testing.assert_array_equal(given_mask.grown(mask, margin, spacing), expected)


def test_a_margin_grows_images_and_lines() -> None:
    for shape in ((14,), (9, 11)):
        mask = np.random.default_rng(4).random(shape) < 0.1
        mask.flat[3] = True
        spacing = (1.5, 0.5)[: len(shape)]
        np.testing.assert_array_equal(
            given_mask.grown(mask, 2.0, spacing), slowly_grown(mask, 2.0, spacing)
        )


def stored(codec: MedROI, chunks: tuple[int, ...], scan: np.ndarray = SCAN) -> np.ndarray:
    config = {key: value for key, value in codec.get_config().items() if key != "id"}
    made = zarr.create_array(
        {},
        shape=scan.shape,
        dtype=scan.dtype,
        chunks=chunks,
        serializer=MedROICodec(**config),
        compressors=None,
        fill_value=codec.region.background,
    )
    medroi.zarr.write(made, scan, region=codec.region)
    return np.asarray(made[...])


@pytest.mark.parametrize("inner", ["zstd", {"id": "wavelet3d", "max_error": 7}], ids=str)
@pytest.mark.parametrize("chunks", [SHAPE, (16, 16, 16), (9, 30, 7), (1, 30, 26)], ids=str)
def test_exactly_the_voxels_of_the_mask_are_kept(chunks: tuple[int, ...], inner: Any) -> None:
    mask = blob()
    codec = MedROI.fit(SCAN, mask=mask, inner=inner)
    np.testing.assert_array_equal(codec.region.kept(), mask)
    back = stored(codec, chunks)
    assert (back[~mask] == 0).all()
    error = np.abs(back.astype(int) - SCAN)[mask]
    assert error.max() <= (7 if inner != "zstd" else 0)


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i2", ">f4", "<f8"])
def test_a_mask_of_any_numbers_keeps_what_is_not_0(dtype: str) -> None:
    mask = (blob() * 3).astype(dtype)
    region = MedROI.fit(SCAN, mask=mask[..., None]).region
    np.testing.assert_array_equal(region.kept(), blob())


def test_times_share_the_mask() -> None:
    series = np.stack([SCAN, SCAN + 1], axis=3)
    codec = MedROI.fit(series, mask=blob(), axes=(0, 1, 2))
    back = stored(codec, (10, 10, 10, 1), series)
    np.testing.assert_array_equal(back, np.where(blob()[..., None], series, 0))


def test_the_threshold_says_how_much_lies_outside() -> None:
    mask = blob()
    for threshold in (50, 7.5):
        region = MedROI.fit(SCAN, mask=mask, threshold=threshold).region
        bright = threshold <= SCAN
        assert (region.n_tissue, region.n_missed) == (bright.sum(), (bright & ~mask).sum())
        assert region.threshold == threshold and region.miss_rate > 0
        beyond = region.dropped.level <= SCAN
        found = (region.dropped.n_signal, region.dropped.n_dropped)
        assert found == (beyond.sum(), (beyond & ~mask).sum()) and found[1] > 0
    dark = MedROI.fit(250 - SCAN, mask=mask, threshold=200, polarity="dark", background=250).region
    assert (dark.n_tissue, dark.n_missed) == ((SCAN >= 50).sum(), ((SCAN >= 50) & ~mask).sum())
    every = MedROI.fit(SCAN, mask=mask, threshold=None).region
    assert (every.n_tissue, every.n_missed) == ((SCAN != 0).sum(), ((SCAN != 0) & ~mask).sum())


def slow_group(dropped: np.ndarray, values: np.ndarray) -> tuple[int, float, Any]:
    """Size, brightest voxel and bounds of the largest group (26 neighbours)."""
    labels, n = ndimage.label(dropped, np.ones((3,) * dropped.ndim))
    sizes = np.bincount(labels.ravel())[1:]
    place = labels == 1 + int(np.argmax(sizes))
    box = tuple((int(at.min()), int(at.max()) + 1) for at in (i for i in np.nonzero(place)))
    assert n and (sizes == sizes.max()).sum() == 1
    return int(sizes.max()), float(values[place].max()), box


@pytest.mark.parametrize("dtype", ["i2", "u1", "f4", "f8", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_largest_group_outside_a_mask_is_stated(dtype: str, order: str) -> None:
    scan = np.asarray(SCAN % 120, dtype, order=order)
    region = MedROI.fit(scan, mask=blob(), threshold=7).region
    group = region.dropped.largest
    expected = slow_group((scan >= region.dropped.level) & ~blob(), scan)
    assert group is not None and (group.n_voxels, group.peak, group.box) == expected
    every = MedROI.fit(scan, mask=blob(), threshold=None).region.dropped
    group = every.largest
    expected = slow_group((scan != 0) & ~blob(), scan)
    assert group is not None and (group.n_voxels, group.peak, group.box) == expected
    assert np.isnan(every.level)


def test_missing_values_outside_a_mask_are_a_group() -> None:
    scan = np.zeros(SHAPE, "f4")
    scan[2:4, 2:5, 2] = np.nan
    scan[20:23, 20, 20] = np.inf
    region = MedROI.fit(scan, mask=blob() & (scan == 0), threshold=None).region
    group = region.dropped.largest
    assert group is not None and (group.n_voxels, group.box) == (6, ((2, 4), (2, 5), (2, 3)))
    assert region.dropped.n_dropped == 9


def test_times_have_groups_of_their_own_outside_a_mask() -> None:
    series = np.zeros((*SHAPE, 2), "u2")
    series[1, 1, 1, :] = 9
    series[2, 2, 2, 1] = 8
    region = MedROI.fit(series, mask=blob(), axes=(0, 1, 2), threshold=None).region
    group = region.dropped.largest
    assert group is not None and (group.n_voxels, group.peak) == (2, 9.0)
    assert group.box == ((1, 3), (1, 3), (1, 3), (0, 2))


def test_nothing_outside_a_mask_is_no_group() -> None:
    region = MedROI.fit(np.where(blob(), SCAN, 0), mask=blob(), threshold=None).region
    assert region.dropped.largest is None and region.dropped.n_dropped == 0


def test_a_codec_with_a_mask_keeps_every_voxel_where_nobody_crops() -> None:
    codec = MedROI.fit(SCAN, mask=blob())
    assert (codec.get_config()["threshold"], codec.get_config()["roi"]) == (None, "mask")
    np.testing.assert_array_equal(codec.decode(codec.encode(SCAN)), SCAN)
    assert "mask" not in json.dumps({**codec.get_config(), "roi": None})


@pytest.mark.parametrize(
    ("mask", "more", "message"),
    [
        (
            np.ones((24, 30, 25)),
            {},
            r"found shape \(24, 30, 25\), expected the scan's \(24, 30, 26\)",
        ),
        (np.zeros(SHAPE), {}, "every voxel is 0"),
        (np.full(SHAPE, np.nan), {}, "not finite"),
        (np.full(SHAPE, "x"), {}, "expected numbers"),
        (np.ones(SHAPE), {"mask_margin_mm": 2}, "pass spacing_mm"),
        (np.ones(SHAPE), {"mask_margin_mm": -1, "spacing_mm": (1, 1, 1)}, "0 mm or more"),
        (np.ones(SHAPE), {"mask_margin_mm": 1, "spacing_mm": (1, 0, 1)}, "3 distances above 0"),
        (np.ones(SHAPE), {"mask_margin_mm": 1, "spacing_mm": (1, 1)}, "3 distances above 0"),
        (None, {"mask_margin_mm": 1}, "for a mask=, which was not given"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused(mask: Any, more: Any, message: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=message):
        MedROI.fit(SCAN, mask=mask, **more)


def test_the_spacing_of_the_affine_serves_a_margin() -> None:
    affine = np.diag([2.0, 1.0, 4.0])
    region = MedROI.fit(SCAN, mask=blob(), mask_margin_mm=4, affine=affine).region
    np.testing.assert_array_equal(region.kept(), slowly_grown(blob(), 4, (2.0, 1.0, 4.0)))


AFFINE = make_scans.oblique_affine()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_scans.nifti(tmp_path / "scan.nii.gz", SCAN, affine=AFFINE)


def mask_file(path: Path, mask: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    return make_scans.nifti(path, mask.astype("u1"), affine=affine)


@pytest.mark.parametrize("kind", ["nifti", "mgz", "dicom"])
def test_pack_takes_a_mask_of_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    mask = blob()
    if kind == "nifti":
        scan = make_scans.nifti(tmp_path / "scan.nii", SCAN)
        given = make_scans.nifti(tmp_path / "mask.nii", mask.astype("u1"))
    elif kind == "mgz":
        scan, given = tmp_path / "scan.mgz", tmp_path / "mask.mgz"
        make_scans.mgz(scan, SCAN)
        make_scans.mgz(given, mask.astype("u1"))
    else:
        scan = make_scans.dicom_series(tmp_path / "scan", SCAN.astype("<u2"))
        given = make_scans.dicom_series(tmp_path / "mask", mask.astype("<u2"))
    report = pack(scan, tmp_path / "s.zarr", mask=given, background=0)
    assert report.n_kept == mask.sum()
    expected = np.where(mask, read_scan(scan).voxels, 0)
    np.testing.assert_array_equal(zarr.open(tmp_path / "s.zarr", mode="r")[...], expected)
    check(tmp_path / "s.zarr", against=scan)


@pytest.mark.parametrize("chunks", [SHAPE, (10, 9, 8)], ids=str)
@pytest.mark.parametrize("inner", ["zstd", "wavelet3d:max_error=5"])
def test_zarr_hdf5_and_the_command_line_store_the_same_bytes(
    tmp_path: Path, source: Path, chunks: tuple[int, ...], inner: str
) -> None:
    given = mask_file(tmp_path / "mask.nii", blob())
    options = ["--mask", str(given), "--mask-margin", "2mm", "--background", "0"]
    options += ["--inner", inner, "--chunks", ",".join(map(str, chunks))]
    for target in (tmp_path / "s.zarr", tmp_path / "s.h5"):
        assert main(["pack", str(source), str(target), *options]) in make_scans.PACKED
    scan = read_scan(source)
    name, _, setting = inner.partition(":max_error=")
    codec = MedROI.fit(
        scan.voxels,
        mask=blob(),
        mask_margin_mm=2,
        spacing_mm=scan.spacing_mm,
        inner={"id": name, **({"max_error": int(setting)} if setting else {})},
        affine=scan.affine,
        slice_axis=2,
        background=0,
        axes=(0, 1, 2),
    )
    config = {key: value for key, value in codec.get_config().items() if key != "id"}
    made = zarr.create_array(
        str(tmp_path / "own.zarr"),
        shape=SHAPE,
        dtype=SCAN.dtype,
        chunks=chunks,
        serializer=MedROICodec(**config),
        compressors=None,
        fill_value=0,
        config={"order": "F", "write_empty_chunks": True},
    )
    medroi.zarr.write(made, scan.voxels, region=codec.region)
    for file in sorted((tmp_path / "own.zarr" / "c").rglob("*")):
        if file.is_file():
            twin = tmp_path / "s.zarr" / file.relative_to(tmp_path / "own.zarr")
            assert twin.read_bytes() == file.read_bytes()
    with h5py.File(tmp_path / "s.h5") as packed, h5py.File(tmp_path / "own.h5", "w") as own:
        written = own.create_dataset(
            "scan",
            shape=SHAPE,
            dtype=SCAN.dtype,
            chunks=chunks,
            **MedROIFilter.from_config({**codec.get_config(), "affine": None}),
        )
        medroi.hdf5.write(written, scan.voxels, region=codec.region)
        for index in np.ndindex(*(-(-n // size) for n, size in zip(SHAPE, chunks, strict=True))):
            at = tuple(i * size for i, size in zip(index, chunks, strict=True))
            assert packed["scan"].id.read_direct_chunk(at) == written.id.read_direct_chunk(at)


def test_a_mask_of_another_grid_is_refused_with_both_geometries(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 1
    for mask, affine in (
        (blob(), moved),
        (blob()[1:], AFFINE),
        (blob()[:, ::-1], AFFINE * [1, -1, 1, 1]),
    ):
        given = mask_file(tmp_path / "mask.nii", mask, affine)
        target = tmp_path / "s.zarr"
        assert main(["pack", str(source), str(target), "--mask", str(given)]) == 1
        said = capsys.readouterr().err
        found = " x ".join(map(str, mask.shape))
        assert f"found {found} voxels of 1.5 x 1.25 x 3 mm" in said
        assert "expected 24 x 30 x 26 voxels of 1.5 x 1.25 x 3 mm" in said
        assert said.count("affine [") == 2 and "--mask-resample" in said
        assert not target.exists()


def test_a_mask_of_another_grid_is_resampled_on_request(tmp_path: Path, source: Path) -> None:
    coarse = blob()[::2, ::2, ::2]
    steps = AFFINE @ np.diag([2.0, 2.0, 2.0, 1.0])
    flipped = coarse[:, ::-1]
    turned = steps @ np.diag([1.0, -1.0, 1.0, 1.0])
    turned[:, 3] += steps[:, 1] * (coarse.shape[1] - 1)
    even = (slice(None, None, 2),) * 3
    for mask, affine in ((coarse, steps), (flipped, turned)):
        given = mask_file(tmp_path / "mask.nii", mask, affine)
        pack(source, tmp_path / "s.zarr", mask=given, mask_resample=True, force=True, background=0)
        kept = zarr.open(tmp_path / "s.zarr", mode="r")[...] != 0
        np.testing.assert_array_equal(kept[even], coarse & (SCAN[even] != 0))
        # In between, either neighbour is as near.
        near = np.zeros([2 * n + 1 for n in coarse.shape], bool)
        for place in np.argwhere(coarse):
            near[tuple(slice(max(0, 2 * i - 1), 2 * i + 2) for i in place)] = True
        assert not (kept & ~near[tuple(slice(n) for n in SHAPE)]).any()


def test_an_image_read_by_others_has_what_the_mask_keeps(tmp_path: Path, source: Path) -> None:
    given = mask_file(tmp_path / "mask.nii", blob())
    pack(source, tmp_path / "s.h5", mask=given, background=0)
    unpack(tmp_path / "s.h5", tmp_path / "back.nii")
    back = np.asarray(nibabel.load(tmp_path / "back.nii").dataobj)
    np.testing.assert_array_equal(back, np.where(blob(), SCAN, 0))


@pytest.mark.parametrize(
    "options", [["--lossless"], ["--roi", "box"]], ids=lambda options: options[0]
)
def test_a_mask_beside_another_region_is_refused(
    tmp_path: Path, source: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = mask_file(tmp_path / "mask.nii", blob())
    assert (
        main(["pack", str(source), str(tmp_path / "s.zarr"), "--mask", str(given), *options]) == 1
    )
    assert "a mask decides what is kept" in capsys.readouterr().err


def test_an_empty_mask_and_a_margin_without_a_mask_are_refused(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = mask_file(tmp_path / "mask.nii", np.zeros(SHAPE))
    assert main(["pack", str(source), str(tmp_path / "s.zarr"), "--mask", str(given)]) == 1
    assert f"{given}: mask: every voxel is 0" in capsys.readouterr().err
    assert main(["pack", str(source), str(tmp_path / "s.zarr"), "--mask-margin", "2"]) == 1
    assert "give one with --mask" in capsys.readouterr().err
