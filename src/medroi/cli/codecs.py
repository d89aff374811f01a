"""``medroi codecs``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from medroi import inner
from medroi.inner.base import NativeCodec


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "codecs",
        help="the inner codecs and how to get the missing ones",
        description="List the inner codecs: what each is, the package that brings it, and whether "
        "it can be used here. Other packages may bring codecs too; one that is broken is listed "
        "with what is wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    rows = [_row(entry) for entry in inner.entries()]
    if args.json:
        print(json.dumps(rows))
        return
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    print("  ".join(name.ljust(width) for name, width in widths.items()).rstrip())
    for row in rows:
        print("  ".join(str(row[name]).ljust(width) for name, width in widths.items()).rstrip())


def _row(entry: inner.Entry) -> dict[str, Any]:
    problem = entry.problem()
    codec = None if problem else entry.load()
    available = inner.is_available(entry)
    return {
        "id": entry.codec_id if entry.codec_id >= 0 else None,
        "name": entry.name,
        "package": entry.package,
        "kind": codec.kind if codec else "-",
        "dtypes": codec.dtypes if codec else "-",
        "dims": codec.dims if codec else "-",
        "runs in": _place(codec) if codec and available else "-",
        "installed": "yes" if available else problem or (codec.install if codec else ""),
    }


def _place(codec: type[inner.InnerCodec]) -> str:
    return "C kernel" if issubclass(codec, NativeCodec) and codec.is_native() else "Python"
