"""HTML of text, tables and pictures; every text is escaped, nothing refers outside the page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from medroi.pages.cells import Cell, Column, Table

# The page may load nothing at all: a browser refuses even what a text would smuggle in.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Texts longer than this may break into lines.
_LONG_CHARACTERS = 60


def escape(value: str) -> str:
    """Text as it may stand in an element or an attribute; control characters become U+FFFD."""
    return html.escape(_UNPRINTABLE.sub("�", value), quote=True)


def document(title: str, sections: Iterable[str]) -> str:
    """The whole page, which is well-formed XML too."""
    style, script = _resource("page.css"), _resource("page.js")
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n'
        '<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>/*<![CDATA[*/\n{style}/*]]>*/</style>\n</head>\n<body>\n"
        + "\n".join(sections)
        + f"\n<script>//<![CDATA[\n{script}//]]></script>\n</body>\n</html>\n"
    )


def section(key: str, title: str, *parts: str) -> str:
    """A section with a heading that can be jumped to."""
    return f'<section id="{key}">\n<h2>{escape(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def paragraph(value: str, kind: str = "") -> str:
    """A paragraph; `kind` is a class of the style sheet."""
    return f'<p class="{kind}">{escape(value)}</p>' if kind else f"<p>{escape(value)}</p>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of terms."""
    items = "\n".join(f"<dt>{escape(term)}</dt><dd>{escape(what)}</dd>" for term, what in pairs)
    return f"<dl>\n{items}\n</dl>"


def picture(path: Path, description: str) -> str:
    """A PNG within the page."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(description)}"/>'
    return f"<figure>{image}</figure>"


def table(content: Table, key: str = "", tall: bool = False) -> str:
    """A table that sorts by a click on a heading."""
    head = "".join(_heading(column) for column in content.columns)
    body = "\n".join(
        ('<tr class="break">' if at in content.breaks else "<tr>")
        + "".join(_cell(cell, column) for cell, column in zip(row, content.columns, strict=True))
        + "</tr>"
        for at, row in enumerate(content.rows)
    )
    identity = f' id="{key}"' if key else ""
    return (
        f'<div class="scroll{" tall" if tall else ""}"><table{identity}>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _heading(column: Column) -> str:
    unit = f"<small>{escape(column.unit)}</small>" if column.unit else ""
    kind = ' class="n"' if column.numeric else ""
    return f'<th scope="col"{kind}><button type="button">{escape(column.title)}</button>{unit}</th>'


def _cell(cell: Cell, column: Column) -> str:
    wide = len(cell.text) > _LONG_CHARACTERS
    kind = ' class="n"' if column.numeric else ' class="wide"' if wide else ""
    order = "" if cell.sort is None else f' data-sort="{escape(_sort_key(cell.sort))}"'
    shown = escape(cell.text)
    return f"<td{kind}{order}>{f'<b>{shown}</b>' if cell.strong else shown}</td>"


def _sort_key(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(float(value)), f"{value:.9g}")


def _resource(name: str) -> str:
    return resources.files("medroi.pages").joinpath(name).read_text(encoding="utf-8")
