"""``medroi config [--cflags] [--libs]``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from medroi.errors import InnerUnavailable

_PACKAGE = Path(__file__).parents[1]
_LIBRARY = _PACKAGE / "lib" / "libmedroi.so.0"
_HEADERS = _PACKAGE / "include"


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "config",
        help="compiler flags for programs in C and C++",
        description="Print the flags with which a C compiler uses the libmedroi of this "
        "installation: cc program.c $(medroi config --cflags --libs). Without options, all.",
    )
    parser.add_argument("--cflags", action="store_true", help="where the header is")
    parser.add_argument(
        "--libs", action="store_true", help="the library, and where it is at run time"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print them."""
    if not _LIBRARY.exists():
        raise InnerUnavailable(
            f"{_LIBRARY.parent}: this build has no C library; build one from the source with "
            "cmake -S src/kernel -B build/libmedroi"
        )
    flags = []
    if args.cflags or not args.libs:
        flags.append(f"-I{_HEADERS}")
    if args.libs or not args.cflags:
        flags += [str(_LIBRARY), f"-Wl,-rpath,{_LIBRARY.parent}"]
    print(" ".join(flags))
