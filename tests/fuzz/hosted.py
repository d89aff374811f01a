#!/usr/bin/env python3
"""Broken streams with right checksums through the libraries of other people, in child processes.

    python tests/fuzz/hosted.py [SECONDS=60] [SEED=from the clock] [LIBRARY ...]

Without names: every library that the table says survives hostile bytes, and heif. For each, a
child decodes mutated streams; that it ends, takes long or much memory, raises anything but a MedROI
error, or returns what its memory happened to hold, is a finding: printed with the seed and the
iteration, which run again give the same input (`--from ITERATION`). The exit status is 1 if there
was one.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from medroi import MedROI, errors
from medroi.inner.numcodecs.table import KNOWN, SLICES

# An array that the seeds hold is at most 4 kB; a library with its threads and tables takes this.
MAX_GROWTH_MB = 192
MAX_SECONDS = 20
LOSSY = {
    "imagecodecs_sperr": {"mode": "pwe", "level": 1.0},
    "imagecodecs_sz3": {"mode": "abs", "abs": 1.0},
    "imagecodecs_jpeg": {"level": 90},
}
MORE = {
    "blosc": [{"cname": "lz4", "shuffle": 2}, {"cname": "zlib"}, {"cname": "blosclz"}],
    "heif": [{"quality": 60}],
    "imagecodecs_blosc2": [{"compressor": "zstd"}, {"compressor": "lz4"}],
    "imagecodecs_htj2k": [{"reversible": False}],
    "imagecodecs_jpeg2k": [{"codecformat": "jp2"}],
    "imagecodecs_jpegls": [{"level": 2}],
    "imagecodecs_jpegxl": [{"distance": 1.0}, {"effort": 3}],
    "imagecodecs_lerc": [{"level": 1.0}],
    "imagecodecs_zfp": [{"mode": "a", "level": 1.0}],
    "lzma": [{"format": 2}],
}
_M_PERTURB = -6
_INTERESTING = (0, 1, 2, 7, 8, 15, 16, 31, 32, 127, 128, 255, 0x7FFF, 0x8000, 0xFFFF)
_INTERESTING_LONG = (*_INTERESTING, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def arrays() -> list[np.ndarray]:
    """Small volumes of the types that most libraries take."""
    rng = np.random.default_rng(1)
    waves = np.cos(np.indices((8, 9, 10)) / 3).sum(0) * 50 + 100
    noisy = np.rint(waves + rng.integers(0, 9, waves.shape))
    image = noisy[:1, :8, :8].astype("<u2")
    return [noisy.astype("<i2"), noisy.astype("u1"), waves.astype("<f4"), image]


def configurations(library: str) -> list[dict[str, Any]]:
    """What the seeds of a library are coded with."""
    plain = {"id": library, **LOSSY.get(library, {})}
    return [plain, *({"id": library, **other} for other in MORE.get(library, []))]


def seeds_of(library: str) -> list[bytes]:
    """Streams of one part that nobody touched."""
    found = []
    for config in configurations(library):
        for array in arrays():
            try:
                found.append(MedROI(config, threshold=None).encode(array))
            except errors.InvalidArgument:
                continue  # not a type for this library
    return found


def preamble_of(stream: bytes) -> int:
    """Bytes before the payload."""
    (payload_nbytes,) = struct.unpack_from("<Q", stream, 88)
    return len(stream) - payload_nbytes


def with_payload(stream: bytes, payload: bytes) -> bytes:
    """A stream with another payload, all checksums right."""
    head = bytearray(stream[: preamble_of(stream) - 4])
    struct.pack_into("<Q", head, 88, len(payload))
    struct.pack_into("<I", head, 104, zlib.crc32(payload))
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + payload


def body_start(payload: bytes, library: str) -> int:
    """Where what the library wrote begins, near enough."""
    if library == "heif":
        return 0
    (config_nbytes,) = struct.unpack_from("<H", payload, 3)
    start = 5 + config_nbytes
    accepts = KNOWN.get(library)
    return start + 19 if accepts is not None and accepts.feed == SLICES else start


def mutate(rng: random.Random, payload: bytearray, other: bytes, start: int) -> None:
    """Change bytes behind `start` in one of the ways that bytes go wrong."""
    first = start if rng.random() < 0.95 else 0
    if len(payload) <= first:
        return
    at, choice = rng.randrange(first, len(payload)), rng.randrange(9)
    if choice == 0:
        payload[at] ^= 1 << rng.randrange(8)
    elif choice == 1:
        payload[at] = rng.randrange(256)
    elif choice == 2:
        payload[at] = rng.choice(_INTERESTING) & 0xFF
    elif choice in (3, 4):
        width = rng.choice("HI")
        values = _INTERESTING if width == "H" else _INTERESTING_LONG
        coded = struct.pack(rng.choice("<>") + width, rng.choice(values))
        payload[at : at + len(coded)] = coded[: len(payload) - at]
    elif choice == 5:
        del payload[at : at + rng.randrange(1, 9)]
    elif choice == 6:
        payload[at:at] = rng.randbytes(rng.randrange(1, 9))
    elif choice == 7 and len(other) > first:
        origin = rng.randrange(first, len(other))
        piece = other[origin : origin + rng.randrange(1, 65)]
        payload[at : at + len(piece)] = piece
    else:
        del payload[at + (len(payload) - at) // 2 :]


def broken(rng: random.Random, seeds: list[bytes], library: str) -> bytes:
    """One stream that almost is what it says."""
    seed, other = rng.choice(seeds), rng.choice(seeds)
    payload = bytearray(seed[preamble_of(seed) :])
    other_payload = other[preamble_of(other) :]
    start = body_start(bytes(payload), library)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        mutate(rng, payload, other_payload, start)
    return with_payload(seed, bytes(payload))


def decode(codec: MedROI, stream: bytes, fill: int) -> bytes | None:
    """The decoded voxels; None for a stream that is refused. `fill` is in all new memory."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_PERTURB, fill)
    try:
        return bytes(np.ascontiguousarray(codec.decode(stream)).tobytes())
    except errors.MedROIError:
        return None


