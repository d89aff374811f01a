# The kernel's functions take and give plain numbers, tuples and memory; the modules that call
# them name the types.
from typing import Any

class Layout:
    def __init__(
        self,
        shape: tuple[int, ...],
        kind: str,
        itemsize: int,
        big_endian: bool,
        f_order: bool,
        axes: int,
    ) -> None: ...
    @property
    def default_slice_axis(self) -> int: ...

def __getattr__(name: str) -> Any: ...
