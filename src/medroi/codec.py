"""Arrays to streams and back: region, inner codec and stream put together."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medroi import _kernel, arrays, inner, roi, stream, verify
from medroi.errors import CorruptStream, InvalidArgument
from medroi.hosting import Hosting
from medroi.inner import trust
from medroi.inner.base import InnerCodec, NativeCodec
from medroi.inner.trust import OWN_ONLY, Reading
from medroi.roi import DroppedGroup
from medroi.scan_region import ScanRegion
from medroi.values import json_number

Array = arrays.Array

# The fixed header and its CRC: no stream is shorter, and some stores refuse to read beyond an end.
FIRST_READ_NBYTES = _kernel.FIXED_HEADER_NBYTES + 4

Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class LeftOut:
    """A connected component of tissue outside the region: its voxels, its bounds per array axis."""

    n_voxels: int
    box: roi.Box


@dataclass(frozen=True)
class StreamInfo:
    """Header of one stream, as numbers and arrays.

    Attributes
    ----------
    format_version : int
    shape : tuple of int
    dtype : dtype
        With the byte order of the stored elements.
    order : {"C", "F"}
        Memory order of the array.
    axes : tuple of int
        Array axes of the volume.
    box : tuple of (int, int)
        Half-open bounds of the region per array axis; all (0, 0) when it is empty.
    record : bytes
        The published 54 bytes.
    affine : tuple of tuple of float
        3x3, voxel index to mm without the translation.
    background : int or float
        Value of every voxel outside the region.
    threshold : float
        Tissue threshold in stored units; NaN where none was used.
    miss_rate : float
        Share of all voxels at or above the threshold (dark: at or below) outside the region. With
        ``components="largest"`` those of the components that are left out do not count.
    roi : {"box", "mask"}
        Shape of the region. A mask that holds all of its box is a box.
    unopened_miss_rate : float
        The same; of masks written by earlier builds, whose `miss_rate` counts opened tissue only.
    mask_nbytes : int
        Bytes of the mask; 0 for a box.
    n_left_out, n_left_out_voxels : int
        Connected components of tissue that were left out of the region, and their voxels.
    left_out : tuple of LeftOut
        The largest of them.
    signal_level : float
        Value above the noise of the air, in stored units; NaN where no signal is dropped.
    n_signal, n_dropped_signal : int
        Voxels at the signal level or beyond, in all and outside the region; both 0 where none of
        them is outside.
    largest_dropped_group : DroppedGroup or None
        The largest connected group of these.
    largest_dropped_mm3 : float
        Its volume by the affine; 0 where there is none, NaN where the affine holds NaN.
    inner : str
        Name of the inner codec.
    notice : str
        Warning to display with streams of this inner codec; mostly empty.
    n_parts : int
        Independently decodable slabs of the payload.
    payload_nbytes, nbytes : int
        Bytes of the payload and of the whole stream.
    """

    format_version: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str
    axes: tuple[int, ...]
    box: roi.Box
    record: bytes
    affine: tuple[tuple[float, ...], ...]
    background: float
    threshold: float
    miss_rate: float
    roi: str
    unopened_miss_rate: float
    mask_nbytes: int
    n_left_out: int
    n_left_out_voxels: int
    left_out: tuple[LeftOut, ...]
    signal_level: float
    n_signal: int
    n_dropped_signal: int
    largest_dropped_group: DroppedGroup | None
    largest_dropped_mm3: float
    inner: str
    notice: str
    n_parts: int
    payload_nbytes: int
    nbytes: int


@dataclass(frozen=True)
class Settings:
    """Everything that decides the bytes of a stream but the array, and what readers add to it.

    `threads`, `trust` and `max_nbytes` are no part of a configuration: a file that brings its
    configuration along must not be able to say them.

    `note` is what a fit has to say: why it kept every voxel. `scan` is the region of the whole scan
    that it found. `crop_of` is a region of which only crops are encoded: everything outside it is
    background already, so that nothing else is dropped, and streams state the numbers of the scan.
    With `voxel_mask` the mask of a lossy crop has tiles of one voxel.
    """

    inner: InnerCodec
    region: roi.RegionOptions = field(default_factory=roi.RegionOptions)
    slice_axis: int | None = None
    affine: tuple[float, ...] = stream.IDENTITY
    threads: int = 1
    verify: bool = False
    trust: frozenset[str] = frozenset()
    max_nbytes: int | None = None
    note: str = field(default="", compare=False)
    scan: ScanRegion | None = field(default=None, compare=False, repr=False)
    crop_of: ScanRegion | None = field(default=None, compare=False, repr=False)
    voxel_mask: bool = field(default=False, compare=False, repr=False)

    @functools.cached_property
    def config(self) -> _kernel.Config:
        """The settings as the engine holds them."""
        rows = [self.affine[i : i + 3] for i in (0, 3, 6)]
        options = json.dumps(
            {
                **roi.options_of(self.region),
                "slice_axis": self.slice_axis,
                "affine": [[json_number(number) for number in row] for row in rows],
                "verify": self.verify,
            }
        )
        if isinstance(self.inner, NativeCodec) and self.inner.is_native():
            return _kernel.Config(options, self.inner.codec_id, self.inner.native_params())
        return _kernel.Config(options, self.inner.codec_id, None, self.inner)

    @property
    def reading(self) -> Reading:
        """Rights of streams that are read with these settings."""
        return Reading(self.inner.codec_id, self.inner.library, self.trust, self.max_nbytes)


def encode(array: Array, settings: Settings) -> bytes:
    """Encode one array.

    Arrays of one axis, and of elements that are not numbers, are no images: all of their elements
    that differ from the background are kept, whatever the threshold.

    Parameters
    ----------
    array : ndarray
        1 to 8 axes.
    settings : Settings
        Region and inner codec.

    Returns
    -------
    bytes
        One stream.

    Raises
    ------
    InvalidArgument
        For arrays that the settings cannot serve.
    VerificationFailed
        With `settings.verify`, where decoding gives back something else than promised.
    """
    dense = arrays.as_dense(array)
    coded = _encode_dense(dense, settings)
    if settings.crop_of is not None:
        coded = stated(coded, settings.crop_of)
    if settings.verify:
        header = stream.read_header(np.frombuffer(coded, np.uint8))
        background = arrays.value_of(header.background, dense.dtype)
        verify.check(
            dense,
            decode(coded, shape=dense.shape, dtype=dense.dtype, reading=settings.reading),
            header.box,
            background,
            settings.inner,
            settings.region.roi,
        )
    return coded


def stated(coded: bytes, scan: ScanRegion) -> bytes:
    """The stream of a crop, with the threshold and the miss rate of the whole scan."""
    threshold = math.nan if scan.threshold is None else scan.threshold
    found: bytes = _kernel.state_scan(coded, threshold, scan.miss_rate)
    return found


def for_crops(
    settings: Settings, scan: ScanRegion, chunk_shape: Sequence[int], dtype: np.dtype[Any]
) -> Settings:
    """Settings for chunks that are crops of a scan's region, all else in them background.

    Parameters
    ----------
    settings : Settings
        Of the array.
    scan : ScanRegion
        What is kept of the whole scan.
    chunk_shape : sequence of int
        Of the array.
    dtype : dtype
        Of the array.

    Raises
    ------
    InvalidArgument
        Where the settings have another background than the region.
    """
    options = settings.region
    is_number = options.background is not None and options.background != "auto"
    if is_number and arrays.bits_of(options.background, dtype) != scan.background_bits:
        raise InvalidArgument(
            f"the codec has background={options.background}, the region {scan.background}: fit "
            "both on the same scan, or create the array with the codec that has the region"
        )
    made = dataclasses.replace(
        options, threshold=None, background=scan.background, roi=scan.roi, axes=scan.axes
    )
    return dataclasses.replace(
        settings, region=made, crop_of=scan, voxel_mask=not scan.has_tiles_in(chunk_shape)
    )


def _encode_dense(dense: Array, settings: Settings) -> bytes:
    dtype = dense.dtype
    coded: bytes = settings.config.encode(
        arrays.layout_of(dense),
        arrays.memory_of(dense),
        Hosting(type(settings.inner), dtype),
        dtype.str if dtype.kind in "Mm" else None,
        settings.threads,
        voxel_mask=settings.voxel_mask,
    )
    return coded


def check_array(ndim: int, dtype: np.dtype[Any], settings: Settings) -> None:
    """Refuse arrays that the settings cannot serve, whatever their voxels.

    Raises
    ------
    InvalidArgument
        Naming what was found and what is possible.
    """
    arrays.check_dtype(dtype)
    arrays.check_ndim(ndim)
    settings.config.check(arrays.layout_of(np.empty((1,) * ndim, dtype)))


def keeps_every_voxel(ndim: int, dtype: np.dtype[Any], settings: Settings) -> bool:
    """Whether every voxel that differs from the background is kept."""
    is_image = ndim > 1 and dtype.kind in arrays.NUMBER_KINDS
    return settings.region.threshold is None or not is_image


def decode(
    buf: Any,
    out: Array | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    dtype: np.dtype[Any] | None = None,
    threads: int = 1,
    reading: Reading = OWN_ONLY,
) -> Array:
    """Decode one stream.

    Parameters
    ----------
    buf : bytes-like
        One whole stream.
    out : ndarray, optional
        Decoded into: of the array's shape, dtype, byte order and memory order, or a flat buffer of
        bytes for the array's memory.
    shape : tuple of int, optional
        What the array must have; a stream of any other is refused.
    dtype : dtype, optional
        What the array must have, whatever the byte order.
    threads : int
        Parts decoded at a time.
    reading : Reading
        Which libraries may decode, and how large the array may be.

    Returns
    -------
    ndarray
        With the shape, dtype, byte order and memory order that were encoded; `out` if given.

    Raises
    ------
    CorruptStream, UnsupportedVersion, InnerUnavailable, Untrusted
    """
    data = np.frombuffer(buf, np.uint8)
    header = stream.read_header(data)
    _check_expected(header, shape, dtype)
    if out is None:
        _check_size(header, data.nbytes, reading, shape)
    payload = data[header.preamble_nbytes :]
    _kernel.check_payload(header, payload)
    target = _empty(header) if out is None else out
    memory = _memory_to_fill(target, header)
    _kernel.decode(header, payload, memory, _hosting(header, reading), threads)
    return target


def _hosting(header: _kernel.Header, reading: Reading) -> Hosting | None:
    """Decoder for streams whose inner codec is not the kernel's."""
    if header.n_parts == 0 or _kernel.has_inner(header.inner_id):
        return None
    return Hosting(inner.by_id(header.inner_id), stream.dtype_of(header), reading)


