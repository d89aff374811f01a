"""Packed scans for programs that have readers of their own: xarray, MONAI, TorchIO.

Each module needs its library and is imported by name: `medroi.readers.xarray`, which xarray finds
by itself, `medroi.readers.monai` and `medroi.readers.torchio`. All open what `medroi.open` opens.
"""
