"""Promises of the public C interface: one header, one library, the bytes that Python writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from kernel_build import compiler

from medroi import MedROI, _kernel, inspect

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "src" / "kernel" / "include" / "medroi.h"
PROGRAMS = ROOT / "tests" / "c_interface"
EXAMPLE = ROOT / "examples" / "roundtrip.c"


def libraries() -> list[str]:
    """The optional libraries that this build's kernel was compiled with."""
    names = {1: "-lz", 2: "-lzstd", 3: "-lopenjp2"}
    return [flag for codec_id, flag in names.items() if _kernel.has_inner(codec_id)]


def build(folder: Path, compile_with: list[str], source: Path, name: str) -> Path:
    program = folder / name
    subprocess.run(
        [
            *compile_with,
            f"-I{HEADER.parent}",
            str(source),
            str(ROOT / "build" / "objects" / "libmedroi.a"),
            *libraries(),
            "-lpthread",
            "-lm",
            "-o",
            str(program),
        ],
        check=True,
    )
    return program


def volume() -> np.ndarray:
    """What examples/roundtrip.c fills in."""
    z, y, x = np.mgrid[16:48, 16:48, 16:48]
    found = np.zeros((64, 64, 64), "<i2")
    found[16:48, 16:48, 16:48] = 1000 + z + 3 * y - 2 * x
    return found


@pytest.mark.parametrize("language", ["c", "c++"])
def test_c_and_c_plus_plus_write_what_python_writes(tmp_path: Path, language: str) -> None:
    standard = ["-std=c11"] if language == "c" else ["-std=c++11"]
    # The C++ driver of the compiler links its own library.
    driver = compiler() if language == "c" else [shutil.which("c++") or "g++"]
    source = tmp_path / f"roundtrip.{'c' if language == 'c' else 'cc'}"
    shutil.copy(EXAMPLE, source)
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]
    program = build(tmp_path, [*driver, *standard, *warnings], source, "roundtrip")
    stream = tmp_path / "stream"
    ran = subprocess.run([program, stream], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("same: 1\n")
    assert stream.read_bytes() == MedROI("predict3d").encode(volume())


def test_the_header_is_short_and_keeps_its_prefix() -> None:
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    functions = re.findall(r"^MEDROI_API[^;#]*?\b(\w+)\(", text, re.M)
    assert 15 <= len(functions) == len(set(functions)) <= 24
    assert all(name.startswith("medroi_") for name in functions)


def test_the_mask_of_an_array_without_voxels_is_written(tmp_path: Path) -> None:
    program = build(tmp_path, [*compiler(), "-std=c11"], PROGRAMS / "mask.c", "mask")
    assert subprocess.run([program], check=False).returncode == 0


# Fuzzers of what no public function reaches: the filter's callbacks with an HDF5 that is made up,
# and coders that the extension calls for inner codecs of Python.
BELOW_THE_INTERFACE = {
    *("fuzz_datasets.c", "fake_hdf5.c", "fake_hdf5.h"),
    *("fuzz_mixture.c", "fuzz_coders.c"),
}


def test_fuzzers_go_through_the_public_headers() -> None:
    folder = ROOT / "tests" / "fuzz"
    own = {file.name for file in folder.glob("*.h")}
    included = {
        file.name: set(re.findall(r'#include "([^"]+)"', file.read_text())) - own
        for file in folder.glob("*.[ch]")
        if file.name not in BELOW_THE_INTERFACE
    }
    assert set().union(*included.values()) == {"include/medroi.h", "interface.h"}
    assert [name for name, files in included.items() if "interface.h" in files] == ["fuzz_hdf5.c"]


def test_a_registered_codec_is_used_whole_in_part_and_by_threads(tmp_path: Path) -> None:
    program = build(tmp_path, [*compiler(), "-std=c11"], PROGRAMS / "register.c", "register")
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.returncode, ran.stdout)
    assert "id 4711 is taken by flip" in ran.stdout


