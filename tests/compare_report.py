"""A small report folder as `medroi compare` leaves it, with made-up figures."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from medroi.compare.results import Failure, MatchedRow, PairedTest, ResultRow, write_results

SCANS = {"heads": ("sub-01", "sub-02", "sub-03"), "breasts": ("left", "right")}
# Inner codec, level, bits per voxel of the full volume, PSNR.
METHODS = (
    ("zstd", "lossless", 4.6, math.inf),
    ("predict3d", "lossless", 3.1, math.inf),
    ("jpeg2000", "rate 100", 0.16, 31.4),
    ("jpeg2000", "rate 20", 0.8, 38.2),
    ("jpeg2000", "rate 5", 3.2, 51.9),
    ("wavelet3d", "psnr 40", 0.55, 40.0),
    ("wavelet3d", "psnr 45", 1.1, 45.0),
    ("wavelet3d", "psnr 50", 1.9, 50.0),
)
SHARE = {"full": 1.0, "box": 0.8, "mask": 0.55}
MISSING = ("tcm", "weights", "needs weights: --weights tcm=PATH")
TRICKY = 'damaged: "<b>&\x00</b>" </script>'
MACHINE = {
    "machine": "Some Processor <x86_64>, 2 cores",
    "python": "3.11.7",
    "versions": {"numpy": "2.4.6", "numcodecs": "0.16.6"},
    "medroi": "0.1.0",
    "commit": "0123456789ab",
}


def result(data_set: str, scan: str, method: tuple, region: str, protocol: str) -> ResultRow:
    inner, level, bits, psnr_db = method
    n_voxels, number = 5_898_240, SCANS[data_set].index(scan)
    share = SHARE[region] if level == "lossless" or level.startswith("psnr") else 1.0
    stored = int(n_voxels * bits * share / 8 * (1 + 0.04 * number)) + 116
    original = n_voxels * (1 if protocol == "published" else 2)
    n_region = int(n_voxels * SHARE[region])
    return ResultRow(
        scan=scan,
        data_set=data_set,
        protocol=protocol,
        inner=inner,
        level=level,
        region=region,
        status="ok",
        dtype="int16",
        shape="160x192x192",
        original_nbytes=original,
        stored_nbytes=stored,
        compression_ratio=original / stored,
        bpv_volume=8 * stored / n_voxels,
        bpv_region=8 * stored / n_region,
        region_voxels=n_region,
        peak=255.0 if protocol == "published" else 811.0,
        psnr_db=psnr_db + 0.3 * number - (2.0 if protocol == "published" else 0.0),
        ssim=1.0 if math.isinf(psnr_db) else 0.9 + psnr_db / 1000,
        max_error=0.0 if math.isinf(psnr_db) else 812.0 / psnr_db,
        psnr_volume_db=psnr_db + 0.3 * number - (0.0 if region == "full" else 1.0),
        signal_voxels=2_000_000,
        missed_voxels=0 if region == "full" else 240,
        miss_rate=0.0 if region == "full" else 0.00012,
        brightest_dropped=None if region == "full" else 46.0,
        encode_s=0.31 * share * (1 + 0.1 * number),
        decode_s=0.22 * share,
        peak_memory_nbytes=int(31e6 * share),
        settings=json.dumps({"id": inner, "level": level}),
    )


def results() -> list[ResultRow]:
    rows = []
    for data_set, scans in SCANS.items():
        for scan in scans:
            for method in METHODS:
                rows += [result(data_set, scan, method, region, "medroi") for region in SHARE]
                if method[0] == "jpeg2000" and method[1] != "lossless":
                    regions = ("full", "box")
                    rows += [result(data_set, scan, method, r, "published") for r in regions]
            inner, level, status = MISSING
            missing = [ResultRow(scan, data_set, "medroi", inner, level, r, status) for r in SHARE]
            rows += missing
    broken = dataclasses.replace(rows[0], status=TRICKY, compression_ratio=None, stored_nbytes=None)
    return [broken, *rows[1:]]


def matched(rows: list[ResultRow]) -> list[MatchedRow]:
    found = []
    for row in rows:
        if row.protocol == "medroi" and row.status == "ok" and math.isfinite(row.psnr_db or 0):
            full_db = row.psnr_db
            shrunk = int((row.stored_nbytes or 0) * (0.93 if row.region == "box" else 0.9))
            nbytes = row.stored_nbytes if row.region == "full" else shrunk
            values = {**dataclasses.asdict(row), "stored_nbytes": nbytes}
            found.append(MatchedRow(**values, matched_psnr_db=full_db))
    unreached = dataclasses.replace(found[-1], status="not reached: 49.10 dB is the nearest")
    return [*found[:-1], unreached]


TESTS = (
    PairedTest(
        "heads", "jpeg2000", "rate 20", "medroi", "compression_ratio", "full-box", 5,
        1.25, 1.21, 9.1, 0.0008, 0.0032, 4.07,
    ),
    PairedTest(
        "heads", "jpeg2000", "rate 20", "medroi", "encode_s", "full-mask", 5,
        -0.04, 0.9, -1.1, 0.33, 0.66, -0.49,
    ),
    PairedTest("breasts", "zstd", "lossless", "medroi", "decode_s", "box-mask", 1),
)  # fmt: skip
FAILURES = (
    Failure("heads/notes.txt", "neither .nii nor DICOM"),
    Failure("heads/<cut>.nii.gz", TRICKY),
)


def write_report(folder: Path) -> list[ResultRow]:
    (folder / "state").mkdir(parents=True)
    rows = results()
    write_results(rows, folder / "results.csv")
    write_results(matched(rows), folder / "matched.csv", MatchedRow)
    write_results(TESTS, folder / "tests.csv", PairedTest)
    write_results(FAILURES, folder / "failures.csv", Failure)
    (folder / "machine.json").write_text(json.dumps(MACHINE))
    write_panel(folder / "state" / "panel.npz")
    return rows


def write_panel(path: Path) -> None:
    rng = np.random.default_rng(8)
    rows, columns = np.ogrid[-1:1:60j, -1:1:48j]
    inside = rows**2 / 0.6 + columns**2 / 0.5 < 1
    original = (rng.integers(0, 30, (60, 48)) + 400 * inside).astype(np.int16)
    mask = rows**2 / 0.7 + columns**2 / 0.6 < 1
    start_stop = (8, 52, 6, 42)
    box = np.zeros_like(mask)
    box[8:52, 6:42] = True
    decoded = {}
    for inner, level, error in (("jpeg2000", "rate 20", 12), ("wavelet3d", "psnr 45", 4)):
        for region, kept in (("full", np.ones_like(mask)), ("box", box), ("mask", mask)):
            noise = rng.normal(0, error, original.shape)
            coded = np.where(kept, original + noise, 0).astype(np.int16)
            decoded[f"decoded/{inner}/{level}/{region}"] = coded
    np.savez(path, original=original, box=np.array(start_stop), mask=mask, **decoded)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
