#!/usr/bin/env python3
"""Write README's table of options from the engine's; `tests/test_options.py` compares the two."""

from __future__ import annotations

import json
import re
from pathlib import Path

from medroi.options import TABLE

README = Path(__file__).parents[1] / "README.md"
HEAD = "| option | default | values | meaning |\n|---|---|---|---|\n"


def rows() -> str:
    """Return the table's rows in Markdown."""
    return "".join(
        f"| `{option.name}` | {option.in_markdown(json.dumps(option.default))} "
        f"| {option.in_markdown(option.limits)} | {option.in_markdown(option.help)} |\n"
        for option in TABLE.values()
    )


def main() -> None:
    """Replace the table."""
    text = README.read_text()
    pattern = re.escape(HEAD.splitlines()[0]) + r"\n(\|.*\n)*"
    README.write_text(re.sub(pattern, lambda _: HEAD + rows(), text))


if __name__ == "__main__":
    main()
