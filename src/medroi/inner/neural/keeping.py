"""The last of what is expensive to build, kept between calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar

from medroi.inner.forking import ForkSafeLock

Key = TypeVar("Key", bound=Hashable)
Networks = TypeVar("Networks")


def kept(
    n_kept: int,
) -> Callable[[Callable[[Key], Networks]], Callable[[Key], Networks]]:
    """Keep the networks of the last keys that were asked for; threads that ask build them once.

    Parameters
    ----------
    n_kept : int
        How many sets of networks; one may take more than a gigabyte.
    """

    def keep(build: Callable[[Key], Networks]) -> Callable[[Key], Networks]:
        building = ForkSafeLock(wait=False)
        remembered = functools.lru_cache(maxsize=n_kept)(build)

        @functools.wraps(build)
        def networks(key: Key) -> Networks:
            with building:
                return remembered(key)

        networks.remembered = remembered  # type: ignore[attr-defined]
        return networks

    return keep
