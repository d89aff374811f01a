"""One CompressAI model in double precision on the CPU, from images to strings and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.overrides import TorchFunctionMode

Reals = npt.NDArray[np.float64]
_FACTORIES = (torch.zeros, torch.ones, torch.empty, torch.full, torch.tensor, torch.arange)
# Rebuilt by update() from the weights.
BUFFERS = ("_offset", "_quantized_cdf", "_cdf_length", "scale_table")


class _DoubleByDefault(TorchFunctionMode):
    """New tensors are in double precision; CompressAI's decoders make some without a type.

    Belongs to the thread, unlike torch.set_default_dtype.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FACTORIES and kwargs.get("dtype") is None:
            made = func(*args, **kwargs)
            return made.double() if made.dtype == torch.float32 else made
        return func(*args, **kwargs)


def build(architecture: type, tensors: Mapping[str, npt.NDArray[np.float32]]) -> Any:
    """A model with these weights, its tables of probabilities built.

    Parameters
    ----------
    architecture : type
        A CompressAI model with `from_state_dict`.
    tensors : mapping of str to ndarray
        All weights, without the buffers of its tables.
    """
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    for name in _entropy_models(tensors):
        for buffer in BUFFERS[:3]:
            state[f"{name}.{buffer}"] = torch.zeros(0, dtype=torch.int32)
        if not name.endswith("entropy_bottleneck"):
            state[f"{name}.scale_table"] = torch.zeros(0)
    model = architecture.from_state_dict(state)  # type: ignore[attr-defined]
    model.update(force=True)
    return model.double().eval()


def _entropy_models(tensors: Mapping[str, npt.NDArray[np.float32]]) -> set[str]:
    """Modules that hold tables: those that hold the bound of a likelihood."""
    ending = ".likelihood_lower_bound.bound"
    return {name.removesuffix(ending) for name in tensors if name.endswith(ending)}


def tables_crc(model: Any) -> int:
    """CRC-32 of all integer tables with which a model codes."""
    crc = 0
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith(BUFFERS[:3]):
            crc = zlib.crc32(buffer.to(torch.int32).numpy().astype("<i4").tobytes(), crc)
    return crc


def compress(model: Any, image: Reals) -> tuple[tuple[int, int], list[bytes]]:
    """Code one gray image of shape (height, width).

    Returns
    -------
    (int, int)
        Size of the latents.
    list of bytes
    """
    with torch.no_grad(), _DoubleByDefault():
        coded = model.compress(torch.from_numpy(image).expand(1, 3, *image.shape))
    height, width = (int(size) for size in coded["shape"])
    return (height, width), [bytes(group[0]) for group in coded["strings"]]


def decompress(model: Any, strings: list[bytes], shape: tuple[int, int]) -> Reals:
    """Decode one gray image: the mean of the three channels."""
    with torch.no_grad(), _DoubleByDefault():
        decoded = model.decompress([[string] for string in strings], shape)["x_hat"]
    image: Reals = decoded[0].double().mean(dim=0).numpy()
    return image
