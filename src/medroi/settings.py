"""Settings from the parameters that every face takes, and back to a configuration."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medroi import arrays, inner, roi, stream
from medroi.codec import Settings
from medroi.errors import InvalidArgument
from medroi.fit import fit_region
from medroi.inner.base import InnerCodec
from medroi.inner.trust import check_limit, names_of

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
    if not isinstance(threads, int) or threads < 1:
        raise InvalidArgument(f"threads={threads!r}: expected a whole number from 1")
    check_limit(max_nbytes)
    axes = options["axes"]
    options["axes"] = None if axes is None else tuple(int(axis) for axis in axes)
    for name in ("threshold", "background", "padding", "max_miss_rate"):
        options[name] = _plain_number(options[name])
    return Settings(
        inner=inner.make(inner_codec),
        region=roi.RegionOptions(**options),
        slice_axis=None if slice_axis is None else int(slice_axis),
        affine=stream.flatten_affine(affine),
        threads=threads,
        verify=bool(verify),
        trust=names_of(trust),
        max_nbytes=max_nbytes,
    )


_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _plain_number(value: Any) -> Any:
    """A Python number for a numpy scalar or for JSON's way to write numbers that are not finite."""
    if isinstance(value, np.generic):
        return value.item()
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _json_number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in _NOT_FINITE.items() if repr(number) == repr(value))
    return value


def config_of(settings: Settings) -> dict[str, Any]:
    """The parameters of `MedROI` that make these settings, fit for JSON."""
    region, affine = settings.region, settings.affine
    identity = affine == stream.IDENTITY
    return {
        "inner": settings.inner.config(),
        "threshold": _json_number(region.threshold),
        "polarity": region.polarity,
        "roi": region.roi,
        "background": _json_number(region.background),
        "padding": region.padding,
        "max_miss_rate": region.max_miss_rate,
        "axes": None if region.axes is None else list(region.axes),
        "components": region.components,
        "slice_axis": settings.slice_axis,
        "affine": None if identity else [list(affine[i : i + 3]) for i in (0, 3, 6)],
        **({"verify": True} if settings.verify else {}),
    }


def arguments(face: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a configuration, without the codec's id.

    Parameters
    ----------
    face : str
        Class that the configuration is for; messages name it.
    config : mapping
        Parameters by name.

    Raises
    ------
    InvalidArgument
        For parameters that no face has.
    """
    found = {key: value for key, value in config.items() if key != "id"}
    unknown = sorted(set(found) - set(PARAMETERS))
    if unknown:
        raise InvalidArgument(
            f"{face} has no parameter {', '.join(unknown)}; "
            f"its parameters are {', '.join(PARAMETERS)}"
        )
    return found


def token_of(settings: Settings) -> str:
    """The same text for the same settings, in every process."""
    return json.dumps(config_of(settings), sort_keys=True)


def text_of(face: str, settings: Settings) -> str:
    """The call that makes these settings."""
    config = config_of(settings)
    return f"{face}({', '.join(f'{key}={value!r}' for key, value in config.items())})"


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
    region, note = fit_region(whole, chunks, settings.region)
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
