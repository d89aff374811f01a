"""Windows as the target of `setup.py` on another system, by MEDROI_TARGET=windows.

`build_windows_wheel.sh` sets what this needs: CC, LDSHARED and AR for the compiler, and the folder
build/windows-wheel with CPython's headers for Windows. An extension finds Python in python3.dll,
the stable ABI's, by an import library that is made here from the names that the objects ask for.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

IS_TARGET = os.environ.get("MEDROI_TARGET") == "windows"
FOLDER = Path("build/windows-wheel")
HEADERS = FOLDER / "include"
COMPILE_ARGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-g0"]
# The import libraries that the linker writes beside each file are for nobody.
LINK_ARGS = ["-Wl,-s", f"-Wl,--out-implib,{FOLDER}/unused.lib"]
_PYTHON_NAME = re.compile(r"\s(?:__imp_)?(_?Py\w+)$", re.MULTILINE)


def file_name(module: str, *, is_plugin: bool) -> str:
    """Name of the file of an extension, or of the HDF5 plugin, below the package's folder."""
    return module.replace(".", "/") + (".dll" if is_plugin else ".pyd")


def python_library(objects: Sequence[str]) -> str:
    """Make the import library of python3.dll for objects; its file."""
    listed = subprocess.run(
        ["nm", "--undefined-only", *objects], capture_output=True, text=True, check=True
    )
    names = sorted(set(_PYTHON_NAME.findall(listed.stdout)))
    definition, library = FOLDER / "python3.def", FOLDER / "libpython3.a"
    definition.write_text("LIBRARY python3.dll\nEXPORTS\n" + "".join(f"{one}\n" for one in names))
    tool = [*shlex.split(os.environ["DLLTOOL"]), "-m", "i386:x86-64"]
    subprocess.run([*tool, "-d", str(definition), "-l", str(library)], check=True)
    return str(library)
