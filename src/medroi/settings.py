"""Settings from the parameters that every face takes, and back to a configuration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medroi import arrays, inner, roi, stream
from medroi.codec import Settings
from medroi.errors import InvalidArgument
from medroi.fit import fit_region
from medroi.inner.base import InnerCodec
from medroi.inner.trust import check_limit, names_of
from medroi.values import flag_of, float_of, is_number, json_number, number_of, plain, whole_of

# What a configuration holds, and what only the reader may say.
_OF_THE_READER = {"threads", "trust", "max_nbytes"}
PARAMETERS = (
    "inner",
    "threshold",
    "polarity",
    "roi",
    "background",
    "padding",
    "max_miss_rate",
    "axes",
    "components",
    "slice_axis",
    "affine",
    "verify",
)


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
    return Settings(
        inner=inner.make(inner_codec),
        region=roi.RegionOptions(**_region_options(options)),
        slice_axis=None if slice_axis is None else whole_of("slice_axis", slice_axis),
        affine=stream.flatten_affine(_numbers("affine", affine)),
        threads=n_threads,
        verify=flag_of("verify", verify),
        trust=names_of(trust),
        max_nbytes=limit,
    )


def _region_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a region, every number in its one spelling."""
    options = dict(given)
    threshold = plain(options["threshold"])
    options["axes"] = _axes(options["axes"])
    if threshold is not None and not isinstance(threshold, str):
        threshold = float_of("threshold", threshold)
    options["threshold"] = threshold
    options["background"] = _background(options["background"])
    options["padding"] = whole_of("padding", options["padding"])
    options["max_miss_rate"] = float_of("max_miss_rate", options["max_miss_rate"])
    return options


def _axes(axes: Any) -> tuple[int, ...] | None:
    if axes is None:
        return None
    if isinstance(axes, (str, bytes)) or not isinstance(axes, Iterable):
        raise InvalidArgument(f"axes={axes!r}: expected whole numbers, such as (0, 1, 2)")
    return tuple(whole_of("axes", axis) for axis in axes)


def _background(value: Any) -> Any:
    """A background in its one spelling; of boolean arrays, False is 0 and True is 1."""
    found = plain(value)
    if found is None or isinstance(found, str):
        return found
    return number_of("background", int(found) if isinstance(found, bool) else found)


def _numbers(name: str, values: Any) -> Any:
    """An array of numbers, for numpy alone would take texts and flags for numbers too."""
    if values is not None and not all(
        is_number(plain(value)) for value in np.asarray(values, object).flat
    ):
        raise InvalidArgument(f"{name}: expected numbers, found {values!r}")
    return values


def config_of(settings: Settings) -> dict[str, Any]:
    """The parameters of `MedROI` that make these settings, fit for JSON."""
    region, affine = settings.region, settings.affine
    identity = affine == stream.IDENTITY
    return {
        "inner": inner.config_of(settings.inner),
        "threshold": json_number(region.threshold),
        "polarity": region.polarity,
        "roi": region.roi,
        "background": json_number(region.background),
        "padding": region.padding,
        "max_miss_rate": region.max_miss_rate,
        "axes": None if region.axes is None else list(region.axes),
        "components": region.components,
        "slice_axis": settings.slice_axis,
        "affine": None if identity else [list(affine[i : i + 3]) for i in (0, 3, 6)],
        **({"verify": True} if settings.verify else {}),
    }


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
    known = {key: value for key, value in config.items() if key in PARAMETERS}
    newer = {key: value for key, value in config.items() if key not in (*PARAMETERS, "id")}
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


def without_threshold(face: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a lossless codec.

    Raises
    ------
    InvalidArgument
        For options with a threshold: it would discard voxels.
    """
    if options.get("threshold") is not None:
        raise InvalidArgument(
            f"threshold={options['threshold']!r} would discard voxels; "
            f"{face}.lossless keeps every voxel: leave it out, or use {face}(...)"
        )
    return {**options, "threshold": None}


def check_lossless(face: str, settings: Settings) -> None:
    """Refuse an inner codec that is lossy.

    Raises
    ------
    InvalidArgument
        Naming the codec.
    """
    if not settings.inner.lossless:
        raise InvalidArgument(
            f"inner codec {settings.inner.config()} is lossy; {face}.lossless needs a lossless one"
        )


def fit(array: Any, chunks: Sequence[int] | None, settings: Settings) -> Settings:
    """Settings with the numbers of a whole array in them.

    Parameters
    ----------
    array : array_like
        The whole array.
    chunks : sequence of int or None
        Chunk shape in which it will be stored; None is the whole array.
    settings : Settings
        What is asked for.

    Raises
    ------
    InvalidArgument
        Where the chunk shape does not suit the array.
    """
    whole = arrays.as_dense(np.asarray(array))
    found, note = fit_region(whole, chunks, settings.region)
    region = dataclasses.replace(found, background=_background(found.background))
    return dataclasses.replace(settings, region=region, note=note)


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
