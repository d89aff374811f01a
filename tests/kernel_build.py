"""Compile pieces of the kernel with flags of one's own, for tests that need that."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

KERNEL = Path(__file__).parents[1] / "src" / "kernel"
CODECS = KERNEL / "codecs"
CODERS = sorted(str(p) for n in ("predict3d", "wavelet3d") for p in (CODECS / n).glob("*.c"))
SUPPORT = [
    str(KERNEL / f"{name}.c")
    for name in (
        "base/block",
        "base/elements",
        "base/error",
        "base/short_integers",
        "codecs/deflate",
        "codecs/inner",
        "codecs/jpeg2000/jpeg2000",
        "codecs/parameters",
        "codecs/parts",
        "codecs/raw",
        "codecs/valuemap/distinct",
        "codecs/valuemap/intmap_scaled",
        "codecs/zstd",
        "entropy/prefix_code",
    )
]


def compiler() -> list[str]:
    """The C compiler, with its arguments."""
    return os.environ.get("CC", "cc").split()


def build(folder: Path, name: str, sources: Sequence[str], flags: Sequence[str]) -> ctypes.CDLL:
    """A shared library of these sources."""
    library = folder / f"{name}.so"
    command = [*compiler(), "-std=c11", "-shared", "-fPIC", "-ffp-contract=off", f"-I{KERNEL}"]
    subprocess.run([*command, *flags, *sources, "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def runs_with(folder: Path, flags: Sequence[str]) -> bool:
    """Whether the compiler takes these flags and this processor has AVX2 and FMA."""
    source, probe = folder / "probe.c", folder / "probe"
    source.write_text(
        'int main(void) { return !(__builtin_cpu_supports("avx2") && '
        '__builtin_cpu_supports("fma")); }'
    )
    made = subprocess.run([*compiler(), *flags, str(source), "-o", str(probe)], check=False)
    return made.returncode == 0 and subprocess.run([str(probe)], check=False).returncode == 0


def builds(folder: Path) -> list[ctypes.CDLL]:
    """Both coders under flags that change instructions, order of work and speed."""
    wide = ["-O3", "-mavx2", "-mfma"]
    sets = [["-O0"], ["-O3"], ["-O2", "-funroll-loops", "-DMEDROI_PORTABLE_ROWS"]]
    sets += [wide] if runs_with(folder, wide) else []
    return [build(folder, f"kernel{i}", [*CODERS, *SUPPORT], flags) for i, flags in enumerate(sets)]


class Block(ctypes.Structure):
    """medroi_block."""

    _fields_ = (
        ("ndim", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
        ("kind", ctypes.c_char),
        ("big_endian", ctypes.c_uint8),
        ("itemsize", ctypes.c_uint16),
    )


class Inner(ctypes.Structure):
    """medroi_inner; only what is called here has its type."""

    _fields_ = (
        ("id", ctypes.c_uint16),
        ("name", ctypes.c_char_p),
        *((field, ctypes.c_void_p) for field in ("check", "is_lossy", "part_extent")),
        ("plan", ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)),
        ("plan_scan", ctypes.c_void_p),
        ("bound", ctypes.CFUNCTYPE(ctypes.c_size_t, *[ctypes.c_void_p] * 2)),
        (
            "encode",
            ctypes.CFUNCTYPE(
                ctypes.c_int, *[ctypes.c_void_p] * 5, ctypes.c_size_t, *[ctypes.c_void_p] * 2
            ),
        ),
        (
            "decode",
            ctypes.CFUNCTYPE(
                ctypes.c_int,
                *[ctypes.c_void_p] * 2,
                ctypes.c_size_t,
                *[ctypes.c_void_p] * 2,
            ),
        ),
    )


class Coder:
    """One codec of a library built here."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.inner = Inner.in_dll(library, f"medroi_{name}")

    def encode(self, part: np.ndarray, params: Sequence[float]) -> bytes:
        """Plan and encode one part."""
        block, values = block_of(part), (ctypes.c_double * 7)(*params)
        if self.inner.plan:
            assert self.inner.plan(ctypes.byref(block), part.ctypes.data, None, values, None) == 0
        coded = np.empty(self.inner.bound(ctypes.byref(block), values), np.uint8)
        nbytes = ctypes.c_size_t()
        status = self.inner.encode(
            ctypes.byref(block),
            part.ctypes.data,
            None,
            values,
            coded.ctypes.data,
            coded.size,
            ctypes.byref(nbytes),
            None,
        )
        assert status == 0
        return coded[: nbytes.value].tobytes()

    def decode(self, coded: bytes, like: np.ndarray) -> np.ndarray:
        """Decode one part."""
        out, block = np.empty_like(like), block_of(like)
        status = self.inner.decode(ctypes.byref(block), coded, len(coded), out.ctypes.data, None)
        assert status == 0
        return out


def block_of(part: np.ndarray) -> Block:
    """The block that an array is."""
    return Block(
        part.ndim,
        (ctypes.c_int64 * 8)(*part.shape),
        part.dtype.kind.encode(),
        part.dtype.str.startswith(">"),
        part.dtype.itemsize,
    )
