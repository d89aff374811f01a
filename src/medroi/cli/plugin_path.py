"""``medroi plugin-path``."""

from __future__ import annotations

import argparse
from typing import Any

from medroi import plugins


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "plugin-path",
        help="the folder for HDF5_PLUGIN_PATH",
        description="Print the folder of the HDF5 plugin. With HDF5_PLUGIN_PATH set to it, every "
        "program with HDF5 1.10 or newer reads and writes MedROI's datasets: h5dump, h5repack, "
        "ncdump, MATLAB and all others.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print it."""
    plugins.library_path()
    print(plugins.plugin_path())