def run_child(library: str, seconds: float, seed: int, first: int, progress: str) -> None:
    """Decode until the time is over; the number of each iteration is in the file `progress`."""
    seeds = seeds_of(library)
    codec = MedROI(configurations(library)[0], trust=library)
    for stream in seeds:
        assert decode(codec, stream, 1) == decode(codec, stream, 2) is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end, iteration = time.monotonic() + seconds, first
    with open(progress, "r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
        while time.monotonic() < end:
            struct.pack_into("<Q", shared, 0, iteration)
            stream = broken(random.Random(f"{library} {seed} {iteration}"), seeds, library)
            started = time.monotonic()
            found = decode(codec, stream, 0x55)
            if found is not None:
                struct.pack_into("<Q", shared, 8, struct.unpack_from("<Q", shared, 8)[0] + 1)
                if decode(codec, stream, 0xAA) != found:
                    raise SystemExit("returned what its memory happened to hold")
            if time.monotonic() - started > MAX_SECONDS:
                raise SystemExit(f"took {time.monotonic() - started:.0f} s")
            growth_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            if growth_mb > MAX_GROWTH_MB:
                raise SystemExit(f"took {growth_mb} MB")
            iteration += 1


def fuzz(library: str, seconds: float, seed: int, first: int) -> str:
    """Fuzz one library in a child; what was found, or nothing."""
    with tempfile.NamedTemporaryFile() as progress:
        progress.write(bytes(16))
        progress.flush()
        command = [sys.executable, __file__, str(seconds), str(seed), library]
        command += ["--from", str(first), "--child", progress.name]
        try:
            ran = subprocess.run(command, capture_output=True, timeout=seconds + 3 * MAX_SECONDS)
            status, said = ran.returncode, ran.stderr.decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            status, said = -1, f"did not return within {3 * MAX_SECONDS} s"
        iteration, n_decoded = struct.unpack("<QQ", Path(progress.name).read_bytes())
    n = iteration - first + 1
    print(f"{library}: {n} streams, {n_decoded} decoded", flush=True)
    if status == 0:
        return ""
    last = said.splitlines()[-1] if said else "no message"
    return f"{library}: seed {seed}, iteration {iteration}: status {status}: {last}"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("seed", type=int, nargs="?", default=int(time.time()))
    parser.add_argument("libraries", nargs="*")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="ITERATION")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run_child(args.libraries[0], args.seconds, args.seed, args.first, args.child)
        return 0
    libraries = args.libraries or ["heif", *(name for name in KNOWN if KNOWN[name].survives)]
    print(f"seed {args.seed}")
    share = args.seconds / len(libraries)
    findings = [fuzz(library, share, args.seed, args.first) for library in libraries]
    for finding in filter(None, findings):
        print(finding, file=sys.stderr)
    return int(any(findings))


if __name__ == "__main__":
    raise SystemExit(main())
