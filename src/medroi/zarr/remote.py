"""A store behind a URL, of which a chunk that is not there is a loss and no background."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, WrapperStore

from medroi.errors import CorruptStream

# c/0/0/0 of format 3; 0.0.0 and 0/0/0 of format 2.
_CHUNK = re.compile(r"(^|/)(c|c[./]\d+([./]\d+)*|\d+([./]\d+)*)$")


class RemoteStore(WrapperStore[Store]):
    """Read a packed scan through another store.

    Zarr takes a chunk that is not there for one that was never written, and gives its fill value.
    A packed scan has every chunk, and a server that fails for one must not make air of it. Servers
    that send the whole of a file, where a part was asked for, are understood too.
    """

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a value, or a part of it."""
        found = await super().get(key, prototype, byte_range)
        if found is None and _CHUNK.search(key):
            raise CorruptStream(
                f"{self._store}/{key}: not there, or not to be read; a packed scan has every "
                "chunk. Copy the store again, or ask who serves it"
            )
        return None if found is None else _asked_for(found, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read parts of values."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]


class RemoteFiles:
    """The files of a remote store by their keys, read one after another.

    Parameters
    ----------
    store : RemoteStore
    """

    def __init__(self, store: RemoteStore) -> None:
        self._store = store

    def read(self, key: str, start: int = 0, nbytes: int | None = None) -> bytes | None:
        """Read a file, or some bytes of it; None where there is no such file.

        Parameters
        ----------
        key : str
            Of the file, with slashes.
        start : int
            Of the first byte; below 0 counted from the end.
        nbytes : int, optional
            At most so many; None is all that follows.

        Raises
        ------
        CorruptStream
            Where it is a chunk, and not there.
        """
        asked: ByteRequest | None = None
        if start < 0:
            asked = SuffixByteRequest(-start)
        elif nbytes is not None:
            asked = RangeByteRequest(start, start + nbytes)
        found = sync(self._store.get(key, default_buffer_prototype(), asked))
        if found is None:
            return None
        data: bytes = found.to_bytes()
        # All from the start on was read where nothing, or only a start, was asked for.
        data = data[start:] if asked is None else data
        return data if nbytes is None else data[:nbytes]

    def nbytes(self, key: str) -> int | None:
        """Give the size of a file; None where it is not there."""
        try:
            return int(sync(self._store.getsize(key)))
        except FileNotFoundError:
            return None

    def names(self) -> set[str]:
        """List the keys of all files, where the server lists what it has."""

        async def listed() -> set[str]:
            return {key async for key in self._store.list()}

        return sync(listed())


def open_url(url: str, storage_options: dict[str, Any] | None) -> RemoteStore:
    """Give the store behind a URL of any kind that fsspec knows, for reading."""
    return RemoteStore(FsspecStore.from_url(url, storage_options, read_only=True))


def _asked_for(found: Buffer, byte_range: ByteRequest | None) -> Buffer:
    """The part that was asked for, of what may be all of a value."""
    if isinstance(byte_range, RangeByteRequest):
        nbytes = byte_range.end - byte_range.start
        if len(found) > nbytes:
            return found[byte_range.start : byte_range.end]
    elif isinstance(byte_range, SuffixByteRequest) and len(found) > byte_range.suffix:
        return found[len(found) - byte_range.suffix :]
    return found
