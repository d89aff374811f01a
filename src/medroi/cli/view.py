"""``medroi view STORE``."""

from __future__ import annotations

import argparse
import webbrowser
from typing import Any

from medroi.cli.serve import add_server_arguments, make_server_of

_DESCRIPTION = """\
Open a packed scan in the browser: three planes, the region and what was dropped, scrolling and
windowing. The page decodes what it shows from the store, read by ranges, the smallest level first;
what it cannot decode this command does, as it is looked at. Ctrl-C ends it."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "view", help="a packed scan in the browser", description=_DESCRIPTION
    )
    add_server_arguments(parser)
    parser.add_argument(
        "--no-open", action="store_true", help="print the address without opening a browser"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve the page, and open it."""
    server = make_server_of(args)
    print(server.url, flush=True)
    with server:
        if not args.no_open:
            webbrowser.open(server.url)
        server.serve_forever()
