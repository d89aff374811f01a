"""``medroi check STORE... [--against SRC]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from medroi.cli.archive import add_source_storage_argument, add_storage_argument
from medroi.cli.pack import add_memory_argument
from medroi.errors import MedROIError

_DESCRIPTION = """\
Read packed scans, decode every chunk and compare header, voxels and stored bytes with the digests
that pack wrote into the store. Ends with status 1 where anything differs; the other stores are
checked all the same. Where STORE is an archive (of `medroi archive`), every store and file of it is
read and compared with its journal."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check", help="whether packed scans are whole", description=_DESCRIPTION
    )
    parser.add_argument(
        "stores",
        metavar="STORE",
        nargs="+",
        help="a Zarr array, FILE.h5[/NAME] (without a name all scans of the file), or an archive",
    )
    parser.add_argument(
        "--against",
        metavar="SRC",
        help="the scan that was packed: compare header and kept voxels with it too",
    )
    parser.add_argument(
        "--sample",
        type=float,
        default=1.0,
        metavar="P",
        help="of an archive: read this share of what is in it, from 0 to 1 (default: 1)",
    )
    add_storage_argument(parser, "an archive")
    add_source_storage_argument(parser)
    add_memory_argument(parser)
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Check all of them, and print what is found."""
    from medroi.archives.places import OWN, is_url
    from medroi.scans.checking import stores_in

    reports: list[dict[str, Any]] = []
    errors: list[BaseException] = []
    n_checked = 0
    for name in args.stores:
        is_archive = is_url(name) or Path(name, OWN).is_dir()
        try:
            stores: list[Path | str] = [name] if is_archive else [*stores_in(Path(name))]
        except (MedROIError, OSError) as error:
            errors.append(error)
            n_checked += 1
            continue
        for store in stores:
            n_checked += 1
            try:
                report = _checked_archive(store, args) if is_archive else _checked(store, args)
                reports.append(report.to_json())
                if not args.json:
                    print(report)
                if is_archive and report.problems:
                    raise MedROIError(f"{name}: {len(report.problems)} are not whole")
            except (MedROIError, OSError, MemoryError) as error:
                errors.append(error)
    if args.json:
        print(json.dumps(reports))
    if n_checked == 1 and errors:
        raise errors[0]
    for failed in errors:
        print(f"medroi: error: {' '.join(str(failed).split())}", file=sys.stderr)
    if errors:
        raise MedROIError(f"{len(errors)} of {n_checked} are not whole")


def _checked(store: Path | str, args: argparse.Namespace) -> Any:
    from medroi.scans import check

    return check(store, against=args.against, progress=True, memory=args.memory)


def _checked_archive(place: Path | str, args: argparse.Namespace) -> Any:
    from medroi.archives import check_archive

    return check_archive(
        place,
        against=args.against,
        sample=args.sample,
        progress=True,
        place_options=args.storage,
        source_options=args.source_storage,
        memory=args.memory,
    )
