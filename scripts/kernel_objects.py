"""Compile C files in parallel, and of these only what has changed since the last time.

`setup.py` builds the kernel and its two clients with it, whatever their compiler is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Compiler:
    """How one set of C files is compiled.

    Attributes
    ----------
    command
        The program and its arguments, without source and object.
    identity
        What else decides about the objects: the compiler's version.
    run
        Runs a command, and raises where that fails.
    is_msvc
        Whether the command understands the arguments of Microsoft's compiler, not those of Unix.
    """

    command: tuple[str, ...]
    identity: str
    run: Callable[[list[str]], object]
    is_msvc: bool = False

    @property
    def digest(self) -> str:
        """One line that changes with everything but the files."""
        text = json.dumps([self.command, self.identity])
        return hashlib.sha256(text.encode()).hexdigest()

    def compile(self, source: Path, target: Path) -> None:
        """Compile one file, and note beside the object which files went into it."""
        noted = str(dependency_file(target))
        if self.is_msvc:
            places = ["/sourceDependencies", noted, "/c", str(source), f"/Fo{target}"]
        else:
            places = ["-MD", "-MF", noted, "-c", str(source), "-o", str(target)]
        target.unlink(missing_ok=True)
        self.run([*self.command, *places])


def dependency_file(target: Path) -> Path:
    """The file in which a compiler lists what an object was made from."""
    return target.with_suffix(".d")


def object_of(source: Path, root: Path, folder: Path) -> Path:
    """Name the object of a source file: `codecs/raw.c` is `codecs-raw.o`.

    The names are unique without their folders, because a static library keeps nothing else.
    """
    return folder / ("-".join(source.relative_to(root).with_suffix("").parts) + ".o")


def read_dependencies(text: str) -> list[str]:
    """The files in a list of dependencies, as make (Unix) or JSON (Microsoft) has it."""
    if text.startswith("{"):
        data = json.loads(text)["Data"]
        return [data["Source"], *data["Includes"]]
    listed = text.replace("\\\n", " ").partition(": ")[2]
    return [re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:\\.|\S)+", listed)]


def is_current(target: Path, modified: Callable[[str], float]) -> bool:
    """Whether an object is newer than every file that it was made from."""
    noted = dependency_file(target)
    if not target.exists() or not noted.exists():
        return False
    built = target.stat().st_mtime_ns
    return all(modified(name) < built for name in read_dependencies(noted.read_text()))


def modification_time(name: str) -> float:
    """When a file was written; a file that has gone counts as new."""
    try:
        return os.stat(name).st_mtime_ns
    except OSError:
        return float("inf")


def compile_changed(
    compiler: Compiler, sources: Iterable[Path], root: Path, folder: Path, jobs: int
) -> list[Path]:
    """Give the objects of all sources, after compiling those that are not current.

    Parameters
    ----------
    compiler
        How to compile. Where it is not what made the objects in the folder, nothing is current.
    sources
        C files below `root`.
    root
        The folder from which on objects are named.
    folder
        Where objects are kept from one build to the next. What belongs to no source is removed.
    jobs
        How many files to compile at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    targets = {object_of(source, root, folder): source for source in sources}
    stamp = folder / "compiler"
    if not stamp.exists() or stamp.read_text() != compiler.digest:
        remove_objects(folder, keep=())
        stamp.write_text(compiler.digest)
    remove_objects(folder, keep=targets)
    modified = cache(modification_time)
    changed = [target for target in targets if not is_current(target, modified)]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda target: compiler.compile(targets[target], target), changed))
    return list(targets)


def remove_objects(folder: Path, keep: Iterable[Path]) -> None:
    """Remove the objects that are not named."""
    kept: Sequence[Path] = list(keep)
    for target in folder.glob("*.o"):
        if target not in kept:
            target.unlink()
