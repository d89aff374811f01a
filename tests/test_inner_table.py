"""Every inner codec, on every kind of array: exact, within its bound, or refused."""

from __future__ import annotations

import functools
import json
import pickle
from importlib.util import find_spec
from typing import Any

import needs
import numcodecs
import numpy as np
import pytest
from arrays import same_bits

from medroi import MedROI, errors, inner
from medroi.inner.numcodecs.table import KNOWN

EXACT = "exact"
ANY = float("inf")

# Configuration, and what it promises: every bit, or the largest error in stored units. An exact
# codec may refuse; a lossy one may be exact.
CODECS: tuple[tuple[Any, str | float], ...] = (
    ("raw", EXACT),
    ("deflate", EXACT),
    ("zstd", EXACT),
    ("jpeg2000", EXACT),
    ({"id": "jpeg2000", "rate": 4}, ANY),
    ({"id": "jpeg2000", "psnr": 35}, ANY),
    ("heif", EXACT),
    ({"id": "heif", "quality": 80}, ANY),
    (numcodecs.Blosc(cname="zstd", shuffle=numcodecs.Blosc.BITSHUFFLE), EXACT),
    (numcodecs.Zstd(), EXACT),
    ("lzma", EXACT),
    ("pcodec", EXACT),
    ("zfpy", EXACT),
    ({"id": "zfpy", "tolerance": 2.0}, 2.0),
    ("imagecodecs_blosc2", EXACT),
    ("imagecodecs_brotli", EXACT),
    ("imagecodecs_pcodec", EXACT),
    ("imagecodecs_rcomp", EXACT),
    ("imagecodecs_jpegxl", EXACT),
    ({"id": "imagecodecs_jpegxl", "distance": 1.0}, ANY),
    ("imagecodecs_jpegls", EXACT),
    ({"id": "imagecodecs_jpegls", "level": 2}, ANY),
    ("imagecodecs_htj2k", EXACT),
    ({"id": "imagecodecs_htj2k", "reversible": False}, ANY),
    ("imagecodecs_jpeg2k", EXACT),
    ({"id": "imagecodecs_jpeg2k", "bitspersample": 10}, EXACT),
    ("imagecodecs_avif", EXACT),
    ("imagecodecs_jpegxr", EXACT),
    ("imagecodecs_png", EXACT),
    ("imagecodecs_ljpeg", EXACT),
    ({"id": "imagecodecs_jpeg", "level": 90}, ANY),
    ("imagecodecs_lerc", EXACT),
    ({"id": "imagecodecs_lerc", "level": 2.0}, 2.0),
    ({"id": "imagecodecs_sperr", "mode": "pwe", "level": 2.0}, 2.0),
    ({"id": "imagecodecs_sperr", "mode": "psnr", "level": 60.0}, ANY),
    ({"id": "imagecodecs_sz3", "mode": "abs", "abs": 2.0}, 2.0),
    ("imagecodecs_zfp", EXACT),
    ({"id": "imagecodecs_zfp", "mode": "a", "level": 2.0}, 2.0),
    # Not in the table of what codecs accept: exact by verification, or refused.
    ("imagecodecs_tiff", EXACT),
    ("shuffle", EXACT),
    ({"id": "bitround", "keepbits": 3}, EXACT),
    ({"id": "delta", "dtype": "<i2"}, EXACT),
)
DTYPES = (
    *("|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i2", "<i4", ">u4", "<i8", ">u8"),
    *("<f2", "<f4", ">f4", "<f8", "<c8", "<M8[s]", "|S3"),
)
# Few slices: codecs of video take milliseconds for each. Eight along an axis is what SPERR needs.
SHAPES = (
    *((7,), (1, 9), (3, 5)),
    *((3, 12, 13), (8, 9, 10), (5, 1, 1)),
    *((2, 4, 8, 10),),
)
KINDS = ("smooth", "full range", "not finite")


def label(config: Any) -> str:
    """Name a configuration without making the codec: its library may be missing."""
    spelled = {"id": config} if isinstance(config, str) else config
    if not isinstance(config, (str, dict)):
        spelled = {"id": "numcodecs", "codec": config.get_config()}
    return json.dumps(spelled, sort_keys=True)


