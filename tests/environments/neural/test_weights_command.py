"""`medroi weights`: what a user does with a downloaded checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_recipe import recipe_tensors

from medroi.cli import main
from medroi.inner.neural import known, weights


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as a small codec's training script leaves it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MEDROI_WEIGHTS", raising=False)
    file = tmp_path / "best_model.pt"
    tensors = {k: torch.from_numpy(v) for k, v in recipe_tensors("sirenmri").items()}
    torch.save({f"module.{name}": tensor for name, tensor in tensors.items()}, file)
    return file


def test_an_imported_file_is_recognised_listed_found_and_verified(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "import", str(checkpoint)]) == 0
    assert "sirenmri weights " in capsys.readouterr().out
    assert main(["weights", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["imported"]
    assert entry["source"] == "best_model.pt" and entry["codec"] == "sirenmri"
    checkpoint.unlink()
    found = weights.find(bytes.fromhex(entry["weights"]), known.layout_of("sirenmri"))
    for name, tensor in recipe_tensors("sirenmri").items():
        assert np.array_equal(found.tensors[name], tensor)
    assert main(["weights", "verify"]) == 0


def test_a_changed_store_is_found_out(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "import", str(checkpoint), "--codec", "sirenmri"]) == 0
    (file,) = weights.store_folder().glob("*.npz")
    with np.load(file) as stored:
        changed = {name: stored[name] for name in stored.files}
    changed["last_layer.linear.bias"] = changed["last_layer.linear.bias"] + 1
    np.savez(file, **changed)
    assert main(["weights", "verify"]) == 1
    assert "has changed" in capsys.readouterr().err


def test_a_file_of_no_codec_says_what_it_misses(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"weight": torch.zeros(3)}, checkpoint)
    assert main(["weights", "import", str(checkpoint)]) == 1
    assert "none of tcm_auxt, tcm" in capsys.readouterr().err
    assert not weights.store_folder().exists()


def test_every_known_checkpoint_has_a_codec_and_a_licence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["weights", "list"]) == 0
    listed = capsys.readouterr().out
    for checkpoint in known.CHECKPOINTS:
        assert checkpoint.codec in known.CODECS and checkpoint.licence
        assert checkpoint.title in listed and checkpoint.project in listed
