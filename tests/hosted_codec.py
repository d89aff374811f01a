"""An inner codec that only Python has, under an id whose name the HDF5 plugin knows.

`install()` puts it into the table of inner codecs of this process.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medroi import inner
from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.base import InnerCodec, dense_bytes

ID, NAME = 36, "sirenmri"


@dataclass(frozen=True)
class Hosted(InnerCodec):
    """Every byte added to a constant."""

    codec_id = ID
    name = NAME

    plus: int = 1

    def check(self, region) -> None:
        if region.dtype.kind == "f":
            raise InvalidArgument("this codec codes integers only")

    def encode(self, part) -> bytes:
        return bytes([self.plus]) + (dense_bytes(part) + np.uint8(self.plus)).tobytes()

    @classmethod
    def decode(cls, coded, out) -> None:
        if len(coded) != out.nbytes + 1:
            raise CorruptStream("corrupt stream: a part of the wrong length")
        dense_bytes(out)[:] = np.frombuffer(coded, np.uint8, offset=1) - np.uint8(coded[0])


def install() -> None:
    others = tuple(entry for entry in inner.TABLE if entry.codec_id != ID)
    inner.TABLE = (*others, inner.Entry(ID, NAME, f"{__name__}:Hosted"))
