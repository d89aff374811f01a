"""Print, for a shell to run, pip's settings as the variables of uv, which reads none of pip's."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys

# Each setting of pip, the variable of uv and what stands between several values there.
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}
# A later section wins, as in pip.
SECTIONS = ("global", "install", ":env:")


def read_pip() -> dict[str, list[str]]:
    """Return what pip is set to, each setting as its list of values."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[tuple[str, str], list[str]] = {}
    for line in printed.splitlines():
        name, _, value = line.partition("=")
        section, _, setting = name.partition(".")
        found[section, setting] = ast.literal_eval(value).split()
    return {
        setting: found[section, setting]
        for section in SECTIONS
        for setting in VARIABLES
        if (section, setting) in found
    }


def uv_variables(pip: dict[str, list[str]]) -> dict[str, str]:
    """Return the variables for uv that say what ``pip`` says, and what pip does unasked."""
    variables = {VARIABLES[name][0]: VARIABLES[name][1].join(pip[name]) for name in pip}
    # pip takes the newest version of all indexes, and the Python it is run by.
    variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    variables["UV_PYTHON_DOWNLOADS"] = "never"
    return variables


if __name__ == "__main__":
    for variable, value in uv_variables(read_pip()).items():
        if variable not in os.environ:
            print(f"export {variable}={shlex.quote(value)}")
