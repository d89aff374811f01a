"""The answer of ``medroi info PATH``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import medroi
from medroi.errors import CorruptStream, InvalidArgument
from medroi.roi import DroppedSignal
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.dropped import N_LEFT_OUT, volume_text, with_volume
from medroi.scans.formats.files import readable
from medroi.scans.report import box_text
from medroi.scans.stores import air
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.digests import StreamsDigest
from medroi.scans.stores.files import is_zip
from medroi.scans.stores.folders import nbytes_in
from medroi.scans.stores.group.array import ScanArray
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.hdf5_store import name_of, split_source
from medroi.scans.stores.kept import inspected, n_kept_of
from medroi.scans.stores.wholeness import (
    attachments_in,
    check_complete,
    facts_of,
    metadata_digest,
)
from medroi.scans.stores.zarr_array import each_stream, open_array, reading

# More chunks than this are summed up rather than listed.
_MAX_LISTED = 8


def print_facts(path: Path, *, as_json: bool, lists_all: bool) -> None:
    """Inspect every stream of a store, or of a file, and print it.

    Parameters
    ----------
    path : Path
        A store, or a file with one stream.
    as_json : bool
        One JSON object instead of lines of text.
    lists_all : bool
        List every stream, however many there are.
    """
    if not path.exists() and split_source(path) is None:
        raise InvalidArgument(f"{path} does not exist")
    with readable(path, "a damaged store or stream"):
        is_array = path.is_dir() or is_zip(path) or split_source(path) is not None
        facts, streams = _array(path) if is_array else _file(path)
    if as_json:
        print(json.dumps({**facts, "streams": streams}, allow_nan=False))
        return
    for name, value in facts.items():
        is_counted = name != "n_tissue" or value is not None
        if name != "left_out" and is_counted:
            print(f"{name:<21} {_text(value)}")
    _print_left_out(facts.get("left_out", []))
    if len(streams) <= _MAX_LISTED or lists_all:
        for stream in streams:
            print(f"{'stream':<21} {_line(stream)}")
            _print_left_out(stream["left_out"])


def _print_left_out(pieces: list[dict[str, Any]]) -> None:
    for piece in pieces[:N_LEFT_OUT]:
        bounds = tuple((start, stop) for start, stop in piece["box"])
        print(f"{'':<21} left out: {piece['n_voxels']} voxels of tissue in {box_text(bounds)}")


def _file(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    data = path.read_bytes()
    info = medroi.inspect(data)
    streams = [{"chunk": None, **_described(data, info, info.shape)}]
    return {"path": path.name, **_sums(streams)}, streams


def _array(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    array = open_array(path)
    with reading(path, array):
        check_complete(path, array)
        written = facts_of(path, array)
        facts: dict[str, Any] = {
            "path": name_of(path),
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "chunks": list(array.chunks),
            "n_chunks": array.nchunks,
        }
        if not isinstance(array, Hdf5Array):
            facts["zarr_format"] = array.metadata.zarr_format
        for name in ("kind", "spacing_mm", "slope", "intercept"):
            if written is not None and name in written:
                facts[name] = written[name]
        if isinstance(array, ScanArray) and "ome" in array.attrs:
            facts["levels"] = len(array.attrs["ome"]["multiscales"][0]["datasets"])
        if written is not None and written.get("sources"):
            facts["source_nbytes"] = sum(one["nbytes"] for one in written["sources"])
        travelling = list(attachments_in(path, array))
        if travelling:
            facts["files"] = travelling
        region = array.attrs.get(REGION)
        streams = _streams(path, array, is_packed=written is not None)
        if written is not None and metadata_digest(path, array) != array.attrs[DIGESTS]["metadata"]:
            facts["changed"] = "its metadata, after packing; ask `medroi check`"
    facts["unwritten_chunks"] = array.nchunks - len(streams)
    facts |= _sums(streams)
    if region is not None:
        facts |= _of_region(region)
    facts = with_volume(facts, facts.get("spacing_mm", ()))
    facts["array_nbytes"] = math.prod(array.shape) * array.dtype.itemsize
    if isinstance(array, Hdf5Array):
        facts["stored_nbytes"] = array.all_nbytes
    else:
        facts["stored_nbytes"] = nbytes_in(path)
    if air.has_air(array):
        facts["air_nbytes"] = air.nbytes_of(path)
    facts["ratio"] = facts["array_nbytes"] / facts["stored_nbytes"]
    return facts, streams


def _streams(path: Path, array: Any, *, is_packed: bool) -> list[dict[str, Any]]:
    """Describe every stream; refuse those of a packed scan that are not its own."""
    streams, digest = [], StreamsDigest()
    for position, selection, stream in each_stream(path, array):
        if stream is None:
            continue
        digest.add(position, stream)
        info = inspected(array, stream)
        shape = tuple(part.stop - part.start for part in selection)
        streams.append({"chunk": list(position), **_described(stream, info, shape)})
    if is_packed and digest.hexdigest() != array.attrs[DIGESTS]["streams"]:
        raise CorruptStream(f"{path}: damaged: its chunks are not those that were packed")
    return streams


def _described(stream: bytes, info: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Turn what `inspect` says into JSON values; NaN, where there is no threshold, into null.

    `shape` is the part of the chunk that lies in the array: an edge chunk is longer.
    """
    threshold, background = float(info.threshold), float(info.background)
    kept = n_kept_of(stream, info, shape)
    return {
        "format_version": info.format_version,
        "shape": list(info.shape),
        "dtype": str(info.dtype),
        "order": info.order,
        "box": [list(bounds) for bounds in info.box],
        "n_voxels": math.prod(shape),
        "n_kept": kept,
        "kept_share": kept / math.prod(shape) if math.prod(shape) else 0.0,
        "inner": info.inner,
        "notice": info.notice,
        "threshold": None if math.isnan(threshold) else threshold,
        "background": str(background) if not math.isfinite(background) else info.background,
        "miss_rate": info.miss_rate,
        "roi": info.roi,
        "unopened_miss_rate": info.unopened_miss_rate,
        **_dropped(info),
        "mask_nbytes": info.mask_nbytes,
        "n_left_out": info.n_left_out,
        "n_left_out_voxels": info.n_left_out_voxels,
        "left_out": [
            {"n_voxels": piece.n_voxels, "box": [list(bounds) for bounds in piece.box]}
            for piece in info.left_out
        ],
        "payload_nbytes": info.payload_nbytes,
        "nbytes": info.nbytes,
        "record_hex": bytes(info.record).hex(),
    }


