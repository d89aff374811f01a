"""Libraries that may decode the bytes of a stream.

Every stream names its inner codec, and bytes from elsewhere would choose the library that reads
them. So the kernel's own codecs decode anything; another library decodes what the reader was
configured with, what it was asked to trust, and what this process wrote itself. Libraries that do
not survive hostile bytes decode only the last two.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from medroi.errors import CorruptStream, InvalidArgument, Untrusted
from medroi.inner.base import InnerCodec
from medroi.inner.forking import ForkSafeLock

VARIABLE = "MEDROI_TRUST"
# Ids below are MedROI's own formats, decoded by the kernel or a stand-in that is held to the same.
_FIRST_FOREIGN_ID = 16
# About 40 MB once there are so many.
_MAX_REMEMBERED = 1 << 18


@dataclass(frozen=True)
class Reading:
    """Rights that a reader gives to streams.

    Attributes
    ----------
    codec_id : int, optional
        The inner codec that its configuration names; without one, only MedROI's own decode.
    library : str, optional
        The library of that inner codec; None is any that it has.
    trust : frozenset of str
        Libraries that may decode whatever comes.
    max_nbytes : int, optional
        Bytes that a decoded array may have; None leaves it to `max_nbytes_of`.
    """

    codec_id: int | None = None
    library: str | None = None
    trust: frozenset[str] = frozenset()
    max_nbytes: int | None = None


# MedROI's own codecs decode, and nothing else.
OWN_ONLY = Reading()


class _Written:
    """Digests of the parts that this process wrote, the latest of them.

    They are keyed by a secret of the process, so that nobody can write a part with the digest of
    another.
    """

    def __init__(self) -> None:
        self._lock = ForkSafeLock(wait=True)
        self._key = os.urandom(16)
        self._digests: OrderedDict[bytes, None] = OrderedDict()

    def _digest(self, part: bytes | memoryview) -> bytes:
        return hashlib.blake2b(part, digest_size=16, key=self._key).digest()

    def note(self, parts: Iterable[bytes]) -> None:
        digests = [self._digest(part) for part in parts]
        with self._lock:
            self._digests.update(dict.fromkeys(digests))
            while len(self._digests) > _MAX_REMEMBERED:
                self._digests.popitem(last=False)

    def has(self, part: memoryview) -> bool:
        return self._digest(part) in self._digests


_written = _Written()


def note_written(codec: type[InnerCodec], parts: Iterable[bytes]) -> None:
    """Remember parts that this process coded: it may decode them whoever asks."""
    if codec.codec_id >= _FIRST_FOREIGN_ID:
        _written.note(parts)


def names_of(trust: str | Iterable[str]) -> frozenset[str]:
    """The libraries in an argument `trust`: names, or one text with commas between them.

    Raises
    ------
    InvalidArgument
    """
    names = trust.split(",") if isinstance(trust, str) else list(trust)
    if not all(isinstance(name, str) for name in names):
        raise InvalidArgument(
            f"trust={trust!r}: expected names of libraries, such as 'imagecodecs_sperr'"
        )
    return frozenset(name.strip() for name in names if name.strip())


def check(codec: type[InnerCodec], part: memoryview, reading: Reading) -> None:
    """Refuse a part whose library nobody said may decode it.

    Raises
    ------
    Untrusted
    CorruptStream
        For a part that names no library.
    """
    if codec.codec_id < _FIRST_FOREIGN_ID:
        return
    library = codec.library_of(part)
    if library in reading.trust or library in names_of(os.environ.get(VARIABLE, "")):
        return
    configured = codec.codec_id == reading.codec_id and reading.library in (None, library)
    if (configured and codec.survives(library)) or _written.has(part):
        return
    how = (
        f"If you know where it is from, pass trust={library!r} (to the command, --trust {library}) "
        f"or set {VARIABLE}={library}"
    )
    if configured:
        raise Untrusted(
            f"the stream is decoded by {library}, which hostile bytes can crash, and this process "
            f"did not write it. {how}"
        )
    raise Untrusted(
        f"the stream asks to be decoded by {library}; this reader is configured for "
        f"{reading.library or 'other inner codecs'}. {how}, or read it with inner={library!r}"
    )


LIMIT_VARIABLE = "MEDROI_MAX_NBYTES"
# As large as a chunk of most codecs may be; beyond it, no real volume is coded a thousandfold.
_ALWAYS_NBYTES = 1 << 31
_MAX_EXPANSION = 1000


def check_size(
    nbytes: int, stream_nbytes: int, reading: Reading, *, size_is_known: bool, what: str
) -> None:
    """Refuse an array that is larger than the reader allows, before memory is taken for it.

    Parameters
    ----------
    nbytes : int
        Bytes of the array that the stream claims to hold.
    stream_nbytes : int
        Bytes of the stream.
    reading : Reading
    size_is_known : bool
        Whether the reader expects an array of just this size; then only a limit that somebody
        set counts.
    what : str
        The array, for the message.

    Raises
    ------
    CorruptStream
    """
    limit = reading.max_nbytes
    if limit is None:
        limit = _limit_of_environment()
    if limit is None and size_is_known:
        return
    if limit is None:
        limit = max(_ALWAYS_NBYTES, _MAX_EXPANSION * stream_nbytes)
    if nbytes > limit:
        raise CorruptStream(
            f"the stream of {stream_nbytes} bytes claims {what}, {nbytes} bytes, more than the "
            f"limit of {limit}: if that is right, pass max_nbytes={nbytes} or set {LIMIT_VARIABLE}"
        )


def check_limit(max_nbytes: int | None) -> None:
    """Refuse an argument `max_nbytes` that is no number of bytes.

    Raises
    ------
    InvalidArgument
    """
    is_number = isinstance(max_nbytes, int) and not isinstance(max_nbytes, bool)
    if max_nbytes is not None and (not is_number or max_nbytes < 0):
        raise InvalidArgument(f"max_nbytes={max_nbytes!r}: expected a whole number of bytes")


def _limit_of_environment() -> int | None:
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise InvalidArgument(f"{LIMIT_VARIABLE}={text!r}: expected a whole number of bytes")
    return int(text)
