"""Parameters and identity, shared by the codecs of numcodecs, Zarr format 3 and HDF5.

Each of them adds how its library calls it, and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any, Self

import numpy as np

from medroi import codec, settings
from medroi.codec import Settings
from medroi.errors import InvalidArgument
from medroi.inner import make as make_inner
from medroi.inner.base import InnerCodec
from medroi.inner.trust import Reading
from medroi.options import documented
from medroi.scan_region import ScanRegion
from medroi.working_memory import WorkingMemory, memory_of

_PARAMETERS = f"""
Parameters
----------
{documented({"inner": "An `InnerCodec`, or a codec of numcodecs or of zarr, is taken as it is."})}
threads : int
    Threads that share the slabs of one array. The bytes are the same for any number, which
    is why the configuration does not hold it: a codec made from one has a single thread.
trust : str or sequence of str
    Libraries that may decode any stream: names such as "imagecodecs_sperr", of codecs that
    are not MedROI's own. Without it, only the library of `inner` decodes, and one that hostile
    bytes can crash only what this process wrote. MEDROI_TRUST in the environment says the
    same for every codec. Not in the configuration.
max_nbytes : int, optional
    Bytes that a decoded array may have. None is what MEDROI_MAX_NBYTES in the environment
    says, else 2 GiB or a thousand times its stream, whichever is more. Not in the
    configuration.

Raises
------
InvalidArgument
    For settings that no array could be coded with.
