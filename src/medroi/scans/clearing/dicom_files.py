"""A cleared DICOM series: the same files with other pixels, which say what they were made of.

Each is a new image of a new series, as DICOM wants of pixels that were changed: new identifiers,
derived, with a reference to the image that it was made of. All other elements stay.
"""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans import dicom
from medroi.scans.clearing.comparing import check_written
from medroi.scans.dicom.bytes import PIXEL_KEYWORDS
from medroi.scans.dicom.frames import ImageFile
from medroi.scans.dicom.layout import PixelLayout
from medroi.scans.dicom.pixels import Pixels, read_pixels
from medroi.scans.dicom.skeletons import planes_of
from medroi.scans.scan import Scan

# Codes of DICOM's own dictionary (DCM) for an image that was masked, and for its source.
_DERIVATION = ("113047", "Pixel by pixel mask")
_PURPOSE = ("121322", "Source image for image processing operation")
# True of the pixels that were, or of the file that was, and no longer.
_NOT_KEPT = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
    "InstanceCreationDate",
    "InstanceCreationTime",
)
_MAX_DESCRIPTION = 1024
_MAX_SERIES_DESCRIPTION = 64
_CLEARED = " (cleared)"

Files = Sequence[tuple[ImageFile, Sequence[int]]]


@dataclass(frozen=True)
class Uids:
    """Whether the identifiers of images and series are kept, and why."""

    keep: bool = False
    reason: str | None = None

    def check(self) -> None:
        """Refuse to keep them without a reason, and a reason for nothing.

        Raises
        ------
        InvalidArgument
        """
        if self.keep and not (self.reason or "").strip():
            raise InvalidArgument(
                "two images with the same SOPInstanceUID and other pixels are a mistake to every "
                "archive: --keep-uids (keep_uids=True) needs a reason, which is written into the "
                "files: --reason TEXT (reason=)"
            )
        if self.reason is not None and not self.keep:
            raise InvalidArgument("--reason (reason=) is that of --keep-uids (keep_uids=True)")


def check_whole(files: Files) -> None:
    """Refuse files with planes of another volume too, which would not be cleared.

    Raises
    ------
    InvalidArgument
    """
    for file, planes in files:
        if min(planes) < 0:
            raise InvalidArgument(
                f"{file.path}: holds images of other volumes too, which would not be cleared; "
                "clear it into NIfTI, NAME.nii.gz"
            )


