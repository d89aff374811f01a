"""Methods that are compared: a literal table of codecs and levels, and how a user adds to it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medroi import inner
from medroi.errors import InvalidArgument

# Our rebuilding of the published "JPEG2000-3D", which is neither an inner codec nor JPEG 2000.
PEER = "published-wavelet"
# Settings that say how good a lossy codec is, one of which can be searched.
QUALITIES = ("rate", "step", "quality", "psnr")


@dataclasses.dataclass(frozen=True)
class Published:
    """Settings of a method in the publication's scripts.

    Attributes
    ----------
    coder : str
        Name in `medroi.compare.published_coders`; ``inner`` runs MedROI's own inner codec.
    value : float
        Its quality setting.
    bytes_per_voxel : (int, int) or None
        Numerator of the compression ratio, of the full volume and of the region; None is the size
        of the scan's file.
    """

    coder: str
    value: float = 0.0
    bytes_per_voxel: tuple[int, int] | None = (1, 1)


@dataclasses.dataclass(frozen=True)
class Method:
    """One codec at one level.

    Attributes
    ----------
    inner, level : str
        As in `ResultRow`.
    config : mapping
        The inner codec's configuration; of `PEER`, its ``step``.
    searched : str
        The setting that the matched-quality comparison varies; empty for lossless codecs.
    published : Published, optional
        Present where the publication has the method.
    needs_weights : bool
        Whether nothing runs before the user gives weights.
    on_request : bool
        Whether it runs only where it is asked for by ``--inner``: it trains on each scan.
    """

    inner: str
    level: str
    config: Mapping[str, Any]
    searched: str = ""
    published: Published | None = None
    needs_weights: bool = False
    on_request: bool = False

    @property
    def label(self) -> str:
        """Name for `--methods`."""
        return f"{self.inner}/{self.level}"

    def at(self, value: float) -> Method:
        """The same codec at another quality."""
        whole = self.searched == "quality"
        # Other settings of quality would contradict this one.
        kept = {key: set_to for key, set_to in self.config.items() if key not in QUALITIES}
        config = {**kept, self.searched: int(value) if whole else float(value)}
        return dataclasses.replace(self, config=config)


def _learned(name: str, published: Published | None, **config: Any) -> Method:
    return Method(name, "weights", {"id": name, **config}, "", published, needs_weights=True)


METHODS = (
    Method("zstd", "lossless", {"id": "zstd"}),
    Method("predict3d", "fast", {"id": "predict3d", "level": "fast"}),
    Method("predict3d", "dense", {"id": "predict3d", "level": "dense"}),
    Method("predict3d", "max", {"id": "predict3d", "level": "max"}),
    Method("jpeg2000", "lossless", {"id": "jpeg2000"}),
    # The published levels 1, 3 and 5.
    Method(
        "jpeg2000",
        "rate 100",
        {"id": "jpeg2000", "rate": 100.0},
        "rate",
        Published("pillow-jpeg2000", 100.0),
    ),
    Method(
        "jpeg2000",
        "rate 20",
        {"id": "jpeg2000", "rate": 20.0},
        "rate",
        Published("pillow-jpeg2000", 20.0),
    ),
    Method(
        "jpeg2000",
        "rate 5",
        {"id": "jpeg2000", "rate": 5.0},
        "rate",
        Published("pillow-jpeg2000", 5.0),
    ),
    # Driven by quality: at matched quality it tells a region's gain from that of rate control.
    Method("jpeg2000", "psnr 45", {"id": "jpeg2000", "psnr": 45.0}, "psnr"),
    Method("wavelet3d", "psnr 40", {"id": "wavelet3d", "psnr": 40.0}, "step"),
    Method("wavelet3d", "psnr 45", {"id": "wavelet3d", "psnr": 45.0}, "step"),
    Method("wavelet3d", "psnr 50", {"id": "wavelet3d", "psnr": 50.0}, "step"),
    # The published levels 1, 3 and 5 of the 3-D wavelet that it calls JPEG2000-3D.
    Method(PEER, "step 1", {"id": PEER, "step": 1.0}, "step", Published(PEER, 1.0)),
    Method(PEER, "step 5", {"id": PEER, "step": 5.0}, "step", Published(PEER, 5.0)),
    Method(PEER, "step 20", {"id": PEER, "step": 20.0}, "step", Published(PEER, 20.0)),
    # The published levels 1 and 3.
    Method(
        "heif", "quality 20", {"id": "heif", "quality": 20}, "quality", Published("pillow-heif", 20)
    ),
    Method(
        "heif", "quality 60", {"id": "heif", "quality": 60}, "quality", Published("pillow-heif", 60)
    ),
    _learned("tcm", Published("inner", bytes_per_voxel=None)),
    _learned("tcm_auxt", Published("inner", bytes_per_voxel=(1, 1))),
    _learned("bcmnet", Published("inner", bytes_per_voxel=(2, 4))),
    # Measuring stores nothing that could be taken for the scan; whoever gives weights knows.
    _learned("hific", None, acknowledge_generative=True),
    Method(
        "sirenmri",
        "trained on each scan",
        {"id": "sirenmri"},
        published=Published("inner", bytes_per_voxel=(8, 8)),
        on_request=True,
    ),
    _learned("compressai", None),
    dataclasses.replace(_learned("neural2d", None, step=1.0), searched="step"),
)


def select(
    names: Iterable[str] = (),
    weights: Iterable[tuple[str, str]] = (),
    extra: Iterable[str | Mapping[str, Any]] = (),
) -> tuple[Method, ...]:
    """The methods of one comparison.

    Parameters
    ----------
    names : iterable of str
        ``inner`` or ``inner/level``; none is the whole table.
    weights : iterable of (str, str)
        A learned codec and the path of its weights; each gives a level of the file's name.
    extra : iterable of str or mapping
        Inner codecs that are not in the table, as `MedROI` takes them.

    Raises
    ------
    InvalidArgument
        For names that are not in the table.
    """
    wanted, given = list(names), list(weights)
    learned = {method.inner for method in METHODS if method.needs_weights}
    for name, _ in given:
        if name not in learned:
            raise InvalidArgument(
                f"weights of {name!r}: expected one of {', '.join(sorted(learned))}"
            )
    table = [made for method in METHODS for made in _weighted(method, given)]
    for name in wanted:
        if not any(name in (method.inner, method.label) for method in table):
            labels = ", ".join(method.label for method in table)
            raise InvalidArgument(f"method {name!r}: expected an inner codec or one of {labels}")
    chosen = [m for m in table if not wanted or m.inner in wanted or m.label in wanted]
    return (*chosen, *map(_foreign, extra))


def _weighted(method: Method, weights: list[tuple[str, str]]) -> list[Method]:
    paths = [path for name, path in weights if name == method.inner]
    if not method.needs_weights or not paths:
        return [method]
    return [
        dataclasses.replace(
            method,
            level=Path(path).stem,
            config={**method.config, "weights": Path(path).resolve()},
            needs_weights=False,
        )
        for path in paths
    ]


def _foreign(codec: str | Mapping[str, Any]) -> Method:
    """A method for a codec of the user's; its options are its level."""
    config = {"id": codec} if isinstance(codec, str) else dict(codec)
    options = [f"{key} {value}" for key, value in config.items() if key != "id"]
    searched = next((name for name in QUALITIES if name in config), "")
    name = str(config["id"])
    published = next((m.published for m in METHODS if m.on_request and m.inner == name), None)
    return Method(name, " ".join(options) or "default", config, searched, published)


def missing(method: Method) -> str:
    """Why a method cannot run here, whatever the scan; empty where it can."""
    if method.needs_weights:
        return f"needs weights: --weights {method.inner}=PATH"
    if method.on_request:
        return f"takes minutes to hours for each scan: ask for it with --inner {method.inner}"
    if method.inner == PEER:
        return "" if find_spec("pywt") else "not installed: pip install PyWavelets"
    entry = inner.entry_of(method.inner)
    if entry is not None and not inner.is_available(entry):
        return entry.problem() or f"not installed: {entry.load().install}"
    return ""


def settings_text(config: Mapping[str, Any]) -> str:
    """A configuration as JSON; of a path to weights only the file's name."""
    shown = {
        key: Path(value).name if key == "weights" else value
        for key, value in config.items()
        if value is not None
    }
    return json.dumps(shown, sort_keys=True)
