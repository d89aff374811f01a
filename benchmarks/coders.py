"""predict3d and wavelet3d beside other codecs, same voxels, one run, one thread.

python benchmarks/coders.py SCANS --per-set 2 --seconds 480

SCANS holds one folder per data set, with NIfTI or PNG files. Writes coders.csv (bytes, ratios, MB/s
of stored bytes, CPU time) and coders.png (rate-distortion) beside this file. Lossless: volumes as
stored; where values are sparse or scaled floats, every peer gets the remapped indices, and the
table is not charged to it. Lossy: bytes at the PSNR (against the volume's range) of wavelet3d,
read off each peer's own curve, log bytes over PSNR, with peers' values clipped and rounded as ours
are. Needs: imagecodecs PyWavelets nibabel Pillow matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import pywt
from PIL import Image

from medroi import MedROI, inspect

TARGETS = (40.0, 45.0, 50.0)
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def volumes(folder: Path, per_set: int) -> Iterator[tuple[str, str, Array]]:
    """Data set, name, and array in coding order (slowest axis first); the sets take turns."""
    sets = [sorted(p.iterdir()) for p in sorted(folder.iterdir()) if p.is_dir()]
    for turn in range(per_set):
        for path in (paths[turn] for paths in sets if turn < len(paths)):
            yield path.parent.name, path.name.split(".")[0], load(path)


def load(path: Path) -> Array:
    """A scan, its axes as they lie in memory."""
    if path.suffix == ".png":
        Image.MAX_IMAGE_PIXELS = None
        return np.array(Image.open(path)).astype(np.uint16)
    image: Any = nibabel.load(path)
    array = np.asarray(image.dataobj, dtype=image.get_data_dtype())
    return np.ascontiguousarray(array.T.astype(array.dtype.newbyteorder("<")))


def slices_of(array: Array) -> Array:
    """What a 2-D integer codec sees: unsigned 16-bit slices, remapped where ours remaps."""
    values = np.unique(array)
    if array.dtype.kind == "f" or len(values) * 2 <= int(values[-1]) - int(values[0]) + 1:
        indices = np.searchsorted(values, array)
    else:
        indices = array.astype(np.int64) - int(values[0])
    if indices.max() > 65535:
        raise ValueError("more than 65536 values")
    return indices.astype(np.uint16).reshape(-1, *array.shape[-2:])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """A result and its CPU seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


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


def thread_rows(data_set: str, name: str, array: Array) -> Iterator[Row]:
    """Two threads over one, by the clock, by kind of coder."""
    span = float(array.max()) - float(array.min())
    step = span * 10 ** (-45 / 20) * 2.5
    for config in (
        {"id": "predict3d", "speed": "dense"},
        {"id": "predict3d", "speed": "fast"},
        {"id": "wavelet3d", "step": step},
    ):
        one, two = (keep_all(config, array, n) for n in (1, 2))
        coded = one.encode(array)
        assert two.encode(array) == coded
        info = inspect(coded)
        label = "-".join(str(config[k]) for k in ("id", "speed") if k in config)
        row: Row = {"kind": "threads", "set": data_set, "volume": name, "codec": label}
        row |= {"bytes": info.payload_nbytes, "parts": info.n_parts}
        alone, both = wall(lambda c=one: c.encode(array)), wall(lambda c=two: c.encode(array))
        row["encode_MBps"] = round(array.nbytes / 1e6 / both, 1)
        row["encode_two_over_one"] = round(alone / both, 3)
        alone = wall(lambda c=one, s=coded: c.decode(s))
        both = wall(lambda c=two, s=coded: c.decode(s))
        row["decode_MBps"] = round(array.nbytes / 1e6 / both, 1)
        row["decode_two_over_one"] = round(alone / both, 3)
        yield row


