"""Promises of the command line: exit codes, one-line errors, JSON that a script can read."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
import weakref

import make_scans
import numpy as np
import pytest
import zarr

import medroi
from medroi.cli import main
from medroi.cli.pack import inner_argument


@pytest.fixture
def scan(tmp_path):
    return make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head())


def run_json(capsys, *argv):
    assert main([str(item) for item in argv]) in make_scans.PACKED
    return json.loads(capsys.readouterr().out)


def test_pack_and_unpack_give_the_header_back(tmp_path, scan, capsys):
    store, back = tmp_path / "s.zarr", tmp_path / "out.nii.gz"
    assert main(["pack", str(scan), str(store)]) in make_scans.PACKED
    printed = capsys.readouterr()
    assert printed.err == ""
    for word in ("kept", "stored", "ratio", "exact", "threshold", "background 0"):
        assert word in printed.out
    assert main(["unpack", str(store), str(back)]) == 0
    before, after = make_scans.plain_bytes(scan), make_scans.plain_bytes(back)
    assert before[:352] == after[:352]
    assert len(before) == len(after)


@pytest.mark.parametrize("name", ["s.h5", "s.zarr"])
def test_info_has_the_bytes_and_voxels_of_the_pack_report(tmp_path, scan, capsys, name):
    report = run_json(capsys, "pack", scan, tmp_path / name, "--json")
    info = run_json(capsys, "info", tmp_path / name, "--json")
    for fact in ("stored_nbytes", "ratio", "n_kept", "array_nbytes", "source_nbytes"):
        assert info[fact] == report[fact], fact
    if name == "s.h5":
        run_json(capsys, "pack", scan, tmp_path / name / "other", "--json")
        info = run_json(capsys, "info", tmp_path / name / "other", "--json")
        assert info["stored_nbytes"] == info["streams_nbytes"]


def test_pack_json_agrees_with_the_store(tmp_path, scan, capsys):
    store = tmp_path / "s.zarr"
    report = run_json(capsys, "pack", scan, store, "--json", "--chunks", "16")
    assert report["n_chunks"] == zarr.open(store, mode="r").nchunks == 12
    files = [path for path in store.rglob("*") if path.is_file()]
    assert report["stored_nbytes"] == sum(path.stat().st_size for path in files)
    assert report["ratio"] == report["array_nbytes"] / report["stored_nbytes"]
    assert report["exact_inside"] is True
    info = run_json(capsys, "info", store, "--json")
    assert info["n_chunks"] == len(info["streams"]) == 12
    assert info["threshold"] == report["threshold"]
    assert info["background"] == report["background"] == 0
    assert info["kept_share"] == pytest.approx(report["kept_share"])
    assert info["stored_nbytes"] == report["stored_nbytes"]


@pytest.mark.parametrize(
    ("options", "key", "value"),
    [
        (["--threshold", "120"], "threshold", 120),
        (["--threshold", "otsu"], "threshold_rule", "otsu"),
        (["--threshold", "none"], "threshold", None),
        (["--lossless"], "threshold", None),
        (["--background", "-1"], "background", -1),
        (["--polarity", "dark", "--background", "500"], "polarity", "dark"),
        (["--inner", "raw"], "inner", "raw"),
        (["--inner", "zstd:level=9"], "inner", "zstd"),
        (["--zarr-format", "2"], "zarr_format", 2),
        (["--chunks", "8,9,10"], "chunks", [8, 9, 10]),
        (["--padding", "0"], "n_missed", 0),
        (["--roi", "box"], "roi", "box"),
        ([], "roi", "mask"),
        ([], "inner", "predict3d"),
    ],
)
def test_options_reach_the_codec(tmp_path, scan, capsys, options, key, value):
    report = run_json(capsys, "pack", scan, tmp_path / "s.zarr", "--json", *options)
    assert report[key] == value


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["pack", "only_one"],
        ["pack", "a.nii", "b.zarr", "--chunks", "0"],
        ["pack", "a.nii", "b.zarr", "--chunks", "big"],
        ["pack", "a.nii", "b.zarr", "--background", "air"],
        ["pack", "a.nii", "b.zarr", "--inner", "zstd:level"],
        ["pack", "a.nii", "b.zarr", "--lossless", "--threshold", "otsu"],
        ["pack", "a.nii", "b.zarr", "--zarr-format", "1"],
    ],
)
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "usage: medroi" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["pack", "{tmp}/absent.nii", "{tmp}/s.zarr"], "absent.nii does not exist"),
        (["pack", "{scan}", "{tmp}/s.h6"], "ends with .ome.zarr"),
        (["pack", "{scan}", "{scan}/s.zarr"], "cannot be a folder"),
        (["pack", "{scan}", "{tmp}/s.zarr", "--threshold", "tissue"], "--threshold 'tissue': "),
        (["pack", "{scan}", "{tmp}/s.zarr", "--roi", "sphere"], "--roi 'sphere': "),
        (["pack", "{scan}", "{tmp}/s.zarr", "--inner", "nope"], "nope"),
        (["pack", "{scan}", "{tmp}/s.zarr", "--inner", "zstd:size=3"], "size"),
        (["pack", "{scan}", "{tmp}/s.zarr", "--background", "99999"], "99999"),
        (["pack", "{scan}", "{tmp}/s.zarr", "--padding", "-1"], "--padding -1: "),
        (["pack", "{scan}", "{tmp}/s.zarr", "--max-miss-rate", "7"], "--max-miss-rate 7.0: "),
        (
            ["pack", "{scan}", "{tmp}/s.zarr", "--mask", "{scan}", "--mask-margin", "nan"],
            "--mask-margin nan: ",
        ),
        (["unpack", "{tmp}/absent.zarr", "{tmp}/out.nii"], "absent.zarr does not exist"),
        (["info", "{tmp}/absent"], "absent"),
        (["info", "{scan}"], "stream"),
    ],
)
def test_errors_are_one_line_and_exit_with_1(tmp_path, scan, capsys, argv, message):
    assert main([item.format(tmp=tmp_path, scan=scan) for item in argv]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("medroi: error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == [scan]


def test_info_reads_a_raw_stream(tmp_path, capsys):
    voxels = make_scans.head()
    stream = medroi.MedROI(inner="raw").encode(voxels)
    (tmp_path / "stream.mroi").write_bytes(stream)
    info = run_json(capsys, "info", tmp_path / "stream.mroi", "--json")
    expected = medroi.inspect(stream)
    (described,) = info["streams"]
    assert described["shape"] == list(voxels.shape)
    assert described["box"] == [list(bounds) for bounds in expected.box]
    assert described["record_hex"] == expected.record.hex()
    assert described["nbytes"] == len(stream)
    assert main(["info", str(tmp_path / "stream.mroi")]) == 0
    assert "% kept, raw" in capsys.readouterr().out


def test_info_says_null_where_there_is_no_threshold(tmp_path, scan, capsys):
    run_json(capsys, "pack", scan, tmp_path / "s.zarr", "--lossless", "--json")
    info = run_json(capsys, "info", tmp_path / "s.zarr", "--json")
    assert info["threshold"] is None
    assert main(["info", str(tmp_path / "s.zarr")]) == 0
    assert "threshold none" in capsys.readouterr().out


def test_info_counts_the_chunks_that_others_left_out(tmp_path, capsys):
    from medroi.zarr import MedROICodec

    voxels = make_scans.head()
    array = zarr.create_array(
        tmp_path / "other.zarr",
        shape=voxels.shape,
        chunks=(16, 16, 26),
        dtype=voxels.dtype,
        serializer=MedROICodec(threshold=100),
        compressors=None,
    )
    info = run_json(capsys, "info", tmp_path / "other.zarr", "--json")
    assert (info["unwritten_chunks"], info["streams"], info["threshold"]) == (6, [], None)
    array[:16, :16] = voxels[:16, :16]
    info = run_json(capsys, "info", tmp_path / "other.zarr", "--json")
    assert (info["unwritten_chunks"], len(info["streams"]), info["threshold"]) == (5, 1, 100)


def test_codecs_lists_every_inner_codec(capsys):
    rows = run_json(capsys, "codecs", "--json")
    assert [(row["id"], row["name"]) for row in rows][:3] == [
        (0, "raw"),
        (1, "deflate"),
        (2, "zstd"),
    ]
    assert all(row["installed"] for row in rows)
    assert main(["codecs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zstd", "zstd"),
        ("zstd:level=9", {"id": "zstd", "level": 9}),
        ("jpeg2000:rate=20.5,mode=fast", {"id": "jpeg2000", "rate": 20.5, "mode": "fast"}),
        ("x:flag=true,none=null", {"id": "x", "flag": True, "none": None}),
    ],
)
def test_inner_options_are_read_as_json_or_text(text, expected):
    assert inner_argument(text) == expected


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"medroi {importlib.metadata.version('medroi')}\n"


def test_python_m_medroi_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "medroi", "info", str(tmp_path / "absent")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("medroi: error: ")
    assert "Traceback" not in done.stderr


def test_an_output_that_the_shell_closed_is_no_error(tmp_path):
    done = subprocess.run(
        ["sh", "-c", '"$0" -m medroi codecs >&-', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pack_away_from_a_terminal_shows_no_bar(tmp_path):
    source = make_scans.nifti(tmp_path / "in.nii", make_scans.head((64, 64, 64), np.float32))
    done = subprocess.run(
        [sys.executable, "-m", "medroi", "pack", str(source), str(tmp_path / "s.zarr"), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)["shape"] == [64, 64, 64]


@pytest.mark.parametrize(
    "argv", [["unpack", "s.zarr", "out.nii"], ["clear", "in.nii.gz", "out.nii"]], ids=lambda a: a[0]
)
def test_a_file_for_which_there_is_no_room_is_named(tmp_path, argv):
    make_scans.nifti(tmp_path / "in.nii.gz", make_scans.head((48, 48, 48)))
    medroi.pack(tmp_path / "in.nii.gz", tmp_path / "s.zarr")
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 64; exec "$0" -m medroi "$@"', sys.executable, *argv],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("medroi: error: ")
    assert done.stderr.endswith(f"'{tmp_path / 'out.nii'}'\n")
    assert sorted(tmp_path.rglob("*")) == before


class Held:
    """What a weak reference can be had to."""


def test_a_request_to_stop_that_a_callback_swallows_comes_again(monkeypatch, capsys):
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]

    def stopped_in_a_callback(_args):
        held = Held()
        reference = weakref.ref(held, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        del held
        time.sleep(60)
        return int(reference is None)

    monkeypatch.setattr("medroi.cli.codecs.run", stopped_in_a_callback)
    assert main(["codecs"]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "medroi: stopped by a signal\n"
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)] == handlers
