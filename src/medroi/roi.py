"""Regions: which voxels of an array are kept."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from medroi import _kernel, arrays
from medroi.errors import InvalidArgument
from medroi.options import checked
from medroi.values import json_number
from medroi.working_memory import WorkingMemory

Box = tuple[tuple[int, int], ...]
Mask = npt.NDArray[np.bool_]
Affine = tuple[float, ...]
# Lowest and highest value that is padding, in stored units.
PaddingValues = tuple[float, float]
# Edge of the tiles of which a mask that was found is made, in voxels.
TILE_EDGE = 2


@dataclass(frozen=True)
class RegionOptions:
    """Settings of the search for a region; the same for every array.

    The fields are the options of these names, which `medroi.options.TABLE` documents. A background
    of None is 0 here: no fill value is known.
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
        """Give every option its one spelling, and refuse what no array could be coded with."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in checked(given).items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class DroppedGroup:
    """A connected group (26 neighbours) of signal voxels outside a region.

    Attributes
    ----------
    n_voxels : int
    peak : float
        Its brightest value (dark polarity: its darkest), in stored units.
    box : tuple of (int, int)
        Half-open bounds per array axis.
    """

    n_voxels: int
    peak: float
    box: Box


@dataclass(frozen=True)
class DroppedSignal:
    """Signal that a region leaves out: voxels at the signal level or beyond, as they are stored.

    Attributes
    ----------
    level : float
        The signal level in stored units: the value that the noise of the air exceeds less than once
        in the array, or the threshold where that lies beyond it (or where nothing at the threshold
        is dropped, and it is not "noise"). NaN where every voxel that differs from the background
        is kept.
    n_signal, n_dropped : int
        Signal voxels in all and outside the region; both 0 where nothing is dropped.
    largest : DroppedGroup or None
        The largest connected group of those that are dropped.
    """

    level: float = math.nan
    n_signal: int = 0
    n_dropped: int = 0
    largest: DroppedGroup | None = None

    @classmethod
    def of_kernel(cls, found: tuple[float, int, int, tuple[int, float, Box] | None]) -> Self:
        """Take what the engine found."""
        level, n_signal, n_dropped, largest = found
        return cls(level, n_signal, n_dropped, DroppedGroup(*largest) if largest else None)

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Take what `facts` has returned, perhaps by way of a file."""
        level, group = facts["signal_level"], facts["largest_dropped_group"]
        largest = None
        if group is not None:
            box = tuple((start, stop) for start, stop in group["box"])
            largest = DroppedGroup(group["n_voxels"], group["peak"], box)
        known = math.nan if level is None else level
        return cls(known, facts["n_signal"], facts["n_dropped_signal"], largest)

    def facts(self) -> dict[str, Any]:
        """Return the numbers by the names that `inspect` has for them, fit for JSON."""
        group = self.largest
        return {
            "signal_level": None if math.isnan(self.level) else self.level,
            "n_signal": self.n_signal,
            "n_dropped_signal": self.n_dropped,
            "largest_dropped_group": None
            if group is None
            else {
                "n_voxels": group.n_voxels,
                "peak": group.peak,
                "box": [list(bounds) for bounds in group.box],
            },
        }


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
    dropped : DroppedSignal
        Signal outside the region.
    note : str
        Why threshold="auto" or background="auto" kept every voxel; empty where they did not.
    side : bytes
        Sections for the side data of a stream: the mask, and what was left out.
    n_left_out, n_left_out_voxels : int
        Connected components of tissue that were left out of the region, and their voxels as the
        opening left them: fewer than there were.
    left_out : tuple of (int, box)
        The largest of them: voxels and bounds.
    """

    box: Box
    threshold: float
    miss_rate: float
    n_tissue: int
    n_missed: int
    dropped: DroppedSignal
    note: str = ""
    side: bytes = b""
    n_left_out: int = 0
    n_left_out_voxels: int = 0
    left_out: tuple[tuple[int, Box], ...] = ()


def options_of(options: RegionOptions) -> dict[str, Any]:
    """The options as a configuration spells them, fit for JSON."""
    return {
        field.name: json_number(getattr(options, field.name)) for field in fields(RegionOptions)
    }


@functools.lru_cache(maxsize=64)
def _config_from(text: str, padding_values: PaddingValues | None) -> _kernel.Config:
    return _kernel.Config(text, padding_values=padding_values)


def config_of(
    options: RegionOptions,
    affine: Affine | None = None,
    padding_values: PaddingValues | None = None,
) -> _kernel.Config:
    """The options as the engine holds them, with what it has to know of one scan.

    The affine says how long voxels are; the padding values are those that the scan declares.
    """
    numbers = None if affine is None else [json_number(number) for number in affine]
    rows = None if numbers is None else [numbers[i : i + 3] for i in (0, 3, 6)]
    return _config_from(json.dumps({**options_of(options), "affine": rows}), padding_values)


def checked_padding_values(value: Any) -> PaddingValues | None:
    """Read padding values: a number, or the lowest and the highest of them; None where none is."""
    if value is None:
        return None
    try:
        numbers = [float(number) for number in np.ravel(value)]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) not in (1, 2):
        raise InvalidArgument(
            f"padding_values={value!r}: expected a number in stored units, or the lowest and the "
            "highest"
        )
    return numbers[0], numbers[-1]


def background_bits(
    array: arrays.Array, options: RegionOptions, padding_values: PaddingValues | None = None
) -> int:
    """The bits of the background element for one array.

    Raises
    ------
    InvalidArgument
        Where the array's dtype cannot hold the background, or "auto" cannot tell what it is.
    """
    layout, memory = arrays.layout_of(array), arrays.memory_of(array)
    bits, known = config_of(options, None, padding_values).background(layout, memory)
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
    padding_values: PaddingValues | None = None,
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
        keeps all of an array that looks as if it were being written.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.
    """
    found = config_of(options, None, padding_values).find_region(
        arrays.layout_of(array), arrays.memory_of(array), background, threads, complete
    )
    return _region_of(found)


