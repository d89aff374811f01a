"""The user part of the filter's cd_values (filters/cd_values.h holds the table)."""

from __future__ import annotations

import struct

from medroi import codec, roi
from medroi.errors import InvalidArgument
from medroi.inner.base import InnerCodec

_VERSION = 1
_HAS_KEY = 1 << 31
_RULES = {None: 0, "mean": 2, "otsu": 3, "noise": 4, "auto": 5}
_RULE_NUMBER = 1
_REGIONS = {"box": 0, "mask": 1}
_FLOAT, _AUTO, _INT, _UINT = 0, 1, 2, 3
_NO_BACKGROUND = 1 << 23
_PARAM_ZERO, _PARAM_INT, _PARAM_FLOAT = 0, 1, 2
# Leaves five of the 20 words for the chunk's element type and up to four sizes.
_MAX_PARAM_WORDS = 5


def native_words(inner: InnerCodec) -> tuple[int, list[int]] | None:
    """Word 1 and the parameter words of an inner codec; None where they do not fit."""
    params = inner.native_params()
    if params is None:
        return None
    word, words = inner.codec_id, []
    for index, value in enumerate(params):
        if value == 0 and struct.pack("<d", value) == bytes(8):
            kind = _PARAM_ZERO
        elif float(value).is_integer() and -(2**31) <= value < 2**31 and value != 0:
            kind = _PARAM_INT
            words.append(int(value) & 0xFFFFFFFF)
        else:
            kind = _PARAM_FLOAT
            words.extend(_two_words(struct.pack("<d", value)))
        word |= kind << (16 + 2 * index)
    return (word, words) if len(words) <= _MAX_PARAM_WORDS else None


def key_words(inner: InnerCodec, key: int) -> tuple[int, list[int]]:
    """Word 1 and the key that stands for the settings of an inner codec run by Python."""
    return inner.codec_id | _HAS_KEY, list(_two_words(struct.pack("<Q", key)))


def user_words(settings: codec.Settings, inner: tuple[int, list[int]]) -> tuple[int, ...]:
    """All words of the user part.

    Raises
    ------
    InvalidArgument
        For settings that these words cannot hold.
    """
    options = settings.region
    inner_word, inner_words = inner
    rule, threshold = _threshold(options.threshold)
    background_kind, background = _background(options.background)
    region_word = (
        rule
        | (options.polarity == "dark") << 3
        | _REGIONS[options.roi] << 4
        | background_kind
        | _axes(options)
        | _slice_axis(settings.slice_axis) << 17
        | (options.components == "largest") << 22
    )
    return (
        _VERSION,
        inner_word,
        region_word,
        options.padding,
        *_two_words(struct.pack("<d", threshold)),
        *_two_words(struct.pack("<d", options.max_miss_rate)),
        *_two_words(background),
        *inner_words,
    )


def _two_words(eight_bytes: bytes) -> tuple[int, int]:
    low, high = struct.unpack("<II", eight_bytes)
    return low, high


def _threshold(threshold: str | float | None) -> tuple[int, float]:
    if threshold is None or isinstance(threshold, str):
        return _RULES[threshold], 0.0
    return _RULE_NUMBER, float(threshold)


def _background(value: float | str | None) -> tuple[int, bytes]:
    if value is None:
        return _NO_BACKGROUND, bytes(8)
    if value == "auto":
        return _AUTO << 6, bytes(8)
    if isinstance(value, float):
        return _FLOAT << 6, struct.pack("<d", value)
    if -(2**63) <= int(value) < 2**63:
        return _INT << 6, struct.pack("<q", int(value))
    if 0 <= int(value) < 2**64:
        return _UINT << 6, struct.pack("<Q", int(value))
    raise InvalidArgument(f"background={value!r}: no element of 64 bits holds it")


def _axes(options: roi.RegionOptions) -> int:
    axes = options.axes
    if axes is None:
        return 0
    if not all(-8 <= axis < 8 for axis in axes) or len(set(axes)) != len(axes):
        raise InvalidArgument(f"axes={axes}: expected 1 to 3 different axes of a chunk")
    if all(axis >= 0 for axis in axes):
        return sum(1 << (8 + axis) for axis in axes)
    if all(axis < 0 for axis in axes):
        return 1 << 16 | sum(1 << (7 - axis) for axis in axes)
    raise InvalidArgument(
        f"axes={axes}: give all of them from the first axis (0, 1, ...) or all from the last (-1, "
        "-2, ...)"
    )


def _slice_axis(axis: int | None) -> int:
    if axis is None:
        return 0
    if not -8 <= axis < 8:
        raise InvalidArgument(f"slice_axis={axis}: expected an axis of a chunk")
    return axis + 9
