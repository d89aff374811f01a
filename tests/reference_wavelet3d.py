"""A slow, obvious decoder of wavelet3d parts, written from FORMAT.md section 8 alone."""

from __future__ import annotations

import math
import struct
from collections import defaultdict

import numpy as np
import reference_predict3d
from reference_coder import Binary, Decoder, Token, length_of, level, need, number_model

F = np.float32


def single(bits: str) -> np.float32:
    return np.frombuffer(bytes.fromhex(bits), ">f4")[0].astype(F)


ALPHA, BETA, GAMMA, DELTA, LOW, HIGH = map(
    single, ("bfcb0673", "bd5901ae", "3f620676", "3ee31355", "3f93263d", "3f5eaf70")
)


def decode(coded: bytes, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Decode one part."""
    wanted = np.dtype(dtype)
    need(len(coded) > 0, "empty")
    if coded[0] == 254:
        return reference_predict3d.decode(coded[1:], shape, dtype)
    if coded[0] == 255:
        need(len(coded) - 1 == math.prod(shape) * wanted.itemsize, "stored length")
        return np.frombuffer(coded[1:], wanted).reshape(shape)
    if coded[0] == 253:
        from reference_wavelet3d_mixed import MixedPart

        return MixedPart(coded, shape, wanted).decode()
    return Part(coded, shape, wanted).decode()


class Part:
    """The state of a reader."""

    def __init__(self, coded: bytes, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype
        sizes = [n for n in shape if n != 1]
        self.size = [math.prod(sizes[:-3]), *([1, 1, 1, *sizes][-3:])]
        n, self.bounded = coded[0] & 127, coded[0] >> 7
        fixed = 1 + n + 24 + 8 * self.bounded + 3
        need(n <= 10 and len(coded) >= fixed, "header")
        self.masks = list(coded[1 : 1 + n])
        self.low, self.high, self.step = struct.unpack_from("<3d", coded, 1 + n)
        self.max_error = struct.unpack_from("<d", coded, 25 + n)[0] if self.bounded else 0.0
        self.points = struct.unpack_from("<3b", coded, fixed - 3)
        self.rest = coded[fixed:]

    def decode(self) -> np.ndarray:
        if self.low == self.high:
            need(not self.rest, "bytes behind a constant")
            return np.full(self.shape, self.low, self.dtype)
        n = int.from_bytes(self.rest[:4], "little")
        need(n <= len(self.rest) - 4, "coefficients")
        steps = self.inverse(self.coefficients(self.decoder(self.rest[4 : 4 + n])))
        numbers = self.rebuilt(steps.reshape(-1))
        values = self.elements(numbers)
        if self.bounded:
            self.correct(Decoder(self.rest[4 + n :]), numbers, values)
        else:
            need(len(self.rest) == 4 + n, "bytes behind the coefficients")
        return values.astype(self.dtype).reshape(self.shape)

    def decoder(self, coded: bytes) -> Decoder:
        """Of the coefficients."""
        return Decoder(coded)

    # ---- subbands

    def corners(self) -> list[list[int]]:
        corners = [list(self.size)]
        for mask in self.masks:
            need(1 <= mask <= 15, "mask")
            need(all(corners[-1][a] >= 2 for a in range(4) if mask >> a & 1), "axis of length 1")
            corners.append(
                [(m + 1) // 2 if mask >> a & 1 else m for a, m in enumerate(corners[-1])]
            )
        return corners

    def coefficients(self, d: Decoder) -> np.ndarray:
        self.zero, self.escape = [Binary() for _ in range(16)], number_model()
        self.near, self.far = [Token() for _ in range(320)], [Token() for _ in range(240)]
        out, corners = np.zeros(self.size, F), self.corners()
        last = corners[-1]
        self.band(d, out[tuple(map(slice, last))], 0, None, [0] * 4)
        coarser: dict[int, np.ndarray] = {}
        for i in reversed(range(len(self.masks))):
            bands = {}
            for high in range(1, 16):
                if high & self.masks[i] != high:
                    continue
                where = tuple(
                    slice(corners[i + 1][a], corners[i][a])
                    if high >> a & 1
                    else slice(0, corners[i + 1][a])
                    for a in range(4)
                )
                split = self.masks[i + 1] if i + 1 < len(self.masks) else 0
                halved = [split >> a & 1 for a in range(4)]
                bands[high] = self.band(d, out[where], high.bit_count(), coarser.get(high), halved)
            coarser = bands
        d.finish()
        return out

    def band(
        self, d: Decoder, out: np.ndarray, b: int, parent: np.ndarray | None, halved: list[int]
    ) -> np.ndarray:
        """Decode one band into `out`; returns its magnitudes."""
        found = np.zeros(out.shape, np.int64)
        m: dict[tuple[int, int, int], int] = defaultdict(int)
        for at in np.ndindex(out.shape):
            s, y, x = at[0] * out.shape[1] + at[1], at[2], at[3]
            up = 0
            if parent is not None:
                place = zip(at, halved, parent.shape, strict=True)
                up = int(parent[tuple(min(i >> h, n - 1) for i, h, n in place)])
            close = m[s, y, x - 1] + m[s, y - 1, x] + m[s - 1, y, x]
            total = 2 * close + m[s, y - 1, x - 1] + m[s, y - 1, x + 1] + m[s - 1, y, x - 1]
            total += m[s - 1, y, x + 1] + m[s - 1, y - 1, x] + m[s - 1, y + 1, x]
            base = 0
            if total == up == 0:
                if not d.binary(self.zero[3 * b + (m[s, y, x - 2] > 0)]):
                    continue
                base = 1
            k = 0 if total < 128 else length_of(total) - 7
            near = self.near[64 * b + min(63, level(total))]
            far = self.far[8 * (6 * b + class_a(up)) + class_b(close)]
            q = base + d.magnitude(self.escape, near, far, k)
            need(q < 1 << 30, "magnitude")
            m[s, y, x] = found[at] = min(q, 65535)
            if q:
                negative = d.raw(1)
                value = F(q) - F(self.points[min(q, 3) - 1]) / F(256)
                out[at] = -value if negative else value
        return found

    # ---- transform

    def inverse(self, data: np.ndarray) -> np.ndarray:
        corners = self.corners()
        for i in reversed(range(len(self.masks))):
            corner = data[tuple(map(slice, corners[i]))]
            for a in range(4):
                if self.masks[i] >> a & 1:
                    corner[...] = np.moveaxis(merge(np.moveaxis(corner, a, 0)), 0, a)
        return data

    # ---- elements

    def rebuilt(self, y: np.ndarray) -> np.ndarray:
        magic = 1.5 * 2.0**36
        steps = (y.astype(np.float64) + magic) - magic
        return (self.low * 0.5 + self.high * 0.5) + steps * self.step

    def elements(self, v: np.ndarray) -> np.ndarray:
        if self.dtype.kind == "f":
            return np.clip(v, self.low, self.high)
        return np.floor(np.clip(v + 0.5, self.low, self.high))

    def correct(self, d: Decoder, numbers: np.ndarray, values: np.ndarray) -> None:
        gap, size, sign, at = number_model(), number_model(), Binary(), -1
        whole = self.dtype.kind != "f"
        unit = 2.0 * math.floor(self.max_error) + 1 if whole else self.max_error
        start = values.copy() if whole else numbers
        while step := d.number(gap):
            at += step
            need(at < values.size, "position")
            negative = d.binary(sign)
            units = d.number(size) + 1
            need(units <= 1 << 62, "units")
            change = float(-units if negative else units) * unit
            values[at] = self.elements(start[at : at + 1] + change)[0]
        d.finish()


def class_a(x: int) -> int:
    return x if x < 3 else 3 if x < 5 else 4 if x < 9 else 5


def class_b(x: int) -> int:
    return x if x < 3 else sum(x >= limit for limit in (1, 2, 3, 5, 7, 10, 15))


def merge(line: np.ndarray) -> np.ndarray:
    """Low then high samples along the first axis to the samples."""
    m = len(line)
    x = np.empty_like(line)
    x[0::2] = line[: (m + 1) // 2] * HIGH
    x[1::2] = line[(m + 1) // 2 :] * LOW
    for first, c in ((0, -DELTA), (1, -GAMMA), (0, -BETA), (1, -ALPHA)):
        for i in range(first, m, 2):
            before = x[i - 1] if i > 0 else x[1]
            after = x[i + 1] if i + 1 < m else x[m - 2]
            x[i] = x[i] + c * (before + after)
    return x
