"""The parts of one region, all coded on one scale."""

from __future__ import annotations

from collections.abc import Callable

from medroi.inner.base import Array, InnerCodec


class Scaled(InnerCodec):
    """Result of a learned codec's `plan`; it only encodes, since streams name the codec itself.

    Parameters
    ----------
    encode_part : callable
        Codes one part of the region that was planned for.
    """

    def __init__(self, encode_part: Callable[[Array], bytes]) -> None:
        self._encode_part = encode_part

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return self._encode_part(part)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """Never asked for: streams name the codec itself."""
        raise NotImplementedError
