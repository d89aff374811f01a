"""The kernel's tables of parameters say what the codecs in Python take, and in which order."""

from __future__ import annotations

import ctypes
import dataclasses
from ctypes import CDLL

import pytest

from medroi import errors
from medroi.inner.base import NativeCodec
from medroi.inner.deflate import Deflate
from medroi.inner.jpeg2000.codec import Jpeg2000
from medroi.inner.predict3d import Predict3D
from medroi.inner.wavelet3d import Wavelet3D
from medroi.inner.zstd import Zstd

COUNTS = {"deflate": 2, "zstd": 2, "jpeg2000": 3, "wavelet3d": 5, "predict3d": 1}


class Parameter(ctypes.Structure):
    """medroi_parameter."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("fallback", ctypes.c_double),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("help", ctypes.c_char_p),
        ("choices", ctypes.c_char_p),
    )

    @property
    def names(self) -> list[str]:
        """The choices."""
        return self.choices.decode().split(",") if self.choices else []


def table(library: CDLL, codec: str) -> dict[str, Parameter]:
    found = (Parameter * COUNTS[codec]).in_dll(library, f"medroi_{codec}_parameters")
    return {parameter.name.decode(): parameter for parameter in found}


@pytest.mark.parametrize("codec", COUNTS)
def test_every_parameter_is_named_once_and_explained(coder_builds: list[CDLL], codec: str) -> None:
    parameters = table(coder_builds[0], codec)
    assert len(parameters) == COUNTS[codec]
    for parameter in parameters.values():
        assert parameter.help
        assert parameter.low < parameter.high
        if parameter.names:
            assert len(parameter.names) == parameter.high - parameter.low + 1


@pytest.mark.parametrize("codec", [Deflate, Zstd, Jpeg2000, Predict3D])
def test_defaults_are_those_of_python_in_the_order_of_the_table(
    coder_builds: list[CDLL], codec: type[NativeCodec]
) -> None:
    parameters = table(coder_builds[0], codec.name)
    assert [p.fallback for p in parameters.values()] == list(codec().native_params())


@pytest.mark.parametrize("codec", [Deflate, Zstd])
def test_levels_are_taken_from_the_smallest_to_the_greatest_and_no_further(
    coder_builds: list[CDLL], codec: type[Deflate | Zstd]
) -> None:
    level = table(coder_builds[0], codec.name)["level"]
    assert [field.name for field in dataclasses.fields(codec)] == ["level", "shuffle"]
    for value in (int(level.low), int(level.high)):
        assert codec(level=value).native_params()[0] == value
    for value in (int(level.low) - 1, int(level.high) + 1):
        with pytest.raises(errors.InvalidArgument, match="level"):
            codec(level=value)


def test_speeds_are_numbered_as_they_are_named(coder_builds: list[CDLL]) -> None:
    speed = table(coder_builds[0], "predict3d")["speed"]
    for i, name in enumerate(speed.names):
        assert Predict3D(name).native_params() == (speed.low + i,)


def test_targets_are_numbered_as_they_are_named(coder_builds: list[CDLL]) -> None:
    mode = table(coder_builds[0], "wavelet3d")["mode"]
    assert mode.names == ["psnr", "rate", "max_error", "step"]
    for i, name in enumerate(mode.names):
        params = Wavelet3D(**{name: 7.0}, spacing_mm=(1.0, 2.0, 3.0)).native_params()
        assert params[:5] == (mode.low + i, 7.0, 1.0, 2.0, 3.0)


def test_modes_of_jpeg2000_are_numbered_as_they_are_named(coder_builds: list[CDLL]) -> None:
    mode = table(coder_builds[0], "jpeg2000")["mode"]
    assert mode.names == ["lossless", "rate", "psnr"]
    assert Jpeg2000(rate=8.0).native_params() == (mode.low + 1, 8.0, 0.0)
    assert Jpeg2000(psnr=50.0, peak=4095.0).native_params() == (mode.low + 2, 50.0, 4095.0)
