"""Gzip files taken apart as they are read: members, their headers, and what stands behind them."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

from medroi.errors import InvalidArgument

MAGIC = b"\x1f\x8b"
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16
_FIXED_NBYTES = 10
_TRAILER_NBYTES = 8
_MAX_HEADER_NBYTES = 1 << 17
_MAX_ZEROS = 1 << 24
# bgzip starts a member every 64 kB. A list longer than this is not worth its place in a store.
_MAX_MEMBERS = 4096
_BLOCK_NBYTES = 1 << 18


class GzipContents:
    """The contents of a gzip file, member after member.

    Parameters
    ----------
    read : callable
        Gives up to so many of the file's next bytes; none at its end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._data = b""
        self._at_end = False
        self._members: list[dict[str, Any]] = []
        self._n_zeros = 0
        self._inflate: Any = None
        self._crc = self._nbytes = 0

    @property
    def container(self) -> dict[str, Any] | None:
        """Members and what else makes the file, but for the settings of deflate; None if too many.

        Holds when all was read.
        """
        if len(self._members) > _MAX_MEMBERS:
            return None
        zeros = {"trailing_zeros": self._n_zeros} if self._n_zeros else {}
        return {"kind": "gzip", "members": self._members, **zeros}

    def read(self, nbytes: int) -> bytes:
        """Return up to so many bytes of the contents; none at their end."""
        while not self._at_end:
            if self._inflate is None and not self._begins():
                break
            if not self._data:
                self._fill("compressed data")
            found: bytes = self._inflate.decompress(self._data, nbytes)
            self._data = self._inflate.unconsumed_tail
            self._crc = zlib.crc32(found, self._crc)
            self._nbytes += len(found)
            if self._inflate.eof:
                self._end_member()
            if found:
                return found
        return b""

    def _begins(self) -> bool:
        """Read the header of the next member; tell whether there is one."""
        if not self._has(2) or self._data[:2] != MAGIC:
            if not self._members:
                raise InvalidArgument("damaged gzip data (no gzip header)")
            self._count_zeros()
            return False
        header = self._take(self._header_nbytes(), "header")
        if len(self._members) <= _MAX_MEMBERS:
            encoded = base64.b64encode(header).decode("ascii")
            self._members.append({"header_base64": encoded, "contents_nbytes": 0})
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = self._nbytes = 0
        return True

    def _header_nbytes(self) -> int:
        self._need(_FIXED_NBYTES, "header")
        method, flags = self._data[2], self._data[3]
        if method != 8:
            raise InvalidArgument(f"damaged gzip data (compression method {method})")
        nbytes = _FIXED_NBYTES
        if flags & _FEXTRA:
            self._need(nbytes + 2, "header")
            nbytes += 2 + struct.unpack_from("<H", self._data, nbytes)[0]
        for flag in (_FNAME, _FCOMMENT):
            if flags & flag:
                nbytes = self._behind_text(nbytes)
        return nbytes + (2 if flags & _FHCRC else 0)

    def _behind_text(self, start: int) -> int:
        while (end := self._data.find(b"\0", start)) < 0:
            if len(self._data) > _MAX_HEADER_NBYTES:
                raise InvalidArgument("damaged gzip data (a name without end in its header)")
            self._fill("header")
        return end + 1

    def _end_member(self) -> None:
        self._data = self._inflate.unused_data
        self._inflate = None
        crc, nbytes = struct.unpack("<II", self._take(_TRAILER_NBYTES, "checksum"))
        if crc != self._crc or nbytes != self._nbytes & 0xFFFFFFFF:
            raise InvalidArgument("damaged gzip data (its checksum is that of other contents)")
        if len(self._members) <= _MAX_MEMBERS:
            self._members[-1]["contents_nbytes"] = self._nbytes

    def _count_zeros(self) -> None:
        """Read what stands behind the members: nothing, or zeros that fill up a block."""
        self._at_end = True
        block = self._data
        while block:
            if block.strip(b"\0"):
                raise InvalidArgument(
                    "damaged gzip data (bytes that are no gzip data stand behind it)"
                )
            self._n_zeros += len(block)
            if self._n_zeros > _MAX_ZEROS:
                raise InvalidArgument(f"damaged gzip data (more than {_MAX_ZEROS} zeros behind it)")
            block = self._read(_BLOCK_NBYTES)
        self._data = b""

    def _take(self, nbytes: int, what: str) -> bytes:
        self._need(nbytes, what)
        taken, self._data = self._data[:nbytes], self._data[nbytes:]
        return taken

    def _need(self, nbytes: int, what: str) -> None:
        while len(self._data) < nbytes:
            self._fill(what)

    def _has(self, nbytes: int) -> bool:
        while len(self._data) < nbytes:
            block = self._read(_BLOCK_NBYTES)
            if not block:
                return False
            self._data += block
        return True

    def _fill(self, what: str) -> None:
        block = self._read(_BLOCK_NBYTES)
        if not block:
            raise InvalidArgument(
                f"damaged gzip data (the file ends inside its {what}); it is truncated"
            )
        self._data += block
