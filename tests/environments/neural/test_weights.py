"""Checkpoints: how public files wrap and name their tensors, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.inner.neural import tables, weights

LAYOUT = weights.Layout(
    "tcm",
    lambda tensors: {
        "conv.weight": (tensors["conv.weight"].shape[0], 3),
        "entropy_bottleneck.matrices.0": (2, 3, 1),
        "entropy_bottleneck.biases.0": (2, 3, 1),
        "entropy_bottleneck.factors.0": (2, 3, 1),
    },
    ignored=r".*\._(offset|quantized_cdf|cdf_length)",
)


def tensors() -> dict[str, torch.Tensor]:
    """A small set of weights under the names of today."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(shape, generator=generator)
        for name, shape in {
            "conv.weight": (4, 3),
            "entropy_bottleneck.matrices.0": (2, 3, 1),
            "entropy_bottleneck.biases.0": (2, 3, 1),
            "entropy_bottleneck.factors.0": (2, 3, 1),
        }.items()
    }


def renamed(generation: str) -> dict[str, torch.Tensor]:
    """The same weights as CompressAI of other years names them."""
    old = {"matrices": "_matrix", "biases": "_bias", "factors": "_factor"}
    found = {}
    for name, tensor in tensors().items():
        for today, before in old.items():
            if generation == "1.1":
                name = name.replace(f".{today}.", f".{before}")
            elif generation == "1.0":
                name = name.replace(f".{today}.", f"._{today}.")
        found[name] = tensor
    return found


WRAPPED = {
    "bare": lambda: tensors(),
    "state_dict": lambda: {"epoch": 3, "state_dict": tensors(), "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda: {"model_state_dict": tensors(), "args": {"n": 9}},
    "network": lambda: {"network": tensors()},
    "parallel": lambda: {"state_dict": {f"module.{k}": v for k, v in tensors().items()}},
    "CompressAI 1.1": lambda: {"state_dict": renamed("1.1")},
    "CompressAI 1.0": lambda: {"state_dict": renamed("1.0")},
    "double": lambda: {k: v.double() for k, v in tensors().items()},
    "with buffers": lambda: {
        **tensors(),
        "entropy_bottleneck._offset": torch.zeros(0, dtype=torch.int32),
    },
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_every_wrapping_gives_the_same_weights(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "checkpoint.pth.tar"
    torch.save(WRAPPED[kind](), file)
    found = weights.load(file, LAYOUT)
    assert found.hash == weights.hash_of({k: v.numpy() for k, v in tensors().items()})
    for name, tensor in tensors().items():
        assert np.array_equal(found.tensors[name], tensor.numpy())


def test_npz_and_torch_files_of_the_same_weights_have_one_hash(tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "a.pt")
    np.savez(tmp_path / "a.npz", **{k: v.numpy() for k, v in tensors().items()})
    hashes = {weights.load(tmp_path / name, LAYOUT).hash for name in ("a.pt", "a.npz")}
    assert len(hashes) == 1


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(1, 3))),
    st.sampled_from(["a", "b", "a.b"]),
)
def test_hashes_tell_values_names_and_shapes_apart(values: np.ndarray, name: str) -> None:
    plain = weights.hash_of({name: values})
    assert plain == weights.hash_of({name: values.copy()})
    assert plain != weights.hash_of({name + "x": values})
    assert plain != weights.hash_of({name: values.reshape(-1)})
    assert plain != weights.hash_of({name: np.append(values.reshape(-1), np.float32(1))})


class Trap:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch unpickled",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": tensors(), "trap": Trap()}, tmp_path / "bad.pth")
    np.savez(tmp_path / "bad.npz", a=np.array([Trap()], dtype=object))
    for name in ("bad.pth", "bad.npz"):
        with pytest.raises(InvalidArgument, match="bad"):
            weights.load(tmp_path / name, LAYOUT)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("entropy_bottleneck.biases.0"), "misses tensor entropy_bottleneck"),
        (lambda t: t.pop("conv.weight"), "no tensor 'conv.weight'"),
        (lambda t: t.update({"other": torch.zeros(1)}), "unknown tensor other"),
        (lambda t: t.update({"conv.weight": torch.zeros(4, 4)}), r"shape \(4, 4\)"),
        (lambda t: t.update({"conv.weight": torch.full((4, 3), torch.nan)}), "NaN"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, change, message: str) -> None:
    found = tensors()
    change(found)
    torch.save(found, tmp_path / "other.pth")
    with pytest.raises(InvalidArgument, match=message):
        weights.load(tmp_path / "other.pth", LAYOUT)


