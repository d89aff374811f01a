"""Changes at the end of an HDF5 file that happen whole or not at all.

HDF5 1.14 keeps no journal: a process that dies while the library writes leaves a file that nobody
can open. So the library is given this file object instead of the file. What it adds behind the
end of the file goes there at once, where nothing refers to it yet. What it changes of the bytes
before that (a few blocks: the superblock, the group that gets a new link) waits in memory. `commit`
waits until the addition is on the disk, writes the old and the new form of those blocks behind it
as a journal, waits for that, and only then changes the blocks. The journal lies behind the end that
the superblock names, where HDF5 neither reads nor keeps anything, and is cut off at the end.

A kill before the first block is changed leaves the file as it was, with bytes behind its end that
every reader ignores. After the last one it leaves the new file. In between `recover` restores the
old blocks.
"""

from __future__ import annotations

import os
from typing import Any

from medroi.errors import MedROIError
from medroi.scans.stores.hdf5_journal import Block, append_journal, recover
from medroi.system import read_at, write_at

_BLOCK_NBYTES = 4096
# Blocks this near to each other are changed by one write.
_JOINED_NBYTES = 1 << 20


class Addition:
    """The file object for h5py's driver ``fileobj``.

    Parameters
    ----------
    descriptor : int
        Of the file, open for reading and writing, and locked.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._physical_nbytes = os.fstat(descriptor).st_size
        self._old_nbytes = min(self._physical_nbytes, _named_nbytes(descriptor))
        self._nbytes = self._old_nbytes
        self._position = 0
        self._blocks: dict[int, tuple[bytes, bytearray]] = {}
        self._journalled = False
        # What went wrong under the library, which may turn it into an error of its own.
        self.error: BaseException | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as files do."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._nbytes}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, nbytes: int = -1) -> bytes:
        """Read what the file will hold."""
        stop = self._nbytes if nbytes < 0 else min(self._nbytes, self._position + nbytes)
        data = bytearray(max(0, stop - self._position))
        return bytes(data[: self.readinto(data)])

    def readinto(self, buffer: Any) -> int:
        """Read what the file will hold into a buffer."""
        view = memoryview(buffer).cast("B")
        start = self._position
        count = max(0, min(len(view), self._nbytes - start))
        data = bytearray(read_at(self._descriptor, count, start))
        data += bytes(count - len(data))
        for index, (_, block) in self._blocks.items():
            first, last = index * _BLOCK_NBYTES, index * _BLOCK_NBYTES + len(block)
            low, high = max(first, start), min(last, start + count)
            if low < high:
                data[low - start : high - start] = block[low - first : high - first]
        view[:count] = data
        self._position += count
        return count

    def write(self, data: Any) -> int:
        """Write behind the old end of the file; keep what lies before it for `commit`."""
        try:
            view = memoryview(data).cast("B")
            inside = max(0, min(len(view), self._old_nbytes - self._position))
            if inside:
                self._change(self._position, view[:inside])
            if inside < len(view):
                write_at(self._descriptor, view[inside:], self._position + inside)
        except BaseException as error:
            self.error = self.error or error
            raise
        self._position += len(view)
        self._nbytes = max(self._nbytes, self._position)
        return len(view)

    def truncate(self, nbytes: int | None = None) -> int:
        """Set the size that the file will have."""
        self._nbytes = self._position if nbytes is None else nbytes
        return self._nbytes

    def flush(self) -> None:
        """Do nothing: `commit` waits for the disk."""

    def commit(self) -> None:
        """Make the addition part of the file.

        Raises
        ------
        MedROIError
            Where another program changed the file meanwhile; it is left as that one wrote it.
        OSError
            For a full disk; the file is as it was.
        """
        if self.error is not None:
            raise self.error
        changed = [
            (index * _BLOCK_NBYTES, old, bytes(new))
            for index, (old, new) in sorted(self._blocks.items())
            if old != new
        ]
        os.fsync(self._descriptor)
        for offset, old, _ in changed:
            if read_at(self._descriptor, len(old), offset) != old:
                raise MedROIError(
                    "another program changed it meanwhile, without a lock; nothing was added. Try "
                    "again"
                )
        append_journal(self._descriptor, self._old_nbytes, self._nbytes, changed)
        self._journalled = True
        try:
            for offset, data in _joined(self._descriptor, changed):
                write_at(self._descriptor, data, offset)
            os.fsync(self._descriptor)
            os.ftruncate(self._descriptor, self._nbytes)
        except BaseException:
            recover(self._descriptor)
            raise

    def discard(self) -> None:
        """Take the addition back, if `commit` did not begin to change the file."""
        if not self._journalled:
            os.ftruncate(self._descriptor, self._old_nbytes)

    def close(self) -> None:
        """Let go of the file, even if the library does not."""
        self._descriptor = -1

    def _change(self, start: int, view: memoryview) -> None:
        stop = start + len(view)
        for index in range(start // _BLOCK_NBYTES, -(-stop // _BLOCK_NBYTES)):
            first = index * _BLOCK_NBYTES
            if index not in self._blocks:
                nbytes = min(_BLOCK_NBYTES, self._old_nbytes - first)
                old = read_at(self._descriptor, nbytes, first)
                self._blocks[index] = (old, bytearray(old))
            block = self._blocks[index][1]
            low, high = max(first, start), min(first + len(block), stop)
            block[low - first : high - first] = view[low - start : high - start]


def _joined(descriptor: int, changed: list[Block]) -> list[tuple[int, bytes]]:
    """Join near blocks into one write each, with the unchanged bytes between them."""
    runs: list[tuple[int, bytearray]] = []
    for offset, _, new in changed:
        if runs:
            start, data = runs[-1]
            gap = offset - start - len(data)
            if offset + len(new) - start <= _JOINED_NBYTES:
                data += read_at(descriptor, gap, start + len(data)) + new
                continue
        runs.append((offset, bytearray(new)))
    return [(start, bytes(data)) for start, data in runs]


def _named_nbytes(descriptor: int) -> int:
    """The end of the file that its superblock names; what lies behind it is no part of it."""
    head = read_at(descriptor, 64, 0)
    if len(head) < 64 or head[8] > 3:
        return os.fstat(descriptor).st_size
    start, size = {0: (24, head[13]), 1: (28, head[13])}.get(head[8], (12, head[9]))
    # The base address, an address that does not matter here, the end.
    return int.from_bytes(head[start + 2 * size : start + 3 * size], "little")