def _check_expected(
    header: _kernel.Header, shape: tuple[int, ...] | None, dtype: np.dtype[Any] | None
) -> None:
    found = stream.dtype_of(header)
    same_dtype = dtype is None or found.newbyteorder("=") == dtype.newbyteorder("=")
    if not same_dtype or (shape is not None and header.shape != tuple(shape)):
        raise CorruptStream(
            f"the stream holds an array of shape {header.shape} and dtype {found}, "
            f"expected shape {shape} and dtype {dtype}"
        )


def _check_size(
    header: _kernel.Header, stream_nbytes: int, reading: Reading, shape: tuple[int, ...] | None
) -> None:
    nbytes = math.prod(header.shape) * header.itemsize
    what = f"an array of shape {header.shape} and dtype {stream.dtype_of(header)}"
    trust.check_size(nbytes, stream_nbytes, reading, size_is_known=shape is not None, what=what)


def _empty(header: _kernel.Header) -> Array:
    dtype = stream.dtype_of(header)
    try:
        return np.empty(header.shape, dtype, order="F" if header.f_order else "C")
    except (MemoryError, ValueError) as error:
        raise CorruptStream(
            f"the stream claims an array of shape {header.shape} and dtype {dtype}, "
            "which does not fit in memory"
        ) from error


