"""`MedROIFilter`: the options of `MedROI` as h5py wants them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medroi import codec, plugins, settings
from medroi.errors import InvalidArgument
from medroi.hdf5 import cd_values
from medroi.inner.base import InnerCodec
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
    outside the region become background; `MedROIFilter.lossless()` keeps all. A background that is
    given must be the dataset's fill value; None is the fill value, as it is when the dataset is
    created. No filter may stand in front of this one. Each chunk holds the bytes that `MedROI` with
    the same options gives for it.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        What codes the region. Codecs that the plugin does not have run in Python: programs without
        it cannot read such chunks.
    threshold, polarity, roi, background, padding, max_miss_rate, axes, components, slice_axis
        As of `medroi.MedROI`. An affine has no room here: keep it in an attribute.
    trust
        As of `medroi.MedROI`, for datasets of this process that were written with the same
        options. MEDROI_TRUST in the environment is for those of other options.

    Attributes
    ----------
    filter_id : int
        `FILTER_ID`.
    filter_options : tuple of int
        The cd_values.

    Raises
    ------
    InvalidArgument
        For settings that no chunk could be coded with, or that cd_values cannot hold.
    """

    filter_id = FILTER_ID

    _settings: codec.Settings

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
        trust: str | Sequence[str] = (),
    ) -> None:
        self._use(
            settings.make(
                inner,
                slice_axis=slice_axis,
                trust=trust,
                affine=None,
                threshold=threshold,
                polarity=polarity,
                roi=roi,
                background=background,
                padding=padding,
                max_miss_rate=max_miss_rate,
                axes=axes,
                components=components,
            )
        )

    def _use(self, made: codec.Settings) -> None:
        plugins.register()
        words = None
        if load_installed().has_inner(made.inner.codec_id):
            words = cd_values.native_words(made.inner)
        if words is None:
            words = cd_values.key_words(made.inner, hook.key_of(made))
        self._settings = made
        self.filter_options = cd_values.user_words(made, words)

    @classmethod
    def lossless(
        cls, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any
    ) -> MedROIFilter:
        """A filter whose round trip is bit-exact, always.

        Raises
        ------
        InvalidArgument
            For an inner codec that is not lossless, or a threshold.
        """
        made = cls(inner, **settings.without_threshold("MedROIFilter", options))
        settings.check_lossless("MedROIFilter", made._settings)
        return made

    @classmethod
    def fit(
        cls, array: Any, *, chunks: Sequence[int] | None = None, **options: Any
    ) -> MedROIFilter:
        """A filter whose numbers come from the whole array; see `MedROI.fit`.

        Raises
        ------
        InvalidArgument
            As `MedROIFilter`, and where background="auto" cannot tell.
        """
        made = cls.__new__(cls)
        made._use(settings.fit(array, chunks, cls(**options)._settings))
        return made

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MedROIFilter:
        """The filter for a configuration of `MedROI`, as `MedROI.get_config` gives it.

        Raises
        ------
        InvalidArgument
            For one with an affine.
        """
        options = settings.arguments("MedROIFilter", config)
        if options.pop("affine", None) is not None:
            raise InvalidArgument(
                "affine: the filter's parameters have no room for it; keep it in an attribute of "
                "the dataset"
            )
        return cls(**options)

    def get_config(self) -> dict[str, Any]:
        """The configuration of the `MedROI` that gives the same bytes for a chunk."""
        return {"id": "medroi", **settings.config_of(self._settings)}

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
        return isinstance(other, MedROIFilter) and other.get_config() == self.get_config()

    def __repr__(self) -> str:
        return settings.text_of("MedROIFilter", self._settings).replace(", affine=None", "")

    def __reduce__(self) -> Any:
        return (_unpickled, (self.get_config(), self._settings.trust))


def _unpickled(config: dict[str, Any], trust: frozenset[str]) -> MedROIFilter:
    options = {key: value for key, value in config.items() if key not in ("id", "affine")}
    return MedROIFilter(**options, trust=tuple(trust))
