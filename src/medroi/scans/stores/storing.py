"""A scan written into a store of any kind, and the digests of what it has to hold."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import medroi
import medroi.inner
from medroi import arrays
from medroi.errors import MedROIError
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scan_region import ScanRegion
from medroi.scans.scan import Scan
from medroi.scans.stores import attachments
from medroi.scans.stores.digests import facts_digest, json_digest
from medroi.scans.stores.files import Files, files_of
from medroi.scans.stores.group import lattice, ome, pyramid
from medroi.scans.stores.group import writing as group_writing
from medroi.scans.stores.readback import Measured
from medroi.scans.stores.wholeness import (
    OTHERS,
    attachments_in,
    metadata_digest,
    others_digest,
)
from medroi.scans.stores.writing import Cleared, Layout, write_array
from medroi.scans.stores.zarr_array import (
    ATTRIBUTE,
    Advance,
    attributes_of,
    compact_json,
    open_array,
)
from medroi.working_memory import WorkingMemory

_BLOCK_NBYTES = 1 << 24


def write_zarr(
    path: Path,
    scan: Scan,
    codec: Any,
    crops: ScanRegion | None,
    layout: Layout,
    advance: Advance,
    *,
    memory: WorkingMemory,
    n_levels: int = 1,
    preview: bool = False,
    threads: int = 1,
) -> None:
    """Write a scan as a Zarr array, or as a group.

    Parameters
    ----------
    path : Path
        Of the new store.
    scan : Scan
        What is written.
    codec : MedROI
        Fitted on it.
    crops : ScanRegion or None
        The region of which each chunk gets its crop; None where the codec finds its own.
    layout : Layout
        Of the array.
    advance : callable
        Hears of the chunks written.
    memory : WorkingMemory
        For the levels.
    n_levels : int
        Of a group.
    preview : bool
        Whether a group of one level gets a small one beside it.
    threads : int
        Chunks coded at a time.
    """
    cleared = Cleared(scan.voxels, crops, _background_of(codec, scan))
    facts = {ATTRIBUTE: attributes_of(scan)}
    region = None
    if crops is not None:
        region = crops.transposed().facts() if layout.in_group else crops.facts()
    beside: dict[str, Any] = {} if region is None else {REGION: region}
    place, is_label = path, False
    factors: list[tuple[int, ...]] = []
    with compact_json():
        if layout.in_group:
            factors = (
                pyramid.preview_factors_of(scan) if preview else pyramid.factors_of(scan, n_levels)
            )
            is_label = len(factors) > 1 and pyramid.is_label(scan)
            group_writing.write_group(path, scan, facts, factors, is_label=is_label)
            place = path / ome.LEVEL.format(0)
            names = ome.axis_names(scan)
        else:
            names = scan.axis_names
            beside |= facts
            if scan.attachments:
                beside[attachments.NAME] = attachments.as_json(scan.attachments)
        for n_written in write_array(
            place,
            cleared,
            codec,
            layout,
            names=names,
            attributes=beside,
            stated=crops,
            threads=threads,
        ):
            advance(n_written)
        if len(factors) > 1:
            group_writing.write_levels(
                path,
                open_array(path),
                codec,
                layout,
                factors,
                names=names,
                is_label=is_label,
                step=None if is_label else lattice.step_of(scan.voxels, cleared.background),
                threads=threads,
                memory=memory,
            )


def _background_of(codec: Any, scan: Scan) -> Any:
    region: ScanRegion = codec.region
    return arrays.constant((), scan.voxels.dtype, region.background_bits)


def zipped(folder: Path, file: Path) -> None:
    """Put a store into one file, its metadata first: what opens it reads only there.

    Raises
    ------
    MedROIError
        Where the file does not give back what was put into it.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files.sort(key=lambda path: (path.name != "zarr.json", len(path.parts)))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as whole:
        for path in files:
            # Without the time: equal scans give equal files.
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            member.external_attr = 0o644 << 16
            member.file_size = path.stat().st_size
            with path.open("rb") as source, whole.open(member, "w") as target:
                shutil.copyfileobj(source, target, _BLOCK_NBYTES)
    found = files_of(file)
    for path in files:
        if not _holds(found, path.relative_to(folder).as_posix(), path):
            raise MedROIError(f"{file}: the zip file does not give back {path.name}")


def _holds(found: Files, key: str, path: Path) -> bool:
    """Whether a file of a store is the same as another, a block at a time."""
    with path.open("rb") as file:
        start = 0
        while True:
            block = file.read(_BLOCK_NBYTES)
            # One byte more is read than is there, so that a longer file is another.
            if found.read(key, start, len(block) or 1) != block:
                return False
            if not block:
                return True
            start += len(block)


def digests_of(stored: Path, scan: Scan, measured: Measured, inner: Any) -> dict[str, Any]:
    """Digests of a store that was read back.

    Raises
    ------
    MedROIError
        Where the files that travel with the scan did not come back.
    """
    array = open_array(stored)
    others = others_digest(stored, array)
    travelling = {name: read() for name, read in attachments_in(stored, array).items()}
    if travelling != scan.attachments:
        raise MedROIError(f"{stored}: the files that travel with the scan did not come back")
    files = attachments.digest_of(travelling)
    return {
        "facts": facts_digest(attributes_of(scan), array.shape, array.dtype),
        "voxels": measured.voxels_digest,
        "streams": measured.streams_digest,
        "metadata": metadata_digest(stored, array),
        "lossless": bool(medroi.inner.make(inner).lossless),
        **({"region": json_digest(array.attrs[REGION])} if REGION in array.attrs else {}),
        **({} if others is None else {OTHERS: others}),
        **({attachments.DIGEST: files} if travelling else {}),
    }
