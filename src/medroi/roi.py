"""Regions: which voxels of an array are kept."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel, arrays
from medroi.errors import InvalidArgument

Box = tuple[tuple[int, int], ...]
Mask = npt.NDArray[np.bool_]

_THRESHOLD_RULES = ("mean", "otsu", "noise", "auto")
_POLARITIES = ("bright", "dark")
_REGIONS = ("box", "mask")
# Earlier names of regions, which configurations may still have.
_ALIASES = {"hull": "mask"}
_COMPONENTS = ("all", "largest")


@dataclass(frozen=True)
class RegionOptions:
    """Settings of the search for a region; the same for every array.

    Attributes
    ----------
    threshold : {"auto", "mean", "otsu", "noise"}, float or None
        Which voxels are tissue, in stored units. None: every voxel that differs bitwise from
        `background`; nothing is lost. "auto": as "mean" where what is dropped is shown to be noisy
        air, else as None. A mask takes "noise" for "mean" and "otsu".
    polarity : {"bright", "dark"}
        Whether tissue is brighter or darker than the threshold.
    roi : {"box", "mask"}
        Shape of the region: the bounding box of the tissue, or its foreground mask. "hull" is an
        earlier name of "mask", and becomes it.
    background : int, float, "auto" or None
        Value of the air, and of every voxel outside the region once decoded. "auto" finds it, and
        keeps everything where it cannot be told. None: the array's fill value where the face knows
        one, else 0.
    padding : int
        Voxels added on every side of the box.
    max_miss_rate : float
        Largest share of tissue voxels that may lie outside the region, 0 to 1.
    axes : tuple of int, optional
        Array axes of the volume, 1 to 3 of them; None is the last three.
    components : {"all", "largest"}
        Which connected components of the tissue count; "largest" leaves out tables and labels.
    """

    threshold: str | float | None = "auto"
    polarity: str = "bright"
    roi: str = "box"
    background: float | str | None = None
    padding: int = 3
    max_miss_rate: float = 0.002
    axes: tuple[int, ...] | None = None
    components: str = "all"

    def __post_init__(self) -> None:
        """Refuse what no array could be coded with."""
        _check_threshold(self.threshold)
        _check_choice("polarity", self.polarity, _POLARITIES)
        if isinstance(self.roi, str):
            object.__setattr__(self, "roi", _ALIASES.get(self.roi, self.roi))
        _check_choice("roi", self.roi, _REGIONS)
        _check_choice("components", self.components, _COMPONENTS)
        if isinstance(self.background, str) and self.background != "auto":
            raise InvalidArgument(
                f"background={self.background!r}: expected a number in stored units, 'auto', or "
                "None for the array's fill value"
            )
        if not isinstance(self.padding, int) or not 0 <= self.padding < 2**31:
            raise InvalidArgument(f"padding={self.padding!r}: expected a whole number of voxels")
        if not 0.0 <= self.max_miss_rate <= 1.0:
            raise InvalidArgument(f"max_miss_rate={self.max_miss_rate!r}: expected 0 to 1")


@dataclass(frozen=True)
class Region:
    """Region of one array.

    Attributes
    ----------
    box : tuple of (int, int)
        Half-open bounds per array axis; all (0, 0) when there is no tissue.
    threshold : float
        The tissue threshold in stored units; NaN where there is none.
    miss_rate : float
        Share of tissue voxels, counted before the opening, outside the region.
    n_tissue, n_missed : int
        Tissue voxels in all and outside the region; both 0 where nothing had to be counted.
    note : str
        Why threshold="auto" or background="auto" kept every voxel; empty where they did not.
    side : bytes
        Sections for the side data of a stream: the hull, and what was left out.
    """

    box: Box
    threshold: float
    miss_rate: float
    n_tissue: int
    n_missed: int
    note: str = ""
    side: bytes = b""


def _check_threshold(threshold: Any) -> None:
    known = threshold is None or (isinstance(threshold, str) and threshold in _THRESHOLD_RULES)
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if not known and not (number and not math.isnan(threshold)):
        raise InvalidArgument(
            f"threshold={threshold!r}: expected one of {', '.join(map(repr, _THRESHOLD_RULES))}, "
            "a number in stored units, or None to keep every voxel that is not background"
        )


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise InvalidArgument(f"{name}={value!r}: expected one of {', '.join(map(repr, choices))}")


def options_of(options: RegionOptions) -> dict[str, Any]:
    """The options as a configuration spells them, fit for JSON."""
    axes = options.axes
    return {
        "threshold": json_number(options.threshold),
        "polarity": options.polarity,
        "roi": options.roi,
        "background": json_number(options.background),
        "padding": options.padding,
        "max_miss_rate": options.max_miss_rate,
        "axes": None if axes is None else list(axes),
        "components": options.components,
    }


def json_number(value: Any) -> Any:
    """A number for JSON; those that are not finite are strings there."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


