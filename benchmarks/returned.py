"""Count the files that come back from a lossless store byte for byte.

    python benchmarks/returned.py FOLDER -o benchmarks/returned.csv

Packs and unpacks every file below FOLDER, files generated here (every container and format), and
the test files that come with nibabel and pydicom. A row says what came back, by comparing files:
"very bytes"; "same contents" in another container; "voxels" only; or "refused" with the reason.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import lzma
import shutil
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
import zstandard

from medroi.errors import MedROIError
from medroi.scans import pack, unpack

COLUMNS = (
    "set",
    "name",
    "kind",
    "n_files",
    "source_nbytes",
    "stored_nbytes",
    "outcome",
    "same_bytes",
    "seconds",
    "reason",
)
SHAPE = (64, 72, 60)
DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZ": bz2.decompress,
    b"\xfd7": lzma.decompress,
    b"\x28\xb5": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
}


def head(dtype: str = "i2") -> np.ndarray:
    """A textured ellipsoid in noisy air."""
    rng = np.random.default_rng(17)
    grids = np.meshgrid(*(np.linspace(-1.5, 1.5, n) for n in SHAPE), indexing="ij", sparse=True)
    inside = sum(grid**2 for grid in grids) < 1
    values = np.where(inside, rng.integers(90, 200, SHAPE), rng.integers(0, 6, SHAPE))
    return np.asfortranarray(values.astype(dtype))


def generate(folder: Path) -> Iterator[Path]:
    """Write files of every container and format."""
    affine = np.diag([1.5, 1.25, 2.0, 1.0])
    image = nibabel.Nifti1Image(head(), affine)
    plain = folder / "plain.nii"
    nibabel.save(image, plain)
    yield plain
    contents = plain.read_bytes()
    for level in range(1, 10):
        (folder / f"zlib-{level}.nii.gz").write_bytes(gzip.compress(contents, level, mtime=7))
        yield folder / f"zlib-{level}.nii.gz"
    for program, options in (
        ("gzip", ("-1", "-6", "-9")),
        ("pigz", ("-1", "-6", "-9", "-6 -b 960", "-6 -i")),
    ):
        for option in options if shutil.which(program) else ():
            target = folder / f"{program}{option.replace(' ', '')}.nii.gz"
            with target.open("wb") as file:
                subprocess.run(
                    [program, "-c", *option.split(), str(plain)], stdout=file, check=True
                )
            yield target
    for name, data in (
        ("members.nii.gz", gzip.compress(contents[:99999]) + gzip.compress(contents[99999:])),
        ("zeros.nii.gz", gzip.compress(contents) + bytes(512)),
        ("bzip2.nii.bz2", bz2.compress(contents)),
        ("xz.nii.xz", lzma.compress(contents)),
        ("zstd-3.nii.zst", zstandard.compress(contents, 3)),
        ("zstd-19.nii.zst", zstandard.compress(contents, 19)),
        ("rubbish.nii.gz", gzip.compress(contents) + b"rubbish"),
        ("truncated.nii.gz", gzip.compress(contents)[:-9]),
    ):
        (folder / name).write_bytes(data)
        yield folder / name
    for name, made in (
        ("nifti2.nii", nibabel.Nifti2Image(head(), affine)),
        ("pair.img", nibabel.Nifti1Pair(head(), affine)),
        ("analyze.img", nibabel.AnalyzeImage(head(), affine)),
        ("float.nii.gz", nibabel.Nifti1Image(head("f4"), affine)),
        ("complex.nii", nibabel.Nifti1Image(head("f4") * np.complex64(1j), affine)),
        ("free.mgz", nibabel.MGHImage(head("f4"), affine)),
        ("free.mgh", nibabel.MGHImage(head("u1"), affine)),
    ):
        nibabel.save(made, folder / name)
        yield folder / name
    rgb = np.repeat(head("u1")[..., None], 3, -1).copy().view([(c, "u1") for c in "RGB"])[..., 0]
    nibabel.save(nibabel.Nifti1Image(rgb, affine), folder / "rgb.nii.gz")
    yield folder / "rgb.nii.gz"
    for encoding in ("raw", "gzip", "bzip2"):
        nrrd.write(str(folder / f"{encoding}.nrrd"), head(), {"encoding": encoding})
        yield folder / f"{encoding}.nrrd"
    nrrd.write(str(folder / "detached.nhdr"), head(), {"encoding": "gzip"}, detached_header=True)
    yield folder / "detached.nhdr"


def row_of(group: str, source: Path, name: str) -> dict[str, object]:
    """Pack and unpack one file, and compare."""
    began = time.monotonic()
    row: dict[str, object] = dict.fromkeys(COLUMNS, "")
    row |= {"set": group, "name": name, "source_nbytes": source.stat().st_size}
    with tempfile.TemporaryDirectory() as folder:
        store, back = Path(folder) / "store.zarr", Path(folder) / "back"
        try:
            report = pack(source, store, lossless=True, layout="bare", inner="predict3d")
        except (MedROIError, OSError) as error:
            why = " ".join(str(error).replace(str(source), source.name).split())
            return row | {"outcome": "refused", "reason": why[:160]}
        row |= {"kind": report.kind, "stored_nbytes": report.stored_nbytes}
        try:
            files = unpack(store, f"{back}/").files
        except MedROIError as error:
            unpack(store, Path(folder) / "voxels.nii")
            why = " ".join(str(error).replace(f"{folder}/", "").split())
            files, row = (), row | {"outcome": "voxels", "reason": why[:160]}
        pairs = [(source.parent / file.source, back / file.name) for file in files]
        row["n_files"] = len(pairs)
        if pairs:
            same = all(a.read_bytes() == b.read_bytes() for a, b in pairs)
            row |= {"outcome": outcome_of(pairs, same), "same_bytes": same}
            if not same:
                row["reason"] = "; ".join(file.outcome for file in files)
    row["seconds"] = f"{time.monotonic() - began:.2f}"
    return row


def outcome_of(pairs: list[tuple[Path, Path]], same: bool) -> str:
    """What came back, by the files alone."""
    if same:
        return "very bytes"
    return "same contents" if all(plain(a) == plain(b) for a, b in pairs) else "voxels"


def plain(path: Path) -> bytes:
    """The contents of a file that may be compressed."""
    data = path.read_bytes()
    return DECOMPRESS.get(data[:2], bytes)(data)


def sources(folder: Path, made: Path) -> Iterator[tuple[str, Path, str]]:
    """Give every file with its set and its name there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).parts[0], path, path.relative_to(folder).as_posix()
    for path in generate(made):
        yield "generated", path, path.name
    data = Path(nibabel.__file__).parent / "tests" / "data"
    for path in sorted(data.iterdir()):
        if path.is_file() and path.suffix not in (".py", ".rst", ".m", ".txt"):
            yield "nibabel", path, path.name
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        yield "pydicom", path, path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="files to pack and unpack")
    parser.add_argument("-o", "--out", type=Path, default=Path("returned.csv"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as made, args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for group, path, name in sources(args.folder, Path(made)):
            row = row_of(group, path, name)
            writer.writerow(row)
            file.flush()
            counts[group, str(row["outcome"])] += 1
    for (group, outcome), n in sorted(counts.items()):
        print(f"{group:<12} {outcome:<14} {n}")


if __name__ == "__main__":
    main()
