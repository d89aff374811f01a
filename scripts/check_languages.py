#!/usr/bin/env python3
"""Run the lines of docs/languages.md as they stand there, and compare what they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import medroi

ROOT = Path(__file__).parents[1]
SCAN = ROOT / "examples" / "data" / "head_T1w.nii.gz"
PROGRAMS = {"r": ("Rscript",), "octave": ("octave-cli", "--norc", "--no-history")}
TIMEOUT_S = 300


def lines_of(language: str, page: str) -> str:
    """The one block of a language on the page."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(block)


def printed(language: str, page: str, folder: Path) -> list[float]:
    """Numbers that the lines of a language print, after those of the shell."""
    script = folder / f"page.{language}"
    script.write_text(lines_of(language, page))
    program = " ".join((*PROGRAMS[language], script.name))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-ec", f"{lines_of('sh', page)}\n{program} >printed"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if ran.returncode != 0:
        raise SystemExit(f"{language}: status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return [float(word) for word in (folder / "printed").read_text().split()]


def main() -> None:
    """Run both languages."""
    page = (ROOT / "docs" / "languages.md").read_text()
    for language in PROGRAMS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            shutil.copy(SCAN, folder)
            found = printed(language, page, folder)
            with medroi.open(folder / "heads.h5" / "head") as packed:
                scan = np.asarray(packed.array)
                expected = [*scan.shape, scan.sum(dtype=np.int64), scan[70, 100, 95]]
                if language == "r":
                    expected += packed.affine[0].tolist()
        if found != expected:
            raise SystemExit(f"{language}: printed {found}, Python has {expected}")
        print(f"{language}: the lines of docs/languages.md give what Python reads")


if __name__ == "__main__":
    main()
