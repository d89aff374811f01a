"""A scan without its air in plain files: NIfTI and FreeSurfer volumes.

`clearing` finds the region as `pack` does and calls what writes the kind of file that was asked
for, `scan_files`. That reads back what it wrote and compares it by `comparing`. Nothing of ours is
needed to read what comes out.
"""
