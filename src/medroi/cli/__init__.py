"""The command line: ``medroi pack``, ``unpack``, ``show``, ``compare``, ``info`` and the rest.

One file per command; each adds its parser and runs. Exit codes: 0 done, 1 an error that the
message on stderr names in one line, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from medroi.cli import codecs, compare, info, pack, plugin_path, show, unpack, weights
from medroi.errors import MedROIError


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"medroi {version('medroi')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="medroi",
        description="Store medical scans without the air around them.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (pack, unpack, show, compare, info, codecs, weights, plugin_path):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # Names of files are bytes: those that are no text are printed as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away: no error of ours, and nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MedROIError, OSError, MemoryError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"medroi: error: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("medroi: interrupted", file=sys.stderr)
        return 130
    return 0
