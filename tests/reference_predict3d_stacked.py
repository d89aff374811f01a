"""A slow, obvious decoder of predict3d's stacked voxels, from FORMAT.md section 7.8 alone."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from reference_coder import Binary, Decoder, level, need
from reference_predict3d_local import WEIGHTS, Local, Tap, clip, raw_bits


def softplus(t: float) -> float:
    return math.log1p(math.exp(-abs(t))) + max(t, 0)


SOFTPLUS = [round(1024 * softplus((i + 0.5) / 64 - 16)) for i in range(2048)]
WIDTH = [round(-1024 * math.log(-math.expm1(-(2 ** (i / 32 - 16))))) for i in range(641)]
STEP = [round(1.386 * 2**23 / (8.5 + j)) for j in range(8)]
OCTAVE = [round(32 * math.log2(1.386 * 2**23 / (8.5 + j))) for j in range(8)]
SQUASH = [
    max(16, min(65520, int(65536 / (1 + math.exp(-(i - 2046.5) / 256))))) for i in range(4095)
]
STRETCH = [round(256 * math.log((i + 0.5) / (4095.5 - i))) for i in range(4096)]
TRUST = [round(256 * (0.3 + 0.7 * (i + 0.5) / 30.5)) for i in range(31)]
RATE = [round(65536 / (i + 1.6)) for i in range(255)]
BLEND = [round(65536 * 2 ** (-i / 2)) for i in range(41)]

BESIDE = [
    *((0, 0, -1), (0, -1, 0), (0, -1, -1), (0, -1, 1), (0, 0, -2), (0, -2, 0), (0, 0, -3)),
    *((0, -1, 2), (0, -1, -2), (0, -2, -1), (0, -2, 1), (0, -3, 0), (0, -2, 2)),
    *((-1, 0, 0), (-1, 0, 1), (-1, 1, 0), (-1, 0, -1), (-1, -1, 0), (-1, 1, 1), (-1, 1, -1)),
    *((-1, -1, 1), (-1, -1, -1), (-1, 0, 2), (-1, 0, -2), (-1, 2, 0)),
]
# Discs in the slice, the slice before, slice z - lag and beside it; whether with arms.
DISCS = ((16, 6.25, 2.25, 1, True), (4, 2.25, 1, -1, False), (9, 2.25, 1, -1, False))
# Rows of a block, weight of the prior, decay of blocks above, decay of earlier slices.
MEMORIES = ((4, 10, 13, 11), (4, 5, 8, 8), (2, 5, 8, 5), (4, 30, 13, 11))
Place = tuple[int, int, int]


def level_8(x: int) -> int:
    m = max(8, x).bit_length() - 1
    return 8 * (m - 3) + ((max(8, x) >> (m - 3)) & 7)


def scale_level(x: int) -> int:
    return level_8(min(x, 1 << 30))


class Fit(Local):
    """One of the predictions: the equations of 7.7 with neighbours and a memory of its own."""

    most = 724

    def __init__(self, stacked: Stacked, number: int) -> None:
        super().__init__(stacked.d, stacked.sizes, stacked.top)
        self.voxels, self.weighing = stacked.voxels, stacked.weighing
        self.rows, self.prior, self.row_decay, self.slice_decay = MEMORIES[number]
        if self.depth == 1:
            self.prior, self.row_decay = 300, 14
        self.taps = self.taps_of(number)
        self.n = len(self.taps) - 1
        self.total = self.zeros()

    def taps_of(self, number: int) -> list[Tap]:
        here, before, far, beside, has_arms = DISCS[number]
        taps = [(0, 0, -1, False), *self.disc(0, here)]
        taps += self.disc(-1, before) if self.depth > 1 else []
        taps += self.disc(-self.lag, far) if self.depth > self.lag else []
        if self.lag == 2 and self.depth > 3:
            taps += self.disc(-3, beside)
        if self.lag > 2 and self.depth > self.lag + 1:
            taps += self.disc(1 - self.lag, beside) + self.disc(-1 - self.lag, beside)
        if has_arms:
            taps += [(0, *at, False) for k in range(5, 13) for at in ((-k, 0), (0, -k))]
            last = min(self.depth, 8) if self.lag == 2 else 0
            taps += [(-k, 0, 0, False) for k in range(4, last)]
        return taps + self.mean_taps()

    def begin_slice(self, z: int) -> None:
        self.above: dict[int, Any] = {}

    def row(self, z: int, y: int) -> None:
        """Before a row: forget the weights of the blocks above."""
        if y % self.rows == 0:
            self.weights: dict[int, list[int]] = {}

    def weights_at(self, z: int, y: int, x: int) -> list[int]:
        if x // 8 not in self.weights:
            self.weights[x // 8] = self.weights_of(self.above, z, y // self.rows, x // 8)
        return self.weights[x // 8]

    def learn_row(self, z: int, y: int) -> None:
        if (y + 1) % self.rows == 0 or y + 1 == self.height:
            for bx in range((self.width + 7) // 8):
                self.learn_block(z, y // self.rows, bx, self.above)


class Stack(Fit):
    """Weights for differences of guesses and for misses."""

    def __init__(self, stacked: Stacked) -> None:
        self.stacked = stacked
        super().__init__(stacked, 3)

    def taps_of(self, number: int) -> list[Tap]:
        return [(0, 0, 0, False)] * 28  # as many unknowns as 2 differences and 25 misses

    def inputs(self, z: int, y: int, x: int, apart: list[int]) -> list[int]:
        misses = self.stacked.misses
        return [*apart, *(misses[z + dz, y + dy, x + dx] for dz, dy, dx in BESIDE)]

    def sample(self, z: int, y: int, x: int) -> list[int]:
        weight, shift = self.weighing[z, y, x]
        found = self.inputs(z, y, x, self.stacked.apart[z, y, x])
        return [
            clip((clip(t, 32767) * weight) >> (shift + 4), self.most)
            for t in [*found, self.stacked.misses[z, y, x]]
        ]


@dataclass
class Outlook:
    """A voxel to come: the mean, the level of its scale, experts, contexts and sets of weights."""

    mean: int
    level: int
    experts: list[tuple[int, int]]
    contexts: list[int]
    sets: list[int]


class Mixed:
    """Decisions of 7.8."""

    def __init__(self, d: Decoder) -> None:
        self.d = d
        self.counters: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [1 << 21, 0])
        first = [39322 // 10] * 10 + [0] * 6 + [26214 // 7] * 7 + [0]
        self.weights: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: list(first))
        self.mixed: dict[tuple[int, int, int], int] = defaultdict(int)

    def decide(self, o: Outlook, node: int, odds: list[int]) -> int:
        counters = [self.counters[i, context, node] for i, context in enumerate(o.contexts)]
        inputs = [clip(x, 2047) for x in odds] + [0] * 6
        for chance, seen in counters:
            inputs.append((STRETCH[chance >> 10] * TRUST[min(30, seen)]) >> 8)
        inputs.append(77)
        places = [(k, node, chosen) for k, chosen in enumerate(o.sets)]
        sums = []
        for place in places:
            total = sum((w * x) >> 5 for w, x in zip(self.weights[place], inputs, strict=True))
            sums.append(clip(total >> 11, 2047))
        one = SQUASH[clip((sum(sums) * 21846 + 32768) >> 16, 2047) + 2047]
        bit = int(self.d.code < (self.d.range >> 16) * one)
        self.d.narrow(0 if bit else one, one if bit else 65536 - one, 16)
        for place, total in zip(places, sums, strict=True):
            rate = 5 + ((6 * (255 - self.mixed[place])) >> 8)
            self.mixed[place] = min(255, self.mixed[place] + 1)
            miss = (((bit << 16) - SQUASH[total + 2047]) * rate + 8) >> 4
            self.weights[place] = [
                clip(w + ((miss * x + (1 << 13)) >> 14), 1 << 18)
                for w, x in zip(self.weights[place], inputs, strict=True)
            ]
        for counter in counters:
            chance, seen = counter
            chance += (((bit << 22) - chance) * RATE[seen]) >> 16
            counter[:] = max(420, min((1 << 22) - 420, chance)), min(254, seen + 1)
        return bit

    def value(self, o: Outlook, top: int) -> int:
        octave = o.level >> 3
        n, bits = max(0, octave - 8), min(max(0, octave - 4), 4)
        most = top >> n
        found = self.among(o, n, bits, most) if most > 0 else 0
        value = found << n | raw_bits(self.d, n)
        need(value <= top, "voxel range")
        return value

    def among(self, o: Outlook, n: int, bits: int, top: int) -> int:
        m = min((o.mean >> (8 + n)) + 1, top)
        border = (m << (8 + n)) - 128
        views = []
        for mean, scale in o.experts:
            q = min(159, max(0, scale - 8 * n))
            step = STEP[q & 7] >> (q >> 3)
            start = clip((((border - mean) >> n) * step) >> 8, 1 << 22)
            octave = OCTAVE[q & 7] - 32 * (q >> 3)
            views.append((start, step, 1 << (23 - step.bit_length()), octave))

        up = self.decide(o, 0, [-start >> 8 for start, *_ in views])
        side, last = (1, top - m) if up else (-1, m - 1)

        def borders(units: int) -> list[int]:
            found = [side * start + min(units, far) * step for start, step, far, _ in views]
            return [max(-(1 << 20), min((1 << 20) - 1, t)) for t in found]

        def plus(t: int) -> int:
            return SOFTPLUS[(t + (1 << 20)) >> 10]

        low, steps = 0, 0
        while low + (1 << bits) <= last:
            near, far = borders(low), borders(low + (1 << bits))
            wide = [WIDTH[min(640, max(0, octave + 32 * bits))] for *_, octave in views]
            odds = [(plus(a) - (b >> 6) + c) >> 2 for a, b, c in zip(near, far, wide, strict=True)]
            if not self.decide(o, 1 + 2 * min(7, steps) + up, odds):
                break
            low, steps = low + (1 << bits), steps + 1
            bits += steps >= 6
        tree, first, behind = 1, low, low + (1 << bits)
        while bits > 0:
            bits -= 1
            half, bit = first + (1 << bits), 0
            if half <= last:
                views_of = zip(borders(first), borders(half), borders(behind), strict=True)
                odds = [((c - b) >> 8) + ((plus(a) - plus(c)) >> 2) for a, b, c in views_of]
                node = 63 if tree > 15 else 46 + tree if steps else 15 + 2 * tree + up
                bit = self.decide(o, node, odds)
            first, behind = (half, behind) if bit else (first, half)
            tree = 2 * tree + bit
        return m + first if up else m - 1 - first


class Stacked:
    """Numbers of a part, slice by slice."""

    def __init__(self, d: Decoder, sizes: tuple[int, int, int, int], top: int) -> None:
        self.d, self.sizes, self.top = d, sizes, top
        self.depth, self.height, self.width, self.lag = sizes
        self.has_mean = self.lag > 2 and self.depth > self.lag
        self.voxels: dict[Place, int] = {}
        self.weighing: dict[Place, tuple[int, int]] = {}
        self.misses: dict[Place, int] = defaultdict(int)
        self.apart: dict[Place, list[int]] = {}
        self.errors: dict[Place, list[int]] = defaultdict(lambda: [0] * 5)
        self.signs: dict[Place, int] = defaultdict(int)
        self.flat = [Binary() for _ in range(4)]
        self.by_sides: dict[tuple[int, int], int] = defaultdict(int)
        self.by_signs: dict[tuple[int, int], int] = defaultdict(int)
        self.ratios: dict[tuple[int, ...], int] = defaultdict(lambda: 65536)
        self.mixed = Mixed(d)

    def decode(self) -> dict[Place, int]:
        kept = 0 if self.depth == 1 else self.lag if self.lag > 2 else 1
        need(self.top < 1 << 24 and min(self.width, self.height) >= 16, "stacked")
        need(self.width * self.height * kept <= 1 << 18, "large slices")
        need(self.depth > 1 or self.width <= 1 << 17, "wide images")
        self.fits = [Fit(self, number) for number in range(3)]
        self.stack = Stack(self)
        for z in range(self.depth):
            for fit in (*self.fits, self.stack):
                fit.begin_slice(z)
            for y in range(self.height):
                self.decode_row(z, y)
            for fit in self.fits:
                if self.has_mean:
                    fit.learn_means(z)
        return self.voxels

    def decode_row(self, z: int, y: int) -> None:
        for fit in (*self.fits, self.stack):
            fit.row(z, y)
        for x in range(self.width):
            rough, same = self.fits[0].around(z, y, x)
            if rough == 0 and self.d.binary(self.flat[same]):
                self.voxels[z, y, x] = self.fits[0].voxel(z, y, x - 1)
                self.weighing[z, y, x] = (0, 0)
            else:
                self.decode_voxel(z, y, x, rough)
        for fit in (*self.fits, self.stack):
            fit.learn_row(z, y)

    def activity(self, i: int, z: int, y: int, x: int) -> int:
        def e(dz: int, dy: int, dx: int) -> int:
            return self.errors[z + dz, y + dy, x + dx][i]

        a = 2 * e(0, 0, -1) + 2 * e(0, -1, 0) + e(0, -1, -1) + e(0, -1, 1)
        a += e(0, 0, -2) + e(0, -2, 0)
        if z == 0:
            return 2 * a
        around = [(0, -1), (0, 1), (-1, 0), (1, 0), (1, -1), (1, 1)]
        a += 2 * e(-1, 0, 0) + sum(e(-1, *at) for at in around)
        if i == 4 and self.has_mean and z >= self.lag:
            a += 4 * e(-self.lag, 0, 0)
            a += 2 * sum(e(-self.lag, *at) for at in ((0, -1), (0, 1), (-1, 0), (1, 0)))
            a += sum(e(-self.lag, i, j) for i in (-1, 1) for j in (-1, 1))
            a >>= 1
        return a

    def decode_voxel(self, z: int, y: int, x: int, rough: int) -> None:
        here, high = (z, y, x), 256 * self.top
        activity = [self.activity(i, z, y, x) for i in range(5)]
        p = [max(0, min(high, fit.guess(fit.weights_at(z, y, x), z, y, x))) for fit in self.fits]
        apart = [clip((p[i] - p[0]) >> 4, 1 << 20) for i in (1, 2)]
        inputs = self.stack.inputs(z, y, x, apart)
        stack = sum(a * b for a, b in zip(self.stack.weights_at(z, y, x), inputs, strict=True))
        guesses = [max(0, min(high, p[0] + (stack >> 10))), *p]
        levels = [level_8(a + 18) for a in activity[:4]]
        worse = [BLEND[min(40, q - min(levels))] << (i == 0) for i, q in enumerate(levels)]
        blend = sum(a * b for a, b in zip(worse, guesses, strict=True)) // sum(worse)
        o, learn = self.look_out(here, rough, activity, guesses, blend)
        value = self.mixed.value(o, self.top)
        self.voxels[here], self.apart[here] = value, apart
        miss = 256 * value - o.mean
        errors = [min(1 << 20, abs(256 * value - q) >> 5) for q in (*guesses, o.mean)]
        self.errors[here], self.signs[here] = errors, int(miss > 0)
        self.misses[here] = clip((256 * value - p[0]) >> 4, 1 << 20)
        for place, i, rate in learn["ratios"]:
            ratio = min(8 << 16, (errors[i] << 20) // (activity[i] + 6))
            self.ratios[place] += (ratio - self.ratios[place]) >> rate
        scale = ((17 + 2 * (o.level & 7)) << (o.level >> 3)) >> 1
        pull = clip(256 * value - blend, 8 * scale + 256 if scale < 1 << 19 else 1 << 22) * 256
        self.by_sides[learn["sides"]] += (pull - self.by_sides[learn["sides"]]) >> 7
        self.by_signs[learn["signs"]] += (pull - self.by_signs[learn["signs"]]) >> 7
        e = errors[4]
        v = min(1 << 20, activity[4]) ** 2 + (6 * min(1 << 17, rough)) ** 2 + (7 * e) ** 2 + 4915
        m = v.bit_length() - 1
        self.weighing[here] = (WEIGHTS[16 * (m & 1) + ((v >> (m - 4)) & 15)], 4 + (m >> 1))

    def look_out(
        self, here: Place, rough: int, activity: list[int], guesses: list[int], blend: int
    ) -> tuple[Outlook, dict[str, Any]]:
        (z, y, x), top, sg = here, self.top, self.signs
        kind = 0 if z == 0 else 1 if z < self.lag else 2

        def c(dz: int, dy: int, dx: int) -> int:
            return self.fits[0].voxel(z + dz, y + dy, x + dx)

        near, left = blend >> 8, c(0, 0, -1)
        sides = (left > near) + 2 * (c(0, -1, 0) > near) + 8 * (c(0, -1, 1) > near)
        signs = sg[z, y, x - 1] + 2 * sg[z, y - 1, x] + 8 * sg[z, y - 1, x + 1]
        signs += 16 * sg[z, y - 1, x - 1]
        if kind:
            sides += 4 * (c(-1, 0, 0) > near) + 16 * (c(-1, 1, 0) > near)
            signs += 4 * sg[z - 1, y, x] + 32 * sg[z - 1, y, x + 1]
        a, r = level(activity[4]), min(63, level(rough))
        spread = min(63, level((max(guesses) - min(guesses)) >> 5))
        by_sides, by_signs = (r // 6, sides), (a // 8, signs)
        bias = (self.by_sides[by_sides] + self.by_signs[by_signs]) >> 9
        mean = max(0, min(256 * top, blend + bias))
        value = min(63, level(mean >> 6))
        half = a // 2
        places: list[tuple[int, ...]] = [(0, a), (1, half, r), (2, half, spread), (3, half, value)]
        q = [scale_level((activity[4] + 6) * self.ratios[place] >> 16) for place in places]
        middle = (sum(q) + 2) >> 2
        scale = ((17 + 2 * (middle & 7)) << (middle >> 3)) >> 1
        levels = [q[1], q[2], max(0, middle - 3), max(0, q[0] - 8), q[0] + 11, q[3]]
        experts = [(mean, k) for k in levels]
        learn = [(place, 4, 8 if place[0] == 0 else 7) for place in places]
        for i, guess in enumerate(guesses):
            place = (4, i, level(activity[i]))
            experts.append((guess, scale_level((activity[i] + 6) * self.ratios[place] >> 16)))
            learn.append((place, i, 8))
        m, fine = level(scale), (mean >> 5) & 7
        coarse = 0 if scale > 512 else fine // 4 if scale > 256 else fine // 2
        coarse = fine if scale <= 128 else coarse
        step = max(-32, min(31, (256 * left - mean) >> 6))
        slope = min(63, level(abs(left - c(0, -1, 0))))
        contexts = [8 * m + coarse, m // 2 * 64 + r, 16 * signs + m // 8, 64 * value + m // 2]
        contexts += [64 * spread + m // 2, ((mean + 128) >> 8) & 4095, 64 * slope + step + 32]
        sets = [min(15, m // 6), value // 4, spread // 4]
        state = {"ratios": learn, "sides": by_sides, "signs": by_signs}
        return Outlook(mean, middle, experts, contexts, sets), state


def decode(d: Any, sizes: tuple[int, int, int, int], top: int) -> dict[Place, int]:
    """Numbers of a part by their places; sizes are depth, height, width and lag."""
    return Stacked(d, sizes, top).decode()
