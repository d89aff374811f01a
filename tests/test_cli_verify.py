"""`medroi pack --verify`, with inner codecs beyond the kernel's."""

from __future__ import annotations

import json
from pathlib import Path

import needs
import pytest

from medroi.cli import main
from medroi.inner.jpeg2000.codec import Jpeg2000


@pytest.mark.parametrize(
    "inner", ["jpeg2000", needs.inner("imagecodecs_jpegls"), "jpeg2000:psnr=40"]
)
def test_pack_verifies_and_unpack_gives_it_back(
    inner: str, head_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "head.zarr"
    arguments = ["pack", str(head_path), str(store), "--inner", inner, "--verify", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)
    assert main(["unpack", str(store), str(tmp_path / "head.nii")]) == 0


def test_pack_writes_nothing_that_does_not_come_back(
    head_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    store = tmp_path / "head.zarr"
    monkeypatch.setattr(Jpeg2000, "config", lambda self: {"id": "jpeg2000", "psnr": 80.0})
    code = main(["pack", str(head_path), str(store), "--inner", "jpeg2000:psnr=40", "--verify"])
    assert code != 0
    assert not store.exists()
    assert "dB" in capsys.readouterr().err
