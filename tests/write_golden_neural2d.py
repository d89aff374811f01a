"""Write the golden of inner codec neural2d. Needs torch; run once, never again.

Another torch may find other symbols: the part is decoded for ever, and never compared with what is
encoded.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from neural2d_weights import scan, write_weights

from medroi.inner.neural.neural2d.codec import Neural2D

PATH = Path(__file__).parent / "golden" / "neural" / "neural2d.npz"

if __name__ == "__main__" and not PATH.exists():
    with tempfile.TemporaryDirectory() as folder:
        array = scan(shape=(4, 37, 52))
        coded = Neural2D(write_weights(Path(folder)), step=1.5).encode(array)
        out = np.empty_like(array)
        Neural2D.decode(memoryview(coded), out)
    np.savez_compressed(PATH, coded=np.frombuffer(coded, np.uint8), array=out)
