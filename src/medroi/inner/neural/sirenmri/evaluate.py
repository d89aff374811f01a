"""A sine network on a whole grid, in float64 and with numpy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.sirenmri import coordinates
from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors

Values = npt.NDArray[np.float64]

# Voxels at a time: two layers of 256 float64 each for them are 16 MiB.
_BATCH = 4096


def features_of(
    tensors: Tensors, architecture: Architecture, coordinate: npt.NDArray[np.float32]
) -> Values:
    """The network's output for coordinates (n, dim_in): n float64.

    Every operation is float64, so that two machines, numbers of threads or versions of numpy
    differ by rounding errors of about 1e-13 only.
    """
    wide = {name: values.astype(np.float64) for name, values in tensors.items()}
    x = coordinate.astype(np.float64)
    for layer in range(architecture.layers):
        weight, bias = (wide[f"net.{layer}.linear.{name}"] for name in ("weight", "bias"))
        x = np.sin(architecture.w0 * (x @ weight.T + bias))
    out: Values = x @ wide["last_layer.linear.weight"][0] + wide["last_layer.linear.bias"][0]
    return out


def batches(
    tensors: Tensors, architecture: Architecture, shape: Sequence[int]
) -> Iterator[tuple[slice, Values]]:
    """The network's output on a grid, some voxels at a time, in C order."""
    axes = coordinates.axes_of(shape)
    n_voxels = int(np.prod(shape, dtype=np.int64))
    for start in range(0, n_voxels, _BATCH):
        voxels = np.arange(start, min(start + _BATCH, n_voxels))
        picked = coordinates.pick(axes, voxels)
        yield slice(start, start + len(voxels)), features_of(tensors, architecture, picked)


def spread(tensors: Tensors, architecture: Architecture, shape: Sequence[int]) -> float:
    """Measure the change of some voxels' output where sums are taken in another order.

    The neurons of every layer change places, which changes nothing but rounding errors.
    """
    n_voxels = int(np.prod(shape, dtype=np.int64))
    voxels = np.unique(np.linspace(0, n_voxels - 1, min(n_voxels, _BATCH)).astype(np.int64))
    points = coordinates.pick(coordinates.axes_of(shape), voxels)
    change = features_of(tensors, architecture, points) - features_of(
        _reversed(tensors, architecture), architecture, points
    )
    return float(np.abs(change).max())


def _reversed(tensors: Tensors, architecture: Architecture) -> Tensors:
    """The same network with the neurons of every layer in reverse."""
    turned = {}
    for name, values in tensors.items():
        is_first, is_last = name.startswith("net.0."), name.startswith("last_layer.")
        if name.endswith("weight") and not is_first:
            values = values[:, ::-1]
        turned[name] = values if is_last else values[::-1]
    return turned
