"""Inner codec 3: JPEG 2000 Part-1 codestreams, one per 2-D slice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi import _kernel
from medroi.errors import InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array, Block, InnerCodec, NativeCodec
from medroi.inner.jpeg2000 import files as glymur_files
from medroi.inner.jpeg2000.files import Quality
from medroi.inner.search import reach

_LOSSLESS, _RATE, _PSNR = 0.0, 1.0, 2.0
_MAX_INDEX = 65535
# Bytes of a slice beside its codestream: ends that OpenJPEG's rate control leaves out, length.
_SLICE_OVERHEAD_NBYTES = 16
_PART_OVERHEAD_NBYTES = 31


@dataclass(frozen=True)
class Jpeg2000(NativeCodec):
    """JPEG 2000; lossless unless a rate or a PSNR is asked for."""

    codec_id = 3
    name = "jpeg2000"
    kind = "lossless, rate or psnr"
    dtypes = "integers and scaled floats of 16 bits"
    dims = "2-D"
    needs = "glymur"
    install = "pip install medroi[jpeg2000]"

    rate: float | None = None
    psnr: float | None = None
    peak: float | None = None

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return self.rate is None and self.psnr is None

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`."""
        return {key: value for key, value in super().config().items() if value is not None}

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        super().check(region)
        if self.is_native():
            return
        glymur_files.load_glymur()
        kind = region.dtype.kind
        if kind not in "iuf" and (kind != "b" or not self.lossless):
            raise InvalidArgument(
                f"jpeg2000 cannot code elements of kind {kind!r}"
                f"{'' if self.lossless else ' with loss'}: use zstd"
            )

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if self.is_native():
            return super().part_extent(region)
        if len(region.shape) < 3:
            return region.shape[0]
        target_nbytes = 1 << (22 if region.dtype.kind == "f" else 18)
        slice_nbytes = math.prod(region.shape[1:]) * region.dtype.itemsize
        return min(region.shape[0], max(1, target_nbytes // slice_nbytes))

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`; the kernel plans for itself."""
        return self if self.is_native() or self.lossless else self.plan_without_kernel(region)

    def plan_without_kernel(self, region: Array) -> InnerCodec:
        """One value map and one quality for all parts of a region."""
        values = slices.find_map(region, affine=True, max_index=_MAX_INDEX)
        if values.max_index == 0:
            return _Planned(values, Quality())
        if self.rate is not None:
            return _Planned(values, Quality(ratio=self._ratio(region, values)))
        return _Planned(values, self._find_quality(region, values))

    def _ratio(self, region: Array, values: _kernel.ValueMap) -> float:
        """Sample bits per codestream bit with which a slice's payload meets the rate."""
        assert self.rate is not None
        extent = self.part_extent(Block(region.shape, region.dtype))
        n_elements = math.prod(slices.slice_shape(region.shape))
        n_slices = max(1, extent * math.prod(region.shape[1:-2])) if region.ndim > 2 else 1
        overhead = _SLICE_OVERHEAD_NBYTES + _PART_OVERHEAD_NBYTES / n_slices
        nbytes = n_elements * region.dtype.itemsize / self.rate - overhead
        bits = glymur_files.sample_bits(values.max_index)
        return n_elements * bits / (8 * max(nbytes, 1))

    def _find_quality(self, region: Array, values: _kernel.ValueMap) -> Quality:
        assert self.psnr is not None
        indices = slices.indices_of(values, region)
        peak = values.max_index if self.peak is None else self.peak / values.step
        full_scale = (1 << glymur_files.sample_bits(values.max_index)) - 1

        def measure(setting: float) -> float:
            files = glymur_files.encode(indices, values.max_index, Quality(psnr=setting))
            error = 0.0
            for file, samples in zip(files, indices, strict=True):
                decoded = glymur_files.decode(file, samples.shape).astype(np.int64)
                error += float(((np.minimum(decoded, values.max_index) - samples) ** 2).sum())
            if error == 0:
                return math.inf
            return 20 * math.log10(peak) - 10 * math.log10(error / indices.size)

        start = self.psnr + 20 * math.log10(full_scale / peak)
        return Quality(psnr=reach(self.name, self.psnr, measure, start))

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        if not self.lossless:
            return self.plan_without_kernel(part).encode(part)
        values = slices.find_map(part, affine=False, max_index=_MAX_INDEX)
        return _encode(values, part, Quality())

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        values, rest = slices.read_map(coded, out)
        shape = slices.slice_shape(out.shape)
        files = slices.split_slices(rest, out.size // math.prod(shape))
        indices = slices.decode_slices(files, shape, glymur_files.decode)
        slices.put_indices(values, indices, out)


class _Planned(InnerCodec):
    """Lossy coding of the parts of one region: one value map and one quality for all."""

    codec_id = Jpeg2000.codec_id
    name = Jpeg2000.name

    def __init__(self, values: _kernel.ValueMap, quality: Quality) -> None:
        self._values = values
        self._quality = quality

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return _encode(self._values, part, self._quality)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        Jpeg2000.decode(coded, out)


def _encode(values: _kernel.ValueMap, part: Array, quality: Quality) -> bytes:
    indices = slices.indices_of(values, part)
    files = glymur_files.encode(indices, values.max_index, quality)
    return slices.pack_slices(slices.map_bytes(values, part), files)