LOSSLESS_PEERS: dict[str, tuple[Callable[[Array], bytes], Callable[[bytes], Array]]] = {
    "jpeg2000": (
        lambda s: imagecodecs.jpeg2k_encode(s, level=0, reversible=True, codecformat="j2k"),
        imagecodecs.jpeg2k_decode,
    ),
    "htj2k": (lambda s: imagecodecs.htj2k_encode(s, reversible=True), imagecodecs.htj2k_decode),
    "jpegls": (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    "jpegxl-e3": (
        lambda s: imagecodecs.jpegxl_encode(s, lossless=True, effort=3, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
    "jpegxl-e7": (
        lambda s: imagecodecs.jpegxl_encode(s, lossless=True, effort=7, numthreads=1),
        lambda b: imagecodecs.jpegxl_decode(b, numthreads=1),
    ),
}


def lossless_rows(data_set: str, name: str, array: Array) -> Iterator[Row]:
    """One row per codec."""

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

    for speed in ("dense", "fast"):
        nbytes, encode_s, decode_s, decoded = ours({"id": "predict3d", "speed": speed}, array)
        assert decoded.tobytes() == array.tobytes()
        yield row(f"predict3d-{speed}", nbytes, encode_s, decode_s)
    images = slices_of(array)
    for codec, (encode, decode) in LOSSLESS_PEERS.items():
        coded, encode_s = timed(lambda e=encode: [bytes(e(s)) for s in images])
        decoded, decode_s = timed(lambda d=decode, c=coded: [d(b) for b in c])
        assert all(np.array_equal(a, b) for a, b in zip(decoded, images, strict=True))
        yield row(codec, sum(map(len, coded)), encode_s, decode_s)


def psnr(array: Array, decoded: Array) -> float:
    """dB against the volume's range."""
    span = float(array.max()) - float(array.min())
    error = np.mean((array.astype(np.float64) - decoded.astype(np.float64)) ** 2)
    return float(10 * np.log10(span**2 / max(error, 1e-300)))


def published(step: float) -> Callable[[Array], tuple[int, Array]]:
    """The published 3-D wavelet: bior4.4, 3 levels, uniform steps on 8 bits, pickle, gzip -9."""

    def code(volume: Array) -> tuple[int, Array]:
        low, high = float(volume.min()), float(volume.max())
        scaled = np.round((volume - low) / (high - low) * 255).astype(np.float32)
        bands = pywt.wavedecn(scaled, "bior4.4", mode="periodization", level=3)
        array, where = pywt.coeffs_to_array(bands)
        quantised = np.round(array / step).astype(np.int16)
        nbytes = len(gzip.compress(pickle.dumps((quantised, where)), 9))
        bands = pywt.array_to_coeffs(quantised.astype(np.float32) * step, where)
        back = pywt.waverecn(bands, "bior4.4", mode="periodization")
        back = back[tuple(map(slice, volume.shape))]
        return nbytes, np.clip(np.round(back), 0, 255) / 255 * (high - low) + low

    return code


def sperr(level: float) -> Callable[[Array], tuple[int, Array]]:
    """SPERR towards a PSNR."""

    def code(volume: Array) -> tuple[int, Array]:
        coded = imagecodecs.sperr_encode(volume, level=level, mode="psnr", numthreads=1)
        return len(coded), imagecodecs.sperr_decode(coded, numthreads=1)

    return code


def sz3(share: float) -> Callable[[Array], tuple[int, Array]]:
    """SZ3 with an absolute bound that is a share of the range."""

    def code(volume: Array) -> tuple[int, Array]:
        bound = share * float(volume.max() - volume.min())
        coded = imagecodecs.sz3_encode(volume, mode="abs", abs=bound)
        return len(coded), imagecodecs.sz3_decode(coded, volume.shape, volume.dtype)

    return code


def zfp(share: float) -> Callable[[Array], tuple[int, Array]]:
    """ZFP with a tolerance that is a share of the range."""

    def code(volume: Array) -> tuple[int, Array]:
        bound = share * float(volume.max() - volume.min())
        coded = imagecodecs.zfp_encode(volume, level=bound, mode="a", numthreads=1)
        return len(coded), imagecodecs.zfp_decode(coded)

    return code


LOSSY_PEERS = {
    "sperr": [sperr(p) for p in (25, 30, 35, 40, 44, 48, 52)],
    "sz3": [sz3(s) for s in (0.06, 0.03, 0.015, 0.008, 0.004, 0.002)],
    "zfp": [zfp(s) for s in (0.4, 0.2, 0.1, 0.05, 0.025, 0.012, 0.006)],
    "published": [published(q) for q in (1, 3, 8, 20, 50)],
}


def curve(volume: Array, points: list[Any], whole: bool) -> list[tuple[float, int]]:
    """(PSNR, bytes) of one peer, from low to high."""
    low, high, found = volume.min(), volume.max(), []
    for code in points:
        nbytes, decoded = code(volume)
        decoded = np.clip(np.rint(decoded) if whole else decoded, low, high)
        found.append((psnr(volume, decoded), nbytes))
    return sorted(found)


def bytes_at(points: list[tuple[float, int]], wanted: float) -> float | None:
    """Log-linear interpolation; None outside the curve."""
    x, y = zip(*points, strict=True)
    if not x[0] <= wanted <= x[-1]:
        return None
    return float(np.exp(np.interp(wanted, x, np.log(y))))


def lossy_rows(data_set: str, name: str, array: Array, curves: dict[str, Any]) -> Iterator[Row]:
    """Ours at each target, and every peer's bytes at the same PSNR."""
    whole = array.dtype.kind != "f"
    volume = np.ascontiguousarray(array.reshape(-1, *array.shape[-2:]), np.float32)
    curves.update({peer: curve(volume, points, whole) for peer, points in LOSSY_PEERS.items()})
    curves["wavelet3d"] = []
    for target in TARGETS:
        nbytes, search_s, _, decoded = ours({"id": "wavelet3d", "psnr": target}, array)
        reached = psnr(array, decoded)
        span = float(array.max()) - float(array.min())
        step = span * 10 ** (-target / 20) * 2.5  # a step near it, to time without a search
        _, encode_s, decode_s, _ = ours({"id": "wavelet3d", "step": step}, array)
        curves["wavelet3d"].append((reached, nbytes))
        for codec in ("wavelet3d", *LOSSY_PEERS):
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


def summary(rows: list[Row]) -> Iterator[str]:
    """Geometric means over volumes, ours relative to each peer."""
    dense = {r["volume"]: r["bytes"] for r in rows if r["codec"] == "predict3d-dense"}
    for codec in ("predict3d-fast", *LOSSLESS_PEERS):
        logs = [np.log(dense[r["volume"]] / r["bytes"]) for r in rows if r["codec"] == codec]
        yield f"predict3d / {codec}: {np.exp(np.mean(logs)):.3f}, worst {np.exp(max(logs)):.3f}"
    for codec in LOSSY_PEERS:
        for target in TARGETS:
            logs = [
                np.log(r["ours_over_peer"])
                for r in rows
                if r["codec"] == codec and r.get("target_dB") == target and "ours_over_peer" in r
            ]
            if logs:
                mean, n = np.exp(np.mean(logs)), len(logs)
                yield f"wavelet3d / {codec} at {target:g} dB: {mean:.3f} ({n} volumes)"


def plot(all_curves: dict[str, dict[str, Any]], path: Path) -> None:
    """Rate-distortion, one panel per volume."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(4, len(all_curves))
    n_rows = -(-len(all_curves) // columns)
    figure, axes = pyplot.subplots(n_rows, columns, figsize=(4 * columns, 3.4 * n_rows))
    for axis, (name, curves) in zip(np.ravel(axes), all_curves.items(), strict=False):
        for codec, points in curves.items():
            x, y = zip(*points, strict=True)
            style = {"lw": 2.5, "color": "k"} if codec == "wavelet3d" else {"lw": 1}
            axis.plot(np.array(y) / 1e3, x, marker=".", label=codec, **style)
        axis.set(xscale="log", ylim=(34, 56), title=name, xlabel="kB", ylabel="PSNR, dB")
        axis.grid(alpha=0.3)
    np.ravel(axes)[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def write(rows: list[Row], path: Path) -> None:
    """All rows so far as CSV."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path)
    parser.add_argument("--per-set", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no volume after this")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    arguments = parser.parse_args()
    start = time.monotonic()
    rows: list[Row] = []
    threaded: set[str] = set()
    all_curves: dict[str, dict[str, Any]] = {}
    for data_set, name, array in volumes(arguments.scans, arguments.per_set):
        rows += lossless_rows(data_set, name, array)
        if array.ndim > 2:  # SPERR ends the process on flat shapes
            all_curves[name] = {}
            rows += lossy_rows(data_set, name, array, all_curves[name])
        print(data_set, name, array.shape, f"{time.monotonic() - start:.0f} s", flush=True)
        if data_set not in threaded:
            threaded.add(data_set)
            rows += thread_rows(data_set, name, array)
        write(rows, arguments.out)
        if time.monotonic() - start > arguments.seconds:
            break
    plot(all_curves, arguments.out.with_suffix(".png"))
    print("\n".join(summary(rows)))


if __name__ == "__main__":
    main()
