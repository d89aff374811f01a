"""Video coders as peers: the slices of a volume as frames of grey, through the program ffmpeg.

Lossy: x265 (HEVC) in 12 bits and SVT-AV1 in 10 bits, which is the most it takes; values are
stretched over these bits, rounded, and brought back after decoding. Lossless: FFV1 in 16 bits, x265
and libaom (AV1) in the fewest bits that hold the values, at most 12. Peers get every advantage:
presets far slower than video uses, one key frame, no text of settings in the stream, and no
container: the bytes are those of the packets. One thread each. What makes a lossless mode lose
values is off: weighted prediction of x265 (3.5), filtered references of libaom (3.6). Frames
of less than 64 voxels a side, on which x265 crashes, are padded with their last row and column.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FFMPEG = shutil.which("ffmpeg")
X265 = "frame-threads=1:pools=none:info=0:keyint=-1:log-level=none"


@dataclass(frozen=True)
class VideoCoder:
    """One coder of ffmpeg and its settings.

    Attributes
    ----------
    name : str
        In tables.
    options : str
        Of ffmpeg's output, as on a command line; `{quality}` is the quality of a lossy coder.
    container : str
        Format of the file that is decoded again.
    bits : tuple of int
        Bits per voxel that it takes; a lossless one uses the fewest that hold the values.
    has_colour : bool
        It knows no grey: flat colour planes go with each frame.
    least_side : int
        Smaller frames are padded with their last row and column.
    qualities : tuple of int
        Of a curve; empty for a lossless coder.
    version : str
        Pattern of its version in what ffmpeg says; empty: that of ffmpeg.
    """

    name: str
    options: str
    container: str
    bits: tuple[int, ...]
    has_colour: bool = False
    least_side: int = 1
    qualities: tuple[int, ...] = ()
    version: str = ""

    @property
    def settings(self) -> str:
        """Version and settings, in one line."""
        text = self.options.replace("{quality}", "/".join(map(str, self.qualities)))
        return f"{version_of(self)}, {max(self.bits)} bits at most: {text}"


LOSSY = (
    VideoCoder(
        "x265",
        f"-c:v libx265 -preset veryslow -tune psnr -crf {{quality}} -x265-params {X265}",
        "hevc",
        (12,),
        least_side=64,
        qualities=(2, 7, 12, 17, 22, 28),
        version=r"HEVC encoder version (\S+)",
    ),
    VideoCoder(
        "svt-av1",
        "-c:v libsvtav1 -preset 3 -crf {quality} -svtav1-params lp=1:keyint=-1",
        "obu",
        (10,),
        has_colour=True,
        least_side=64,
        qualities=(1, 4, 8, 13, 20, 30, 42),
        version=r"SVT-AV1 Encoder Lib v(\S+)",
    ),
)
LOSSLESS = (
    VideoCoder(
        "ffv1",
        "-c:v ffv1 -level 3 -coder 1 -context 1 -g 100000 -slices 4 -slicecrc 0",
        "nut",
        (16,),
    ),
    VideoCoder(
        "x265-lossless",
        f"-c:v libx265 -preset veryslow -x265-params lossless=1:no-weightp=1:no-weightb=1:{X265}",
        "hevc",
        (8, 10, 12),
        version=r"HEVC encoder version (\S+)",
    ),
    VideoCoder(
        "aom-lossless",
        "-c:v libaom-av1 -cpu-used 3 -threads 1 -g 100000 -arnr-max-frames 0 -arnr-strength 0 "
        "-aom-params lossless=1:enable-keyframe-filtering=0",
        "obu",
        (8, 10, 12),
        version=r"libaom-av1 @ \S+ v?(\d\S+)",
    ),
)


def encode(coder: VideoCoder, frames: Array, quality: int | None = None) -> tuple[int, bytes]:
    """Code frames of unsigned integers.

    Returns
    -------
    int
        Bytes of the packets.
    bytes
        A file that `decode` takes.

    Raises
    ------
    ValueError
        For values that the coder has no bits for.
    """
    bits = bits_for(coder, frames)
    with tempfile.TemporaryDirectory() as name:
        coded, packets = Path(name) / "coded", Path(name) / "packets"
        options = coder.options.replace("{quality}", str(quality)).split()
        source = [*raw(coder, bits, frames.shape), "-i", "pipe:0"]
        output = [*options, "-f", coder.container, str(coded)]
        ffmpeg([*source, *output], planes(coder, bits, frames))
        copy = ["-f", coder.container, "-i", str(coded), "-c", "copy", "-f", "rawvideo"]
        ffmpeg([*copy, str(packets)])
        return packets.stat().st_size, coded.read_bytes()


def decode(coder: VideoCoder, coded: bytes, like: Array) -> Array:
    """Frames again; `like` has their shape and the values that bits were chosen for."""
    bits = bits_for(coder, like)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "coded"
        path.write_bytes(coded)
        wanted = ["-f", "rawvideo", "-pix_fmt", pixel_format(coder, bits), "pipe:1"]
        found = ffmpeg(
            ["-f", coder.container, "-i", str(path), "-fps_mode", "passthrough", *wanted]
        )
    height, width = coded_size(coder, like.shape)
    n_grey = height * width
    per_frame = n_grey * 3 // 2 if coder.has_colour else n_grey
    values = np.frombuffer(found, "<u2" if bits > 8 else "u1").reshape(len(like), per_frame)
    grey = values[:, :n_grey].reshape(-1, height, width)
    return grey[:, : like.shape[1], : like.shape[2]].astype(np.uint16)


def lossy(coder: VideoCoder, quality: int) -> Callable[[Array], tuple[int, Array]]:
    """Bytes and what comes back of a volume, stretched over the coder's bits."""

    def code(volume: Array) -> tuple[int, Array]:
        low, high = float(volume.min()), float(volume.max())
        most = 2 ** coder.bits[0] - 1
        frames = np.rint((volume.astype(np.float64) - low) / (high - low) * most).astype(np.uint16)
        nbytes, coded = encode(coder, frames, quality)
        return nbytes, decode(coder, coded, frames) / most * (high - low) + low

    return code


