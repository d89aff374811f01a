"""Pace of the fast training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Settings of a network's training.

    Attributes
    ----------
    batch : int
        Voxels per step.
    learning_rate : float
        Highest.
    bits : int
        Of the square matrices' weights.
    seed : int
        Of the order of the voxels.
    device : str
        Where torch computes.
    """

    batch: int
    learning_rate: float
    bits: int
    seed: int
    device: str
