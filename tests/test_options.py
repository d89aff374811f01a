"""The engine's table of options is what signatures, documents and the command line say."""

from __future__ import annotations

import importlib.util
import inspect
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_configurations import SAME, WRONG

from medroi import MedROI, _kernel, options
from medroi.cli import build_parser
from medroi.errors import InvalidArgument
from medroi.hdf5 import MedROIFilter
from medroi.options import TABLE
from medroi.roi import RegionOptions
from medroi.zarr import MedROICodec

ROOT = Path(__file__).parents[1]
FORMAT = (ROOT / "FORMAT.md").read_text()
# What readers pass, and no configuration holds.
OF_THE_READER = {"threads", "trust", "max_nbytes"}


@pytest.mark.parametrize("kind", [MedROI, MedROICodec, MedROIFilter])
def test_signatures_have_the_names_and_defaults_of_the_table(kind: Any) -> None:
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    of_the_table = {name: option.default for name, option in TABLE.items()}
    assert defaults == of_the_table | {name: defaults[name] for name in OF_THE_READER}
    assert list(of_the_table) == list(defaults)[: len(of_the_table)]


def test_options_of_a_region_have_the_defaults_of_the_table() -> None:
    for name, parameter in inspect.signature(RegionOptions).parameters.items():
        assert parameter.default == TABLE[name].default, name


def test_the_default_configuration_is_the_table() -> None:
    config = MedROI(verify=True).get_config()
    assert config.pop("id") == "medroi"
    assert config.pop("inner")["id"] == TABLE["inner"].default
    assert config.pop("verify") is True
    assert config == {name: TABLE[name].default for name in config}
    assert set(config) == set(TABLE) - {"inner", "verify"}


@pytest.mark.parametrize("kind", [MedROI, MedROICodec, MedROIFilter])
def test_docstrings_have_the_help_of_the_table(kind: Any) -> None:
    text = " ".join(inspect.getdoc(kind).split())
    for option in TABLE.values():
        assert f"{option.name} : {option.in_python(option.limits)}; default" in text
        assert option.in_python(option.help)[1:] + "." in text


@pytest.mark.parametrize("command", ["pack", "show"])
def test_the_command_lines_help_is_the_help_of_the_table(command: str) -> None:
    (subcommands,) = (a for a in build_parser()._actions if a.dest == "command")
    actions = {action.dest: action for action in subcommands.choices[command]._actions}
    found = TABLE.keys() & actions.keys()
    assert found >= {"inner", "threshold", "roi", "background", "padding", "max_miss_rate"}
    for name in found:
        option = TABLE[name]
        takes_none = "none" in (actions[name].metavar or "")
        assert actions[name].help.startswith(option.on_the_command_line(takes_none=takes_none))
        assert all(choice in actions[name].metavar for choice in option.choices)


def test_the_table_in_the_readme_is_that_of_the_engine() -> None:
    spec = importlib.util.spec_from_file_location(
        "write_options", ROOT / "scripts" / "write_options.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.HEAD + module.rows() + "\n" in (ROOT / "README.md").read_text(), (
        "run python scripts/write_options.py"
    )


def format_row(start: str) -> list[str]:
    """The cells of the row of FORMAT.md's section 11 that begins so."""
    section = FORMAT.split("## 11. ")[1].split("## 12. ")[0]
    (row,) = re.findall(rf"^\| ({re.escape(start)}.*) \|$", section, re.MULTILINE)
    return row.split(" | ")


def test_the_format_has_the_names_and_defaults_of_the_table() -> None:
    assert format_row("3 | padding in voxels")[-1] == str(TABLE["padding"].default)
    assert format_row("6-7 | max_miss_rate, float64")[-1] == str(TABLE["max_miss_rate"].default)
    names = TABLE["threshold"].choices
    assert format_row("0-2 | threshold")[-1] == "threshold: 0 none, 1 number, " + ", ".join(
        f"{number} {name}" for number, name in enumerate(names, 2)
    )
    regions = [f"{number} {name}" for number, name in enumerate(TABLE["roi"].choices)]
    assert format_row("4-5 | region")[-1] == "region: " + ", ".join(regions)
    word = int(format_row("2 | threshold")[-1])
    assert word & 7 == 2 + names.index(TABLE["threshold"].default)
    assert word >> 3 == 1 << 20  # bright, box, outermost, all; no background is given


def of_the_engine(given: dict[str, Any]) -> dict[str, Any] | None:
    """What the engine reads out of a configuration's text; None where it refuses it."""
    try:
        return json.loads(_kernel.Config(json.dumps(given)).to_json())
    except InvalidArgument:
        return None


def as_json(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return list(value) if isinstance(value, range) else value


OF_REGIONS = [name for name, cases in SAME.items() if set().union(*cases) < set(TABLE) - {"inner"}]


@pytest.mark.parametrize("name", OF_REGIONS)
def test_the_engine_reads_every_spelling_as_python_does(name: str) -> None:
    for given in SAME[name]:
        found = of_the_engine({key: as_json(value) for key, value in given.items()})
        expected = MedROI(**given).get_config()
        assert {key: found[key] for key in given} == {key: expected[key] for key in given}


@pytest.mark.parametrize("given", [g for g in WRONG if "inner" not in g], ids=str)
def test_the_engine_refuses_what_python_refuses(given: dict[str, Any]) -> None:
    assert of_the_engine({key: as_json(value) for key, value in given.items()}) is None


def test_a_refusal_names_the_option_the_value_and_the_limits() -> None:
    for name, wrong in {"padding": -1, "roi": "sphere", "threshold": True, "axes": (9,)}.items():
        with pytest.raises(InvalidArgument) as caught:
            options.checked({"polarity": "dark", name: wrong})
        expected = TABLE[name].in_python(TABLE[name].limits)
        assert str(caught.value) == f"{name}={wrong!r}: expected {expected}"


@pytest.mark.parametrize("background", [2**64 + 1, -(2**63) - 1, 1 - 2**64, 10**30, 10**350])
def test_a_background_that_no_element_holds_is_refused_not_rounded(background: int) -> None:
    with pytest.raises(InvalidArgument, match="background"):
        MedROI(background=background)
    assert of_the_engine({"background": background}) is None


@pytest.mark.parametrize("background", [2**64 - 1, -(2**63), 2**64, -(2**64), 2**1000])
def test_a_background_that_an_element_holds_is_kept(background: int) -> None:
    assert MedROI(background=background).get_config()["background"] == background