def bits_for(coder: VideoCoder, frames: Array) -> int:
    """The fewest bits of a coder that hold the values."""
    most = int(frames.max())
    found = next((bits for bits in coder.bits if most < 2**bits), None)
    if found is None:
        raise ValueError(f"{coder.name}: values up to {most}, expected {max(coder.bits)} bits")
    return found


def pixel_format(coder: VideoCoder, bits: int) -> str:
    """The name that ffmpeg has for it."""
    if coder.has_colour:
        return f"yuv420p{bits}le"
    return "gray" if bits == 8 else f"gray{bits}le"


def raw(coder: VideoCoder, bits: int, shape: tuple[int, ...]) -> list[str]:
    """Arguments that describe frames without a header to ffmpeg."""
    height, width = coded_size(coder, shape)
    size = ["-s", f"{width}x{height}", "-r", "25"]
    return ["-f", "rawvideo", "-pix_fmt", pixel_format(coder, bits), *size]


def coded_size(coder: VideoCoder, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of what is coded: even where colour planes of half the size go with it."""
    height, width = (max(n, coder.least_side) for n in shape[1:])
    return (height + height % 2, width + width % 2) if coder.has_colour else (height, width)


def planes(coder: VideoCoder, bits: int, frames: Array) -> bytes:
    """The frames as raw video, padded with their last row and column."""
    kind = "<u2" if bits > 8 else "u1"
    height, width = coded_size(coder, frames.shape)
    sides = ((0, 0), (0, height - frames.shape[1]), (0, width - frames.shape[2]))
    grey = np.pad(frames, sides, mode="edge").astype(kind).reshape(len(frames), -1)
    if not coder.has_colour:
        return grey.tobytes()
    flat = np.full((len(frames), height * width // 2), 2 ** (bits - 1), kind)
    return np.concatenate([grey, flat], axis=1).tobytes()


def ffmpeg(arguments: list[str], data: bytes = b"", level: str = "error") -> bytes:
    """Run ffmpeg; what it writes to its output."""
    return run(arguments, data, level).stdout


def run(arguments: list[str], data: bytes, level: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg, and say what it said where it fails."""
    if FFMPEG is None:
        raise FileNotFoundError("ffmpeg is not on PATH (Debian: apt install ffmpeg)")
    command = [FFMPEG, "-hide_banner", "-loglevel", level, "-y", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}, {said}")
    return done


@functools.cache
def version_of(coder: VideoCoder) -> str:
    """Of the coder's library, as it says itself, and of ffmpeg."""
    program = run(["-version"], b"", "error").stdout.decode().split()[2]
    if not coder.version:
        return f"ffmpeg {program}"
    frames = np.zeros((1, 64, 64), np.uint16)
    options = coder.options.replace("{quality}", "30").replace(":log-level=none", "").split()
    source = [*raw(coder, coder.bits[0], frames.shape), "-i", "pipe:0"]
    data = planes(coder, coder.bits[0], frames)
    said = run([*source, *options, "-f", "null", "-"], data, "verbose").stderr.decode()
    found = re.search(coder.version, said)
    return f"{options[1]} {found[1] if found else '?'} (ffmpeg {program})"
