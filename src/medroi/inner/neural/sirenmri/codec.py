"""Inner codec 36: a region as the weights of a sine network trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.base import Array, Block, check_number
from medroi.inner.neural import images, weights
from medroi.inner.neural.arithmetic import torch_threads
from medroi.inner.neural.learned import Learned
from medroi.inner.neural.sirenmri import budget, evaluate, fit, levels, quantised, stored
from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors
from medroi.inner.neural.sirenmri.pace import Pace
from medroi.inner.neural.torch_library import device_of, load_torch
from medroi.inner.neural.weights import Layout

_SETTINGS = ("fast", "faithful")
_STEPS = {"fast": 1000, "faithful": 2000}
# Settings of `fast` alone: default, lowest, highest. Published values have no choice.
_FAST = {
    "hidden": (256, 8, stored.MAX_HIDDEN),
    "layers": (3, 1, stored.MAX_LAYERS),
    "bits": (8, 6, 12),
    "batch": (4096, 64, 1 << 24),
    "learning_rate": (3e-3, 1e-6, 1.0),
}


def _shapes_of(tensors: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors that a checkpoint must have, from its own widths."""
    return _architecture_of(tensors).manifest()


def _architecture_of(tensors: Mapping[str, Any]) -> Architecture:
    layers = sum(name.startswith("net.") and name.endswith(".weight") for name in tensors)
    hidden, dim_in = tensors["net.0.linear.weight"].shape
    return Architecture(dim_in, hidden, layers)


LAYOUT = Layout("sirenmri", _shapes_of)


@dataclass(frozen=True)
class SirenMRI(Learned):
    """SirenMRI: slow to encode; for small files of low quality.

    Attributes
    ----------
    setting : {"fast", "faithful"}
        "faithful" is the published network (3-256-256-256-1, w0 30) and training (full batches,
        Adam with rate 2e-4), stored in float32. "fast" trains on minibatches with a rate that
        rises and falls, and stores quantised, entropy-coded weights.
    steps : int, optional
        Of training; 1000 (fast) or 2000 (faithful) unless `seconds` are given.
    seconds : float, optional
        Of training. The bytes then differ from run to run.
    hidden, layers : int, optional
        Width and number of the sine layers of "fast"; 256 and 3.
    bits : int, optional
        Of a quantised weight, 6 to 12; 8.
    batch : int, optional
        Voxels per step of "fast"; 4096.
    learning_rate : float, optional
        Highest of "fast"; 0.003.
    seed : int
        Of initial values and the order of voxels.
    weights : Path or str, optional
        A checkpoint to start from, or its hash; `steps=0` stores it as it is.
    threads : int
        Of torch while training.
    device : str
        Where training runs: "cpu" or "cuda". Decoding is numpy on the CPU.
    progress : bool
        Whether a terminal shows a bar.
    """

    codec_id = 36
    name = "sirenmri"
    kind = "fast or faithful; lossy"
    dtypes = "real numbers without NaN"
    dims = "1-D to 8-D"
    weights_optional = True

    setting: str = "fast"
    steps: int | None = None
    seconds: float | None = None
    hidden: int | None = None
    layers: int | None = None
    bits: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    weights: Path | str | None = None
    threads: int = 1
    device: str = "cpu"
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        self.check_settings("progress")
        if self.setting not in _SETTINGS:
            raise InvalidArgument(
                f"sirenmri: setting={self.setting!r}, expected one of {_SETTINGS}"
            )
        for name, (_, low, high) in _FAST.items():
            value = getattr(self, name)
            if value is None:
                continue
            if self.setting == "faithful":
                raise InvalidArgument(
                    f'sirenmri: {name}={value!r} with the published setting: use setting="fast"'
                )
            self._check(name, value, low, high)
        self._check("steps", 0 if self.steps is None else self.steps, 0, 10**9)
        self._check("seconds", 1.0 if self.seconds is None else self.seconds, 1e-3, 1e9)
        self._check("seed", self.seed, 0, 2**63 - 1)
        self._check("threads", self.threads, 1, 1024)

    def _check(self, name: str, value: Any, low: float, high: float) -> None:
        check_number(self.name, name, value, low, high)
        if name not in ("seconds", "learning_rate") and value != int(value):
            raise InvalidArgument(f"sirenmri: {name}={value!r}, expected a whole number")

    @classmethod
    def layout(cls) -> Layout:
        """See `Learned.layout`."""
        return LAYOUT

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        images.check_dtype(self.name, region)
        load_torch(self.name)
        device_of(self.name, self.device)

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        self.check(Block(part.shape, part.dtype))
        scale = images.scale_of(self.name, part)
        if part.min() == part.max():
            return stored.pack_constant(scale.offset)
        tensors = None
        if self.weights is not None:
            tensors = weights.resolve(self.weights, LAYOUT).tensors
        architecture = self._architecture(part.ndim, tensors)
        trained = self._train(part, scale, architecture, tensors)
        return stored.pack(fit.finish(trained, architecture, part, scale))

    def _of_fast(self, name: str) -> Any:
        value = getattr(self, name)
        return _FAST[name][0] if value is None else value

    def _architecture(self, dim_in: int, tensors: Tensors | None) -> Architecture:
        wanted = Architecture(dim_in, int(self._of_fast("hidden")), int(self._of_fast("layers")))
        found = wanted if tensors is None else _architecture_of(tensors)
        if found != wanted:
            raise InvalidArgument(
                f"sirenmri: the checkpoint's network is {found}, this region needs {wanted}: "
                "set hidden and layers as the checkpoint has them"
            )
        return found

    def _train(
        self,
        part: Array,
        scale: images.Scale,
        architecture: Architecture,
        tensors: Tensors | None,
    ) -> Tensors | quantised.Quantised:
        features = fit.features_of(part, scale)
        with (
            torch_threads(self.name, int(self.threads)),
            budget.bar(self.name, show=self.progress) as shown,
        ):
            default = None if self.seconds is not None else _STEPS[self.setting]
            allowed = budget.Budget(default if self.steps is None else self.steps, self.seconds)

            def spent(step: int) -> float:
                share = allowed.spent(step)
                shown.move(share)
                return share

            made = fit.start(architecture, tensors, int(self.seed))
            if self.setting == "faithful":
                return fit.train_as_published(made, features, spent, self.device)
            from medroi.inner.neural.sirenmri.network_fast import train_fast

            return train_fast(made, architecture, features, self._pace(), spent)

    def _pace(self) -> Pace:
        return Pace(
            batch=int(self._of_fast("batch")),
            learning_rate=float(self._of_fast("learning_rate")),
            bits=int(self._of_fast("bits")),
            seed=int(self.seed),
            device=self.device,
        )

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`; needs neither torch nor settings.

        Raises
        ------
        CorruptStream
            Also where this machine's arithmetic does not give the levels that were encoded.
        """
        if out.dtype.kind not in "iuf":
            raise CorruptStream(f"corrupt stream: a sine network for elements of {out.dtype}")
        found = stored.unpack(coded, out.ndim)
        if isinstance(found, float):
            images.put_slices(np.zeros(out.shape), images.Scale(found, 0.0), out)
            return
        batches = evaluate.batches(found.tensors(), found.architecture, out.shape)
        places = levels.repeat(batches, out.size, found.steps, found.near)
        if levels.crc_of(places) != found.places_crc:
            raise CorruptStream(
                "corrupt stream: a sine network decodes to other levels than were encoded; the "
                "bytes are damaged, or this machine's sine or matrix product is off by 1e-10"
            )
        values = places / max(found.steps, 1)
        images.put_slices(values, images.Scale(found.offset, found.span), out)
