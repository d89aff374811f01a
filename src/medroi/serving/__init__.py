"""A packed scan over HTTP, for programs without this codec and for a person with a browser.

`medroi serve` gives the store itself by ranges, plain Zarr and NIfTI; `medroi view` is the page on
top of it. Nothing is written, and only this machine is answered unless another address is asked
for.
"""

from medroi.serving.server import ScanServer, make_server

__all__ = ["ScanServer", "make_server"]
