"""Whether anything became slower or larger: ratios and bytes against frozen figures.

    python benchmarks/run.py --check            bytes, which are the same on every machine
    python benchmarks/run.py --check --times    ratios of times too: on a quiet machine

Seconds belong to a machine, so none are compared. A time is divided by that of something else
that takes its turn in the same rounds: a memcpy of the volume where memory is the limit, zstd
level 3 of numcodecs on the same box where arithmetic is. Processor time of the thread, which other
programs disturb less than the clock. The median of the rounds may be `TIME_MARGIN` times the frozen
figure; what exceeds it is measured again, `TRIES` times in all, and the least counts: noise passes
in one of the tries, a regression in none. Bytes of our own coders are compared exactly, since a
stream is the same on every machine; those that depend on another library's version as a ratio.

A figure that changes on purpose is frozen anew here, in the change that is the reason.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from codec import head
from machine import HERE
from numcodecs import Zstd

from medroi import MedROI
from medroi.roi import find_region

Array = np.ndarray[Any, Any]
Call = Callable[[], object]
Clock = Callable[[], int]

ROUNDS = 7
TRIES = 5
TIME_MARGIN = 2.0
# Bytes against another library's, whose versions differ by less.
SIZE_MARGIN = 1.02
SCAN = HERE.parent / "examples" / "data" / "head_T1w.nii.gz"

DENSE = {"id": "predict3d", "level": "dense"}
FAST = {"id": "predict3d", "level": "fast"}
STEP = {"id": "wavelet3d", "step": 20}

FROZEN_TIME = {
    "detect mean / memcpy": 1.1,
    "detect auto / memcpy": 1.9,
    "encode raw / memcpy": 1.95,
    "decode raw / memcpy": 0.93,
    "encode zstd / zstd": 0.67,
    "encode predict3d fast / zstd": 1.3,
    "decode predict3d fast / zstd": 1.2,
    "encode predict3d dense / zstd": 4.6,
    "decode predict3d dense / zstd": 4.8,
    "encode wavelet3d / zstd": 1.6,
    "decode wavelet3d / zstd": 1.75,
}
FROZEN_NBYTES = {
    "predict3d dense, box": 1438797,
    "predict3d dense, mask": 969023,
    "predict3d dense, lossless": 1865796,
    "predict3d fast, box": 1656391,
    "wavelet3d step 20, box": 109130,
    "raw, box": 8398435,
}
FROZEN_SIZE = {
    "zstd, box / zstd of the volume": 0.6592,
    "predict3d dense, box / zstd of the volume": 0.4168,
    "predict3d dense, mask / zstd of the volume": 0.2807,
    "wavelet3d 45 dB, box / zstd of the volume": 0.1119,
}


@dataclass(frozen=True)
class Verdict:
    """A figure beside what it may be: `at_least` to `at_most`."""

    name: str
    found: float
    frozen: float
    at_least: float
    at_most: float

    @property
    def holds(self) -> bool:
        """Whether the figure is where it was."""
        return self.at_least <= self.found <= self.at_most

    def __str__(self) -> str:
        word = "ok  " if self.holds else "FAIL"
        limit = "exactly" if self.at_least == self.at_most else f"at most {self.at_most:.4g}"
        return f"{word} {self.name:45}{self.found:>12.8g}  frozen {self.frozen:.8g}, {limit}"


def time_ratio(run: Call, reference: Call, repeats: int, clock: Clock) -> float:
    """Median over rounds of the time of `run` over that of `reference`, taken in turn."""
    found = []
    for _ in range(ROUNDS):
        start = clock()
        for _ in range(repeats):
            reference()
        middle = clock()
        for _ in range(repeats):
            run()
        found.append((clock() - middle) / (middle - start))
    return statistics.median(found)


def judge_time(
    name: str, run: Call, reference: Call, repeats: int = 1, clock: Clock = time.thread_time_ns
) -> Verdict:
    """Hold one ratio of times against the frozen one, again where it is exceeded."""
    limit = FROZEN_TIME[name] * TIME_MARGIN
    run()  # The first call meets cold pages and unread libraries.
    best = float("inf")
    for _ in range(TRIES):
        best = min(best, time_ratio(run, reference, repeats, clock))
        if best <= limit:
            break
    return Verdict(name, best, FROZEN_TIME[name], 0.0, limit)


def judge_nbytes(name: str, nbytes: int) -> Verdict:
    """Hold bytes of our own coders against the frozen ones: neither more nor fewer."""
    frozen = FROZEN_NBYTES[name]
    return Verdict(name, nbytes, frozen, frozen, frozen)


def judge_size(name: str, ratio: float) -> Verdict:
    """Hold bytes over another library's bytes against the frozen ratio."""
    return Verdict(name, ratio, FROZEN_SIZE[name], 0.0, FROZEN_SIZE[name] * SIZE_MARGIN)


