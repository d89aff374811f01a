"""Files of weights, written as the public ones are and read by the rules of the inner codecs."""

from __future__ import annotations

from pathlib import Path

from medroi.inner.neural import known, weights
from medroi.inner.neural.torch_library import load_torch
from medroi.training.loop import Tensors


def read_tensors(codec: str, path: Path) -> Tensors:
    """The tensors of a checkpoint, by the rules by which the inner codec loads it.

    Raises
    ------
    InvalidArgument
        For weights of another codec, and files that hold none.
    """
    return dict(weights.load(path, known.layout_of(codec)).tensors)


def write_checkpoint(codec: str, tensors: Tensors, path: Path) -> str:
    """Write a checkpoint; returns the hash by which streams name it.

    Parameters
    ----------
    codec : str
        Name of the inner codec.
    tensors : dict
        By the names of its checkpoints.
    path : Path
        With the ending .pth.
    """
    torch = load_torch(codec)
    torch.save({"network": {name: torch.from_numpy(a) for name, a in tensors.items()}}, path)
    return weights.load(path, known.layout_of(codec)).name