def _region_of(found: tuple[Any, ...]) -> Region:
    """A region from what the engine returns, in the order of its fields."""
    values = list(found[: len(fields(Region))])
    values[5] = DroppedSignal.of_kernel(found[5])
    return Region(*values)


def volume_axes(array: arrays.Array, options: RegionOptions) -> tuple[int, ...]:
    """Array axes of the volume; of an array of one axis, that."""
    return (0,) if array.ndim == 1 else arrays.normalize_axes(options.axes, array.ndim)


def search_tiled(
    array: arrays.Array,
    options: RegionOptions,
    background: int,
    affine: Affine | None = None,
    padding_values: PaddingValues | None = None,
    memory: WorkingMemory | None = None,
) -> tuple[Region, Mask | None]:
    """Find the region of a dense array that is complete, and the tiles of its mask.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    options : RegionOptions
        How to find it.
    background : int
        Bits of the background element.
    affine : tuple of float, optional
        Its upper-left 3x3, row major.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.
    memory : WorkingMemory, optional
        For the search and the mask; None is the heap.

    Returns
    -------
    Region
    ndarray of bool or None
        Of the tiles of `TILE_EDGE` voxels in the region's box, with length 1 along axes outside
        the volume; None where all of the box is kept.
    """
    found = config_of(options, affine, padding_values).find_region(
        arrays.layout_of(array), arrays.memory_of(array), background, 1, True, memory, True
    )
    if found[-1] is None:
        return _region_of(found), None
    lengths, held = found[-1]
    tiles = np.frombuffer(held, np.bool_).reshape(lengths)
    return _region_of(found), tiles.transpose(np.argsort(list(_memory_order(array))))


