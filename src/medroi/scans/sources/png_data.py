"""The compressed data of a PNG file: its rows, each filtered in its own way, in one zlib stream.

Contents of a PNG file are here what stands before its data, one filter type per row, the rows as
they are seen, and what stands behind its data.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

# Strategies of zlib: filtered, which libpng takes for filtered rows, and the default.
_STRATEGIES = (1, 0)
_LEVELS = (6, 9, 1, 3, 5, 2, 4, 7, 8)
_CHUNK = b"IDAT"


def filtered(rows: npt.NDArray[np.uint8], types: bytes, step: int) -> Iterator[bytes]:
    """Give filtered rows, each behind its type.

    Parameters
    ----------
    rows : ndarray of uint8
        (rows, bytes of a row).
    types : bytes
        Of the filter of each row, 0 to 4.
    step : int
        Bytes of a pixel.

    Raises
    ------
    ValueError
        For a type that PNG does not have.
    """
    above = np.zeros(rows.shape[1], np.uint8)
    for kind, row in zip(types, rows, strict=True):
        yield bytes([kind]) + _filtered(row, above, kind, step).tobytes()
        above = row


def _filtered(
    row: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], kind: int, step: int
) -> npt.NDArray[np.uint8]:
    if kind == 0:
        return row
    if kind == 2:
        return np.subtract(row, above)
    left: npt.NDArray[np.uint8] = np.concatenate([np.zeros(step, np.uint8), row[:-step]])
    if kind == 1:
        return np.subtract(row, left)
    if kind == 3:
        mean = ((left.astype(np.uint16) + above) // 2).astype(np.uint8)
        return np.subtract(row, mean)
    if kind == 4:
        return np.subtract(row, _paeth(left, above, step))
    raise ValueError(f"a filter of type {kind}")


def _paeth(
    left: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], step: int
) -> npt.NDArray[np.uint8]:
    """Of left, above and the one left of that, the nearest to left + above - that one."""
    corner = np.concatenate([np.zeros(step, np.uint8), above[:-step]])
    a, b, c = (one.astype(np.int16) for one in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    return nearest.astype(np.uint8)


def candidates() -> Iterator[dict[str, Any]]:
    """Give settings of zlib to try, the likeliest first."""
    for mem_level in (8, 9):
        for strategy in _STRATEGIES:
            for level in _LEVELS:
                yield {"level": level, "mem_level": mem_level, "strategy": strategy}


def made(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    """Give the bytes of a PNG file from its contents.

    Parameters
    ----------
    blocks : iterator of memoryview
        The contents behind what stands before the data.
    container : dict
        With ``n_rows``, ``row_nbytes``, ``pixel_nbytes``, ``zlib_header``, ``chunks_nbytes`` and
        the settings of `candidates`.
    """
    contents = memoryview(b"".join(blocks))
    n_rows, row_nbytes = int(container["n_rows"]), int(container["row_nbytes"])
    stop = n_rows * (1 + row_nbytes)
    if n_rows < 1 or row_nbytes < 1 or len(contents) < stop:
        raise ValueError(f"{n_rows} rows of {row_nbytes} bytes in {len(contents)} bytes")
    types, pixels = bytes(contents[:n_rows]), contents[n_rows:stop]
    rows = np.frombuffer(pixels, np.uint8).reshape(n_rows, row_nbytes)
    coder = zlib.compressobj(
        container["level"],
        zlib.DEFLATED,
        -min(15, max(9, int(container["window_bits"]))),
        container["mem_level"],
        container["strategy"],
    )
    stream = _stream(coder, filtered(rows, types, int(container["pixel_nbytes"])), container)
    sizes = [int(size) for size in container["chunks_nbytes"]]
    if not container.get("is_trial"):
        whole = b"".join(stream)
        # Of another zlib they may be more or fewer bytes: a file that is read all the same.
        sizes = sizes if sum(sizes) == len(whole) else [len(whole)]
        stream = iter((whole,))
    yield from _in_chunks(stream, sizes)
    yield bytes(contents[stop:])


def _stream(coder: Any, rows: Iterator[bytes], container: dict[str, Any]) -> Iterator[bytes]:
    yield struct.pack(">H", int(container["zlib_header"]))
    checksum = 1
    for row in rows:
        checksum = zlib.adler32(row, checksum)
        coded = coder.compress(row)
        if coded:
            yield coded
    yield coder.flush()
    yield struct.pack(">I", checksum)


def _in_chunks(stream: Iterator[bytes], sizes: list[int]) -> Iterator[bytes]:
    """Cut a stream into chunks, as soon as its bytes are there."""
    held = b""
    for size in sizes:
        yield struct.pack(">I", size) + _CHUNK
        crc, missing = zlib.crc32(_CHUNK), size
        while missing:
            held = held or next(stream, b"")
            if not held:
                return
            part, held = held[:missing], held[missing:]
            crc = zlib.crc32(part, crc)
            missing -= len(part)
            yield part
        yield struct.pack(">I", crc)
