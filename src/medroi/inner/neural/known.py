"""Public checkpoints of the learned codecs, and whose weights this version can read."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from medroi.inner.neural.weights import Layout


@dataclass(frozen=True)
class Checkpoint:
    """One public file of weights.

    Attributes
    ----------
    codec : str
        The inner codec that reads it.
    title : str
        What its project calls it.
    project, paper : str
        Addresses.
    licence : str
        What the project says about its files.
    weights : str
        32 hexadecimal digits, where this project has seen the file; else empty.
    """

    codec: str
    title: str
    project: str
    paper: str
    licence: str
    weights: str = ""


_TCM = ("https://github.com/jmliu206/LIC_TCM", "https://arxiv.org/abs/2303.14978", "MIT")
_AUXT = (
    "https://github.com/qingshi9974/AuxT",
    "https://arxiv.org/abs/2501.13751",
    "none stated: ask the authors before you share files that need it",
)
_HIFIC = (
    "https://github.com/Justin-Tan/high-fidelity-generative-compression",
    "https://arxiv.org/abs/2006.09965",
    "Apache-2.0",
)
_AUXT_LAMBDAS = ("0.0483", "0.0250", "0.0130", "0.0067", "0.0035", "0.0018")

CHECKPOINTS = (
    Checkpoint("tcm", "LIC-TCM, lambda 0.05, MSE", *_TCM),
    *(
        Checkpoint("tcm", f"TCM-small anchor, lambda {value}, MSE", *_AUXT)
        for value in _AUXT_LAMBDAS
    ),
    *(
        Checkpoint("tcm_auxt", f"TCM-small + AuxT, lambda {value}, MSE", *_AUXT)
        for value in _AUXT_LAMBDAS
    ),
    Checkpoint("hific", "HIFIC-low", *_HIFIC),
    Checkpoint("hific", "HIFIC-med", *_HIFIC),
    Checkpoint("hific", "HIFIC-high", *_HIFIC),
    Checkpoint(
        "compressai",
        'model zoo; needs no import: weights="zoo", quality=1 to 8',
        "https://github.com/InterDigitalInc/CompressAI",
        "https://arxiv.org/abs/2011.03029",
        "BSD-3-Clause-Clear",
    ),
)

# Where each codec's weights are described; those whose tensors are most particular first, since
# a file is tried on one after the other. CompressAI's models fit any tensors: only by name.
_MODULES = {
    "tcm_auxt": "medroi.inner.neural.tcm.codec",
    "tcm": "medroi.inner.neural.tcm.codec",
    "hific": "medroi.inner.neural.hific.codec",
    "bcmnet": "medroi.inner.neural.bcmnet.codec",
    "sirenmri": "medroi.inner.neural.sirenmri.codec",
    "neural2d": "medroi.inner.neural.neural2d.codec",
    "compressai": "medroi.inner.neural.compressai_bridge.codec",
}
CODECS = tuple(_MODULES)
RECOGNISED = tuple(name for name in CODECS if name != "compressai")


def layout_of(codec: str) -> Layout:
    """Layout of a codec's weights."""
    module = import_module(_MODULES[codec])
    if codec.startswith("tcm"):
        found: Layout = module.layout_of(codec, codec == "tcm_auxt")
    else:
        found = module.LAYOUT
    return found
