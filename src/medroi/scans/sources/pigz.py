"""The deflate data of pigz, which dcm2niix and others compress with.

pigz cuts contents into blocks, compresses each by itself with the 32 kB before it as dictionary,
and joins them at byte boundaries: by empty blocks of 10 bits where an even number of bits is left
over, else by an empty stored block. The last block ends the data as deflate does.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future
from typing import Any

from medroi.threads import Pool
from medroi.values import n_available_cores

# Its default, and that of dcm2niix.
BLOCK_SIZES = (128 << 10, 960 << 10)
_DICTIONARY_NBYTES = 32 << 10


class PigzCompressor:
    """A compressor with the methods of zlib's.

    Parameters
    ----------
    level : int
        Of zlib.
    block_nbytes : int
        Of contents that are compressed at a time.
    """

    def __init__(self, level: int, block_nbytes: int) -> None:
        self._level, self._block_nbytes = level, block_nbytes
        self._held, self._before = bytearray(), b""
        self._pool: Pool | None = None
        self._waiting: deque[Future[bytes]] = deque()

    def compress(self, data: Any) -> bytes:
        """Take contents in; return what is ready."""
        self._held += data
        ready = []
        # A full block may be the last, which ends in another way.
        while len(self._held) > self._block_nbytes:
            self._begin(bytes(self._held[: self._block_nbytes]))
            del self._held[: self._block_nbytes]
            if len(self._waiting) > n_available_cores():
                ready.append(self._waiting.popleft().result())
        return b"".join(ready)

    def flush(self) -> bytes:
        """Return the end of the data."""
        coder = self._coder(self._before)
        last = coder.compress(self._held) + coder.flush()
        ready = [task.result() for task in self._waiting]
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown()
        return b"".join([*ready, last])

    def _begin(self, block: bytes) -> None:
        """Have a block compressed beside others: it needs nothing of them but their contents."""
        if self._pool is None:
            self._pool = Pool(n_available_cores())
        self._waiting.append(self._pool.submit(self._joined, block, self._before))
        self._before = block[-_DICTIONARY_NBYTES:]

    def _coder(self, before: bytes) -> Any:
        options: dict[str, Any] = {"zdict": before} if before else {}
        return zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, **options)

    def _joined(self, block: bytes, before: bytes) -> bytes:
        """Compress a block that others follow, up to a byte boundary."""
        coder = self._coder(before)
        data = coder.compress(block) + coder.flush(zlib.Z_BLOCK)
        bits, n_bits = _left_over(coder)
        if n_bits % 2:
            return bytes(data + coder.flush(zlib.Z_SYNC_FLUSH))
        while n_bits % 8:
            # An empty block of the fixed code: 0, then 01, then seven zeros for its end.
            bits |= 2 << n_bits
            n_bits += 10
        return bytes(data) + bits.to_bytes(n_bits // 8, "little")


def _left_over(coder: Any) -> tuple[int, int]:
    """Bits that a compressor holds back behind its last whole byte, and how many they are.

    Ended here, it would write them, the bits 1, 1, 0 of a last empty block, and zeros: so that the
    highest 1 stands two places behind them.
    """
    ended = int.from_bytes(coder.copy().flush(zlib.Z_FINISH), "little")
    n_bits = ended.bit_length() - 2
    return ended & ((1 << n_bits) - 1), n_bits
