"""`MedROI`, the numcodecs codec: Zarr format 2 and everything else that takes numcodecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray

from medroi import arrays, codec
from medroi.binding import Binding
from medroi.decoded import as_decoded


class MedROI(Binding, Codec):
    """Keep the tissue, discard noisy air, and hand the tissue to an inner codec.

    `MedROI()` sets voxels outside the region to `background` where they are shown to be noisy air,
    and keeps all others; `MedROI.lossless()` keeps all.
    """

    codec_id = "medroi"

    def encode(self, buf: Any) -> bytes:
        """Encode an array, what numpy makes an array of, or a buffer of bytes to one stream.

        Raises
        ------
        InvalidArgument
            For arrays that the settings cannot serve.
        """
        # Datasets of h5py, arrays of Zarr and xarray, proxies of nibabel: `fit` takes them too.
        array = np.asarray(buf) if hasattr(buf, "__array__") else ensure_ndarray(buf)
        return codec.encode(array, self._writing())

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
        return {"id": self.codec_id, **self._config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The codec that a configuration describes.

        Parameters of a newer version are kept. Such a codec decodes, and encodes nothing.

        Raises
        ------
        InvalidArgument
            For parameters that no array could be coded with.
        """
        return cls._of_config(config)
