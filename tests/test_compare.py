"""Promises of `medroi compare`: one command, any scans, a report that goes on where it stopped."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path

import make_scans
import numpy as np
import pytest
from PIL import Image
from scans import scan as smooth_scan

from medroi import processes
from medroi.cli import build_parser, main
from medroi.compare import methods, running, tables, work
from medroi.compare.results import ResultRow, read_results, write_results
from medroi.compare.sources import Source, find_sources
from medroi.compare.state import State
from medroi.compare.work import Options, Piece
from medroi.errors import InvalidArgument

SMALL = "zstd,wavelet3d/psnr 45,tcm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two volumes, an image, a damaged scan and a note."""
    found = tmp_path_factory.mktemp("set") / "mixed"
    found.mkdir()
    for number in (1, 2):
        volume = smooth_scan((40, 44, 36), seed=number).astype(np.int16)
        make_scans.nifti(found / f"head-{number}.nii.gz", volume, affine=np.eye(4))
    Image.fromarray(smooth_scan((90, 80)).astype(np.uint16)).save(found / "image.png")
    (found / "damaged.nii").write_bytes(b"no NIfTI")
    (found / "note.txt").write_text("no scan")
    return found


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    """The report of the folder, made once."""
    target = tmp_path_factory.mktemp("out") / "report"
    arguments = [
        "compare",
        str(folder),
        "-o",
        str(target),
        "--methods",
        "zstd,wavelet3d/psnr 45,tcm",
    ]
    assert main(arguments) == 0
    return target


def test_every_scan_method_region_and_protocol_is_a_row(report):
    rows = read_results(report / "results.csv")
    found = [row.key for row in rows if row.status == "ok"]
    expected = [
        ("mixed", scan, "medroi", *label.split("/"), region)
        for scan in ("head-1", "head-2", "image")
        for label in ("zstd/lossless", "wavelet3d/psnr 45")
        for region in ("full", "box", "mask")
    ]
    assert found == expected
    for row in rows:
        if row.status == "ok":
            assert row.compression_ratio == pytest.approx(row.original_nbytes / row.stored_nbytes)
            assert row.encode_s > 0
            assert row.decode_s > 0


def test_one_peak_and_one_set_of_voxels_serve_all_methods_of_a_scan(report):
    peaks = {}
    for row in read_results(report / "results.csv"):
        if row.status == "ok":
            peaks.setdefault(row.scan, set()).add(row.peak)
    assert all(len(found) == 1 for found in peaks.values())


def test_what_gives_no_scan_is_listed_and_stops_nothing(report):
    with (report / "failures.csv").open(newline="") as file:
        failures = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    assert set(failures) == {"mixed/note.txt", "mixed/damaged"}
    assert all(failures.values())
    summary = (report / "summary.md").read_text()
    assert "mixed/damaged" in summary


def test_a_method_that_cannot_run_is_a_row_that_says_so(report):
    (row,) = (r for r in read_results(report / "results.csv") if r.inner == "tcm")
    assert row.status == "needs weights: --weights tcm=PATH"
    assert row.stored_nbytes is None
    assert "needs weights" in (report / "summary.md").read_text()


def test_matched_rows_are_at_one_psnr(report):
    rows = read_results(report / "matched.csv")
    assert {row.region for row in rows} == {"full", "box", "mask"}
    for row in rows:
        assert row.psnr_db == pytest.approx(row.matched_psnr_db, abs=0.06)


def test_the_report_names_no_folder_of_this_machine(report, folder):
    for file in report.iterdir():
        if file.suffix in (".csv", ".md", ".json", ".html"):
            assert str(folder.parent) not in file.read_text()
            assert str(report.parent) not in file.read_text()


def test_a_second_run_does_nothing_again(report, folder, capsys):
    before = {file.name: file.stat().st_mtime_ns for file in (report / "state").glob("*.json")}
    text = (report / "results.csv").read_text()
    arguments = [
        "compare",
        str(folder),
        "-o",
        str(report),
        "--methods",
        "zstd,wavelet3d/psnr 45,tcm",
    ]
    assert main(arguments) == 0
    after = {file.name: file.stat().st_mtime_ns for file in (report / "state").glob("*.json")}
    assert before == after
    assert (report / "results.csv").read_text() == text
    assert "no figures: tcm weights" in capsys.readouterr().out


