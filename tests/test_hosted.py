"""heif, numcodecs and verification: what is promised beyond the table of all codecs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import hosted_codec
import needs
import numcodecs
import numpy as np
import pytest
from arrays import phantom, same_bits
from numcodecs.registry import register_codec

from medroi import MedROI, errors, inner, inspect
from medroi.inner.heif import Heif
from medroi.inner.jpeg2000.codec import Jpeg2000
from medroi.inner.numcodecs.codec import Numcodecs

FOLDER = Path(__file__).parent / "golden" / "hosted"
GOLDENS = sorted(FOLDER.glob("v1-*.medroi"))
# Of the streams: inner codecs that are one library each, and codecs of numcodecs.
WHOLE = ("heif", "sirenmri")
LIBRARIES = {
    "blosc": "blosc",
    "jpegxl": "imagecodecs_jpegxl",
    "pcodec": "imagecodecs_pcodec",
    "sperr": "imagecodecs_sperr",
    "unknown": "imagecodecs_tiff",
}
PART = np.random.default_rng(6).integers(0, 900, (2, 9, 11)).astype("<i2")


def test_the_goldens_are_there() -> None:
    assert len(GOLDENS) >= 7


def library_of(path: Path) -> str:
    """Name the library that coded a golden stream: v1-heif-quality, v1-numcodecs-jpegxl."""
    _, family, name = path.stem.split("-")
    return LIBRARIES[name] if family == "numcodecs" else family


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=needs.libraries_of(library_of(p))) for p in GOLDENS]
)
def test_old_streams_decode_to_what_they_always_did(path: Path) -> None:
    expected = np.load(path.with_suffix(".npz"))["array"]
    library = library_of(path)
    reader = MedROI(trust=WHOLE if library in WHOLE else library)
    assert same_bits(reader.decode(path.read_bytes()), expected)


@needs.pillow_heif
@pytest.mark.parametrize("bits", range(1, 13))
def test_heif_keeps_every_depth_to_twelve_bits(bits: int) -> None:
    array = np.random.default_rng(bits).integers(0, 1 << bits, (3, 20, 31)).astype("<u2")
    assert same_bits(MedROI().decode(MedROI.lossless("heif").encode(array)), array)


@needs.pillow_heif
def test_heif_refuses_more_than_twelve_bits_and_says_what_takes_them() -> None:
    array = np.random.default_rng(1).integers(0, 1 << 14, (3, 60, 61)).astype("<u2")
    with pytest.raises(errors.InvalidArgument, match=r"12 bits.*predict3d.*jpeg2000"):
        MedROI.lossless("heif").encode(array)


@needs.pillow_heif
@pytest.mark.parametrize("array", [phantom(), phantom(dtype="<f4") * np.float32(0.1) - 3])
def test_a_quality_gives_back_units_and_rises_with_its_number(array: np.ndarray) -> None:
    errors_seen = []
    for quality in (20, 60, 95):
        codec = MedROI({"id": "heif", "quality": quality}, threshold=None)
        found = codec.decode(codec.encode(array))
        assert found.dtype == array.dtype
        errors_seen.append(float(((found.astype("f8") - array) ** 2).mean()))
    assert errors_seen == sorted(errors_seen, reverse=True)
    assert errors_seen[-1] < 4 * (np.ptp(array) / 255) ** 2


@needs.pillow_heif
@pytest.mark.parametrize("depth", [8, 12])
def test_pillow_heif_keeps_its_options(depth: int) -> None:
    import pillow_heif

    before = pillow_heif.options.SAVE_HDR_TO_12_BIT
    array = np.random.default_rng(1).integers(0, 1 << depth, (2, 9, 9)).astype("<u2")
    MedROI.lossless("heif").encode(array)
    after = pillow_heif.options.SAVE_HDR_TO_12_BIT
    assert after == before


@pytest.mark.parametrize("quality", [-1, 101, 50.5, "high"])
def test_no_quality_outside_the_scale(quality: object) -> None:
    with pytest.raises(errors.InvalidArgument):
        MedROI({"id": "heif", "quality": quality})


HOSTED = [
    needs.inner("heif", {}, id="heif"),
    needs.inner("heif", {"quality": 70}, id="heif quality"),
    *(
        needs.inner(name, {}, id=name)
        for name in ("blosc", "imagecodecs_jpegxl", "imagecodecs_pcodec", "zlib")
    ),
]


def make_hosted(name: str, options: dict[str, Any]) -> Heif | Numcodecs:
    return Heif(**options) if name == "heif" else Numcodecs(name)


@pytest.mark.parametrize(("name", "options"), HOSTED)
def test_every_prefix_of_a_part_is_refused_or_whole(name: str, options: dict[str, Any]) -> None:
    codec = make_hosted(name, options)
    decode, coded, out = codec.decode, codec.encode(PART), np.empty_like(PART)
    decode(memoryview(coded), out)
    whole = out.copy()
    for length in range(0, len(coded), 3):
        try:
            decode(memoryview(coded[:length]), out)
        except errors.CorruptStream:
            continue
        assert same_bits(out, whole)  # a library that does not need its last bytes


@pytest.mark.parametrize(("name", "options"), HOSTED)
def test_flipped_heads_never_do_more_than_change_values(name: str, options: dict[str, Any]) -> None:
    codec = make_hosted(name, options)
    decode, coded, out, refused = codec.decode, codec.encode(PART), np.empty_like(PART), 0
    for position in range(8 * 60):
        broken = bytearray(coded)
        broken[position // 8] ^= 1 << position % 8
        try:
            decode(memoryview(broken), out)
        except (errors.CorruptStream, errors.InnerUnavailable):
            refused += 1
    assert refused > 50


@needs.pillow_heif
@pytest.mark.parametrize("dtype", ["|S3", "<U2", "|V5", "<c16", "<M8[s]"])
def test_no_map_puts_indices_into_elements_that_are_no_numbers(dtype: str) -> None:
    """Elements of 3 bytes were written as 8, behind the end of their memory."""
    part = np.zeros((2, 9, 11), "u1")
    with pytest.raises(errors.CorruptStream, match="no numbers"):
        Heif.decode(memoryview(Heif().encode(part)), np.zeros(part.shape, dtype))


def numcodecs_part(config: bytes, body: bytes = b"") -> memoryview:
    return memoryview(struct.pack("<BBBH", 0, 0, 1, len(config)) + config + body)


@pytest.mark.parametrize("config", [b"", b"[]", b'{"id":1}', b'{"id":[]}', b"{" * 3000, b"\xff"])
def test_a_configuration_that_is_none_is_refused(config: bytes) -> None:
    with pytest.raises(errors.CorruptStream):
        Numcodecs.decode(numcodecs_part(config), np.empty_like(PART))


def test_a_file_cannot_ask_for_pickle() -> None:
    hostile = numcodecs_part(b'{"id":"pickle"}', b"cbuiltins\nprint\n(S'run'\ntR.")
    with pytest.raises(errors.CorruptStream, match="not allowed"):
        Numcodecs.decode(hostile, np.empty_like(PART))


def test_a_file_cannot_import_a_module() -> None:
    import sys

    with pytest.raises(errors.InnerUnavailable, match="not registered"):
        Numcodecs.decode(numcodecs_part(b'{"id":"antigravity"}'), np.empty_like(PART))
    assert "antigravity" not in sys.modules


class Scrambling(numcodecs.abc.Codec):
    """A codec that says nothing and gives back an array upside down."""

    codec_id = "medroi_test_scrambling"

    def encode(self, buf):
        return np.ascontiguousarray(np.asarray(buf)[::-1]).tobytes()

    def decode(self, buf, out=None):
        return np.frombuffer(buf, "u1")


class Reversing(Scrambling):
    """The same, undone."""

    codec_id = "medroi_test_reversing"

    def encode(self, buf):
        return np.ascontiguousarray(buf).reshape(-1).view("u1")[::-1].tobytes()

    def decode(self, buf, out=None):
        return np.frombuffer(buf, "u1")[::-1]


register_codec(Scrambling)
register_codec(Reversing)


def test_an_unknown_codec_that_loses_anything_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="every bit"):
        MedROI(Scrambling(), threshold=None).encode(PART)


def test_an_unknown_codec_that_keeps_everything_is_taken() -> None:
    codec = MedROI.lossless(Reversing())
    assert same_bits(codec.decode(codec.encode(PART)), PART)


class Stopped(BaseException):
    """A request to end, which comes while a codec decodes."""


def test_a_request_to_stop_is_no_damage(monkeypatch) -> None:
    def stopped(*_, **__):
        raise Stopped

    part = Numcodecs({"id": "medroi_test_reversing"}).encode(PART)
    monkeypatch.setattr(Reversing, "decode", stopped)
    with pytest.raises(Stopped):
        Numcodecs.decode(memoryview(part), np.empty_like(PART))


@needs.imagecodecs
def test_three_slices_are_no_colours() -> None:
    array = np.random.default_rng(8).integers(0, 4000, (3, 40, 44)).astype("<u2")
    for name in ("jpeg2k", "htj2k", "jpegxl", "jpegls", "png", "avif"):
        codec = MedROI.lossless(f"imagecodecs_{name}")
        for order in "CF":
            turned = np.asarray(array, order=order)
            assert same_bits(codec.decode(codec.encode(turned)), turned)


@needs.imagecodecs
def test_a_lossy_map_is_one_for_all_parts() -> None:
    volume = np.indices((40, 80, 90)).sum(0).astype("<i2") * 3
    codec = MedROI({"id": "imagecodecs_jpegls", "level": 2}, threshold=None)
    coded = codec.encode(np.tile(volume, (6, 1, 1)))
    assert inspect(coded).n_parts > 1
    coded = codec.encode(volume)
    assert np.abs(codec.decode(coded).astype(int) - volume).max() <= 2 * 3


VERIFIED = (
    "zstd",
    "jpeg2000",
    {"id": "jpeg2000", "psnr": 40},
    {"id": "jpeg2000", "rate": 8},
    "heif",
    {"id": "heif", "quality": 70},
    "imagecodecs_jpegxl",
    {"id": "imagecodecs_sperr", "mode": "pwe", "level": 3.0},
)


@pytest.mark.parametrize("config", [needs.inner(config, id=str(config)) for config in VERIFIED])
@pytest.mark.parametrize("threshold", ["mean", None])
def test_verification_lets_through_what_comes_back(config, threshold) -> None:
    volume = phantom()
    codec = MedROI(config, threshold=threshold, verify=True)
    assert codec.encode(volume) == MedROI(config, threshold=threshold).encode(volume)


def test_verify_is_in_the_configuration_only_where_it_is_asked_for() -> None:
    assert "verify" not in MedROI("zstd").get_config()
    codec = MedROI("zstd", verify=True)
    assert codec.get_config()["verify"] is True
    assert eval(repr(codec)) == codec != MedROI("zstd")


def off_by(decode, amount: int):
    """A decoder that gets the first voxel wrong."""

    def wrong(cls, coded, out):
        decode(coded, out)
        out.reshape(-1)[0] += amount

    return classmethod(wrong)


@pytest.mark.parametrize(
    ("codec", "config", "amount"),
    [
        pytest.param(Heif, "heif", 1, marks=needs.pillow_heif),
        pytest.param(Numcodecs, "imagecodecs_jpegls", 1, marks=needs.imagecodecs),
        pytest.param(
            Numcodecs, {"id": "imagecodecs_lerc", "level": 2.0}, 9, marks=needs.imagecodecs
        ),
        (Jpeg2000, {"id": "jpeg2000", "psnr": 60.0, "peak": 3000.0}, 90),
    ],
)
def test_verification_refuses_what_does_not(codec, config, amount, monkeypatch) -> None:
    volume = phantom()
    monkeypatch.setattr(Jpeg2000, "is_native", classmethod(lambda cls: False))
    monkeypatch.setattr("medroi._kernel.has_inner", lambda codec_id: codec_id < 3)
    made = MedROI(config, threshold=None, verify=True)
    monkeypatch.setattr(codec, "decode", off_by(codec.decode, amount))
    if codec is Jpeg2000:
        # The search decodes slices, not parts: it is not misled.
        monkeypatch.setattr(codec, "plan", lambda self, region: self.plan_without_kernel(region))
    with pytest.raises(errors.VerificationFailed, match="nothing is written"):
        made.encode(volume)


def test_what_a_codec_raises_where_nothing_else_fails_is_raised(monkeypatch) -> None:
    """The engine asks whether a codec is lossy; an exception there stops no step of it."""

    def undecided(_codec: Any) -> bool:
        raise ZeroDivisionError("undecided")

    before = inner.TABLE
    hosted_codec.install()
    try:
        codec = MedROI(hosted_codec.NAME, roi="mask")
        monkeypatch.setattr(hosted_codec.Hosted, "lossless", property(undecided))
        with pytest.raises(ZeroDivisionError, match="undecided"):
            codec.encode(np.ones((8, 9, 10), "u1"))
    finally:
        inner.TABLE = before
