"""A slow, obvious decoder of the second version of wavelet3d, from FORMAT.md section 8.1 alone."""

from __future__ import annotations

import functools
import itertools
import math
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import reference_wavelet3d
from reference_coder import Decoder, level, need
from reference_logistic import Counter, Weights, decide, squash

F = np.float32
Place = tuple[int, int, int]
NEXT = [(0, 1), (3, 2), (5, 4), (6, 7), (1, 0), (2, 3), (4, 5), (7, 6)]
K = [0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 6]
BESIDE = [(-1, 0), (1, 0), (0, -1), (0, 1)]


@functools.cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """WEIGHTS and LOGITS as FORMAT.md prints them."""
    text = (Path(__file__).parents[1] / "FORMAT.md").read_text()
    blocks = [text.split(f"\n{name}, ")[1].split("```")[1] for name in ("WEIGHTS", "LOGITS")]
    weights, logits = (np.array(block.split(), int) for block in blocks)
    return weights.reshape(8, 2, 15), logits.reshape(2, 4, 40)


def half(x: int, most: int = 15) -> int:
    n = x.bit_length() - 1
    return x if x < 2 else min(most, 2 * n + ((x >> (n - 1)) & 1))


def bits(d: Decoder, n: int) -> int:
    r = d.range >> n
    value = d.code // r
    need(value < 1 << n, "bits")
    d.narrow(value, 1, n)
    return value


def gamma(d: Decoder) -> int:
    n = 0
    while n < 30 and bits(d, 1):
        n += 1
    return functools.reduce(lambda x, _: 2 * x + bits(d, 1), range(n), 1) - 1


@dataclass
class Band:
    """One band: magnitudes and signs by slice, row and column, 0 where nothing is known."""

    shape: tuple[int, ...]
    type: int
    depth: int
    parent: Band | None = None
    halved: tuple[int, ...] = (0, 0, 0, 0)
    siblings: tuple[Band, ...] = ()
    m: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    o: dict[Place, int] = field(default_factory=lambda: defaultdict(int))

    def holds(self, at: tuple[int, ...]) -> bool:
        return all(i < n for i, n in zip(at, self.shape, strict=True))

    def place(self, at: tuple[int, ...]) -> Place:
        return at[0] * self.shape[1] + at[1], at[2], at[3]


