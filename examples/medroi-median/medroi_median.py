"""An inner codec for MedROI: the median predictor of JPEG-LS, then zlib. Lossless."""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.base import InnerCodec, check_number


@dataclass(frozen=True)
class Median(InnerCodec):
    """Predict each voxel from its neighbours in the slice, and compress the residuals."""

    codec_id, name = 64, "median"
    dtypes, dims = "all real numbers", "2-D"

    level: int = 6

    def __post_init__(self):
        """Refuse levels that zlib does not have."""
        check_number(self.name, "level", self.level, 0, 9)

    def check(self, region):
        """Refuse elements that are no numbers."""
        if region.dtype.kind not in "biuf":
            raise InvalidArgument(
                f"median codes real numbers, found dtype {region.dtype}: use zstd"
            )

    def encode(self, part):
        """Compress what the prediction of all slices leaves."""
        bits = _bits_of(part.dtype)
        slices = (
            np.ascontiguousarray(part)
            .view(bits)
            .astype(bits.newbyteorder("="))
            .reshape(_slices_of(part))
        )
        padded = np.pad(slices, ((0, 0), (1, 0), (1, 0)))
        residuals = slices - _median(padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1])
        return zlib.compress(residuals.astype(bits.newbyteorder("<")).tobytes(), self.level)

    @classmethod
    def decode(cls, coded, out):
        """Undo it along the diagonals of all slices at once."""
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(coded, out.nbytes + 1)
        except zlib.error as error:
            raise CorruptStream(f"corrupt stream: {error}") from error
        if len(plain) != out.nbytes or not stream.eof or stream.unused_data:
            raise CorruptStream("corrupt stream: a median part of the wrong length")
        bits = _bits_of(out.dtype)
        residuals = np.frombuffer(plain, bits.newbyteorder("<")).reshape(_slices_of(out))
        n_rows, n_columns = residuals.shape[1:]
        v = np.zeros((len(residuals), n_rows + 1, n_columns + 1), bits.newbyteorder("="))
        for diagonal in range(n_rows + n_columns - 1):
            y = np.arange(max(0, diagonal - n_columns + 1), min(n_rows, diagonal + 1))
            x = diagonal - y
            predicted = _median(v[:, y + 1, x], v[:, y, x + 1], v[:, y, x])
            v[:, y + 1, x + 1] = residuals[:, y, x] + predicted
        out.reshape(-1).view(bits)[:] = v[:, 1:, 1:].reshape(-1)


def _bits_of(dtype):
    return np.dtype(f"{dtype.str[0]}{'i' if dtype.kind == 'i' else 'u'}{dtype.itemsize}")


def _slices_of(part):
    rows, columns = (1, 1, *part.shape)[-2:]
    return (math.prod(part.shape[:-2]), rows, columns)


def _median(left, above, corner):
    low, high = np.minimum(left, above), np.maximum(left, above)
    return np.where(corner >= high, low, np.where(corner <= low, high, left + above - corner))
