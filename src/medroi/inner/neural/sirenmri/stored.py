"""A part of inner codec 36: FORMAT.md section "Sine networks"."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi.errors import CorruptStream
from medroi.inner.neural import part
from medroi.inner.neural.near import Near
from medroi.inner.neural.sirenmri import quantised
from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors

# What a stream may ask a decoder to compute with.
MAX_HIDDEN, MAX_LAYERS, MAX_W0 = 512, 8, 1e4
_FLOAT32, _SYMBOLS = "float32", "symbols"


@dataclass(frozen=True)
class Stored:
    """Facts of a region that decoding needs.

    Attributes
    ----------
    architecture : Architecture
    weights : mapping or Quantised
        float32 tensors, or weights on their grids.
    offset, span : float
        Lowest value of the region; highest less lowest.
    steps : int
        Between the lowest and the highest level.
    places_crc : int
        CRC-32 of the levels' numbers.
    near : Near
        Voxels too close to the edge between two levels.
    """

    architecture: Architecture
    weights: Tensors | quantised.Quantised
    offset: float
    span: float
    steps: int
    places_crc: int
    near: Near

    def tensors(self) -> Tensors:
        """Weights as numbers."""
        if isinstance(self.weights, quantised.Quantised):
            return self.weights.tensors()
        return self.weights


def pack_constant(value: float) -> bytes:
    """A part whose voxels are all the same: no network."""
    return part.pack(part.Part({"weights": "none"}, part.NO_WEIGHTS, value, 0.0, 0, ()))


def pack(stored: Stored) -> bytes:
    """Bytes of a part."""
    sections: tuple[bytes, ...]
    if isinstance(stored.weights, quantised.Quantised):
        coded, sections = _SYMBOLS, quantised.pack(stored.weights)
        crc = _crc_of(stored.weights.symbols, "<i4")
    else:
        coded, sections = _FLOAT32, (_bytes_of(stored.weights, "<f4"),)
        crc = _crc_of(stored.weights, "<f4")
    settings = {
        "weights": coded,
        "hidden": stored.architecture.hidden,
        "layers": stored.architecture.layers,
        "w0": stored.architecture.w0,
        "steps": stored.steps,
        "places_crc": stored.places_crc,
    }
    return part.pack(
        part.Part(
            settings,
            part.NO_WEIGHTS,
            stored.offset,
            stored.span,
            crc,
            (*sections, stored.near.pack()),
        )
    )


def unpack(coded: memoryview, dim_in: int) -> Stored | float:
    """Unpack what `pack` stored; the value of a constant slab.

    Raises
    ------
    CorruptStream, UnsupportedVersion
    """
    found = part.unpack(coded)
    kind = str(found.settings.get("weights"))
    sections = [memoryview(section) for section in found.sections]
    if len(sections) != {"none": 0, _FLOAT32: 2, _SYMBOLS: 3}.get(kind, -1):
        raise CorruptStream(
            f"corrupt stream: a sine network's weights are {kind!r} in {len(sections)} sections"
        )
    if kind == "none":
        return found.offset
    architecture = _architecture(found.settings, dim_in)
    if kind == _SYMBOLS:
        weights: Any = quantised.unpack(sections[0], sections[1], architecture)
        crc = _crc_of(weights.symbols, "<i4")
    else:
        weights = _float_tensors(sections[0], architecture)
        crc = zlib.crc32(sections[0])
    if crc != found.symbols_crc:
        raise CorruptStream("corrupt stream: the CRC of a sine network's weights is wrong")
    near, rest = Near.unpack(sections[-1])
    if len(rest):
        raise CorruptStream(f"corrupt stream: {len(rest)} bytes behind a sine network's part")
    steps = _integer(found.settings, "steps", 0, 65535)
    places_crc = _integer(found.settings, "places_crc", 0, 2**32 - 1)
    return Stored(architecture, weights, found.offset, found.span, steps, places_crc, near)


def _bytes_of(tensors: Mapping[str, Any], dtype: str) -> bytes:
    return b"".join(values.astype(dtype).tobytes() for values in tensors.values())


def _crc_of(tensors: Mapping[str, Any], dtype: str) -> int:
    return zlib.crc32(_bytes_of(tensors, dtype))


def _integer(settings: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise CorruptStream(f"corrupt stream: a sine network's {name} is {value!r}")
    return value


def _architecture(settings: Mapping[str, Any], dim_in: int) -> Architecture:
    w0 = settings.get("w0")
    if not isinstance(w0, (int, float)) or isinstance(w0, bool) or not 0 < w0 <= MAX_W0:
        raise CorruptStream(f"corrupt stream: a sine network's w0 is {w0!r}")
    hidden = _integer(settings, "hidden", 1, MAX_HIDDEN)
    return Architecture(dim_in, hidden, _integer(settings, "layers", 1, MAX_LAYERS), float(w0))


def _float_tensors(section: memoryview, architecture: Architecture) -> Tensors:
    manifest = architecture.manifest()
    sizes = [math.prod(shape) for shape in manifest.values()]
    if len(section) != 4 * sum(sizes):
        raise CorruptStream(
            f"corrupt stream: {len(section)} bytes of weights, expected {4 * sum(sizes)}"
        )
    pieces = np.split(np.frombuffer(section, "<f4"), np.cumsum(sizes)[:-1])
    return {
        name: piece.reshape(shape)
        for (name, shape), piece in zip(manifest.items(), pieces, strict=True)
    }
