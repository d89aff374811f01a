"""A slow, obvious decoder of label voxels, written from FORMAT.md section 7.9 alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from reference_coder import Binary, Decoder, need
from reference_logistic import Counter, Weights, decide, learn

WORD = 2**32
VOTES = [12, 12, 6, 6, 4, 4, 16, 6, 6, 6, 6, 3, 3, 3, 3, 6, 1, 1, 1, 1]
AROUND = [range(4), [*range(4), *range(6, 15)], [*range(4), *range(6, 15)]]


def place(a: int, b: int, c: int) -> int:
    h = (a * 0x9E3779B1 ^ b * 0x85EBCA6B ^ c * 0xC2B2AE35) % WORD
    h ^= h >> 15
    return h * 0x2C1B3C6D % WORD >> 16


def near(taps: int) -> int:
    return sum((taps >> tap & 1) << i for i, tap in enumerate((0, 1, 3, 6, 8, 10)))


class Labels:
    """The state of a reader."""

    def __init__(self, d: Decoder, top: int) -> None:
        self.d, self.top, self.next = d, top, 0
        self.models: dict[Any, Binary] = defaultdict(Binary)
        self.counters: dict[Any, Counter] = defaultdict(Counter)
        self.weights: dict[Any, Weights] = defaultdict(lambda: Weights([9830] * 7 + [0]))
        self.last: dict[int, int] = defaultdict(int)
        self.ranks: dict[tuple[int, int, int], int] = defaultdict(int)

    def bit(self, *model: Any) -> int:
        return self.d.binary(self.models[model])

    def voxel(self, at: tuple[int, int, int], tap: list[int], kind: int) -> int:
        """The label at a place, whose neighbours have the labels `tap`."""
        first = 0
        if all(tap[t] == tap[0] for t in AROUND[kind]):
            far = 0 if kind < 2 else 1 + all(tap[t] == tap[0] for t in range(15, 20))
            if self.bit("flat", far, tap[5] == tap[0], tap[4] == tap[0]):
                return tap[0]
            first = 1
        seen = tap[: (6, 15, 20)[kind]]
        labels = list(dict.fromkeys(seen))[:6]
        votes = {
            one: sum(VOTES[t] for t, label in enumerate(seen) if label == one) for one in labels
        }
        labels.sort(key=lambda label: -votes[label])
        sets = [sum(1 << t for t, label in enumerate(seen) if label == one) for one in labels]
        for k in range(first, len(labels)):
            is_only = k + 1 == len(labels) == self.top + 1
            if is_only or self.guess(at, tap, kind, labels, sets, k):
                self.ranks[at] = min(k, 3)
                return labels[k]
        self.ranks[at] = 3
        return self.other(labels[0])

    def guess(
        self,
        at: tuple[int, int, int],
        tap: list[int],
        kind: int,
        labels: list[int],
        sets: list[int],
        k: int,
    ) -> int:
        z, y, x = at
        s, n = sets[k], [*sets, 0][k + 1]
        left, situation = len(labels) - 1 - k, 3 * min(k, 3) + kind
        beside = [(z, y, x - 1), (z, y - 1, x), (z, y - 1, x + 1)]
        beside += [(z - 1, y, x), (z - 1, y, x + 1), (z - 1, y + 1, x)]
        ranks = sum(self.ranks[one] << 2 * i for i, one in enumerate(beside))
        places = [
            place(s & 0x7CF, situation, min(left, 2)),
            place(s, situation, near(n)),
            place(s & 0x7FFF, situation, 0),
            place(labels[k], [*labels, WORD - 1][k + 1], near(s) << 4 | situation),
            place(tap[0], tap[6], (31 * tap[1] + labels[k]) << 4 | situation),
            place(ranks, near(s), situation),
            place(s, n, situation),
        ]
        counters = [self.counters[one] for one in enumerate(places)]
        if counters[0].n == 0:
            counters[0].p, counters[0].n = 2**22 * 3 // 4 if k == 0 else 2**21, 1
        odds = counters[0].p >> 2
        if counters[0].n > 60 and (odds < 2**13 or odds > 2**20 - 2**13):
            odds = max(16, min(2**20 - 16, odds))
            bit = 1 - self.d.share([0, odds, 1 << 20], 20)
            learn(counters[0], bit)
            return bit
        u, v = self.weights["number", situation, left], self.weights["near", min(k, 3), near(s)]
        return decide(self.d, counters, u, v)

    def other(self, likeliest: int) -> int:
        at = place(likeliest, 0, 0) & 4095
        if self.next <= self.top and self.bit("next"):
            label = self.next
        elif self.bit("last"):
            label = self.last[at]
        else:
            n = self.top.bit_length()
            raw, node = max(0, n - 12), 1
            for _ in range(n - raw):
                node = 2 * node + self.bit("spelled", node)
            label = (node - (1 << (n - raw))) << raw | self.d.raw(raw)
        need(label <= self.top, "label")
        self.last[at] = label
        self.next = max(self.next, label + 1)
        return label
