"""A slow, obvious entropy decoder, written from FORMAT.md section 7.1 alone."""

from __future__ import annotations

TOP = 1 << 32


class RefusedError(Exception):
    """FORMAT.md says that these bytes are no part."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise RefusedError(why)


def length_of(number: int) -> int:
    return number.bit_length()


def level(x: int) -> int:
    if x < 4:
        return x
    n = length_of(x) - 1
    return 4 * (n - 1) + ((x >> (n - 2)) & 3)


class Binary:
    """One binary model."""

    def __init__(self) -> None:
        self.quick = self.slow = 1 << 21

    def learn(self, bit: int) -> None:
        if bit:
            self.quick += ((1 << 22) - self.quick) >> 4
            self.slow += ((1 << 22) - self.slow) >> 7
        else:
            self.quick -= self.quick >> 4
            self.slow -= self.slow >> 7


class Token:
    """One token model."""

    def __init__(self) -> None:
        self.share = [2048 * i for i in range(16)]
        self.seen = 0

    def learn(self, token: int) -> None:
        t = 7 if self.seen == 126 else min(7, max(2, length_of(self.seen + 2)))
        self.seen = min(126, self.seen + 1)
        for i in range(16):
            target = i if i <= token else 32752 + i
            self.share[i] += (target - self.share[i]) >> t


class Decoder:
    """The range coder's bytes and the raw bits behind them."""

    def __init__(self, coded: bytes) -> None:
        need(len(coded) >= 4, "length")
        n = int.from_bytes(coded[:4], "little")
        need(n <= len(coded) - 4, "range bytes")
        self.bytes, self.raw_bytes = coded[4 : 4 + n], coded[4 + n :]
        self.taken = self.bit = 0
        self.range = (1 << 64) - 1
        self.code = self._word() << 32 | self._word()

    def _word(self) -> int:
        word = self.bytes[self.taken : self.taken + 4].ljust(4, b"\0")
        self.taken += 4
        return int.from_bytes(word, "big")

    def _narrow(self, start: int, size: int, r: int) -> None:
        self.code -= r * start
        self.range = r * size
        if self.range < TOP:
            self.range <<= 32
            self.code = self.code << 32 | self._word()

    def narrow(self, start: int, size: int, bits: int) -> None:
        """To a share of 2^bits."""
        self._narrow(start, size, self.range >> bits)

    def binary(self, model: Binary) -> int:
        r, p1 = self.range >> 23, model.quick + model.slow
        bit = int(self.code < r * p1)
        self._narrow(0 if bit else p1, p1 if bit else (1 << 23) - p1, r)
        model.learn(bit)
        return bit

    def token(self, a: Token, b: Token) -> int:
        r = self.range >> 16
        starts = [x + y for x, y in zip(a.share, b.share, strict=True)] + [1 << 16]
        token = max(i for i in range(16) if self.code >= r * starts[i])
        self._narrow(starts[token], starts[token + 1] - starts[token], r)
        a.learn(token)
        b.learn(token)
        return token

    def share(self, starts: list[int], bits: int = 16) -> int:
        """The symbol whose share of 2^bits holds the code; the last entry ends the last share."""
        r = self.range >> bits
        index = max(i for i in range(len(starts) - 1) if self.code >= r * starts[i])
        self._narrow(starts[index], starts[index + 1] - starts[index], r)
        return index

    def raw(self, n: int) -> int:
        value = 0
        for i in range(n):
            byte = self.bit >> 3
            if byte < len(self.raw_bytes):
                value |= (self.raw_bytes[byte] >> (self.bit & 7) & 1) << i
            self.bit += 1
        return value

    def number(self, models: list[Binary]) -> int:
        n = 0
        while n < 64 and self.binary(models[n]):
            n += 1
        return n if n < 2 else 1 << (n - 1) | self.raw(n - 1)

    def magnitude(self, escape: list[Binary], a: Token, b: Token, k: int) -> int:
        q = self.token(a, b)
        if q == 15:
            q = 40 + (self.number(escape) & ((1 << 34) - 1))
        elif q >= 12:
            q = (12, 16, 24)[q - 12] + self.raw(q - 10)
        return q << k | self.raw(k)

    def finish(self) -> None:
        need(self.taken == len(self.bytes) + 4, "range coder not used up")
        need((self.bit + 7) // 8 == len(self.raw_bytes), "raw bits not used up")
        need(self.raw(-self.bit % 8) == 0, "raw padding")


def number_model() -> list[Binary]:
    return [Binary() for _ in range(64)]
