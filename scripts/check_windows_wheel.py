#!/usr/bin/env python3
"""Check a wheel for Windows: its files are there, and ask only for what Windows and Python have.

python scripts/check_windows_wheel.py WHEEL
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Extension or plugin -> what it exports, and whether it may need Python.
FILES = {
    "medroi/_kernel.pyd": ("PyInit__kernel", True),
    "medroi/plugins/libh5medroi.dll": ("H5PLget_plugin_info", False),
}
# What every Windows from 10 on has: its kernel and its C library.
SYSTEM = re.compile(r"kernel32\.dll|ntdll\.dll|api-ms-win-crt-[a-z]+-l1-1-0\.dll", re.IGNORECASE)


def check(wheel: Path) -> None:
    """Refuse a wheel that would not load.

    Raises
    ------
    SystemExit
    """
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = set(archive.namelist())
        others = [name for name in names if name.endswith((".so", ".dylib", ".a"))]
        if others:
            raise SystemExit(f"{wheel.name}: files of another system: {others}")
        for name, (export, needs_python) in FILES.items():
            if name not in names:
                raise SystemExit(f"{wheel.name}: {name} is missing")
            listed = subprocess.run(
                ["objdump", "-p", archive.extract(name, folder)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            asked = set(re.findall(r"DLL Name: (\S+)", listed))
            wrong = {one for one in asked if not SYSTEM.fullmatch(one)} - {"python3.dll"}
            if wrong or ("python3.dll" in asked) != needs_python:
                raise SystemExit(f"{wheel.name}: {name} asks for {sorted(asked)}")
            if not re.search(rf"\]\s.*\b{export}\b", listed):
                raise SystemExit(f"{wheel.name}: {name} does not export {export}")
            print(f"{name}: {', '.join(sorted(asked))}")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
