"""Promises of scripts/uv_settings.py: uv finds what pip finds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import uv_settings

SCRIPT = Path(uv_settings.__file__)


def test_pips_file_and_variables_are_printed_for_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The test command sets them for itself.
    for variable in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://pypi.example/simple\n"
        "extra-index-url =\n    file:///one/simple\n    file:///two/simple\n"
        "constraint = /global.txt\n[install]\nconstraint = /capped.txt\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    printed = subprocess.run(
        [sys.executable, SCRIPT], check=True, capture_output=True, text=True
    ).stdout
    words = dict(word.split("=", 1) for word in shlex.split(printed) if "=" in word)
    assert words["UV_DEFAULT_INDEX"] == "https://pypi.example/simple"
    assert words["UV_INDEX"].split() == ["file:///one/simple", "file:///two/simple"]
    assert words["UV_FIND_LINKS"] == "/one,/two"
    assert words["UV_CONSTRAINT"] == "/capped.txt"
    assert words["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    # What was set for uv stays.
    assert "UV_HTTP_TIMEOUT" not in words
