"""A memory store that remembers what was asked of it."""

from __future__ import annotations

from typing import Any

from zarr.storage import MemoryStore, WrapperStore


class CountingStore(WrapperStore):
    """Remembers each read of a chunk: key, byte range asked for (None: all), bytes delivered."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store if store is not None else MemoryStore())
        self.reads: list[tuple[str, tuple[int, int] | None, int]] = []

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `Store.get`."""
        found = await self._store.get(key, prototype, byte_range)
        if found is not None and "zarr.json" not in key:
            self.reads.append((key, _bounds(byte_range), len(found)))
        return found

    def chunk(self, key: str) -> bytes:
        """The bytes stored under a key."""
        return self._store._store_dict[key].to_bytes()

    def replace_chunk(self, key: str, stored: bytes) -> None:
        """Store other bytes under a key, as a failing disk would."""
        buffer = self._store._store_dict[key]
        self._store._store_dict[key] = type(buffer).from_bytes(stored)


def _bounds(byte_range: Any) -> tuple[int, int] | None:
    if byte_range is None or not hasattr(byte_range, "start"):
        return None
    return byte_range.start, byte_range.end
