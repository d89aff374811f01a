"""A slow, obvious decoder of predict3d's local voxels, written from FORMAT.md section 7.7 alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from reference_coder import Binary, Decoder, level, need

Matrix = np.ndarray
Tap = tuple[int, int, int, bool]
DISCS = {0: (4, 2.25, 1, -1), 1: (9, 2.25, 1, -1), 2: (16, 4, 1, 0)}
BOUNDS = (-12, -7, -4.4, -2.9, -1.9, -1.1, -0.5, 0, 0.5, 1.1, 1.9, 2.9, 4.4, 7, 12)
Z_TOP = 12 << 14


def clip(x: int, most: int) -> int:
    return max(-most, min(most, x))


def low(x: Any) -> Any:
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def toward_0(a: Any, b: int) -> Any:
    return abs(a) // b * np.sign(a)


def logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def place_of_step(i: int) -> int:
    z = i / 64 - 12
    if z >= 12:
        return 15 * 4096
    cell = max(j for j in range(1, 15) if z >= BOUNDS[j - 1])
    a, b = BOUNDS[cell - 1], BOUNDS[cell]
    if cell in (1, 14):
        part = (z - a) / (b - a)
    else:
        side = 1 if z < 0 else -1
        part = (logistic(side * z) - logistic(side * a)) / (logistic(side * b) - logistic(side * a))
    return 4096 * cell + int(part * 4096 + 0.5)


PLACES = [place_of_step(i) for i in range(1538)]
SHIFT = [next(n for n in range(64) if 1.386 * 8192 / (8.5 + j) * 2**n >= 1 << 20) for j in range(8)]
FACTOR = [round(1.386 * 8192 / (8.5 + j) * 2 ** SHIFT[j]) for j in range(8)]
FIRST_SHARES = [0, *(j + int(32736 * logistic(BOUNDS[j - 1])) for j in range(1, 16))]
WEIGHTS = [round(32768 / math.sqrt((1 + (i + 0.5) / 16) * 2**h)) for h in (0, 1) for i in range(16)]


def raw_bits(d: Decoder, n: int) -> int:
    """Whole bits of the range coder's bytes."""
    found = 0
    while n > 0:
        part = min(16, n)
        value = min(d.code // (d.range >> part), (1 << part) - 1)
        d.narrow(value, 1, part)
        found, n = found << part | value, n - part
    return found


class Shares:
    """A share model."""

    def __init__(self) -> None:
        self.share, self.seen = list(FIRST_SHARES), 0

    def ends(self, place: int) -> tuple[int, int, int]:
        whole = [*self.share, 32768]
        return whole[place >> 12], whole[(place >> 12) + 1], place & 4095

    def before(self, place: int) -> int:
        if place == 65536:
            return 32768
        s, t, part = self.ends(place)
        return ((s << 8) + (((t - s) * part) >> 4)) >> 8

    def learn(self, p0: int, p1: int) -> None:
        first, last = self.before(p0), self.before(p1)
        width = max(1, last - first)
        up = 16 - width.bit_length()
        k = (3, 4, 4, 5, 5, 5, 6, 6)[self.seen // 32] if self.seen < 256 else 7
        self.seen = min(256, self.seen + 1)
        for j, share in enumerate(self.share):
            if j <= p0 >> 12:
                target = 0
            elif j > (p1 - 1) >> 12:
                target = 32752
            else:
                inside = ((share - first) << up) % 65536
                target = min(32700, (inside * ((32700 << 16) // (width << up))) >> 16)
            self.share[j] += (target + j - share) >> k


class Local:
    """Numbers of a part, slice by slice."""

    rows, most = 4, 1448  # of a block; of a sample

    def __init__(self, d: Decoder, sizes: tuple[int, int, int, int], top: int) -> None:
        self.d, self.top = d, top
        self.depth, self.height, self.width, self.lag = sizes
        self.has_mean = self.lag > 2 and self.depth > self.lag
        self.voxels: dict[tuple[int, int, int], int] = {}
        self.errors: dict[tuple[int, int, int], int] = defaultdict(int)
        self.signs: dict[tuple[int, int, int], int] = defaultdict(int)
        self.means: dict[tuple[int, int, int], int] = defaultdict(int)
        self.weighing: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.flat = [Binary() for _ in range(4)]
        self.b1: dict[tuple[int, int], int] = defaultdict(int)
        self.b2: dict[tuple[int, int], int] = defaultdict(int)
        self.r1: dict[tuple[int, int], int] = defaultdict(lambda: 65536)
        self.r2: dict[tuple[int, int], int] = defaultdict(lambda: 65536)
        self.s1: dict[tuple[int, int], Shares] = defaultdict(Shares)
        self.s2: dict[tuple[int, int], Shares] = defaultdict(Shares)
        self.earlier: dict[tuple[int, int, int], Matrix] = {}
        self.n_total = 0
        self.prior = 5 if self.depth > 1 else 1000
        self.row_decay, self.slice_decay = (8 if self.depth > 1 else 14), 8

    def decode(self) -> dict[tuple[int, int, int], int]:
        chosen = self.d.raw(8)
        need(chosen in DISCS, "set of neighbours")
        need(self.top < 1 << 24 and min(self.width, self.height) >= 16, "local")
        need(chosen == 0 or (self.lag == 2 and self.width * self.height <= 1 << 18), "large set")
        self.taps = self.taps_of(chosen)
        self.n = len(self.taps) - 1
        self.total = self.zeros()
        for z in range(self.depth):
            self.decode_slice(z)
        return self.voxels

    def taps_of(self, chosen: int) -> list[Tap]:
        squares = DISCS[chosen]
        taps = [(0, 0, -1, False), *self.disc(0, squares[0])]
        taps += self.disc(-1, squares[1]) if self.depth > 1 else []
        taps += self.disc(-self.lag, squares[2]) if self.depth > self.lag else []
        taps += self.disc(-3, squares[3]) if self.lag == 2 and self.depth > 3 else []
        return taps + self.mean_taps()

    def disc(self, dz: int, square: float) -> list[Tap]:
        places = [(dy, dx) for dy in range(-4, 5) for dx in range(-4, 5)]
        return [
            (dz, dy, dx, False)
            for dy, dx in places
            if dy * dy + dx * dx <= square and (dz < 0 or dy < 0 or (dy == 0 and dx < -1))
        ]

    def mean_taps(self) -> list[Tap]:
        around = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0)] if self.has_mean else []
        return [(-self.lag, dy, dx, True) for dy, dx in around]

    # ---- voxels and means with their margins

    def voxel(self, z: int, y: int, x: int) -> int:
        if y < 0:
            return self.voxels[z - 1, 0, min(max(x, 0), self.width - 1)] if z > 0 else 0
        if y >= self.height:
            return self.voxel(z, self.height - 1, x)
        if x < 0:
            return self.voxel(z, y - 1, 0)
        return self.voxels[z, y, min(x, self.width - 1)]

    def value_at(self, tap: Tap, z: int, y: int, x: int) -> int | None:
        dz, dy, dx, of_mean = tap
        if z + dz < 0:
            return None
        if of_mean:
            return (self.means[z % self.lag, y + dy, x + dx] + 128) >> 8
        return self.voxel(z + dz, y + dy, x + dx)

    def learn_means(self, z: int) -> None:
        part = 65536 // (z // self.lag + 1)
        for y in range(-1, self.height + 1):
            for x in range(-1, self.width + 1):
                at = (z % self.lag, y, x)
                self.means[at] += ((256 * self.voxel(z, y, x) - self.means[at]) * part) >> 16

    # ---- equations

    def zeros(self) -> Matrix:
        return np.zeros((self.n + 1, self.n + 1), np.int64)

    def joined(self, function: Callable[..., Matrix], *matrices: Matrix | None) -> Matrix:
        return function(*(self.zeros() if m is None else m for m in matrices))

    def known(self, above: dict[int, Matrix], z: int, by: int, bx: int) -> Matrix | None:
        found: Matrix | None = above.get(bx)
        before = [z - 1] if z > 0 else []
        before += [z - self.lag] if self.has_mean and z >= self.lag else []
        for k in before:
            rows = [self.earlier.get((k, by + i, bx)) for i in (0, -1, 1)]
            found = self.joined(
                lambda v, t, a, b: v + t + ((a + b) >> 1) + ((a + b) >> 3), found, *rows
            )
        return found

    def weights_of(self, above: dict[int, Matrix], z: int, by: int, bx: int) -> list[int]:
        prior = None
        if self.n_total:
            prior = self.joined(lambda t: toward_0(t * self.prior, self.n_total), self.total)
        n_bx = (self.width + 7) // 8
        beside = [
            self.known(above, z, by, b) if 0 <= b < n_bx else None for b in (bx, bx - 1, bx + 1)
        ]
        g = self.joined(lambda v, a, b, p: v + ((a + b) >> 1) + ((a + b) >> 3) + p, *beside, prior)
        return self.solved(g)

    def solved(self, g: Matrix) -> list[int]:
        n, diagonal = self.n, np.arange(self.n + 1)
        trace = int(g.trace() - g[n, n])
        if trace <= 0:
            return [0] * n
        g[diagonal, diagonal] += [(trace // n >> 13) + 16] * n + [1]
        g[diagonal, diagonal] = np.maximum(1, g[diagonal, diagonal])
        p = np.array([(int(x).bit_length() + 1) >> 1 for x in g.diagonal()])
        factor = np.zeros((n + 1, n), np.int64)
        inverse = [0] * n
        for j in range(n):
            lows = low(factor[j:, :j])
            s = (g[j, j:] << (56 - p[j:] - p[j])) - (lows * lows[0]).sum(1)
            q = max(int(s[0]), 1 << 36)
            e = (63 - q.bit_length()) // 2 * 2
            inverse[j] = (1 << (48 + e // 2)) // math.isqrt(q << e)
            factor[j + 1 :, j] = (low(s[1:] >> 28) * inverse[j]) >> 20
        x = [0] * n
        for i in reversed(range(n)):
            known = np.array(x[i + 1 :], np.int64)
            s = int((factor[n, i] << 18) - (low(factor[i + 1 : n, i]) * known).sum())
            x[i] = clip((low(clip(s >> 18, 2**31 - 1)) * inverse[i]) >> 30, 1 << 28)
        shifts = [int(p[n] - p[i]) - 4 for i in range(n)]
        moved = [a << min(k, 20) if k >= 0 else a >> -k for a, k in zip(x, shifts, strict=True)]
        return [clip(a, 65535) for a in moved]

    # ---- slices

    def decode_slice(self, z: int) -> None:
        above: dict[int, Matrix] = {}
        for by in range((self.height + 3) // 4):
            weights: dict[int, list[int]] = {}
            for y in range(4 * by, min(4 * by + 4, self.height)):
                for x in range(self.width):
                    self.decode_voxel(z, y, x, above, weights)
            for bx in range((self.width + 7) // 8):
                self.learn_block(z, by, bx, above)
        if self.has_mean:
            self.learn_means(z)

    def decode_voxel(
        self, z: int, y: int, x: int, above: dict[int, Matrix], weights: dict[int, list[int]]
    ) -> None:
        here, kind = (z, y, x), 0 if z == 0 else 1 if z < self.lag else 2
        rough, agree = self.around(z, y, x)
        if rough == 0 and self.d.binary(self.flat[agree]):
            self.voxels[here], self.errors[here], self.signs[here] = self.voxel(z, y, x - 1), 0, 0
            self.weighing[here] = (0, 0)
            return
        block = x // 8
        if block not in weights:
            weights[block] = self.weights_of(above, z, y // 4, block)
        guess = self.guess(weights[block], z, y, x)
        self.code(z, y, x, kind, rough, guess)

    def around(self, z: int, y: int, x: int) -> tuple[int, int]:
        """Roughness, and how many voxels of the slice before are the same."""
        c = {(i, j): self.voxel(z, y + i, x + j) for i, j in ((0, -1), (-1, 0), (-1, -1), (-1, 1))}
        rough = abs(c[0, -1] - c[-1, -1]) + abs(c[-1, 0] - c[-1, -1]) + abs(c[-1, 0] - c[-1, 1])
        if z == 0:
            return rough, 0
        near = [(0, 0), (0, 1), (0, -1), (-1, 0), (1, 0), (1, 1)]
        b = {(i, j): self.voxel(z - 1, y + i, x + j) for i, j in near}
        rough += abs(b[0, 0] - b[0, -1]) + abs(b[0, 0] - b[-1, 0])
        rough += abs(c[0, -1] - b[0, -1]) + abs(c[-1, 0] - b[-1, 0])
        return rough, sum(b[at] == b[0, 0] for at in ((0, 1), (1, 0), (1, 1)))

    def guess(self, w: list[int], z: int, y: int, x: int) -> int:
        n, left = self.voxel(z, y - 1, x), self.voxel(z, y, x - 1)
        taps = [self.value_at(tap, z, y, x) for tap in self.taps]
        total = sum(a * (t - n) for a, t in zip(w, taps[1:], strict=True) if t is not None)
        return 256 * n + ((total + (16384 - sum(w)) * (left - n)) >> 6)

    def activity(self, z: int, y: int, x: int, kind: int) -> int:
        e = self.errors
        a = 2 * e[z, y, x - 1] + 2 * e[z, y - 1, x] + e[z, y - 1, x - 1] + e[z, y - 1, x + 1]
        a += e[z, y, x - 2] + e[z, y - 2, x]
        if kind == 0:
            return 2 * a
        around = [(0, -1), (0, 1), (-1, 0), (1, 0), (1, -1), (1, 1)]
        a += 2 * e[z - 1, y, x] + sum(e[z - 1, y + i, x + j] for i, j in around)
        if kind == 2 and self.has_mean:
            k = z - self.lag
            a += 4 * e[k, y, x]
            a += sum(2 * e[k, y + i, x + j] for i, j in ((0, -1), (0, 1), (-1, 0), (1, 0)))
            a += sum(e[k, y + i, x + j] for i in (-1, 1) for j in (-1, 1))
            a >>= 1
        return a

    def code(self, z: int, y: int, x: int, kind: int, rough: int, guess: int) -> None:
        sg, top = self.signs, self.top
        a = self.activity(z, y, x, kind)
        level_a, r = level(a), min(63, level(rough))
        v = min(63, level(min(max(guess, 0), 256 * top) >> 6))
        s = (
            sg[z, y, x - 1]
            + 2 * sg[z, y - 1, x]
            + 8 * sg[z, y - 1, x + 1]
            + 16 * sg[z, y - 1, x - 1]
        )
        s += 4 * sg[z - 1, y, x] + 32 * sg[z - 1, y, x + 1] if kind else 0
        by_sign, by_value = (min(15, level_a // 8), s), (min(15, level_a // 8), v)
        bias = (self.b1[by_sign] + self.b2[by_value]) >> 8
        mean = (min(max(guess + bias, 0), 256 * top) + 4) // 8 * 8
        half = min(63, level_a // 2)
        ratios = self.r1[half, r] + self.r2[half, v]
        scale = min(max(((a + 6) * ratios) >> 17, 16), 1 << 30)
        m = scale.bit_length() - 1
        level8 = 8 * (m - 3) + ((scale >> (m - 3)) & 7)
        context = min(63, level8 >> 2)
        voxel = self.value(mean, level8, (self.s2[context, v], self.s1[context, r]))
        self.voxels[z, y, x] = voxel
        miss = 256 * voxel - mean
        e = self.errors[z, y, x] = min(1 << 20, abs(miss) >> 5)
        sg[z, y, x] = int(miss > 0)
        ratio = min(8 * 65536, (e << 20) // (a + 6))
        self.r1[half, r] += (ratio - self.r1[half, r]) >> 7
        self.r2[half, v] += (ratio - self.r2[half, v]) >> 7
        limit = 4 * scale + 128 if scale < 1 << 19 else 1 << 21
        pull = clip(256 * voxel - guess, limit) - bias
        self.b1[by_sign] += 2 * pull
        self.b2[by_value] += pull
        variance = min(1 << 20, a) ** 2 + (6 * min(1 << 17, rough)) ** 2 + (7 * e) ** 2 + 4915
        m = variance.bit_length() - 1
        weight = WEIGHTS[16 * (m & 1) + ((variance >> (m - 4)) & 15)]
        self.weighing[z, y, x] = (weight, 3 + (m >> 1))

    def sample(self, z: int, y: int, x: int) -> list[int]:
        weight, shift = self.weighing[z, y, x]
        w = self.voxel(z, y, x - 1)
        found = [self.value_at(tap, z, y, x) for tap in self.taps[1:]]
        return [
            0 if t is None else clip((clip(t - w, 32767) * weight) >> shift, self.most)
            for t in [*found, self.voxels[z, y, x]]
        ]

    def learn_block(self, z: int, by: int, bx: int, above: dict[int, Matrix]) -> None:
        c, count = self.zeros(), 0
        for y in range(self.rows * by, min(self.rows * (by + 1), self.height)):
            for x in range(8 * bx, min(8 * bx + 8, self.width)):
                if self.weighing[z, y, x][0] > 0:
                    u = self.sample(z, y, x)
                    c += np.outer(u, u)
                    count += 1
        above[bx] = self.joined(
            lambda now, old: now + (old >> 4) * self.row_decay, c, above.get(bx)
        )
        if count and (by ^ bx) & 3 == 0:
            self.total = self.joined(lambda a, b: a + b, self.total, c)
            self.n_total += count
        if self.depth > 1:
            back = self.lag if self.has_mean else 1
            old = self.earlier.get((z - back, by, bx))
            self.earlier[z, by, bx] = self.joined(
                lambda now, t: now + (t >> 4) * self.slice_decay, c, old
            )

    # ---- values

    def value(self, mean: int, level8: int, models: tuple[Shares, Shares]) -> int:
        n = (level8 - 76) >> 3 if level8 > 83 else 0
        most, base, octave = self.top >> n, -128 - mean, level8 >> 3
        factor, shift = FACTOR[level8 & 7], SHIFT[level8 & 7] + octave
        high = -(-((Z_TOP + 1) << shift) // factor)
        lowest = -((Z_TOP << shift) // factor) - 1
        above, below = -((base - high) >> (8 + n)) - 1, (lowest - base) >> (8 + n)

        def before(place: int) -> int:
            pairs = [m.ends(place) for m in models]
            s, t = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
            return (s << 10) + (((t - s) * (place & 4095)) >> 2)

        def place(edge: int) -> int:
            z = clip((edge * factor) >> shift, Z_TOP + 1)
            t = clip(z, Z_TOP) + Z_TOP
            return PLACES[t >> 8] + (((PLACES[(t >> 8) + 1] - PLACES[t >> 8]) * (t & 255)) >> 8)

        def interval(m: int) -> tuple[int, int, int, int]:
            p0 = 0 if m == 0 else place((m << (8 + n)) + base)
            p1 = 65536 if m == most else place(((m + 1) << (8 + n)) + base)
            return p0, p1, 0 if m == 0 else before(p0), 1 << 26 if m == most else before(p1)

        r = self.d.range >> 26
        share = min(self.d.code // r, (1 << 26) - 1)
        p0, p1 = 15 * 4096, 65536
        if above < most and share >= before(p0):
            self.d.narrow(before(p0), (1 << 26) - before(p0), 26)
            m = above + self.number()
        elif below > 0 and share < before(4096):
            p0, p1 = 0, 4096
            self.d.narrow(0, before(4096), 26)
            m = below - self.number()
        else:
            first, last = below + 1 if below > 0 else 0, above - 1 if above < most else most
            while first < last:  # the last value that begins at or before the share
                middle = (first + last + 1) // 2
                first, last = (
                    (middle, last) if interval(middle)[2] <= share else (first, middle - 1)
                )
            m = first
            p0, p1, start, stop = interval(m)
            need(start <= share < stop, "share of no value")
            self.d.narrow(start, stop - start, 26)
        need(0 <= m <= most, "voxel range")
        found = m << n | raw_bits(self.d, n)
        need(found <= self.top, "voxel range")
        for model in models:
            model.learn(p0, p1)
        return found

    def number(self) -> int:
        n = 0
        while n < 32 and raw_bits(self.d, 1):
            n += 1
        return 0 if n == 0 else 1 << (n - 1) | raw_bits(self.d, n - 1)


def decode(d: Any, sizes: tuple[int, int, int, int], top: int) -> dict[tuple[int, int, int], int]:
    """Numbers of a part by their places; sizes are depth, height, width and lag."""
    return Local(d, sizes, top).decode()
