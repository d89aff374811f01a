#!/usr/bin/env python3
"""Check who calls whom in the kernel, in the static library that the build leaves behind.

The rules are those of includes, in check_imports.py; but a call needs no include. Besides, no
files call each other in a circle, and every external name begins with `medroi_`.

usage: check_calls.py [LIBRARY=build/objects/libmedroi.a]
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from check_imports import KERNEL_FOLDERS, is_others_codec

LIBRARY = Path("build/objects/libmedroi.a")
# The file that lists the inner codecs; what it refers to belongs to them.
REGISTRY = "codecs/inner"
PREFIX = "medroi_"

# LIBRARY[OBJECT.o]: NAME LETTER ...; macOS has an underscore in front of each name.
SYMBOL = re.compile(r".*\[(?P<object>[^\]]+)\.o\]: (?P<name>\S+) (?P<letter>\w)")
UNDEFINED = {"U", "w", "v"}


@dataclass
class File:
    """One file of the kernel, as the linker sees it."""

    defined: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)


def read_symbols(library: Path) -> dict[str, File]:
    """External names of each file of a library, by its path without an ending."""
    listed = subprocess.run(
        ["nm", "-A", "-P", "-g", str(library)], capture_output=True, text=True, check=True
    )
    files: dict[str, File] = {}
    for found in filter(None, map(SYMBOL.match, listed.stdout.splitlines())):
        file = files.setdefault(found["object"].replace("-", "/"), File())
        name = found["name"].removeprefix("_") if sys.platform == "darwin" else found["name"]
        (file.used if found["letter"] in UNDEFINED else file.defined).add(name)
    return files


def find_calls(files: Mapping[str, File]) -> dict[str, dict[str, str]]:
    """For each file those that it refers to, each with one of the names."""
    home = {name: path for path, file in files.items() for name in file.defined}
    return {
        path: {home[name]: name for name in sorted(file.used) if name in home}
        for path, file in files.items()
    }


def check_names(files: Mapping[str, File]) -> Iterator[str]:
    """Give the external names that could clash with those of a user's program."""
    for path, file in sorted(files.items()):
        for name in sorted(file.defined):
            if not name.startswith(PREFIX):
                yield f"{path}: {name} is external: make it static, or begin it with {PREFIX}"


def check_folders(calls: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Give the calls that the folders' order does not allow."""
    listed = {path for path in calls.get(REGISTRY, {}) if path.startswith("codecs/")}
    for caller, called in sorted(calls.items()):
        own = Path(caller).parent.as_posix()
        group = own.split("/")[0]
        if group not in KERNEL_FOLDERS:
            yield f"{caller}: a new folder: name what it may call in scripts/check_imports.py"
            continue
        for path, name in called.items():
            folder = Path(path).parent.as_posix()
            if folder.split("/")[0] not in {group, *KERNEL_FOLDERS[group]}:
                yield f"{caller}: calls {name} of {path}, which is not below {group}"
            elif is_others_codec(own, folder):
                yield f"{caller}: calls {name} of {path}, which only the files of {folder} may"
            elif path in listed and caller != REGISTRY and folder == "codecs":
                yield f"{caller}: calls {name} of {path}, which is an inner codec of its own"


def find_circles(calls: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Sets of files of which each reaches all others (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(path: str) -> None:
        order[path] = low[path] = len(order)
        stack.append(path)
        for called in calls[path]:
            if called not in order:
                visit(called)
                low[path] = min(low[path], low[called])
            elif called in stack:
                low[path] = min(low[path], order[called])
        if low[path] == order[path]:
            first = stack.index(path)
            if len(stack) - first > 1:
                circles.append(sorted(stack[first:]))
            del stack[first:]

    for path in calls:
        if path not in order:
            visit(path)
    return circles


def check_circles(calls: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Give the circles of calls between files, with the names that close them."""
    for circle in find_circles(calls):
        links = [
            f"{caller} calls {calls[caller][called]} of {called}"
            for caller in circle
            for called in circle
            if called != caller and called in calls[caller]
        ]
        yield f"{circle[0]}: a circle of {len(circle)} files: {'; '.join(links)}"


def find_violations(library: Path) -> list[str]:
    """All that is against the rules in a static library."""
    files = read_symbols(library)
    calls = find_calls(files)
    if not files:
        return [f"{library}: no objects in it"]
    return [*check_names(files), *check_folders(calls), *check_circles(calls)]


def main(arguments: list[str]) -> int:
    """Print what is found; 1 where something is."""
    library = Path(arguments[0]) if arguments else LIBRARY
    if not library.exists():
        print(f"{library} is not here: python setup.py build_ext --inplace makes it")
        return 1
    found = find_violations(library)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
