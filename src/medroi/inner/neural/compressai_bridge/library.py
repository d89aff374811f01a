"""CompressAI, imported when one of its models is first needed."""

from __future__ import annotations

from typing import Any

from medroi.errors import InnerUnavailable
from medroi.inner.neural.torch_library import load_torch

_INSTALL = "pip install 'compressai==1.2.8' 'numpy<2', in an environment with zarr older than 3.1.6"


def load_compressai() -> Any:
    """The compressai module, with its models and its registry.

    Raises
    ------
    InnerUnavailable
        Where it is not installed, or does not start; the reason is in the message.
    """
    load_torch("compressai")
    try:
        import compressai
        import compressai.models
        import compressai.registry
        import compressai.zoo
    except ImportError as error:
        raise InnerUnavailable(f"compressai is not installed ({error}): {_INSTALL}") from error
    # A torchvision of another release than torch raises RuntimeError: "operator
    # torchvision::nms does not exist".
    except Exception as error:
        hint = "torchvision does not match torch: install the pair that was released together"
        raise InnerUnavailable(
            f"compressai is installed but does not start ({type(error).__name__}: {error}). "
            f"{hint if 'torchvision' in str(error) else _INSTALL}"
        ) from error
    return compressai
