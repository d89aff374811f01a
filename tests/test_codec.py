"""MedROI as its users hold it: options, arrays in, arrays out."""

from __future__ import annotations

import itertools
import json
import pickle

import numpy as np
import pytest
from arrays import make_array, phantom, same_bits

import medroi
from medroi import MedROI, errors, roi


def inside(info: medroi.StreamInfo) -> tuple[slice, ...]:
    return tuple(slice(start, stop) for start, stop in info.box)


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u4", "<f4", ">f8"])
def test_tissue_is_exact_and_the_rest_is_background(inner: str, order: str, dtype: str) -> None:
    volume = np.array(phantom(dtype=dtype), order=order)
    stream = MedROI(inner, background=0).encode(volume)
    decoded, info = MedROI().decode(stream), medroi.inspect(stream)
    expected = np.zeros_like(volume)
    expected[inside(info)] = volume[inside(info)]
    assert same_bits(decoded, expected)
    assert 0 < expected[inside(info)].size < volume.size


def test_background_is_a_value_not_zero() -> None:
    volume = (phantom() - 1024).astype("<i2")
    stream = MedROI(background=-1024).encode(volume)
    decoded = MedROI().decode(stream)
    outside = np.ones(volume.shape, bool)
    outside[inside(medroi.inspect(stream))] = False
    assert (decoded[outside] == -1024).all()
    assert medroi.inspect(stream).background == -1024


@pytest.mark.parametrize(
    ("background", "dtype"), [(-1, "u1"), (0.5, "i2"), (70000, "u2"), (1e300, "f4")]
)
def test_a_background_that_the_dtype_cannot_hold_is_refused(background: float, dtype: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="background"):
        MedROI(background=background).encode(phantom(dtype=dtype))


def test_nan_background_survives_json() -> None:
    volume = phantom(dtype="<f4")
    volume[volume < 50] = np.nan
    codec = MedROI.from_config(json.loads(json.dumps(MedROI(background=np.nan).get_config())))
    decoded = codec.decode(codec.encode(volume))
    assert np.isnan(decoded[0, 0, 0])
    assert np.array_equal(np.nanmax(decoded), np.nanmax(volume))


@pytest.mark.parametrize(
    "codec",
    [
        MedROI(),
        MedROI({"id": "deflate", "level": 9}, threshold="otsu", roi="box", axes=(0, 1)),
        MedROI("raw", threshold=12.5, polarity="dark", background=-1024, padding=0),
        MedROI.lossless("zstd", slice_axis=-1, affine=np.diag([2.0, 1.0, 3.0, 1.0])),
        MedROI(background=np.float32("inf"), max_miss_rate=0),
    ],
)
def test_a_configuration_survives_every_way_of_carrying_it(codec: MedROI) -> None:
    from dask.base import tokenize

    config = json.loads(json.dumps(codec.get_config()))
    assert MedROI.from_config(config) == codec
    assert eval(repr(codec)) == codec
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec
    assert hash(again) == hash(codec)
    assert tokenize(again) == tokenize(codec)


@pytest.mark.parametrize(
    "options",
    [
        {"inner": "nonsense"},
        {"inner": {"id": "zstd", "speed": 1}},
        {"inner": {"id": "zstd", "level": 99}},
        {"threshold": "median"},
        {"threshold": float("nan")},
        {"polarity": "grey"},
        {"roi": "sphere"},
        {"background": "air"},
        {"padding": -1},
        {"padding": 1.5},
        {"max_miss_rate": 1.1},
        {"affine": [[1, 2], [3, 4]]},
    ],
)
def test_unknown_options_are_refused_at_once(options: dict) -> None:
    with pytest.raises(errors.InvalidArgument):
        MedROI(**options)


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.zeros(3, [("a", "i2"), ("b", "f4")]),
        np.zeros((2, 2), np.longdouble),
    ],
)
def test_elements_that_cannot_be_stored_are_refused_by_type(array: np.ndarray) -> None:
    with pytest.raises(errors.InvalidType, match=r"dtype|object"):
        MedROI().encode(array)
    assert issubclass(errors.InvalidType, TypeError)


def test_arrays_without_axes_or_with_nine_are_refused() -> None:
    for array in (np.float32(3), np.zeros((1,) * 9)):
        with pytest.raises(errors.InvalidArgument, match="axes"):
            MedROI().encode(array)


