"""A scan without its air in plain files: those of its own kind, DICOM too, NIfTI, OME-Zarr.

`clearing` finds the region as `pack` does and calls what writes the kind of file that was asked
for: `scan_files`, `dicom_files` or `ome_zarr`. Each reads back what it wrote and compares it by
`comparing`. Nothing of ours is needed to read what comes out.
"""