def count_groups(array: arrays.Array, dropped: Mask, options: RegionOptions) -> DroppedSignal:
    """Count dropped voxels, with their largest connected group.

    Parameters
    ----------
    array : ndarray
        C or F contiguous, of numbers.
    dropped : ndarray of bool
        Of the same shape.
    options : RegionOptions
        Polarity and axes.

    Returns
    -------
    DroppedSignal
        Without a level.
    """
    sign = -1 if options.polarity == "dark" else 1
    # Floats have a value for what is not dropped; only the peak of large integers is rounded.
    # Missing values count as the brightest.
    dtype = np.result_type(array.dtype, np.float32)
    values = np.full_like(array, -sign * np.inf, dtype=dtype)
    values[dropped] = np.nan_to_num(array[dropped].astype(dtype), nan=sign * np.inf)
    limit = -sign * np.finfo(dtype).max
    at = dataclasses.replace(options, threshold=float(limit), background=0)
    found = config_of(at).count_groups(arrays.layout_of(values), arrays.memory_of(values))
    return dataclasses.replace(DroppedSignal.of_kernel(found), level=math.nan)


def foreground_mask(
    array: arrays.Array,
    options: RegionOptions,
    background: int,
    affine: Affine | None = None,
    padding_values: PaddingValues | None = None,
) -> Mask:
    """Everything that the tissue of a dense array encloses, as a mask of the array's shape.

    Tissue is what lies above the air's noise, or at the threshold where that is a number; it is
    opened, freed of small components and closed, and its holes belong to it. Axes outside the
    volume share one mask.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    options : RegionOptions
        What tissue is.
    background : int
        Bits of the background element.
    affine : tuple of float, optional
        Its upper-left 3x3, row major: how long voxels are.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.
    """
    axes = arrays.normalize_axes(options.axes, array.ndim)
    memory_axes = [axis for axis in _memory_order(array) if axis in axes]
    mask = np.zeros([array.shape[axis] for axis in memory_axes], np.uint8)
    config_of(options, affine, padding_values).find_mask(
        arrays.layout_of(array), arrays.memory_of(array), background, mask.reshape(-1)
    )
    volume = mask.astype(bool).transpose(np.argsort(memory_axes))
    shape = [n if axis in axes else 1 for axis, n in enumerate(array.shape)]
    return np.broadcast_to(volume.reshape(shape), array.shape)


def _memory_order(array: arrays.Array) -> range:
    return range(array.ndim)[:: -1 if arrays.is_f_order(array) else 1]


def differs(array: arrays.Array, background: int) -> Mask:
    """Return a mask of the elements that differ from the background, bit by bit."""
    element = arrays.constant((1,), array.dtype, background)
    bits = np.dtype(f"u{array.dtype.itemsize}")
    found: Mask = array.view(bits) != element.view(bits)[0]
    return found


def reaches(array: arrays.Array, level: float, polarity: str) -> Mask:
    """Return a mask of the elements at a level or beyond, on the side of the tissue.

    Floats are compared with the level as it is: a Python number would be rounded to their type.
    """
    exact = np.float64(level) if array.dtype.kind == "f" else level
    return np.asarray(array <= exact if polarity == "dark" else array >= exact)


def find_region(
    array: arrays.Array, *, threads: int = 1, padding_values: Any = None, **options: Any
) -> Region:
    """Find the region of an array.

    Parameters
    ----------
    array : ndarray
        1 to 8 axes.
    threads : int
        Threads that look at large arrays; the region is the same for any number.
    padding_values : number or (number, number), optional
        What is padding in this array, in stored units: a value, or the lowest and the highest.
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
    return search(
        arrays.as_dense(array),
        RegionOptions(**options),
        None,
        threads,
        padding_values=checked_padding_values(padding_values),
    )


def find_background(
    array: arrays.Array, *, polarity: str = "bright", axes: Sequence[int] | None = None
) -> Any:
    """Find the value of the air around the tissue, in stored units.

    Raises
    ------
    InvalidArgument
        Where it cannot be found; the message says why and what to give instead.
    """
    dense = arrays.as_dense(array)
    options = RegionOptions(
        polarity=polarity, background="auto", axes=None if axes is None else tuple(axes)
    )
    return arrays.value_of(background_bits(dense, options), dense.dtype)
