"""The command line: ``medroi pack``, ``unpack``, ``check``, ``show``, ``compare`` and the rest.

One file per command; each adds its parser and runs. Exit codes: 0 done, 1 an error that the
message on stderr names in one line, 2 wrong usage, 3 done, but a store is larger than its source.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from medroi.cli import (
    archive,
    check,
    clear,
    codecs,
    compare,
    config,
    drop_air,
    info,
    pack,
    plugin_path,
    serve,
    show,
    unpack,
    view,
    weights,
)
from medroi.errors import MedROIError

# Requests to stop: what was begun is cleared away first, as after Ctrl-C.
_STOPS = ("SIGTERM", "SIGHUP")
# How long after a request that was lost in a callback it is made again.
_AGAIN_SECONDS = 0.01


# Of glibc's mallopt: from how many bytes on memory goes back to the system when it is freed.
_M_MMAP_THRESHOLD, _LARGE_NBYTES = -3, 1 << 20


# What an error about an argument of Python begins with; some carry a unit that the option lacks.
_ARGUMENT = re.compile(r"(\w+?)(?:_mm)?=(?=\S)")


class _Stopped(BaseException):
    """The signal that ended this process."""


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
    parser.add_argument(
        "--trust",
        metavar="LIBRARY[,...]",
        default="",
        help="libraries that may decode any stream, such as imagecodecs_sperr: hostile bytes can "
        "crash some, which decode nothing without it",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        pack,
        unpack,
        check,
        clear,
        archive,
        drop_air,
        show,
        view,
        serve,
        compare,
        info,
        codecs,
        weights,
        plugin_path,
        config,
    ):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    if args.trust:
        os.environ["MEDROI_TRUST"] = ",".join([os.environ.get("MEDROI_TRUST", ""), args.trust])
    for stream in (sys.stdout, sys.stderr):
        # Names of files are bytes: those that are no text are printed as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _give_memory_back()
    status: int | None = None
    try:
        with _stoppable():
            status = args.run(args)
        if sys.stdout is not None:
            # None where the shell closed it (>&-): what was printed went nowhere.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output went away: no error of ours, and nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MedROIError, OSError, MemoryError) as error:
        message = _by_option(" ".join(str(error).split()), args) or type(error).__name__
        print(f"medroi: error: {message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("medroi: interrupted", file=sys.stderr)
        return 130
    except _Stopped as stopped:
        print("medroi: stopped by a signal", file=sys.stderr)
        return 128 + int(stopped.args[0])
    return status or 0


def _by_option(message: str, args: argparse.Namespace) -> str:
    """Name the option of the command line where a message begins with an argument of Python."""
    found = _ARGUMENT.match(message)
    if found is None or found[1] not in args:
        return message
    return f"--{found[1].replace('_', '-')} {message[found.end() :]}"


def _give_memory_back() -> None:
    """Let large pieces of memory go back to the system at once; by default glibc keeps them.

    A scan is worked on in steps, each with large pieces of its own. This process is ours alone: a
    program that imports the package keeps its own setting.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_NBYTES)


def _raise_soon(number: int) -> None:
    """Have this thread stopped once more, as soon as it has left what it is in now."""

    def stop(*_: object) -> None:
        raise _Stopped(number)

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Turn the signals that end a process into an exception, where nobody else handles them.

    A signal may come while Python runs the callback of a weak reference, a ``__del__`` or a
    callback of C. What these raise goes to `sys.unraisablehook` and no further: it is raised anew.
    """
    previous: dict[int, Any] = {}
    unraisable_hook = sys.unraisablehook

    def stop(number: int, _: object) -> None:
        # A second one must not end the clearing away.
        for other in previous:
            signal.signal(other, signal.SIG_IGN)
        raise _Stopped(number)

    def note(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, _Stopped):
            _raise_soon(unraisable.exc_value.args[0])
        else:
            unraisable_hook(unraisable)

    numbers = [getattr(signal, name) for name in _STOPS if hasattr(signal, name)]
    try:
        for number in numbers:
            if signal.getsignal(number) is signal.SIG_DFL:
                previous[number] = signal.signal(number, stop)
    except ValueError:
        # Not the main thread: its signals are not ours.
        pass
    alarm = signal.getsignal(signal.SIGALRM) if previous and hasattr(signal, "SIGALRM") else None
    if alarm is not None:
        sys.unraisablehook = note
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if alarm is not None:
            sys.unraisablehook = unraisable_hook
            if signal.getsignal(signal.SIGALRM) is not alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, alarm)
