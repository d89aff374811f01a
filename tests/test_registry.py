"""Inner codecs of other packages: found when asked for, refused by name, never in others' way."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import medroi
from medroi import MedROI, errors, inner
from medroi.cli import main
from medroi.inner import registry

SOUND = """
from dataclasses import dataclass
from medroi.inner.base import InnerCodec

@dataclass(frozen=True)
class Plain(InnerCodec):
    codec_id, name = {codec_id}, {name!r}
    plus: int = 0
    def encode(self, part):
        return part.tobytes()
    @classmethod
    def decode(cls, coded, out):
        out.reshape(-1).view("u1")[:] = memoryview(coded)
"""

Install = Callable[..., str]
_numbers = count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with one codec on the path: its name, entry point and source."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, point: str, source: str = "") -> str:
        codec_id, _, name = point.partition("-")
        module = f"plugin_{next(_numbers)}"
        text = source or SOUND.format(codec_id=codec_id, name=name)
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        points = info / "entry_points.txt"
        head = points.read_text() if points.exists() else f"[{registry.GROUP}]\n"
        points.write_text(f"{head}{point} = {module}:Plain\n")
        importlib.invalidate_caches()
        registry.entries.cache_clear()
        return module

    yield put
    registry.entries.cache_clear()


def row_of(package: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["codecs", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["package"] == package]
    return row


def refusal_of(key: str | int) -> str:
    """What is said when a codec is asked for by its name or id."""
    with pytest.raises(errors.InnerUnavailable) as caught:
        MedROI(key) if isinstance(key, str) else inner.by_id(key)
    return str(caught.value)


def assert_others_work() -> None:
    array = np.arange(60, dtype="<i2").reshape(3, 4, 5)
    for name in ("zstd", "lz4"):
        codec = MedROI.lossless(name)
        assert (codec.decode(codec.encode(array)) == array).all()


def test_a_codec_is_found_by_name_and_by_id(install: Install) -> None:
    install("medroi-plain", "65535-plain")
    array = np.arange(60, dtype="<i2").reshape(3, 4, 5)
    stream = MedROI.lossless("plain").encode(array)
    assert medroi.inspect(stream).inner == "plain"
    assert (MedROI("plain").decode(stream) == array).all()
    assert inner.by_id(65535).name == "plain"


def test_a_configuration_names_the_package_and_takes_it_back(install: Install) -> None:
    install("medroi-plain", "64-plain")
    codec = MedROI({"id": "plain", "plus": 3.0})
    config = codec.get_config()
    assert config["inner"] == {"id": "plain", "package": "medroi-plain", "plus": 3}
    assert MedROI.from_config(config) == codec
    assert "package" not in MedROI("zstd").get_config()["inner"]


def test_the_package_of_a_configuration_is_only_ever_a_name_in_a_message() -> None:
    for package in ("x; rm -rf /", "--index-url=http://example.org", 5, None, "a" * 200):
        with pytest.raises(errors.InnerUnavailable, match="'other' is of a package") as caught:
            MedROI({"id": "other", "package": package})
        assert "pip install" not in str(caught.value)


BROKEN = {
    "import plugin_that_is_not_there\n": "ModuleNotFoundError: No module named 'plugin_that",
    "raise SystemExit(3)\n": "SystemExit: 3",
    "1/0\n": "ZeroDivisionError",
    "Other = 1\n": "has no attribute 'Plain'",
    "Plain = 5\n": "is no class derived from medroi.inner.base.InnerCodec",
    "class Plain:\n    codec_id, name = 70, 'broken'\n": "is no class derived from",
    SOUND.format(codec_id=71, name="broken"): "says 70-broken",
    SOUND.format(codec_id=70, name="other"): "says 70-broken",
    SOUND.format(codec_id=70, name="broken").replace("(frozen=True)", ""): "no frozen dataclass",
    SOUND.format(codec_id=70, name="broken").replace("def encode", "def code"): "lacks encode",
    SOUND.format(codec_id=70, name="broken").replace("plus:", "package:"): "named package",
}


@pytest.mark.parametrize("source", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_package_is_named_and_stops_nobody(
    install: Install, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    install("medroi-broken", "70-broken", source)
    install("medroi-plain", "71-plain")
    for key in ("broken", 70):
        assert "medroi-broken" in refusal_of(key)
        assert BROKEN[source] in refusal_of(key)
    row = row_of("medroi-broken", capsys)
    assert BROKEN[source] in str(row["installed"])
    assert row_of("medroi-plain", capsys)["installed"] == "yes"
    assert inner.notice_of(70) == ""
    assert_others_work()
    MedROI("plain")


@pytest.mark.parametrize("point", ["median", "64", "64-Median", "64-", "-1-median", "64.5-median"])
def test_an_entry_point_of_another_form_is_named(
    install: Install, capsys: pytest.CaptureFixture[str], point: str
) -> None:
    install("medroi-odd", point, SOUND)
    assert f"{point!r}, expected ID-NAME" in str(row_of("medroi-odd", capsys)["installed"])
    assert_others_work()


@pytest.mark.parametrize("codec_id", [0, 5, 38, 63, 65536, 99999])
def test_an_id_outside_the_range_for_packages_is_refused(install: Install, codec_id: int) -> None:
    install("medroi-greedy", f"{codec_id}-greedy")
    said = refusal_of("greedy")
    assert "medroi-greedy takes id" in said
    assert "64 to 65535" in said
    assert_others_work()


@pytest.mark.parametrize("name", ["zstd", "predict3d", "numcodecs", "blosc", "lz4", "pcodec"])
def test_a_name_that_is_taken_stays_with_its_owner(
    install: Install, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    module = install("medroi-greedy", f"64-{name}")
    taken = inner.entry_of(name)
    assert taken is None or taken.package == "medroi"
    owner = "numcodecs" if name in ("blosc", "lz4", "pcodec") else "medroi"
    said = refusal_of(64)
    assert f"medroi-greedy takes the name {name!r}, which is of {owner}" in said
    assert said.partition(": ")[2] == row_of("medroi-greedy", capsys)["installed"]
    assert module not in sys.modules


@pytest.mark.parametrize("point", ["80-first", "81-second"])
def test_a_clash_of_two_packages_names_both_and_stops_only_them(
    install: Install, point: str
) -> None:
    modules = [
        install("medroi-one", "80-second"),
        install("medroi-two", point),
        install("medroi-three", "82-third"),
    ]
    codec_id, _, name = point.partition("-")
    for key in (80, "second", int(codec_id), name):
        assert "the packages medroi-one and medroi-two both take" in refusal_of(key)
    MedROI("third")
    assert [module in sys.modules for module in modules] == [False, False, True]


def test_a_learned_codec_keeps_its_name(install: Install) -> None:
    install("medroi-greedy", "90-hific")
    assert inner.by_id(34).name == "hific"
    assert inner.entry_of("hific").package == "medroi"
    assert inner.notice_of(34) == inner.notice_of("hific") == "generative, not diagnostic"
    assert "the packages medroi and medroi-greedy both take the name 'hific'" in refusal_of(90)


def test_an_id_of_nobody_says_what_to_do() -> None:
    assert "install the package that the stream was written with" in refusal_of(40000)
    with pytest.raises(errors.UnsupportedVersion, match=r"id 63; .*38 neural2d: upgrade medroi"):
        inner.by_id(63)


def test_a_codec_that_is_ours_looks_no_package_up() -> None:
    script = (
        "import sys, numpy, medroi\n"
        "assert 'medroi.inner.neural' not in sys.modules\n"
        "codec = medroi.MedROI.lossless('zstd')\n"
        "stream = codec.encode(numpy.ones((3, 4, 5)))\n"
        "codec.decode(stream), medroi.inspect(stream), codec.get_config()\n"
        "from medroi.inner import registry\n"
        "assert registry.entries.cache_info().misses == 0\n"
        "medroi.inner.name_of(64)\n"
        "assert registry.entries.cache_info().misses == 1\n"
        "assert not any(name.startswith('medroi.inner.neural') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