def _memory_to_fill(target: Array, header: _kernel.Header) -> arrays.Memory:
    arrays.check_dtype(target.dtype)
    nbytes = int(np.prod(header.shape, dtype=object)) * header.itemsize
    if target.nbytes != nbytes:
        raise InvalidArgument(f"out has {target.nbytes} bytes; the stream's array has {nbytes}")
    if not (target.flags.c_contiguous or target.flags.f_contiguous) or not target.flags.writeable:
        raise InvalidArgument("out must be writeable and dense in memory")
    dtype, order = stream.dtype_of(header), "F" if header.f_order else "C"
    is_memory = target.ndim == 1 and target.itemsize == 1
    same_shape = _without_ones(target.shape) == _without_ones(header.shape)
    flags = target.flags
    is_same = same_shape and (flags.f_contiguous if header.f_order else flags.c_contiguous)
    # A buffer of bytes was encoded, whatever it held: its owner knows what it is.
    is_buffer = len(header.shape) == 1 and header.itemsize == 1
    if not (is_memory or is_buffer or (is_same and target.dtype == dtype)):
        raise InvalidArgument(
            f"out has shape {target.shape}, dtype {target.dtype.str} and order "
            f"{'F' if arrays.is_f_order(target) else 'C'}; the stream's array has {header.shape}, "
            f"{dtype.str} and {order}: pass such an array, or a flat buffer of bytes for its memory"
        )
    return arrays.memory_of(target)


