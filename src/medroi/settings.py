"""Settings from the parameters that every binding takes, and back to a configuration."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from medroi import arrays, given_mask, inner, roi, stream
from medroi.codec import Settings
from medroi.errors import InvalidArgument
from medroi.fit import fit_mask, fit_region
from medroi.inner.base import InnerCodec, NativeCodec
from medroi.inner.trust import check_limit, names_of
from medroi.options import TABLE, checked
from medroi.scan_region import ScanRegion
from medroi.values import float_of, whole_of
from medroi.whole import opened_whole
from medroi.working_memory import WorkingMemory, of_machine

# What only the reader may say, never a configuration.
_OF_THE_READER = {"threads", "trust", "max_nbytes"}


def make(
    inner_codec: str | Mapping[str, Any] | InnerCodec,
    *,
    slice_axis: int | None,
    affine: Any,
    threads: int = 1,
    verify: bool = False,
    trust: str | Iterable[str] = (),
    max_nbytes: int | None = None,
    **options: Any,
) -> Settings:
    """Settings from the parameters of `MedROI`.

    Raises
    ------
    InvalidArgument
        For settings that no array could be coded with.
    """
    n_threads = whole_of("threads", threads)
    if n_threads < 1:
        raise InvalidArgument(f"threads={threads!r}: expected a whole number from 1")
    limit = None if max_nbytes is None else whole_of("max_nbytes", max_nbytes)
    check_limit(limit)
    more = checked({"slice_axis": slice_axis, "affine": affine, "verify": verify})
    return Settings(
        inner=inner.make(inner_codec),
        region=roi.RegionOptions(**options),
        slice_axis=more["slice_axis"],
        affine=tuple(chain(*more["affine"] or ())) or stream.IDENTITY,
        threads=n_threads,
        verify=more["verify"],
        trust=names_of(trust),
        max_nbytes=limit,
    )


def config_of(settings: Settings) -> dict[str, Any]:
    """The parameters of `MedROI` that make these settings, fit for JSON."""
    config: dict[str, Any] = json.loads(settings.config.to_json())
    config |= {"inner": inner.config_of(settings.inner)}
    del config["id"]
    return config


def known_and_newer(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a configuration into what this version knows and what a newer one added.

    Reading needs no settings, so that a configuration of a newer version must not stand in its
    way: what is not known is kept, given back by `get_config`, and refused at the first write.

    Parameters
    ----------
    config : mapping
        Parameters by name, with or without the codec's id.

    Returns
    -------
    known, newer : dict
        `newer` has the inner codec's unknown settings as a mapping under ``inner``.

    Raises
    ------
    InvalidArgument
        For what only the reader may say: a file cannot trust itself.
    """
    claimed = sorted(_OF_THE_READER & set(config))
    if claimed:
        raise InvalidArgument(
            f"a configuration has no parameter {', '.join(claimed)}: pass it to the reading codec"
        )
    known = {key: value for key, value in config.items() if key in TABLE}
    newer = {key: value for key, value in config.items() if key not in (*TABLE, "id")}
    if isinstance(known.get("inner"), Mapping):
        known["inner"], unknown = inner.known_and_newer(known["inner"])
        newer |= {"inner": unknown} if unknown else {}
    return known, newer


def names_of_newer(newer: Mapping[str, Any]) -> str:
    """The names of what `known_and_newer` did not know, for a message."""
    names = [f"{key!r}" for key in newer if key != "inner"]
    names += [f"{key!r} of inner" for key in newer.get("inner", ())]
    return ", ".join(names)


def token_of(settings: Settings) -> str:
    """The same text for the same settings, in every process."""
    return json.dumps(config_of(settings), sort_keys=True)


