"""Write the goldens of codecs whose bytes are a library's. Run once for each, never again.

Their libraries may write other bytes tomorrow: these streams are decoded for ever, and never
compared with what is encoded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from arrays import phantom

from medroi import MedROI

FOLDER = Path(__file__).parent / "golden"
SCALED = (phantom((6, 14, 15)) * np.float64(0.37)).astype("<f4")
CASES = {
    "v1-jpeg2000-lossless": ("jpeg2000", phantom((6, 14, 15)) - np.int16(40)),
    "v1-jpeg2000-scaled-float": ("jpeg2000", np.asarray(SCALED, ">f4", order="F")),
    "v1-jpeg2000-table": ("jpeg2000", np.sqrt(phantom((6, 14, 15), "<f8"))),
    "v1-jpeg2000-psnr": ({"id": "jpeg2000", "psnr": 35}, phantom((6, 14, 15))),
    "hosted/v1-heif-lossless": ("heif", phantom((4, 14, 15), "<u2") * np.uint16(20)),
    "hosted/v1-heif-quality": ({"id": "heif", "quality": 70}, SCALED),
    "hosted/v1-numcodecs-blosc": ({"id": "blosc", "cname": "zstd"}, phantom((6, 14, 15))),
    "hosted/v1-numcodecs-jpegxl": ("imagecodecs_jpegxl", phantom((4, 14, 15))),
    "hosted/v1-numcodecs-pcodec": ("imagecodecs_pcodec", np.sqrt(phantom((6, 14, 15), "<f8"))),
    "hosted/v1-numcodecs-sperr": (
        {"id": "imagecodecs_sperr", "mode": "pwe", "level": 2.0},
        phantom((9, 14, 15)),
    ),
    "hosted/v1-numcodecs-unknown": ("imagecodecs_tiff", phantom((4, 14, 15))),
}

if __name__ == "__main__":
    (FOLDER / "hosted").mkdir(exist_ok=True)
    for name, (config, array) in CASES.items():
        path = FOLDER / f"{name}.medroi"
        if not path.exists():
            stream = MedROI(config, threshold=None).encode(array)
            path.write_bytes(stream)
            np.savez_compressed(path.with_suffix(".npz"), array=MedROI().decode(stream))
