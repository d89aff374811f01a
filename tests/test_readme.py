"""What the README shows can be run as it stands."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def test_the_examples_run_and_agree(
    head_volume: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples/data/head_T1w.nii.gz", tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 7
    names = {"scan": head_volume}
    for block in blocks:
        exec(block, names)
    format_3 = names["zarr"].open("head.zarr", mode="r")[:]
    format_2 = names["zarr"].open("head2.zarr", mode="r")[:]
    assert np.array_equal(format_3, names["again"])
    assert np.array_equal(format_2, names["again"])
    for name in ("t1", "t1v2", "packed", "packedv2"):
        found = names["xarray"].open_zarr(f"{name}.zarr")["t1"].to_numpy()
        assert np.array_equal(found[head_volume > 100], head_volume[head_volume > 100])
    with names["h5py"].File("head.h5") as file:
        # C order: the region is that of the same voxels, whatever their order in memory.
        assert np.array_equal(file["head"][...], names["again"])
    assert names["patch"].shape == (64, 64, 64)
    assert np.array_equal(names["image"].shape, head_volume.shape)
    ((x, y, z), whole) = names["medroi"].inspect(names["stream"]).box, head_volume
    kept = (slice(*x), slice(*y), slice(*z))
    assert np.array_equal(format_3[kept], whole[kept])


def test_zarr_3_refuses_the_format_2_call_without_its_format(
    head_volume: np.ndarray, tmp_path: Path
) -> None:
    import zarr

    from medroi import MedROI

    with pytest.raises(ValueError, match="zarr_format"):
        zarr.open(
            tmp_path / "head.zarr",
            mode="w",
            shape=head_volume.shape,
            dtype=head_volume.dtype,
            compressor=MedROI(),
        )


def test_the_first_paragraph_says_what_is_discarded() -> None:
    first = (ROOT / "README.md").read_text().split("\n\n")[1]
    assert "`MedROI()` discards voxels outside the region" in first.replace("\n", " ")
    assert "`MedROI.lossless()` does not" in first


def test_links_work_on_pypi_too() -> None:
    links = re.findall(r"\]\(([^)]*)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    home = "https://github.com/medroi/medroi/blob/main/"
    for link in links:
        if link.startswith(home):
            assert (ROOT / link.removeprefix(home)).is_file(), link


def test_the_picture_is_there_and_small() -> None:
    raw = "https://raw.githubusercontent.com/medroi/medroi/main/"
    (name,) = re.findall(re.escape(raw) + r"([^)]*)\)", (ROOT / "README.md").read_text())
    assert 0 < (ROOT / name).stat().st_size < 150_000


def test_the_citation_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()
