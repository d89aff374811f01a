"""What each known numcodecs codec accepts, found by trying; it decides how a region is fed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]

FLAT, WHOLE, SLICES = 0, 1, 2
_MAX_MAGNITUDE = 1e15
_NUMBERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
_TO_16 = (8, 16)
_FROM_8_TO_16 = tuple(range(8, 17))

# Codecs of Python objects. Decoding `pickle` runs whatever the bytes say; a stream in a stream
# could nest without end. No file may ask for one of these.
FORBIDDEN = frozenset(
    {
        "pickle",
        "json",
        "json2",
        "msgpack",
        "msgpack2",
        "categorize",
        "vlen-utf8",
        "vlen-bytes",
        "vlen-array",
        "n5_wrapper",
        "medroi",
    }
)


def _always(_config: Config) -> bool:
    return True


def _never(_config: Config) -> bool:
    return False


def _unstated(_config: Config) -> float | None:
    return None


def _setting(name: str) -> Callable[[Config], float | None]:
    return lambda config: None if config.get(name) is None else float(config[name])


def _without_level(config: Config) -> bool:
    return config.get("level") is None


def _reversible(config: Config) -> bool:
    return config.get("level") in (None, 0) and config.get("reversible") is not False


def _jpegxl_lossless(config: Config) -> bool:
    if config.get("lossless") is not None:
        return bool(config["lossless"])
    return config.get("level") is None and config.get("distance") is None


def _level_zero(config: Config) -> bool:
    return config.get("level") in (None, 0)


def _pointwise_error(config: Config) -> float | None:
    return float(config["level"]) if config.get("mode") == "pwe" else None


def _unlimited(_config: Config) -> float:
    return math.inf


def _sperr_magnitude(config: Config) -> float:
    """SPERR's integers overflow, and the process dies, where values are too large for a step."""
    mode, level = config.get("mode"), float(config.get("level", 0))
    if mode == "pwe" and level > 0:
        return min(level * 2.0**40, _MAX_MAGNITUDE)
    possible = {"psnr": 200.0, "bpp": 64.0}
    return _MAX_MAGNITUDE if 0 < level <= possible.get(str(mode), 0) else 0.0


def _absolute_error(config: Config) -> float | None:
    return float(config["abs"]) if config.get("mode") == "abs" and "abs" in config else None


def _zfp_tolerance(config: Config) -> float | None:
    return config.get("level") if config.get("mode") == "a" else None


def _any_frame(_frame: bytes | memoryview, _nbytes: int) -> bool:
    return True


def _blosc_frame(frame: bytes | memoryview, nbytes: int) -> bool:
    """Blosc believes the lengths in its header, and reads and writes where they lead."""
    return len(frame) >= 16 and struct.unpack_from("<4xIxxxxI", frame) == (nbytes, len(frame))


def _lz4_frame(frame: bytes | memoryview, nbytes: int) -> bool:
    """numcodecs' LZ4 allocates what its header says."""
    return len(frame) >= 4 and struct.unpack_from("<I", frame) == (nbytes,)


_ZFPY_TARGETS = {2: "rate", 3: "precision", 4: "tolerance"}


def _zfpy_lossless(config: Config) -> bool:
    target = _ZFPY_TARGETS.get(config.get("mode", 4), "tolerance")
    return float(config.get(target, -1)) < 0


def _zfpy_tolerance(config: Config) -> float | None:
    return float(config.get("tolerance", -1)) if config.get("mode", 4) == 4 else None


@dataclass(frozen=True)
class Accepts:
    """What one codec takes.

    Attributes
    ----------
    feed : int
        FLAT: one axis. WHOLE: all of a part at once, leading axes merged to `max_ndim`.
        SLICES: one 2-D slice after the other.
    dtypes : tuple of str
        Element types that are fed as they are, little-endian; none: their bytes are fed.
    mapped : bool
        Integers of `depths` bits through a value map.
    widened : bool
        Integers of at most 32 bits and float16 are fed as wider floats, exactly.
    depths : tuple of int
        Bits per sample that a mapped codec can be told.
    depth_setting : str
        Setting that tells it.
    told : tuple of str
        Settings that carry the fed shape and dtype.
    max_ndim : int
        Most axes of a WHOLE feed.
    min_side : int
        Fewest elements along every axis of what is fed.
    finite : bool
        NaN and infinities are refused beforehand.
    verify : bool
        Lossless coding is checked by decoding before it is believed.
    is_frame : callable
        Whether coded bytes are safe to decode to that many bytes.
    lossless : callable
        Whether a configuration keeps every bit.
    max_magnitude : callable
        Largest magnitude of a value that it survives with a configuration.
    max_error : callable
        Largest error that a configuration promises, in units of what is fed.
    """

    feed: int
    dtypes: tuple[str, ...] = ()
    mapped: bool = False
    widened: bool = False
    depths: tuple[int, ...] = _TO_16
    depth_setting: str = ""
    told: tuple[str, ...] = ()
    max_ndim: int = 3
    min_side: int = 1
    finite: bool = False
    verify: bool = False
    max_magnitude: Callable[[Config], float] = _unlimited
    is_frame: Callable[[bytes | memoryview, int], bool] = _any_frame
    lossless: Callable[[Config], bool] = _always
    max_error: Callable[[Config], float | None] = _unstated


