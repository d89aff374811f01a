"""`MedROI`, the numcodecs codec: Zarr format 2 and everything else that takes numcodecs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray

from medroi import arrays, codec, inner, roi, stream
from medroi.errors import InvalidArgument
from medroi.inner.base import InnerCodec


class MedROI(Codec):
    """Keep the tissue, discard the rest, and hand the tissue to an inner codec.

    `MedROI()` sets voxels outside the region to `background`; `MedROI.lossless()` keeps all.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        What codes the region: "zstd", {"id": "zstd", "level": 9}, ...
    threshold : {"mean", "otsu"}, float or None
        Which voxels are tissue, in stored units; the mean is that of the voxels that are not
        background. None keeps every voxel that differs bitwise from the background.
    polarity : {"bright", "dark"}
        Whether tissue is brighter or darker than the threshold.
    roi : {"box"}
        Shape of the region.
    background : int, float or "auto"
        Value of the air, in stored units; "auto" finds it in each array or refuses.
    padding : int
        Voxels added on every side of the box.
    max_miss_rate : float
        Largest share of tissue voxels outside the region; it holds for every array encoded.
    axes : sequence of int, optional
        Array axes of the volume; None is the last three. The others share one region.
    slice_axis : int, optional
        Array axis along which the inner codec sees slices; None is the outermost in memory.
    affine : array_like, optional
        3x3 or 4x4, voxel index to mm; its 3x3 goes into the record.

    Raises
    ------
    InvalidArgument
        For settings that no array could be coded with.
    """

    codec_id = "medroi"

    def __init__(
        self,
        inner: str | Mapping[str, Any] | InnerCodec = "zstd",
        *,
        threshold: str | float | None = "mean",
        polarity: str = "bright",
        roi: str = "box",
        background: float | str = 0,
        padding: int = 3,
        max_miss_rate: float = 0.002,
        axes: Sequence[int] | None = None,
        slice_axis: int | None = None,
        affine: Any = None,
    ) -> None:
        self._settings = make_settings(
            inner,
            slice_axis=slice_axis,
            affine=affine,
            threshold=threshold,
            polarity=polarity,
            roi=roi,
            background=background,
            padding=padding,
            max_miss_rate=max_miss_rate,
            axes=axes,
        )

    @classmethod
    def lossless(
        cls, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any
    ) -> MedROI:
        """A codec whose round trip is bit-exact, always.

        Raises
        ------
        InvalidArgument
            For an inner codec that is not lossless, or a threshold.
        """
        if options.get("threshold") is not None:
            raise InvalidArgument(
                f"threshold={options['threshold']!r} would discard voxels; "
                "MedROI.lossless keeps every voxel: leave it out, or use MedROI(...)"
            )
        made = cls(inner, **{**options, "threshold": None})
        if not made._settings.inner.lossless:
            raise InvalidArgument(
                f"inner codec {made._settings.inner.config()} is lossy; "
                "MedROI.lossless needs a lossless one"
            )
        return made

    @classmethod
    def fit(cls, array: Any, *, chunks: Sequence[int] | None = None, **options: Any) -> MedROI:
        """A codec whose threshold and background are numbers, found in the whole array.

        Parameters
        ----------
        array : array_like
            The whole array.
        chunks : sequence of int, optional
            Chunk shape in which it will be stored; None is the whole array.
        **options
            Parameters of `MedROI`.

        Raises
        ------
        InvalidArgument
            As `MedROI`, and where background="auto" cannot tell.
        """
        return cls(**fit_config(array, chunks, cls(**options).get_config()))

    def encode(self, buf: Any) -> bytes:
        """Encode an array or a buffer of bytes to one stream.

        Raises
        ------
        InvalidArgument
            For arrays that the settings cannot serve.
        """
        return codec.encode(ensure_ndarray(buf), self._settings)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode one stream to an array with the shape, dtype and memory order encoded.

        Parameters
        ----------
        buf : bytes-like
            One stream.
        out : writeable buffer, optional
            Decoded into and returned if given.

        Raises
        ------
        CorruptStream, UnsupportedVersion, InnerUnavailable
        """
        source = arrays.memory_of(arrays.as_dense(ensure_ndarray(buf)))
        if out is None:
            return codec.decode(source)
        codec.decode(source, ensure_ndarray(out))
        return out

    def get_config(self) -> dict[str, Any]:
        """All parameters, fit for JSON, with the codec's id."""
        return {"id": self.codec_id, **settings_config(self._settings)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MedROI:
        """The codec that a configuration describes."""
        return cls(**{key: value for key, value in config.items() if key != "id"})

    def __repr__(self) -> str:
        config = settings_config(self._settings)
        return f"MedROI({', '.join(f'{key}={value!r}' for key, value in config.items())})"

    def __hash__(self) -> int:
        return hash(json.dumps(self.get_config(), sort_keys=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MedROI) and other.get_config() == self.get_config()

    def __reduce__(self) -> Any:
        return (MedROI.from_config, (self.get_config(),))

    def __dask_tokenize__(self) -> str:
        return json.dumps(self.get_config(), sort_keys=True)


def make_settings(
    inner_codec: str | Mapping[str, Any] | InnerCodec,
    *,
    slice_axis: int | None,
    affine: Any,
    **options: Any,
) -> codec.Settings:
    """Settings from the parameters of `MedROI`."""
    axes = options["axes"]
    options["axes"] = None if axes is None else tuple(int(axis) for axis in axes)
    for name in ("threshold", "background", "padding", "max_miss_rate"):
        options[name] = _plain_number(options[name])
    return codec.Settings(
        inner=inner.make(inner_codec),
        region=roi.RegionOptions(**options),
        slice_axis=None if slice_axis is None else int(slice_axis),
        affine=stream.flatten_affine(affine),
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


def settings_config(settings: codec.Settings) -> dict[str, Any]:
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
        "slice_axis": settings.slice_axis,
        "affine": None if identity else [list(affine[i : i + 3]) for i in (0, 3, 6)],
    }


def fit_config(
    array: Any, chunks: Sequence[int] | None, config: Mapping[str, Any]
) -> dict[str, Any]:
    """A configuration of `MedROI` with the numbers of a whole array in it."""
    whole = arrays.as_dense(np.asarray(array))
    settings = MedROI.from_config(config)._settings
    background = roi.background_bits(whole, settings.region)
    region = roi.search(whole, settings.region, background)
    fitted = {key: value for key, value in config.items() if key != "id"}
    fitted["background"] = _json_number(arrays.value_of(background, whole.dtype))
    if isinstance(settings.region.threshold, str):
        fitted["threshold"] = None if math.isnan(region.threshold) else region.threshold
    return fitted
