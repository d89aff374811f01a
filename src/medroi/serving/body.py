"""An answer to a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medroi.errors import CorruptStream


@dataclass(frozen=True)
class Body:
    """Bytes that are made when they are sent.

    Attributes
    ----------
    content_type : str
    nbytes : int
        Of the whole.
    read : callable
        Gives the bytes from `start` to `stop`.
    """

    content_type: str
    nbytes: int
    read: Callable[[int, int], bytes]

    def piece(self, start: int, stop: int) -> bytes:
        """Read some of it, as many bytes as a client is promised.

        Raises
        ------
        CorruptStream
            Where there are fewer: somebody else wrote to the store.
        """
        found = self.read(start, stop)
        if len(found) != stop - start:
            raise CorruptStream(
                f"the file ends {stop - start - len(found)} bytes early: it was changed while it "
                "was read; load the page again"
            )
        return found


def body_of(content: bytes, content_type: str = "application/octet-stream") -> Body:
    """Bytes that are there already."""
    return Body(content_type, len(content), lambda start, stop: content[start:stop])


def json_body(value: Any) -> Body:
    """Give a value as JSON, without NaN."""
    return body_of(json.dumps(value, allow_nan=False).encode(), "application/json")
