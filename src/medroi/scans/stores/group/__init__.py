"""Groups that hold a scan as OME-Zarr and nifti-zarr specify it."""
