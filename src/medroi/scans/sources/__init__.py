"""The files that a scan came from: their digests, and how their very bytes are made again.

A file is its *contents* (header, voxels, footer: what a reader sees) in a *container* (plain, gzip,
bzip2, xz, zstd). `source` says what is kept of a file, `reading` reads one once and takes its
digests on the way, `gzip_members` takes gzip apart, `deflate` finds the settings that make a
compressed file again, `containers` makes it, `pieces` puts its
contents together, `returned` says what of a file came back.
"""
