"""The newest libraries: that they run, and icechunk, which refuses ranges beyond an end."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from zarr.core.codec_pipeline import FusedCodecPipeline

from medroi.zarr import MedROICodec, write

CODECS = [MedROICodec.lossless(), MedROICodec(), MedROICodec(roi="mask")]


def content(kind: str) -> np.ndarray:
    array = np.zeros((8, 64, 64), "<i2")
    if kind == "small":
        array[3:5, 20:30, 20:30] = 300
    if kind == "large":
        array[1:7] = np.random.default_rng(0).integers(1, 9999, (6, 64, 64))
    return array


@pytest.fixture(params=["Batched", "Fused"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    path = f"zarr.core.codec_pipeline.{request.param}CodecPipeline"
    with zarr.config.set({"codec_pipeline.path": path}):
        yield


def test_the_stack_is_new() -> None:
    assert sys.version_info >= (3, 13)
    found = {name: tuple(map(int, version(name).split(".")[:2])) for name in ("zarr", "numpy")}
    assert found["zarr"] >= (3, 4)
    assert found["numpy"] >= (2, 5)
    assert hasattr(MedROICodec, "_decode_partial_sync") and FusedCodecPipeline


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize("kind", ["nothing", "small", "large"])
@pytest.mark.parametrize("codec", CODECS, ids=["lossless", "default", "mask"])
@pytest.mark.parametrize("shards", [None, (8, 64, 64)])
def test_icechunk_returns_every_selection(shards: Any, codec: MedROICodec, kind: str) -> None:
    array = content(kind)
    repo = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repo.writable_session("main")
    made = zarr.create_array(
        session.store,
        name="a",
        shape=array.shape,
        dtype=array.dtype,
        chunks=array.shape if shards is None else (4, 64, 64),
        shards=shards,
        serializer=codec,
        compressors=None,
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    write(made, array)
    session.commit("a")
    read = zarr.open_array(repo.readonly_session("main").store, path="a", mode="r")
    for selection in (np.s_[...], np.s_[4], np.s_[0], np.s_[::3, 25], np.s_[:, 63, 1:9:2]):
        assert np.array_equal(read[selection], array[selection])
    points = ([7, 3, 0], [1, 25, 63], [2, 25, 3])
    assert np.array_equal(read.vindex[points], array[points])
