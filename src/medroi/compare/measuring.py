"""The rows of one method on one scan, by this project's own definitions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy.typing as npt

from medroi import metrics
from medroi.compare.coding import Coding, coding_of
from medroi.compare.methods import Method, settings_text
from medroi.compare.results import ResultRow
from medroi.compare.subject import Subject
from medroi.errors import InnerUnavailable, MedROIError
from medroi.peak_memory import peak_of

Array = npt.NDArray[Any]

PROTOCOL = "medroi"


def empty_row(subject: Subject, method: Method, region: str, protocol: str) -> ResultRow:
    """A row without figures."""
    return ResultRow(
        scan=subject.source.scan,
        data_set=subject.source.data_set,
        protocol=protocol,
        inner=method.inner,
        level=method.level,
        region=region,
        status="ok",
        dtype=str(subject.voxels.dtype),
        shape="x".join(map(str, subject.voxels.shape)),
        settings=settings_text(method.config),
    )


def status_of(error: Exception) -> str:
    """Why there is no number, in one line."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, InnerUnavailable):
        return f"not installed: {message}"
    return message if isinstance(error, MedROIError) else f"{type(error).__name__}: {message}"


def measure(subject: Subject, method: Method, region: str) -> tuple[ResultRow, Array | None]:
    """The row of one region of a scan, and what was decoded.

    An error is the row's status: no method stops a comparison.
    """
    row = empty_row(subject, method, region, PROTOCOL)
    try:
        coding = coding_of(subject, region, method)
        coded, peak_nbytes = peak_of(coding.encode)
        decoded = coding.decode(coded)
        row = with_figures(row, subject, region, coding, coded, decoded)
        return dataclasses.replace(row, peak_memory_nbytes=peak_nbytes), decoded
    except Exception as error:  # of any library; the row says which
        return dataclasses.replace(row, status=status_of(error)), None


def _inside(voxels: Array, decoded: Array, kept: Array) -> float | None:
    """PSNR of the voxels that are kept, against their own range; None where there is no range."""
    peak = metrics.tissue_peak(voxels, kept)
    return metrics.psnr(voxels, decoded, peak, kept) if peak > 0 else None


def with_figures(
    row: ResultRow, subject: Subject, region: str, coding: Coding, coded: Any, decoded: Array
) -> ResultRow:
    """A row with all figures that bytes and decoded voxels give."""
    voxels, found = subject.voxels, subject.regions[region]
    stored_nbytes = coding.nbytes(coded)
    in_order = subject.in_order(decoded)
    psnr_db, max_error = subject.reference.error(in_order)
    ssim = subject.reference.ssim(in_order) if max_error > 0 else 1.0
    return dataclasses.replace(
        row,
        original_nbytes=voxels.nbytes,
        stored_nbytes=stored_nbytes,
        compression_ratio=metrics.compression_ratio(voxels.nbytes, stored_nbytes),
        bpv_volume=metrics.bits_per_voxel(stored_nbytes, voxels.size),
        bpv_region=metrics.bits_per_voxel(stored_nbytes, found.n_voxels),
        region_voxels=found.n_voxels,
        peak=subject.peak,
        psnr_db=psnr_db,
        psnr_volume_db=metrics.psnr(voxels, decoded, subject.peak),
        psnr_region_db=_inside(voxels, decoded, found.kept),
        ssim=ssim,
        max_error=max_error,
        signal_voxels=found.n_signal,
        missed_voxels=found.n_missed,
        miss_rate=found.miss_rate,
        brightest_dropped=found.brightest_dropped,
        largest_missed_voxels=found.n_largest_missed,
        settings=settings_text(coding.config),
    )
