"""``medroi pack SRC DST``."""

from __future__ import annotations

import argparse
import json
from typing import Any

_DESCRIPTION = """\
Pack a scan into a Zarr array or an HDF5 file. Voxels outside the region come back as background:
only the box around the tissue is kept, unless --lossless is given. The stored values are kept as
they are in the file, never scaled; the file's header travels beside them, so that `medroi unpack`
gives the file back. Threshold and background are found once, on the whole scan."""

_SETTINGS = (
    "inner",
    "threshold",
    "roi",
    "components",
    "polarity",
    "background",
    "padding",
    "max_miss_rate",
    "chunks",
    "verify",
)


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("pack", help="a scan into a Zarr array", description=_DESCRIPTION)
    parser.add_argument(
        "source", metavar="SRC", help=".nii, .nii.gz, .mgz, .mgh or a folder with one DICOM series"
    )
    parser.add_argument(
        "target", metavar="DST", help="a new Zarr array, NAME.zarr, or FILE.h5[/NAME]"
    )
    add_region_arguments(parser)
    parser.add_argument("--zarr-format", type=int, choices=(3, 2), default=3)
    parser.add_argument(
        "--keep-identifiers",
        action="store_true",
        help="of DICOM, also keep UIDs, dates, descriptions and what names the patient",
    )
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="of DICOM, pack a series of which slices are missing at the ends, and say so",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        default=argparse.SUPPRESS,
        help="decode every chunk after encoding it, and write nothing that does not come back as "
        "the inner codec promises",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing array or dataset, and nothing beside it",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def add_region_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide what is kept."""
    # What is not given stays out, so that the defaults stand in one place, and the functions that
    # take no settings can refuse those that are given.
    unset: dict[str, Any] = {"default": argparse.SUPPRESS}
    parser.add_argument(
        "--inner",
        **unset,
        type=inner_argument,
        metavar="NAME[:key=value,...]",
        help="inner codec and its options, see `medroi codecs` (default: zstd)",
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        "--threshold",
        **unset,
        type=threshold_argument,
        metavar="auto|mean|otsu|noise|none|NUMBER",
        help="what counts as tissue, in stored units (default: auto: a threshold only where the "
        "air is shown to be noise, else every voxel that is not background is kept)",
    )
    rule.add_argument(
        "--lossless",
        action="store_true",
        help="keep every voxel that is not background, bit by bit; refuses a lossy inner codec",
    )
    parser.add_argument(
        "--roi",
        **unset,
        metavar="box|mask",
        help="region kept; mask follows the outline of the tissue (default: box). hull is an "
        "earlier name of mask",
    )
    parser.add_argument(
        "--components",
        **unset,
        metavar="all|largest",
        help="tissue that counts; largest leaves out labels and tables, and says so (default: all)",
    )
    parser.add_argument(
        "--polarity",
        **unset,
        choices=("bright", "dark"),
        help="whether tissue or air is bright (default: bright; dark for DICOM MONOCHROME1)",
    )
    parser.add_argument(
        "--background",
        **unset,
        type=background_argument,
        metavar="auto|VALUE",
        help="value of the air, in stored units (default: auto: found; where it cannot be told, "
        "every voxel is kept)",
    )
    parser.add_argument(
        "--padding", **unset, type=int, metavar="N", help="voxels around the tissue (default: 3)"
    )
    parser.add_argument(
        "--max-miss-rate",
        **unset,
        type=float,
        metavar="X",
        help="largest share of tissue voxels outside the region (default: 0.002)",
    )
    parser.add_argument(
        "--chunks",
        **unset,
        type=chunks_argument,
        metavar="volume|N|N,N,N",
        help="chunk size; volume (default) is one chunk, or one per 3-D volume where a scan with "
        "more than three axes is above 1 GiB",
    )


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_region_arguments` that were given, by their names in `pack`."""
    return {name: value for name, value in vars(args).items() if name in _SETTINGS}


def run(args: argparse.Namespace) -> None:
    """Pack and print the summary."""
    from medroi.scans import pack

    report = pack(
        args.source,
        args.target,
        lossless=args.lossless,
        zarr_format=args.zarr_format,
        force=args.force,
        keep_identifiers=args.keep_identifiers,
        incomplete=args.incomplete,
        progress=True,
        **settings_of(args),
    )
    print(json.dumps(report.to_json()) if args.json else report)


def inner_argument(text: str) -> str | dict[str, Any]:
    """Read ``NAME[:key=value,...]``; values are JSON where they can be, text otherwise."""
    name, colon, rest = text.partition(":")
    if not name or (colon and not rest):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME[:key=value,...]")
    if not colon:
        return name
    config: dict[str, Any] = {"id": name}
    for item in rest.split(","):
        key, equals, value = item.partition("=")
        if not key or not equals or key in config:
            raise argparse.ArgumentTypeError(f"{item!r} in {text!r} is not a new key=value")
        try:
            config[key] = json.loads(value)
        except json.JSONDecodeError:
            config[key] = value
    return config


def threshold_argument(text: str) -> str | float | None:
    """Read a rule, a number or none."""
    if text == "none":
        return None
    rule_or_number: str | float = _number(text, text)
    return rule_or_number


def background_argument(text: str) -> str | float:
    """Read auto or a value."""
    if text == "auto":
        return text
    value: float | None = _number(text, None)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number")
    return value


def chunks_argument(text: str) -> str | tuple[int, ...]:
    """Read volume, one size or one size per axis."""
    if text == "volume":
        return text
    try:
        sizes = tuple(int(item) for item in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither volume nor sizes such as 64,64,64")
    return sizes


def _number(text: str, otherwise: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return otherwise
