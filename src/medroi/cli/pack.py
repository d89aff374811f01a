"""``medroi pack SRC DST``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from medroi.errors import InvalidArgument
from medroi.options import TABLE
from medroi.working_memory import WorkingMemory, nbytes_of

_DESCRIPTION = """\
Pack a scan into an OME-Zarr group, a Zarr array or an HDF5 file. Voxels outside the region come
back as background: only the tissue and what it encloses is kept, unless --lossless is given. The
stored values are kept as they are in the file, never scaled; the file's header travels beside them,
so that `medroi unpack` gives the file back. Threshold and background are found once, on the whole
scan."""

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
    parser = commands.add_parser(
        "pack", help="a scan into a compressed store", description=_DESCRIPTION
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        help="a scan: NIfTI, Analyze, FreeSurfer, NRRD, MetaImage, MINC, PNG, TIFF, "
        "an array of another program, or DICOM: a folder, a DICOMDIR or one file",
    )
    parser.add_argument(
        "target",
        metavar="DST",
        help="a new OME-Zarr group, NAME.ome.zarr or NAME.nii.zarr, a Zarr array, NAME.zarr, one "
        "of these in a zip file, NAME.ome.zarr.zip, FILE.h5[/NAME], or a folder to put "
        "NAME.ome.zarr into",
    )
    add_region_arguments(parser)
    parser.add_argument(
        "--layout",
        choices=("viewer", "archive", "training", "bare"),
        help="viewer: an OME-Zarr group with chunks of 64 voxels in one shard; archive: a group "
        "with one chunk a volume, coded for the fewest bytes, slowly; training: chunks of 32 in "
        "one shard; bare: an array that stands alone (default: viewer for NAME.ome.zarr and "
        "NAME.nii.zarr, bare for NAME.zarr and FILE.h5)",
    )
    parser.add_argument("--zarr-format", type=int, choices=(3, 2), default=3)
    parser.add_argument(
        "--levels",
        type=whole_argument,
        default=1,
        metavar="N",
        help="resolutions of a group, each half as large as the one before (default: 1)",
    )
    parser.add_argument(
        "--preview",
        action="store_true",
        help="give a group a level of a 64th of the voxels, which a viewer shows first",
    )
    parser.add_argument(
        "--threads",
        type=whole_argument,
        metavar="N",
        help="chunks coded and read back at a time, with the same bytes for any number (default: "
        "one per core)",
    )
    parser.add_argument(
        "--series",
        metavar="N|UID",
        help="of DICOM, which series of a folder, by its number or SeriesInstanceUID (default: the "
        "only one; all of them, each into a store of its own, where DST is a folder)",
    )
    parser.add_argument(
        "--without-identifiers",
        action="store_true",
        help="of DICOM, leave out UIDs, dates, descriptions and what names the patient; the files "
        "do not come back then",
    )
    parser.add_argument(
        "--encapsulated",
        choices=("keep", "decode"),
        default="keep",
        help="keep compressed pixels of DICOM, and those of MINC 2 and TIFF that cannot be made "
        "again, beside the voxels, which gives the files back, or store the voxels alone (default: "
        "keep)",
    )
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="of DICOM, pack a series of which slices are missing, and say so",
    )
    parser.add_argument(
        "--sidecars",
        choices=("beside", "none"),
        default="beside",
        help="files with the scan's name beside it (.json, .bval, .bvec, .tsv, events) travel with "
        "it and come back when it is unpacked into a folder; none leaves them (default: beside)",
    )
    add_option(parser, "verify", action="store_true")
    add_memory_argument(parser)
    add_mask_arguments(parser)
    parser.add_argument(
        "--air",
        choices=("drop", "keep"),
        default="drop",
        help="keep stores what the region drops, losslessly, as an array of its own in the store: "
        "unpack merges it, drop-air deletes it (default: drop; a Zarr store and a lossless inner "
        "codec)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing array or dataset, and nothing beside it",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run)


def add_memory_argument(parser: argparse.ArgumentParser) -> None:
    """Add the memory that may be taken."""
    parser.add_argument(
        "--memory",
        type=memory_argument,
        metavar="SIZE",
        help="memory that may be taken, such as 2GiB: what takes more than an eighth of it lies in "
        "scratch files, in the folder that TMPDIR names or beside the target, and the bytes are "
        "the same (default: that of the machine)",
    )


def memory_argument(text: str) -> int:
    """Read a size in bytes."""
    try:
        return WorkingMemory(nbytes_of(text)).limit_nbytes
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_mask_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a mask that is given."""
    parser.add_argument(
        "--mask",
        metavar="FILE",
        help="a scan file of any kind on the scan's grid: what is not 0 there is kept, and all "
        "else becomes background",
    )
    parser.add_argument(
        "--mask-margin",
        type=millimetres_argument,
        default=0.0,
        metavar="MM",
        help="grow the mask by so many millimetres (default: 0)",
    )
    parser.add_argument(
        "--mask-resample",
        action="store_true",
        help="take the nearest voxel of a mask on another grid, which is refused otherwise",
    )


