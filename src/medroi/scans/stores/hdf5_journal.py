"""The journal of a change to an HDF5 file: what its changed blocks were, and what they become.

It lies behind the end of the file that the superblock names, where HDF5 neither reads nor keeps
anything, and at the very end of what the disk holds.
"""

from __future__ import annotations

import hashlib
import os
import struct

from medroi.system import read_at, write_at

# A disk writes a block of this size whole or not at all, as far as anybody promises that.
_SECTOR_NBYTES = 512
_MAGIC = b"MROI-JNL"
# End of the file before and after, length of the journal, and the hash of its blocks.
_TRAILER = struct.Struct("<8sQQQ32s")
_ENTRY = struct.Struct("<QQ")

Block = tuple[int, bytes, bytes]


def recover(descriptor: int) -> None:
    """Finish, or take back, what a killed process had begun; the file must be locked.

    Nothing is done where another program has changed the blocks since.
    """
    trailer = _trailer(descriptor)
    if trailer is None:
        return
    old_nbytes, new_nbytes, blocks = trailer
    found = [read_at(descriptor, len(old), offset) for offset, old, _ in blocks]
    if all(data == new for data, (_, _, new) in zip(found, blocks, strict=True)):
        os.ftruncate(descriptor, new_nbytes)
    elif all(_mixed(data, block) for data, block in zip(found, blocks, strict=True)):
        for data, (offset, old, _) in zip(found, blocks, strict=True):
            if data != old:
                write_at(descriptor, old, offset)
        os.fsync(descriptor)
        os.ftruncate(descriptor, old_nbytes)
    os.fsync(descriptor)


def is_torn(descriptor: int) -> bool:
    """Tell whether a file was left with some of its blocks changed and others not."""
    trailer = _trailer(descriptor)
    if trailer is None:
        return False
    blocks = trailer[2]
    found = [read_at(descriptor, len(old), offset) for offset, old, _ in blocks]
    return not any(
        all(data == block[form] for data, block in zip(found, blocks, strict=True))
        for form in (1, 2)
    )


def _mixed(data: bytes, block: Block) -> bool:
    """Whether every sector of a block is the old or the new one."""
    _, old, new = block
    sectors = (slice(at, at + _SECTOR_NBYTES) for at in range(0, max(1, len(old)), _SECTOR_NBYTES))
    return len(data) == len(old) and all(data[at] in (old[at], new[at]) for at in sectors)


def append_journal(descriptor: int, old_nbytes: int, new_nbytes: int, blocks: list[Block]) -> None:
    """Write a journal, and wait until it is on the disk.

    Parameters
    ----------
    descriptor : int
        Of the file.
    old_nbytes, new_nbytes : int
        Its size before and after the change.
    blocks : list
        Of what is changed before `old_nbytes`: offset, old bytes and new bytes.
    """
    body = b"".join(_ENTRY.pack(offset, len(old)) + old + new for offset, old, new in blocks)
    digest = hashlib.sha256(struct.pack("<QQ", old_nbytes, new_nbytes) + body).digest()
    at = max(old_nbytes, new_nbytes)
    # Nothing may follow the trailer, which is looked for at the end of the file.
    os.ftruncate(descriptor, at)
    write_at(
        descriptor, body + _TRAILER.pack(_MAGIC, old_nbytes, new_nbytes, len(body), digest), at
    )
    os.fsync(descriptor)


def _trailer(descriptor: int) -> tuple[int, int, list[Block]] | None:
    """Read the journal at the end of a file; None where there is none, or not all of one."""
    end = os.fstat(descriptor).st_size - _TRAILER.size
    if end < 0:
        return None
    magic, old_nbytes, new_nbytes, nbytes, digest = _TRAILER.unpack(
        read_at(descriptor, _TRAILER.size, end)
    )
    if magic != _MAGIC or max(old_nbytes, new_nbytes) + nbytes != end:
        return None
    body = read_at(descriptor, nbytes, end - nbytes)
    if hashlib.sha256(struct.pack("<QQ", old_nbytes, new_nbytes) + body).digest() != digest:
        return None
    blocks, at = [], 0
    while at + _ENTRY.size <= len(body):
        offset, length = _ENTRY.unpack_from(body, at)
        at += _ENTRY.size + 2 * length
        blocks.append((offset, body[at - 2 * length : at - length], body[at - length : at]))
    return old_nbytes, new_nbytes, blocks
