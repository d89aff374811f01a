"""The example package under `examples`, installed beside medroi, works wherever medroi does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "medroi-median"

COMMON = """
import sys, json
import h5py, numpy as np, zarr
import medroi, medroi.hdf5, medroi.zarr
from medroi import MedROI
sys.path.insert(0, {tests!r})
from arrays import phantom
INNER = {{"id": "median", "level": 4}}
VOLUME = phantom((20, 33, 26))
CHUNKS = (9, 16, 13)
"""

WRITE = """
codec = MedROI(INNER, threshold=50)
assert codec.get_config()["inner"] == {"id": "median", "package": "medroi-median", "level": 4}
assert eval(repr(codec)) == MedROI.from_config(json.loads(json.dumps(codec.get_config()))) == codec
open("stream.medroi", "wb").write(codec.encode(VOLUME))
options = dict(shape=VOLUME.shape, dtype=VOLUME.dtype, chunks=CHUNKS, fill_value=0)
two = zarr.create_array("two.zarr", zarr_format=2, compressors=codec, filters=None, **options)
two[...] = VOLUME
serializer = medroi.zarr.MedROICodec(INNER, threshold=50)
zarr.create_array("three.zarr", zarr_format=3, serializer=serializer, compressors=None,
                  **options)[...] = VOLUME
with h5py.File("scan.h5", "w") as file:
    made = medroi.hdf5.MedROIFilter(INNER, threshold=50)
    file.create_dataset("scan", data=VOLUME, chunks=CHUNKS, **made)
"""

READ = """
stream = open("stream.medroi", "rb").read()
assert medroi.inspect(stream).inner == "median"
assert medroi.inspect(stream).notice == ""
expected = MedROI({"id": "median"}).decode(stream)
assert (expected[VOLUME >= 50] == VOLUME[VOLUME >= 50]).all()
chunked = zarr.open_array("two.zarr", mode="r")[...]
assert (chunked[VOLUME >= 50] == VOLUME[VOLUME >= 50]).all()
assert (zarr.open_array("three.zarr", mode="r")[...] == chunked).all()
assert (zarr.open_array("three.zarr", mode="r")[3:12, 5, 4:9] == chunked[3:12, 5, 4:9]).all()
with h5py.File("scan.h5") as file:
    assert (file["scan"][...] == chunked).all()
    assert (medroi.hdf5.read(file["scan"]) == chunked).all()
for array in (VOLUME, VOLUME.astype(">f4"), VOLUME[0], VOLUME[0, 0], VOLUME > 50,
              np.random.default_rng(0).integers(0, 2**64, (3, 5, 7), "u8"),
              np.random.default_rng(1).integers(-2**31, 2**31, (2, 3, 5, 7), "i4")):
    codec = MedROI.lossless("median")
    assert (codec.decode(codec.encode(array)) == array).all()
codec, part = medroi.inner.by_id(64), medroi.inner.make("median").encode(VOLUME[:2])
out = np.empty_like(VOLUME[:2])
for bad in (*(part[:n] for n in range(len(part))), part + b"x", b"hello"):
    try:
        codec.decode(memoryview(bad), out)
    except medroi.errors.CorruptStream:
        continue
    raise AssertionError(len(bad))
"""

# A reader that is configured for another codec, and one that trusts this one.
TRUST = """
stream = open("stream.medroi", "rb").read()
try:
    MedROI().decode(stream)
except medroi.errors.Untrusted as error:
    assert "trust='median'" in str(error)
else:
    raise AssertionError("decoded without trust")
MedROI(trust="median").decode(stream)
"""

WITHOUT = """
said = {}
stream = open("stream.medroi", "rb").read()
def read_dataset():
    with h5py.File("scan.h5") as file:
        return file["scan"][...]
for name, read in {
    "configured": lambda: MedROI({"package": "medroi-median", **INNER}),
    "unconfigured": lambda: MedROI().decode(stream),
    "two": lambda: zarr.open_array("two.zarr", mode="r"),
    "three": lambda: zarr.open_array("three.zarr", mode="r"),
    "hdf5": read_dataset,
}.items():
    try:
        read()
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]
assert medroi.inspect(stream).inner == "id 64"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed, and a work folder with what it wrote."""
    root = tmp_path_factory.mktemp("plugin")
    # A build leaves files beside its source.
    shutil.copytree(EXAMPLE, root / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--no-build-isolation", "--target", root / "site", root / "source"], check=True
    )
    (root / "files").mkdir()
    run(root, WRITE)
    return root


def run(root: Path, script: str, *, plugin: bool = True) -> str:
    text = COMMON.format(tests=str(Path(__file__).parent)) + script
    return call(root, [sys.executable, "-c", text], plugin=plugin)


def call(root: Path, command: list[str], *, plugin: bool = True) -> str:
    paths = [str(root / "site")] if plugin else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ran = subprocess.run(
        command, cwd=root / "files", env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_another_process_reads_what_it_wrote(installed: Path) -> None:
    run(installed, READ)


def test_it_decodes_where_it_is_configured_or_trusted_and_nowhere_else(installed: Path) -> None:
    run(installed, TRUST)


def test_a_reader_without_the_package_is_told_to_install_it(installed: Path) -> None:
    said = json.loads(run(installed, WITHOUT, plugin=False))
    for name in ("configured", "two", "three"):
        assert said[name][0] == "InnerUnavailable"
        assert "'median' is of the package medroi-median" in said[name][1]
        assert "pip install medroi-median" in said[name][1]
    assert said["unconfigured"][0] == "UnknownInner"
    assert said["hdf5"][0] == "OSError"
    for name in ("unconfigured", "hdf5"):
        assert "has id 64, which is of a package other than medroi" in said[name][1]


def test_the_command_line_packs_with_it_shows_it_and_lists_it(installed: Path) -> None:
    import nibabel
    import numpy as np
    from arrays import phantom

    image = nibabel.Nifti1Image(phantom((20, 33, 26)), np.eye(4))
    nibabel.save(image, installed / "files" / "scan.nii")
    medroi = [sys.executable, "-m", "medroi"]
    for target in ("packed.zarr", "packed.h5"):
        call(installed, [*medroi, "pack", "scan.nii", target, "--inner", "median:level=9"])
        assert "median" in call(installed, [*medroi, "info", target])
        call(installed, [*medroi, "check", target])
        call(installed, [*medroi, "unpack", target, f"{target}.nii"])
    rows = json.loads(call(installed, [*medroi, "codecs", "--json"]))
    (row,) = [row for row in rows if row["id"] == 64]
    assert (row["name"], row["package"], row["installed"]) == ("median", "medroi-median", "yes")
    rows = json.loads(call(installed, [*medroi, "codecs", "--json"], plugin=False))
    assert {row["package"] for row in rows} == {"medroi"}
