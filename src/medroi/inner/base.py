"""Base class of every inner codec."""

from __future__ import annotations

import abc
import dataclasses
import inspect
import json
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import InvalidArgument
from medroi.values import flag_of, float_of, is_number, json_number, whole_of

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Block:
    """The region, or one part of it, before its voxels are touched.

    Attributes
    ----------
    shape : tuple of int
        In coding order: slice axis first, then the other axes from the outermost in memory.
    dtype : dtype
        In the array's own byte order.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class InnerCodec(abc.ABC):
    """One inner codec with its settings: the base class of ours and of those of other packages.

    An inner codec sees a region as a dense array in coding order and codes *parts* of it, slabs
    along the first axis, independently of each other. A subclass is a frozen dataclass whose fields
    are its settings, each with a default; `encode` and `decode` are all that it has to define.
    Settings that are declared ``int``, ``float`` or ``bool`` arrive as such, and what is declared
    otherwise as the configuration has it; ``__post_init__`` refuses those out of range. No setting
    is named ``id`` or ``package``.

    A package registers its class by an entry point of the group ``medroi.inner``, named ID-NAME::

        [project.entry-points."medroi.inner"]
        64-median = "medroi_median:Median"

    Its streams are then written and read through numcodecs, Zarr, HDF5 and the command line. A
    reader decodes them where its array's configuration names the codec, or where it passes
    ``trust=NAME``; `decode` is given bytes from anywhere, and must survive them.

    Methods are called on any thread, several at a time, and in the order `check`, `part_extent`,
    `plan`, `encode`. The bytes of a part must depend on nothing but the settings and the voxels.

    Attributes
    ----------
    codec_id : int
        In every stream, frozen for ever: 64 to 65535 for other packages than medroi.
    name : str
        In every configuration, frozen for ever: lower case letters, digits and underscores.
    kind, dtypes, dims : str
        What it keeps, which elements it takes, and what it codes at once (1-D bytes, 2-D slices,
        3-D blocks): for ``medroi codecs``.
    needs, install : str
        Module that it imports when it is first used, and the command that installs it; empty where
        it needs none.
    notice : str
        Warning to display with every stream; mostly empty.
    """

    codec_id: ClassVar[int]
    name: ClassVar[str]
    kind: ClassVar[str] = "lossless"
    dtypes: ClassVar[str] = "all"
    dims: ClassVar[str] = "1-D"
    needs: ClassVar[str] = ""
    install: ClassVar[str] = ""
    notice: ClassVar[str] = ""

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back every bit."""
        return True

    def promised_error(self) -> float | None:
        """Largest error of an element, in stored units, that a lossy setting promises."""
        return None

    def config(self) -> dict[str, Any]:
        """Name and settings, fit for JSON."""
        return {"id": self.name, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    def native_params(self) -> tuple[float, ...] | None:
        """Parameters of the kernel's codec of the same id; None where only Python has it."""
        return None

    def check(self, region: Block) -> None:  # noqa: B027
        """Refuse a region that cannot be coded, before any byte is written.

        Parameters
        ----------
        region : Block
            Its shape in coding order, and its dtype.

        Raises
        ------
        InvalidArgument
            Naming what was found and what is possible.
        """

    def part_extent(self, region: Block) -> int:
        """Slices along the first axis per part; the whole region unless a codec says otherwise."""
        return region.shape[0]

    def plan(self, region: Array) -> InnerCodec:
        """The codec with which each part of this region is coded, once the region is known.

        Parameters
        ----------
        region : ndarray
            All of its voxels, in coding order. A codec that needs nothing of them returns itself.
        """
        return self

    @classmethod
    def earlier_names(cls) -> dict[str, str]:
        """Names of settings by the earlier ones that configurations may still have; mostly none."""
        return {}

    @property
    def library(self) -> str:
        """The library that decodes what this codec codes, by the name that `trust` takes."""
        return self.name

    @classmethod
    def library_of(cls, part: memoryview) -> str:
        """The library that a part asks to be decoded by.

        Raises
        ------
        CorruptStream
            For a part that names none.
        """
        return cls.name

    @classmethod
    def survives(cls, library: str) -> bool:
        """Whether hostile bytes can do no more than be refused by a library, or be voxels."""
        return True

    @abc.abstractmethod
    def encode(self, part: Array) -> bytes:
        """Code one part.

        Parameters
        ----------
        part : ndarray
            A dense array in C order, of any dtype and number of axes that `check` let pass, in the
            array's own byte order; not writeable, perhaps.

        Returns
        -------
        bytes
            From which `decode` finds the voxels, given their shape and dtype: parameters that it
            needs stand in them.
        """

    @classmethod
    @abc.abstractmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """Decode one part. A class method: whoever reads has no settings.

        Parameters
        ----------
        coded : memoryview
            What `encode` returned, or bytes that somebody else made up.
        out : ndarray
            Decoded into: dense, C order, of the part's shape and dtype.

        Raises
        ------
        CorruptStream
            For bytes that are not a part of this shape and dtype.
        """


class NativeCodec(InnerCodec):
    """An inner codec of the kernel; where this build has it, Python only passes it on.

    Its settings, their defaults, limits and help stand in the table beside the codec's C code,
    which builds without the codec have too: it judges them, and documents the class.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Append the settings to the documentation of the class."""
        super().__init_subclass__(**options)
        own = inspect.get_annotations(cls)
        rows = [row for row in _kernel.settings(cls.codec_id) if row[0] in own]
        if rows and cls.__doc__:  # python -OO has none
            entries = "".join(f"\n{row[0]} : {own[row[0]]}\n    {row[5]}" for row in rows)
            cls.__doc__ = f"{cls.__doc__}\n\nAttributes\n----------{entries}\n"

    def __post_init__(self) -> None:
        """Give every setting its one spelling, and refuse what the table does not have.

        Raises
        ------
        InvalidArgument
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = typed(self.name, field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self.native_params()

    def native_params(self) -> tuple[float, ...]:
        """Parameters as the kernel reads them from the settings."""
        settings = {key: json_number(value) for key, value in self.config().items()}
        found: tuple[float, ...] = _kernel.read_settings(self.codec_id, json.dumps(settings))
        return found

    def with_target(self, name: str, value: float) -> NativeCodec:
        """The codec with another target in place of the one that it has."""
        raise NotImplementedError(f"{self.name} has no targets")

    @classmethod
    def earlier_names(cls) -> dict[str, str]:
        """See `InnerCodec.earlier_names`."""
        names: dict[str, str] = _kernel.earlier_names(cls.codec_id)
        return names

    @classmethod
    def is_native(cls) -> bool:
        """Whether this build's kernel has the codec."""
        return bool(_kernel.has_inner(cls.codec_id))

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        if self.is_native():
            _kernel.check_block(self.codec_id, native_block(region), self.native_params())

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if self.is_native():
            extent: int = _kernel.part_extent(
                self.codec_id, native_block(region), self.native_params()
            )
            return extent
        return short_part_extent(region)

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        if not self.is_native():
            return self.encode_without_kernel(part)
        coded: bytes = _kernel.encode_part(
            self.codec_id, native_block(block_of(part)), dense_bytes(part), self.native_params()
        )
        return coded

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        if not cls.is_native():
            cls.decode_without_kernel(coded, out)
            return
        _kernel.decode_part(cls.codec_id, native_block(block_of(out)), coded, dense_bytes(out))

    @abc.abstractmethod
    def encode_without_kernel(self, part: Array) -> bytes:
        """Code one part in Python, in the same format."""

    @classmethod
    @abc.abstractmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """Decode one part in Python."""


def block_of(part: Array) -> Block:
    """The block that an array is."""
    return Block(part.shape, part.dtype)


def dense_bytes(part: Array) -> npt.NDArray[np.uint8]:
    """The bytes of a dense C-order array, without a copy."""
    flat = part.reshape(-1)
    if flat.dtype.kind in "Mm":
        flat = flat.view(np.int64)
    return flat.view(np.uint8)


def native_block(region: Block) -> _kernel.Block:
    """A block as the kernel sees it."""
    dtype = region.dtype
    return _kernel.Block(region.shape, dtype.kind, dtype.itemsize, dtype.str.startswith(">"))


def short_part_extent(region: Block) -> int:
    """Slices per part for codecs that gain nothing from longer parts: about 512 KiB."""
    slice_nbytes = int(np.prod(region.shape[1:], dtype=np.int64)) * region.dtype.itemsize
    return min(region.shape[0], max(1, (1 << 19) // slice_nbytes))


def typed(codec: str, field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a setting that is declared a number or a flag by the rule that all options obey.

    Raises
    ------
    InvalidArgument
        For another type.
    """
    declared = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    kinds = {kind.strip() for kind in declared.split("|")} - {"None"}
    name = f"{codec}: {field.name}"
    if (value is None and "None" in declared) or not kinds <= {"int", "float", "bool"}:
        return value
    if "bool" in kinds:
        return flag_of(name, value)
    return float_of(name, value) if "float" in kinds else whole_of(name, value)


def check_number(codec: str, name: str, value: Any, low: float, high: float) -> None:
    """Refuse a setting that is not a number from `low` to `high`."""
    if not is_number(value) or not low <= value <= high:
        raise InvalidArgument(f"{codec}: {name}={value!r}, expected {low} to {high}")
