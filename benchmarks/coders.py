"""predict3d and wavelet3d beside other codecs, same voxels, one run, one thread.

python benchmarks/coders.py SCANS --per-set 3 --voxels 5e5 --side 128 --without-threads

SCANS holds one folder per data set, with NIfTI or PNG files. Writes coders.csv (bytes, ratios, MB/s
of stored bytes, CPU time; two threads by the clock), coders_summary.csv (geometric means over data
sets, beside the targets), coders_behind.csv (every peer that is smaller somewhere),
coders_settings.csv (versions and settings of the peers) and coders.png (rate-distortion) beside
this file. Volumes of more than --voxels are cropped to their middle
slices, for all codecs alike, and slices to their middle --side voxels. Lossless: volumes as
stored; where values are sparse or scaled floats, every peer gets the remapped indices, and the
table is not charged to it. Lossy: bytes at the PSNR (against the volume's range) of wavelet3d,
read off each peer's own curve of six points or more, log bytes over PSNR by monotone cubic
interpolation (PCHIP), with peers' values clipped and rounded as ours are; label maps have none.
Video coders (video_coders.py) are measured where ffmpeg is on PATH (Debian: apt install ffmpeg),
the learned tomoz where it is installed (pip install tomoz); else they have rows that say so.
Needs: imagecodecs PyWavelets nibabel Pillow matplotlib scipy.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import video_coders
from coder_peers import LOSSLESS_PEERS, LOSSY_PEERS, SETTINGS, values_and_slices
from coder_summary import behind, plot, summary
from curves import bytes_at
from PIL import Image
from scan_sets import LEAST_VALUES
from tables import write
from volume_peers import VOLUME_PEERS

from medroi import MedROI, inspect

TARGETS = (35.0, 40.0, 45.0, 50.0)
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def volumes(
    folder: Path, per_set: int, most: float, side: int | None = None
) -> Iterator[tuple[str, str, Array]]:
    """Data set, name, and array in coding order (slowest axis first); the sets take turns."""
    sets = [sorted(p.iterdir()) for p in sorted(folder.iterdir()) if p.is_dir()]
    for turn in range(per_set):
        for path in (paths[turn] for paths in sets if turn < len(paths)):
            yield path.parent.name, path.name.split(".")[0], crop(load(path), most, side)


def load(path: Path) -> Array:
    """A scan, its axes as they lie in memory."""
    if path.suffix == ".png":
        Image.MAX_IMAGE_PIXELS = None
        return np.array(Image.open(path)).astype(np.uint16)
    image: Any = nibabel.load(path)
    array = np.asarray(image.dataobj, dtype=image.get_data_dtype())
    return np.ascontiguousarray(array.T.astype(array.dtype.newbyteorder("<")))


def crop(array: Array, most: float, side: int | None = None) -> Array:
    """The middle slices of a volume, of at most so many voxels in all, and the middle of slices.

    Images stay whole, unless a side is given: then the middle square of so many voxels is left.
    """
    if side is not None:
        side = side if array.ndim > 2 else int(most**0.5)
        middle = [
            slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + side) for n in array.shape[-2:]
        ]
        array = np.ascontiguousarray(array[(..., *middle)])
    n = max(1, int(most / (array.size / len(array))))
    if array.ndim < 3 or n >= len(array):
        return array
    first = (len(array) - n) // 2
    return np.ascontiguousarray(array[first : first + n])


def cpu_s() -> float:
    """CPU seconds of this process and of the programs that it ran."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(times.ru_utime + times.ru_stime for times in used)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """A result and its CPU seconds."""
    start = cpu_s()
    return work(), cpu_s() - start


def keep_all(config: dict[str, Any], array: Array, threads: int = 1) -> MedROI:
    """A codec whose box is all of the array, as its first and last voxel are not background."""
    corners = {array.flat[0].item(), array.flat[-1].item()}
    background = next(value for value in range(3) if value not in corners)
    return MedROI(config, threshold=None, background=background, threads=threads)


def ours(config: dict[str, Any], array: Array) -> tuple[int, float, float, Array]:
    """Bytes of the payload, seconds to encode and to decode, and what came back."""
    codec = keep_all(config, array)
    coded, encode_s = timed(lambda: codec.encode(array))
    decoded, decode_s = timed(lambda: np.asarray(codec.decode(coded)))
    return inspect(coded).payload_nbytes, encode_s, decode_s, decoded.reshape(array.shape)


def wall(work: Callable[[], Any], repeats: int = 2) -> float:
    """Seconds on the clock, the best of some."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def cut_nbytes(config: dict[str, Any], array: Array, n_parts: int) -> int:
    """What a cut between two parts costs: the middle part as two halves, less as one."""
    n = -(-len(array) // n_parts)
    middle = array[n_parts // 2 * n :][:n]
    pieces = (middle, middle[: n // 2], middle[n // 2 :])
    one, first, second = (ours(config, piece)[0] for piece in pieces)
    return first + second - one


def thread_rows(data_set: str, name: str, array: Array) -> Iterator[Row]:
    """Two threads over one, by the clock, by kind of coder."""
    span = float(array.max()) - float(array.min())
    step = span * 10 ** (-45 / 20) * 2.5
    for config in (
        {"id": "predict3d", "level": "dense"},
        {"id": "predict3d", "level": "fast"},
        {"id": "wavelet3d", "step": step},
    ):
        one, two = (keep_all(config, array, n) for n in (1, 2))
        coded = one.encode(array)
        assert two.encode(array) == coded
        info = inspect(coded)
        label = "-".join(str(config[k]) for k in ("id", "level") if k in config)
        row: Row = {"kind": "threads", "set": data_set, "volume": name, "codec": label}
        row |= {"bytes": info.payload_nbytes, "parts": info.n_parts}
        cuts = (info.n_parts - 1) * cut_nbytes(config, array, info.n_parts)
        row["cuts_percent"] = round(100 * cuts / info.payload_nbytes, 3)
        alone, both = wall(lambda c=one: c.encode(array)), wall(lambda c=two: c.encode(array))
        row["encode_MBps"] = round(array.nbytes / 1e6 / both, 1)
        row["encode_two_over_one"] = round(alone / both, 3)
        alone = wall(lambda c=one, s=coded: c.decode(s))
        both = wall(lambda c=two, s=coded: c.decode(s))
        row["decode_MBps"] = round(array.nbytes / 1e6 / both, 1)
        row["decode_two_over_one"] = round(alone / both, 3)
        yield row


def lossless_rows(
    data_set: str, name: str, array: Array, only: frozenset[str] = frozenset()
) -> Iterator[Row]:
    """One row per codec; of the peers only some, where they are named."""

    def row(codec: str, nbytes: int, encode_s: float, decode_s: float) -> Row:
        megabytes = array.nbytes / 1e6
        return {
            "kind": "lossless",
            "set": data_set,
            "volume": name,
            "codec": codec,
            "bytes": nbytes,
            "ratio": round(array.nbytes / nbytes, 4),
            "encode_MBps": round(megabytes / max(encode_s, 1e-9), 1),
            "decode_MBps": round(megabytes / max(decode_s, 1e-9), 1),
        }

    for level in ("dense", "fast", "max"):
        nbytes, encode_s, decode_s, decoded = ours({"id": "predict3d", "level": level}, array)
        assert decoded.tobytes() == array.tobytes()
        yield row(f"predict3d-{level}", nbytes, encode_s, decode_s)
    images = values_and_slices(array)[1]
    for codec, (encode, decode) in LOSSLESS_PEERS.items():
        if only and codec not in only:
            continue
        coded, encode_s = timed(lambda e=encode: [bytes(e(s)) for s in images])
        decoded, decode_s = timed(lambda d=decode, c=coded: [d(b) for b in c])
        assert all(np.array_equal(a, b) for a, b in zip(decoded, images, strict=True))
        yield row(codec, sum(map(len, coded)), encode_s, decode_s)
    for codec, (encode, decode) in VOLUME_PEERS.items():
        if only and codec not in only:
            continue
        try:
            coded, encode_s = timed(lambda e=encode: e(images))
        except ImportError as error:
            yield absent("lossless", data_set, name, codec, error)
            continue
        decoded, decode_s = timed(lambda d=decode, c=coded: d(c))
        assert np.array_equal(decoded, images)
        yield row(codec, len(coded), encode_s, decode_s)
    for coder in video_coders.LOSSLESS:
        if only and coder.name not in only:
            continue
        try:
            (nbytes, file), encode_s = timed(lambda c=coder: video_coders.encode(c, images))
        except (OSError, ValueError, RuntimeError) as error:
            yield absent("lossless", data_set, name, coder.name, error)
            continue
        decoded, decode_s = timed(lambda c=coder, f=file: video_coders.decode(c, f, images))
        if np.array_equal(decoded, images):
            yield row(coder.name, nbytes, encode_s, decode_s)
        else:
            lost = ValueError("it is not lossless here")
            yield absent("lossless", data_set, name, coder.name, lost)


def absent(kind: str, data_set: str, name: str, codec: str, error: Exception) -> Row:
    """The row of a peer that could not be measured."""
    row = {"kind": kind, "set": data_set, "volume": name, "codec": codec}
    return row | {"note": f"not measured: {error}"}


def psnr(array: Array, decoded: Array) -> float:
    """dB against the volume's range."""
    span = float(array.max()) - float(array.min())
    error = np.mean((array.astype(np.float64) - decoded.astype(np.float64)) ** 2)
    return float(10 * np.log10(span**2 / max(error, 1e-300)))


def curve(volume: Array, points: list[Any], whole: bool) -> list[tuple[float, int]]:
    """(PSNR, bytes) of one peer, from low to high."""
    low, high, found = volume.min(), volume.max(), []
    for code in points:
        nbytes, decoded = code(volume)
        decoded = np.clip(np.rint(decoded) if whole else decoded, low, high)
        found.append((psnr(volume, decoded), nbytes))
    return sorted(found)


def lossy_rows(data_set: str, name: str, array: Array, curves: dict[str, Any]) -> Iterator[Row]:
    """Ours at each target, and every peer's bytes at the same PSNR."""
    whole = array.dtype.kind != "f"
    volume = np.ascontiguousarray(array.reshape(-1, *array.shape[-2:]), np.float32)
    curves.update({peer: curve(volume, points, whole) for peer, points in LOSSY_PEERS.items()})
    for coder in video_coders.LOSSY:
        points = [video_coders.lossy(coder, quality) for quality in coder.qualities]
        try:
            curves[coder.name] = curve(volume, points, whole)
        except (OSError, RuntimeError) as error:
            yield absent("lossy", data_set, name, coder.name, error)
    peers = list(curves)
    curves["wavelet3d"] = []
    for target in TARGETS:
        nbytes, search_s, _, decoded = ours({"id": "wavelet3d", "psnr": target}, array)
        reached = psnr(array, decoded)
        span = float(array.max()) - float(array.min())
        step = span * 10 ** (-target / 20) * 2.5  # a step near it, to time without a search
        _, encode_s, decode_s, _ = ours({"id": "wavelet3d", "step": step}, array)
        curves["wavelet3d"].append((reached, nbytes))
        for codec in ("wavelet3d", *peers):
            size = nbytes if codec == "wavelet3d" else bytes_at(curves[codec], reached)
            row: Row = {"kind": "lossy", "set": data_set, "volume": name, "codec": codec}
            row |= {"target_dB": target, "psnr_dB": round(reached, 3)}
            if size is not None:
                row |= {"bytes": round(size), "ratio": round(array.nbytes / size, 3)}
                row["ours_over_peer"] = round(nbytes / size, 4)
            if codec == "wavelet3d":
                megabytes = array.nbytes / 1e6
                row["encode_MBps"] = round(megabytes / encode_s, 1)
                row["decode_MBps"] = round(megabytes / decode_s, 1)
                row["search_MBps"] = round(megabytes / search_s, 1)
            yield row


def settings_rows() -> list[Row]:
    """Version and settings of each peer."""
    rows = [{"codec": codec, "settings": text} for codec, text in SETTINGS.items()]
    if video_coders.FFMPEG is not None:
        coders = (*video_coders.LOSSLESS, *video_coders.LOSSY)
        rows += [{"codec": coder.name, "settings": coder.settings} for coder in coders]
    return rows


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path)
    parser.add_argument("--per-set", type=int, default=3)
    parser.add_argument("--voxels", type=float, default=4e6, help="of a volume, at most")
    parser.add_argument("--side", type=int, help="of a slice, at most")
    parser.add_argument("--without-threads", action="store_true", help="on a busy machine")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no volume after this")
    parser.add_argument("--only", metavar="PEER,...", help="lossless, and beside these peers alone")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    arguments = parser.parse_args()
    start = time.monotonic()
    rows: list[Row] = []
    threaded: set[str] = set()
    all_curves: dict[str, dict[str, Any]] = {}
    scans = volumes(arguments.scans, arguments.per_set, arguments.voxels, arguments.side)
    only = frozenset((arguments.only or "").split(",")) - {""}
    for data_set, name, array in scans:
        rows += lossless_rows(data_set, name, array, only)
        if only:
            write(rows, arguments.out)
            continue
        # SPERR ends the process on flat shapes.
        if array.ndim > 2 and len(np.unique(array)) >= LEAST_VALUES:
            all_curves[name] = {}
            rows += lossy_rows(data_set, name, array, all_curves[name])
        print(data_set, name, array.shape, f"{time.monotonic() - start:.0f} s", flush=True)
        if data_set not in threaded and not arguments.without_threads:
            threaded.add(data_set)
            rows += thread_rows(data_set, name, array)
        write(rows, arguments.out)
        if time.monotonic() - start > arguments.seconds:
            break
    if only:
        return
    plot(all_curves, arguments.out.with_suffix(".png"))
    found = summary(rows)
    write(found, arguments.out.with_name(arguments.out.stem + "_summary.csv"))
    write(behind(rows), arguments.out.with_name(arguments.out.stem + "_behind.csv"))
    write(settings_rows(), arguments.out.with_name(arguments.out.stem + "_settings.csv"))
    for row in found:
        print(row)


if __name__ == "__main__":
    main()
