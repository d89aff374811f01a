"""The literal table of inner codecs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from medroi.errors import InnerUnavailable, InvalidArgument, UnsupportedVersion
from medroi.inner.base import Block, InnerCodec, NativeCodec
from medroi.inner.spelling import named

__all__ = [
    "TABLE",
    "Block",
    "Entry",
    "InnerCodec",
    "by_id",
    "is_available",
    "make",
    "name_of",
    "notice_of",
]


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
    dtypes : str
        Element types that it takes.
    dims : str
        What it codes at once: 1-D bytes, 2-D slices, 3-D blocks.
    notice : str
        What must be told wherever one of its streams is shown.
    """

    codec_id: int
    name: str
    kind: str
    module: str
    class_name: str
    needs: str = ""
    install: str = ""
    dtypes: str = "all"
    dims: str = "1-D"
    notice: str = ""


TABLE = (
    Entry(0, "raw", "lossless", "medroi.inner.raw", "Raw"),
    Entry(1, "deflate", "lossless", "medroi.inner.deflate", "Deflate"),
    Entry(2, "zstd", "lossless", "medroi.inner.zstd", "Zstd"),
    Entry(
        3,
        "jpeg2000",
        "lossless, rate or psnr",
        "medroi.inner.jpeg2000.codec",
        "Jpeg2000",
        needs="glymur",
        install="pip install medroi[jpeg2000]",
        dtypes="integers and scaled floats of 16 bits",
        dims="2-D",
    ),
    Entry(
        4,
        "wavelet3d",
        "psnr, rate, max_error or step",
        "medroi.inner.wavelet3d",
        "Wavelet3D",
        dtypes="all numbers without NaN",
        dims="1-D to 8-D",
    ),
    Entry(
        5,
        "predict3d",
        "lossless",
        "medroi.inner.predict3d",
        "Predict3D",
        dtypes="all real numbers",
        dims="1-D to 8-D",
    ),
    Entry(
        16,
        "heif",
        "lossless or quality",
        "medroi.inner.heif",
        "Heif",
        needs="pillow_heif",
        install="pip install medroi[heif]",
        dtypes="integers and scaled floats of 12 bits; all numbers with a quality",
        dims="2-D",
    ),
    Entry(
        17,
        "numcodecs",
        "as the codec",
        "medroi.inner.numcodecs.codec",
        "Numcodecs",
        needs="numcodecs",
        install="pip install numcodecs",
        dtypes="as the codec",
        dims="as the codec",
    ),
    Entry(
        32,
        "tcm",
        "lossy, as its weights",
        "medroi.inner.neural.tcm.codec",
        "Tcm",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="all real numbers without NaN",
        dims="2-D",
    ),
    Entry(
        33,
        "tcm_auxt",
        "lossy, as its weights",
        "medroi.inner.neural.tcm.codec",
        "TcmAuxt",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="all real numbers without NaN",
        dims="2-D",
    ),
    Entry(
        34,
        "hific",
        "generative, not diagnostic",
        "medroi.inner.neural.hific.codec",
        "Hific",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="all numbers without NaN",
        dims="2-D",
        notice="generative, not diagnostic",
    ),
    Entry(
        35,
        "bcmnet",
        "lossless",
        "medroi.inner.neural.bcmnet.codec",
        "Bcmnet",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="integers and scaled floats of 16 bits",
        dims="3-D",
    ),
    Entry(
        36,
        "sirenmri",
        "fast or faithful; lossy",
        "medroi.inner.neural.sirenmri.codec",
        "SirenMRI",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="real numbers without NaN",
        dims="1-D to 8-D",
    ),
    Entry(
        37,
        "compressai",
        "as the model, experimental",
        "medroi.inner.neural.compressai_bridge.codec",
        "CompressAI",
        needs="compressai",
        install="pip install 'compressai==1.2.8' 'numpy<2'",
        dtypes="all numbers without NaN",
        dims="2-D",
    ),
    Entry(
        38,
        "neural2d",
        "lossy, as its weights and step",
        "medroi.inner.neural.neural2d.codec",
        "Neural2D",
        needs="torch",
        install="pip install medroi[neural]",
        dtypes="all real numbers without NaN",
        dims="2-D",
    ),
)


def _load(entry: Entry) -> type[InnerCodec]:
    codec: type[InnerCodec] = getattr(import_module(entry.module), entry.class_name)
    return codec


def name_of(codec_id: int) -> str:
    """Name of an inner codec; `id N` for one that this version does not know."""
    return next((entry.name for entry in TABLE if entry.codec_id == codec_id), f"id {codec_id}")


def notice_of(codec_id: int) -> str:
    """What must be told of every stream of an inner codec; mostly nothing."""
    return next((entry.notice for entry in TABLE if entry.codec_id == codec_id), "")


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


def make(inner: str | Mapping[str, Any] | InnerCodec | Any) -> InnerCodec:
    """An inner codec from its name, its configuration, or itself.

    Parameters
    ----------
    inner : str, mapping, InnerCodec or numcodecs codec
        For example "zstd" or {"id": "zstd", "level": 9}; Zarr format 3 spells the same
        {"name": "zstd", "configuration": {"level": 9}}. A codec of numcodecs or of zarr, its
        configuration, or an id that this table does not have, becomes inner codec `numcodecs`.

    Raises
    ------
    InvalidArgument
        For unknown names and settings.
    InnerUnavailable
        For a codec of a package that is not installed.
    """
    if isinstance(inner, InnerCodec):
        return inner
    if not hasattr(inner, "get_config") and hasattr(inner, "to_dict"):
        inner = inner.to_dict()  # a codec of zarr
    if not isinstance(inner, (str, Mapping)):
        return _foreign(inner)
    config = {"id": inner} if isinstance(inner, str) else named(inner)
    name = config.get("id")
    for entry in TABLE:
        if entry.name == name:
            del config["id"]
            return _configure(_load(entry), config)
    return _foreign(config)


def _foreign(codec: Any) -> InnerCodec:
    """A codec of numcodecs' registry; a name that nobody knows is an error of the argument."""
    from medroi.inner.numcodecs.codec import Numcodecs
    from medroi.inner.numcodecs.table import package_of

    try:
        return Numcodecs(codec)
    except InnerUnavailable as error:
        name = codec.get("id") if isinstance(codec, Mapping) else codec
        if package_of(str(name)):
            raise
        known = ", ".join(entry.name for entry in TABLE)
        raise InvalidArgument(
            f"inner codec {name!r} is not known; known are {known}, and every codec of numcodecs"
        ) from error


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