@functools.lru_cache(maxsize=64)
def _config_from(text: str) -> _kernel.Config:
    return _kernel.Config(text)


def config_of(options: RegionOptions) -> _kernel.Config:
    """The options as the engine holds them."""
    return _config_from(json.dumps(options_of(options)))


def background_bits(array: arrays.Array, options: RegionOptions) -> int:
    """The bits of the background element for one array.

    Raises
    ------
    InvalidArgument
        Where the array's dtype cannot hold the background, or "auto" cannot tell what it is.
    """
    layout, memory = arrays.layout_of(array), arrays.memory_of(array)
    bits, known = config_of(options).background(layout, memory)
    if not known:
        _kernel.find_background(layout, memory, options.polarity == "dark")  # says why
    return int(bits)


def search(
    array: arrays.Array,
    options: RegionOptions,
    background: int | None = None,
    threads: int = 1,
    *,
    complete: bool = False,
) -> Region:
    """Find the region of one dense array.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    options : RegionOptions
        How to find it.
    background : int, optional
        Bits of the background element; None is that of the options.
    threads : int
        Threads that look at large arrays; the region is the same for any number.
    complete : bool
        Whether the array is known to be completely written, as a whole scan is. If not, "auto"
        keeps all of an array that looks as if it were being filled.
    """
    found = config_of(options).find_region(
        arrays.layout_of(array), arrays.memory_of(array), background, threads, complete
    )
    return Region(*found)


def outline(array: arrays.Array, options: RegionOptions, background: int) -> Mask:
    """Everything that the tissue of a dense array encloses, as a mask of the array's shape.

    Tissue is what lies above the air's noise, or at the threshold where that is a number; it is
    opened and freed of specks, its outline closed and its holes filled. Axes outside the volume
    share one outline.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    options : RegionOptions
        How tissue is told.
    background : int
        Bits of the background element.
    """
    axes = arrays.normalize_axes(options.axes, array.ndim)
    memory_axes = [axis for axis in _memory_order(array) if axis in axes]
    mask = np.zeros([array.shape[axis] for axis in memory_axes], np.uint8)
    config_of(options).find_mask(
        arrays.layout_of(array), arrays.memory_of(array), background, mask.reshape(-1)
    )
    volume = mask.astype(bool).transpose(np.argsort(memory_axes))
    shape = [n if axis in axes else 1 for axis, n in enumerate(array.shape)]
    return np.broadcast_to(volume.reshape(shape), array.shape)


def _memory_order(array: arrays.Array) -> range:
    return range(array.ndim)[:: -1 if arrays.is_f_order(array) else 1]


def differs(array: arrays.Array, background: int) -> Mask:
    """Return a mask of the elements that differ from the background, bit by bit."""
    element = arrays.filled((1,), array.dtype, background)
    bits = np.dtype(f"u{array.dtype.itemsize}")
    found: Mask = array.view(bits) != element.view(bits)[0]
    return found


def find_region(array: arrays.Array, *, threads: int = 1, **options: Any) -> Region:
    """Find the region of an array.

    Parameters
    ----------
    array : ndarray
        1 to 8 axes.
    threads : int
        Threads that look at large arrays; the region is the same for any number.
    **options
        Fields of `RegionOptions`.

    Returns
    -------
    Region

    Raises
    ------
    InvalidArgument
        For options or arrays that cannot be served.
    """
    return search(arrays.as_dense(array), RegionOptions(**options), None, threads)


def find_background(
    array: arrays.Array, *, polarity: str = "bright", axes: Sequence[int] | None = None
) -> Any:
    """Find the value of the air around the tissue, in stored units.

    Raises
    ------
    InvalidArgument
        Where it cannot be told; the message says why and what to give instead.
    """
    dense = arrays.as_dense(array)
    options = RegionOptions(
        polarity=polarity, background="auto", axes=None if axes is None else tuple(axes)
    )
    return arrays.value_of(background_bits(dense, options), dense.dtype)