PROMISES = [needs.inner(config, promise, id=label(config)) for config, promise in CODECS]
CONFIGS = [needs.inner(config, id=label(config)) for config, _ in CODECS]
LOSSY = [needs.inner(config, id=label(config)) for config, how in CODECS if how != EXACT]


@functools.cache
def make_values(dtype: str, shape: tuple[int, ...], kind: str) -> np.ndarray:
    wanted, rng = np.dtype(dtype), np.random.default_rng(len(shape) * 100 + wanted_seed(dtype))
    if kind == "full range":
        bits = rng.integers(0, 2 if wanted.kind == "b" else 256, (*shape, wanted.itemsize), "u1")
        values = np.ascontiguousarray(bits).view(wanted)[..., 0]
        return np.nan_to_num(values) if wanted.kind in "fc" else values
    waves = sum(np.cos(axis / 3 + 1) for axis in np.indices(shape))
    levels = np.rint(40 * waves / len(shape) + 3 * rng.random(shape)) + 60
    if wanted.kind == "i":
        levels -= 80
    values = (levels > 60 if wanted.kind == "b" else levels.astype("i8")).astype(wanted)
    if wanted.kind == "f":
        values = (levels * 0.25).astype(wanted)
    if kind == "not finite":
        values.flat[0], values.flat[-1] = np.nan, -np.inf
    return values


def wanted_seed(dtype: str) -> int:
    return sum(dtype.encode())


def check_outcome(config: Any, promise: str | float, array: np.ndarray) -> str:
    """What became of an array: `exact`, `bounded` or `refused`."""
    try:
        codec = MedROI(config, threshold=None)
        stream = codec.encode(array)
    except (errors.InvalidArgument, errors.InvalidType):
        return "refused"
    found = MedROI().decode(stream)
    if same_bits(found, array):
        return "exact"
    assert promise != EXACT
    assert found.shape == array.shape
    assert found.dtype == array.dtype
    assert found.flags.f_contiguous == array.flags.f_contiguous
    wanted, got = array.astype("f8"), found.astype("f8")
    error = np.abs(got - wanted)
    assert np.isfinite(got).all()
    # Half a level more where integers went through floats; the spacing of the floats themselves.
    slack = 0.5 if array.dtype.kind in "iu" else np.abs(wanted).max() * np.finfo(array.dtype).eps
    bound = max(np.ptp(wanted), 1.0) if promise == ANY else float(promise) + slack
    assert error.max() <= bound
    return "bounded"


def orders_of(array: np.ndarray) -> tuple[np.ndarray, ...]:
    """In C order, and reversed in F order where that is anything else."""
    return (array,) if array.T.flags.c_contiguous else (array, array.T)


def kinds_of(dtype: str) -> tuple[str, ...]:
    return KINDS if np.dtype(dtype).kind == "f" else KINDS[:2]


