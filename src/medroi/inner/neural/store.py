"""The folder of imported weights: one .npz per set, named by its hash, with a note beside it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from medroi.errors import InvalidArgument
from medroi.inner.neural import known, weights

_NOTE = ".json"


@dataclass(frozen=True)
class Stored:
    """One set of imported weights.

    Attributes
    ----------
    codec : str
        The inner codec that reads it.
    weights : str
        Its hash, 32 hexadecimal digits.
    source : str
        Name of the file that it came from, without folders.
    n_parameters : int
    nbytes : int
        Size of the stored file.
    """

    codec: str
    weights: str
    source: str
    n_parameters: int
    nbytes: int


def recognise(path: Path) -> str:
    """The codec whose weights a file holds.

    Raises
    ------
    InvalidArgument
        Where it holds those of none, with what the nearest misses.
    """
    reasons = []
    for codec in known.RECOGNISED:
        try:
            weights.load(path, known.layout_of(codec))
        except InvalidArgument as error:
            reasons.append(str(error))
            continue
        return codec
    raise InvalidArgument(
        f"{path} holds weights of none of {', '.join(known.RECOGNISED)} ({reasons[0]}); for a "
        "CompressAI model say --codec compressai"
    )


def add(path: Path, codec: str | None = None) -> Stored:
    """Check a checkpoint and keep its tensors in the store.

    Parameters
    ----------
    path : Path
        What the user downloaded or trained.
    codec : str, optional
        The inner codec that it is for; found out where it is not given.

    Raises
    ------
    InvalidArgument, InnerUnavailable
    """
    codec = recognise(path) if codec is None else codec
    if codec not in known.CODECS:
        raise InvalidArgument(f"codec {codec!r}, expected one of {', '.join(known.CODECS)}")
    found = weights.load(path, known.layout_of(codec))
    folder = weights.store_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{found.name}.npz"
    # Written beside and moved, so that nobody ever reads half a file.
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **dict(found.tensors))  # type: ignore[arg-type]
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    stored = Stored(
        codec,
        found.name,
        path.name,
        sum(tensor.size for tensor in found.tensors.values()),
        target.stat().st_size,
    )
    target.with_suffix(_NOTE).write_text(json.dumps(asdict(stored)))
    return stored


def stored() -> list[Stored]:
    """All imported weights."""
    folder = weights.store_folder()
    found = []
    for note in sorted(folder.glob(f"*{_NOTE}")) if folder.is_dir() else []:
        try:
            found.append(Stored(**json.loads(note.read_text())))
        except (ValueError, TypeError):
            continue
    return found


def check_stored(entry: Stored) -> None:
    """Read imported weights again and compare what they are with what they are called.

    Raises
    ------
    InvalidArgument
        Where they have changed or are gone.
    """
    path = weights.store_folder() / f"{entry.weights}.npz"
    found = weights.load(path, known.layout_of(entry.codec))
    if found.name != entry.weights:
        raise InvalidArgument(
            f"{path} holds weights {found.name}: the file has changed; import it again"
        )
