"""The PyTorch side of TCM."""
