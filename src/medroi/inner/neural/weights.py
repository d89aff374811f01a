"""Weights of networks: read without unpickling, checked, named by what they are."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.inner.forking import ForkSafeLock
from medroi.inner.neural.torch_library import load_torch

VARIABLE = "MEDROI_WEIGHTS"
HASH_NBYTES = 16
_WRAPPERS = ("state_dict", "model_state_dict", "network")
_ENDINGS = (".npz", ".pth", ".pt", ".tar", ".ckpt")
_HASH = re.compile(r"[0-9a-f]{32}")
# Names of the factorized prior before CompressAI 1.2.7, oldest last.
_OLD_NAMES = (
    re.compile(r"(.*entropy_bottleneck\.)_(matrix|bias|factor)(\d)"),
    re.compile(r"(.*entropy_bottleneck\.)_(matrices|biases|factors)\.(\d)"),
)
_PLURALS = {"matrix": "matrices", "bias": "biases", "factor": "factors"}

Tensors = Mapping[str, npt.NDArray[np.float32]]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Layout of the weights of one architecture.

    Attributes
    ----------
    codec : str
        The inner codec's name, for messages.
    shapes : callable
        From the tensors of a checkpoint, the names and shapes of all that must be there.
    ignored : str
        Regular expression of names that may be there and are not read.
    """

    codec: str
    shapes: Callable[[Tensors], Shapes]
    ignored: str = r"(?!)"


@dataclass(frozen=True)
class Weights:
    """Checked weights.

    Attributes
    ----------
    hash : bytes
        16 bytes: what they are called in streams and configurations.
    tensors : mapping of str to ndarray of float32
    """

    hash: bytes
    tensors: Tensors

    @property
    def name(self) -> str:
        """The hash as 32 hexadecimal digits."""
        return self.hash.hex()


def hash_of(tensors: Tensors) -> bytes:
    """The first 16 bytes of a SHA-256 over names, shapes and values (FORMAT.md)."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(name.encode() + b"\0" + bytes([tensor.ndim]))
        digest.update(struct.pack(f"<{tensor.ndim}I", *tensor.shape))
        digest.update(np.ascontiguousarray(tensor, "<f4").tobytes())
    return digest.digest()[:HASH_NBYTES]


def read_checkpoint(path: Path, codec: str) -> dict[str, npt.NDArray[Any]]:
    """All tensors of a file, under the names of today.

    Parameters
    ----------
    path : Path
        What torch.save or numpy.savez wrote. Nothing in it is unpickled but tensors and plain
        containers.
    codec : str
        Who asks, for messages.

    Raises
    ------
    InvalidArgument
        For a file that is missing, unreadable or no checkpoint.
    InnerUnavailable
        Where reading needs PyTorch, which is not installed.
    """
    if not path.is_file():
        raise InvalidArgument(f"{codec}: no file of weights at {path}")
    entries = _read_npz(path, codec) if path.suffix == ".npz" else _read_torch(path, codec)
    return {_today(name): array for name, array in entries.items()}


def _read_npz(path: Path, codec: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InvalidArgument(f"{codec}: {path} is no file of weights: {error}") from error


def _read_torch(path: Path, codec: str) -> dict[str, npt.NDArray[Any]]:
    torch = load_torch(codec)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what PyTorch raises for a bad file is not documented
        first = str(error).strip().partition("\n")[0]
        raise InvalidArgument(
            f"{codec}: {path} is no checkpoint of tensors and plain containers: {first}"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    if not isinstance(found, Mapping):
        raise InvalidArgument(f"{codec}: {path} holds {type(found).__name__}, expected tensors")
    tensors = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    return {
        str(name): (value.float() if value.is_floating_point() else value).numpy()
        for name, value in tensors.items()
    }


def _today(name: str) -> str:
    name = name.removeprefix("module.")
    for pattern in _OLD_NAMES:
        old = pattern.fullmatch(name)
        if old:
            return f"{old[1]}{_PLURALS.get(old[2], old[2])}.{old[3]}"
    return name


def check(tensors: Mapping[str, npt.NDArray[Any]], layout: Layout, origin: str) -> Weights:
    """Weights of an architecture from all tensors of a checkpoint.

    Raises
    ------
    InvalidArgument
        Where tensors are missing, too many, of other shapes or not finite.
    """
    ignored = re.compile(layout.ignored)
    given = {name: array for name, array in tensors.items() if not ignored.fullmatch(name)}
    try:
        shapes = layout.shapes(given)
    except (KeyError, IndexError) as error:
        raise InvalidArgument(
            f"{layout.codec}: {origin} holds weights of another network: no tensor {error}"
        ) from error
    odd = sorted(set(shapes) ^ set(given))
    if odd:
        what = "misses" if odd[0] in shapes else "has the unknown"
        raise InvalidArgument(
            f"{layout.codec}: {origin} holds weights of another network: it {what} tensor "
            f"{odd[0]} ({len(odd)} names differ)"
        )
    for name, shape in shapes.items():
        if given[name].shape != tuple(shape):
            raise InvalidArgument(
                f"{layout.codec}: {origin}: tensor {name} has shape {given[name].shape}, "
                f"expected {tuple(shape)}"
            )
        if not np.isfinite(given[name]).all():
            raise InvalidArgument(f"{layout.codec}: {origin}: tensor {name} has NaN or infinity")
    kept = {name: np.ascontiguousarray(given[name], np.float32) for name in shapes}
    return Weights(hash_of(kept), kept)


class _Seen:
    """Where this process saw which weights: a memo of files that were read."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock(wait=True)
        self._hashes: dict[tuple[str, str, int, int], bytes] = {}

    @staticmethod
    def _key(path: Path, codec: str) -> tuple[str, str, int, int]:
        status = path.stat()
        return codec, str(path.resolve()), status.st_size, status.st_mtime_ns

    def note(self, path: Path, codec: str, weights_hash: bytes) -> None:
        with self._lock:
            self._hashes[self._key(path, codec)] = weights_hash

    def hash_of(self, path: Path, codec: str) -> bytes | None:
        with self._lock:
            return self._hashes.get(self._key(path, codec))

    def paths_of(self, codec: str, weights_hash: bytes) -> list[Path]:
        with self._lock:
            keys = [key for key, value in self._hashes.items() if value == weights_hash]
        return [Path(key[1]) for key in keys if key[0] == codec]


