"""The kernel's tables of settings say what the codecs in Python take, and what each number is."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import numpy as np
import pytest

from medroi import MedROI, _kernel, errors, inner
from medroi.inner.base import NativeCodec
from medroi.inner.deflate import Deflate
from medroi.inner.jpeg2000.codec import Jpeg2000
from medroi.inner.predict3d import Predict3D
from medroi.inner.raw import Raw
from medroi.inner.wavelet3d import Wavelet3D
from medroi.inner.zstd import Zstd

CODECS = [Raw, Deflate, Zstd, Jpeg2000, Wavelet3D, Predict3D]
PACKED = [Deflate, Zstd]


def table(codec: type[NativeCodec]) -> dict[str, Any]:
    """(fallback, low, high, limits, help, choices) by the setting's name."""
    return {name: row for name, *row in _kernel.settings(codec.codec_id)}


@pytest.mark.parametrize("codec", CODECS)
def test_fields_are_the_settings_of_the_table_in_its_order(codec: type[NativeCodec]) -> None:
    assert [field.name for field in dataclasses.fields(codec)] == list(table(codec))


@pytest.mark.parametrize("codec", CODECS)
def test_every_setting_is_explained_in_the_docstring(codec: type[NativeCodec]) -> None:
    for name, (_, low, high, limits, text, choices) in table(codec).items():
        assert low < high
        assert limits
        assert f"\n{name} : " in inspect.getdoc(codec)
        assert text in inspect.getdoc(codec)
        assert not choices or len(choices) == high - low + 1


@pytest.mark.parametrize("codec", [Deflate, Zstd, Predict3D])
def test_defaults_are_those_of_the_table(codec: type[NativeCodec]) -> None:
    fallbacks = [row[0] for row in table(codec).values()]
    assert list(codec().native_params())[: len(fallbacks)] == fallbacks
    assert codec().native_params() == _kernel.read_settings(codec.codec_id, "{}")


@pytest.mark.parametrize("codec", PACKED)
def test_levels_are_taken_from_the_smallest_to_the_greatest_and_no_further(
    codec: type[Deflate | Zstd],
) -> None:
    _, low, high, *_ = table(codec)["level"]
    for value in (int(low), int(high)):
        assert codec(level=value).native_params()[0] == value
    for value in (int(low) - 1, int(high) + 1):
        with pytest.raises(errors.InvalidArgument, match=f"level={value}, expected"):
            codec(level=value)


NUMBERS = {
    Deflate: [(-1, 1), (10, 1), (2.5, 1), (np.nan, 1), (6, 2)],
    Zstd: [(-131073, 1), (23, 1), (2.5, 1), (np.inf, 1), (3, 0.5)],
    Jpeg2000: [(3, 8), (1, 0.5), (2, 151), (2, 50, -1), (2, 50, np.nan), (np.nan,)],
    Wavelet3D: [
        (0,),
        (6, 1),
        (5, 0),
        (1.5, 1),
        (1, 0),
        (2, 0.9),
        (3, -1),
        (4, np.nan),
        (4, 1, -1, 1, 1),
    ],
    Predict3D: [(3,), (0.5,), (np.nan,)],
}


@pytest.mark.parametrize(
    ("codec", "params"),
    [(codec, row) for codec, rows in NUMBERS.items() if codec.is_native() for row in rows],
)
def test_the_kernel_refuses_numbers_that_no_setting_gives(
    codec: type[NativeCodec], params: tuple[float, ...]
) -> None:
    with pytest.raises(errors.InvalidArgument, match=codec.name):
        _kernel.check_block(codec.codec_id, _kernel.Block((4, 4), "i", 2, False), params)


def test_levels_of_predict3d_are_numbered_as_they_are_named() -> None:
    *_, choices = table(Predict3D)["level"]
    for number, name in enumerate(choices):
        assert Predict3D(name).native_params()[0] == number


def test_targets_of_wavelet3d_have_the_numbers_of_the_format() -> None:
    for number, name in enumerate(["psnr", "rate", "max_error", "step"], 1):
        params = Wavelet3D(**{name: 7.0}, spacing_mm=(1.0, 2.0, 3.0)).native_params()
        assert params == (number, 7.0, 1.0, 2.0, 3.0, 7.0, 0.0)


