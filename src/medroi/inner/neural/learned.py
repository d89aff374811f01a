"""Bases of learned codecs: weights that the user names, one scale for a region, its networks."""

from __future__ import annotations

import abc
import dataclasses
import os
from importlib import import_module
from typing import Any, ClassVar

from medroi.errors import InvalidArgument
from medroi.inner.base import Array, Block, InnerCodec
from medroi.inner.neural import images, weights
from medroi.inner.neural.scaled import Scaled
from medroi.inner.neural.torch_library import device_of, load_torch
from medroi.inner.neural.weights import Layout

PRECISIONS = ("float64", "float32")


class Learned(InnerCodec):
    """A codec with a network, whose weights the user names; lossy, but for subclasses that say so.

    Subclasses are frozen dataclasses with at least this setting:

    Attributes
    ----------
    weights : pathlib.Path or str
        A checkpoint, or the 32 hexadecimal digits of known weights.
    """

    needs = "torch"
    install = "pip install medroi[neural]"
    # Whether coding can do without weights.
    weights_optional: ClassVar[bool] = False

    weights: Any

    @classmethod
    @abc.abstractmethod
    def layout(cls) -> Layout:
        """Names and shapes of the tensors that the codec reads."""

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return False

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`; what is not given is left out."""
        config = super().config() | {"weights": self.named_weights()}
        return {key: value for key, value in config.items() if value is not None}

    def named_weights(self) -> str | None:
        """The weights as a configuration names them: by hash, because configurations travel."""
        return None if self.weights is None else self.weights_hash().hex()

    def weights_hash(self) -> bytes:
        """The hash of the weights that the settings mean."""
        return weights.hash_meant(self.weights, self.layout())

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return self.plan(part).encode(part)

    def check_settings(self, *flags: str) -> None:
        """Refuse settings that no file can mean.

        Raises
        ------
        InvalidArgument
        """
        may_lack = self.weights is None and self.weights_optional
        if not may_lack and not isinstance(self.weights, os.PathLike):
            weights.parse_name(self.name, self.weights)
        for flag in flags:
            if not isinstance(getattr(self, flag), bool):
                raise InvalidArgument(
                    f"{self.name}: {flag}={getattr(self, flag)!r}, expected True or False"
                )


class LearnedSlices(Learned):
    """A learned codec of 2-D slices, whose parts are all coded on the region's scale."""

    dims = "2-D"

    @abc.abstractmethod
    def encode_scaled(self, scale: images.Scale, block: Array) -> bytes:
        """Code one part, whose intensities are scaled as the region's."""

    @abc.abstractmethod
    def networks(self) -> Any:
        """The networks of these settings, built when they are first needed."""

    @abc.abstractmethod
    def check_shape(self, region: Block) -> None:
        """Refuse a region whose slices the networks do not take."""

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        images.check_dtype(self.name, region)
        self.check_shape(region)
        self.networks()

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        scale = self.scale_of(region)
        # By its hash: a file that is replaced meanwhile does not get into half of a region.
        named = dataclasses.replace(self, weights=self.named_weights())  # type: ignore[type-var]
        return Scaled(lambda block: named.encode_scaled(scale, block))

    def scale_of(self, region: Array) -> images.Scale:
        """The scale of a region's intensities."""
        return images.scale_of(self.name, region)


class KeptSlices(LearnedSlices):
    """A codec of slices whose networks are our own, and are kept between calls.

    Attributes
    ----------
    networks_module : str
        Where the function ``networks`` of the codec is; it imports PyTorch.
    precision : {"float64", "float32"}
        Of the transforms.
    device : str
        Where the transforms run.
    """

    networks_module: ClassVar[str]
    precision: str
    device: str

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        device_of(self.name, self.device)
        super().check(region)

    def networks(self) -> Any:
        """See `LearnedSlices.networks`."""
        load_torch(self.name)
        from medroi.inner.neural.network_loading import Key

        key = Key.of(self.weights, self.layout(), self.precision, self.device)
        return import_module(self.networks_module).networks(key)

    def check_settings(self, *flags: str) -> None:
        """See `Learned.check_settings`."""
        super().check_settings(*flags)
        if self.precision not in PRECISIONS:
            raise InvalidArgument(
                f"{self.name}: precision={self.precision!r}, expected one of {PRECISIONS}"
            )
