"""The header Range of HTTP: one range of bytes."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d*)-(\d*)")


def asked_range(header: str | None, nbytes: int) -> tuple[int, int] | None:
    """Read which bytes are asked for.

    Parameters
    ----------
    header : str or None
        The header's value.
    nbytes : int
        Of the whole.

    Returns
    -------
    (start, stop), or None for the whole: also where several ranges are asked for, or what is no
    range.

    Raises
    ------
    ValueError
        Where the range holds no byte.
    """
    found = None if header is None else _ONE.fullmatch(header.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, nbytes - int(last)), nbytes
    else:
        start, stop = int(first), nbytes if not last else min(int(last) + 1, nbytes)
    if last and first and int(last) < int(first):
        return None
    if start >= stop:
        raise ValueError(f"no byte of {nbytes} is in {header}")
    return start, stop