def write(
    fresh: Path,
    target: Path,
    scan: Scan,
    voxels: npt.NDArray[Any],
    region: ScanRegion,
    *,
    files: Files,
    uids: Uids,
) -> None:
    """Write the files of a series into a new folder and read them back.

    Parameters
    ----------
    fresh : Path
        The folder that is written.
    target : Path
        Where it will be; for messages.
    scan : Scan
        As it was read.
    voxels : ndarray
        The same, cleared.
    region : ScanRegion
        What is kept.
    files : sequence of (ImageFile, sequence of int)
        Of the series.
    uids : Uids
        Whether identifiers are kept.

    Raises
    ------
    MedROIError
        Where the voxels, or where they lie, do not come back.
    """
    planes = planes_of(voxels, files[0][0].layout.samples)
    seed = hashlib.sha256(np.ascontiguousarray(planes).view(np.uint8).data).hexdigest()
    description = _description(region, uids)
    with warnings.catch_warnings():
        # pydicom warns of elements that break the standard: they are the source's.
        warnings.simplefilter("ignore")
        for file, places in files:
            dataset = _cleared(file, planes[list(places)])
            _describe(dataset, description)
            if not uids.keep:
                _rename(dataset, file.name, seed)
            path = fresh / file.name.removesuffix(".gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(path, enforce_file_format=True)
    found = dicom.read(fresh, identifiers=False, incomplete=True)
    check_written(target, found.voxels, scan.voxels, region)
    same = ("slope", "intercept", "polarity")
    if not np.array_equal(found.affine, scan.affine) or any(
        getattr(found, name) != getattr(scan, name) for name in same
    ):
        raise MedROIError(f"{target}: its geometry did not come back; nothing is written")


def _cleared(file: ImageFile, planes: npt.NDArray[Any]) -> Any:
    """The data set of a file with other pixels."""
    pixels = read_pixels(file)
    dataset = pixels.whole.dataset
    keyword = next(name for name in PIXEL_KEYWORDS if name in dataset)
    if pixels.is_encapsulated:
        from pydicom.uid import ExplicitVRLittleEndian

        layout = dataclasses.replace(file.layout, big_endian=False, swapped=False)
        value = layout.to_bytes(planes)
        del dataset[keyword]
        dataset.add_new(keyword, "OB" if layout.allocated <= 8 else "OW", _even(value))
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    else:
        dataset[keyword].value = _replaced(file.layout, pixels, planes, dataset[keyword].value)
    return dataset


def _replaced(layout: PixelLayout, pixels: Pixels, planes: npt.NDArray[Any], value: bytes) -> bytes:
    """The bytes of a file's pixels, of which only those that change are written anew."""
    width = max(1, layout.allocated // 8)
    word = np.dtype(f"{'>' if layout.big_endian else '<'}u{width}")
    before, after = (
        np.frombuffer(layout.to_bytes(found), word) for found in (pixels.planes, planes)
    )
    words = np.frombuffer(value, word, len(after)).copy()
    changed = before != after
    if pixels.has_more_bits:
        # Overlays in the bits around the stored ones stay.
        mask = word.type(((1 << layout.stored) - 1) << layout.low)
        words[changed] = (words[changed] & ~mask) | (after[changed] & mask)
    else:
        words[changed] = after[changed]
    return words.tobytes() + value[words.nbytes :]


def _even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


def _description(region: ScanRegion, uids: Uids) -> str:
    share = 100 * region.n_kept / max(1, int(np.prod(region.shape, dtype=np.int64)))
    text = (
        f"MedROI clear: voxels outside the region of tissue ({region.roi}, {share:.1f} % kept) are "
        f"{region.background:g} as stored; voxels inside it are unchanged"
    )
    return f"{text}. UIDs kept: {uids.reason}" if uids.keep else text


def _describe(dataset: Any, description: str) -> None:
    """Say in a data set that it is derived, how, and from which image."""
    from pydicom.dataset import Dataset

    for keyword in _NOT_KEPT:
        if keyword in dataset:
            del dataset[keyword]
    dataset.ImageType = _derived(dataset.get("ImageType"))
    for group in (
        *(dataset.get("SharedFunctionalGroupsSequence") or ()),
        *(dataset.get("PerFrameFunctionalGroupsSequence") or ()),
    ):
        for element in group:
            for item in element.value if element.VR == "SQ" else ():
                if "FrameType" in item:
                    item.FrameType = _derived(item.FrameType)
    earlier = str(dataset.get("DerivationDescription") or "").strip()
    text = f"{earlier}; {description}" if earlier else description
    dataset.DerivationDescription = text[-_MAX_DESCRIPTION:]
    codes = list(dataset.get("DerivationCodeSequence") or ())
    dataset.DerivationCodeSequence = [*codes, _code(*_DERIVATION)]
    if "SOPInstanceUID" in dataset and "SOPClassUID" in dataset:
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        item.PurposeOfReferenceCodeSequence = [_code(*_PURPOSE)]
        dataset.SourceImageSequence = [*(dataset.get("SourceImageSequence") or ()), item]
    series = str(dataset.get("SeriesDescription") or "").strip()
    if series and not series.endswith(_CLEARED):
        kept = series[: _MAX_SERIES_DESCRIPTION - len(_CLEARED)]
        dataset.SeriesDescription = f"{kept}{_CLEARED}"


def _derived(image_type: Any) -> list[str]:
    values = [image_type] if isinstance(image_type, str) else [str(v) for v in image_type or ()]
    return ["DERIVED", *(values[1:] or ["PRIMARY"])]


def _code(value: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _rename(dataset: Any, name: str, seed: str) -> None:
    """Give new identifiers, the same for the same source and pixels."""
    from pydicom.uid import generate_uid

    old = [str(dataset.get(k) or "") for k in ("SeriesInstanceUID", "SOPInstanceUID")]
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", old[0], seed])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["image", old[1] or name, seed])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
