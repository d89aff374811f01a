"""A packed scan opened for work in Python: voxels read when they are asked for, and what they mean.

`packed` has the object that `medroi.open` gives, `locating` finds a store by its path or URL,
`lazy_array` and `selecting` read the chunks that an index needs, `scaled_array` gives them in the
unit of the file, `nibabel_image` and `data_array` hand all of it to nibabel and xarray.
"""
