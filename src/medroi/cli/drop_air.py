"""``medroi drop-air STORE...``."""

from __future__ import annotations

import argparse
import json
from typing import Any

_DESCRIPTION = """\
Delete the air that `medroi pack --air keep` kept aside, once the scan in the same store was read
and found whole. What is outside the region cannot be recovered afterwards."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "drop-air", help="delete the air kept beside packed scans", description=_DESCRIPTION
    )
    parser.add_argument(
        "stores", metavar="STORE", nargs="+", help="a Zarr array packed with --air keep"
    )
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Delete the air of each store, and say so; the first that is not whole ends it."""
    from medroi.scans import drop_air

    reports = []
    for store in args.stores:
        reports.append(drop_air(store, progress=True))
        if not args.json:
            print(reports[-1])
    if args.json:
        print(json.dumps([report.to_json() for report in reports]))
