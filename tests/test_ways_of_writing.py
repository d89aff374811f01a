"""Scans that are hard to find a region in: what is dropped does not depend on who writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import make_scans
import numpy as np
import pytest
import zarr
from arrays import same_bits
from test_bad_regions import SCANS, SHAPE, Array, ellipsoid, head, stored, table

import medroi
import medroi.hdf5
import medroi.zarr
from medroi import MedROI
from medroi.scans import check, pack

CHUNKS = (13, 19, 16)


def padding_circle() -> Array:
    """A CT of a body on its table; outside of the reconstruction circle is padding."""
    rows, columns = np.ogrid[-1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    scan = table() * 4 - 1010
    return np.where(rows**2 + columns**2 > 1.05, -3024, scan)


def moving_body() -> Array:
    """A series: the body is elsewhere in each volume."""
    return np.stack([np.roll(head(n), 3 * n, 1) for n in range(3)], 3)


HARD: dict[str, tuple[Array, dict[str, Any]]] = {
    **{name: (stored(SCANS[name], "<i2"), {}) for name in ("zero wedges", "defaced", "table")},
    **{name: (stored(SCANS[name], "<f4"), {}) for name in ("nan in air", "inf in air")},
    "8 bits": (stored(SCANS["8 bits"], "|u1"), {}),
    "wire": (stored(SCANS["wire"], ">i2"), {}),
    "padding circle": (stored(padding_circle(), "<i2"), {}),
    "moving body": (stored(moving_body(), "<i2"), {}),
    "dark": (stored(1000 - SCANS["table"], "<i2"), {"polarity": "dark"}),
}


def written_by_all(
    scan: Array, codec: MedROI, source: Path, folder: Path, options: dict[str, Any]
) -> dict[str, Array]:
    """What each way of writing gives back."""
    region = codec.region
    assert region is not None
    config = {name: value for name, value in codec.get_config().items() if name != "id"}
    chunks = (*CHUNKS, 2)[: scan.ndim]
    array = zarr.create_array(
        {},
        shape=scan.shape,
        dtype=scan.dtype,
        chunks=chunks,
        serializer=medroi.zarr.MedROICodec(**config),
        compressors=None,
        fill_value=region.background,
    )
    medroi.zarr.write(array, scan, region=region)
    back = {"numcodecs": codec.decode(codec.encode(scan)), "zarr": np.asarray(array[...])}
    with h5py.File(folder / "scan.h5", "w") as file:
        dataset = file.create_dataset(
            "scan",
            shape=scan.shape,
            dtype=scan.dtype,
            chunks=chunks,
            fillvalue=region.background,
            **medroi.hdf5.MedROIFilter(**config),
        )
        medroi.hdf5.write(dataset, scan, region=region)
        back["hdf5"] = dataset[...]
    ways: dict[str, dict[str, Any]] = {
        "one.zarr": {},
        "small.zarr": {"chunks": chunks},
        "group.ome.zarr": {"air": "keep", "chunks": chunks},
        "packed.h5": {},
    }
    for name, more in ways.items():
        pack(source, folder / name, **options, **more)
        check(folder / name, against=source)
        with medroi.open(folder / name) as opened:
            back[name] = np.asarray(opened.array)
    with medroi.open(folder / "group.ome.zarr", air="merge") as opened:
        back["with its air"] = np.asarray(opened.array)
    return {name: voxels.astype(scan.dtype, order="C") for name, voxels in back.items()}


@pytest.mark.parametrize("roi", ["mask", "box"])
@pytest.mark.parametrize("name", HARD)
def test_every_way_of_writing_drops_the_same(tmp_path: Path, name: str, roi: str) -> None:
    scan, more = HARD[name]
    scan = np.asfortranarray(scan)
    options = {"roi": roi, **more}
    source = make_scans.nifti(tmp_path / "in.nii", scan, affine=np.eye(4))
    codec = MedROI.fit(scan, background="auto", axes=(0, 1, 2), **options)
    assert codec.region is not None
    expected, scan = np.ascontiguousarray(codec.region.cleared(scan)), np.ascontiguousarray(scan)
    written = written_by_all(scan, codec, source, tmp_path, options)
    assert same_bits(written.pop("with its air"), scan)
    for way, voxels in written.items():
        assert same_bits(voxels, expected), way
    if roi == "mask":
        assert not same_bits(expected, scan)
    if name != "moving body":
        assert same_bits(expected[ellipsoid(SHAPE)], scan[ellipsoid(SHAPE)])
