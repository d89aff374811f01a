"""Inner codecs that packages bring: entry points of the group `medroi.inner`.

An entry point is named ID-NAME, such as ``64-median``, so that the id in a stream or the name in a
configuration leads to one codec without importing any other. Nothing is looked up before an id or
a name is asked for that is not in the table of `medroi.inner`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from medroi.errors import InnerUnavailable
from medroi.inner.base import InnerCodec

GROUP = "medroi.inner"
OWN_PACKAGE = "medroi"
# Ids of packages other than ours (FORMAT.md, section 6).
FREE_IDS = range(64, 65536)

_ENTRY_NAME = re.compile(r"(\d{1,5})-([a-z][a-z0-9_]*)")
_PACKAGE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
# Keys of a configuration that are no settings.
_RESERVED_SETTINGS = {"id", "package"}


@dataclass(frozen=True)
class Entry:
    """One inner codec, which is imported when it is first asked for.

    Attributes
    ----------
    codec_id : int
        In every stream; frozen for ever.
    name : str
        In every configuration; frozen for ever.
    target : str
        Where its class is, ``module:Class``.
    package : str
        The distribution that brings it.
    refusal : str
        Why it cannot be used, found without importing it; empty where nothing is wrong.
    """

    codec_id: int
    name: str
    target: str
    package: str = OWN_PACKAGE
    refusal: str = ""

    def load(self) -> type[InnerCodec]:
        """Return the class.

        Raises
        ------
        InnerUnavailable
            For one that cannot be imported, or is no inner codec of this id and name.
        """
        codec, problem = _loaded(self)
        if codec is None:
            raise InnerUnavailable(f"inner codec {self.name!r} cannot be used: {problem}")
        return codec

    def problem(self) -> str:
        """Return why the codec cannot be used; empty where it can."""
        return _loaded(self)[1]


@cache
def _loaded(entry: Entry) -> tuple[type[InnerCodec] | None, str]:
    """The class and an empty text, or nothing and what is wrong with the package."""
    if entry.refusal:
        return None, entry.refusal
    module, _, name = entry.target.partition(":")
    try:
        codec = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # a broken package is no reason to stop others
        reason = f"importing {entry.target} of the package {entry.package} fails"
        return None, f"{reason}: {type(error).__name__}: {error}"
    faults = list(_faults(codec, entry))
    if faults:
        return None, f"{entry.target} of the package {entry.package} {faults[0]}"
    return codec, ""


def _faults(codec: Any, entry: Entry) -> Iterator[str]:
    """List the requirements of an inner codec that an object does not meet."""
    if not (isinstance(codec, type) and issubclass(codec, InnerCodec)):
        yield "is no class derived from medroi.inner.base.InnerCodec"
        return
    if inspect.isabstract(codec):
        yield f"lacks {', '.join(sorted(codec.__abstractmethods__))}"
    parameters = getattr(codec, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        yield "is no frozen dataclass of its settings"
        return
    identity = (getattr(codec, "codec_id", None), getattr(codec, "name", None))
    if identity != (entry.codec_id, entry.name):
        yield (
            f"has codec_id {identity[0]!r} and name {identity[1]!r}, but the entry point says "
            f"{entry.codec_id}-{entry.name}"
        )
    taken = _RESERVED_SETTINGS & {field.name for field in dataclasses.fields(codec)}  # type: ignore[arg-type]
    if taken:
        yield f"has a setting named {taken.pop()}, which configurations need for themselves"


@cache
def entries(reserved: frozenset[tuple[str, str]]) -> tuple[Entry, ...]:
    """Return the codecs of all installed packages, those that cannot be used with the reason.

    Parameters
    ----------
    reserved : frozenset of (str, str)
        Names that no package may take, and whose they are.
    """
    from importlib.metadata import entry_points

    # An installation may be listed twice, by its folder and by its metadata.
    found = dict.fromkeys(
        (point.name, point.value, point.dist.name if point.dist else point.module)
        for point in entry_points(group=GROUP)
    )
    made = sorted(
        (_entry_of(*point, dict(reserved)) for point in found),
        key=lambda entry: (entry.codec_id, entry.name, entry.package),
    )
    return tuple(_without_clashes(made))


def _entry_of(point_name: str, target: str, package: str, reserved: dict[str, str]) -> Entry:
    matched = _ENTRY_NAME.fullmatch(point_name)
    if matched is None:
        refusal = (
            f"the package {package} names its entry point {point_name!r}, expected ID-NAME such as "
            "64-median"
        )
        return Entry(-1, point_name, target, package, refusal)
    codec_id, name = int(matched[1]), matched[2]
    refusal = ""
    if name in reserved:
        refusal = f"the package {package} takes the name {name!r}, which is of {reserved[name]}"
    elif package != OWN_PACKAGE and codec_id not in FREE_IDS:
        refusal = (
            f"the package {package} takes id {codec_id}, which is of {OWN_PACKAGE}: ids of other "
            f"packages are {FREE_IDS[0]} to {FREE_IDS[-1]}"
        )
    return Entry(codec_id, name, target, package, refusal)


def _without_clashes(found: Iterable[Entry]) -> Iterator[Entry]:
    """Refuse what several packages claim; of what is also ours only the others' claims."""
    claims = [entry for entry in found if not entry.refusal]
    ids = Counter(entry.codec_id for entry in claims)
    names = Counter(entry.name for entry in claims)
    for entry in found:
        is_ours = entry.package == OWN_PACKAGE
        if entry.refusal or is_ours or ids[entry.codec_id] == names[entry.name] == 1:
            yield entry
            continue
        what = f"id {entry.codec_id}" if ids[entry.codec_id] > 1 else f"the name {entry.name!r}"
        claimants = sorted(
            {
                other.package
                for other in claims
                if other.codec_id == entry.codec_id or other.name == entry.name
            }
        )
        refusal = f"the packages {' and '.join(claimants)} both take {what}: uninstall one"
        yield dataclasses.replace(entry, refusal=refusal)


def not_installed(name: str, package: Any) -> InnerUnavailable:
    """Return the error for a codec whose configuration names a package that is not here."""
    known = isinstance(package, str) and _PACKAGE_NAME.fullmatch(package)
    whose = f"is of the package {package}" if known else "is of a package"
    return InnerUnavailable(
        f"inner codec {name!r} {whose} that is not installed here: if you trust it, install it"
        + (f" (pip install {package})" if known else "")
    )
