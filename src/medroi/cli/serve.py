"""``medroi serve STORE``."""

from __future__ import annotations

import argparse
from typing import Any

_DESCRIPTION = """\
Serve a packed scan over HTTP, read-only, to programs that lack this codec: plain Zarr 3 for
neuroglancer and others, NIfTI for niivue, 3D Slicer and ITK, and the store's own files by ranges.
Only this machine is answered, and pages of other origins read nothing unless --allow-origin names
them. Ctrl-C ends it."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve", help="a packed scan over HTTP, for other programs", description=_DESCRIPTION
    )
    add_server_arguments(parser)
    parser.set_defaults(run=run)


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `serve` and `view` have in common."""
    parser.add_argument("store", metavar="STORE", help="a packed scan, or its URL")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default 127.0.0.1, this machine alone); anybody who reaches it "
        "reads the scan",
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port to listen at (default: a free one)"
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a page of another origin that may read the scan, such as "
        "https://neuroglancer-demo.appspot.com; may be given several times",
    )
    parser.add_argument(
        "--air",
        choices=("leave", "merge"),
        default="leave",
        help="merge shows and serves every voxel as it was packed, of a store that keeps its air "
        "aside (pack --air keep); the store's own files stay as they are (default: leave)",
    )


def make_server_of(args: argparse.Namespace) -> Any:
    """Make the server that these arguments ask for."""
    from medroi.serving import make_server

    return make_server(
        args.store,
        host=args.host,
        port=args.port,
        allow_origins=tuple(args.allow_origin),
        air=args.air,
    )


def run(args: argparse.Namespace) -> None:
    """Say where everything is, and serve it."""
    server = make_server_of(args)
    print(f"page   {server.url}")
    print(f"Zarr   {server.url}zarr/ (array: {server.url}zarr/s0)")
    print(f"NIfTI  {server.url}scan.nii")
    print(f"store  {server.url}store/", flush=True)
    with server:
        server.serve_forever()
