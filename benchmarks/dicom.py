"""DICOM files that come back bit for bit, and what they cost.

    python benchmarks/dicom.py [FOLDER ...] > benchmarks/dicom.csv

A row for every file that pydicom and nibabel ship for their tests, packed alone; for a series made
of the head in examples/data, one file a slice; and for every series of the FOLDERs. Each is packed
losslessly into the default store and unpacked again, and every file is compared byte by byte.
`outcome` is "the very bytes", "refused" with the reason, or what else came back; the status is 1
where a file that was packed does not come back. `source_nbytes` counts all files, `stored_nbytes`
the whole store, `headers_nbytes` the attachment in it: all of the files but what voxels give.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.data import get_testdata_files
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from medroi.errors import MedROIError
from medroi.scans import pack, pack_series, read_scan, unpack

HEAD = Path(__file__).parent.parent / "examples" / "data" / "head_T1w.nii.gz"
COLUMNS = (
    *("source", "files", "shape", "dtype", "source_nbytes", "stored_nbytes", "headers_nbytes"),
    *("outcome", "reason"),
)


def files_in(source: Path) -> list[Path]:
    """The file itself, or all of a folder."""
    return [path for path in sorted(source.rglob("*")) if path.is_file()] or [source]


def row_of(name: str, source: Path, store: Path, packed: Any) -> dict[str, Any]:
    """Unpack a store and compare what comes back."""
    root = source if source.is_dir() else source.parent
    back = store.with_suffix(".back")
    returned = unpack(store, f"{back}/").files
    same = [
        (back / file.name).read_bytes() == (root / file.source).read_bytes() for file in returned
    ]
    return {
        "source": name,
        "files": len(returned),
        "shape": "x".join(str(size) for size in packed.shape),
        "dtype": packed.dtype,
        "source_nbytes": sum((root / file.source).stat().st_size for file in returned),
        "stored_nbytes": packed.stored_nbytes,
        "outcome": "the very bytes" if all(same) else f"{same.count(False)} files differ",
        "reason": "",
    }


def headers_nbytes(source: Path, **options: Any) -> int:
    """Bytes of the attachment."""
    return sum(len(data) for data in read_scan(source, **options).attachments.values())


def rows_of(name: str, source: Path, work: Path) -> Iterator[dict[str, Any]]:
    """Pack all series of a folder, or one file."""
    if source.is_dir():
        for report in pack_series(source, work, lossless=True):
            row = row_of(f"{name}/{report.target}", source, work / report.target, report)
            series = report.target.removesuffix(".ome.zarr")
            yield {**row, "headers_nbytes": headers_nbytes(source, series=series)}
        return
    # OME-Zarr has no room for colours beside times.
    is_long = read_scan(source).voxels.ndim > 4
    store = work / ("one.zarr" if is_long else "one.ome.zarr")
    row = row_of(name, source, store, pack(source, store, lossless=True))
    yield {**row, "headers_nbytes": headers_nbytes(source)}


def image_of(pixels: Any, affine: Any, **elements: Any) -> FileDataset:
    """A data set with the elements that scanners write."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(elements)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Jane", "4711", "MR"
    dataset.Manufacturer, dataset.RepetitionTime, dataset.EchoTime = "nobody", 2300, 2.98
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    dataset.SeriesNumber, dataset.SeriesDescription = 1, "head"
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing_mm = np.linalg.norm(lps[:3, :3], axis=0)
    cosines = lps[:3, :2] / spacing_mm[:2]
    dataset.ImageOrientationPatient = [float(f"{value:.8f}") for value in cosines.T.ravel()]
    dataset.PixelSpacing = [float(spacing_mm[1]), float(spacing_mm[0])]
    dataset.SliceThickness = float(spacing_mm[2])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.add_new("PixelData", "OW", pixels.tobytes())
    return dataset


def series_of_head(folder: Path) -> Path:
    """One file a slice."""
    scan = read_scan(HEAD)
    folder.mkdir()
    for k in range(scan.voxels.shape[2]):
        place = np.diag([-1.0, -1.0, 1.0, 1.0]) @ scan.affine @ (0, 0, k, 1)
        dataset = image_of(
            np.ascontiguousarray(scan.voxels[:, :, k].T.astype("<i2")),
            scan.affine,
            InstanceNumber=k + 1,
            ImagePositionPatient=[float(f"{value:.6f}") for value in place[:3]],
            ContentTime=f"{100000 + k}",
        )
        dataset.save_as(folder / f"IM{k:04d}.dcm", enforce_file_format=True)
    return folder


def main(folders: list[str]) -> int:
    """Print the table."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    status = 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shipped = sorted(Path(path) for path in get_testdata_files())
        root = Path(pydicom.__file__).parent / "data"
        sources = [
            (f"pydicom/{path.relative_to(root).as_posix()}", path)
            for path in shipped
            if path.is_file()
        ]
        scanners = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
        sources += [(f"nibabel/{path.name}", path) for path in sorted(scanners.glob("*.dcm*"))]
        sources.append(("head, a file for each slice", series_of_head(work / "head")))
        sources += [(Path(folder).name, Path(folder)) for folder in folders]
        for number, (label, source) in enumerate(sources):
            place = work / str(number)
            place.mkdir()
            try:
                for row in rows_of(label, source, place):
                    status |= row["outcome"] != "the very bytes"
                    writer.writerow(row)
            except MedROIError as error:
                reason = str(error).replace(str(source), source.name).replace("\n", " ")
                nbytes = sum(path.stat().st_size for path in files_in(source))
                row = {"source": label, "files": len(files_in(source)), "source_nbytes": nbytes}
                writer.writerow({**row, "outcome": "refused", "reason": reason[:160]})
            sys.stdout.flush()
    return status


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
