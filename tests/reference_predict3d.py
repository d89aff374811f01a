"""A slow, obvious decoder of predict3d parts, written from FORMAT.md section 7 alone."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import reference_predict3d_labels
import reference_predict3d_local
import reference_predict3d_stacked
from reference_coder import Binary, Decoder, Token, length_of, level, need, number_model

CURRENT = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)]
NEAR = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
FAR = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]


def decode(coded: bytes, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Decode one part."""
    wanted = np.dtype(dtype)
    need(len(coded) > 0 and coded[0] in (0, 2, 3, 4, 5, 6), "method")
    if coded[0] == 2:
        need(len(coded) - 1 == math.prod(shape) * wanted.itemsize, "stored length")
        return np.frombuffer(coded[1:], wanted).reshape(shape)
    return Part(Decoder(coded[1:]), shape, wanted).decode(coded[0])


class Part:
    """The state of a reader."""

    def __init__(self, decoder: Decoder, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.d, self.shape, self.dtype = decoder, shape, dtype
        sizes = [n for n in shape if n != 1]
        self.width = sizes[-1] if sizes else 1
        self.height = sizes[-2] if len(sizes) > 1 else 1
        self.depth = math.prod(sizes[:-2])
        self.lag = sizes[-3] if len(sizes) >= 4 else 2
        self.voxels: dict[tuple[int, int, int], int] = {}
        self.errors: dict[tuple[int, int, int], int] = defaultdict(int)

    def decode(self, method: int) -> np.ndarray:
        self.read_map()
        if self.top > 0:
            {
                0: self.decode_dense,
                3: self.decode_fast,
                4: self.decode_local,
                5: self.decode_stacked,
                6: self.decode_labels,
            }[method]()
        codes = [self.code_of(v) for v in self.in_order()]
        self.d.finish()
        bits = np.array([self.element_bits(c) for c in codes], np.uint64)
        plain = bits.astype(f"<u{self.dtype.itemsize}").view(self.dtype.newbyteorder("<"))
        return plain.astype(self.dtype).reshape(self.shape)

    def in_order(self) -> list[int]:
        every = np.ndindex(self.depth, self.height, self.width)
        return [self.voxels[at] if self.top > 0 else self.low for at in every]

    # ---- 7.2

    def read_map(self) -> None:
        model, bits = number_model(), 8 * self.dtype.itemsize
        self.top = self.d.number(model)
        self.table: list[int] = []
        kind = self.d.number(model)
        need(self.top < 1 << 32 and kind <= 2, "top")
        if kind == 2:
            self.read_multiples(self.d.number(model), self.d.number(model))
        elif kind == 1:
            need(self.top < 65536, "table")
            self.table = [self.d.number(model)]
            model = number_model()
            for _ in range(self.top):
                self.table.append(self.table[-1] + 1 + self.d.number(model))
                need(self.table[-1] < 1 << bits, "table range")
            need(self.table[-1] < 1 << bits, "table range")
        else:
            self.minimum, self.dropped_bits, self.raw_bits, self.dropped = (
                self.d.number(model) for _ in range(4)
            )
            shift = self.dropped_bits + self.raw_bits
            need(shift < 64 and self.dropped < 1 << self.dropped_bits, "shifts")
            need(self.minimum + self.top < 1 << bits >> shift, "range")
        self.half = (self.top + 1) // 2
        self.low, self.high = -self.half, self.top - self.half

    def read_multiples(self, folded: int, bits: int) -> None:
        offset = -(folded + 1) // 2 if folded & 1 else folded // 2
        step = float(np.array(bits, np.uint64).view(np.float64))
        need(self.dtype.kind == "f" and self.top < 65536 and abs(offset) <= 1 << 52, "step")
        need(math.isfinite(step) and step > 0, "step")
        with np.errstate(over="ignore"):
            exact = (offset + np.arange(self.top + 1)).astype(np.float64) * step
            values = exact.astype(self.dtype.newbyteorder("<"))
        need(bool(np.isfinite(values).all()), "multiples")
        words = values.view(f"<u{self.dtype.itemsize}").tolist()
        sign = 1 << (8 * self.dtype.itemsize - 1)
        self.table = [w ^ (2 * sign - 1) if w & sign else w ^ sign for w in words]
        need(all(a < b for a, b in itertools.pairwise(self.table)), "multiples")

    def code_of(self, voxel: int) -> int:
        number = voxel + self.half
        if self.table:
            return self.table[number]
        code = (number + self.minimum) << self.raw_bits | self.d.raw(self.raw_bits)
        return code << self.dropped_bits | self.dropped

    def element_bits(self, code: int) -> int:
        sign = 1 << (8 * self.dtype.itemsize - 1)
        if self.dtype.kind == "i":
            return code ^ sign
        if self.dtype.kind == "f":
            return code ^ sign if code & sign else code ^ (2 * sign - 1)
        return code

    # ---- 7.3

    def kind(self, z: int) -> int:
        return 0 if z == 0 else 1 if z < self.lag else 2

    def voxel(self, z: int, y: int, x: int) -> int:
        """A voxel or its margin."""
        if y < 0:
            return 0 if z == 0 else self.voxel(z - 1, 0, x)
        if y == self.height:
            return self.voxel(z, y - 1, x)
        if x < 0:
            return self.voxel(z, y - 1, 0)
        return self.voxels[z, y, min(x, self.width - 1)]

    def taps(self, z: int, y: int, x: int) -> list[int]:
        kind = self.kind(z)
        taps = [self.voxel(z, y + dy, x + dx) for dy, dx in CURRENT]
        taps += [self.voxel(z - 1, y + dy, x + dx) if kind else 0 for dy, dx in NEAR]
        return taps + [
            self.voxel(z - self.lag, y + dy, x + dx) if kind == 2 else 0 for dy, dx in FAR
        ]

    def roughness(self, taps: list[int], kind: int) -> int:
        pairs = [(0, 2), (1, 2), (1, 3)] + ([(6, 7), (6, 9), (0, 7), (1, 9)] if kind else [])
        return sum(min(1 << 27, abs(taps[i] - taps[j])) for i, j in pairs)

    # ---- 7.4

    def read_weights(self) -> None:
        limit_model, weight_model = number_model(), number_model()
        self.limits: list[list[int]] = []
        self.weights: list[list[list[int]]] = []
        for _ in range(3):
            n = self.d.number(limit_model)
            need(n <= 8, "classes")
            limits = [self.d.number(limit_model) & 0xFFFFFFFF for _ in range(n - 1)]
            self.limits.append(limits)
            self.weights.append([])
            for _ in range(n):
                sent = [self.d.number(weight_model) & 0xFFFF for _ in range(19)]
                rest = [-((u + 1) // 2) if u & 1 else u // 2 for u in sent]
                self.weights[-1].append([4096 - sum(rest), *rest])

    def weighted(self, kind: int, which: int, taps: list[int]) -> int:
        if which >= len(self.weights[kind]):
            return 0
        return sum(w * t for w, t in zip(self.weights[kind][which], taps, strict=False))

    # ---- 7.5

    def decode_dense(self) -> None:
        self.read_weights()
        self.flat, self.escape = [Binary() for _ in range(4)], number_model()
        self.near, self.rough = [Token() for _ in range(496)], [Token() for _ in range(992)]
        self.biases = [0] * 256
        for at in np.ndindex(self.depth, self.height, self.width):
            self.dense_voxel(*at)

    def activity(self, z: int, y: int, x: int) -> int:
        e = self.errors
        a = 2 * e[z, y, x - 1] + 2 * e[z, y - 1, x] + e[z, y - 1, x - 1] + e[z, y - 1, x + 1]
        a += e[z, y, x - 2] + e[z, y - 2, x]
        if self.kind(z) == 0:
            return 2 * a
        around = [(0, -1), (0, 1), (-1, 0), (1, 0), (1, -1), (1, 1)]
        return a + 2 * e[z - 1, y, x] + sum(e[z - 1, y + i, x + j] for i, j in around)

    def dense_voxel(self, z: int, y: int, x: int) -> None:
        kind, t = self.kind(z), self.taps(z, y, x)
        rough = self.roughness(t, kind)
        if rough == 0:
            same = self.flat[(t[8] == t[6]) + (t[10] == t[6]) + (t[14] == t[6])]
            if self.d.binary(same):
                self.voxels[z, y, x], self.errors[z, y, x] = t[0], 0
                return
        which = sum(limit <= rough for limit in self.limits[kind])
        total = self.weighted(kind, which, t)
        signs = sum((t[tap] > total >> 12) << i for i, tap in enumerate((0, 1, 6, 3, 10)))
        at = 32 * which + signs
        exact = min(max(total + (self.biases[at] >> 4), 4096 * self.low), 4096 * self.high)
        near = (exact + 2048) >> 12
        over, fold = exact - 4096 * near, min(near - self.low, self.high - near)
        act = self.activity(z, y, x)
        k = 0 if act < 256 else length_of(act) - 8
        a = self.near[4 * level(act) + (abs(over) >> 9 & 3)]
        b = self.rough[32 * (level(act) >> 2) + (level(rough) >> 1 & 31)]
        u = self.d.magnitude(self.escape, a, b, k)
        if u > 2 * fold:
            miss = u - fold if near - self.low == fold else fold - u
        else:
            miss = (u + 1) >> 1 if (u & 1) == (over >= 0) else -((u + 1) >> 1)
        value = near + miss
        need(self.low <= value <= self.high, "voxel range")
        self.voxels[z, y, x] = value
        self.errors[z, y, x] = min(1 << 26, abs(4096 * value - exact) >> 9)
        pull = min(max(4096 * value - total, -(1 << 26)), 1 << 26)
        self.biases[at] += (16 * pull - self.biases[at]) >> 7

    # ---- 7.6

    def rice(self, k: int) -> int:
        zeros = 0
        while zeros < 20 and not self.d.raw(1):
            zeros += 1
        return zeros << k | self.d.raw(k) if zeros < 20 else self.d.raw(48)

    def in_run(self, z: int, y: int, x: int) -> bool:
        """Steps 1 and 2."""
        kind, t, e = self.kind(z), self.taps(z, y, x), self.errors
        beside = [t[1], t[3], *((t[6], t[8]) if kind else ())]
        if self.run == 0 and all(t[0] == other for other in beside):
            r = self.rice(length_of(self.typical) - 5)
            self.typical = max(16, self.typical + min(r, 1 << 20) - (self.typical >> 4))
            self.run = r + 1
        if self.run > 1:
            self.run -= 1
            self.voxels[z, y, x], e[z, y, x] = t[0], 0
            return True
        self.run = 0
        return False

    def place(self, z: int, y: int, x: int, total: int, u: int) -> None:
        """Step 5, and of step 3 what follows the sum."""
        near = min(max((total + 2048) >> 12, self.low), self.high)
        m = (u + 1) >> 1 if u & 1 else -((u + 1) >> 1)
        value = near + m if total >= 4096 * near else near - m
        need(self.low <= value <= self.high, "voxel range")
        self.voxels[z, y, x], self.errors[z, y, x] = value, min(1 << 26, u)

    def decode_fast(self) -> None:
        self.read_weights()
        need(self.top < 1 << 31, "fast top")
        self.read_codes()
        self.run, self.typical = 0, 256
        for at in np.ndindex(self.depth, self.height, self.width):
            if not self.in_run(*at):
                self.fast_voxel(*at)
        need(self.run <= 1, "run")

    def read_codes(self) -> None:
        own, tokens, lengths = Binary(), number_model(), number_model()
        begins = [1] + [self.d.binary(own) for _ in range(31)]
        self.codes: list[dict[str, int]] = []
        for begin in begins:
            if not begin:
                self.codes.append(self.codes[-1])
                continue
            n = self.d.number(tokens)
            need(n <= 72, "tokens")
            sent: list[int] = []
            for _ in range(n):
                sent.append(self.d.number(lengths))
                need(sent[-1] <= 11, "code length")
            need(sum(2048 >> bits for bits in sent if bits) == 2048, "complete code")
            code, last, words = 0, 0, {}
            for bits, token in sorted((bits, token) for token, bits in enumerate(sent) if bits):
                code <<= bits - last
                words[f"{code:0{bits}b}"] = token
                code, last = code + 1, bits
            self.codes.append(words)

    def fast_voxel(self, z: int, y: int, x: int) -> None:
        kind, e, word = self.kind(z), self.errors, ""
        s = 2 * e[z, y, x - 1] + 2 * e[z, y - 1, x] + e[z, y - 1, x - 1] + e[z, y - 1, x + 1]
        s += 2 * e[z - 1, y, x] if kind else e[z, y, x - 2] + e[z, y - 2, x]
        words = self.codes[min(31, level(s) >> 1)]
        while word not in words:
            word += str(self.d.raw(1))
        t = words[word]
        b = (t >> 1) - 5
        u = t if t < 16 else (2 + (t & 1)) << b | self.d.raw(b)
        taps = self.taps(z, y, x)
        if z == 0 and y == 0:
            total = 4096 * taps[0]
        else:
            taps[5] = taps[1] if z == 0 and y == 1 else taps[5]
            total = self.weighted(kind, 0, taps)
        self.place(z, y, x, total, u)

    # ---- 7.7

    def decode_local(self) -> None:
        sizes = (self.depth, self.height, self.width, self.lag)
        numbers = reference_predict3d_local.decode(self.d, sizes, self.top)
        self.voxels = {at: number - self.half for at, number in numbers.items()}

    # ---- 7.8

    def decode_stacked(self) -> None:
        sizes = (self.depth, self.height, self.width, self.lag)
        numbers = reference_predict3d_stacked.decode(self.d, sizes, self.top)
        self.voxels = {at: number - self.half for at, number in numbers.items()}

    # ---- 7.9

    def decode_labels(self) -> None:
        labels = reference_predict3d_labels.Labels(self.d, self.top)
        for at in np.ndindex(self.depth, self.height, self.width):
            tap = [voxel + self.half for voxel in self.taps(*at)]
            self.voxels[at] = labels.voxel(at, tap, self.kind(at[0])) - self.half
