"""Promises of libmedroi as it is installed: every way to find it, the bytes that Python writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import needs
import numpy as np
import pytest

import medroi
from medroi import MedROI

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "src" / "kernel" / "include" / "medroi.h"
MAN_PAGE = ROOT / "src" / "kernel" / "medroi.3"
EXAMPLES = ROOT / "examples"


def run(*command: str | Path, **environment: str) -> str:
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def volume() -> np.ndarray:
    """The array that examples/roundtrip.c fills in."""
    z, y, x = np.mgrid[16:48, 16:48, 16:48]
    found = np.zeros((64, 64, 64), "<i2")
    found[16:48, 16:48, 16:48] = 1000 + z + 3 * y - 2 * x
    return found


def functions() -> set[str]:
    """Names of the public interface."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    return set(re.findall(r"^MEDROI_API[^;#]*?\b(medroi_\w+)\(", text, re.M))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where CMake installed the library."""
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    settings = ["-DCMAKE_C_FLAGS=-O1", "-DCMAKE_INSTALL_LIBDIR=lib"]
    run(
        "cmake", "-S", HEADER.parents[1], "-B", build, *settings, f"-DCMAKE_INSTALL_PREFIX={prefix}"
    )
    run("cmake", "--build", build, "-j", str(os.cpu_count()))
    run("cmake", "--install", build)
    return prefix


def pkg_config(prefix: Path, *arguments: str) -> list[str]:
    path = str(prefix / "lib" / "pkgconfig")
    return run("pkg-config", *arguments, "medroi", PKG_CONFIG_PATH=path).split()


@needs.cmake
@pytest.mark.parametrize("kind", ["shared", "static"])
def test_pkg_config_builds_a_program_that_writes_what_python_writes(
    prefix: Path, tmp_path: Path, kind: str
) -> None:
    flags = pkg_config(prefix, "--cflags", "--libs", *(["--static"] if kind == "static" else []))
    if kind == "static":
        flags = [str(prefix / "lib" / "libmedroi.a") if f == "-lmedroi" else f for f in flags]
    else:
        flags.append(f"-Wl,-rpath,{prefix / 'lib'}")
    run("cc", EXAMPLES / "roundtrip.c", *flags, "-o", tmp_path / "roundtrip")
    assert run(tmp_path / "roundtrip", tmp_path / "stream").endswith("same: 1\n")
    assert (tmp_path / "stream").read_bytes() == MedROI("predict3d").encode(volume())
    linked = run("ldd", tmp_path / "roundtrip")
    assert ("libmedroi.so.0 =>" in linked) == (kind == "shared")


@needs.cmake
def test_cmake_finds_it_for_c_and_c_plus_plus(prefix: Path, tmp_path: Path) -> None:
    run("cmake", "-S", EXAMPLES, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path)
    run(tmp_path / "roundtrip", tmp_path / "stream")
    said = run(tmp_path / "decode", tmp_path / "stream")
    total = int(volume().view(np.uint8).sum(dtype=np.int64))
    assert said == (
        f"libmedroi {version_of_header()}: predict3d, 524288 bytes of voxels, their sum {total}\n"
    )


@needs.cmake
def test_only_the_public_interface_is_exported(prefix: Path) -> None:
    listed = run("nm", "-D", "--defined-only", prefix / "lib" / "libmedroi.so")
    assert {line.split()[-1] for line in listed.splitlines()} == functions()


@needs.cmake
def test_all_versions_are_one(prefix: Path) -> None:
    version = version_of_header()
    assert pkg_config(prefix, "--modversion") == [version]
    assert (prefix / "lib" / f"libmedroi.so.{version}").exists()
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
    assert f'"version": "{version}"' in (ROOT / "js" / "package.json").read_text()


def test_the_man_page_names_every_function() -> None:
    named = set(re.findall(r"^\.Fn (medroi_\w+)", MAN_PAGE.read_text(), re.M))
    assert named == functions()


@pytest.mark.skipif(sys.platform != "linux", reason="only builds for Linux bring the library")
def test_medroi_config_builds_a_program(tmp_path: Path) -> None:
    flags = run(sys.executable, "-m", "medroi", "config", "--cflags", "--libs").split()
    assert flags == run(sys.executable, "-m", "medroi", "config").split()
    run("cc", EXAMPLES / "roundtrip.c", *flags, "-o", tmp_path / "roundtrip")
    assert run(tmp_path / "roundtrip").endswith("same: 1\n")
    include = Path(medroi.__file__).parent / "include" / "medroi.h"
    assert include.read_bytes() == HEADER.read_bytes()
    assert shutil.which("nm") is None or exported(flags[1]) == functions()


def exported(library: str) -> set[str]:
    listed = run("nm", "-D", "--defined-only", library)
    return {line.split()[-1] for line in listed.splitlines()}


def version_of_header() -> str:
    found = re.search(r'#define MEDROI_VERSION "(.*)"', HEADER.read_text())
    assert found is not None
    return found[1]
