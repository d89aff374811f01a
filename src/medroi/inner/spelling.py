"""Configurations of codecs as Zarr format 3 spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medroi.errors import InvalidArgument

# Zarr's name for a codec of numcodecs has this in front.
_PREFIX = "numcodecs."
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as numcodecs spells it: {"id": ..., and the settings}.

    Parameters
    ----------
    config : mapping
        In that spelling already, or {"name": ..., "configuration": {...}}.

    Raises
    ------
    InvalidArgument
        For one that is neither.
    """
    if "id" in config or "name" not in config:
        return dict(config)
    unknown = sorted(set(config) - {"name", "configuration"})
    name, settings = config["name"], config.get("configuration") or {}
    if unknown or not isinstance(name, str) or not isinstance(settings, Mapping):
        raise InvalidArgument(
            f"inner codec {dict(config)!r}: expected a name and its configuration, "
            '{"name": "zstd", "configuration": {"level": 9}}'
        )
    if name.startswith(_PREFIX):
        return {**settings, "id": name.removeprefix(_PREFIX)}
    return {**_settings_of(name, dict(settings)), "id": name}


def _settings_of(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Zarr's settings of the codecs that numcodecs has under the same name, as numcodecs' own."""
    if name == "zstd" and settings.get("checksum") is False:
        del settings["checksum"]  # every part has one
    if name == "blosc":
        settings.pop("typesize", None)  # that of the elements, which the codec sees
        shuffle = settings.get("shuffle")
        settings.update({"shuffle": _SHUFFLES[shuffle]} if shuffle in _SHUFFLES else {})
    return settings
