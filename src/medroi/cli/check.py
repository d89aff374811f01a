"""``medroi check STORE... [--against SRC]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

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
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Check all of them, and print what is found."""
    from medroi.scans import check
    from medroi.scans.checking import stores_in

    reports: list[dict[str, Any]] = []
    errors: list[BaseException] = []
    for name in args.stores:
        archive = _checked_archive(name, args)
        if archive is not None:
            if not args.json:
                print(archive)
            if archive.problems:
                errors.append(MedROIError(f"{name}: {len(archive.problems)} are not whole"))
            else:
                reports.append(archive.to_json())
            continue
        given = Path(name)
        try:
            stores = stores_in(given)
        except (MedROIError, OSError) as error:
            errors.append(error)
            continue
        for store in stores:
            try:
                report = check(store, against=args.against, progress=True)
            except (MedROIError, OSError, MemoryError) as error:
                errors.append(error)
                continue
            reports.append(report.to_json())
            if not args.json:
                print(report)
    if args.json:
        print(json.dumps(reports))
    if len(errors) + len(reports) == 1 and errors:
        raise errors[0]
    for failed in errors:
        print(f"medroi: error: {' '.join(str(failed).split())}", file=sys.stderr)
    if errors:
        raise MedROIError(f"{len(errors)} of {len(errors) + len(reports)} are not whole")


def _checked_archive(name: str, args: argparse.Namespace) -> Any:
    """The report of an archive; None where the name is that of a store."""
    if not ("://" in name or Path(name, ".medroi-archive").is_dir()):
        return None
    from medroi.archives import check_archive

    return check_archive(name, against=args.against, sample=args.sample, progress=True)