@cache
def scan() -> Array:
    """The head that is shipped, as stored."""
    import nibabel

    image: Any = nibabel.load(SCAN)
    return np.asarray(image.dataobj.get_unscaled())


def boxed(volume: Array) -> Array:
    """The region that our coders are given, dense, in memory order."""
    box = tuple(slice(start, stop) for start, stop in find_region(volume).box)
    return np.ascontiguousarray(volume[box].T)


def times_of_regions() -> Iterator[Verdict]:
    """Search, raw encode and raw decode of 32 MiB, which is more than caches hold."""
    volume = head()
    copy = np.empty_like(volume)
    memcpy = partial(np.copyto, copy, volume)
    codec = MedROI("raw", threshold="mean")
    stream, out = codec.encode(volume), np.zeros_like(volume)
    for rule in ("mean", "auto"):
        detect = partial(find_region, volume, threshold=rule)
        yield judge_time(f"detect {rule} / memcpy", detect, memcpy)
    yield judge_time("encode raw / memcpy", partial(codec.encode, volume), memcpy)
    yield judge_time("decode raw / memcpy", partial(codec.decode, stream, out), memcpy)


def times_of_coders() -> Iterator[Verdict]:
    """Our coders on the shipped head, against zstd by hand on the same voxels."""
    box = boxed(scan())
    by_hand = partial(Zstd(level=3).encode, box)
    yield judge_time(
        "encode zstd / zstd", partial(MedROI("zstd", threshold="mean").encode, scan()), by_hand
    )
    coders = (("predict3d fast", FAST), ("predict3d dense", DENSE), ("wavelet3d", STEP))
    for name, inner in coders:
        codec = MedROI(inner, threshold="mean")
        stream = codec.encode(scan())
        yield judge_time(f"encode {name} / zstd", partial(codec.encode, scan()), by_hand)
        yield judge_time(f"decode {name} / zstd", partial(codec.decode, stream), by_hand)


def sizes() -> Iterator[Verdict]:
    """All bytes of streams of the shipped head."""

    def nbytes(inner: Any, **region: Any) -> int:
        return len(MedROI(inner, **{"threshold": "mean", **region}).encode(scan()))

    dense, masked = nbytes(DENSE), nbytes(DENSE, roi="mask")
    yield judge_nbytes("predict3d dense, box", dense)
    yield judge_nbytes("predict3d dense, mask", masked)
    yield judge_nbytes("predict3d dense, lossless", nbytes(DENSE, threshold=None))
    yield judge_nbytes("predict3d fast, box", nbytes(FAST))
    yield judge_nbytes("wavelet3d step 20, box", nbytes(STEP))
    yield judge_nbytes("raw, box", nbytes("raw"))
    peer = len(Zstd(level=3).encode(np.ascontiguousarray(scan().T)))
    yield judge_size("zstd, box / zstd of the volume", nbytes("zstd") / peer)
    yield judge_size("predict3d dense, box / zstd of the volume", dense / peer)
    yield judge_size("predict3d dense, mask / zstd of the volume", masked / peer)
    wavelet = nbytes({"id": "wavelet3d", "psnr": 45})
    yield judge_size("wavelet3d 45 dB, box / zstd of the volume", wavelet / peer)


BYTES = (sizes,)
TIMES = (times_of_regions, times_of_coders)


def check(with_times: bool = False) -> int:
    """Print every figure beside its frozen one; 1 where one does not hold.

    Times are left out unless asked for: on a machine that others use, they say nothing of a change.
    """
    n_bad = 0
    for group in BYTES + (TIMES if with_times else ()):
        for verdict in group():
            print(verdict, flush=True)
            n_bad += not verdict.holds
    if n_bad:
        print(f"{n_bad} figures do not hold. Where that is meant: freeze them in {__file__}")
    return 1 if n_bad else 0
