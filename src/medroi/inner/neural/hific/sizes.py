"""Sizes of a HiFiC network, from the shapes of its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medroi.inner.neural.weights import Layout, Shapes, Tensors

if TYPE_CHECKING:
    from medroi.inner.neural.hific.network.transforms import Sizes

_PRIOR = "Hyperprior.hyperlatent_likelihood."
# Of training, and tables that are rebuilt.
_IGNORED = r"(Discriminator|Hyperprior\.(hyperprior|prior)_entropy_model|perceptual_loss)\..*"


def sizes_of(tensors: Tensors) -> Sizes:
    """Sizes of the network that tensors belong to.

    Raises
    ------
    KeyError
        Where they belong to no HiFiC network.
    """
    from medroi.inner.neural.hific.network.transforms import Sizes

    blocks = [name.split(".")[1] for name in tensors if name.startswith("Generator.resblock_")]
    first = tensors["Encoder.conv_block1.1.weight"]
    return Sizes(
        tuple(tensors[f"Encoder.conv_block{step}.1.weight"].shape[0] for step in range(1, 6)),
        tensors["Encoder.conv_block_out.1.weight"].shape[0],
        tensors["Hyperprior.analysis_net.conv1.weight"].shape[0],
        len(set(blocks)),
        first.shape[1],
    )


def shapes_of(tensors: Tensors) -> Shapes:
    """Names and shapes of all tensors of that network."""
    import torch

    from medroi.inner.neural.hific.network.hyperprior import LatentModel
    from medroi.inner.neural.hific.network.transforms import Transforms

    sizes = sizes_of(tensors)
    with torch.device("meta"):
        parts = (Transforms(sizes), LatentModel(sizes))
    shapes = {
        name: tuple(tensor.shape) for part in parts for name, tensor in part.state_dict().items()
    }
    widths = (1, 3, 3, 3, 1)
    for layer in range(4):
        n_in, n_out = widths[layer], widths[layer + 1]
        shapes[f"{_PRIOR}H_{layer}"] = (sizes.hyper, n_out, n_in)
        shapes[f"{_PRIOR}a_{layer}"] = (sizes.hyper, n_out, 1)
        shapes[f"{_PRIOR}b_{layer}"] = (sizes.hyper, n_out, 1)
    return shapes


LAYOUT = Layout("hific", shapes_of, _IGNORED)
