"""Training of networks that inner codecs load; benchmarks/train.py calls it."""

from medroi.training import bcmnet, neural2d
from medroi.training.checkpoints import read_tensors, write_checkpoint
from medroi.training.loop import TrainSettings

__all__ = ["TrainSettings", "bcmnet", "neural2d", "read_tensors", "write_checkpoint"]
