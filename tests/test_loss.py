"""Nothing is lost in silence: `benchmarks/loss.py` on generated scans and the shipped one."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import medroi
from medroi import MedROI

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def module(name: str):
    if str(BENCHMARKS) not in sys.path:
        sys.path.insert(0, str(BENCHMARKS))
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def loss():
    return module("loss")


@pytest.fixture(scope="module")
def scans(head_volume) -> dict:
    """The generated ones, and the shipped one with every fourth voxel."""
    found = {scan.name: scan for scan in module("loss_scans").generated()}
    head = module("loss_scans").Scan("shipped head", head_volume, (1.0, 1.0, 1.0))
    return {**found, "shipped head": head.thinned(1 << 17)}


NAMES = [
    *("label map", "disc point labels", "signed statistics map", "thick slices, nodule"),
    *("end-slice cone", "NaN-masked floats", "NaN in noisy air", "CT, padding circle", "no air"),
    *("8-bit windowed noise", "2-D image", "head in noisy air", "constant", "all NaN"),
    *("one voxel", "shipped head"),
]


def test_every_generated_scan_is_tested(scans) -> None:
    assert list(scans) == NAMES


def complaints(loss, scan, cases) -> list[tuple]:
    work = loss.Work(0, "test", ())
    rows = list(loss._rows_of_cases(work, scan, cases))
    assert rows
    return [
        (*(row[name] for name in loss.KEY[6:]), row.get("silent") or row.get("refused"))
        for row in rows
        if row.get("silent") or row.get("refused")
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plan", ["main", "more"])
def test_nothing_is_lost_in_silence_whatever_the_chunks_and_the_binding(
    loss, scans, plan: str, name: str
) -> None:
    scan = scans[name]
    assert complaints(loss, scan, loss.PLANS[plan](scan)) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_in_silence_by_writing_slice_by_slice(loss, scans, name: str) -> None:
    scan = scans[name].thinned(1 << 13)
    cases = [case for case in loss.writing_cases(scan) if not case.order.startswith("blocks")]
    assert complaints(loss, scan, cases) == []


def stored(scan, decoded, stream: bytes):
    return module("loss_stores").Stored(decoded, {(0,) * scan.voxels.ndim: stream})


def figures(scan, decoded, stream: bytes, **how) -> dict:
    return module("loss_counts").figures(
        scan, stored(scan, decoded, stream), scan.voxels.shape, **how
    )


@pytest.fixture
def head(scans):
    return scans["head in noisy air"]


def test_a_loss_under_a_promise_of_exactness_is_silent(head) -> None:
    decoded = head.voxels.copy()
    decoded[2, 2, 2] += 1
    stream = MedROI.lossless().encode(head.voxels)
    row = figures(head, decoded, stream, lossless=True)
    assert row["dropped"] == 1
    assert "exactness was promised" in row["silent"]
    assert figures(head, head.voxels, stream, lossless=True)["silent"] == ""


def test_more_than_the_miss_rate_and_other_than_the_stream_says_is_silent(head) -> None:
    codec = MedROI()
    stream = codec.encode(head.voxels)
    decoded = codec.decode(stream)
    right = figures(head, decoded, stream)
    assert right["silent"] == ""
    assert right["dropped"] > 1000
    assert right["bright_dropped"] == right["bright_dropped_stated"]
    decoded = decoded.copy()
    decoded[30:36, 2:9, 20:26] = 0
    wrong = figures(head, decoded, stream)
    lost = (head.voxels[30:36, 2:9, 20:26] >= medroi.inspect(stream).threshold).sum()
    assert wrong["bright_dropped"] == right["bright_dropped"] + lost
    assert wrong["silent"] == "more than max_miss_rate; a group above 8; not what the stream says"


def test_the_largest_group_is_measured_and_placed(head) -> None:
    codec = MedROI(max_miss_rate=0)
    stream = codec.encode(head.voxels)
    decoded = codec.decode(stream).copy()
    assert figures(head, decoded, stream)["group_voxels"] == 0
    spaced = dataclasses.replace(head, spacing_mm=(1.0, 1.0, 2.5))
    # Corner to corner, with one voxel apart from it.
    for place in ((31, 31, 20), (32, 32, 21), (33, 32, 21), (20, 32, 24)):
        decoded[place] = 0
    row = figures(spaced, decoded, stream)
    assert (row["group_voxels"], row["group_mm3"]) == (3, 7.5)
    assert (row["group_place"], row["groups_above_8"]) == ("31 31 20", 0)
    decoded[30:34, 30:34, 30] = 0
    assert figures(head, decoded, stream)["groups_above_8"] == 1


def test_a_label_and_a_missing_value_that_are_gone_are_silent(scans) -> None:
    labels = scans["label map"]
    decoded = labels.voxels.copy()
    decoded[1, 1, 1] = 0
    row = figures(labels, decoded, MedROI().encode(labels.voxels))
    gone = 5 not in labels.voxels[2:]
    assert ("a label is gone" in row["silent"]) == gone
    decoded[decoded == 1000] = 0
    row = figures(labels, decoded, MedROI().encode(labels.voxels))
    assert "1000" in row["labels_lost"].split()
    assert "a label is gone" in row["silent"]
    missing = scans["NaN in noisy air"]
    row = figures(missing, np.nan_to_num(missing.voxels), MedROI().encode(missing.voxels))
    assert row["nan_lost"] == 7
    assert "NaN is gone" in row["silent"]


def test_an_array_that_differs_from_one_write_is_silent(head) -> None:
    codec = MedROI()
    stream = codec.encode(head.voxels)
    decoded = codec.decode(stream)
    assert figures(head, decoded, stream, once=decoded)["silent"] == ""
    row = figures(head, decoded, stream, once=head.voxels)
    assert row["silent"] == "not as written at once"


def test_the_status_says_whether_a_loss_was_silent(loss, monkeypatch, tmp_path, capsys) -> None:
    table = tmp_path / "loss.csv"
    for silent, status in (("", 0), ("NaN is gone", 1)):
        row = dict.fromkeys(loss.KEY, "x") | {"silent": silent}
        monkeypatch.setattr(loss, "run", lambda *_, row=row: [row])
        assert loss.main(["-o", str(table)]) == status
        with table.open(newline="") as file:
            (written,) = csv.DictReader(file)
        assert list(written) == list(loss.COLUMNS)
        assert written["silent"] == silent
        assert ("LOST" in capsys.readouterr().err) == bool(status)


def test_a_file_that_cannot_be_read_is_named_and_fails(loss, tmp_path, capsys) -> None:
    (tmp_path / "cut.nii.gz").write_bytes(b"\x1f\x8b no scan")
    (found,) = (w for w in loss.work_in(tmp_path) if w.data_set == tmp_path.name)
    (row,) = loss.rows_of(found)
    assert row["scan"] == "cut.nii.gz"
    assert row["refused"]