def _without_ones(shape: Sequence[int]) -> list[int]:
    """A shape less its axes of size 1, which zarr 2 leaves out of its buffer."""
    return [size for size in shape if size != 1]


def decode_selection(
    bounds: Sequence[tuple[int, int]] | None = None,
    *,
    indices: Sequence[Array] | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: np.dtype[Any] | None = None,
    reading: Reading = OWN_ONLY,
) -> Generator[Ranges, Sequence[Any], Array]:
    """Decode a part of an array from a part of its stream, whoever does the reading.

    A generator: it yields byte ranges `(start, stop)` of the stream, a list at a time, wants each
    list answered by a list of bytes, and returns the decoded selection. No range ends beyond the
    end of the stream. A selection outside the region asks for the preamble only; any other asks
    for the slab table as well, where there is one, and for the parts that it touches: those that
    lie side by side in one range.

    Parameters
    ----------
    bounds : sequence of (int, int), optional
        Half-open bounds per array axis; None is the whole array.
    indices : sequence of ndarray, optional
        Per array axis the indices inside the bounds that are wanted; None wants all. Of what was
        not wanted, the result may hold background.
    shape : tuple of int, optional
        What the array must have; a stream of any other is refused.
    dtype : dtype, optional
        What the array must have, whatever the byte order.
    reading : Reading
        Which libraries may decode, and how large the array may be.

    Returns
    -------
    ndarray
        C order, of the bounds' shape and the array's dtype.

    Raises
    ------
    CorruptStream, UnsupportedVersion, InnerUnavailable, Untrusted
    InvalidArgument
        For bounds outside the array.
    """
    (head,) = yield [(0, FIRST_READ_NBYTES)]
    preamble_nbytes = _kernel.peek_preamble_nbytes(head)
    if preamble_nbytes > len(head):
        (rest,) = yield [(len(head), preamble_nbytes)]
        head = bytes(head) + bytes(rest)
    header = stream.read_header(head)
    _check_expected(header, shape, dtype)
    _check_size(header, preamble_nbytes, reading, shape)
    wanted = _check_bounds(bounds, header.shape)
    selection = arrays.constant(
        [stop - start for start, stop in wanted], stream.dtype_of(header), header.background
    )
    numbers = _parts_touched(header, wanted, indices)
    if not len(numbers):
        return selection
    table: Any = b""
    if header.n_parts > 1:
        (table,) = yield [(preamble_nbytes, preamble_nbytes + stream.table_nbytes(header))]
    parts = stream.parse_table(header, table)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    starts = [preamble_nbytes + parts[run[0]].start for run in runs]
    stops = [preamble_nbytes + parts[run[-1]].stop for run in runs]
    found = yield list(zip(starts, stops, strict=True))
    hosting, memory = _hosting(header, reading), arrays.memory_of(selection)
    for run, coded in zip(runs, found, strict=True):
        whole = np.frombuffer(coded, np.uint8)
        for number in run.tolist():
            part = parts[number]
            start, stop = (bound - parts[run[0]].start for bound in (part.start, part.stop))
            _kernel.decode_slab(
                header, number, whole[start:stop], part.crc, wanted, memory, hosting
            )
    return selection


