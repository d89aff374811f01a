"""`MedROIFilter`: the options of `MedROI` as h5py wants them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from medroi import _kernel, codec, plugins, stream
from medroi.binding import Binding
from medroi.errors import InvalidArgument
from medroi.plugins import host

if TYPE_CHECKING:
    _Base = Mapping[str, Any]
else:
    try:
        import h5py

        _Base = h5py.filters.FilterRefBase
    except ImportError:  # PyTables or netCDF4 alone: reading and h5repack are left
        _Base = Mapping

# PROVISIONAL until The HDF Group registers one.
FILTER_ID: int = _kernel.HDF5_FILTER_ID


class MedROIFilter(Binding, _Base):
    """The filter with its options, for `create_dataset(..., **MedROIFilter(...))`.

    `create_dataset(..., compression=MedROIFilter(...))` does the same. As with `MedROI()`, voxels
    outside the region become background; `MedROIFilter.lossless()` keeps all. A background that is
    given must be the dataset's fill value; None is the fill value, as it is when the dataset is
    created. No filter may stand in front of this one. Each chunk holds the bytes that `MedROI` with
    the same options gives for it.

    The filter's parameters have no room for `affine`, `verify`, `threads` and `max_nbytes`: they
    are refused. `trust` is for datasets of this process that were written with the same options;
    MEDROI_TRUST in the environment is for those of other options. Programs without Python cannot
    read chunks of an inner codec that the plugin does not have.

    Attributes
    ----------
    filter_id : int
        `FILTER_ID`.
    filter_options : tuple of int
        The cd_values.
    """

    filter_id = FILTER_ID

    def _use(self, made: codec.Settings, newer: Mapping[str, Any] | None = None) -> None:
        super()._use(made, newer)
        _check_room(self._writing())
        plugins.register()
        key = host.key_of(made) if made.config.needs_key() else 0
        self.filter_options = made.config.cd_values(key)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The filter for a configuration of `MedROI`, as `MedROI.get_config` gives it.

        Raises
        ------
        InvalidArgument
            For one with an affine, and for one of a newer version: filters are for writing.
        """
        return cls._of_config(config)

    def get_config(self) -> dict[str, Any]:
        """The configuration of the `MedROI` that gives the same bytes for a chunk."""
        return {"id": "medroi", **self._config()}

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


def options_in(words: Sequence[int]) -> dict[str, Any]:
    """The options of `MedROI` that a dataset's cd_values hold, but for those of the inner codec."""
    options: dict[str, Any] = json.loads(_kernel.config_in_cd_values(tuple(words)))
    return {name: value for name, value in options.items() if name not in ("id", "inner")}


def _check_room(made: codec.Settings) -> None:
    """Refuse what the filter's parameters have no room for.

    Raises
    ------
    InvalidArgument
    """
    background: Any = made.region.background
    if isinstance(background, int) and not -(2**63) <= background < 2**64:
        raise InvalidArgument(f"background={background!r}: no element of 64 bits holds it")
    hints = {
        "affine": (made.affine == stream.IDENTITY, "keep it in an attribute of the dataset"),
        "verify": (not made.verify, "read the dataset back"),
        "threads": (made.threads == 1, "pass it to medroi.hdf5.write and medroi.hdf5.read"),
        "max_nbytes": (made.max_nbytes is None, "set MEDROI_MAX_NBYTES"),
    }
    for name, (is_default, hint) in hints.items():
        if not is_default:
            raise InvalidArgument(
                f"{name}: the filter's parameters have no room for it; leave it out, and {hint}"
            )
