"""Names of files as text."""

from __future__ import annotations


def printable(name: str) -> str:
    """A name with what is no text in it as escapes, so that any report and picture can hold it.

    Parameters
    ----------
    name : str
        As the file system gives it.
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
