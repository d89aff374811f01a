"""The bridge to CompressAI: models of its zoo's kind, with small random weights."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import compressai
import numpy as np
import pytest
import torch
import zarr
from compressai.registry import MODELS

import medroi
import medroi.hdf5
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, UnsupportedVersion
from medroi.inner.neural.compressai_bridge.codec import CompressAI
from medroi.inner.neural.compressai_bridge.library import load_compressai
from medroi.zarr import MedROICodec

SIZES = {
    "bmshj2018-factorized": (16, 24),
    "bmshj2018-hyperprior": (16, 24),
    "mbt2018-mean": (16, 24),
    "mbt2018": (16, 24),
    "cheng2020-anchor": (16,),
    "cheng2020-attn": (16,),
}


def a_model(name: str) -> torch.nn.Module:
    """Random but seeded weights; images come out around the middle of the range."""
    torch.manual_seed(1)
    model = MODELS[name](*SIZES[name])
    biases = [p for key, p in model.named_parameters() if "g_s" in key and key.endswith("bias")]
    with torch.no_grad():
        biases[-1].add_(0.5)
    return model


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of every model, its weights random but seeded."""
    folder = tmp_path_factory.mktemp("weights")
    found = {}
    for name in SIZES:
        model = a_model(name)
        found[name] = folder / f"{name}.pth.tar"
        torch.save({"state_dict": model.state_dict(), "epoch": 1}, found[name])
    return found


