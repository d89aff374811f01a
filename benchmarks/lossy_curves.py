"""Rate-distortion curves of lossy coders on the same crops, where the air counts for nobody.

python benchmarks/lossy_curves.py SCANS --coders x265,svt-av1,sperr -o lossy_peers.csv
python benchmarks/lossy_curves.py SCANS --coders small,fast -o lossy_ours.csv

SCANS holds one folder per data set, with NIfTI files. Of each scan the bounding box of the voxels
that count (lossy_crops.py), of that the middle slices, at most --voxels in all. A row is a point:
bytes, and PSNR over the voxels that count, against their range. Everybody may choose what lies
around these voxels: one value or a smooth continuation; of a series peers may choose too in which
order its slices come. Video coders choose by two points of each, the others keep all. Ours has
`mask` besides: all bytes of a stream that says where the voxels that count lie. Elsewhere bytes are
those of the payload, and nobody is charged for the mask. coder_page.py makes tables and plot.
Needs: imagecodecs PyWavelets nibabel matplotlib scipy, and ffmpeg for video coders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import video_coders
from coder_peers import LOSSY_PEERS
from coders import keep_all
from lossy_crops import Crop, crops
from scan_sets import arguments_of
from tables import write

from medroi import MedROI, inspect

OURS = ("small", "fast")
# Steps of our quantiser as shares of the range, in dB; the PSNR is 5 to 10 dB above.
STEPS_DB = (24.0, 28.0, 32.0, 36.0, 40.0, 44.0, 48.0, 51.0)
VIDEO = {coder.name: coder for coder in video_coders.LOSSY}
Array = np.ndarray[Any, Any]
Coding = Callable[[Array], tuple[int, Array]]
Row = dict[str, Any]


def orders(volume: Array) -> dict[str, Array]:
    """A series as volumes of slices: its volumes one after the other, or each slice over time."""
    if volume.ndim < 4:
        return {"": volume}
    return {"": volume, "slices over time": np.ascontiguousarray(np.swapaxes(volume, 0, 1))}


def point(crop: Crop, code: Coding, values: Array, order: str) -> Row:
    """Bytes and PSNR of a coder that takes volumes of single precision."""
    shape = values.shape
    flat = np.ascontiguousarray(values.reshape(-1, *shape[-2:]), np.float32)
    nbytes, decoded = code(flat)
    found = np.asarray(decoded).reshape(shape)
    found = np.swapaxes(found, 0, 1) if order else found
    return {"psnr_dB": round(crop.psnr(found), 4), "bytes": nbytes}


def ways(crop: Crop) -> dict[tuple[str, str], Array]:
    """What a peer may code: by what lies around the voxels that count, and by order."""
    return {
        (around, order): ordered
        for around, voxels in crop.surroundings().items()
        for order, ordered in orders(voxels).items()
    }


def peer_rows(crop: Crop, peer: str) -> Iterator[Row]:
    """Every point of every way."""
    for (around, order), values in ways(crop).items():
        for code in LOSSY_PEERS[peer]:
            yield {"around": around, "order": order, **point(crop, code, values, order)}


def video_rows(crop: Crop, coder: video_coders.VideoCoder) -> Iterator[Row]:
    """Two points of every way, and all others of the way that is the smallest between these."""
    both = coder.qualities[1], coder.qualities[-2]
    tried: dict[tuple[str, str], list[Row]] = {}
    all_ways = ways(crop)
    for way, values in all_ways.items():
        tried[way] = [point(crop, video_coders.lossy(coder, q), values, way[1]) for q in both]
    middle = float(np.mean([row["psnr_dB"] for rows in tried.values() for row in rows]))

    def at_middle(way: tuple[str, str]) -> float:
        better, worse = tried[way]
        share = (middle - worse["psnr_dB"]) / (better["psnr_dB"] - worse["psnr_dB"])
        return float(np.log(worse["bytes"]) + share * np.log(better["bytes"] / worse["bytes"]))

    best = min(tried, key=at_middle)
    for quality in coder.qualities:
        if quality in both:
            found = tried[best][both.index(quality)]
        else:
            found = point(crop, video_coders.lossy(coder, quality), all_ways[best], best[1])
        yield {"around": best[0], "order": best[1], **found}


def our_rows(crop: Crop, speed: str) -> Iterator[Row]:
    """As others, and with the mask in the stream."""
    span = float(np.ptp(crop.voxels[crop.kept].astype(np.float64)))
    given = crop.surroundings()
    for db in STEPS_DB:
        config = {"id": "wavelet3d", "speed": speed, "step": span * 10 ** (-db / 20) * 3.0}
        for around, values in given.items():
            codec = keep_all(config, values)
            coded = codec.encode(values)
            nbytes = inspect(coded).payload_nbytes
            decoded = np.asarray(codec.decode(coded))
            yield {"around": around, "psnr_dB": round(crop.psnr(decoded), 4), "bytes": nbytes}
        if not crop.kept.all():
            codec = MedROI(config, roi="mask", threshold=None, background=crop.background)
            coded = codec.encode(given["cleared"])
            decoded = np.asarray(codec.decode(coded))
            yield {"around": "mask", "psnr_dB": round(crop.psnr(decoded), 4), "bytes": len(coded)}


def rows_of(crop: Crop, coder: str) -> Iterator[Row]:
    """The points of one coder, or a row that says why it has none."""
    about = {"set": crop.data_set, "volume": crop.name, "voxels": crop.voxels.size}
    about |= {"kept": round(float(crop.kept.mean()), 3), "coder": coder}
    if coder in OURS:
        found = our_rows(crop, coder)
    elif coder in VIDEO:
        found = video_rows(crop, VIDEO[coder])
    else:
        found = peer_rows(crop, coder)
    try:
        for row in found:
            yield {**about, "around": "", "order": "", **row}
    except (OSError, RuntimeError) as error:
        yield {**about, "note": f"not measured: {error}"}


def main() -> None:
    """Measure coder by coder, each on all crops."""
    parser = arguments_of(__doc__, __file__, per_set=2)
    parser.add_argument("--voxels", type=float, default=8e5)
    parser.add_argument("--coders", default=",".join([*VIDEO, *LOSSY_PEERS]))
    asked = parser.parse_args()
    rows: list[Row] = []
    for coder in asked.coders.split(","):
        for crop in crops(asked.folder, asked.per_set, asked.voxels):
            rows += rows_of(crop, coder)
            print(coder, crop.data_set, crop.name, crop.voxels.shape, file=sys.stderr, flush=True)
            write(rows, asked.output)


if __name__ == "__main__":
    main()