@pytest.mark.parametrize(
    "inner",
    [
        {"id": "wavelet3d", "noise": 0.5, "spacing_mm": [2.0, 1.0, 1.0]},
        {"name": "wavelet3d", "configuration": {"noise": 0.7}},
        {"id": "wavelet3d", "psnr": 40.0},
        "predict3d",
    ],
    ids=["noise", "zarr's spelling", "psnr", "lossless"],
)
def test_a_fit_is_that_of_python(tmp_path: Path, inner: object) -> None:
    program = build(tmp_path, [*compiler(), "-std=c11"], PROGRAMS / "fit.c", "fit")
    rng = np.random.default_rng(6)
    scan = rng.rayleigh(9, (24, 40, 44)).astype("<i2")
    scan[4:20, 8:32, 10:36] = np.rint(500 + rng.normal(0, 9, (16, 24, 26)))
    config = json.dumps({"inner": inner, "roi": "mask", "threshold": "noise"})
    command = [program, config, *map(str, scan.shape)]
    ran = subprocess.run(command, input=scan.tobytes(), capture_output=True, check=True)
    found = json.loads(ran.stdout)
    expected = MedROI.fit(scan, inner=inner, roi="mask", threshold="noise").get_config()
    assert MedROI.from_config(found).get_config() == expected


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parser")
    return build(folder, [*compiler(), "-std=c11"], PROGRAMS / "parse.c", "parse")


def parse(parser: Path, text: str) -> tuple[int, str]:
    ran = subprocess.run([parser], input=text, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout.strip()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"inner": "predict3d", "roi": "mask", "threshold": None},
        {"inner": {"id": "wavelet3d", "psnr": 50}, "threshold": 12.5},
        {"inner": {"id": "jpeg2000", "rate": 10}, "background": -1024},
        {"background": 2**64 - 1, "padding": 0, "axes": [0, -1]},
        {"background": float("nan"), "threshold": "otsu", "polarity": "dark"},
        {"components": "largest", "slice_axis": -2, "max_miss_rate": 1.0},
        {"affine": [[0.5, 0, 0], [0, 0.1, 0], [0, 0, 3]]},
    ],
)
def test_a_configuration_of_python_is_read_and_written_alike(parser: Path, options: dict) -> None:
    config = MedROI(**options).get_config()
    status, text = parse(parser, json.dumps(config))
    assert status == 0, text
    assert MedROI.from_config(json.loads(text)) == MedROI(**options)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ('{"padding": 3} x', "JSON"),
        ("[" * 100 + "]" * 100, "JSON"),
        ('{"padding": true}', "padding=true"),
        ('{"padding": 2.5}', "padding=2.5"),
        ('{"padding": "3"}', 'padding="3"'),
        ('{"verify": "false"}', "true or false"),
        ('{"threshold": "NaN"}', "threshold"),
        ('{"roi": "sphere"}', '"box" or "mask"'),
        ('{"newer": 1}', "no option newer"),
        ('{"axes": []}', "axes"),
        ('{"affine": [[1, 2], [3, 4]]}', "affine"),
        ('{"inner": {"id": "zstd", "level": 23}}', "-131072 to 22"),
        ('{"inner": {"id": "zstd", "speed": 1}}', "no setting speed"),
        ('{"inner": "wavelet3d"}', "exactly one of"),
        ('{"inner": {"id": "jpeg2000", "rate": 3, "psnr": 50}}', "not both"),
        ('{"inner": {"id": "nobody"}}', "nobody"),
        ('{"inner": 5}', "expected a name"),
    ],
)
def test_text_that_is_no_configuration_is_refused(parser: Path, text: str, word: str) -> None:
    status, said = parse(parser, text)
    assert status == 2
    assert word in said


def test_numbers_of_any_style_are_one_configuration(parser: Path) -> None:
    found = {parse(parser, f'{{"background": {text}, "padding": 3.0}}') for text in ("0", "0.0")}
    found.add(parse(parser, '{"background": false, "padding": 3}'))
    assert len(found) == 1


def test_inspect_says_what_the_engine_says() -> None:
    info = inspect(MedROI("predict3d").encode(volume()))
    assert (info.inner, info.shape) == ("predict3d", (64, 64, 64))
