"""The texts for other projects agree with the code that they describe."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

import medroi
from medroi import MedROI, options
from medroi.hdf5 import MedROIFilter
from medroi.zarr import MedROICodec

FOLDER = Path(__file__).parents[1] / "docs" / "upstream"
ROOT = FOLDER.parents[1]
SCHEMA = json.loads((FOLDER / "zarr-extensions" / "schema.json").read_text())
REGISTRATION = (FOLDER / "zarr-extensions" / "README.md").read_text()

WRITTEN = [
    MedROICodec(),
    MedROICodec("predict3d", roi="mask", threshold=None),
    MedROICodec({"id": "predict3d", "level": "fast"}, threshold=12.5, polarity="dark"),
    MedROICodec({"id": "wavelet3d", "psnr": 60.0}, background=float("nan"), threshold="noise"),
    MedROICodec(background=-1024, axes=(0, 2), slice_axis=2, components="largest"),
    MedROICodec(affine=[[1.5, 0, 0, 3], [0, 2, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]], padding=0),
    MedROICodec(background="auto", max_miss_rate=1.0),
]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("codec", WRITTEN, ids=range(len(WRITTEN)))
def test_the_schema_takes_what_is_written(codec: MedROICodec) -> None:
    jsonschema.validate(json.loads(json.dumps(codec.to_dict())), SCHEMA)


@pytest.mark.parametrize(
    "configuration",
    [
        {"threshold": "median"},
        {"roi": "sphere"},
        {"padding": -1},
        {"padding": 1.5},
        {"max_miss_rate": 2},
        {"inner": {"level": 3}},
        {"axes": [0, 1, 2, 3]},
        {"affine": [[1, 0], [0, 1]]},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_codec_refuses(configuration: dict[str, object]) -> None:
    metadata = {"name": "medroi", "configuration": configuration}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(metadata, SCHEMA)
    with pytest.raises(medroi.errors.MedROIError):
        MedROICodec.from_dict(metadata)


def test_the_registration_names_every_option_and_its_default() -> None:
    known = {name: option for name, option in options.TABLE.items() if name != "verify"}
    properties = SCHEMA["oneOf"][1]["properties"]["configuration"]["properties"]
    assert set(properties) == set(known)
    for name, option in known.items():
        (text,) = re.findall(
            rf"^- \*\*`{name}`\*\* (.*?)(?=^- \*\*|^See)", REGISTRATION, re.M | re.S
        )
        assert f"default {json.dumps(option.default)}" in text.replace("`", ""), name


def test_the_example_of_the_registration_is_read(tmp_path: Path) -> None:
    from zarr.codecs import ShardingCodec

    (text,) = re.findall(r"```json\n(.*?)```", REGISTRATION, re.S)
    sharding = json.loads(text)["codecs"][0]
    codec = MedROICodec.from_dict(sharding["configuration"]["codecs"][0])
    assert codec == MedROICodec({"id": "predict3d", "level": "fast"}, roi="mask")
    assert ShardingCodec.from_dict(sharding).chunk_shape == (64, 64, 64)


def test_the_text_for_the_hdf_group_has_the_id_in_use() -> None:
    text = (FOLDER / "hdf-group.md").read_text()
    assert f"identifier {MedROIFilter.filter_id}," in text
    assert len(MedROIFilter().filter_options) <= 20


def test_functions_named_for_zarrs_exist() -> None:
    header = (ROOT / "src" / "kernel" / "include" / "medroi.h").read_text()
    named = set(re.findall(r"`(medroi_\w+)", (FOLDER / "zarrs.md").read_text()))
    assert named
    assert all(f" {name}(" in header for name in named if not name.startswith("medroi-sys"))


def test_the_recipe_has_the_dependencies_of_the_package() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    recipe = (FOLDER / "conda-forge" / "meta.yaml").read_text()
    (version,) = re.findall(r'^version = "(.*)"', project, re.M)
    assert f'{{% set version = "{version}" %}}' in recipe
    (dependencies,) = re.findall(r"^dependencies = \[(.*)\]", project, re.M)
    for requirement in re.findall(r'"([\w-]+)(>=[\d.]+)"', dependencies):
        assert " ".join(requirement) in recipe
    (build,) = re.findall(r"^requires = \[(.*)\]", project, re.M)
    for name, bound in re.findall(r'"([\w-]+)(>=[\d.]+)"', build):
        assert f"{name.lower()} {bound}" in recipe


def test_the_streams_that_are_pointed_to_are_there() -> None:
    assert "tests/golden" in REGISTRATION
    assert MedROI().decode((ROOT / "tests/golden/v1-raw-box.medroi").read_bytes()).ndim == 3
