"""Settings of an archive: how scans are packed, and their token."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from medroi.errors import InvalidArgument

# Of stores; the longer one first.
SUFFIXES = (".ome.zarr", ".zarr")
# Settings of `pack` that change no byte.
_NO_MATTER = ("memory",)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings that decide what is stored.

    Attributes
    ----------
    pack : mapping
        Keyword arguments of `medroi.scans.pack`.
    others : {"copy", "list"}
        What becomes of files that are no scans.
    """

    pack: Mapping[str, Any]
    others: str = "copy"

    def __post_init__(self) -> None:
        if self.others not in ("copy", "list"):
            raise InvalidArgument(
                f"--others {self.others} (others=): expected copy, or list for a line in the "
                "manifest and no copy"
            )

    @property
    def token(self) -> str:
        """Token of what decides the bytes of a store: other settings, another token."""
        deciding = {name: value for name, value in self.pack.items() if name not in _NO_MATTER}
        text = json.dumps(deciding, sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def suffix(self) -> str:
        """Suffix of the stores' names."""
        return SUFFIXES[self.pack.get("layout") == "bare"]


def _plain(value: Any) -> Any:
    if hasattr(value, "get_config"):
        return value.get_config()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
