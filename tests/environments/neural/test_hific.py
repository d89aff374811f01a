"""The inner codec `hific`, on a small network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import zarr
from parity_recipe import noise

import medroi
import medroi.hdf5
from medroi.cli import main
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, UnsupportedVersion
from medroi.inner.neural import part
from medroi.inner.neural.hific.codec import NOTICE, Hific
from medroi.inner.neural.hific.network import loading
from medroi.inner.neural.hific.network.transforms import Sizes
from medroi.inner.neural.hific.sizes import LAYOUT
from medroi.zarr import MedROICodec

SIZES = Sizes((4, 6, 8, 10, 12), 8, 6, 2, 3)


def small_tensors() -> dict[str, np.ndarray]:
    """Weights of a small network, from names."""
    named: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        parts = (loading.Transforms(SIZES), loading.LatentModel(SIZES))
    for one in parts:
        named |= {name: tuple(tensor.shape) for name, tensor in one.state_dict().items()}
    wide = (1, 3, 3, 3, 1)
    for layer in range(4):
        prefix = "Hyperprior.hyperlatent_likelihood."
        named[f"{prefix}H_{layer}"] = (SIZES.hyper, wide[layer + 1], wide[layer])
        named[f"{prefix}a_{layer}"] = (SIZES.hyper, wide[layer + 1], 1)
        named[f"{prefix}b_{layer}"] = (SIZES.hyper, wide[layer + 1], 1)
    tensors = {}
    for name, shape in named.items():
        spread = 1.2 / np.sqrt(np.prod(shape[1:])) if len(shape) == 4 else 0.1
        middle = 1.0 if name.endswith("gamma") else 0.0
        middle = 0.5 if name.endswith("synthesis_std.conv3.bias") else middle
        middle = -0.5 if "likelihood.H" in name else middle
        tensors[name] = (middle + spread * noise(1, name, shape)).astype(np.float32)
    return tensors


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the public training script leaves it, discriminator and all."""
    file = tmp_path_factory.mktemp("weights") / "small.pt"
    state = {name: torch.from_numpy(tensor) for name, tensor in small_tensors().items()}
    state["Discriminator.conv1.weight_orig"] = torch.zeros(3)
    torch.save({"model_state_dict": state, "epoch": 1, "args": {"n_residual_blocks": 2}}, file)
    return file


def make(checkpoint: Path, **settings: object) -> Hific:
    return Hific(checkpoint, acknowledge_generative=True, **settings)  # type: ignore[arg-type]


def scan(dtype: str = "<i2", shape: tuple[int, ...] = (2, 90, 100)) -> np.ndarray:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : shape[-2] * 1j, -1 : 1 : shape[-1] * 1j]
    blob = np.clip(1.2 - 2 * (y * y + x * x), 0, 1)
    return (blob * 900 + (blob > 0) * rng.normal(0, 20, shape)).clip(0, 2000).astype(dtype)


def test_without_the_acknowledgement_nothing_is_made(checkpoint: Path) -> None:
    for given in (False, None, 1, "yes"):
        with pytest.raises(InvalidArgument, match="acknowledge_generative=True"):
            Hific(checkpoint, acknowledge_generative=given)  # type: ignore[arg-type]


def test_every_stream_and_info_say_generative(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = medroi.MedROI(inner=make(checkpoint)).encode(scan())
    assert NOTICE.encode() in stream
    assert medroi.inspect(stream).notice == NOTICE == "generative, not diagnostic"
    (tmp_path / "stream").write_bytes(stream)
    assert main(["info", str(tmp_path / "stream")]) == 0
    printed = capsys.readouterr().out
    assert NOTICE.upper() in printed and NOTICE in printed
    assert main(["info", "--json", str(tmp_path / "stream")]) == 0
    assert json.loads(capsys.readouterr().out)["notice"] == NOTICE.upper()
    assert main(["codecs"]) == 0
    assert NOTICE in capsys.readouterr().out


READER = """
import sys, numpy as np, torch, medroi
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "1"
np.save(sys.argv[4], medroi.MedROI(inner="zstd").decode(open(sys.argv[3], "rb").read()))
"""


@pytest.mark.parametrize("settings", [{}, {"normalize": True, "likelihood": "logistic"}])
def test_another_process_with_other_threads_and_libraries_reads_the_same_array(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object]
) -> None:
    codec = medroi.MedROI(inner=make(checkpoint, **settings))
    stream = codec.encode(scan())
    (tmp_path / "stream").write_bytes(stream)
    here = np.asarray(codec.decode(stream))
    monkeypatch.setenv("MEDROI_WEIGHTS", str(checkpoint))
    for threads, onednn in (("1", "0"), ("2", "1")):
        target = tmp_path / f"{threads}.npy"
        arguments = [threads, onednn, str(tmp_path / "stream"), str(target)]
        subprocess.run([sys.executable, "-c", READER, *arguments], check=True)
        assert np.array_equal(np.load(target), here)


