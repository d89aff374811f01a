"""Codestreams that other readers open, targets that are met, and bytes that are refused."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import needs
import numpy as np
import pytest
from arrays import phantom, same_bits

from medroi import MedROI, _kernel, codec, errors, inspect, stream
from medroi.inner.base import Block
from medroi.inner.jpeg2000.codec import Jpeg2000

SHAPES = ((7,), (3, 5), (1, 1), (1, 9), (3, 17, 20), (2, 3, 4, 5), (40, 33))
MAP_NBYTES = 19


def parts_of(coded: bytes) -> list[bytes]:
    header = stream.read_header(np.frombuffer(coded, np.uint8))
    payload = coded[header.preamble_nbytes :]
    table = stream.parse_table(header, payload[: stream.table_nbytes(header)])
    return [payload[part.start : part.stop] for part in table]


def codestreams_of(part: bytes, n_slices: int) -> tuple[int, list[bytes]]:
    """Offset of an integer map, and the codestreams, cut out by FORMAT.md alone."""
    kind, _, offset, step = struct.unpack_from("<BHqQ", part)
    assert (kind, step) == (0, 1)
    lengths = struct.unpack_from(f"<{n_slices}I", part, MAP_NBYTES)
    found, at = [], MAP_NBYTES + 4 * n_slices
    for length in lengths:
        found.append(part[at : at + length])
        at += length
    assert at == len(part)
    return offset, found


def read_with_glymur(codestream: bytes, folder: Path) -> np.ndarray:
    import glymur

    path = folder / "slice.j2k"
    path.write_bytes(codestream)
    return np.asarray(glymur.Jp2k(path)[:])


def read_with_imagecodecs(codestream: bytes, _folder: Path) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpeg2k_decode(codestream)


def read_with_pillow(codestream: bytes, _folder: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(codestream)))


READERS = [
    pytest.param(read_with_glymur, marks=needs.glymur),
    pytest.param(read_with_imagecodecs, marks=needs.imagecodecs),
    read_with_pillow,
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("dtype", ["|u1", "<i2", ">u2"])
def test_other_readers_open_the_codestreams(read, dtype: str, tmp_path: Path) -> None:
    array = phantom(dtype=dtype)
    if dtype == "<i2":
        array -= 60
    coded = MedROI.lossless("jpeg2000").encode(array)
    low, high = inspect(coded).box[0]
    (part,) = parts_of(coded)
    offset, found = codestreams_of(part, high - low)
    _, (y0, y1), (x0, x1) = inspect(coded).box
    for number, codestream in enumerate(found):
        expected = array[low + number, y0:y1, x0:x1].astype(int)
        got = read(codestream, tmp_path)
        if read is read_with_pillow and got.dtype == np.uint8:
            continue  # Pillow rescales precisions other than 8 and 16
        np.testing.assert_array_equal(got.astype(int) + offset, expected)


def ramp(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = np.random.default_rng(5).integers(0, 240, shape)
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        return (values * 0.37).astype(wanted)
    return (values % 2 if wanted.kind == "b" else values).astype(wanted)


@needs.glymur
@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i2", ">u2", "<i4", "<f4", ">f8", "<f2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_glymur_and_the_kernel_read_each_other(dtype: str, shape: tuple[int, ...]) -> None:
    part, tried = ramp(shape, dtype), Jpeg2000()
    for coded in (tried.encode(part), tried.encode_without_kernel(part)):
        for decode in (Jpeg2000.decode, Jpeg2000.decode_without_kernel):
            out = np.empty_like(part)
            decode(memoryview(coded), out)
            assert same_bits(out, part)


def psnr(original: np.ndarray, found: np.ndarray, peak: float) -> float:
    error = ((original.astype("f8") - found.astype("f8")) ** 2).mean()
    return math.inf if error == 0 else 20 * math.log10(peak) - 10 * math.log10(error)


@needs.glymur
@pytest.mark.parametrize("target", [30, 40, 45.5])
def test_glymur_reaches_a_psnr_that_the_kernel_confirms(target: float) -> None:
    part = phantom((4, 60, 60))
    coded = Jpeg2000(psnr=target).encode_without_kernel(part)
    found = np.empty_like(part)
    Jpeg2000.decode(memoryview(coded), found)
    assert abs(psnr(part, found, float(np.ptp(part))) - target) <= 0.2


@needs.glymur
def test_glymur_leaves_its_options_and_the_folder_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import glymur

    monkeypatch.chdir(tmp_path)
    before = glymur.get_option("lib.num_threads")
    glymur.set_option("lib.num_threads", 3)
    try:
        coded = Jpeg2000().encode_without_kernel(ramp((3, 9, 9), "<i2"))
        Jpeg2000.decode_without_kernel(memoryview(coded), np.empty((3, 9, 9), "<i2"))
        assert glymur.get_option("lib.num_threads") == 3
    finally:
        glymur.set_option("lib.num_threads", before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", [30, 35.5, 40, 45])
@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_a_psnr_is_reached_within_a_fifth_of_a_decibel(
    head_volume: np.ndarray, target: float, dtype: str
) -> None:
    volume = np.asfortranarray(
        head_volume[:, :, 40:60].astype(dtype) * (0.5 if "f" in dtype else 1)
    )
    volume = volume.astype(dtype, order="F")
    coded = MedROI({"id": "jpeg2000", "psnr": target}, verify=True).encode(volume)
    inside = tuple(slice(*bounds) for bounds in inspect(coded).box)
    original, found = volume[inside], MedROI().decode(coded)[inside]
    assert abs(psnr(original, found, float(np.ptp(original))) - target) <= 0.2


def test_a_peak_makes_chunks_alike(head_volume: np.ndarray) -> None:
    volume = np.ascontiguousarray(head_volume[:, :, 40:48])
    coded = MedROI({"id": "jpeg2000", "psnr": 40, "peak": 1000.0}, threshold=None).encode(volume)
    inside = tuple(slice(*bounds) for bounds in inspect(coded).box)
    assert abs(psnr(volume[inside], MedROI().decode(coded)[inside], 1000.0) - 40) <= 0.2


def test_a_psnr_beyond_the_irreversible_transform_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="cannot be reached"):
        MedROI({"id": "jpeg2000", "psnr": 90}).encode(phantom((8, 40, 40)))


@pytest.mark.parametrize("rate", [5, 10, 20])
def test_a_rate_is_met(head_volume: np.ndarray, rate: float) -> None:
    coded = MedROI({"id": "jpeg2000", "rate": rate}, threshold="mean").encode(head_volume)
    info = inspect(coded)
    region_nbytes = math.prod(stop - start for start, stop in info.box) * info.dtype.itemsize
    assert rate <= region_nbytes / info.payload_nbytes <= 1.2 * rate


@pytest.mark.parametrize(
    "settings",
    [{"rate": 5, "psnr": 40}, {"rate": 0.5}, {"psnr": math.nan}, {"psnr": -1}, {"peak": 5}],
)
def test_settings_that_contradict_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(errors.InvalidArgument):
        MedROI({"id": "jpeg2000", **settings})


@pytest.mark.parametrize("step", [0.37, 0.1, 1 / 3, 2.7303, 1e-9, 1024.0])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_scaled_integers_are_exact_and_small(step: float, dtype: str) -> None:
    levels = np.random.default_rng(1).integers(-300, 40000, (4, 40, 40))
    array = (levels * np.float64(step)).astype(dtype)
    coded = MedROI.lossless("jpeg2000").encode(array)
    assert same_bits(MedROI().decode(coded), array)
    assert len(coded) < 2.3 * array.size


def test_few_values_cost_no_more_than_their_number() -> None:
    rng = np.random.default_rng(2)
    smooth = np.rint(40 + 30 * np.sin(np.indices((8, 64, 64)).sum(0) / 9) + rng.random((8, 64, 64)))
    dense = MedROI.lossless("jpeg2000").encode(smooth.astype("<i2"))
    sparse = (smooth * 8.9).astype("<i2")
    coded = MedROI.lossless("jpeg2000").encode(sparse)
    assert same_bits(MedROI().decode(coded), sparse)
    assert len(coded) < len(dense) + 2 * 80 + 64


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.random.default_rng(3).normal(size=(4, 200, 200)).astype("<f4"), "predict3d or zstd"),
        (np.arange(90000, dtype="<i8").reshape(1, 300, 300) ** 2, "predict3d or zstd"),
        (np.ones((4, 5, 6), "<c8"), "zstd"),
    ],
)
def test_what_does_not_fit_is_refused_with_an_alternative(array: np.ndarray, hint: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=hint):
        MedROI.lossless("jpeg2000").encode(array)


def test_a_table_of_values_is_never_coded_with_loss() -> None:
    array = np.random.default_rng(4).choice([0.1, 0.25, math.pi, 7.7], (4, 20, 20)).astype("<f4")
    assert same_bits(MedROI().decode(MedROI.lossless("jpeg2000").encode(array)), array)
    with pytest.raises(errors.InvalidArgument, match="lossless"):
        MedROI({"id": "jpeg2000", "rate": 5}, threshold=None).encode(array)


def test_threads_do_not_change_the_bytes(head_volume: np.ndarray) -> None:
    alone = MedROI("jpeg2000").encode(head_volume)
    assert inspect(alone).n_parts > 1
    assert MedROI("jpeg2000", threads=3).encode(head_volume) == alone


PART = np.random.default_rng(6).integers(0, 900, (2, 9, 11)).astype("<i2")
DECODERS = (
    Jpeg2000.decode,
    pytest.param(Jpeg2000.decode_without_kernel, marks=needs.glymur),
)


@pytest.mark.parametrize("decode", DECODERS)
def test_every_prefix_of_a_part_is_refused(decode) -> None:
    coded, out = Jpeg2000().encode(PART), np.empty_like(PART)
    for length in range(0, len(coded), 1 if decode == Jpeg2000.decode else 7):
        with pytest.raises(errors.CorruptStream):
            decode(memoryview(coded[:length]), out)


def test_flipped_bits_never_do_more_than_change_values() -> None:
    coded, out = Jpeg2000().encode(PART), np.empty_like(PART)
    refused = 0
    for position in range(8 * len(coded)):
        broken = bytearray(coded)
        broken[position // 8] ^= 1 << position % 8
        try:
            Jpeg2000.decode(memoryview(broken), out)
        except errors.CorruptStream:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("marker", "at", "value"),
    [
        (0xFF51, 4, struct.pack(">I", 60000)),  # width
        (0xFF51, 8, struct.pack(">I", 1 << 31)),  # height
        (0xFF51, 20, struct.pack(">I", 1)),  # tiles of one column
        (0xFF51, 36, struct.pack(">H", 3)),  # three components
        (0xFF51, 38, b"\x25"),  # 38 bits
        (0xFF51, 38, b"\x8a"),  # signed
        (0xFF52, 2, b"\x01"),  # precincts
        (0xFF52, 4, b"\xff\xff"),  # 65535 layers
        (0xFF52, 10, b"\x40"),  # high-throughput blocks
        (0xFF90, 9, b"\x02"),  # two tile-parts
    ],
)
@pytest.mark.parametrize("decode", DECODERS)
def test_a_codestream_of_anything_else_is_refused_unread(decode, marker, at, value) -> None:
    coded, out = bytearray(Jpeg2000().encode(PART)), np.empty_like(PART)
    start = coded.index(marker.to_bytes(2, "big")) + 2 + at
    coded[start : start + len(value)] = value
    with pytest.raises(errors.CorruptStream, match="codestream"):
        decode(memoryview(coded), out)


@needs.glymur
def test_a_part_extent_is_the_same_with_and_without_the_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    regions = [Block(shape, np.dtype(dtype)) for shape in SHAPES for dtype in ("<i2", "<f4")]
    regions.append(Block((200, 300, 300), np.dtype("<i2")))
    native = [Jpeg2000().part_extent(region) for region in regions]
    monkeypatch.setattr(Jpeg2000, "is_native", classmethod(lambda cls: False))
    assert [Jpeg2000().part_extent(region) for region in regions] == native


@needs.glymur
def test_streams_of_either_kind_decode_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = phantom()
    native = MedROI({"id": "jpeg2000", "rate": 6}).encode(volume)
    monkeypatch.setattr(Jpeg2000, "is_native", classmethod(lambda cls: False))
    hosted = codec.encode(volume, MedROI({"id": "jpeg2000", "rate": 6})._settings)
    assert inspect(hosted).n_parts == inspect(native).n_parts
    with_kernel = MedROI().decode(native)
    monkeypatch.setattr(_kernel, "has_inner", lambda codec_id: codec_id != 3)
    assert same_bits(MedROI().decode(native), with_kernel)
