"""A new group with everything beside its voxels, and its smaller levels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import medroi
from medroi.scans.scan import Scan, require
from medroi.scans.stores import attachments
from medroi.scans.stores.group import ome
from medroi.scans.stores.group.pyramid import halved, halvings
from medroi.scans.stores.writing import Cleared, Layout, write_array
from medroi.working_memory import WorkingMemory


def write_group(
    path: Path,
    scan: Scan,
    facts: dict[str, Any],
    factors: Sequence[Sequence[int]] = (),
    *,
    is_label: bool = False,
) -> None:
    """Write a group with everything but the voxels of a scan.

    Parameters
    ----------
    path : Path
        Of the new group.
    scan : Scan
        Of 2 to 4 axes.
    facts : dict
        Attributes of the group beside those of OME-Zarr.
    factors : sequence of sequence of int
        Of all levels, as `pyramid.factors_of` gives them; none is one level.
    is_label : bool
        Whether smaller levels hold the most frequent value.
    """
    zarr = require("zarr", "a Zarr store")
    described = {
        "ome": ome.attributes(scan, factors or [(1,) * scan.voxels.ndim], is_label=is_label),
        **facts,
    }
    group = zarr.create_group(str(path), zarr_format=3, attributes=described)
    header = ome.header_of(scan)
    if header is not None:
        array = group.create_array(
            ome.HEADER,
            shape=(len(header),),
            chunks=(len(header),),
            dtype="uint8",
            filters=None,
            compressors=None,
            fill_value=0,
            # xarray opens no group in which an array has axes without names.
            dimension_names=("byte",),
        )
        array[:] = np.frombuffer(header, np.uint8)
    attachments.write_in_group(path, scan.attachments)


def write_levels(
    path: Path,
    voxels: Any,
    codec: Any,
    layout: Layout,
    factors: Sequence[Sequence[int]],
    *,
    names: tuple[str, ...],
    is_label: bool,
    step: float | None,
    threads: int,
    memory: WorkingMemory,
) -> None:
    """Write the smaller levels of a group, losslessly.

    Parameters
    ----------
    path : Path
        Of the group, which has its voxels.
    voxels : array_like
        What they are read back as, with the axes of the scan.
    codec : MedROI
        Fitted on the scan.
    layout : Layout
        Of the voxels.
    step : float or None
        Of the scan's values, as `lattice.step_of` finds it.
    factors, names, is_label, threads
        As of `write_group` and `write_array`.
    memory : WorkingMemory
        For a level.
    """
    config, region = codec.get_config(), codec.region
    is_lossless = medroi.inner.make(config["inner"]).lossless
    level_codec = medroi.MedROI.lossless(
        config["inner"] if is_lossless else {"id": "predict3d"},
        background=region.background,
        slice_axis=config["slice_axis"],
        affine=config["affine"],
        axes=region.axes,
    )
    for number in range(1, len(factors)):
        for factor in halvings(factors[number - 1], factors[number]):
            voxels = halved(voxels, factor, is_label=is_label, memory=memory, step=step)
        chunks = tuple(min(a, b) for a, b in zip(layout.chunks, voxels.shape, strict=True))
        level = Cleared(voxels, None, np.asarray(region.background, voxels.dtype))
        place = path / ome.LEVEL.format(number)
        made = Layout(chunks, layout.zarr_format, in_group=True)
        for _ in write_array(place, level, level_codec, made, names=names, threads=threads):
            pass
