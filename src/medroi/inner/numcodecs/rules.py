"""Promises of a codec with a configuration, and the arrays that it can code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Config = Mapping[str, Any]

_MAX_MAGNITUDE = 1e15


def always(_config: Config) -> bool:
    """Yes."""
    return True


def never(_config: Config) -> bool:
    """No."""
    return False


def unstated(_config: Config) -> float | None:
    """Nothing is promised."""
    return None


def setting(name: str) -> Callable[[Config], float | None]:
    """The number that a setting has."""
    return lambda config: None if config.get(name) is None else float(config[name])


def without_level(config: Config) -> bool:
    """Lossless where no level is given."""
    return config.get("level") is None


def reversible(config: Config) -> bool:
    """JPEG 2000 is lossless unless a level or the other wavelet is asked for."""
    return config.get("level") in (None, 0) and config.get("reversible") is not False


def jpegxl_lossless(config: Config) -> bool:
    """JPEG XL says it itself, or is lossless without level and distance."""
    if config.get("lossless") is not None:
        return bool(config["lossless"])
    return config.get("level") is None and config.get("distance") is None


def level_zero(config: Config) -> bool:
    """Lossless at level 0."""
    return config.get("level") in (None, 0)


def pointwise_error(config: Config) -> float | None:
    """SPERR's bound of every voxel."""
    return float(config["level"]) if config.get("mode") == "pwe" else None


def unlimited(_config: Config) -> float:
    """Any magnitude is coded."""
    return math.inf


def sperr_magnitude(config: Config) -> float:
    """SPERR's integers overflow, and the process dies, where values are too large for a step."""
    mode, level = config.get("mode"), float(config.get("level", 0))
    if mode == "pwe" and level > 0:
        return min(level * 2.0**40, _MAX_MAGNITUDE)
    possible = {"psnr": 200.0, "bpp": 64.0}
    return _MAX_MAGNITUDE if 0 < level <= possible.get(str(mode), 0) else 0.0


def absolute_error(config: Config) -> float | None:
    """SZ3's bound of every voxel."""
    return float(config["abs"]) if config.get("mode") == "abs" and "abs" in config else None


def zfp_tolerance(config: Config) -> float | None:
    """zfp's bound of every voxel."""
    return config.get("level") if config.get("mode") == "a" else None


_ZFPY_TARGETS = {2: "rate", 3: "precision", 4: "tolerance"}


def zfpy_lossless(config: Config) -> bool:
    """zfpy is lossless unless a target is given."""
    target = _ZFPY_TARGETS.get(config.get("mode", 4), "tolerance")
    return float(config.get(target, -1)) < 0


def zfpy_tolerance(config: Config) -> float | None:
    """zfpy's bound of every voxel."""
    return float(config.get("tolerance", -1)) if config.get("mode", 4) == 4 else None