_BYTES = Accepts(FLAT)
_BLOSC = Accepts(FLAT, is_frame=_blosc_frame)
_FLOATS = ("f4", "f8")

KNOWN: Mapping[str, Accepts] = {
    **dict.fromkeys(("zlib", "gzip", "bz2", "lzma", "zstd"), _BYTES),
    **dict.fromkeys(
        (
            "imagecodecs_brotli",
            "imagecodecs_bz2",
            "imagecodecs_deflate",
            "imagecodecs_lz4",
            "imagecodecs_lz4f",
            "imagecodecs_lzma",
            "imagecodecs_zlib",
            "imagecodecs_zlibng",
            "imagecodecs_zstd",
        ),
        _BYTES,
    ),
    **dict.fromkeys(("blosc", "imagecodecs_blosc", "imagecodecs_blosc2"), _BLOSC),
    "lz4": Accepts(FLAT, is_frame=_lz4_frame),
    "pcodec": Accepts(FLAT, dtypes=_NUMBERS[2:]),
    "zfpy": Accepts(
        WHOLE,
        dtypes=_FLOATS,
        widened=True,
        max_ndim=4,
        finite=True,
        lossless=_zfpy_lossless,
        max_error=_zfpy_tolerance,
    ),
    "imagecodecs_pcodec": Accepts(WHOLE, dtypes=_NUMBERS, told=("shape", "dtype")),
    "imagecodecs_rcomp": Accepts(WHOLE, dtypes=_NUMBERS[:6], told=("shape", "dtype")),
    "imagecodecs_zfp": Accepts(
        WHOLE,
        dtypes=_FLOATS,
        widened=True,
        finite=True,
        verify=True,
        lossless=_without_level,
        max_error=_zfp_tolerance,
    ),
    "imagecodecs_sperr": Accepts(
        WHOLE,
        dtypes=_FLOATS,
        widened=True,
        min_side=8,
        finite=True,
        max_magnitude=_sperr_magnitude,
        lossless=_never,
        max_error=_pointwise_error,
    ),
    "imagecodecs_sz3": Accepts(
        WHOLE,
        dtypes=_FLOATS,
        widened=True,
        told=("shape", "dtype"),
        finite=True,
        lossless=_never,
        max_error=_absolute_error,
    ),
    "imagecodecs_lerc": Accepts(
        SLICES,
        dtypes=(*_NUMBERS[:6], *_FLOATS),
        finite=True,
        verify=True,
        lossless=_level_zero,
        max_error=_setting("level"),
    ),
    "imagecodecs_jpegxl": Accepts(
        SLICES,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        lossless=_jpegxl_lossless,
    ),
    "imagecodecs_jpegls": Accepts(
        SLICES, mapped=True, lossless=_level_zero, max_error=_setting("level")
    ),
    "imagecodecs_htj2k": Accepts(SLICES, mapped=True, lossless=_reversible),
    "imagecodecs_jpeg2k": Accepts(
        SLICES,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        lossless=_reversible,
    ),
    "imagecodecs_avif": Accepts(
        SLICES,
        mapped=True,
        depths=(8, 10, 12),
        depth_setting="bitspersample",
        verify=True,
        lossless=_without_level,
    ),
    "imagecodecs_jpegxr": Accepts(SLICES, mapped=True, min_side=2, lossless=_without_level),
    "imagecodecs_png": Accepts(SLICES, mapped=True),
    "imagecodecs_ljpeg": Accepts(
        SLICES,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        min_side=2,
        verify=True,
    ),
    "imagecodecs_jpeg": Accepts(
        SLICES, mapped=True, depths=(8, 12), depth_setting="bitspersample", lossless=_never
    ),
}

# Packages that bring codecs which numcodecs registers only when they are there.
PACKAGES = {
    "zfpy": "zfpy",
    "pcodec": "pcodec",
    "crc32c": "google-crc32c",
    "msgpack2": "msgpack",
}


def package_of(codec_id: str) -> str:
    """Package that brings a codec; empty where no package is known to."""
    if codec_id.startswith("imagecodecs_"):
        return "imagecodecs"
    return PACKAGES.get(codec_id, "")