def without_threshold(binding: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a lossless codec.

    Raises
    ------
    InvalidArgument
        For options with a threshold: it would discard voxels.
    """
    if options.get("threshold") is not None:
        raise InvalidArgument(
            f"threshold={options['threshold']!r} would discard voxels; "
            f"{binding}.lossless keeps every voxel: leave it out, or use {binding}(...)"
        )
    return {**options, "threshold": None}


def check_lossless(binding: str, settings: Settings) -> None:
    """Refuse an inner codec that is lossy.

    Raises
    ------
    InvalidArgument
        Naming the codec.
    """
    if not settings.inner.lossless:
        raise InvalidArgument(
            f"inner codec {settings.inner.config()} is lossy; {binding}.lossless needs a "
            "lossless one"
        )


def fit(
    array: Any,
    chunks: Sequence[int] | None,
    settings: Settings,
    mask: Any = None,
    mask_margin_mm: float = 0,
    spacing_mm: Sequence[float] | None = None,
    padding_values: Any = None,
    memory: WorkingMemory | None = None,
) -> Settings:
    """Settings with the numbers of a whole array in them.

    Parameters
    ----------
    array : array_like
        The whole array.
    chunks : sequence of int or None
        Chunk shape in which it will be stored; None is the whole array.
    settings : Settings
        What is asked for.
    mask : array_like, optional
        What is kept, in place of a search for it.
    mask_margin_mm : float
        By which the mask is grown.
    spacing_mm : sequence of float, optional
        Distance between voxel centres along each axis of the volume; None is that of the affine.
    padding_values : number or (number, number), optional
        What is padding in this scan.
    memory : WorkingMemory, optional
        For the search; None is that of the machine.

    Raises
    ------
    InvalidArgument
        Where the chunk shape, or the mask, does not suit the array.
    """
    padding = roi.checked_padding_values(padding_values)
    memory = memory or of_machine()
    with opened_whole(array, memory) as whole:
        return _fit(whole, chunks, settings, mask, mask_margin_mm, spacing_mm, padding, memory)


def _fit(
    whole: arrays.Array,
    chunks: Sequence[int] | None,
    settings: Settings,
    mask: Any,
    mask_margin_mm: float,
    spacing_mm: Sequence[float] | None,
    padding_values: roi.PaddingValues | None,
    memory: WorkingMemory,
) -> Settings:
    if mask is not None:
        spacing = _spacing_of(settings.affine) if spacing_mm is None else spacing_mm
        margin = float_of("mask_margin_mm", mask_margin_mm)
        region, scan = fit_mask(whole, mask, margin, spacing, settings.region, padding_values)
        found = dataclasses.replace(settings, region=region, scan=scan)
        return _with_target(found, whole, chunks, memory)
    if mask_margin_mm:
        raise InvalidArgument("mask_margin_mm is for a mask=, which was not given")
    affine = settings.affine
    if spacing_mm is not None:
        n_axes = len(roi.volume_axes(whole, settings.region))
        steps = [*given_mask.checked_spacing(spacing_mm, n_axes), 1.0, 1.0][:3]
        affine = tuple(float(step) for step in np.diag(steps).ravel())
    region, note, scan = fit_region(whole, chunks, settings.region, affine, padding_values, memory)
    found = dataclasses.replace(settings, region=region, note=note, scan=scan)
    return _with_target(found, whole, chunks, memory)


def _with_target(
    settings: Settings, whole: arrays.Array, chunks: Sequence[int] | None, memory: WorkingMemory
) -> Settings:
    """Settings with the target that all chunks share, where they share one."""
    if not isinstance(settings.inner, NativeCodec) or not settings.config.shares_target():
        return settings
    shape = whole.shape if chunks is None else tuple(int(size) for size in chunks)
    sought, counted, voxel_mask = settings, None, False
    if settings.scan is not None:
        # Chunks are coded as their writer clears them.
        whole, counted = _cleared(whole, settings.scan, memory)
        region = dataclasses.replace(settings.region, threshold=None)
        sought = dataclasses.replace(settings, region=region)
        voxel_mask = not settings.scan.has_tiles_in(shape)
    layout, voxels = arrays.layout_of(whole), arrays.memory_of(whole)
    found = sought.config.fit_target(layout, voxels, shape, counted, voxel_mask, memory)
    if found is None:
        return settings
    return dataclasses.replace(settings, inner=settings.inner.with_target(*found))


def _cleared(
    whole: arrays.Array, scan: ScanRegion, memory: WorkingMemory
) -> tuple[arrays.Array, tuple[int, float, float]]:
    """A scan with background outside its region, and number and range of the voxels inside."""
    has_all = scan.n_kept == whole.size
    is_f_order = arrays.is_f_order(whole)
    made = whole if has_all else memory.array(whole.shape, whole.dtype, "F" if is_f_order else "C")
    outermost = whole.ndim - 1 if is_f_order else 0
    bounds = [(0, size) for size in whole.shape]
    low, high = math.inf, -math.inf
    for index in range(whole.shape[outermost]):
        bounds[outermost] = (index, index + 1)
        part = tuple(slice(*one) for one in bounds)
        if not has_all:
            made[part] = scan.cleared(whole[part], bounds)
        inside = whole[part][np.broadcast_to(scan.kept(bounds), whole[part].shape)]
        if inside.size:
            low, high = min(low, float(inside.min())), max(high, float(inside.max()))
    return made, (scan.n_kept, low, high)


def _spacing_of(affine: tuple[float, ...]) -> tuple[float, ...] | None:
    """Distance between voxel centres; None where no affine was given."""
    if affine == stream.IDENTITY:
        return None
    return tuple(float(x) for x in np.linalg.norm(np.reshape(affine, (3, 3)), axis=0))


def with_fill_value(settings: Settings, fill_value: Any, dtype: np.dtype[Any]) -> Settings:
    """Settings for an array with this fill value: it is the background where none was given.

    Parameters
    ----------
    settings : Settings
        What is asked for.
    fill_value : scalar or None
        Of the array, in stored units; None is 0.
    dtype : dtype
        Of the array.
    """
    if settings.region.background is not None:
        return settings
    value: Any = 0
    if fill_value is not None and dtype.kind in arrays.NUMBER_KINDS:
        value = np.asarray(fill_value, dtype=dtype).item()
    region = dataclasses.replace(settings.region, background=value)
    return dataclasses.replace(settings, region=region)