def add_region_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide what is kept."""
    # What is not given stays out, so that the defaults stand in one place, and the functions that
    # take no settings can refuse those that are given.
    unset: dict[str, Any] = {"default": argparse.SUPPRESS}
    add_option(
        parser, "inner", "predict3d:level=fast", type=inner_argument, metavar="NAME[:key=value,...]"
    )
    rule = parser.add_mutually_exclusive_group()
    add_threshold_argument(rule)
    rule.add_argument(
        "--lossless",
        action="store_true",
        help="keep every voxel that is not background, bit by bit; refuses a lossy inner codec",
    )
    add_kept_arguments(parser)
    parser.add_argument(
        "--chunks",
        **unset,
        type=chunks_argument,
        metavar="volume|N|N,N,N",
        help="chunk size; volume is one chunk, or one per 3-D volume in a group and where a scan "
        "with more than three axes is above 1 GiB (default: that of the layout)",
    )


def add_threshold_argument(parser: Any) -> None:
    """Add the rule or number that decides what is kept."""
    names = "|".join(TABLE["threshold"].choices)
    add_option(parser, "threshold", type=threshold_argument, metavar=f"{names}|none|NUMBER")


def add_kept_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what decides beside the threshold which voxels are kept."""
    add_option(parser, "roi", "mask; box with a threshold of mean or otsu")
    add_option(parser, "components")
    add_option(parser, "polarity", "bright, and dark for DICOM MONOCHROME1")
    add_option(parser, "background", "auto", type=background_argument, metavar="auto|VALUE")
    add_option(parser, "padding", type=int, metavar="N")
    add_option(parser, "max_miss_rate", type=float, metavar="X")


def add_option(parser: Any, name: str, default: str = "", **how: Any) -> None:
    """Add an option of the codec, with the engine's help and default or that of the command."""
    option = TABLE[name]
    if option.choices and "metavar" not in how:
        how["metavar"] = "|".join(option.choices)
    text = option.on_the_command_line(takes_none="none" in how.get("metavar", ""))
    if how.get("action") != "store_true":
        text += f" (default: {default or option.default})"
    parser.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, help=text, **how)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_region_arguments` that were given, by their names in `pack`."""
    return {name: value for name, value in vars(args).items() if name in _SETTINGS}


# Exit code where a store is larger than its source.
_LARGER = 3


def run(args: argparse.Namespace) -> int:
    """Pack and print the summary, of a folder with several series one for each; the exit code."""
    from medroi.scans import pack, pack_series
    from medroi.scans.packing_series import has_series

    options = dict(
        lossless=args.lossless,
        zarr_format=args.zarr_format,
        force=args.force,
        identifiers=not args.without_identifiers,
        encapsulated=args.encapsulated,
        incomplete=args.incomplete,
        sidecars=args.sidecars == "beside",
        mask=args.mask,
        mask_margin_mm=args.mask_margin,
        mask_resample=args.mask_resample,
        air=args.air,
        layout=args.layout,
        levels=args.levels,
        preview=args.preview,
        threads=args.threads,
        memory=args.memory,
        progress=True,
        **settings_of(args),
    )
    if args.series is None and has_series(args.source, args.target):
        reports = pack_series(args.source, args.target, **options)
    else:
        reports = iter([pack(args.source, args.target, series=args.series, **options)])
    code = 0
    for report in reports:
        print(json.dumps(report.to_json()) if args.json else report)
        code = _LARGER if report.is_larger else code
    return code


def whole_argument(text: str) -> int:
    """Read a whole number from 1."""
    value = _number(text, 0)
    if not isinstance(value, int) or value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return value


def millimetres_argument(text: str) -> float:
    """Read a distance in millimetres, with or without its unit."""
    value = _number(text.removesuffix("mm").strip(), None)
    if value is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no distance in millimetres, such as 5 or 5mm"
        )
    return float(value)


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
