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
        description="List the inner codecs: what each is, and whether it is installed.",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    rows = [_row(entry) for entry in inner.TABLE]
    if args.json:
        print(json.dumps(rows))
        return
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    print("  ".join(name.ljust(width) for name, width in widths.items()).rstrip())
    for row in rows:
        print("  ".join(str(row[name]).ljust(width) for name, width in widths.items()).rstrip())


def _row(entry: inner.Entry) -> dict[str, Any]:
    available = inner.is_available(entry)
    return {
        "id": entry.codec_id,
        "name": entry.name,
        "kind": entry.kind,
        "runs in": _place(entry) if available else "-",
        "installed": "yes" if available else entry.install,
    }


def _place(entry: inner.Entry) -> str:
    codec = inner.by_id(entry.codec_id)
    native = issubclass(codec, NativeCodec) and codec.is_native()
    return "C kernel" if native else "Python"
