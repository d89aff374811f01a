"""Memory stores that remember what was asked of them, and that answer as real stores do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zarr.storage import MemoryStore, WrapperStore


class CountingStore(WrapperStore):
    """Remembers each read of a chunk: key, byte range asked for (None: all), bytes delivered."""

    # Whether a pipeline may read without an event loop.
    is_sync = True

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store if store is not None else MemoryStore())
        self.reads: list[tuple[str, tuple[int, int] | None, int]] = []

    @property
    def _supports_sync_io(self) -> bool:
        return self.is_sync

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `Store.get`."""
        found = await self._store.get(key, prototype, self._asked(key, byte_range))
        return self._counted(key, found, byte_range)

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        """See `Store.get_sync`."""
        asked = self._asked(key, byte_range)
        found = self._store.get_sync(key, prototype=prototype, byte_range=asked)
        return self._counted(key, found, byte_range)

    def get_ranges(self, key: str, byte_ranges: Any, **options: Any) -> Any:
        """See `Store.get_ranges`: through our own `get`, so that it is counted."""
        return super(WrapperStore, self).get_ranges(key, byte_ranges, **options)

    def chunk(self, key: str) -> bytes:
        """The bytes stored under a key."""
        return self._store._store_dict[key].to_bytes()

    def replace_chunk(self, key: str, stored: bytes) -> None:
        """Store other bytes under a key, as a failing disk would."""
        buffer = self._store._store_dict[key]
        self._store._store_dict[key] = type(buffer).from_bytes(stored)

    @property
    def n_bytes_read(self) -> int:
        """Bytes delivered in all."""
        return sum(nbytes for _, _, nbytes in self.reads)

    def _asked(self, key: str, byte_range: Any) -> Any:
        return byte_range

    def _counted(self, key: str, found: Any, byte_range: Any) -> Any:
        if found is not None and "zarr.json" not in key:
            self.reads.append((key, _bounds(byte_range), len(found)))
        return found


class StrictStore(CountingStore):
    """Refuses ranges that end beyond the end, as icechunk does."""

    def _asked(self, key: str, byte_range: Any) -> Any:
        bounds = _bounds(byte_range)
        if bounds is not None and bounds[1] > len(self.chunk(key)):
            raise ValueError(f"byte range {bounds} is out of bounds for {key}")
        return byte_range


class FullBodyStore(CountingStore):
    """Answers every range with everything, as servers without ranges do."""

    def _asked(self, key: str, byte_range: Any) -> Any:
        return None


class RangelessStore(CountingStore):
    """Knows no ranges at all."""

    def _asked(self, key: str, byte_range: Any) -> Any:
        if byte_range is not None:
            raise NotImplementedError("no byte ranges")
        return None


class ChangingStore(CountingStore):
    """Runs `change` after the first reads of a chunk, as another writer may."""

    def __init__(self, n_reads: int, change: Callable[[ChangingStore], None]) -> None:
        super().__init__()
        self._n_reads, self._change = n_reads, change

    def _counted(self, key: str, found: Any, byte_range: Any) -> Any:
        counted = super()._counted(key, found, byte_range)
        if len(self.reads) == self._n_reads:
            self._change(self)
        return counted


def _bounds(byte_range: Any) -> tuple[int, int] | None:
    if byte_range is None or not hasattr(byte_range, "start"):
        return None
    return byte_range.start, byte_range.end
