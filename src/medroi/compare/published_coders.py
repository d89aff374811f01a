"""The coders of the publication's scripts, on stacks of 8-bit slices."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import MedROI, inspect
from medroi.compare import published_wavelet
from medroi.compare.methods import PEER, Method
from medroi.errors import InnerUnavailable
from medroi.scans.scan import require

Array = npt.NDArray[Any]
# Slices of 8 bits and a quality to bytes counted and slices decoded.
Coder = Callable[[Array, Method], tuple[int, Array]]


def _pillow_jpeg2000(slices: Array, method: Method) -> tuple[int, Array]:
    """OpenJPEG through Pillow, `quality_mode="rates"`, one file a slice."""
    image = require("PIL.Image", "the published JPEG 2000", "compare")
    assert method.published is not None

    def save(target: io.BytesIO, pixels: Array) -> None:
        layers = [method.published.value]  # type: ignore[union-attr]
        image.fromarray(pixels).save(
            target, "JPEG2000", quality_mode="rates", quality_layers=layers
        )

    return _slice_by_slice(slices, save, lambda file: image.open(file))


def _pillow_heif(slices: Array, method: Method) -> tuple[int, Array]:
    """x265 through pillow-heif at its defaults, one file a slice."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InnerUnavailable("heif needs pillow-heif: pip install medroi[heif]") from error
    assert method.published is not None
    quality = int(method.published.value)

    def save(target: io.BytesIO, pixels: Array) -> None:
        size = (pixels.shape[1], pixels.shape[0])
        pillow_heif.encode("L", size, pixels.tobytes(), target, quality=quality)

    return _slice_by_slice(slices, save, lambda file: pillow_heif.open_heif(file))


def _slice_by_slice(
    slices: Array, save: Callable[[io.BytesIO, Array], None], load: Callable[[io.BytesIO], Any]
) -> tuple[int, Array]:
    decoded, nbytes = np.empty_like(slices), 0
    for number, pixels in enumerate(slices):
        file = io.BytesIO()
        save(file, np.ascontiguousarray(pixels))
        nbytes += file.tell()
        file.seek(0)
        loaded = np.asarray(load(file))
        decoded[number] = loaded if loaded.ndim == 2 else loaded[..., 0]
    return nbytes, decoded


def _wavelet(slices: Array, method: Method) -> tuple[int, Array]:
    """The 3-D wavelet, on the whole stack."""
    assert method.published is not None
    step = method.published.value
    coded = published_wavelet.encode(slices.astype(np.float32), step)
    decoded = published_wavelet.decode(coded, step, slices.shape)
    return len(coded), np.clip(np.rint(decoded), 0, 255).astype(np.uint8)


def _inner(slices: Array, method: Method) -> tuple[int, Array]:
    """MedROI's own inner codec; its payload alone is counted."""
    codec = MedROI(dict(method.config), threshold=float("-inf"))
    coded = codec.encode(slices)
    return inspect(coded).payload_nbytes, np.asarray(codec.decode(coded))


CODERS: dict[str, Coder] = {
    "pillow-jpeg2000": _pillow_jpeg2000,
    "pillow-heif": _pillow_heif,
    PEER: _wavelet,
    "inner": _inner,
}
