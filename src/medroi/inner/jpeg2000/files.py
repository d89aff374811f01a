"""JPEG 2000 slices through glymur, for builds whose kernel has no OpenJPEG."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import InnerUnavailable
from medroi.inner.forking import ForkSafeLock, importing
from medroi.inner.slices import Indices

_MAX_RESOLUTIONS = 6
_MEMORY_FOLDER = "/dev/shm"
# glymur's thread option belongs to the process.
_lock = ForkSafeLock(wait=True)


@dataclass(frozen=True)
class Quality:
    """Target of a slice: lossless, or one of these.

    Attributes
    ----------
    ratio : float, optional
        Bits of the samples per bit of the codestream.
    psnr : float, optional
        OpenJPEG's dB against the largest sample; approximate.
    """

    ratio: float | None = None
    psnr: float | None = None


def load_glymur() -> Any:
    """The glymur module with a working OpenJPEG.

    Raises
    ------
    InnerUnavailable
    """
    try:
        with importing:
            import glymur
    except ImportError as error:
        raise InnerUnavailable(
            "jpeg2000 needs OpenJPEG: install its headers (Debian: apt install libopenjp2-7-dev) "
            "and reinstall medroi, or: pip install medroi[jpeg2000]"
        ) from error
    if glymur.version.openjpeg_version_tuple < (2, 4):
        raise InnerUnavailable(
            "glymur found no OpenJPEG of version 2.4 or later (Debian: apt install libopenjp2-7)"
        )
    return glymur


@contextmanager
def _one_thread(glymur: Any) -> Iterator[Path]:
    """A private folder in memory where there is one, while glymur runs in one thread."""
    memory = _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK) else None
    with _lock, tempfile.TemporaryDirectory(prefix="medroi-", dir=memory) as folder:
        threads = glymur.get_option("lib.num_threads")
        glymur.set_option("lib.num_threads", 1)
        try:
            yield Path(folder)
        finally:
            glymur.set_option("lib.num_threads", threads)


def sample_bits(max_index: int) -> int:
    """Bits of a sample as glymur writes it."""
    return 8 if max_index < 256 else 16


def encode(indices: Indices, max_index: int, quality: Quality) -> list[bytes]:
    """Codestreams of slices."""
    glymur = load_glymur()
    samples = indices.astype(np.uint8 if sample_bits(max_index) == 8 else np.uint16)
    height, width = samples.shape[1:]
    options: dict[str, Any] = {
        "numres": min(_MAX_RESOLUTIONS, min(height, width).bit_length()),
        "irreversible": quality != Quality(),
    }
    if quality.ratio is not None:
        options["cratios"] = [quality.ratio]
    if quality.psnr is not None:
        options["psnr"] = [quality.psnr]
    files = []
    with _one_thread(glymur) as folder:
        for number, samples_2d in enumerate(samples):
            path = folder / f"{number}.j2k"
            glymur.Jp2k(path, data=samples_2d, **options)
            files.append(path.read_bytes())
            path.unlink()
    return files


def decode(codestream: bytes, shape: tuple[int, int]) -> npt.NDArray[np.integer]:
    """Samples of one codestream.

    Raises
    ------
    CorruptStream
        For anything but a codestream of one component of this shape.
    """
    height, width = shape
    _kernel.check_codestream(width, height, codestream)
    glymur = load_glymur()
    with _one_thread(glymur) as folder:
        path = folder / "slice.j2k"
        path.write_bytes(codestream)
        samples: npt.NDArray[np.integer] = np.asarray(glymur.Jp2k(path)[:])
        return samples.reshape(shape)
