"""Run benchmarks and write their tables, or check that nothing became slower or larger.

    python benchmarks/run.py                      all of them, on the scan of examples/data
    python benchmarks/run.py region hdf5          some
    python benchmarks/run.py --scans FOLDER       on your scans: one folder per data set in it
    python benchmarks/run.py --check              bytes against frozen figures, seconds
    python benchmarks/run.py --check --times      times too, as ratios: on a quiet machine

Every benchmark is a program of its own, started here with one thread per library. Its table
NAME.csv gets the columns machine, versions and commit. One that fails leaves its old table.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import HERE, add_columns, describe

# Stand in arguments for the folder of scans, the NIfTI files in it, and the table to write.
FOLDER, FILES, TABLE = "{folder}", "{files}", "{table}"
EXAMPLES = HERE.parent / "examples"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MODULES = {
    "Pillow": "PIL",
    "pynrrd": "nrrd",
    "zlib-ng": "zlib_ng",
    "PyWavelets": "pywt",
    "pillow-heif": "pillow_heif",
    "compressed-segmentation": "compressed_segmentation",
    "crackle-codec": "crackle",
}


LOSSY_NEEDS = ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "scipy")


@dataclass(frozen=True)
class Benchmark:
    """A script, its arguments, and the packages it needs; without `TABLE` it prints its table."""

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


BENCHMARKS = (
    Benchmark("codec", "codec.py"),
    Benchmark("region", "region.py"),
    Benchmark("inners", "inners.py", ("-o", TABLE), ("nibabel", "imagecodecs", "pillow-heif")),
    Benchmark("zarr_bindings", "zarr_bindings.py", (FILES,), ("nibabel", "zarr")),
    Benchmark("hdf5", "hdf5.py", (FILES,), ("nibabel", "h5py", "hdf5plugin")),
    Benchmark(
        "coders",
        "coders.py",
        (FOLDER, "--out", TABLE),
        ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "scipy"),
    ),
    *(
        Benchmark(name, "lossy_curves.py", (FOLDER, "--coders", coders, "-o", TABLE), LOSSY_NEEDS)
        for name, coders in (
            ("lossy_ours", "small,fast"),
            ("lossy_x265", "x265"),
            ("lossy_av1", "svt-av1"),
            ("lossy_peers", "sperr,sz3,zfp,jpeg2000,published"),
        )
    ),
    Benchmark(
        "wavelet3d_speeds",
        "wavelet3d_speeds.py",
        (FOLDER, "-o", TABLE),
        ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "scipy"),
    ),
    Benchmark(
        "coders_learned",
        "coders.py",
        (FOLDER, "--only", "tomoz", "--voxels", "1e6", "--side", "160", "--out", TABLE),
        ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "tomoz"),
    ),
    Benchmark(
        "bounded_error",
        "bounded_error.py",
        (FOLDER, "-o", TABLE),
        ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "scipy"),
    ),
    Benchmark("guarantee", "guarantee.py", (FOLDER,), ("nibabel", "scipy")),
    Benchmark(
        "loss", "loss.py", (FOLDER, "-o", TABLE), ("nibabel", "scipy", "zarr", "h5py", "Pillow")
    ),
    Benchmark("roundtrip", "roundtrip.py", (FOLDER, "-o", TABLE), ("nibabel", "zarr")),
    Benchmark(
        "roundtrip_predict3d",
        "roundtrip.py",
        (FOLDER, "--inner", "predict3d", "-o", TABLE),
        ("nibabel", "zarr"),
    ),
    Benchmark(
        "roundtrip_images", "roundtrip_images.py", (FOLDER, "-o", TABLE), ("Pillow", "pydicom")
    ),
    Benchmark(
        "mask_rate",
        "mask_rate.py",
        (FOLDER, "-o", TABLE),
        ("nibabel", "imagecodecs", "PyWavelets", "Pillow", "matplotlib", "scipy"),
    ),
    Benchmark("mask_size", "mask_size.py", (FOLDER,), ("nibabel", "scipy")),
    Benchmark("pack", "pack.py", (FOLDER,), ("nibabel", "zarr")),
    Benchmark("pack_bytes", "pack_bytes.py", (FOLDER,), ("nibabel", "zarr")),
    Benchmark("one_region", "one_region.py", (FOLDER,), ("nibabel", "zarr")),
    Benchmark("clear", "clear.py", (FOLDER,), ("nibabel", "zarr")),
    Benchmark("dicom", "dicom.py", (), ("nibabel", "pydicom", "zarr", "pylibjpeg")),
    Benchmark(
        "returned",
        "returned.py",
        (FOLDER, "-o", TABLE),
        ("nibabel", "pydicom", "zarr", "pynrrd", "zstandard", "zlib-ng", "Pillow"),
    ),
    Benchmark("predict3d", "predict3d.py", (FOLDER, "--slices", "48", "-o", TABLE), ("nibabel",)),
    Benchmark(
        "limit",
        "limit.py",
        (FOLDER, "-o", TABLE),
        ("nibabel", "scipy", "imagecodecs", "PyWavelets", "Pillow", "matplotlib"),
    ),
    Benchmark("small_chunks", "small_chunks.py", (FOLDER, "-o", TABLE), ("nibabel",)),
    Benchmark(
        "label_maps",
        "label_maps.py",
        (FOLDER, "-o", TABLE),
        (
            *("nibabel", "scipy", "imagecodecs"),
            *("compressed-segmentation", "compresso", "crackle-codec"),
        ),
    ),
    Benchmark("archive", "archive.py", (FOLDER, "-o", TABLE), ("nibabel", "zarr")),
    Benchmark("archive_journal", "archive_journal.py", ("-o", TABLE), ("nibabel", "zarr")),
    Benchmark(
        "archive_s3", "archive_s3.py", (FOLDER, "-o", TABLE), ("nibabel", "zarr", "s3fs", "moto")
    ),
    Benchmark("larger_than_memory", "larger_than_memory.py", ("-o", TABLE), ("nibabel", "zarr")),
    Benchmark("javascript", "javascript.py", (FILES,), ("nibabel",)),
    Benchmark("first_picture", "first_picture.py", (FILES,), ("nibabel", "zarr")),
    Benchmark("siren", "siren.py", ("-o", TABLE), ("torch", "nibabel")),
    Benchmark("neural", "neural.py", ("-o", TABLE), ("torch", "nibabel")),
    Benchmark("neural_exact", "neural_exact.py", (FOLDER, "-o", TABLE), ("torch", "nibabel")),
)


def missing(benchmark: Benchmark) -> list[str]:
    """Packages that a benchmark needs and that are not here."""
    return [
        name
        for name in benchmark.needs
        if importlib.util.find_spec(MODULES.get(name, name)) is None
    ]


def command(benchmark: Benchmark, scans: Path, table: Path) -> list[str]:
    """The command line of a benchmark."""
    # FreeSurfer's and DICOM files are for those benchmarks that take a folder.
    files = [str(path) for path in sorted(scans.rglob("*.nii*"))]
    one = {FOLDER: str(scans), TABLE: str(table)}
    found = [sys.executable, str(HERE / benchmark.script)]
    for argument in benchmark.arguments:
        found += files if argument == FILES else [one.get(argument, argument)]
    return found


def run(benchmark: Benchmark, scans: Path, output: Path) -> str:
    """Run one benchmark and write its table; what became of it, beginning with ok where it did."""
    lacking = missing(benchmark)
    if lacking:
        return f"not run: pip install {' '.join(lacking)}"
    machine = describe(benchmark.needs)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, f"{benchmark.name}.csv")
        prints = TABLE not in benchmark.arguments
        with Path(folder, "printed").open("w+") as printed:
            done = subprocess.run(
                command(benchmark, scans, table),
                stdout=printed if prints else None,
                env={**os.environ, **ONE_THREAD},
            )
        if done.returncode:
            return f"failed with status {done.returncode}"
        n_rows = add_columns(
            Path(folder, "printed") if prints else table, output / f"{benchmark.name}.csv", machine
        )
        for picture in Path(folder).glob("*.png"):
            (output / picture.name).write_bytes(picture.read_bytes())
    return f"ok: {n_rows} rows in {time.monotonic() - begun:.0f} s"


def run_all(names: list[str], scans: Path, output: Path) -> int:
    """Run benchmarks one after another; 1 where one of them has no new table."""
    output.mkdir(parents=True, exist_ok=True)
    bad = 0
    for benchmark in BENCHMARKS:
        if not names or benchmark.name in names:
            print(f"{benchmark.name}: ", flush=True)
            became = run(benchmark, scans, output)
            bad += not became.startswith("ok")
            print(f"{benchmark.name}: {became}", flush=True)
    return 1 if bad else 0


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; 0 where all of it went well."""
    known = [benchmark.name for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--scans", type=Path, default=EXAMPLES, help="folder of folders of scans")
    parser.add_argument("-o", "--output", type=Path, default=HERE, help="folder of the tables")
    parser.add_argument("--check", action="store_true", help="compare with frozen figures only")
    parser.add_argument("--times", action="store_true", help="with --check: ratios of times too")
    asked = parser.parse_args(arguments)
    if asked.times and not asked.check:
        parser.error("--times goes with --check")
    unknown = [name for name in asked.names if name not in known]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}: there are {', '.join(known)}")
    if not asked.scans.is_dir():
        parser.error(f"{asked.scans} is not a folder")
    if asked.check:
        from regression import check

        return check(with_times=asked.times)
    return run_all(asked.names, asked.scans, asked.output)


if __name__ == "__main__":
    sys.exit(main())
