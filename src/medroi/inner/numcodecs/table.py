"""Inputs that each known numcodecs codec accepts, found by trying; they decide its feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medroi.inner.numcodecs import bounded, frames, rules
from medroi.inner.numcodecs.rules import Config

FLAT, WHOLE, SLICES = 0, 1, 2
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


@dataclass(frozen=True)
class Accepts:
    """Inputs that one codec accepts.

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
        Bits per sample that a mapped codec takes as a setting.
    depth_setting : str
        Setting that tells it.
    passed : tuple of str
        Settings that carry the fed shape and dtype.
    max_ndim : int
        Most axes of a WHOLE feed.
    min_side : int
        Fewest elements along every axis of what is fed.
    finite : bool
        NaN and infinities are refused beforehand.
    verify : bool
        Lossless coding is checked by decoding before it is believed.
    survives : bool
        Whether hostile bytes can do no more than be refused, or be voxels: it is kept to the
        header's size, its own project fuzzes it, and `tests/fuzz/hosted.py` found neither an end
        of the process nor a decoder that does not return (SZ3, SPERR, zfp, pco's C library; htj2k,
        JPEG-LS, lossless JPEG). Others decode only what this process wrote or what is trusted.
    decoder : callable
        How it is kept to the size of what was fed.
    is_frame : callable
        Whether coded bytes are safe to decode to that many bytes of that shape.
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
    passed: tuple[str, ...] = ()
    max_ndim: int = 3
    min_side: int = 1
    finite: bool = False
    verify: bool = False
    max_magnitude: Callable[[Config], float] = rules.unlimited
    survives: bool = False
    decoder: bounded.Decoder = bounded.by_itself
    is_frame: Callable[[bytes | memoryview, int, tuple[int, ...]], bool] = frames.any_frame
    lossless: Callable[[Config], bool] = rules.always
    max_error: Callable[[Config], float | None] = rules.unstated


_BYTES = Accepts(FLAT, survives=True, decoder=bounded.into_bytes)
_BLOSC = Accepts(FLAT, survives=True, is_frame=frames.blosc_frame)
_FLOATS = ("f4", "f8")

KNOWN: Mapping[str, Accepts] = {
    "zlib": Accepts(FLAT, survives=True, decoder=bounded.zlib_stream),
    "gzip": Accepts(FLAT, survives=True, decoder=bounded.gzip_stream),
    "bz2": Accepts(FLAT, survives=True, decoder=bounded.bz2_stream),
    "lzma": Accepts(FLAT, survives=True, decoder=bounded.lzma_stream),
    "zstd": Accepts(FLAT, survives=True, is_frame=frames.zstd_frame),
    "lz4": Accepts(FLAT, survives=True, is_frame=frames.lz4_frame),
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
    **dict.fromkeys(("blosc", "imagecodecs_blosc"), _BLOSC),
    "imagecodecs_blosc2": Accepts(
        FLAT, survives=True, is_frame=frames.blosc_frame, decoder=bounded.into_bytes
    ),
    "pcodec": Accepts(FLAT, dtypes=_NUMBERS[2:], survives=True, decoder=bounded.pcodec_numbers),
    "zfpy": Accepts(
        WHOLE,
        decoder=bounded.into_array,
        dtypes=_FLOATS,
        widened=True,
        max_ndim=4,
        finite=True,
        lossless=rules.zfpy_lossless,
        max_error=rules.zfpy_tolerance,
    ),
    "imagecodecs_pcodec": Accepts(
        WHOLE, decoder=bounded.into_array, dtypes=_NUMBERS, passed=("shape", "dtype")
    ),
    "imagecodecs_rcomp": Accepts(
        WHOLE, decoder=bounded.into_array, dtypes=_NUMBERS[:6], passed=("shape", "dtype")
    ),
    "imagecodecs_zfp": Accepts(
        WHOLE,
        decoder=bounded.into_array,
        dtypes=_FLOATS,
        widened=True,
        finite=True,
        verify=True,
        lossless=rules.without_level,
        max_error=rules.zfp_tolerance,
    ),
    "imagecodecs_sperr": Accepts(
        WHOLE,
        decoder=bounded.into_array,
        dtypes=_FLOATS,
        widened=True,
        min_side=8,
        finite=True,
        max_magnitude=rules.sperr_magnitude,
        lossless=rules.never,
        max_error=rules.pointwise_error,
    ),
    "imagecodecs_sz3": Accepts(
        WHOLE,
        decoder=bounded.into_array,
        dtypes=_FLOATS,
        widened=True,
        passed=("shape", "dtype"),
        finite=True,
        lossless=rules.never,
        max_error=rules.absolute_error,
    ),
    "imagecodecs_lerc": Accepts(
        SLICES,
        decoder=bounded.into_array,
        dtypes=(*_NUMBERS[:6], *_FLOATS),
        finite=True,
        verify=True,
        lossless=rules.level_zero,
        max_error=rules.setting("level"),
    ),
    "imagecodecs_jpegxl": Accepts(
        SLICES,
        survives=True,
        decoder=bounded.into_array,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        lossless=rules.jpegxl_lossless,
    ),
    "imagecodecs_jpegls": Accepts(
        SLICES,
        decoder=bounded.into_array,
        mapped=True,
        lossless=rules.level_zero,
        max_error=rules.setting("level"),
    ),
    "imagecodecs_htj2k": Accepts(
        SLICES, decoder=bounded.into_array, mapped=True, lossless=rules.reversible
    ),
    "imagecodecs_jpeg2k": Accepts(
        SLICES,
        survives=True,
        decoder=bounded.into_array,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        lossless=rules.reversible,
        is_frame=frames.jpeg2000_frame,
    ),
    "imagecodecs_avif": Accepts(
        SLICES,
        survives=True,
        decoder=bounded.into_array,
        mapped=True,
        depths=(8, 10, 12),
        depth_setting="bitspersample",
        verify=True,
        lossless=rules.without_level,
    ),
    "imagecodecs_jpegxr": Accepts(
        SLICES, decoder=bounded.into_array, mapped=True, min_side=2, lossless=rules.without_level
    ),
    "imagecodecs_png": Accepts(SLICES, survives=True, decoder=bounded.into_array, mapped=True),
    "imagecodecs_ljpeg": Accepts(
        SLICES,
        decoder=bounded.into_array,
        mapped=True,
        depths=_FROM_8_TO_16,
        depth_setting="bitspersample",
        min_side=2,
        verify=True,
    ),
    "imagecodecs_jpeg": Accepts(
        SLICES,
        survives=True,
        decoder=bounded.into_array,
        mapped=True,
        depths=(8, 12),
        depth_setting="bitspersample",
        lossless=rules.never,
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
