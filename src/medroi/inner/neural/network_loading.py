"""Networks with their weights, and what distinguishes one from another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medroi.errors import InvalidArgument
from medroi.inner.neural.weights import Layout, Weights, hash_meant, resolve

DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Key:
    """Key that distinguishes one set of networks from another.

    Attributes
    ----------
    weights_hash : bytes
    precision : {"float64", "float32"}
        Of the transforms.
    device : str
        Where the transforms run.
    load : callable
        Gives the weights where these networks are not yet there.
    """

    weights_hash: bytes
    precision: str
    device: str
    load: Callable[[], Weights] = dataclasses.field(compare=False)

    @classmethod
    def of(cls, weights: Path | str, layout: Layout, precision: str, device: str) -> Key:
        """The key of a codec's settings."""
        name = hash_meant(weights, layout)

        def load() -> Weights:
            found = resolve(weights, layout)
            if found.hash != name:
                raise InvalidArgument(
                    f"{layout.codec}: {weights} changed while it was read: try again"
                )
            return found

        return cls(name, precision, device, load)


def loaded(
    network: type[Any],
    sizes: Any,
    tensors: Mapping[str, npt.NDArray[np.floating[Any]]],
    dtype: torch.dtype,
) -> Any:
    """A network with its tensors, ready to run forward."""
    with torch.device("meta"):
        made: nn.Module = network(sizes)
    state = {name: torch.from_numpy(tensors[name].copy()).to(dtype) for name in made.state_dict()}
    made.load_state_dict(state, assign=True)
    return made.eval().requires_grad_(False)