@pytest.mark.parametrize(("config", "promise"), PROMISES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_comes_back_or_is_refused(config: Any, promise: str | float, dtype: str) -> None:
    outcomes = {
        check_outcome(config, promise, array)
        for shape in SHAPES
        for kind in kinds_of(dtype)
        for array in orders_of(make_values(dtype, shape, kind))
    }
    if config in ("raw", "deflate", "zstd", "lzma"):
        assert outcomes == {"exact"}


@pytest.mark.parametrize(("config", "promise"), PROMISES)
def test_a_plain_volume_is_served(config: Any, promise: str | float) -> None:
    outcome = check_outcome(config, promise, make_values("<i2", (9, 10, 11), "smooth"))
    if isinstance(config, dict) and config["id"] == "bitround":
        assert outcome == "refused"
    else:
        assert outcome == ("exact" if promise == EXACT else outcome) != "refused"


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_survives_json_pickle_and_repr(config: Any) -> None:
    codec = MedROI(config)
    assert MedROI.from_config(json.loads(json.dumps(codec.get_config()))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert eval(repr(codec)) == codec
    assert hash(codec) == hash(pickle.loads(pickle.dumps(codec)))


@pytest.mark.parametrize("config", LOSSY)
def test_lossless_takes_no_lossy_inner_codec(config: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="lossy"):
        MedROI.lossless(config)


@needs.imagecodecs
@pytest.mark.parametrize("codec_id", [codec_id for codec_id in KNOWN if "sperr" in codec_id])
@pytest.mark.parametrize(
    "shape", [(1, 64, 64), (64, 64, 1), (7, 64, 3), (64, 7), (1, 1), (64,), (2, 1, 64, 64)]
)
@pytest.mark.parametrize("mode", ["bpp", "psnr", "pwe"])
def test_a_codec_that_dies_of_thin_shapes_never_sees_one(
    codec_id: str, shape: tuple[int, ...], mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagecodecs.numcodecs import Sperr

    seen = []
    real = Sperr.encode
    monkeypatch.setattr(Sperr, "encode", lambda self, buf: (seen.append(buf), real(self, buf))[1])
    codec = MedROI({"id": codec_id, "mode": mode, "level": 4.0}, threshold=None)
    array = np.asarray(make_values("<f4", shape, "smooth") + 100, order="C")
    try:
        codec.encode(array)
    except errors.InvalidArgument:
        assert not seen
    assert all(min(buf.shape) >= 8 for buf in seen)


@pytest.mark.parametrize(
    "codec_id", [needs.inner(name) for name, row in KNOWN.items() if row.finite]
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_codec_that_dies_of_nan_never_sees_one(codec_id: str, bad: float) -> None:
    settings = {
        "imagecodecs_sperr": {"mode": "psnr", "level": 60.0},
        "imagecodecs_sz3": {"mode": "abs", "abs": 1.0},
    }
    codec = MedROI({"id": codec_id, **settings.get(codec_id, {})}, threshold=None)
    array = make_values("<f4", (9, 10, 11), "smooth").copy()
    array[4, 4, 4] = bad
    with pytest.raises(errors.InvalidArgument, match="NaN or infinities"):
        codec.encode(array)


@pytest.mark.parametrize("name", ["pickle", "json2", "medroi", "vlen-utf8"])
def test_codecs_of_objects_are_no_inner_codecs(name: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="not allowed"):
        MedROI({"id": "numcodecs", "codec": {"id": name}})


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(errors.InvalidArgument, match="jpeg2000"):
        MedROI("jpeg2001")


def test_a_codec_of_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from numcodecs import registry

    monkeypatch.setattr(registry, "codec_registry", dict(registry.codec_registry))
    for name in [name for name in registry.codec_registry if name.startswith("imagecodecs_")]:
        monkeypatch.delitem(registry.codec_registry, name)
    monkeypatch.delitem(registry.codec_registry, "pcodec")
    monkeypatch.setitem(sys.modules, "imagecodecs.numcodecs", None)
    with pytest.raises(errors.InnerUnavailable, match="pip install imagecodecs"):
        MedROI("imagecodecs_jpegxl")
    with pytest.raises(errors.InnerUnavailable, match="pip install pcodec"):
        MedROI("pcodec")


@needs.pillow_heif
def test_a_missing_pillow_heif_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    array = make_values("<i2", (9, 10, 11), "smooth")
    stream = MedROI("heif").encode(array)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(errors.InnerUnavailable, match=r"pip install medroi\[heif\]"):
        MedROI("heif").encode(array)
    with pytest.raises(errors.InnerUnavailable, match=r"pip install medroi\[heif\]"):
        MedROI().decode(stream)


def test_the_table_says_what_each_codec_is_and_how_to_get_it() -> None:
    for entry in inner.entries():
        codec = entry.load()
        assert (codec.codec_id, codec.name) == (entry.codec_id, entry.name)
        assert codec.kind
        assert codec.dtypes
        assert codec.dims
        assert not codec.needs or codec.install.startswith("pip install ")
        # Learned codecs want PyTorch, which these tests do without.
        learned = entry.codec_id >= 32
        assert inner.is_available(entry) == (not learned or find_spec(codec.needs) is not None)
