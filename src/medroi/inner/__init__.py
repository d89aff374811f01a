"""The literal table of inner codecs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from medroi.errors import InvalidArgument, UnsupportedVersion
from medroi.inner.base import Block, InnerCodec, NativeCodec

__all__ = ["TABLE", "Block", "Entry", "InnerCodec", "by_id", "is_available", "make", "name_of"]


@dataclass(frozen=True)
class Entry:
    """One inner codec.

    Attributes
    ----------
    codec_id : int
        In every stream; frozen for ever.
    name : str
        In every configuration; frozen for ever.
    kind : str
        What it keeps.
    module, class_name : str
        Where the class is; imported when it is first asked for.
    needs : str
        Package to import for it in Python; empty where none is needed.
    install : str
        The command that brings it; empty where it is always there.
    """

    codec_id: int
    name: str
    kind: str
    module: str
    class_name: str
    needs: str = ""
    install: str = ""


TABLE = (
    Entry(0, "raw", "lossless", "medroi.inner.raw", "Raw"),
    Entry(1, "deflate", "lossless", "medroi.inner.deflate", "Deflate"),
    Entry(2, "zstd", "lossless", "medroi.inner.zstd", "Zstd"),
    Entry(4, "wavelet3d", "lossy", "medroi.inner.wavelet3d", "Wavelet3D"),
    Entry(5, "predict3d", "lossless", "medroi.inner.predict3d", "Predict3D"),
)


def _load(entry: Entry) -> type[InnerCodec]:
    codec: type[InnerCodec] = getattr(import_module(entry.module), entry.class_name)
    return codec


def name_of(codec_id: int) -> str:
    """Name of an inner codec; `id N` for one that this version does not know."""
    return next((entry.name for entry in TABLE if entry.codec_id == codec_id), f"id {codec_id}")


def by_id(codec_id: int) -> type[InnerCodec]:
    """The class of the inner codec with this id.

    Raises
    ------
    UnsupportedVersion
        For ids that this version does not know.
    """
    for entry in TABLE:
        if entry.codec_id == codec_id:
            return _load(entry)
    known = ", ".join(f"{entry.codec_id} {entry.name}" for entry in TABLE)
    raise UnsupportedVersion(
        f"the stream's inner codec has id {codec_id}; this version knows {known}: upgrade medroi"
    )


def make(inner: str | Mapping[str, Any] | InnerCodec) -> InnerCodec:
    """An inner codec from its name, its configuration, or itself.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        For example "zstd" or {"id": "zstd", "level": 9}.

    Raises
    ------
    InvalidArgument
        For unknown names and settings.
    """
    if isinstance(inner, InnerCodec):
        return inner
    config = {"id": inner} if isinstance(inner, str) else dict(inner)
    name = config.pop("id", None)
    for entry in TABLE:
        if entry.name == name:
            return _configure(_load(entry), config)
    known = ", ".join(entry.name for entry in TABLE)
    raise InvalidArgument(f"inner codec {name!r} is not known; known are {known}")


def _configure(codec: type[InnerCodec], config: dict[str, Any]) -> InnerCodec:
    known = [field.name for field in fields(codec)]  # type: ignore[arg-type]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise InvalidArgument(
            f"{codec.name} has no setting {', '.join(unknown)}; "
            f"its settings are {', '.join(known) or 'none'}"
        )
    return codec(**config)


def is_available(entry: Entry) -> bool:
    """Whether this installation can run the codec."""
    from importlib.util import find_spec

    codec = _load(entry)
    if issubclass(codec, NativeCodec) and codec.is_native():
        return True
    return not entry.needs or find_spec(entry.needs) is not None
