"""Inner codecs by name and by id: the table of our own, and those that packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from medroi.errors import InnerUnavailable, InvalidArgument, UnknownInner, UnsupportedVersion
from medroi.inner import registry
from medroi.inner.base import Block, InnerCodec, NativeCodec, typed
from medroi.inner.registry import Entry
from medroi.inner.spelling import named

__all__ = [
    "TABLE",
    "Block",
    "Entry",
    "InnerCodec",
    "by_id",
    "config_of",
    "entries",
    "entry_of",
    "is_available",
    "known_and_newer",
    "make",
    "name_of",
    "notice_of",
]

TABLE = (
    Entry(0, "raw", "medroi.inner.raw:Raw"),
    Entry(1, "deflate", "medroi.inner.deflate:Deflate"),
    Entry(2, "zstd", "medroi.inner.zstd:Zstd"),
    Entry(3, "jpeg2000", "medroi.inner.jpeg2000.codec:Jpeg2000"),
    Entry(4, "wavelet3d", "medroi.inner.wavelet3d:Wavelet3D"),
    Entry(5, "predict3d", "medroi.inner.predict3d:Predict3D"),
    Entry(16, "heif", "medroi.inner.heif:Heif"),
    Entry(17, "numcodecs", "medroi.inner.numcodecs.codec:Numcodecs"),
)


def _owners() -> dict[str, str]:
    """Names that no package may take, and whose they are."""
    from medroi.inner.numcodecs.table import KNOWN, PACKAGES

    owners = dict.fromkeys((*KNOWN, *PACKAGES), "numcodecs")
    return owners | {entry.name: registry.OWN_PACKAGE for entry in TABLE}


def _packaged() -> tuple[Entry, ...]:
    """The codecs that packages bring, our own learned ones among them."""
    return registry.entries(frozenset(_owners().items()))


def entries() -> tuple[Entry, ...]:
    """All inner codecs of this installation, those that cannot be used among them."""
    own = {entry.codec_id for entry in TABLE}
    return (*TABLE, *(entry for entry in _packaged() if entry.codec_id not in own))


def entry_of(key: int | str) -> Entry | None:
    """The inner codec with this id or name; one that can be used before one that cannot."""
    field = "codec_id" if isinstance(key, int) else "name"
    for entry in TABLE:
        if getattr(entry, field) == key:
            return entry
    if key in _owners():
        return None
    found = [entry for entry in _packaged() if getattr(entry, field) == key]
    return min(found, key=lambda entry: bool(entry.refusal), default=None)


def name_of(codec_id: int) -> str:
    """Name of an inner codec; `id N` for one that this installation does not know."""
    entry = entry_of(codec_id)
    return f"id {codec_id}" if entry is None else entry.name


def notice_of(key: int | str) -> str:
    """Warning to display with every stream of the inner codec of this id or name; mostly none."""
    entry = entry_of(key)
    return "" if entry is None or entry.problem() else entry.load().notice


def by_id(codec_id: int) -> type[InnerCodec]:
    """The class of the inner codec with this id.

    Raises
    ------
    UnsupportedVersion
        For ids of ours that this version does not know.
    UnknownInner
        For ids of a package that is not installed.
    InnerUnavailable
        For ids of a package that cannot be used.
    """
    entry = entry_of(codec_id)
    if entry is not None:
        return entry.load()
    if codec_id in registry.FREE_IDS:
        raise UnknownInner(
            f"the stream's inner codec has id {codec_id}, which is of a package other than medroi; "
            "none that is installed here has it: install the package that the stream was written "
            "with (the array's configuration names it; `medroi codecs` lists those installed)"
        )
    known = ", ".join(f"{entry.codec_id} {entry.name}" for entry in entries() if not entry.refusal)
    raise UnsupportedVersion(
        f"the stream's inner codec has id {codec_id}; this version knows {known}: upgrade medroi"
    )


def make(inner: str | Mapping[str, Any] | InnerCodec | Any) -> InnerCodec:
    """An inner codec from its name, its configuration, or itself.

    Parameters
    ----------
    inner : str, mapping, InnerCodec or numcodecs codec
        For example "zstd" or {"id": "zstd", "level": 9}; Zarr format 3 spells the same
        {"name": "zstd", "configuration": {"level": 9}}. A codec of numcodecs or of zarr, its
        configuration, or an id that is not known here, becomes inner codec `numcodecs`.

    Raises
    ------
    InvalidArgument
        For unknown names and settings.
    InnerUnavailable
        For a codec of a package that is not installed, or cannot be used.
    """
    if isinstance(inner, InnerCodec):
        return inner
    if not hasattr(inner, "get_config") and hasattr(inner, "to_dict"):
        inner = inner.to_dict()  # a codec of zarr
    if not isinstance(inner, (str, Mapping)):
        return _foreign(inner)
    config = {"id": inner} if isinstance(inner, str) else named(inner)
    name = config.get("id")
    entry = entry_of(name) if isinstance(name, str) else None
    if entry is None:
        return _foreign(config)
    del config["id"]
    if entry.package != registry.OWN_PACKAGE:
        config.pop("package", None)
    return _configure(entry.load(), config)


def config_of(codec: InnerCodec) -> dict[str, Any]:
    """Name and settings of an inner codec, fit for JSON, and the package that it comes from.

    An error then names what a reader without that package has to install. Our own codecs name none.
    """
    config = codec.config()
    entry = entry_of(codec.codec_id)
    if entry is None or entry.package == registry.OWN_PACKAGE or entry.name != codec.name:
        return config
    return {"id": config["id"], "package": entry.package, **config}


def known_and_newer(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split an inner codec's configuration into what its class has and what a newer one added."""
    plain_config = named(config)
    name = plain_config.get("id")
    entry = entry_of(name) if isinstance(name, str) else None
    if entry is None or entry.problem():
        return plain_config, {}
    codec = entry.load()
    known = {"id", "package", *(field.name for field in _fields(codec)), *codec.earlier_names()}
    if entry.package == registry.OWN_PACKAGE:
        known.discard("package")
    newer = {key: value for key, value in plain_config.items() if key not in known}
    return {key: value for key, value in plain_config.items() if key in known}, newer


