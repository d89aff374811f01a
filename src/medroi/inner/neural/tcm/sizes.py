"""The sizes of a TCM network, found in its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Side of the attention windows: in the transforms and the supports, and in the hyper transforms.
WINDOW = 8
HYPER_WINDOW = 4
HYPER_HEAD_DIM = 32


@dataclass(frozen=True)
class Sizes:
    """Sizes that distinguish one TCM network from another.

    Attributes
    ----------
    n : int
        Half the channels inside the transforms (N of the paper).
    m : int
        Channels of the latents (M of the paper).
    image_channels : int
        3 as published, 1 with the channels folded.
    hyper_channels : int
        Channels of the hyper latents.
    n_groups : int
        Groups of latent channels, coded one after the other.
    auxiliary : bool
        Whether the auxiliary path of AuxT is there.
    """

    n: int = 64
    m: int = 320
    image_channels: int = 3
    hyper_channels: int = 192
    n_groups: int = 5
    auxiliary: bool = False

    @property
    def group_channels(self) -> int:
        """Latent channels of a group."""
        return self.m // self.n_groups


def sizes_of(shapes: Mapping[str, tuple[int, ...]]) -> Sizes:
    """The sizes of the network that has tensors of these shapes.

    Raises
    ------
    KeyError
        Where a tensor is missing that every TCM has.
    """
    width, image_channels = shapes["g_a.0.conv1.weight"][:2]
    return Sizes(
        n=width // 2,
        m=shapes["g_a.9.weight"][0],
        image_channels=image_channels,
        hyper_channels=shapes["h_a.3.weight"][0],
        n_groups=sum(name.endswith(".0.weight") for name in shapes if name.startswith("lrp_")),
        auxiliary="AuxT_enc.0.scaling_factors" in shapes,
    )
