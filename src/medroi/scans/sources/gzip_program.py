"""The program gzip, whose coder is its own: no library here makes the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from medroi.errors import InnerUnavailable

_HEADER_NBYTES, _TRAILER_NBYTES = 10, 8


def version() -> str | None:
    """Return the version of GNU gzip; None where it is not installed."""
    program = shutil.which("gzip")
    if program is None:
        return None
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    ).stdout
    first = said.partition("\n")[0].split()
    return first[1] if "Free Software" in said and len(first) == 2 else None


class ProgramCompressor:
    """The program with the methods of zlib's compressor, its output without header and trailer.

    Parameters
    ----------
    level : int
        1 to 9.

    Raises
    ------
    InnerUnavailable
        Where GNU gzip is not installed.
    """

    def __init__(self, level: int) -> None:
        if version() is None:
            raise InnerUnavailable("the very bytes of this file need the program gzip (GNU)")
        self._level = int(level)
        self._contents: list[Any] = []

    def compress(self, data: Any) -> bytes:
        """Take contents in; all output comes at the end."""
        self._contents.append(data)
        return b""

    def flush(self) -> bytes:
        """Return the deflate data."""
        done = subprocess.run(
            ["gzip", "-c", "-n", f"-{self._level}"],
            input=b"".join(self._contents),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise InnerUnavailable(f"the program gzip failed (status {done.returncode})")
        return done.stdout[_HEADER_NBYTES:-_TRAILER_NBYTES]