def _foreign(codec: Any) -> InnerCodec:
    """A codec of numcodecs' registry; a name that nobody knows is an error of the argument."""
    from medroi.inner.numcodecs.codec import Numcodecs
    from medroi.inner.numcodecs.table import package_of

    if isinstance(codec, Mapping) and "package" in codec:
        raise registry.not_installed(str(codec.get("id")), codec["package"])
    try:
        return Numcodecs(codec)
    except InnerUnavailable as error:
        name = codec.get("id") if isinstance(codec, Mapping) else codec
        if package_of(str(name)):
            raise
        known = ", ".join(entry.name for entry in entries() if not entry.refusal)
        raise InvalidArgument(
            f"inner codec {name!r} is not known; known are {known}, and every codec of numcodecs"
        ) from error


def _fields(codec: type[InnerCodec]) -> tuple[Field[Any], ...]:
    return fields(codec)  # type: ignore[arg-type]


def _with_present_names(codec: type[InnerCodec], config: dict[str, Any]) -> dict[str, Any]:
    """The settings by the names that they have now."""
    config = dict(config)
    for earlier, name in codec.earlier_names().items():
        if {earlier, name} <= set(config):
            raise InvalidArgument(
                f"{codec.name}: {name}, of which {earlier} is an earlier name, is given twice"
            )
        if earlier in config:
            config[name] = config.pop(earlier)
    return config


def _configure(codec: type[InnerCodec], config: dict[str, Any]) -> InnerCodec:
    config = _with_present_names(codec, config)
    known = {field.name: field for field in _fields(codec)}
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise InvalidArgument(
            f"{codec.name} has no setting {', '.join(unknown)}; "
            f"its settings are {', '.join(known) or 'none'}"
        )
    return codec(**{name: typed(codec.name, known[name], value) for name, value in config.items()})


def is_available(entry: Entry) -> bool:
    """Whether this installation can run the codec."""
    from importlib.util import find_spec

    if entry.problem():
        return False
    codec = entry.load()
    if issubclass(codec, NativeCodec) and codec.is_native():
        return True
    return not codec.needs or find_spec(codec.needs) is not None