def test_a_stopped_run_goes_on_and_a_changed_scan_is_done_again(folder, tmp_path):
    chosen = methods.select(["zstd"])
    plan = running.Plan(Options(matched=False), times=False, processes=1)
    paths = [folder / "head-1.nii.gz", tmp_path / "other.nii.gz"]
    make_scans.nifti(paths[1], smooth_scan((40, 44, 36), seed=8).astype(np.int16))
    first = running.compare(paths, chosen, tmp_path / "r", plan)
    kept = sorted((tmp_path / "r" / "state").glob("*.json"))
    assert len(kept) == 2
    times = [file.stat().st_mtime_ns for file in kept]
    make_scans.nifti(paths[1], smooth_scan((40, 44, 36), seed=9).astype(np.int16))
    second = running.compare(paths, chosen, tmp_path / "r", plan)
    changed = [a != b.stat().st_mtime_ns for a, b in zip(times, kept)]
    assert sorted(changed) == [False, True]
    same = [a == b for a, b in zip(first.rows, second.rows)]
    assert same == [True] * 3 + [False] * 3


def test_times_alone_are_taken_again_from_the_csv_files(folder, tmp_path):
    chosen = methods.select(["zstd"])
    paths = [folder / "head-1.nii.gz"]
    plan = running.Plan(Options(matched=False), times=False, processes=1)
    before = running.compare(paths, chosen, tmp_path / "r", plan).rows
    assert all(row.encode_s is None for row in before)
    for file in (tmp_path / "r" / "state").iterdir():
        file.unlink()
    again = dataclasses.replace(plan, times=True, times_only=True)
    after = running.compare(paths, chosen, tmp_path / "r", again).rows
    assert all(row.encode_s > 0 for row in after)
    untimed = [dataclasses.replace(row, encode_s=None, decode_s=None) for row in after]
    written = read_results(tmp_path / "r" / "results.csv")
    assert [row.encode_s for row in written] == pytest.approx([r.encode_s for r in after], rel=1e-6)
    assert [row.stored_nbytes for row in untimed] == [row.stored_nbytes for row in before]


def test_a_report_of_what_is_kept_measures_nothing(folder, tmp_path):
    chosen = methods.select(["zstd"])
    plan = running.Plan(Options(matched=False), times=False, processes=1)
    running.compare([folder / "head-1.nii.gz"], chosen, tmp_path / "r", plan)
    kept = dataclasses.replace(plan, kept_only=True)
    both = methods.select(["zstd", "predict3d"])
    found = running.compare([folder], both, tmp_path / "r", kept)
    assert [(row.scan, row.inner) for row in found.rows] == [("head-1", "zstd")] * 3


@dataclasses.dataclass(frozen=True)
class Deadly(Source):
    """Ends the process that receives it."""

    def __reduce__(self):
        return (os._exit, (3,))


def test_a_crash_costs_its_own_row_alone(folder):
    (good,) = find_sources([folder / "head-1.nii.gz"])[0]
    deadly = Deadly(good.data_set, "deadly", good.kind, good.paths)
    (method,) = methods.select(["zstd"])
    options = Options(matched=False)
    pieces = [Piece(source, method, options, "figures") for source in (good, deadly, good)]
    done = list(processes.run_all(pieces, work.run, 2, work.ended))
    assert len(done) == 3
    ended = [found for _, found in done if found.ended]
    assert [row.status for row in ended[0].rows] == [
        "the process ended while it worked on this: a crash, or out of memory"
    ] * 3
    good_rows = [row for _, found in done if not found.ended for row in found.rows]
    assert [row.status for row in good_rows] == ["ok"] * 6


@pytest.mark.parametrize("pinned", [True, False])
def test_workers_share_the_cores_without_crowding(pinned):
    before = dict(os.environ)
    with processes._pool(1, pinned=pinned) as executor:
        cores, threads = executor.submit(seen_in_worker).result()
    assert len(cores) == (1 if pinned else len(os.sched_getaffinity(0)))
    assert threads == "1"
    assert dict(os.environ) == before


def test_a_source_knows_the_bytes_of_its_files(folder):
    (source,) = find_sources([folder / "head-1.nii.gz"])[0]
    assert source.nbytes == (folder / "head-1.nii.gz").stat().st_size


def seen_in_worker():
    return os.sched_getaffinity(0), os.environ["OMP_NUM_THREADS"]


def test_rows_survive_the_csv(tmp_path):
    row = ResultRow("a,b", 'q"', "medroi", "zstd", "lossless", "box", "ok", psnr_db=float("inf"))
    row = dataclasses.replace(row, stored_nbytes=12, miss_rate=0.25)
    write_results([row], tmp_path / "r.csv")
    assert read_results(tmp_path / "r.csv") == [row]
    (tmp_path / "bad.csv").write_text("scan,other\n")
    with pytest.raises(InvalidArgument, match="columns"):
        read_results(tmp_path / "bad.csv")


