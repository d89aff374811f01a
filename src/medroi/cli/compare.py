"""``medroi compare SCANS... -o REPORT``."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from medroi.cli.pack import background_argument, inner_argument

_DESCRIPTION = """\
Compare the full volume, its box and its mask under each codec: ratio, error, time and memory, by
this project's definitions and by those of the publication, and at the same quality. Writes tables,
plots and report.html into a folder. A second run goes on where the first was stopped."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="codecs and regions compared on scans, as a report",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "scans",
        metavar="SCANS",
        nargs="+",
        help="NIfTI, FreeSurfer, DICOM, grey PNG or TIFF files, or folders with such files",
    )
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True, help="the report")
    _add_choices(parser)
    _add_pace(parser)
    parser.set_defaults(run=run)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--methods",
        type=_list_argument,
        default=[],
        metavar="NAME[/LEVEL],...",
        help="of the table, such as zstd,jpeg2000/rate 20 (default: all)",
    )
    parser.add_argument(
        "--weights",
        type=_weights_argument,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="weights of a learned codec; may be given several times",
    )
    parser.add_argument(
        "--inner",
        type=inner_argument,
        action="append",
        default=[],
        metavar="NAME[:key=value,...]",
        help="another inner codec, as for pack; may be given several times",
    )
    parser.add_argument(
        "--regions",
        type=_regions_argument,
        default=("full", "box", "mask"),
        metavar="full,box,mask",
        help="which regions (default: all)",
    )
    parser.add_argument(
        "--background",
        type=background_argument,
        default="auto",
        metavar="auto|VALUE",
        help="value of the air, in stored units (default: auto: found, or the scan is refused)",
    )


def _add_pace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-published", action="store_true", help="leave out the publication's definitions"
    )
    parser.add_argument(
        "--no-matched", action="store_true", help="leave out the comparison at matched quality"
    )
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--no-times", action="store_true", help="leave out the timing pass")
    times.add_argument(
        "--times-only",
        action="store_true",
        help="do nothing but the timing pass, again, and write the report of what is there",
    )
    times.add_argument(
        "--kept-only",
        action="store_true",
        help="measure nothing; report what earlier runs into this folder have finished",
    )
    parser.add_argument(
        "--timed-scans",
        type=int,
        default=3,
        metavar="N",
        help="scans of each data set that the timing pass takes (default: 3)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=0,
        metavar="N",
        help="scans worked on at a time (default: one per core); times are always taken by one",
    )


def run(args: argparse.Namespace) -> None:
    """Compare, and say where the report is."""
    from medroi.compare import drawing, methods, page, running
    from medroi.compare.work import Options
    from medroi.scans.scan import require

    options = Options(
        regions=args.regions,
        protocols=("medroi",) if args.no_published else ("medroi", "published"),
        matched=not args.no_matched,
        background=args.background,
    )
    plan = running.Plan(
        options=options,
        times=not args.no_times,
        times_only=args.times_only,
        kept_only=args.kept_only,
        timed_scans=args.timed_scans,
        processes=args.processes,
        show_progress=True,
    )
    chosen = methods.select(args.methods, args.weights, args.inner)
    # What only the end needs is asked for before the hours of the middle.
    drawing.check_matplotlib()
    require("scipy", "a comparison", "compare")
    comparison = running.compare(args.scans, chosen, args.output, plan)
    written = page.write_page(args.output)
    print(_summary(comparison, written))


def _summary(comparison: Any, page: Path) -> str:
    measured = [row for row in comparison.rows if row.status == "ok"]
    scans = {(row.data_set, row.scan) for row in measured}
    lines = [f"{len(scans)} scans, {len(measured)} measurements: {page}"]
    lines += [f"left out: {failure.path}: {failure.reason}" for failure in comparison.failures]
    without = {(row.inner, row.level, row.status) for row in comparison.rows if row.status != "ok"}
    lines += [f"no figures: {inner} {level}: {why}" for inner, level, why in sorted(without)]
    return "\n".join(lines)


def _list_argument(text: str) -> list[str]:
    return [item.strip() for item in next(csv.reader([text])) if item.strip()]


def _weights_argument(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, path


def _regions_argument(text: str) -> tuple[str, ...]:
    from medroi.compare.results import region_named

    known = ("full", "box", "mask")
    asked = [region_named(name) for name in text.split(",")]
    if not asked or not set(asked) <= set(known):
        raise argparse.ArgumentTypeError(f"{text!r}: expected some of {','.join(known)}")
    return tuple(region for region in known if region in asked)