def _dropped(info: Any) -> dict[str, Any]:
    group = info.largest_dropped_group
    dropped = DroppedSignal(info.signal_level, info.n_signal, info.n_dropped_signal, group)
    return dropped.facts()


def _sum_of_dropped(streams: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up the signal that streams drop; the largest group is placed in its chunk."""
    with_most = max(
        (stream for stream in streams if stream["largest_dropped_group"]),
        key=lambda stream: stream["largest_dropped_group"]["n_voxels"],
        default=None,
    )
    group: dict[str, Any] | None = None
    if with_most is not None:
        group = dict(with_most["largest_dropped_group"])
        if with_most["chunk"] is not None:
            group["chunk"] = with_most["chunk"]
    return {
        "signal_level": _one_or_many(streams, "signal_level"),
        "n_signal": sum(stream["n_signal"] for stream in streams),
        "n_dropped_signal": sum(stream["n_dropped_signal"] for stream in streams),
        "largest_dropped_group": group,
    }


def _sums(streams: list[dict[str, Any]]) -> dict[str, Any]:
    n_voxels = sum(stream["n_voxels"] for stream in streams)
    n_kept = sum(stream["n_kept"] for stream in streams)
    notices = sorted({stream["notice"] for stream in streams} - {""})
    return {
        "inner": _one_or_many(streams, "inner"),
        **({"notice": "; ".join(notices).upper()} if notices else {}),
        "threshold": _one_or_many(streams, "threshold"),
        "background": _one_or_many(streams, "background"),
        "roi": _one_or_many(streams, "roi"),
        "n_kept": n_kept,
        "kept_share": n_kept / n_voxels if n_voxels else 0.0,
        "empty_chunks": sum(stream["payload_nbytes"] == 0 for stream in streams),
        "largest_miss_rate": max((stream["miss_rate"] for stream in streams), default=0.0),
        **_sum_of_dropped(streams),
        "n_left_out": sum(stream["n_left_out"] for stream in streams),
        "n_left_out_voxels": sum(stream["n_left_out_voxels"] for stream in streams),
        "mask_nbytes": sum(stream["mask_nbytes"] for stream in streams),
        "payload_nbytes": sum(stream["payload_nbytes"] for stream in streams),
        "streams_nbytes": sum(stream["nbytes"] for stream in streams),
    }


def _of_region(region: dict[str, Any]) -> dict[str, Any]:
    """Say of crops what the region of the whole scan keeps, of which each stream has its share.

    Tissue is counted only where some is missed.
    """
    names = (
        *("roi", "is_given", "n_kept", "n_tissue", "n_missed"),
        *DroppedSignal().facts(),
        *("n_left_out", "n_left_out_voxels", "left_out"),
    )
    return {
        **{name: region[name] for name in names},
        "n_tissue": region["n_tissue"] or None,
        "kept_share": region["n_kept"] / region["n_voxels"] if region["n_voxels"] else 0.0,
    }


def _one_or_many(streams: list[dict[str, Any]], name: str) -> Any:
    values = {stream[name] for stream in streams}
    if len(values) > 1:
        return "differs from chunk to chunk"
    return values.pop() if values else None


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        where = box_text(tuple((start, stop) for start, stop in value["box"]))
        chunk = f" of chunk {tuple(value['chunk'])}" if "chunk" in value else ""
        volume = volume_text(value.get("volume_mm3"))
        return f"{value['n_voxels']} voxels{volume} in {where}{chunk}, up to {value['peak']:.6g}"
    if isinstance(value, list):
        return " x ".join(_text(item) for item in value)
    return str(value)


def _line(stream: dict[str, Any]) -> str:
    place = "" if stream["chunk"] is None else f"{tuple(stream['chunk'])} "
    box = box_text(tuple((start, stop) for start, stop in stream["box"]))
    notice = f" ({stream['notice']})" if stream["notice"] else ""
    return (
        f"{place}{_text(stream['shape'])} {stream['dtype']} order {stream['order']}, {box}, "
        f"{stream['roi']} with {100 * stream['kept_share']:.1f} % kept, {stream['inner']}{notice}, "
        f"threshold {_text(stream['threshold'])}, background {stream['background']}, miss rate "
        f"{stream['miss_rate']:.2g}, {stream['payload_nbytes']} of {stream['nbytes']} bytes payload"
    )