def test_targets_of_jpeg2000_have_the_numbers_of_the_format() -> None:
    assert Jpeg2000().native_params()[:3] == (0.0, 0.0, 0.0)
    assert Jpeg2000(rate=8.0).native_params()[:3] == (1.0, 8.0, 0.0)
    assert Jpeg2000(psnr=50.0, peak=4095.0).native_params()[:3] == (2.0, 50.0, 4095.0)


SAME = [
    [Zstd(level=3), Zstd(level=3.0), Zstd(np.int8(3)), Zstd()],
    [Deflate(shuffle=False), Deflate(shuffle=np.False_)],
    [Wavelet3D(rate=20), Wavelet3D(rate=20.0), Wavelet3D(rate=np.float32(20))],
    [
        Wavelet3D(psnr=40, spacing_mm=spacing)
        for spacing in ((1, 2, 3), [1.0, 2, 3], np.array([1, 2, 3]))
    ],
    [Jpeg2000(psnr=50, peak=4095), Jpeg2000(psnr=50.0, peak=np.uint16(4095))],
]


@pytest.mark.parametrize("codecs", SAME)
def test_every_spelling_of_a_setting_is_one_codec(codecs: list[NativeCodec]) -> None:
    assert len(set(codecs)) == 1
    assert len({json.dumps(codec.config()) for codec in codecs}) == 1
    assert len({MedROI(codec) for codec in codecs}) == 1


EARLIER = ['{"id": "predict3d", "speed": "fast"}', '{"id": "predict3d", "level": "fast"}']


def test_a_level_is_read_by_its_earlier_name_and_written_by_its_present_one() -> None:
    earlier, present = (json.loads(text) for text in EARLIER)
    assert inner.make(earlier) == inner.make(present) == Predict3D("fast")
    assert inner.make(earlier).config() == present
    assert inner.known_and_newer(earlier) == (earlier, {})
    assert len({_kernel.read_settings(5, text) for text in EARLIER}) == 1
    assert MedROI.from_config({"id": "medroi", "inner": earlier}).get_config()["inner"] == present


WRONG = [
    {"id": "zstd", "level": 23},
    {"id": "zstd", "level": 3.5},
    {"id": "zstd", "level": True},
    {"id": "zstd", "level": "3"},
    {"id": "zstd", "level": None},
    {"id": "deflate", "level": -1},
    {"id": "deflate", "shuffle": 1},
    {"id": "deflate", "shuffle": "false"},
    {"id": "wavelet3d"},
    {"id": "wavelet3d", "psnr": 40, "rate": 8},
    {"id": "wavelet3d", "psnr": 0},
    {"id": "wavelet3d", "rate": 0.5},
    {"id": "wavelet3d", "step": "NaN"},
    {"id": "wavelet3d", "psnr": 40, "speed": "slow"},
    {"id": "wavelet3d", "psnr": 40, "speed": 1},
    {"id": "wavelet3d", "max_error": -1},
    {"id": "wavelet3d", "psnr": 40, "spacing_mm": [1, 2]},
    {"id": "wavelet3d", "psnr": 40, "spacing_mm": [1, 2, True]},
    {"id": "wavelet3d", "psnr": 40, "spacing_mm": 1},
    {"id": "wavelet3d", "psnr": 40, "spacing_mm": "123"},
    {"id": "jpeg2000", "rate": 3, "psnr": 40},
    {"id": "jpeg2000", "peak": 4095},
    {"id": "jpeg2000", "psnr": 151},
    {"id": "predict3d", "level": "slow"},
    {"id": "predict3d", "level": 1},
    {"id": "predict3d", "level": "fast", "speed": "fast"},
    {"id": "raw", "level": 1},
]


@pytest.mark.parametrize("config", WRONG, ids=str)
def test_python_and_the_engine_refuse_the_same_settings(config: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match=config["id"]):
        inner.make(config)
    with pytest.raises(errors.InvalidArgument, match=config["id"]):
        _kernel.read_settings(inner.entry_of(config["id"]).codec_id, json.dumps(config))