def slices(dtype: str = "<i2", shape: tuple[int, ...] = (2, 45, 70)) -> np.ndarray:
    """A bright blob with texture, in the middle of air."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[-1 : 1 : shape[-2] * 1j, -1 : 1 : shape[-1] * 1j]
    blob = np.clip(1.2 - 2 * (y * y + x * x), 0, 1)
    return (blob * 900 + (blob > 0) * rng.normal(0, 20, shape)).clip(0, 2000).astype(dtype)


def coded(codec: CompressAI, block: np.ndarray) -> bytes:
    return codec.encode(block)


@pytest.mark.parametrize("name", SIZES)
def test_a_models_streams_hold_what_the_model_itself_decodes(
    checkpoints: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, block = CompressAI(name, checkpoints[name]), slices()[:1]
    out = np.empty_like(block)
    CompressAI.decode(memoryview(coded(codec, block)), out)
    model = a_model(name)
    model.update()
    model.double().eval()
    padded = np.zeros((64, 128))
    low, high = float(block.min()), float(block.max())
    padded[9:54, 29:99] = (block[0].astype(float) - low) / (high - low)
    # The decoders of autoregressive models make buffers of the default type.
    monkeypatch.setattr(torch, "zeros", functools.partial(torch.zeros, dtype=torch.float64))
    with torch.no_grad():
        own = model.compress(torch.from_numpy(padded).expand(1, 3, 64, 128))
        image = model.decompress(own["strings"], own["shape"])["x_hat"][0]
    expected = np.rint(image.mean(0).numpy()[9:54, 29:99] * (high - low) + low)
    assert len(np.unique(out)) > 20
    assert np.abs(out[0] - expected).max() <= 1


READER = """
import sys, numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "1"
import medroi
array = medroi.MedROI(inner="zstd", trust="compressai").decode(open(sys.argv[3], "rb").read())
np.save(sys.argv[4], array)
"""


@pytest.mark.parametrize("name", ["mbt2018-mean", "cheng2020-anchor"])
def test_another_process_with_other_threads_and_libraries_reads_the_same_array(
    checkpoints: dict[str, Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(2)
    scan = np.pad(slices(), ((0, 0), (8, 8), (8, 8)))
    codec = medroi.MedROI(inner=CompressAI(name, checkpoints[name]))
    stream, file = codec.encode(scan), tmp_path / "stream"
    file.write_bytes(stream)
    here = codec.decode(stream).reshape(scan.shape)
    monkeypatch.setenv("MEDROI_WEIGHTS", str(checkpoints[name]))
    for threads, onednn in (("1", "0"), ("2", "1")):
        target = tmp_path / f"{threads}.npy"
        subprocess.run(
            [sys.executable, "-c", READER, threads, onednn, str(file), str(target)], check=True
        )
        assert np.array_equal(np.load(target).reshape(scan.shape), here)


def test_zarr_and_hdf5_arrays_come_back(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import h5py

    file = checkpoints["mbt2018-mean"]
    monkeypatch.setenv("MEDROI_WEIGHTS", str(file))
    inner = CompressAI("mbt2018-mean", file)
    scan = np.pad(slices(), ((1, 1), (8, 8), (8, 8)))
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=scan.shape, dtype=scan.dtype, chunks=scan.shape,
        serializer=MedROICodec(inner=inner), compressors=None,
    )  # fmt: skip
    array[:] = scan
    read = zarr.open_array(tmp_path / "a.zarr", mode="r")[:]
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5.create_dataset(
            "scan", data=scan, chunks=scan.shape, **medroi.hdf5.MedROIFilter(inner=inner)
        )
    with h5py.File(tmp_path / "a.h5") as h5:
        assert np.array_equal(h5["scan"][:], read)
    assert str(file.parent) not in (tmp_path / "a.zarr" / "zarr.json").read_text()


@pytest.mark.parametrize("shape", [(1, 1), (3, 1, 200), (1, 65, 3), (2, 2, 20, 30)])
@pytest.mark.parametrize("dtype", ["|u1", ">u2", "<f4"])
def test_any_shape_and_type_comes_back(
    checkpoints: dict[str, Path], shape: tuple[int, ...], dtype: str
) -> None:
    codec = CompressAI("bmshj2018-factorized", checkpoints["bmshj2018-factorized"])
    block = np.random.default_rng(1).integers(3, 250, shape).astype(dtype)
    out = np.full_like(block, 7)
    CompressAI.decode(memoryview(coded(codec, block)), out)
    assert np.isfinite(out.astype(float)).all() and out.dtype == block.dtype


def test_prefixes_and_flips_are_refused_or_harmless(checkpoints: dict[str, Path]) -> None:
    codec = CompressAI("bmshj2018-hyperprior", checkpoints["bmshj2018-hyperprior"])
    block = slices()[:1]
    stream = coded(codec, block)
    out = np.empty_like(block)
    for stop in {*range(0, len(stream), 97), len(stream) - 1, *range(130)}:
        with pytest.raises(CorruptStream):
            CompressAI.decode(memoryview(stream[:stop]), out)
    rng = np.random.default_rng(1)
    for _ in range(60):
        place = int(rng.integers(len(stream)))
        broken = bytearray(stream)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            CompressAI.decode(memoryview(bytes(broken)), out)
        except (CorruptStream, InnerUnavailable, UnsupportedVersion):
            continue


def test_weights_of_another_model_and_missing_ones_are_named(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(InvalidArgument, match="not of model"):
        medroi.MedROI(inner=CompressAI("mbt2018", checkpoints["mbt2018-mean"])).encode(slices())
    with pytest.raises(InvalidArgument, match="no image model"):
        medroi.MedROI(inner=CompressAI("mbt2019", checkpoints["mbt2018"])).encode(slices())
    with pytest.raises(InvalidArgument, match=r"pathlib\.Path"):
        CompressAI("mbt2018", str(checkpoints["mbt2018"]))
    with pytest.raises(InvalidArgument, match="fixed rate"):
        CompressAI("mbt2018-vbr", checkpoints["mbt2018"])
    with pytest.raises(InvalidArgument, match="quality"):
        CompressAI("mbt2018")
    missing = CompressAI("mbt2018", "0" * 32)
    with pytest.raises(InnerUnavailable, match="medroi weights import"):
        medroi.MedROI(inner=missing).encode(slices())


def test_regions_with_nan_are_refused(checkpoints: dict[str, Path]) -> None:
    block = slices("<f4")
    block[0, 20, 30] = np.nan
    with pytest.raises(InvalidArgument, match="lossless"):
        CompressAI("mbt2018", checkpoints["mbt2018"]).encode(block)


def test_the_pinned_release_is_the_one_that_is_tested() -> None:
    assert compressai.__version__ == "1.2.8"


def test_a_torchvision_that_does_not_match_is_one_clear_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        """What importing CompressAI does beside a torchvision of another release."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "compressai.zoo":
                raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.delitem(sys.modules, "compressai.zoo")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(InnerUnavailable, match="torchvision does not match torch"):
        load_compressai()
