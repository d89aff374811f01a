"""Training of networks that inner codecs load; benchmarks/train_bcmnet.py is a face of it."""

from medroi.training.bcmnet import TrainSettings, train
from medroi.training.bcmnet_start import first_tensors, read_tensors, write_checkpoint
from medroi.training.slices import Slices, prepare

__all__ = [
    "Slices",
    "TrainSettings",
    "first_tensors",
    "prepare",
    "read_tensors",
    "train",
    "write_checkpoint",
]