def _check_bounds(
    bounds: Sequence[tuple[int, int]] | None, shape: tuple[int, ...]
) -> list[tuple[int, int]]:
    if bounds is None:
        return [(0, size) for size in shape]
    inside = len(bounds) == len(shape) and all(
        0 <= start <= stop <= size for (start, stop), size in zip(bounds, shape, strict=True)
    )
    if not inside:
        raise InvalidArgument(f"bounds {tuple(bounds)} of an array of shape {shape}")
    return list(bounds)


def _parts_touched(
    header: _kernel.Header,
    wanted: Sequence[tuple[int, int]],
    indices: Sequence[Array] | None,
) -> Array:
    """Numbers of the parts that hold what is wanted of the region, ascending."""
    if indices is None:
        indices = [np.arange(*pair) for pair in wanted]
    inside = [
        found[(found >= start) & (found < stop)]
        for found, (start, stop) in zip(indices, header.box, strict=True)
    ]
    if not all(map(len, inside)):
        return np.arange(0)
    first = header.box[header.slice_axis][0]
    return np.unique((inside[header.slice_axis] - first) // header.part_extent)


def _volume_mm3(group: DroppedGroup | None, affine: Sequence[float]) -> float:
    if group is None:
        return 0.0
    with np.errstate(all="ignore"):  # an affine may hold anything
        return group.n_voxels * abs(float(np.linalg.det(np.reshape(affine, (3, 3)))))


def inspect(buf: Any) -> StreamInfo:
    """Read what a stream says about itself; its payload is not decoded.

    Parameters
    ----------
    buf : bytes-like
        One whole stream.

    Raises
    ------
    CorruptStream, UnsupportedVersion
    """
    data = np.frombuffer(buf, np.uint8)
    header = stream.read_header(data)
    _kernel.check_payload(header, data[header.preamble_nbytes :])
    record = data[_kernel.RECORD_OFFSET : _kernel.RECORD_OFFSET + _kernel.RECORD_NBYTES]
    dtype = stream.dtype_of(header)
    affine = header.affine
    is_mask, unopened, mask_nbytes, n_left_out, n_left_out_voxels, listed, found = (
        header.mask_info()
    )
    dropped = roi.DroppedSignal.of_kernel(found)
    return StreamInfo(
        format_version=_kernel.FORMAT_VERSION,
        shape=header.shape,
        dtype=dtype,
        order="F" if header.f_order else "C",
        axes=header.axes,
        box=header.box,
        record=record.tobytes(),
        affine=(affine[0:3], affine[3:6], affine[6:9]),
        background=arrays.value_of(header.background, dtype),
        threshold=header.threshold,
        miss_rate=header.miss_rate,
        roi="mask" if is_mask else "box",
        unopened_miss_rate=unopened if is_mask else header.miss_rate,
        mask_nbytes=mask_nbytes,
        n_left_out=n_left_out,
        n_left_out_voxels=n_left_out_voxels,
        left_out=tuple(LeftOut(n_voxels, box) for n_voxels, box in listed),
        signal_level=dropped.level,
        n_signal=dropped.n_signal,
        n_dropped_signal=dropped.n_dropped,
        largest_dropped_group=dropped.largest,
        largest_dropped_mm3=_volume_mm3(dropped.largest, affine),
        inner=inner.name_of(header.inner_id),
        notice=inner.notice_of(header.inner_id),
        n_parts=header.n_parts,
        payload_nbytes=header.payload_nbytes,
        nbytes=data.nbytes,
    )
