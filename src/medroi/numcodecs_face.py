"""`MedROI`, the numcodecs codec: Zarr format 2 and everything else that takes numcodecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray

from medroi import arrays, codec, settings
from medroi.decoded import as_decoded
from medroi.inner.base import InnerCodec


class MedROI(Codec):
    """Keep the tissue, discard noisy air, and hand the tissue to an inner codec.

    `MedROI()` sets voxels outside the region to `background` where they are shown to be noisy air,
    and keeps all others; `MedROI.lossless()` keeps all.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        What codes the region: "zstd", {"id": "zstd", "level": 9}, ...
    threshold : {"auto", "mean", "otsu", "noise"}, float or None
        Which voxels are tissue, in stored units; the mean is that of the voxels that are not
        background, the noise that of the air. None keeps every voxel that differs bitwise from
        the background; "auto" does so too, unless what the mean would drop is noisy air and the
        array is completely written. A hull takes "noise" for "mean" and "otsu".
    polarity : {"bright", "dark"}
        Whether tissue is brighter or darker than the threshold.
    roi : {"box", "hull"}
        Shape of the region: the bounding box of the tissue, or its outline.
    background : int, float, "auto" or None
        Value of the air, in stored units; "auto" finds it in each array, and keeps everything
        where it cannot be told. None is the array's fill value, where it is known, else 0.
    padding : int
        Voxels added on every side of the box.
    max_miss_rate : float
        Largest share of voxels at the threshold outside the region; for every array encoded.
    axes : sequence of int, optional
        Array axes of the volume; None is the last three. The others share one region.
    components : {"all", "largest"}
        Which connected components of the tissue count; "largest" leaves out tables and labels.
    slice_axis : int, optional
        Array axis along which the inner codec sees slices; None is the outermost in memory.
    affine : array_like, optional
        3x3 or 4x4, voxel index to mm; its 3x3 goes into the record.
    verify : bool
        Decode every stream after encoding it, and refuse one that does not give back the region
        as its inner codec promises.
    threads : int
        Threads that share the parts of one array. The bytes are the same for any number, which
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

    codec_id = "medroi"

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
        self._settings = settings.make(
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
        made = cls(inner, **settings.without_threshold("MedROI", options))
        settings.check_lossless("MedROI", made._settings)
        return made

    @classmethod
    def fit(cls, array: Any, *, chunks: Sequence[int] | None = None, **options: Any) -> MedROI:
        """A codec whose threshold and background are numbers, found in the whole array.

        Where no air is found there is no threshold: everything is kept, and `note` says why.

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
            As `MedROI`, and for a chunk shape that does not suit the array.
        """
        made = cls(**options)
        made._settings = settings.fit(array, chunks, made._settings)
        return made

    @property
    def note(self) -> str:
        """Why `fit` kept every voxel; empty where it found air to drop."""
        return self._settings.note

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
            Decoded into and returned if given: an array of the shape, dtype, byte order and
            memory order encoded, or a flat buffer of bytes.

        Raises
        ------
        CorruptStream, UnsupportedVersion, InnerUnavailable, Untrusted
        InvalidArgument
            For an `out` of another layout.
        """
        source = arrays.memory_of(arrays.as_dense(ensure_ndarray(buf)))
        if out is None:
            return as_decoded(self._decode(source, None))
        self._decode(source, ensure_ndarray(out))
        return out

    def _decode(self, source: Any, out: Any) -> Any:
        made = self._settings
        return codec.decode(source, out, threads=made.threads, reading=made.reading)

    def get_config(self) -> dict[str, Any]:
        """All parameters, fit for JSON, with the codec's id."""
        return {"id": self.codec_id, **settings.config_of(self._settings)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MedROI:
        """The codec that a configuration describes.

        Raises
        ------
        InvalidArgument
            For parameters that no `MedROI` has.
        """
        return cls(**settings.arguments("MedROI", config))

    def __repr__(self) -> str:
        return settings.text_of("MedROI", self._settings)

    def __hash__(self) -> int:
        return hash(settings.token_of(self._settings))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MedROI):
            return NotImplemented
        return settings.token_of(other._settings) == settings.token_of(self._settings)

    def __reduce__(self) -> Any:
        made = self._settings
        return (_unpickled, (settings.config_of(made), made.trust, made.max_nbytes))

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("MedROI", settings.token_of(self._settings))


def _unpickled(config: dict[str, Any], trust: frozenset[str], max_nbytes: int | None) -> MedROI:
    return MedROI(**config, trust=tuple(trust), max_nbytes=max_nbytes)
