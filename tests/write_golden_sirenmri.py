"""Write the goldens of inner codec sirenmri. Needs torch; run once, never again.

Another torch trains other weights: these streams are decoded for ever, and never compared with
what is encoded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from arrays import phantom

from medroi import MedROI
from medroi.inner.neural import images
from medroi.inner.neural.sirenmri import fit, stored
from medroi.inner.neural.sirenmri.codec import SirenMRI

FOLDER = Path(__file__).parent / "golden" / "hosted"
SMALL = {"id": "sirenmri", "hidden": 12, "layers": 2, "steps": 100}


class SinglePrecision(SirenMRI):
    """As "faithful" stores weights, of a network small enough for a golden."""

    def encode(self, part: np.ndarray) -> bytes:
        quick = stored.unpack(memoryview(super().encode(part)), part.ndim)
        tensors = {name: values.astype(np.float32) for name, values in quick.tensors().items()}
        scale = images.scale_of(self.name, part)
        return stored.pack(fit.finish(tensors, quick.architecture, part, scale))


CASES = {
    "v1-sirenmri-symbols": (SMALL, phantom((9, 14, 15))),
    "v1-sirenmri-float": (SMALL, np.asarray(phantom((6, 14, 15)) * 0.37, ">f4", order="F")),
    "v1-sirenmri-image": (SMALL, phantom((14, 15), "|u1")),
    "v1-sirenmri-constant": (SMALL, np.full((4, 5, 6), -7, "<i2")),
    "v1-sirenmri-float32": (
        SinglePrecision(hidden=12, layers=2, steps=100),
        phantom((9, 14, 15), "<u2"),
    ),
}

if __name__ == "__main__":
    for name, (inner, array) in CASES.items():
        path = FOLDER / f"{name}.medroi"
        if not path.exists():
            stream = MedROI(inner, threshold=None).encode(array)
            path.write_bytes(stream)
            np.savez_compressed(path.with_suffix(".npz"), array=MedROI().decode(stream))
