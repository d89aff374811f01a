"""``medroi weights``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medroi.inner.neural.store import Stored

_DESCRIPTION = """\
Weights of the learned codecs. Nothing is downloaded: get the file from its project, read its
licence, import it. Files are read without unpickling; what is kept is named by a hash of its
tensors, which is also what streams and configurations name."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "weights", help="checkpoints of the learned codecs", description=_DESCRIPTION
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="known public checkpoints, and those imported")
    listing.add_argument("--json", action="store_true", help="print them as JSON")
    listing.set_defaults(run=run_list)
    adding = actions.add_parser("import", help="check a checkpoint and keep its tensors")
    adding.add_argument("file", metavar="FILE", type=Path, help="what you downloaded or trained")
    adding.add_argument("--codec", metavar="NAME", help="found out where it is left off")
    adding.set_defaults(run=run_import)
    checking = actions.add_parser("verify", help="read all imported weights again")
    checking.set_defaults(run=run_check)


def run_list(args: argparse.Namespace) -> None:
    """Print known and imported checkpoints."""
    from medroi.inner.neural import known, store, weights

    imported = store.stored()
    if args.json:
        listed = [asdict(checkpoint) for checkpoint in known.CHECKPOINTS]
        print(json.dumps({"known": listed, "imported": [asdict(entry) for entry in imported]}))
        return
    print("Public checkpoints that this version reads:")
    for checkpoint in known.CHECKPOINTS:
        print(f"  {checkpoint.codec:10}  {checkpoint.title}")
        print(f"  {'':10}  {checkpoint.project}  paper {checkpoint.paper}")
        seen = f"  weights {checkpoint.weights}" if checkpoint.weights else ""
        print(f"  {'':10}  licence {checkpoint.licence}{seen}")
    print(f"\nImported, in {weights.store_folder()}:")
    for entry in imported:
        print(f"  {entry.codec:10}  {entry.weights}  {_size(entry)}  from {entry.source}")
    if not imported:
        print("  none: medroi weights import FILE")


def run_import(args: argparse.Namespace) -> None:
    """Import one file."""
    from medroi.inner.neural import store

    entry = store.add(args.file, args.codec)
    print(f"{entry.codec} weights {entry.weights}, {_size(entry)}")
    print(f'use them as {{"id": "{entry.codec}", "weights": "{entry.weights}"}}')


def run_check(args: argparse.Namespace) -> None:
    """Verify what was imported."""
    from medroi.inner.neural import store

    for entry in store.stored():
        store.check_stored(entry)
        print(f"{entry.codec:10}  {entry.weights}  ok")


def _size(entry: Stored) -> str:
    return f"{entry.n_parameters / 1e6:.1f} M parameters, {entry.nbytes / 1e6:.1f} MB"
