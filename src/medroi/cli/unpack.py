"""``medroi unpack SRC DST``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from medroi.cli.pack import add_memory_argument

_DESCRIPTION = """\
Write a packed scan as the files it came from, or as NIfTI. Where no voxel was dropped they have the
very bytes of those that were packed, SHA-256 checked, and the report says so for each. An array
that other programs wrote with MedROI becomes NIfTI."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "unpack", help="a packed scan back into a file", description=_DESCRIPTION
    )
    parser.add_argument("source", metavar="SRC", help="a packed store, or FILE.h5[/NAME]")
    parser.add_argument(
        "target",
        metavar="DST",
        help="a new file: .nii, .nii.gz or the suffix of what was packed; or a folder (an existing "
        "one, or DST/), in which every file gets its own name",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    add_memory_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Unpack and print what was written."""
    from medroi.scans import unpack

    report = unpack(args.source, args.target, force=args.force, progress=True, memory=args.memory)
    print(json.dumps(report.to_json()) if args.json else report)