def test_any_number_of_threads_writes_the_same_bytes(checkpoint: Path) -> None:
    before = torch.get_num_threads()
    streams = set()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        streams.add(make(checkpoint).encode(scan()))
    torch.set_num_threads(before)
    assert len(streams) == 1


def test_zarr_and_hdf5_arrays_come_back(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDROI_WEIGHTS", str(checkpoint))
    volume, inner = scan(), make(checkpoint)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=volume.shape, dtype=volume.dtype, chunks=volume.shape,
        serializer=MedROICodec(inner=inner), compressors=None,
    )  # fmt: skip
    array[:] = volume
    read = zarr.open_array(tmp_path / "a.zarr", mode="r")[:]
    assert str(checkpoint.parent) not in (tmp_path / "a.zarr" / "zarr.json").read_text()
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        filters = medroi.hdf5.MedROIFilter(inner=inner)
        h5.create_dataset("scan", data=volume, chunks=volume.shape, **filters)
    with h5py.File(tmp_path / "a.h5") as h5:
        assert np.array_equal(h5["scan"][:], read)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 200), (2, 65, 81), (1, 2, 20, 30)])
@pytest.mark.parametrize("dtype", ["|u1", ">u2", "<f4"])
def test_any_shape_and_type_comes_back(
    checkpoint: Path, shape: tuple[int, ...], dtype: str
) -> None:
    block = np.random.default_rng(1).integers(3, 250, shape).astype(dtype)
    out = np.full_like(block, 7)
    Hific.decode(memoryview(make(checkpoint).encode(block)), out)
    assert block.min() <= out.min() and out.max() <= block.max()


def test_prefixes_are_refused_and_flips_are_noticed(checkpoint: Path) -> None:
    block = scan(shape=(1, 40, 40))
    stream = make(checkpoint).encode(block)
    out = np.empty_like(block)
    Hific.decode(memoryview(stream), out)
    whole = out.copy()
    for stop in range(0, len(stream), 7):
        with pytest.raises(CorruptStream):
            Hific.decode(memoryview(stream[:stop]), out)
    rng = np.random.default_rng(1)
    start = len(stream) - sum(map(len, part.unpack(memoryview(stream)).sections))
    for place in (*range(start), *rng.integers(start, len(stream), 60)):
        broken = bytearray(stream)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            Hific.decode(memoryview(bytes(broken)), out)
        except (CorruptStream, InnerUnavailable, UnsupportedVersion):
            continue
        if place >= start:
            assert np.array_equal(out, whole)


def test_wrong_weights_and_settings_are_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    other = {name: torch.from_numpy(tensor) for name, tensor in small_tensors().items()}
    del other["Hyperprior.hyperlatent_likelihood.a_3"]
    torch.save(other, tmp_path / "other.pt")
    with pytest.raises(InvalidArgument, match="a_3"):
        medroi.MedROI(inner=make(tmp_path / "other.pt")).encode(scan())
    with pytest.raises(InnerUnavailable, match="medroi weights import"):
        medroi.MedROI(inner=Hific("0" * 32, acknowledge_generative=True)).encode(scan())
    with pytest.raises(InvalidArgument, match="likelihood"):
        make(checkpoint, likelihood="laplace")
    assert not torch.cuda.is_available()
    with pytest.raises(InvalidArgument, match="no CUDA"):
        medroi.MedROI(inner=make(checkpoint, device="cuda")).encode(scan())
    block = scan("<f4")
    block[0, 20, 30] = np.inf
    with pytest.raises(InvalidArgument, match="lossless"):
        make(checkpoint).encode(block)


def test_the_layout_takes_what_the_small_network_needs() -> None:
    assert dict(LAYOUT.shapes(small_tensors())) == {
        name: tensor.shape for name, tensor in small_tensors().items()
    }
