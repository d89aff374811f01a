"""``medroi info PATH``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="what a packed scan or a stream holds",
        description="Say what the streams of a Zarr array, or of a file with one raw stream, hold.",
    )
    parser.add_argument(
        "path", metavar="PATH", help="a Zarr array, FILE.h5[/NAME], or a file with one stream"
    )
    parser.add_argument("--all", action="store_true", help="list every chunk")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Inspect every stream and print it."""
    from medroi.cli.inspecting import print_facts

    print_facts(Path(args.path), as_json=args.json, lists_all=args.all)
