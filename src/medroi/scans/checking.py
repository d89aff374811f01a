"""Whether a packed store still holds what was packed, and what its scan file holds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.formats import read_scan
from medroi.scans.formats.names import printable
from medroi.scans.progress import bar
from medroi.scans.scan import Scan
from medroi.scans.stores import air, hdf5_array, hdf5_minc, hdf5_store
from medroi.scans.stores.decoding import Chunk, each_chunk
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.digests import StreamsDigest, VoxelsDigest
from medroi.scans.stores.kept import kept_in_store, same_bits
from medroi.scans.stores.wholeness import check_complete, check_others, facts_of
from medroi.scans.stores.zarr_array import (
    Advance,
    attributes_of,
    open_array,
    reading,
)
from medroi.values import n_available_cores
from medroi.working_memory import WorkingMemory, memory_of

# Of a scan's facts, those that its file decides. The rest depends on what `pack` was asked to keep.
_COMPARED = ("kind", "affine", "slope", "intercept", "byte_order", "header_base64", "footer_base64")


@dataclass(frozen=True)
class CheckReport:
    """A store that is whole.

    `n_kept`, `n_changed` and `max_abs_error` are None where it was not compared with a scan file;
    else they count voxels inside the region. `n_changed` is above 0 only for lossy inner codecs.
    `same_contents` says that the digests of that file and of the one that was packed are one.
    `air` says that the air was kept aside, and that both together are what was packed.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    n_chunks: int
    lossless: bool
    against: str | None
    n_kept: int | None
    n_changed: int | None
    max_abs_error: float | None
    seconds: float
    air: bool = False
    same_contents: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the report as one line of text."""
        sizes = " x ".join(str(size) for size in self.shape)
        chunks = "1 chunk" if self.n_chunks == 1 else f"{self.n_chunks} chunks"
        text = f"{printable(self.path)}: whole, {sizes} {self.dtype} in {chunks}"
        text += ", with its air" if self.air else ""
        if self.against is None:
            return text
        what = "contents that were" if self.same_contents else "header that was"
        digest = " (SHA-256)" if self.same_contents else ""
        text += f"; {self.against} has the {what} packed{digest}"
        # A store does not say which of the voxels that are background now were dropped.
        if self.n_changed:
            return (
                f"{text}; of the {self.n_kept} voxels that the store keeps beside background, "
                f"{self.n_changed} differ, by at most {self.max_abs_error:g} (lossy inner codec)"
            )
        return f"{text}; all {self.n_kept} voxels that the store keeps beside background are its"


def stores_in(path: Path) -> list[Path]:
    """The scans of an HDF5 file that is named without a dataset; else the path itself."""
    place = hdf5_store.split_source(path)
    if place is None or place.name:
        return [path]
    names = hdf5_array.names_in(place.file)
    if not names:
        raise InvalidArgument(f"{path}: no dataset of it was written by MedROI")
    # A MINC file is one scan, and has its name.
    return [path] if names == [hdf5_minc.IMAGE] else [path / name for name in names]


def check(
    store: str | Path,
    *,
    against: str | Path | None = None,
    progress: bool = False,
    memory: str | int | WorkingMemory | None = None,
) -> CheckReport:
    """Read all of a packed store and compare it with the digests that `pack` wrote into it.

    Parameters
    ----------
    store : path
        A Zarr array or FILE.h5/NAME.
    against : path, optional
        The scan that was packed: its contents (SHA-256), header and kept voxels are compared too.
    progress : bool
        Show a progress bar on a terminal when the work takes longer than a second.
    memory : str or int, optional
        As for `pack`.

    Raises
    ------
    CorruptStream, InvalidArgument
        Where anything is not as it was packed, or `pack` did not write the store.
    """
    working = memory_of(memory)
    report, scan = check_scan(store, against=against, progress=progress, memory=working)
    path, began = Path(store), time.monotonic()
    array = open_array(path)
    if not air.has_air(array):
        return report
    with reading(path, array):
        air.check_air(path, array, working)
        if scan is not None and not air.gives_back(array, scan, working):
            raise CorruptStream(f"{path}: with its air it is not {against}")
    return replace(report, air=True, seconds=report.seconds + time.monotonic() - began)


def check_scan(
    store: str | Path,
    *,
    against: str | Path | None = None,
    progress: bool = False,
    memory: WorkingMemory | None = None,
) -> tuple[CheckReport, Scan | None]:
    """Check a store as `check` does, but for air that was kept aside.

    Returns
    -------
    CheckReport
    Scan or None
        The one it was compared with.
    """
    path, began = Path(store), time.monotonic()
    memory = memory_of(memory)
    array = open_array(path)
    with reading(path, array):
        facts = facts_of(path, array)
        if facts is None:
            raise InvalidArgument(
                f"{path}: no digests to compare with; `medroi pack` did not write this array"
            )
        check_complete(path, array)
        check_others(path, array)
        scan = None if against is None else _source_of(against, facts, memory)
        if scan is not None:
            _compare_facts(path, array, facts, scan, Path(str(against)))
        with bar(
            array.nchunks, f"check {hdf5_store.name_of(path)}", show=progress, nbytes=array.nbytes
        ) as advance:
            compared = _read_all(path, array, scan, advance, memory)
    if compared.n_changed and array.attrs[DIGESTS]["lossless"]:
        raise CorruptStream(
            f"{path}: {compared.n_changed} of {compared.n_kept} kept voxels are not those of "
            f"{against}"
        )
    same_contents = None if scan is None else _same_contents(facts, scan)
    if same_contents is False:
        raise CorruptStream(
            f"{path} was not packed from {against}: its contents (SHA-256) differ, where nothing "
            "was kept or behind the voxels"
        )
    report = CheckReport(
        path=str(path),
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        n_chunks=array.nchunks,
        lossless=array.attrs[DIGESTS]["lossless"],
        against=None if against is None else Path(against).name,
        n_kept=None if scan is None else compared.n_kept,
        n_changed=None if scan is None else compared.n_changed,
        max_abs_error=None if scan is None else compared.max_abs_error,
        seconds=time.monotonic() - began,
        same_contents=same_contents,
    )
    return report, scan


@dataclass
class _Compared:
    n_kept: int = 0
    n_changed: int = 0
    max_abs_error: float = 0.0

    def add(self, more: _Compared) -> None:
        self.n_kept += more.n_kept
        self.n_changed += more.n_changed
        self.max_abs_error = max(self.max_abs_error, more.max_abs_error)


def _read_all(
    path: Path, array: Any, scan: Scan | None, advance: Advance, memory: WorkingMemory
) -> _Compared:
    streams, voxels = StreamsDigest(), VoxelsDigest(array.shape, array.dtype, memory)
    compared, written = _Compared(), array.attrs[DIGESTS]

    def work(chunk: Chunk) -> _Compared | None:
        if scan is None:
            return None
        kept = kept_in_store(array, chunk.stream, chunk.voxels, chunk.selection)
        return _compare(kept, chunk.voxels, scan.voxels[chunk.selection])

    for chunk, found in each_chunk(path, array, n_available_cores(), work):
        streams.add(chunk.position, chunk.stream)
        voxels.add(chunk.selection, chunk.voxels)
        if found is not None:
            compared.add(found)
        advance(1)
    if streams.hexdigest() != written["streams"]:
        raise CorruptStream(f"{path}: damaged: its chunks are not those that were packed")
    if voxels.hexdigest() != written["voxels"]:
        reason = (
            "the array's metadata was damaged or changed"
            if written["lossless"]
            else "the array's metadata was changed, or this version of the lossy inner codec "
            "decodes differently"
        )
        raise CorruptStream(f"{path}: the chunks are whole, but not their voxels: {reason}")
    return compared


def _compare(kept: Any, decoded: Any, original: Any) -> _Compared:
    before, after = original[kept], decoded[kept]
    changed = ~same_bits(before, after)
    compared = _Compared(before.size, int(np.count_nonzero(changed)))
    if changed.any():
        error = np.abs(before[changed].astype(np.float64) - after[changed].astype(np.float64))
        compared.max_abs_error = float(error.max())
    return compared


def _source_of(against: str | Path, facts: dict[str, Any], memory: WorkingMemory) -> Scan:
    """The scan that was packed, of a folder with several series the one of them."""
    series = facts["details"].get("series")
    return read_scan(
        against,
        incomplete=True,
        series=None if series is None else str(series),
        memory=memory,
    )


def _same_contents(facts: dict[str, Any], scan: Scan) -> bool | None:
    """Whether the files of a scan have the contents that were packed; None if that is not known."""
    before, now = (
        sorted(file["contents_sha256"] for file in files if file["role"] == "image")
        for files in (facts.get("sources", []), attributes_of(scan)["sources"])
    )
    return before == now if before and now else None


def _compare_facts(
    path: Path, array: Any, facts: dict[str, Any], scan: Scan, against: Path
) -> None:
    """Refuse another header, shape or element type."""
    expected = attributes_of(scan)
    differing = [name for name in _COMPARED if facts.get(name) != expected[name]]
    details = facts.get("details", {})
    differing += [
        name
        for name, value in expected["details"].items()
        if name != "tags" and details.get(name) != value
    ]
    if (scan.voxels.shape, scan.voxels.dtype) != (tuple(array.shape), array.dtype):
        differing.append("shape or element type")
    if differing:
        raise CorruptStream(f"{path} was not packed from {against}: {', '.join(differing)} differ")
