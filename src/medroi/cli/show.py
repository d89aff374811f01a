"""``medroi show SRC [-o PICTURE]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from medroi.cli.pack import (
    add_region_arguments,
    background_argument,
    inner_argument,
    settings_of,
    threshold_argument,
)

_DESCRIPTION = """\
Say what `medroi pack` with the same options would keep of a scan and what it would drop, or what a
packed Zarr array gives back. With -o, draw it: three planes through the middle of the region, what
is dropped tinted, tissue that is dropped red."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "show", help="what a setting keeps of a scan, as a picture", description=_DESCRIPTION
    )
    parser.add_argument(
        "source", metavar="SRC", help="a scan as for pack, or a packed Zarr array (no options then)"
    )
    parser.add_argument(
        "-o", "--output", metavar="PICTURE", help="a .png, .pdf or .svg file; replaced if it exists"
    )
    parser.add_argument(
        "--at",
        type=voxel_argument,
        metavar="N,N,N",
        help="voxel through which the planes go (default: the middle of the region)",
    )
    parser.add_argument(
        "--beside",
        type=beside_argument,
        action="append",
        default=[],
        metavar="key=value,...",
        help="another setting to compare with, by what it changes: threshold=otsu,padding=0; "
        "lossless is one too; may be given several times",
    )
    add_region_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the numbers and draw the picture."""
    from medroi.scans import show

    previews = show(
        args.source,
        args.output,
        lossless=args.lossless,
        at=args.at,
        beside=args.beside,
        **settings_of(args),
    )
    if args.json:
        found = [preview.to_json() for preview in previews]
        print(json.dumps(found, allow_nan=False))
    else:
        print("\n\n".join(map(str, previews)))


def voxel_argument(text: str) -> tuple[int, ...]:
    """Read one whole number per axis of the volume."""
    try:
        return tuple(int(item) for item in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no voxel such as 80,96,60") from None


# What can be changed in a setting beside the first, and how its value is read.
_CHANGES: dict[str, Callable[[str], Any]] = {
    "threshold": threshold_argument,
    "roi": str,
    "components": str,
    "polarity": str,
    "background": background_argument,
    "padding": int,
    "max_miss_rate": float,
    "inner": inner_argument,
}


def beside_argument(text: str) -> dict[str, Any]:
    """Read ``key=value,...``, or lossless."""
    if text == "lossless":
        return {"threshold": None}
    changed = {}
    for item in text.split(","):
        key, _, value = item.partition("=")
        key = key.replace("-", "_")
        if key not in _CHANGES:
            raise argparse.ArgumentTypeError(
                f"{item!r} in {text!r}: expected lossless or key=value with a key of "
                f"{', '.join(_CHANGES)}"
            )
        try:
            changed[key] = _CHANGES[key](value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{item!r}: {value!r} is not a number") from None
    return changed