_seen = _Seen()


def load(path: Path, layout: Layout) -> Weights:
    """The weights in a file that the user names; this process finds them by hash from now on.

    Raises
    ------
    InvalidArgument, InnerUnavailable
    """
    weights = check(read_checkpoint(path, layout.codec), layout, str(path))
    _seen.note(path, layout.codec, weights.hash)
    return weights


def hash_at(path: Path, layout: Layout) -> bytes:
    """The hash of the weights in a file; a file that did not change is read once.

    Raises
    ------
    InvalidArgument, InnerUnavailable
    """
    known = _seen.hash_of(path, layout.codec) if path.is_file() else None
    return known if known is not None else load(path, layout).hash


def hash_meant(weights: Path | str, layout: Layout) -> bytes:
    """The hash of the weights that a setting means: those of a file, or those it spells.

    Raises
    ------
    InvalidArgument, InnerUnavailable
    """
    if isinstance(weights, os.PathLike):
        return hash_at(Path(weights), layout)
    return parse_name(layout.codec, weights)


def store_folder() -> Path:
    """Where `medroi weights import` keeps files: below the user's data folder."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "medroi" / "weights"


def parse_name(codec: str, name: str) -> bytes:
    """The hash that 32 hexadecimal digits spell.

    Raises
    ------
    InvalidArgument
        For anything else; a path in particular, since configurations travel with files.
    """
    if not isinstance(name, str) or not _HASH.fullmatch(name):
        raise InvalidArgument(
            f"{codec}: weights={name!r}, expected a pathlib.Path to a checkpoint, or the 32 "
            f"hexadecimal digits that `medroi weights list` shows; a path as text is refused, "
            "because configurations travel inside files"
        )
    return bytes.fromhex(name)


def find(weights_hash: bytes, layout: Layout) -> Weights:
    """Weights by hash: those this process read, those of MEDROI_WEIGHTS, those imported.

    Raises
    ------
    InnerUnavailable
        Where they are nowhere, naming what to get.
    """
    for path in _candidates(weights_hash, layout.codec):
        known = _seen.hash_of(path, layout.codec)
        if known is not None and known != weights_hash:
            continue
        try:
            weights = load(path, layout)
        except InvalidArgument:
            continue
        if weights.hash == weights_hash:
            return weights
    raise InnerUnavailable(
        f"{layout.codec} weights {weights_hash.hex()} are not here: get the checkpoint that wrote "
        f"this stream (`medroi weights list` names the known ones), then `medroi weights import "
        f"FILE`, or set {VARIABLE} to the file or its folder"
    )


def _candidates(weights_hash: bytes, codec: str) -> Iterator[Path]:
    yield from (path for path in _seen.paths_of(codec, weights_hash) if path.is_file())
    places = [Path(place) for place in os.environ.get(VARIABLE, "").split(os.pathsep) if place]
    for place in [*places, store_folder()]:
        if place.is_file():
            yield place
        elif place.is_dir():
            files = sorted(file for file in place.iterdir() if file.suffix in _ENDINGS)
            yield from sorted(files, key=lambda file: weights_hash.hex() not in file.name)


def resolve(weights: Path | str, layout: Layout) -> Weights:
    """The weights that a setting means: a file, or a hash.

    Raises
    ------
    InvalidArgument, InnerUnavailable
    """
    if isinstance(weights, os.PathLike):
        return load(Path(weights), layout)
    return find(parse_name(layout.codec, weights), layout)


def check_named(part_hash: bytes, weights: Weights, codec: str) -> None:
    """Refuse weights that did not write a part.

    Raises
    ------
    CorruptStream
    """
    if part_hash != weights.hash:
        raise CorruptStream(
            f"this {codec} stream needs weights {part_hash.hex()}, found {weights.name}"
        )
