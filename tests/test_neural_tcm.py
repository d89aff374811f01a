"""tcm and tcm_auxt without PyTorch: they are listed, and say what they need."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from medroi import MedROI
from medroi.errors import InnerUnavailable, InvalidArgument

VOLUME = np.arange(1, 65, dtype=np.int16).reshape(4, 4, 4)


@pytest.mark.parametrize("name", ["tcm", "tcm_auxt"])
def test_missing_torch_is_one_clear_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    codec = MedROI(inner={"id": name, "weights": "00" * 16})
    with pytest.raises(
        InnerUnavailable, match=rf"{name} needs PyTorch.*pip install medroi\[neural"
    ):
        codec.encode(VOLUME)


@pytest.mark.parametrize("weights", ["/etc/weights.pth", "", "0" * 31, "G" * 32])
def test_a_path_as_text_is_refused(weights: str) -> None:
    with pytest.raises(InvalidArgument, match=r"pathlib\.Path"):
        MedROI(inner={"id": "tcm", "weights": weights})


def test_weights_must_be_named() -> None:
    with pytest.raises(InvalidArgument, match="weights"):
        MedROI(inner="tcm")
