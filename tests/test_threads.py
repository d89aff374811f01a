"""Promises of work in several threads: every result once, in order, whatever threads there are."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from medroi.scans.sources.pigz import PigzCompressor
from medroi.threads import Pool, in_order


def refuse(self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("n_started", [0, 1, 2, 4])
def test_threads_that_do_not_start_cost_no_result(
    n_started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, begun, done = threading.Thread.start, [], Counter()

    def limited(self: threading.Thread) -> None:
        if len(begun) == n_started:
            raise RuntimeError("can't start new thread")
        begun.append(self)
        start(self)

    def work(item: int) -> int:
        done[item] += 1
        return item * item

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert list(in_order(work, range(50), 4)) == [item * item for item in range(50)]
    assert done == dict.fromkeys(range(50), 1)
    assert len(begun) <= n_started


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_ends_the_work(threads: int) -> None:
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        if item == 5:
            raise ValueError("the fifth")
        return item

    found = []
    with pytest.raises(ValueError, match="the fifth"):
        found.extend(in_order(work, items(), threads))
    assert len(taken) < 20


def test_what_fails_in_place_fails_where_it_was_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Pool(2) as pool:
        assert pool.submit(int, "7").result() == 7
        with pytest.raises(ValueError, match="seven"):
            pool.submit(int, "seven")
        assert pool.submit(int, "8").result() == 8


def test_compressed_blocks_are_the_same_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = random.Random(4).randbytes(3000) * 200

    def compressed() -> bytes:
        compressor = PigzCompressor(6, 128 << 10)
        return compressor.compress(contents) + compressor.flush()

    expected = compressed()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert compressed() == expected
