"""`MedROIFilter`: the options of `MedROI` as h5py wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medroi import plugins
from medroi.errors import InvalidArgument
from medroi.hdf5 import cd_values
from medroi.inner.base import InnerCodec
from medroi.numcodecs_face import MedROI, make_settings
from medroi.plugins import hook
from medroi.plugins.interface import load_installed

if TYPE_CHECKING:
    _Base = Mapping[str, Any]
else:
    try:
        import h5py

        _Base = h5py.filters.FilterRefBase
    except ImportError:  # PyTables or netCDF4 alone: reading and h5repack are left
        _Base = Mapping

# PROVISIONAL until The HDF Group registers one; filters/cd_values.h has the same.
FILTER_ID = 33054


class MedROIFilter(_Base):
    """The filter with its options, for `create_dataset(..., **MedROIFilter(...))`.

    `create_dataset(..., compression=MedROIFilter(...))` does the same. As with `MedROI()`, voxels
    outside the region become background; `MedROIFilter.lossless()` keeps all. The dataset's fill
    value must be the background, and no filter may stand in front of this one.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        What codes the region. Codecs that the plugin does not have run in Python: programs without
        it cannot read such chunks.
    **options
        Options of `medroi.MedROI`; `affine` is not one of them, as cd_values have no room: keep it
        in an attribute.

    Attributes
    ----------
    filter_id : int
        `FILTER_ID`.
    filter_options : tuple of int
        The cd_values.
    codec : MedROI
        What gives the same bytes for one chunk: `codec.encode(chunk)`.

    Raises
    ------
    InvalidArgument
        For settings that no chunk could be coded with, or that cd_values cannot hold.
    """

    filter_id = FILTER_ID

    def __init__(self, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any) -> None:
        self._init_from(MedROI(inner, **options))

    def _init_from(self, codec: MedROI) -> None:
        plugins.register()
        config = codec.get_config()
        if config.get("affine") is not None:
            raise InvalidArgument(
                "affine: the filter's parameters have no room for it; keep it in an attribute of "
                "the dataset"
            )
        del config["id"]
        settings = make_settings(config.pop("inner"), **config)
        words = None
        if load_installed().has_inner(settings.inner.codec_id):
            words = cd_values.native_words(settings.inner)
        if words is None:
            words = cd_values.key_words(settings.inner, hook.key_of(settings, codec.get_config()))
        self.codec = codec
        self.filter_options = cd_values.user_words(settings, words)

    @classmethod
    def from_codec(cls, codec: MedROI) -> MedROIFilter:
        """The filter that writes what a codec encodes."""
        made = cls.__new__(cls)
        made._init_from(codec)
        return made

    @classmethod
    def lossless(
        cls, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any
    ) -> MedROIFilter:
        """A filter whose round trip is bit-exact, always; see `MedROI.lossless`."""
        return cls.from_codec(MedROI.lossless(inner, **options))

    @classmethod
    def fit(
        cls, array: Any, *, chunks: Sequence[int] | None = None, **options: Any
    ) -> MedROIFilter:
        """A filter whose numbers come from the whole array; see `MedROI.fit`."""
        return cls.from_codec(MedROI.fit(array, chunks=chunks, **options))

    @property
    def h5repack_option(self) -> str:
        """The argument of `h5repack -f` that applies this filter."""
        values = ",".join(map(str, self.filter_options))
        return f"UD={self.filter_id},0,{len(self.filter_options)},{values}"

    def _arguments(self) -> dict[str, Any]:
        return {"compression": self.filter_id, "compression_opts": self.filter_options}

    def __getitem__(self, key: str) -> Any:
        return self._arguments()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arguments())

    def __len__(self) -> int:
        return len(self._arguments())

    def __hash__(self) -> int:
        return hash((self.filter_id, self.filter_options))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MedROIFilter) and other.codec == self.codec

    def __repr__(self) -> str:
        return repr(self.codec).replace("MedROI(", "MedROIFilter(", 1)
