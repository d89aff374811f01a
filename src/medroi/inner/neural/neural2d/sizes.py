"""Sizes of a network of neural2d, from the shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass

from medroi.errors import InvalidArgument
from medroi.inner.neural.torch_library import load_torch
from medroi.inner.neural.weights import Layout, Shapes, Tensors

_MAX_CHANNELS = 1024


@dataclass(frozen=True)
class Sizes:
    """Numbers of channels.

    Attributes
    ----------
    inner : int
        Between image and latents.
    latents : int
    hyper : int
    context : int
        Of the layers that tell means and scales.
    """

    inner: int
    latents: int
    hyper: int
    context: int


# Under a million weights.
DEFAULT = Sizes(48, 96, 32, 128)


def sizes_of(tensors: Tensors) -> Sizes:
    """Sizes of the network that tensors belong to.

    Raises
    ------
    KeyError
        Where they belong to no such network.
    InvalidArgument
        For more channels than any network of this kind has.
    """
    found = Sizes(
        tensors["analysis.conv0.weight"].shape[0],
        tensors["analysis.conv2.weight"].shape[0],
        tensors["hyper_analysis.conv0.weight"].shape[0],
        tensors["context.conv0.weight"].shape[0],
    )
    if max(found.inner, found.latents, found.hyper, found.context) > _MAX_CHANNELS:
        raise InvalidArgument(f"neural2d: weights of {found}, at most {_MAX_CHANNELS} channels")
    return found


def shapes_of(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a network of these sizes."""
    torch = load_torch("neural2d")
    from medroi.inner.neural.neural2d.network_prior import Prior
    from medroi.inner.neural.neural2d.network_transforms import Transforms

    with torch.device("meta"):
        parts = (Transforms(sizes), Prior(sizes))
    return {
        name: tuple(tensor.shape) for part in parts for name, tensor in part.state_dict().items()
    }


def _shapes(tensors: Tensors) -> Shapes:
    return shapes_of(sizes_of(tensors))


LAYOUT = Layout("neural2d", _shapes)
