"""Lossless coders of whole volumes of unsigned 16-bit integers, imported where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _tomoz(volume: Array) -> bytes:
    import tomoz

    return bytes(tomoz.encode(volume, threads=1))


def _tomoz_back(coded: bytes) -> Array:
    import tomoz

    return np.asarray(tomoz.decode(coded, threads=1))


VOLUME_PEERS: dict[str, tuple[Callable[[Array], bytes], Callable[[bytes], Array]]] = {
    "tomoz": (_tomoz, _tomoz_back),
}
