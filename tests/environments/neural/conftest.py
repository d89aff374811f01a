"""Streams of learned codecs, broken ones too, are read by readers of any configuration."""

from __future__ import annotations

import pytest

from medroi import inner


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = [entry.name for entry in inner.entries() if entry.codec_id >= 32]
    monkeypatch.setenv("MEDROI_TRUST", ",".join(learned))
