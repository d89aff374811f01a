"""An installed wheel is whole: kernel, native codecs, entry points, types."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import medroi
from medroi import MedROI, _kernel

GOLDENS = sorted((Path(__file__).parents[1] / "golden").glob("v*.medroi"))


def test_the_wheel_and_not_the_source_tree_is_tested() -> None:
    assert Path(medroi.__file__).is_relative_to(sys.prefix)


@pytest.mark.parametrize("codec_id", [0, 1, 2, 3])
def test_the_kernel_has_its_libraries(codec_id: int) -> None:
    assert _kernel.has_inner(codec_id)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_goldens_decode(path: Path) -> None:
    expected = np.load(path.with_suffix(".npz"))["array"]
    decoded = MedROI().decode(path.read_bytes())
    assert decoded.dtype == expected.dtype
    assert decoded.tobytes("A") == expected.tobytes("A")


def test_numcodecs_finds_the_codec_without_an_import() -> None:
    script = "import numcodecs; print(numcodecs.get_codec({'id': 'medroi', 'inner': 'zstd'}))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("MedROI(inner={'id': 'zstd'")


def test_zarr_finds_the_codec_by_its_entry_point() -> None:
    (found,) = entry_points(group="zarr.codecs", name="medroi")
    assert found.value == "medroi.zarr:MedROICodec"


def test_the_types_are_shipped() -> None:
    assert (Path(medroi.__file__).parent / "py.typed").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only wheels for Linux bring libmedroi")
def test_the_c_library_is_shipped_and_loads() -> None:
    config = [sys.executable, "-m", "medroi", "config"]
    said = subprocess.run(
        [*config, "--cflags", "--libs"], capture_output=True, text=True, check=True
    )
    include, library, _ = said.stdout.split()
    header = Path(include.removeprefix("-I"), "medroi.h").read_text()
    loaded = ctypes.CDLL(library)
    loaded.medroi_version.restype = ctypes.c_char_p
    assert f'#define MEDROI_VERSION "{loaded.medroi_version().decode()}"' in header
