"""Stores of packed scans: Zarr arrays and HDF5 datasets, whole or not at all, and their digests."""
