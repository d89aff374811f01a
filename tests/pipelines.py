"""The codec pipelines of this zarr, and stores that they read in each way they know."""

from __future__ import annotations

import zarr.core.codec_pipeline

BATCHED = "zarr.core.codec_pipeline.BatchedCodecPipeline"
FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"  # since zarr 3.4

# Name of the pipeline, and whether it may read the store without an event loop.
WAYS = [(BATCHED, True)]
if hasattr(zarr.core.codec_pipeline, "FusedCodecPipeline"):
    WAYS += [(FUSED, True), (FUSED, False)]
