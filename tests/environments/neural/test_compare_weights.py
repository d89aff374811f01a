"""`medroi compare --weights`: a learned codec is measured like any other."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medroi.cli import main

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

import bcmnet_volumes  # noqa: E402
import neural2d_weights  # noqa: E402


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    voxels = neural2d_weights.scan(shape=(3, 22, 18)).T + np.int16(3)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), folder / "head.nii.gz")
    weights = {
        "bcmnet": bcmnet_volumes.write_weights(folder),
        "neural2d": neural2d_weights.write_weights(folder),
    }
    before = torch.get_num_threads()
    arguments = ["compare", str(folder / "head.nii.gz"), "-o", str(folder / "report")]
    arguments += ["--background", "3", "--no-times", "--methods", ",".join(weights)]
    for name, path in weights.items():
        arguments += ["--weights", f"{name}={path}"]
    assert main(arguments) == 0
    torch.set_num_threads(before)
    return folder / "report"


def rows_of(report: Path, file: str) -> list[dict[str, str]]:
    with (report / file).open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_region_has_its_figures_and_names_the_weights(report: Path) -> None:
    rows = rows_of(report, "results.csv")
    own = [row for row in rows if row["protocol"] == "medroi"]
    assert {row["status"] for row in rows} == {"ok"}
    assert {(row["inner"], row["level"], row["region"]) for row in own} == {
        (*codec, region)
        for codec in (("bcmnet", "bcmnet"), ("neural2d", "neural2d-1"))
        for region in ("full", "box", "mask")
    }
    assert all(int(row["stored_nbytes"]) > 0 and float(row["psnr_db"]) > 0 for row in own)
    exact = {row["region"]: float(row["psnr_db"]) for row in own if row["inner"] == "bcmnet"}
    assert exact["full"] == float("inf")
    published = {row["inner"] for row in rows if row["protocol"] == "published"}
    assert published == {"bcmnet"}


def test_a_codec_with_a_step_is_compared_at_matched_quality(report: Path) -> None:
    rows = rows_of(report, "matched.csv")
    assert [(row["inner"], row["region"]) for row in rows] == [
        ("neural2d", region) for region in ("full", "box", "mask")
    ]
    assert len({row["matched_psnr_db"] for row in rows}) == 1
    for row in rows:
        miss = abs(float(row["psnr_db"]) - float(row["matched_psnr_db"]))
        assert miss <= 0.05 or row["status"].startswith("not reached: ")
        assert f'"weights": "{rows[0]["settings"].split("weights")[1][4:36]}"' in row["settings"]


def test_the_report_holds_no_folder_of_the_weights(report: Path) -> None:
    for name in ("results.csv", "summary.md", "report.html"):
        assert str(report.parent) not in (report / name).read_text()
