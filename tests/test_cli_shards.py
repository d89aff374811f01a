"""`medroi info` on sharded Zarr arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from arrays import phantom

from medroi import cli
from medroi.zarr import MedROICodec

VOLUME = phantom((40, 36, 34))
VOLUME[:, :, 16:] = 0


def create(path: Path, **options: Any) -> zarr.Array:
    return zarr.create_array(
        path,
        data=VOLUME,
        chunks=(16, 16, 16),
        serializer=MedROICodec.lossless(),
        compressors=None,
        **options,
    )


def info(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["info", str(path), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_sharded_array_is_described_as_one_with_a_file_per_chunk(
    location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / "files.zarr")
    shards = {"shape": (32, 32, 32), "index_location": location}
    create(tmp_path / "shards.zarr", shards=shards)
    expected = info(tmp_path / "files.zarr", capsys)
    found = info(tmp_path / "shards.zarr", capsys)
    assert found["streams"] == expected["streams"]
    assert len(found["streams"]) == 9
    assert found["unwritten_chunks"] == expected["unwritten_chunks"] == 18
    assert found["n_chunks"] == 27


@pytest.mark.parametrize("nbytes", [0, 20, 132, 500])
def test_a_shard_that_is_cut_off_is_an_error_that_names_it(
    nbytes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / "scan.zarr", shards=(32, 32, 32))
    file = tmp_path / "scan.zarr" / "c" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:nbytes])
    assert cli.main(["info", str(tmp_path / "scan.zarr")]) != 0
    assert "scan.zarr" in capsys.readouterr().err


def test_voxels_and_streams_are_those_of_the_array(tmp_path: Path) -> None:
    from medroi import MedROI
    from medroi.scans.stores.files import Folder
    from medroi.scans.stores.shards import Shards

    made = create(tmp_path / "scan.zarr", shards=(32, 16, 32))
    path = tmp_path / "scan.zarr"
    shards = Shards(path, Folder(path), "", made)
    stream = shards.stream((2, 1, 0))
    assert stream is not None
    assert np.array_equal(MedROI().decode(stream)[:8], VOLUME[32:, 16:32, :16])
    assert shards.stream((2, 1, 1)) is None
