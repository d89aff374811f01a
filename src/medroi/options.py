"""The options of a configuration: the engine's table, in the words of Python and of documents.

Names, defaults, limits and help stand once, in ``src/kernel/engine/options.c``, and the engine
judges every value; here it is asked.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medroi import _kernel
from medroi.errors import InvalidArgument
from medroi.values import canonical, is_number, json_number, plain

_WIDTH = 92
# A name or text in quotes, an object in braces, and JSON's words for what Python writes otherwise.
_VALUE = re.compile(r'\{(?:[^{}]|\{[^{}]*\})*\}|"\w+"|\b(?:null|true|false)\b')
_OF_PYTHON = {"null": "None", "true": "True", "false": "False"}
_OF_THE_COMMAND_LINE = {"null": "none"}


@dataclass(frozen=True)
class Option:
    """One option of a configuration.

    Attributes
    ----------
    name : str
    default : Any
        As Python has it.
    limits, help : str
        What it takes and what it means, in the words of JSON.
    choices : tuple of str
        Names that it takes; empty where it takes none.
    """

    name: str
    default: Any
    limits: str
    help: str
    choices: tuple[str, ...]

    def in_python(self, text: str) -> str:
        """Return limits or help with values as Python writes them."""
        return _VALUE.sub(lambda found: _OF_PYTHON.get(found[0], found[0]), text)

    def in_markdown(self, text: str) -> str:
        """Return limits or help with values as Python writes them, as code."""
        return _VALUE.sub(lambda found: f"`{_OF_PYTHON.get(found[0], found[0])}`", text)

    def on_the_command_line(self, *, takes_none: bool) -> str:
        """Return the help with values as they are typed in a shell.

        Parameters
        ----------
        takes_none : bool
            Whether "none" can be typed; where not, the sentence that says its meaning is left out.
        """
        sentences = self.help.split(". ")
        text = ". ".join(s for s in sentences if takes_none or not s.startswith("null"))
        return _VALUE.sub(
            lambda found: _OF_THE_COMMAND_LINE.get(found[0], found[0].strip('"')), text
        )


TABLE = {
    name: Option(name, json.loads(fallback), limits, text, choices)
    for name, fallback, limits, text, choices in _kernel.options()
}


def documented(also: Mapping[str, str]) -> str:
    """Return numpydoc entries of all options, for a docstring.

    Parameters
    ----------
    also : mapping
        Sentences for the end of an option's help.
    """
    return "\n".join(_entry(option, also.get(option.name, "")) for option in TABLE.values())


def _entry(option: Option, also: str) -> str:
    text = option.in_python(option.help)
    lines = textwrap.wrap(f"{text[0].upper()}{text[1:]}. {also}", _WIDTH, break_on_hyphens=False)
    limits = option.in_python(option.limits)
    head = f"{option.name} : {limits}; default {option.default!r}"
    return "\n    ".join([head, *lines])


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in their one spelling.

    A whole number may be written 3.0, numpy's scalars and arrays are numbers and lists of them. A
    flag is no number (but of the background, which may be that of a boolean array), a number is no
    flag, and a text is neither.

    Parameters
    ----------
    given : mapping
        Options but ``inner`` by name, as a caller or a configuration has them.

    Raises
    ------
    InvalidArgument
        Naming the first that the engine does not take.
    """
    try:
        return _read(given)
    except _NOT_READ as error:
        for name, value in given.items():
            _check_one(name, value)
        raise InvalidArgument(str(error)) from error


_NOT_READ = (InvalidArgument, TypeError, ValueError, OverflowError, RecursionError)


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps({name: _as_json(value) for name, value in given.items()}, allow_nan=False)
    found = json.loads(_kernel.Config(text).to_json())
    return {name: _as_python(found.get(name, TABLE[name].default)) for name in given}


def _check_one(name: str, value: Any) -> None:
    try:
        _read({name: value})
    except _NOT_READ as error:
        option = TABLE[name]
        limits = option.in_python(option.limits)
        raise InvalidArgument(f"{name}={value!r}: expected {limits}") from error


def _as_json(value: Any) -> Any:
    """Return a value of an option as JSON has it: arrays, tuples and ranges are lists there."""
    found = plain(value)
    if is_number(found):
        return json_number(canonical(found))
    if isinstance(found, (str, bytes, dict)) or not isinstance(found, Iterable):
        return found
    return [_as_json(item) for item in found]


def _as_python(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_as_python(item) for item in value)
    return plain(value)
