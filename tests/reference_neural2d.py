"""FORMAT.md section 12.11 written down as plainly as possible: decodes one part, slowly.

Needs NumPy alone. Rows of shares come from `reference_symbols`' neighbour, the package's tables,
whose own reference is tested elsewhere.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from medroi.inner.neural import near, part
from medroi.inner.neural.tables import gaussian_tables, scale_edges

Tensors = dict[str, np.ndarray]


def convolved(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    """A convolution of stride 1, zeros around; `x` is (channels, height, width)."""
    weight, bias = (tensors[f"{name}.{what}"].astype(np.float64) for what in ("weight", "bias"))
    reach = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[1:]
    out = np.empty((weight.shape[0], height, width))
    for row in range(height):
        for column in range(width):
            seen = padded[:, row : row + weight.shape[2], column : column + weight.shape[3]]
            out[:, row, column] = (weight * seen).sum(axis=(1, 2, 3)) + bias
    return out


def shuffled(x: np.ndarray) -> np.ndarray:
    channels, height, width = x.shape[0] // 4, *x.shape[1:]
    out = np.empty((channels, 2 * height, 2 * width))
    for c in range(channels):
        for i in range(2):
            for j in range(2):
                out[c, i::2, j::2] = x[4 * c + 2 * i + j]
    return out


def normalised(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    gamma, beta = (tensors[f"{name}.{what}"].astype(np.float64) for what in ("gamma", "beta"))
    out = np.empty_like(x)
    for i in range(len(x)):
        total = 1e-6 + beta[i] ** 2
        for j in range(len(x)):
            total = total + gamma[i, j] ** 2 * np.abs(x[j])
        out[i] = x[i] * total
    return out


def row_below(scale: float) -> int:
    return sum(1 for edge in scale_edges()[:-1] if edge < scale)


def decode(coded: bytes, tensors: Tensors, shape: tuple[int, int, int]) -> np.ndarray:
    """Network outputs (n, h, w), 0 to 1, of one part."""
    opened = part.unpack(memoryview(coded))
    step = opened.settings["step"]
    n, height, width = shape
    tall, wide = (-(-side // 32) * 32 for side in (height, width))
    latents, hyper = (tensors[f"{x}.weight"].shape[0] for x in
                      ("analysis.conv2", "hyper_analysis.conv0"))  # fmt: skip
    means_record, _ = near.Near.unpack(memoryview(opened.sections[0]))
    rows_record, _ = near.Near.unpack(memoryview(opened.sections[1]))
    recorded = [
        dict(zip(record.positions.tolist(), record.places.tolist()))
        for record in (means_record, rows_record)
    ]
    hyper_rows = np.array([row_below(abs(float(s))) for s in tensors["hyper_scale"]])
    size = (n, hyper, tall // 32, wide // 32)
    z = gaussian_tables().decode(
        opened.sections[2], np.broadcast_to(hyper_rows[None, :, None, None], size)
    )
    reader = gaussian_tables().reader(opened.sections[3])
    before = np.zeros((latents, tall // 8, wide // 8))
    crc, all_symbols, all_places = zlib.crc32(z.astype("<i4").tobytes()), [], []
    out = np.empty(shape)
    for k in range(n):
        x = z[k] + tensors["hyper_mean"].astype(np.float64)[:, None, None]
        for number in (0, 1):
            x = np.maximum(shuffled(convolved(x, tensors, f"hyper_synthesis.conv{number}")), 0)
        x = np.concatenate([x, before, np.full_like(x[:1], math.log2(step))])
        for number in (0, 1):
            x = np.maximum(convolved(x, tensors, f"context.conv{number}"), 0)
        x = convolved(x, tensors, "context.conv2")
        places = np.floor(16 * x[:latents] / step + 0.5).astype(np.int64).reshape(-1)
        scales = np.log1p(np.exp(x[latents:])) / step
        rows = np.array([row_below(scale) for scale in scales.reshape(-1)])
        for values, record in zip((places, rows), recorded):
            for at in range(values.size):
                values[at] = record.get(k * values.size + at, values[at])
        symbols = reader.take(rows.reshape(before.shape))
        all_symbols.append(symbols)
        all_places.append(places)
        before = step * (symbols + places.reshape(before.shape) / 16)
        x = normalised(shuffled(convolved(before, tensors, "synthesis.conv0")),
                       tensors, "synthesis.norm0")  # fmt: skip
        x = normalised(shuffled(convolved(x, tensors, "synthesis.conv1")),
                       tensors, "synthesis.norm1")  # fmt: skip
        x = shuffled(convolved(x, tensors, "synthesis.conv2"))
        out[k] = np.clip(x[0, :height, :width], 0, 1)
    reader.finish()
    for arrays in (all_symbols, all_places):
        crc = zlib.crc32(np.stack(arrays).astype("<i4").tobytes(), crc)
    assert crc == opened.symbols_crc
    return out