@pytest.mark.parametrize("axes", [(), (0, 0), (3,), (0, 1, 2, 3), (-4,)])
def test_axes_that_the_array_does_not_have_are_refused(axes: tuple[int, ...]) -> None:
    with pytest.raises(errors.InvalidArgument, match="axes"):
        MedROI(axes=axes).encode(phantom())


def test_what_is_no_image_is_kept_whole() -> None:
    for array in (np.arange(100, dtype="<i2"), np.array([True, False] * 30).reshape(6, 10)):
        assert same_bits(MedROI().decode(MedROI().encode(array)), array)
    assert bytes(MedROI().decode(MedROI().encode(bytearray(b"\0abc\0")))) == b"\0abc\0"


@pytest.mark.parametrize("order", ["C", "F"])
def test_decoding_into_memory_of_the_caller(order: str) -> None:
    volume = np.array(phantom(), order=order)
    stream = MedROI.lossless().encode(volume)
    out = np.empty_like(volume)
    assert MedROI().decode(stream, out=out) is out
    assert same_bits(out, volume)
    with pytest.raises(errors.InvalidArgument, match="bytes"):
        MedROI().decode(stream, out=np.empty(3, "u1"))


@pytest.mark.parametrize("inner", ["raw", "zstd"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("slice_axis", [None, 0, 1, 2])
def test_decoding_overwrites_every_voxel_of_the_callers_memory(
    inner: str, order: str, slice_axis: int | None
) -> None:
    codec = MedROI.lossless(inner, background=7, slice_axis=slice_axis)
    spans = [slice(0, 6), slice(0, 1), slice(2, 3), slice(3, 6), slice(1, 5)]
    for box in itertools.product(spans, repeat=3):
        volume = np.full((6, 6, 6), 7, "<i2", order=order)
        volume[box] = 1000
        out = np.full_like(volume, -1)
        codec.decode(codec.encode(volume), out=out)
        assert np.array_equal(out, volume)


def test_views_and_read_only_arrays_are_welcome() -> None:
    volume = make_array("<i2", (9, 10, 11), "C", 1)
    volume.flags.writeable = False
    view = volume[1:7, ::2, 3:]
    assert np.array_equal(MedROI.lossless().decode(MedROI.lossless().encode(view)), view)
    assert same_bits(MedROI.lossless().decode(MedROI.lossless().encode(volume)), volume)


def test_lossless_refuses_a_threshold() -> None:
    with pytest.raises(errors.InvalidArgument, match="threshold"):
        MedROI.lossless(threshold="mean")


def test_leading_axes_share_one_region() -> None:
    series = np.zeros((3, 20, 20, 20), "<i2")
    for t in range(3):
        series[t, 4 + t : 10 + t, 5:12, 6:13] = 100
    info = medroi.inspect(MedROI(padding=0).encode(series))
    assert info.box == ((0, 3), (4, 12), (5, 12), (6, 13))


def test_fit_fixes_the_numbers_of_the_whole_array() -> None:
    volume = (phantom() - 1024).astype("<i2")
    fitted = MedROI.fit(volume, background="auto", inner="raw").get_config()
    assert fitted["background"] == volume.min() == -1024
    noise = roi.find_region(volume, background=-1024, threshold="noise")
    assert fitted["threshold"] == noise.threshold
    mean = MedROI.fit(volume, background="auto", threshold="mean").get_config()["threshold"]
    assert mean == pytest.approx(volume[volume != -1024].mean())


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
def test_threads_change_no_byte(inner: str) -> None:
    array = make_array("<i4", (90, 101, 97), "C", 3)
    stream = MedROI.lossless(inner).encode(array)
    assert medroi.inspect(stream).n_parts > 2
    for threads in (2, 3, 64):
        codec = MedROI.lossless(inner, threads=threads)
        assert codec.encode(array) == stream
        assert same_bits(codec.decode(stream), array)


def test_threads_report_the_first_bad_part() -> None:
    stream = bytearray(MedROI.lossless("raw").encode(make_array("<i4", (90, 101, 97), "C", 3)))
    for offset in (len(stream) // 3, -1):
        stream[offset] ^= 1
    for threads in (1, 2, 3):
        with pytest.raises(errors.CorruptStream, match="part 2 is wrong"):
            MedROI(threads=threads).decode(bytes(stream))
