"""``medroi clear SRC DST``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from medroi.cli.pack import (
    add_kept_arguments,
    add_mask_arguments,
    add_threshold_argument,
    settings_of,
)

_DESCRIPTION = """\
Set everything outside the region to the background and write what any program reads without
MedROI: .nii or .nii.gz with the same header, any other file of the source's kind, DICOM files in a
new folder, or an OME-Zarr group of Zarr's own codecs. DICOM files become new images of a new
series, marked as derived, with a reference to their source. The region is the one that `medroi
pack` finds with the same options. What was written is read back: every voxel inside the region has
the bits it had."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "clear", help="a scan without its air, in plain files", description=_DESCRIPTION
    )
    parser.add_argument("source", metavar="SRC", help="what `medroi pack` takes")
    parser.add_argument(
        "target",
        metavar="DST",
        help="a new file of the source's kind, a new folder for DICOM, or NAME.ome.zarr",
    )
    add_threshold_argument(parser)
    add_kept_arguments(parser)
    add_mask_arguments(parser)
    parser.add_argument(
        "--gzip-level",
        type=int,
        choices=range(1, 10),
        default=6,
        metavar="1..9",
        help="of files that are gzipped (default: 6)",
    )
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="of DICOM, take a series of which slices are missing at the ends, and say so",
    )
    parser.add_argument(
        "--series",
        metavar="N",
        help="of DICOM, number or SeriesInstanceUID of the series, where there are several",
    )
    parser.add_argument(
        "--keep-uids",
        action="store_true",
        help="of DICOM, leave the identifiers of images and series as they are; new ones are given "
        "otherwise. Needs --reason",
    )
    parser.add_argument(
        "--reason", metavar="TEXT", help="why identifiers are kept; it is written into the files"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Clear and print the summary."""
    from medroi.scans import clear

    report = clear(
        args.source,
        args.target,
        mask=args.mask,
        mask_margin_mm=args.mask_margin,
        mask_resample=args.mask_resample,
        gzip_level=args.gzip_level,
        incomplete=args.incomplete,
        series=args.series,
        keep_uids=args.keep_uids,
        reason=args.reason,
        force=args.force,
        **settings_of(args),
    )
    print(json.dumps(report.to_json()) if args.json else report)
