"""The codecs that predict3d and wavelet3d are measured against, one thread each."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pywt

Array = np.ndarray[Any, Any]
Coding = Callable[[Array], tuple[int, Array]]  # bytes, and what came back

LOSSLESS_PEERS: dict[str, tuple[Callable[[Array], bytes], Callable[[bytes], Array]]] = {
    "jpeg2000": (
        lambda s: imagecodecs.jpeg2k_encode(s, level=0, reversible=True, codecformat="j2k"),
        imagecodecs.jpeg2k_decode,
    ),
    "htj2k": (lambda s: imagecodecs.htj2k_encode(s, reversible=True), imagecodecs.htj2k_decode),
    "jpegls": (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    "jpegxl-e3": (
        lambda s: imagecodecs.jpegxl_encode(s, lossless=True, effort=3, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
    "jpegxl-e7": (
        lambda s: imagecodecs.jpegxl_encode(s, lossless=True, effort=7, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
    "jpegxl-e9": (
        lambda s: imagecodecs.jpegxl_encode(s, lossless=True, effort=9, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
}


def values_and_slices(array: Array) -> tuple[Array, Array]:
    """What a 2-D integer codec sees, remapped where ours remaps: values, and their indices."""
    values = np.unique(array)
    if array.dtype.kind != "f" and len(values) * 2 > int(values[-1]) - int(values[0]) + 1:
        values = np.arange(int(values[0]), int(values[-1]) + 1)
    if len(values) > 65536:
        raise ValueError("more than 65536 values")
    indices = np.searchsorted(values, array).astype(np.uint16)
    return values, indices.reshape(-1, *array.shape[-2:])


def published(step: float) -> Coding:
    """The published 3-D wavelet: bior4.4, 3 levels, uniform steps on 8 bits, pickle, gzip -9."""

    def code(volume: Array) -> tuple[int, Array]:
        low, high = float(volume.min()), float(volume.max())
        scaled = np.round((volume - low) / (high - low) * 255).astype(np.float32)
        bands = pywt.wavedecn(scaled, "bior4.4", mode="periodization", level=3)
        array, where = pywt.coeffs_to_array(bands)
        quantised = np.round(array / step).astype(np.int16)
        nbytes = len(gzip.compress(pickle.dumps((quantised, where)), 9))
        bands = pywt.array_to_coeffs(quantised.astype(np.float32) * step, where)
        back = pywt.waverecn(bands, "bior4.4", mode="periodization")
        back = back[tuple(map(slice, volume.shape))]
        return nbytes, np.clip(np.round(back), 0, 255) / 255 * (high - low) + low

    return code


def sperr(level: float) -> Coding:
    """SPERR towards a PSNR."""

    def code(volume: Array) -> tuple[int, Array]:
        coded = imagecodecs.sperr_encode(volume, level=level, mode="psnr", numthreads=1)
        return len(coded), imagecodecs.sperr_decode(coded, numthreads=1)

    return code


def sz3(share: float) -> Coding:
    """SZ3 with an absolute bound that is a share of the range."""

    def code(volume: Array) -> tuple[int, Array]:
        bound = share * float(volume.max() - volume.min())
        coded = imagecodecs.sz3_encode(volume, mode="abs", abs=bound)
        return len(coded), imagecodecs.sz3_decode(coded, volume.shape, volume.dtype)

    return code


def zfp(share: float) -> Coding:
    """ZFP with a tolerance that is a share of the range."""

    def code(volume: Array) -> tuple[int, Array]:
        bound = share * float(volume.max() - volume.min())
        coded = imagecodecs.zfp_encode(volume, level=bound, mode="a", numthreads=1)
        return len(coded), imagecodecs.zfp_decode(coded)

    return code


def jpeg2000(target: float) -> Coding:
    """JPEG 2000, 9/7, slice by slice, towards a PSNR against the volume's range."""

    def code(volume: Array) -> tuple[int, Array]:
        values, slices = values_and_slices(volume)
        level = target + 20 * np.log10(65535 / (len(values) - 1))
        coded = [imagecodecs.jpeg2k_encode(s, level=level, codecformat="j2k") for s in slices]
        found = np.stack([imagecodecs.jpeg2k_decode(c) for c in coded])
        return sum(map(len, coded)), values[np.minimum(found, len(values) - 1)]

    return code


LOSSY_PEERS: dict[str, list[Coding]] = {
    "sperr": [sperr(p) for p in (12, 22, 30, 36, 42, 48, 54)],
    "sz3": [sz3(s) for s in (0.12, 0.06, 0.03, 0.015, 0.008, 0.004, 0.002)],
    "zfp": [zfp(s) for s in (0.8, 0.4, 0.2, 0.1, 0.05, 0.025, 0.012, 0.006)],
    "jpeg2000": [jpeg2000(p) for p in (30, 35, 40, 45, 50, 55)],
    "published": [published(q) for q in (1, 3, 8, 20, 50, 150)],
}

OF_IMAGECODECS = f"imagecodecs {imagecodecs.__version__}, one thread"
SETTINGS = {
    "jpeg2000": f"{OF_IMAGECODECS}: slices; reversible, or 9/7 towards a PSNR",
    "htj2k": f"{OF_IMAGECODECS}: slices, reversible",
    "jpegls": f"{OF_IMAGECODECS}: slices",
    "jpegxl-e3": f"{OF_IMAGECODECS}: slices, lossless, effort 3",
    "jpegxl-e7": f"{OF_IMAGECODECS}: slices, lossless, effort 7",
    "jpegxl-e9": f"{OF_IMAGECODECS}: slices, lossless, effort 9",
    "sperr": f"{OF_IMAGECODECS}: towards a PSNR",
    "sz3": f"{OF_IMAGECODECS}: absolute bound",
    "zfp": f"{OF_IMAGECODECS}: tolerance",
    "published": f"PyWavelets {pywt.__version__}: bior4.4, 3 levels, 8 bits, pickle, gzip -9",
}
