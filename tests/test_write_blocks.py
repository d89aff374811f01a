"""Files are written whole, and digested, also where there is no memory for a thread."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from medroi.scans.sources.containers import write_blocks


def test_blocks_are_digested_once_where_no_thread_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, n_tries = threading.Thread.start, []

    def refused_once(self: threading.Thread) -> None:
        n_tries.append(self)
        if len(n_tries) == 1:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refused_once)
    blocks = [bytes([number]) * 1000 for number in range(5)]
    written = write_blocks(tmp_path / "a", blocks, {"kind": "plain"})
    assert n_tries and (tmp_path / "a").read_bytes() == b"".join(blocks)
    expected = hashlib.sha256(b"".join(blocks)).hexdigest()
    assert (written.nbytes, written.sha256, written.contents_sha256) == (5000, expected, expected)