"""


class Binding:
    """A codec that is described by `Settings`, for a library to call."""

    _settings: Settings
    # What a newer version added to the configuration, by name.
    _newer: Mapping[str, Any]

    def __init_subclass__(cls, **options: Any) -> None:
        """Append the parameters to the documentation of the class."""
        super().__init_subclass__(**options)
        if cls.__doc__ and _PARAMETERS not in cls.__doc__:
            cls.__doc__ = f"{cleandoc(cls.__doc__)}\n{_PARAMETERS}"

    def __init__(
        self,
        inner: str | Mapping[str, Any] | InnerCodec = "zstd",
        *,
        threshold: str | float | None = "auto",
        polarity: str = "bright",
        roi: str = "box",
        background: float | str | None = None,
        padding: int = 3,
        max_miss_rate: float = 0.002,
        axes: Sequence[int] | None = None,
        components: str = "all",
        slice_axis: int | None = None,
        affine: Any = None,
        verify: bool = False,
        threads: int = 1,
        trust: str | Sequence[str] = (),
        max_nbytes: int | None = None,
    ) -> None:
        self._use(
            settings.make(
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
                components=components,
                verify=verify,
                threads=threads,
                trust=trust,
                max_nbytes=max_nbytes,
            )
        )

    def _use(self, made: Settings, newer: Mapping[str, Any] | None = None) -> None:
        """Take settings over; the frozen dataclasses of zarr allow no plain assignment."""
        object.__setattr__(self, "_settings", made)
        object.__setattr__(self, "_newer", dict(newer or {}))

    @classmethod
    def _with(cls, made: Settings, newer: Mapping[str, Any] | None = None) -> Self:
        made_of = cls.__new__(cls)
        made_of._use(made, newer)
        return made_of

    @classmethod
    def lossless(cls, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any) -> Self:
        """Make a codec whose round trip is bit-exact, always.

        Raises
        ------
        InvalidArgument
            For an inner codec that is not lossless, or a threshold.
        """
        made = cls(inner, **settings.without_threshold(cls.__name__, options))
        settings.check_lossless(cls.__name__, made._settings)
        return made

    @classmethod
    def fit(
        cls,
        array: Any,
        *,
        chunks: Sequence[int] | None = None,
        mask: Any = None,
        mask_margin_mm: float = 0,
        spacing_mm: Sequence[float] | None = None,
        padding_values: Any = None,
        memory: str | int | WorkingMemory | None = None,
        **options: Any,
    ) -> Self:
        """Make a codec whose threshold and background are numbers, found in the whole array.

        Where no air is found there is no threshold: everything is kept, and `note` says why.
        `region` is what is kept of the whole array, for `medroi.zarr.write` and
        `medroi.hdf5.write`, which give every chunk its crop of it. A mask takes effect there only:
        the codec itself then keeps every voxel that differs from the background.

        Parameters
        ----------
        array : array_like
            The whole array.
        chunks : sequence of int, optional
            Chunk shape in which it will be stored without a `region`; None is the whole array.
        mask : array_like, optional
            What is kept, in place of a search for it: not 0, on the grid of the array's volume.
        mask_margin_mm : float
            Voxels are kept whose centre is at most so far from that of a voxel of the mask.
        spacing_mm : sequence of float, optional
            Distance between voxel centres along each axis of the volume; None is that of `affine`.
        padding_values : number or (number, number), optional
            Padding of this scan in stored units, as DICOM's PixelPaddingValue says: a value, or the
            lowest and the highest. Neither air nor tissue, it is kept by the `region`.
        memory : str or int, optional
            Memory for the search, ``"2GiB"`` or bytes; None is that of the machine. What takes more
            than an eighth of it lies in files without a name, in the folder that TMPDIR names.
        **options
            Parameters of the class.

        Raises
        ------
        InvalidArgument
            As the class, and for a chunk shape or a mask that does not suit the array.
        """
        made = cls(**options)._settings
        working = memory_of(memory)
        return cls._with(
            settings.fit(
                array, chunks, made, mask, mask_margin_mm, spacing_mm, padding_values, working
            )
        )

    @property
    def note(self) -> str:
        """Why `fit` kept every voxel; empty where it found air to drop."""
        return self._settings.note

    @property
    def region(self) -> ScanRegion | None:
        """Region that `fit` keeps of the whole scan, for writers that crop it; None without a fit.

        It is no part of the configuration, nor of what makes two codecs equal.
        """
        return self._settings.scan

    @property
    def reading(self) -> Reading:
        """Rights of what this codec decodes: the libraries, and the size of an array."""
        return self._settings.reading

    def with_inner(self, inner: str | Mapping[str, Any] | InnerCodec) -> Self:
        """Return the same codec, fitted as it is, with another inner codec."""
        made = dataclasses.replace(self._settings, inner=make_inner(inner))
        return self._with(made, self._newer)

    def for_crops(
        self, region: ScanRegion, chunk_shape: Sequence[int], dtype: np.dtype[Any]
    ) -> Self:
        """Make the codec for chunks that were cleared outside the region of a whole scan.

        Nothing else is dropped, and their streams state the scan's threshold and miss rate.

        Parameters
        ----------
        region : ScanRegion
            What is kept of the scan: `ScanRegion.cleared` sets the rest to the background.
        chunk_shape : sequence of int
            Of the chunks.
        dtype : dtype
            Of the scan.

        Raises
        ------
        InvalidArgument
            Where the region has another background than this codec.
        """
        return self._with(codec.for_crops(self._writing(), region, chunk_shape, dtype))

    def _writing(self) -> Settings:
        """Return the settings to encode with.

        Raises
        ------
        InvalidArgument
            For a configuration of a newer version, of which a part is not understood here.
        """
        if self._newer:
            raise InvalidArgument(
                f"the configuration has {settings.names_of_newer(self._newer)}, which this version "
                "of medroi does not know: a newer version wrote it. Reading works; to write, "
                f"upgrade medroi, or make a {type(self).__name__}(...) without it"
            )
        return self._settings

    def _config(self) -> dict[str, Any]:
        """Return all parameters, fit for JSON, with what a newer version added."""
        config = settings.config_of(self._settings)
        newer = dict(self._newer)
        config["inner"] |= newer.pop("inner", {})
        return config | newer

    @classmethod
    def _of_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the codec of a configuration; parts of it that are not known only stop writing."""
        known, newer = settings.known_and_newer(config)
        return cls._with(cls(**known)._settings, newer)

    def _token(self) -> str:
        return json.dumps(self._config(), sort_keys=True)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self._config().items())
        return f"{type(self).__name__}({options})"

    def __hash__(self) -> int:
        return hash(self._token())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Binding) or type(other) is not type(self):
            return NotImplemented
        return other._token() == self._token()

    def __reduce__(self) -> Any:
        made = self._settings
        return (_unpickled, (type(self), self._config(), made.trust, made.max_nbytes))

    def __dask_tokenize__(self) -> tuple[str, str]:
        return (type(self).__name__, self._token())


def _unpickled(
    kind: type[Binding], config: dict[str, Any], trust: frozenset[str], max_nbytes: int | None
) -> Binding:
    known, newer = settings.known_and_newer(config)
    return kind._with(kind(**known, trust=tuple(trust), max_nbytes=max_nbytes)._settings, newer)
