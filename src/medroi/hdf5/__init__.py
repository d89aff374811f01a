"""MedROI in HDF5: a filter for h5py, and for every program that reads HDF5_PLUGIN_PATH.

>>> import medroi.hdf5
>>> file.create_dataset("scan", data=scan, chunks=(64, 64, 64), **medroi.hdf5.MedROIFilter())

Importing medroi gives the filter to every libhdf5 that is loaded by then, and to h5py, PyTables and
netCDF4 when they are imported later. Any other library gets it through `register`.
"""

from medroi.hdf5.chunks import read, write
from medroi.hdf5.filter import FILTER_ID, MedROIFilter
from medroi.plugins import plugin_path, register
from medroi.plugins.host import last_error

__all__ = [
    "FILTER_ID",
    "MedROIFilter",
    "last_error",
    "plugin_path",
    "read",
    "register",
    "write",
]

register()
