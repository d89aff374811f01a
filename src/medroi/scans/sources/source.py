"""Facts that a store keeps of a file that a scan came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from medroi.errors import InvalidArgument

ROLES = ("image", "sidecar")
PLAIN: dict[str, Any] = {"kind": "plain"}
# A container whose bytes nobody here makes again; the contents come back all the same.
OTHER: dict[str, Any] = {"kind": "other"}

# A part of the header, voxels or footer of a scan, from one byte to another.
Piece = tuple[str, int, int]

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Evidence:
    """Facts of a compressed file that tell early whether settings make it again.

    Attributes
    ----------
    container : dict
        The container without these settings.
    head : bytes
        The first bytes of the file.
    marks : tuple of int
        CRC-32 of the file from its start up to each multiple of `reading.MARK_NBYTES`.
    """

    container: dict[str, Any]
    head: bytes
    marks: tuple[int, ...]


@dataclass(frozen=True)
class SourceFile:
    """One file that a scan came from.

    Attributes
    ----------
    name : str
        As it was found, relative to what was packed, with ``/`` between folders.
    nbytes : int
        Of the file.
    sha256 : str
        Of the file.
    contents_sha256 : str
        Of what the file holds uncompressed.
    role : str
        ``"image"`` or ``"sidecar"``.
    container : dict
        JSON-able, how the file is made of its contents: ``{"kind": "plain"}``, ``"gzip"``,
        ``"bzip2"``, ``"xz"`` or ``"zstd"`` with settings, or ``{"kind": "other"}``, where nothing
        here makes these bytes again; ``"is_exact": False`` is in one that makes other bytes of the
        same contents.
    pieces : tuple of (str, int, int)
        What its contents are put together from: ``"header"``, ``"voxels"`` or ``"footer"`` of the
        scan, from one byte to another. None are the whole of these three.
    evidence : Evidence or None
        Where the settings of the container are still to be found; never stored.
    """

    name: str
    nbytes: int
    sha256: str
    contents_sha256: str
    role: str = "image"
    container: dict[str, Any] = field(default_factory=lambda: dict(PLAIN))
    pieces: tuple[Piece, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def comes_back(self) -> bool:
        """Whether the very bytes of the file can be made of its contents."""
        return bool(self.container["kind"] != "other" and self.container.get("is_exact", True))

    def to_json(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "name": self.name,
            "nbytes": self.nbytes,
            "sha256": self.sha256,
            "contents_sha256": self.contents_sha256,
            "role": self.role,
            "container": self.container,
            **({"pieces": [list(piece) for piece in self.pieces]} if self.pieces else {}),
        }


def source_of_json(value: Any) -> SourceFile:
    """Read what `SourceFile.to_json` made, whatever became of it.

    Raises
    ------
    InvalidArgument
        Where it is damaged, or its name leads out of the folder it is unpacked to.
    """
    try:
        container = dict(value["container"])
        found = SourceFile(
            name=str(value["name"]),
            nbytes=int(value["nbytes"]),
            sha256=str(value["sha256"]),
            contents_sha256=str(value["contents_sha256"]),
            role=str(value["role"]),
            container={**container, "kind": str(container["kind"])},
            pieces=tuple(_piece(*piece) for piece in value.get("pieces", ())),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(f"the list of source files is damaged ({error})") from error
    if not is_inside(found.name):
        raise InvalidArgument(f"{found.name!r} is no name of a source file inside its folder")
    digests = (found.sha256, found.contents_sha256)
    if found.role not in ROLES or found.nbytes < 0 or not all(map(_SHA256.fullmatch, digests)):
        raise InvalidArgument(f"what is said of the source file {found.name!r} is damaged")
    return found


def _piece(name: Any, start: Any, stop: Any) -> Piece:
    if name not in ("header", "voxels", "footer") or not 0 <= int(start) <= int(stop):
        raise ValueError(f"a piece {name!r} from {start} to {stop}")
    return name, int(start), int(stop)


def is_inside(name: str) -> bool:
    """Whether a relative name stays within its folder on every system."""
    parts = name.split("/")
    return all(part not in ("", ".", "..") for part in parts) and not any(
        character in name for character in "\\\0"
    )
