"""The kernel's files call each other in one direction, and the check notices where they do not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import check_calls
import pytest

ROOT = Path(__file__).parent.parent

SOUND_TREE = {
    "base/fail": "int medroi_fail(void) { return 1; }",
    "base/crc": "int medroi_fail(void);\nint medroi_crc(void) { return medroi_fail(); }",
    "entropy/bits": "int medroi_fail(void);\nint medroi_bits(void) { return medroi_fail(); }",
    "stream/header": "int medroi_crc(void);\nint medroi_header(void) { return medroi_crc(); }",
    "codecs/parts": "int medroi_extent(void) { return 2; }",
    "codecs/raw": "int medroi_extent(void);\nint (*const medroi_raw)(void) = medroi_extent;",
    "codecs/zstd": "int medroi_extent(void);\nint (*const medroi_zstd)(void) = medroi_extent;",
    "codecs/valuemap/map": "int medroi_map(void) { return 3; }",
    "codecs/wavelet3d/lift": (
        "int medroi_map(void);\nint medroi_lift(void) { return medroi_map(); }"
    ),
    "codecs/wavelet3d/wavelet3d": (
        "int medroi_lift(void);\nint (*const medroi_wavelet3d)(void) = medroi_lift;"
    ),
    "codecs/predict3d/predict3d": "int medroi_predict3d(void) { return 4; }",
    "codecs/inner": (
        "extern int (*const medroi_raw)(void), (*const medroi_zstd)(void);\n"
        "extern int (*const medroi_wavelet3d)(void);\n"
        "int medroi_code(void) { return medroi_raw() + medroi_zstd() + medroi_wavelet3d(); }"
    ),
    "engine/pipeline": (
        "int medroi_code(void), medroi_header(void);\n"
        "int medroi_encode(void) { return medroi_code() + medroi_header(); }"
    ),
}

# What is added to one file, and what the check says.
BREACHES = {
    "a name without its beginning": ("base/crc", "int crc(void) { return 0; }", "crc is external"),
    "a variable without its beginning": ("base/crc", "int n_calls = 1;", "n_calls is external"),
    "a folder that calls one above it": (
        "stream/header",
        "int medroi_bits(void);\nint medroi_peek(void) { return medroi_bits(); }",
        "calls medroi_bits of entropy/bits, which is not below stream",
    ),
    "a codec that calls a file of another's": (
        "codecs/predict3d/predict3d",
        "int medroi_lift(void);\nint medroi_fit(void) { return medroi_lift(); }",
        "calls medroi_lift of codecs/wavelet3d/lift, which only the files of",
    ),
    "a codec that calls another": (
        "codecs/zstd",
        "extern int (*const medroi_raw)(void);\nint medroi_try(void) { return medroi_raw(); }",
        "calls medroi_raw of codecs/raw, which is an inner codec of its own",
    ),
    "two files that call each other": (
        "base/fail",
        "int medroi_crc(void);\nint medroi_tell(void) { return medroi_crc(); }",
        "a circle of 2 files: base/crc calls medroi_fail of base/fail",
    ),
    "a folder without a place": ("extra/extra", "int medroi_extra;", "a new folder"),
}


def build_library(folder: Path, files: dict[str, str]) -> Path:
    """A static library of these sources, as setup.py makes one."""
    compiler = os.environ.get("CC", "cc").split()
    objects = []
    for name, text in files.items():
        source = folder / (name.replace("/", "-") + ".c")
        source.write_text(text + "\n")
        objects.append(str(source.with_suffix(".o")))
        subprocess.run([*compiler, "-c", str(source), "-o", objects[-1]], check=True)
    library = folder / "libmedroi.a"
    subprocess.run(["ar", "rcs", str(library), *objects], check=True)
    return library


def test_the_kernel_keeps_its_rules() -> None:
    assert check_calls.find_violations(ROOT / check_calls.LIBRARY) == []


def test_a_sound_library_passes(tmp_path: Path) -> None:
    assert check_calls.find_violations(build_library(tmp_path, SOUND_TREE)) == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.replace(" ", "-"))
def test_every_broken_rule_is_found(tmp_path: Path, breach: str) -> None:
    name, text, expected = BREACHES[breach]
    broken = {**SOUND_TREE, name: SOUND_TREE.get(name, "") + "\n" + text}
    (found,) = check_calls.find_violations(build_library(tmp_path, broken))
    assert found.startswith(name) or "circle" in found
    assert expected in found


def test_a_circle_of_three_is_one_finding(tmp_path: Path) -> None:
    circle = {
        f"region/{name}": f"int medroi_{other}(void);\nint medroi_{name}(void) "
        f"{{ return medroi_{other}(); }}"
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    }
    (found,) = check_calls.find_violations(build_library(tmp_path, circle))
    assert found == (
        "region/a: a circle of 3 files: region/a calls medroi_b of region/b; "
        "region/b calls medroi_c of region/c; region/c calls medroi_a of region/a"
    )


def test_a_library_without_objects_is_no_success(tmp_path: Path) -> None:
    empty = tmp_path / "libmedroi.a"
    subprocess.run(["ar", "rcs", str(empty)], check=True)
    assert check_calls.find_violations(empty) == [f"{empty}: no objects in it"]


def test_a_missing_library_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert check_calls.main([str(tmp_path / "libmedroi.a")]) == 1
    assert "setup.py build_ext --inplace makes it" in capsys.readouterr().out
