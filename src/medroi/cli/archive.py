"""``medroi archive SRC DST``, ``archive restore DST DIR [PATHS]``, ``archive prune DST SRC``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from medroi.cli.pack import add_memory_argument, add_region_arguments, settings_of
from medroi.errors import InvalidArgument, MedROIError

_DESCRIPTION = """\
Pack every scan of a tree into an archive, copy what else is there, and account for every file. SRC
and DST are folders or URLs of fsspec (s3://bucket/prefix). Run it again after anything: it does
what is missing, changed or failed. `archive restore DST DIR [PATHS]` gives the tree back, or a part
of it; `archive prune DST SRC` deletes originals after a fresh check, with --yes. `medroi check DST`
reads an archive and compares it with its journal. A folder with such a name is given as
./restore."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "archive",
        help="pack a whole tree of scans, restore it, prune originals",
        description=_DESCRIPTION,
        usage="%(prog)s SRC DST [options] | restore DST DIR [PATH ...] | prune DST SRC [--yes]",
    )
    parser.add_argument("words", metavar="SRC DST", nargs="+", help=argparse.SUPPRESS)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes of this machine; 0 is one for each core, two where SRC or DST is a URL "
        "(default: 1)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS|FILE",
        help="a scheduler of dask.distributed, whose workers do the work",
    )
    parser.add_argument(
        "--part",
        metavar="I/N",
        help="do the I-th of N parts, for jobs of an array without a scheduler; a run without it "
        "ends the work",
    )
    add_region_arguments(parser)
    parser.add_argument(
        "--layout",
        choices=("viewer", "archive", "training", "bare"),
        help="of the stores, as for pack (default: viewer)",
    )
    parser.add_argument(
        "--air",
        choices=("drop", "keep"),
        default="drop",
        help="as for pack: keep stores what the region drops beside each scan",
    )
    parser.add_argument(
        "--others",
        choices=("copy", "list"),
        default="copy",
        help="what becomes of files that are no scans: copied, or a line in the manifest",
    )
    add_memory_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--report", metavar="FILE", help="write a page in HTML about the archive")
    parser.add_argument(
        "--rehash", action="store_true", help="read every file to see whether it changed"
    )
    parser.add_argument(
        "--moved", action="store_true", help="SRC is the archived tree under another path"
    )
    parser.add_argument("--yes", action="store_true", help="prune: delete")
    parser.add_argument(
        "--inexact-too",
        action="store_true",
        help="prune: also originals of which the archive gives back the kept voxels, or the same "
        "contents compressed otherwise, not the very bytes",
    )
    add_storage_argument(parser, "DST")
    add_source_storage_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def add_storage_argument(parser: argparse.ArgumentParser, of: str) -> None:
    """Add ``--storage``, the options of the file system that a URL names."""
    parser.add_argument(
        "--storage",
        metavar="JSON",
        type=_options,
        default={},
        help=f'options of fsspec for {of}, such as {{"endpoint_url": "http://..."}}',
    )


def add_source_storage_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--source-storage``, the options of the file system of SRC."""
    parser.add_argument(
        "--source-storage",
        metavar="JSON",
        type=_options,
        default={},
        help="options of fsspec for SRC, where that is a URL",
    )


def _options(given: str) -> dict[str, Any]:
    try:
        found = json.loads(given)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{given!r} is no JSON object")
    return found


def run(args: argparse.Namespace) -> None:
    """Archive, restore or prune, and print the report."""
    action, words = args.words[0], args.words[1:]
    if action == "restore":
        report = _restore(args, words)
    elif action == "prune":
        report = _prune(args, words)
    else:
        report = _archive(args, args.words)
    found = report.to_json()
    print(json.dumps(found) if args.json else report)
    failed = found.get("n_failed", 0) or len(found.get("failures", ()))
    if failed:
        is_dry = found.get("is_dry", False)
        raise MedROIError(f"{failed} {'cannot be read' if is_dry else 'failed; the rest is done'}")


def _archive(args: argparse.Namespace, words: list[str]) -> Any:
    from medroi.archives import archive

    if len(words) != 2:
        raise InvalidArgument(f"archive: expected SRC and DST, found {' '.join(words)}")
    settings = settings_of(args)
    if args.lossless:
        settings["lossless"] = True
    if args.layout is not None:
        settings["layout"] = args.layout
    if args.air != "drop":
        settings["air"] = args.air
    if args.memory is not None:
        settings["memory"] = args.memory
    return archive(
        words[0],
        words[1],
        jobs=args.jobs,
        scheduler=args.scheduler,
        part=args.part,
        others=args.others,
        dry_run=args.dry_run,
        report=args.report,
        rehash=args.rehash,
        moved=args.moved,
        progress=True,
        place_options=args.storage,
        source_options=args.source_storage,
        **settings,
    )


def _restore(args: argparse.Namespace, words: list[str]) -> Any:
    from medroi.archives import restore

    if len(words) < 2:
        raise InvalidArgument("archive restore: expected DST and the folder to write")
    return restore(words[0], words[1], words[2:], place_options=args.storage, memory=args.memory)


def _prune(args: argparse.Namespace, words: list[str]) -> Any:
    from medroi.archives import prune

    if len(words) != 2:
        raise InvalidArgument("archive prune: expected DST and SRC")
    return prune(
        words[0],
        words[1],
        yes=args.yes,
        only_exact=not args.inexact_too,
        place_options=args.storage,
        memory=args.memory,
    )
