"""Promises of the CSV files of a comparison: text is never a formula, and comes back as it was."""

from __future__ import annotations

import csv
import os

import make_scans
import pytest

from medroi.compare.page_data import read_report
from medroi.compare.results import Failure, ResultRow, read_results, read_rows, write_results
from medroi.compare.sources import find_sources

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "'", "'="]


def row(name):
    return ResultRow(name, name, "medroi", "zstd", name, "box", "ok", psnr_db=-1.5, max_error=-0.25)


@pytest.mark.parametrize("start", STARTS)
def test_text_from_file_names_is_never_a_formula(tmp_path, start):
    name = f'{start}HYPERLINK("http://x","y")'
    write_results([row(name)], tmp_path / "results.csv")
    write_results([Failure(name, name)], tmp_path / "failures.csv", Failure)
    for path in tmp_path.iterdir():
        with path.open(newline="", encoding="utf-8") as file:
            (cells,) = list(csv.DictReader(file))
        for column, cell in cells.items():
            if column not in ("psnr_db", "max_error"):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        if path.name == "results.csv":
            assert (cells["psnr_db"], cells["max_error"]) == ("-1.5", "-0.25")
    assert read_results(tmp_path / "results.csv") == [row(name)]
    assert read_rows(tmp_path / "failures.csv", Failure) == [Failure(name, name)]
    assert read_report(tmp_path).failures == [Failure(name, name)]


def test_names_that_are_no_text_are_escapes_in_a_report(tmp_path):
    make_scans.nifti(tmp_path / "in.nii", make_scans.head())
    os.rename(tmp_path / "in.nii", os.fsencode(tmp_path) + b"/\xff.nii")
    os.mkdir(os.fsencode(tmp_path) + b"/\xfe")
    (tmp_path / os.fsdecode(b"\xfd.txt")).write_text("")
    (source,), failures = find_sources([tmp_path, tmp_path / os.fsdecode(b"\xfe")])
    assert source.scan == "\\udcff"
    assert {failure.path for failure in failures} == {f"{tmp_path.name}/\\udcfd.txt", "\\udcfe"}
    write_results([row(source.scan)], tmp_path / "results.csv")
    assert read_results(tmp_path / "results.csv") == [row("\\udcff")]
