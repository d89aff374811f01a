"""What the page of `medroi view` reads of a store before its first picture.

Writes CSV to standard output; each argument is a NIfTI file:
python benchmarks/first_picture.py scans/*.nii.gz > benchmarks/first_picture.csv

Needs node, and what scripts/build_js.sh builds. The scan is packed with no option, with smaller
levels, and with chunks of few slices; the reader of the page opens each store through its server
and asks for the axial plane in the middle. `larger` is what the option adds to the bytes of the
store; `requests` and `nbytes` are what went over HTTP of the store's files until there was
something to draw, `whole_requests` and `whole_nbytes` until all voxels of that plane were there.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import medroi

HERE = Path(__file__).parent
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "--preview": {"preview": True},
    "--levels 3": {"levels": 3},
    "--chunks 64,64,16": {"chunks": (64, 64, 16)},
    "--chunks 256,256,4": {"chunks": (256, 256, 4)},
}
COUNTS = ("requests", "nbytes", "whole_requests", "whole_nbytes")
HEADER = ("scan", "options", "stored_nbytes", "larger", *COUNTS, "share", "whole_share")


def stored_nbytes(store: Path) -> int:
    """Bytes of all files of a store."""
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


def page_reader(folder: Path) -> None:
    """Copy what the page reads with to where node takes it for modules."""
    page = Path(medroi.__file__).parent / "serving"
    shutil.copy(page / "planes.js", folder)
    shutil.copytree(page / "decoder", folder / "decoder")
    shutil.copy(HERE / "first_picture.mjs", folder)
    (folder / "package.json").write_text('{"type": "module"}')


def counted(store: Path, folder: Path) -> dict[str, int]:
    """Requests and bytes of a first picture."""
    view = [sys.executable, "-m", "medroi", "view", "--no-open", store]
    with subprocess.Popen(view, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        try:
            ran = subprocess.run(
                ["node", folder / "first_picture.mjs", address],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            server.terminate()
    found: dict[str, int] = json.loads(ran.stdout)
    return found


def main(files: list[str]) -> None:
    """Measure every scan."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(HEADER)
    for name in files:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            page_reader(folder)
            plain = 0
            for number, (options, settings) in enumerate(OPTIONS.items()):
                store = folder / f"{number}.ome.zarr"
                medroi.pack(name, store, **settings)
                nbytes = stored_nbytes(store)
                plain = plain or nbytes
                found = counted(store, folder)
                shares = (found[key] / nbytes for key in ("nbytes", "whole_nbytes"))
                rows.writerow(
                    (
                        Path(name).name,
                        options,
                        nbytes,
                        f"{nbytes / plain - 1:.4f}",
                        *(found[key] for key in COUNTS),
                        *(f"{share:.4f}" for share in shares),
                    )
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
