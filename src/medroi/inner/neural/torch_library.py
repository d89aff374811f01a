"""PyTorch, imported when a network is first needed."""

from __future__ import annotations

from typing import Any

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.inner.forking import importing


def load_torch(codec: str) -> Any:
    """The torch module.

    Raises
    ------
    InnerUnavailable
        Where PyTorch is not installed or does not start.
    """
    try:
        with importing:
            import torch
    except (ImportError, OSError) as error:
        raise InnerUnavailable(
            f"{codec} needs PyTorch ({error}): pip install medroi[neural]"
        ) from error
    return torch


def device_of(codec: str, device: str) -> Any:
    """A device that is there.

    Parameters
    ----------
    codec : str
        Who asks, for the message.
    device : str
        As PyTorch spells it: "cpu", "cuda", "cuda:1".

    Raises
    ------
    InvalidArgument
        For a device that PyTorch does not know or this machine does not have.
    """
    torch = load_torch(codec)
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise InvalidArgument(f'{codec}: device={device!r}, expected "cpu" or "cuda"') from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidArgument(
            f'{codec}: device={device!r}, but PyTorch finds no CUDA device here: use "cpu"'
        )
    if found.type not in ("cpu", "cuda"):
        raise InvalidArgument(f'{codec}: device={device!r}, expected "cpu" or "cuda"')
    return found
