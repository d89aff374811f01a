"""State of a comparison, so that a second run goes on where the first was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class State:
    """A folder with one JSON file for each finished piece of work.

    A piece is what its key names; it counts as done only while its fingerprint is the same: the
    scan's files, the method's settings and the version of medroi.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: Sequence[str], fingerprint: Any) -> Any:
        """Return what was put under a key; None for nothing, or where the fingerprint differs."""
        try:
            found = json.loads(self.path(key).read_text(encoding="utf-8"))
            same = found["key"] == list(key) and found["fingerprint"] == _plain(fingerprint)
            return found["value"] if same else None
        except (OSError, ValueError, KeyError, TypeError):
            # Cut off by a crash, or of another version: the work is done again.
            return None

    def put(self, key: Sequence[str], fingerprint: Any, value: Any) -> None:
        """Keep something, whole or not at all."""
        target = self.path(key)
        half = target.with_suffix(".part")
        text = json.dumps({"key": list(key), "fingerprint": fingerprint, "value": value})
        half.write_text(text, encoding="utf-8")
        half.replace(target)

    def path(self, key: Sequence[str], suffix: str = ".json") -> Path:
        """The file of a key."""
        digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:24]
        return self.folder / f"{digest}{suffix}"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