class MixedPart(reference_wavelet3d.Part):
    """The state of a reader."""

    def __init__(self, coded: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        sizes = [n for n in shape if n != 1]
        self.size = [math.prod(sizes[:-3]), *([1, 1, 1, *sizes][-3:])]
        need(len(coded) >= 3 and coded[1] < 4 and coded[2] <= 10, "header")
        self.bounded, self.trellis, n = coded[1] & 1, coded[1] >> 1, coded[2]
        n_points = 6 if self.trellis else 3
        fixed = 3 + n + 24 + 8 * self.bounded + n_points
        need(len(coded) >= fixed, "header")
        self.masks = list(coded[3 : 3 + n])
        self.low, self.high, self.step = struct.unpack_from("<3d", coded, 3 + n)
        self.max_error = struct.unpack_from("<d", coded, 27 + n)[0] if self.bounded else 0.0
        self.points = struct.unpack_from(f"<{n_points}b", coded, fixed - n_points)
        self.rest = coded[fixed:]

    def decode(self) -> np.ndarray:
        if self.low < self.high and not self.bounded:
            self.rest = len(self.rest).to_bytes(4, "little") + self.rest
        return super().decode()

    def decoder(self, coded: bytes) -> Decoder:
        return Decoder(len(coded).to_bytes(4, "little") + coded)

    def bands(self) -> Iterator[tuple[Band, tuple[slice, ...]]]:
        """Every band in order, and where it lies."""
        corners, last = self.corners(), len(self.masks) - 1
        yield Band(tuple(corners[-1]), 0, max(0, min(2, last))), tuple(map(slice, corners[-1]))
        coarser: dict[int, Band] = {}
        for i in range(last, -1, -1):
            found: dict[int, Band] = {}
            for high in (h for h in range(1, 16) if h & self.masks[i] == h):
                where = tuple(
                    slice(low, full) if high >> a & 1 else slice(0, low)
                    for a, (low, full) in enumerate(zip(corners[i + 1], corners[i], strict=True))
                )
                split = self.masks[i + 1] if i < last else 0
                found[high] = Band(
                    tuple(w.stop - w.start for w in where),
                    4 * (high >> 3 & 1) + 2 * (high >> 2 & 1) + (high & 3 > 0),
                    min(2, i),
                    coarser.get(high),
                    tuple(split >> a & 1 for a in range(4)),
                    tuple(found.values()),
                )
                yield found[high], where
            coarser = found

    def coefficients(self, d: Decoder) -> np.ndarray:
        out = np.zeros(self.size, F)
        self.counters: dict[Any, Counter] = defaultdict(Counter)
        self.of_magnitudes: dict[Any, Weights] = defaultdict(lambda: Weights([5000] * 7 + [0]))
        self.of_signs: dict[Any, Weights] = defaultdict(lambda: Weights([7500] * 7 + [0]))
        for band, where in self.bands():
            state = 0
            for at in np.ndindex(band.shape):
                odd = state & 1
                q = self.magnitude(d, band, at, odd)
                if q:
                    negative = self.sign(d, band, at)
                    need(q < 1 << 30, "magnitude")
                    band.m[band.place(at)] = min(q, 1023)
                    band.o[band.place(at)] = 1 + negative
                    point = 128 * odd + self.points[3 * odd + min(q, 3) - 1]
                    value = F(q) - F(point) / F(256)
                    out[where][at] = -value if negative else value
                state = NEXT[state][q & 1] if self.trellis else 0
        d.finish()
        return out

    def views(self, band: Band, at: tuple[int, ...]) -> list[int]:
        m, (z, y, x) = band.m, band.place(at)
        g = z - (band.shape[1] if band.shape[0] > 1 and band.shape[1] > 1 else 2)
        v = [m[z, y - 1, x], m[z, y - 1, x - 1] + m[z, y - 1, x + 1], m[z, y - 2, x]]
        v += [m[z - 1, y, x], m[z - 1, y, x - 1] + m[z - 1, y, x + 1]]
        v += [m[z - 1, y - 1, x] + m[z - 1, y + 1, x]]
        v += [sum(m[z - 1, y + j, x + i] for j, i in itertools.product((-1, 1), (-1, 1)))]
        v += [m[g, y, x], sum(m[g, y + j, x + i] for j, i in BESIDE)]
        v += [0, 0]
        if band.parent is not None:
            u, (s, j, i) = band.parent.m, self.above(band, at)
            v[9] = u[s, j, i]
            v[10] = sum(u[s, j + b, i + a] for b, a in BESIDE) + u[s - 1, j, i] + u[s + 1, j, i]
        near = [s for s in band.siblings if s.holds(at)]
        v += [sum(s.m[s.place(at)] for s in near), 0]
        for s in near:
            t, j, i = s.place(at)
            v[12] += sum(s.m[t, j + b, i + a] for b, a in BESIDE)
        return v

    @staticmethod
    def above(band: Band, at: tuple[int, ...]) -> Place:
        """Where the parent's voxel is."""
        assert band.parent is not None
        sizes = zip(at, band.halved, band.parent.shape, strict=True)
        return band.parent.place(tuple(min(i >> h, n - 1) for i, h, n in sizes))

    def magnitude(self, d: Decoder, band: Band, at: tuple[int, ...], odd: int) -> int:
        weights, logits = tables()
        v, (z, y, x) = self.views(band, at), band.place(at)
        before, two = band.m[z, y, x - 1], band.m[z, y, x - 2]
        w = weights[band.type][min(1, band.depth)]
        e = int(w[0] * before + w[1] * two + sum(w[2 + i] * v[i] for i in range(13)))
        s = (e // 768).bit_length() - 1 if e >= 1536 else 0
        lev = min(39, level(e >> s))
        ring, far = v[4] + v[5] + v[6], v[10] + v[12]
        close = 2 * (before + v[0] + v[3]) + v[1] + v[4] + v[5]
        contexts = [
            (half(close >> s), half((2 * (v[9] + v[11]) + (far >> 1)) >> s)),
            (*(min(3, i >> s) for i in (before, v[0], v[3], v[9])), half(ring >> s, 7) >> 1),
            (half(v[7] >> s, 11), lev),
            (half(v[9] >> s, 7), half(v[11] >> s, 7), half(far >> s) >> 1),
            (half((2 * v[3] + ring) >> s), half((2 * v[7] + v[8]) >> s)),
            (half((2 * before + two) >> s), half((2 * v[0] + v[2] + v[1]) >> s)),
        ]
        q = 0
        while q < 14:
            first = self.counters["first", odd, q, lev]
            if first.n == 0:
                first.p, first.n = 4 * squash(16 * int(logits[odd, min(q, 3), lev])), 30
            counters = [self.counters[i, odd, K[q], c] for i, c in enumerate(contexts)]
            u = self.of_magnitudes["expected", odd, q, lev >> 2]
            if not decide(
                d, [first, *counters], u, self.of_magnitudes[odd, K[q], band.type, band.depth]
            ):
                break
            q += 1
        if q == 14:
            q += gamma(d)
        return q << s | (bits(d, s) if s else 0)

    def sign(self, d: Decoder, band: Band, at: tuple[int, ...]) -> int:
        o, (z, y, x) = band.o, band.place(at)
        f, g = z - 1, z - (band.shape[1] if band.shape[0] > 1 and band.shape[1] > 1 else 2)
        up = 0 if band.parent is None else band.parent.o[self.above(band, at)]
        last = [s.o[s.place(at)] if s.holds(at) else 0 for s in band.siblings[:-4:-1]]
        a, b, c = (*last, 0, 0, 0)[:3]
        near = (o[z, y, x - 1], o[z, y - 1, x], o[f, y, x])
        cross = (o[f, y - 1, x], o[f, y + 1, x])
        beside = (o[f, y, x - 1], o[f, y, x + 1])
        corner = 4 * (at[1] & 1) + 2 * (y & 1) + (x & 1)
        contexts = [
            near,
            (near, o[z, y, x - 2], o[z, y - 2, x], o[g, y, x]),
            (corner, up, a),
            (o[z, y - 1, x - 1], o[z, y - 1, x + 1], *beside, *cross),
            (a, b, c, *near[:2]),
            (near[2], *cross, *beside),
            (near[0], o[z, y - 1, x - 1], near[1], o[z, y - 1, x + 1]),
        ]
        counters = [
            self.counters["sign", i, band.type, context] for i, context in enumerate(contexts)
        ]
        if counters[0].n == 0:
            counters[0].p, counters[0].n = 2**21, 2
        return decide(d, counters, self.of_signs[band.type, band.depth], self.of_signs[near])