def test_a_cut_off_state_counts_as_not_done(tmp_path):
    state = State(tmp_path)
    state.put(("a", "b"), {"v": 1}, [1, 2])
    assert state.get(("a", "b"), {"v": 1}) == [1, 2]
    assert state.get(("a", "b"), {"v": 2}) is None
    path = state.path(("a", "b"))
    path.write_text(path.read_text()[:-5])
    assert state.get(("a", "b"), {"v": 1}) is None


def test_a_lossless_mean_never_counts_infinity(tmp_path):
    row = ResultRow("s1", "set", "medroi", "zstd", "lossless", "full", "ok")
    row = dataclasses.replace(row, original_nbytes=8, stored_nbytes=4, compression_ratio=2.0)
    rows = [
        dataclasses.replace(row, psnr_db=float("inf")),
        dataclasses.replace(row, scan="s2", psnr_db=60.0),
    ]
    assert "60.00, exact in 1" in tables.summary_markdown(rows, [])


def test_methods_are_chosen_by_codec_or_by_level():
    assert [m.label for m in methods.select(["jpeg2000/rate 20", "zstd"])] == [
        "zstd/lossless",
        "jpeg2000/rate 20",
    ]
    (weighted,) = methods.select(["tcm"], [("tcm", "some/lambda05.pth")])
    assert weighted.level == "lambda05"
    assert not weighted.needs_weights
    assert json.loads(methods.settings_text(weighted.config))["weights"] == "lambda05.pth"
    *_, extra = methods.select(["zstd"], (), [{"id": "wavelet3d", "rate": 30}])
    assert extra.label == "wavelet3d/rate 30"
    assert extra.searched == "rate"
    for wrong in (["no such"], ["zstd/rate 3"]):
        with pytest.raises(InvalidArgument, match="expected"):
            methods.select(wrong)
    with pytest.raises(InvalidArgument, match="weights"):
        methods.select((), [("zstd", "x")])


def test_regions_are_asked_for_by_their_earlier_name_too():
    arguments = ["compare", "scans", "-o", "report", "--regions"]
    for asked in ("full,mask", "hull,full"):
        assert build_parser().parse_args([*arguments, asked]).regions == ("full", "mask")


def test_wrong_use_is_one_line(tmp_path, folder, capsys):
    assert main(["compare", str(tmp_path / "gone"), "-o", str(tmp_path / "r")]) == 1
    assert "nothing to compare: gone: does not exist" in capsys.readouterr().err
    chosen = ["--methods", "zstd", "--inner", "zstd", "--inner", "zstd"]
    assert main(["compare", str(folder), "-o", str(tmp_path / "r"), *chosen]) == 1
    assert "expected each once" in capsys.readouterr().err


def test_the_shipped_scan_gives_a_report(head_path: Path, tmp_path):
    """With small settings; the published definitions and a mask among them."""
    chosen = ["--methods", "predict3d/dense,jpeg2000/rate 20", "--no-matched", "--no-times"]
    assert main(["compare", str(head_path), "-o", str(tmp_path / "r"), *chosen]) == 0
    rows = {
        (r.protocol, r.inner, r.region): r for r in read_results(tmp_path / "r" / "results.csv")
    }
    assert {row.status for row in rows.values()} == {"ok"}
    lossless = {region: rows["medroi", "predict3d", region] for region in ("full", "box", "mask")}
    assert lossless["full"].psnr_db == lossless["full"].psnr_volume_db == float("inf")
    assert len({row.signal_voxels for row in lossless.values()}) == 1
    for row in lossless.values():
        assert (row.psnr_db == float("inf")) == (row.missed_voxels == 0)
        assert row.miss_rate < 0.01
    ratios = [lossless[region].compression_ratio for region in ("full", "box", "mask")]
    assert ratios == sorted(ratios)
    assert ratios[2] / ratios[0] > 1.5
    assert rows["published", "jpeg2000", "full"].original_nbytes == 160 * 192 * 192
    html = (tmp_path / "r" / "report.html").read_text()
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "data:image/png;base64" in html
    panel = np.load(tmp_path / "r" / "state" / "panel.npz")
    assert panel["original"].shape == panel["mask"].shape
    assert "decoded/jpeg2000/rate 20/box" in panel