def test_cut_and_missing_files_are_refused(tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "whole.pth")
    coded = (tmp_path / "whole.pth").read_bytes()
    for nbytes in (0, 10, len(coded) // 2, len(coded) - 1):
        (tmp_path / "cut.pth").write_bytes(coded[:nbytes])
        with pytest.raises(InvalidArgument):
            weights.load(tmp_path / "cut.pth", LAYOUT)
    with pytest.raises(InvalidArgument, match="no file"):
        weights.load(tmp_path / "missing.pth", LAYOUT)


def test_a_path_as_text_is_refused(tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "a.pth")
    with pytest.raises(InvalidArgument, match=r"pathlib\.Path"):
        weights.resolve(str(tmp_path / "a.pth"), LAYOUT)


def test_weights_are_found_by_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MEDROI_WEIGHTS", raising=False)
    other = {name: tensor + 1 for name, tensor in tensors().items()}
    wanted = weights.hash_of({k: v.numpy() for k, v in other.items()})
    folder = tmp_path / "folder"
    folder.mkdir()
    torch.save(tensors(), folder / "a.pth")
    (folder / "notes.txt").write_text("no weights")
    (folder / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(InnerUnavailable, match=wanted.hex()):
        weights.find(wanted, LAYOUT)
    monkeypatch.setenv("MEDROI_WEIGHTS", str(folder))
    with pytest.raises(InnerUnavailable, match="medroi weights import"):
        weights.find(wanted, LAYOUT)
    torch.save(other, folder / "b.pth")
    assert weights.find(wanted, LAYOUT).hash == wanted
    monkeypatch.setenv("MEDROI_WEIGHTS", str(folder / "b.pth"))
    assert weights.resolve(wanted.hex(), LAYOUT).hash == wanted


def test_the_store_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MEDROI_WEIGHTS", raising=False)
    changed = {name: tensor * 2 for name, tensor in tensors().items()}
    wanted = weights.hash_of({k: v.numpy() for k, v in changed.items()})
    weights.store_folder().mkdir(parents=True)
    file = weights.store_folder() / f"{wanted.hex()}.npz"
    np.savez(file, **{k: v.numpy() for k, v in changed.items()})
    assert weights.find(wanted, LAYOUT).hash == wanted


def test_bottleneck_rows_follow_a_prior_written_out_in_torch() -> None:
    generator = torch.Generator().manual_seed(3)
    filters, channels = (1, 3, 3, 3, 3, 1), 4
    quantiles = [[[-6.3, 0.2, 5.1]], [[-3.0, 0, 3]], [[-9, 1.5, 9]], [[-1, 0, 1]]]
    named = {"quantiles": torch.tensor(quantiles)}
    for i in range(5):
        shape = (channels, filters[i + 1], filters[i])
        named[f"matrices.{i}"] = torch.randn(shape, generator=generator) * 0.1 - 0.5
        named[f"biases.{i}"] = torch.randn((channels, filters[i + 1], 1), generator=generator)
        if i < 4:
            named[f"factors.{i}"] = torch.randn((channels, filters[i + 1], 1), generator=generator)
    table = tables.bottleneck_tables({k: v.numpy() for k, v in named.items()}, prefix="")
    for channel in range(channels):
        low, median, high = (float(v) for v in named["quantiles"][channel, 0])
        offset, length = int(table.offsets[channel]), int(table.lengths[channel])
        assert offset == -np.ceil(median - low)
        assert offset + length - 3 == np.ceil(high - median)
        points = torch.tensor(median + np.arange(offset, offset + length - 1) - 0.5)
        values = points.double().reshape(1, -1)
        for i in range(5):
            matrix = torch.nn.functional.softplus(named[f"matrices.{i}"][channel].double())
            values = matrix @ values + named[f"biases.{i}"][channel].double()
            if i < 4:
                factor = torch.tanh(named[f"factors.{i}"][channel].double())
                values = values + factor * torch.tanh(values)
        share = torch.diff(torch.sigmoid(values[0])).numpy()
        found = np.diff(table.cdf[channel, :length].astype(np.int64))[:-1] / 65536
        assert np.allclose(found, share, atol=(length + 2) / 65536)
