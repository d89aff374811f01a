"""DICOM: SimpleITK, dcm2niix and highdicom find the same voxels at the same millimetres."""

from __future__ import annotations

import gzip
import math
import subprocess
import warnings
from pathlib import Path

import dcm2niix
import highdicom
import make_dicom
import make_scans
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.data import get_testdata_files
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, JPEG2000Lossless, JPEGLSLossless

from medroi.errors import MedROIError
from medroi.scans import pack, read_scan, unpack
from medroi.scans.dicom import find_volumes

SHAPE = (16, 20, 10)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def in_folder(make):
    """A maker of one file, as one of a folder."""

    def made(folder: Path, voxels: np.ndarray) -> Path:
        folder.mkdir()
        make(folder / "a.dcm", voxels)
        return folder

    return made


def tilted(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.dicom_series(folder, voxels, tilt_mm=0.8)


def coronal(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.dicom_series(folder, voxels, cosines=([1, 0, 0], [0, 0, -1]))


def sagittal(folder: Path, voxels: np.ndarray) -> Path:
    return make_scans.dicom_series(folder, voxels, cosines=([0, 1, 0], [0, 0, -1]))


def inverted(folder: Path, voxels: np.ndarray) -> Path:
    """MONOCHROME1, whose stored values nobody turns around."""

    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"

    return make_scans.dicom_series(folder, voxels, edit=edit)


def bare(folder: Path, voxels: np.ndarray) -> Path:
    """Files without preamble and meta header, as old scanners send them."""
    make_scans.dicom_series(folder, voxels)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        plain = pydicom.Dataset({element.tag: element for element in dataset})
        pydicom.dcmwrite(path, plain, implicit_vr=True, little_endian=True)
    return folder


def rescaled(folder: Path, voxels: np.ndarray) -> Path:
    """Slopes of each slice, as PET has them."""

    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        dataset.Modality, dataset.RescaleSlope = "PT", f"{0.5 + k / 8}"
        dataset.RescaleIntercept = "0"

    return make_scans.dicom_series(folder, voxels, edit=edit)


def uneven(folder: Path, voxels: np.ndarray) -> Path:
    """Slices at distances of their own."""

    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        dataset.ImagePositionPatient = list(np.add([-40, 25, 10], [0, 0, HEIGHTS_MM[k]]))

    return make_scans.dicom_series(folder, voxels, cosines=([1, 0, 0], [0, 1, 0]), edit=edit)


HEIGHTS_MM = (0, 3, 6, 9, 12, 16, 20, 24.5, 29, 33.5)
SERIES = {
    "oblique": make_scans.dicom_series,
    "MONOCHROME1": inverted,
    "without preamble": bare,
    "coronal": coronal,
    "sagittal": sagittal,
    "enhanced MR": in_folder(make_dicom.enhanced),
    "enhanced CT": in_folder(lambda path, v: make_dicom.enhanced(path, v, modality="CT")),
    "enhanced PET": in_folder(lambda path, v: make_dicom.enhanced(path, v, modality="PT")),
    "mosaic": in_folder(make_dicom.mosaic),
    "mosaic against the normal": in_folder(lambda p, v: make_dicom.mosaic(p, v, reverse=True)),
    "time series": in_folder(
        lambda path, v: make_dicom.enhanced(path, np.stack([v, v + 1, v + 2], -1))
    ),
}


@pytest.fixture(params=SERIES)
def series(request, tmp_path):
    folder = SERIES[request.param](tmp_path / "s", make_scans.head(SHAPE))
    return request.param, folder, read_scan(folder)


def converted(folder: Path, out: Path) -> Path:
    """The one file that dcm2niix makes of a folder."""
    out.mkdir()
    command = [dcm2niix.bin, "-z", "n", "-f", "x", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.nii")
    return path


def check_same(path: Path, scan) -> None:
    """Compare voxels and places with those of a NIfTI file."""
    image = nibabel.load(path)
    # It turns rows and slices around; the affine says where each voxel went.
    indices = np.indices(scan.voxels.shape[:3]).reshape(3, -1)
    indices = np.vstack([indices, np.ones((1, indices.shape[1]))])
    theirs = (np.linalg.inv(image.affine) @ scan.affine @ indices)[:3]
    np.testing.assert_allclose(theirs, np.rint(theirs), atol=1e-3)
    found = np.asarray(image.dataobj.get_unscaled())[tuple(np.rint(theirs).astype(int))]
    np.testing.assert_array_equal(found.reshape(scan.voxels.shape), scan.voxels)


def test_dcm2niix_has_the_same_voxels_at_the_same_places(series, tmp_path):
    _, folder, scan = series
    check_same(converted(folder, tmp_path / "out"), scan)


# From scanners: enhanced MR of Philips, mosaics of Siemens, a slice with decimals.
SHIPPED = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
SCANNERS = (
    "philips_mprage.dcm.gz",
    "siemens_dwi_0.dcm.gz",
    "siemens_dwi_1000.dcm.gz",
    "decimal_rescale.dcm",
)


def unzipped(names, folder: Path) -> Path:
    folder.mkdir()
    for name in names:
        data = (SHIPPED / name).read_bytes()
        data = gzip.decompress(data) if name.endswith(".gz") else data
        (folder / name.removesuffix(".gz")).write_bytes(data)
    return folder


@pytest.mark.parametrize("name", SCANNERS)
def test_files_of_scanners_are_read_as_dcm2niix_reads_them_and_come_back(tmp_path, name):
    folder = unzipped([name], tmp_path / "s")
    check_same(converted(folder, tmp_path / "out"), read_scan(folder))
    (path,) = folder.iterdir()
    check_returned(path, tmp_path)


@pytest.mark.parametrize("name", [*SCANNERS[:3], "oblique", "enhanced MR"])
def test_gzipped_dicom_is_what_dcm2niix_and_simpleitk_read_of_the_unzipped(tmp_path, name):
    zipped = tmp_path / "zipped"
    if name in SERIES:
        folder = SERIES[name](tmp_path / "s", make_scans.head(SHAPE))
    else:
        folder = unzipped([name], tmp_path / "s")
    zipped.mkdir()
    for path in folder.iterdir():
        data = gzip.compress(path.read_bytes(), 6, mtime=0)
        (zipped / f"{path.name.removesuffix('.dcm')}.dcm.gz").write_bytes(data)
    scan = read_scan(zipped)
    check_same(converted(folder, tmp_path / "out"), scan)
    if name == "oblique":
        slices = [SimpleITK.ReadImage(str(path)) for path in folder.iterdir()]
        for image in slices:
            corner = LPS_TO_RAS[:3, :3] @ image.GetOrigin()
            k = round((np.linalg.inv(scan.affine) @ [*corner, 1])[2])
            theirs = SimpleITK.GetArrayFromImage(image)[0].T
            np.testing.assert_array_equal(theirs, scan.voxels[:, :, k])
    pack(zipped, tmp_path / "s.ome.zarr", lossless=True)
    report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert {file.outcome for file in report.files} == {"very bytes"}
    for path in zipped.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def test_mosaics_of_a_scanner_have_the_b_values_of_dcm2niix(tmp_path):
    folder = unzipped(SCANNERS[1:3], tmp_path / "s")
    scan = read_scan(folder)
    path = converted(folder, tmp_path / "out")
    check_same(path, scan)
    assert scan.details["volumes"]["b_value"] == [0, 1000]
    assert path.with_suffix(".bval").read_text().split() == ["0", "1000"]
    # dcm2niix has directions along the axes of its image.
    theirs = np.loadtxt(path.with_suffix(".bvec"))[:, 1]
    axes = scan.affine[:3, :3] / scan.spacing_mm
    ours = axes.T @ LPS_TO_RAS[:3, :3] @ scan.details["volumes"]["b_vector"][1]
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-3)


def test_simpleitk_has_the_same_voxels_at_the_same_places(series):
    name, folder, scan = series
    if len(list(folder.iterdir())) > 1:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        image = reader.Execute()
    else:
        image = SimpleITK.ReadImage(str(next(folder.iterdir())))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    found = SimpleITK.GetArrayFromImage(image).T
    if "mosaic" in name:
        # It reads the sheet as one image, in whose middle the slices are.
        assert found.shape == (64, 80, 1)
        return
    if name == "MONOCHROME1":
        # It turns signed values around, so that low ones are dark.
        found = -1 - found
    # Times follow one another along z.
    expected = scan.voxels.reshape((*SHAPE[:2], -1), order="F")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(LPS_TO_RAS @ affine, scan.affine, atol=1e-5)


@pytest.mark.parametrize("make", [make_scans.dicom_series, coronal, sagittal])
def test_highdicom_finds_the_same_volume(tmp_path, make):
    folder = make(tmp_path / "s", make_scans.head(SHAPE))
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.FrameOfReferenceUID = "1.2.3"
        dataset.save_as(path)
    scan = read_scan(folder)
    volume = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in folder.iterdir()])
    # Its axes are (slice, row, column), and its slices may run the other way.
    affine = LPS_TO_RAS @ volume.affine[:, [2, 1, 0, 3]]
    array = volume.array.transpose(2, 1, 0)
    step = float(np.dot(affine[:3, 2], scan.affine[:3, 2]))
    if step < 0:
        affine[:3, 3] += affine[:3, 2] * (array.shape[2] - 1)
        affine[:3, 2] *= -1
        array = array[:, :, ::-1]
    np.testing.assert_array_equal(array, scan.voxels)
    np.testing.assert_allclose(affine, scan.affine, atol=1e-5)


def test_slopes_of_slices_give_the_values_of_dcm2niix_and_simpleitk(tmp_path):
    folder = rescaled(tmp_path / "s", make_scans.head(SHAPE))
    scan = read_scan(folder)
    pack(folder, tmp_path / "s.ome.zarr", lossless=True)
    unpack(tmp_path / "s.ome.zarr", tmp_path / "s.nii")
    ours = nibabel.load(tmp_path / "s.nii")
    values = ours.get_fdata()
    for path in folder.iterdir():
        k = pydicom.dcmread(path).InstanceNumber - 1
        theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[0].T
        np.testing.assert_allclose(values[:, :, k], theirs, rtol=1e-6)
    image = nibabel.load(converted(folder, tmp_path / "out"))
    indices = np.vstack([np.indices(SHAPE).reshape(3, -1), np.ones((1, values.size))])
    places = np.rint((np.linalg.inv(image.affine) @ scan.affine @ indices)[:3]).astype(int)
    theirs = image.get_fdata()[tuple(places)].reshape(SHAPE)
    # It may round to the integers of one slope for all.
    np.testing.assert_allclose(theirs, values, atol=values.max() / 5000)


def test_slices_at_distances_of_their_own_are_where_each_says(tmp_path):
    folder = uneven(tmp_path / "s", make_scans.head(SHAPE))
    scan = read_scan(folder)
    heights = scan.details["slice_heights_mm"]
    for path in folder.iterdir():
        image = SimpleITK.ReadImage(str(path))
        k = pydicom.dcmread(path).InstanceNumber - 1
        assert heights[k] - heights[0] == pytest.approx(image.GetOrigin()[2] - 10, abs=1e-6)
        theirs = SimpleITK.GetArrayFromImage(image)[0].T
        np.testing.assert_array_equal(theirs, scan.voxels[:, :, k])


def test_localizers_are_the_volumes_of_dcm2niix(tmp_path):
    folder, voxels = tmp_path / "s", make_scans.head((16, 16, 6))
    for number, make in enumerate((make_scans.dicom_series, coronal, sagittal)):
        make(tmp_path / str(number), voxels + number)
        folder.mkdir(exist_ok=True)
        for path in (tmp_path / str(number)).iterdir():
            dataset = pydicom.dcmread(path)
            dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.3.4", "localizer"
            dataset.StudyInstanceUID = "1.2.3"
            dataset.save_as(folder / f"{number}{path.name}")
    out = tmp_path / "out"
    out.mkdir()
    command = [dcm2niix.bin, "-z", "n", "-f", "x", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    theirs = {int(nibabel.load(path).dataobj[...].min()): path for path in out.glob("*.nii")}
    found = [read_scan(folder, series=one.label) for one in find_volumes(folder)[0]]
    assert len(found) == len(theirs) == 3
    for scan in found:
        check_same(theirs[int(scan.voxels.min())], scan)


def test_a_tilted_gantry_is_where_every_slice_says(tmp_path):
    folder = tilted(tmp_path / "s", make_scans.head(SHAPE))
    scan = read_scan(folder)
    for path in folder.iterdir():
        image = SimpleITK.ReadImage(str(path))
        k = pydicom.dcmread(path).InstanceNumber - 1
        corner = LPS_TO_RAS[:3, :3] @ image.GetOrigin()
        np.testing.assert_allclose((scan.affine @ (0, 0, k, 1))[:3], corner, atol=1e-5)


def test_a_tilted_gantry_has_the_voxels_that_dcm2niix_straightens(tmp_path):
    # A tilt of whole rows: what dcm2niix makes of it are the same voxels, slice by slice further.
    spacing_mm, n_rows = (1.5, 1.25, 3.0), 2
    tilt_mm = n_rows * spacing_mm[1]
    degrees = math.degrees(math.atan2(tilt_mm, spacing_mm[2]))

    def edit(k: int, dataset: pydicom.FileDataset) -> None:
        dataset.Modality, dataset.SOPClassUID = "CT", CTImageStorage
        dataset.GantryDetectorTilt = f"{-degrees:.8g}"

    voxels = make_scans.head(SHAPE)
    folder = make_scans.dicom_series(
        tmp_path / "s",
        voxels,
        tilt_mm=tilt_mm,
        spacing_mm=spacing_mm,
        cosines=([1, 0, 0], [0, 1, 0]),
        edit=edit,
    )
    scan = read_scan(folder)
    out = tmp_path / "out"
    out.mkdir()
    command = [dcm2niix.bin, "-z", "n", "-f", "x", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    check_same(out / "x_Tilt_1.nii", scan)


def test_a_segmentation_of_highdicom_comes_back(tmp_path):
    voxels = make_scans.head(SHAPE)
    folder = make_scans.dicom_series(
        tmp_path / "s", voxels, edit=lambda k, dataset: setattr(dataset, "StudyID", "1")
    )
    images = []
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        image.FrameOfReferenceUID = "1.2.3"
        for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate", "StudyTime"):
            setattr(image, name, "")
        image.ReferringPhysicianName = ""
        images.append(image)
    images.sort(key=lambda image: image.InstanceNumber)
    masks = np.stack([voxels > 120, voxels > 150], -1).transpose(2, 1, 0, 3).astype(np.uint8)
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"part {number}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Brain,
            algorithm_type="MANUAL",
        )
        for number in (1, 2)
    ]
    made = highdicom.seg.Segmentation(
        images,
        masks,
        "BINARY",
        described,
        highdicom.UID(),
        7,
        highdicom.UID(),
        1,
        "somebody",
        "something",
        "1",
        "1",
    )
    path = tmp_path / "seg.dcm"
    made.save_as(path)
    scan = read_scan(path)
    inside = np.flatnonzero(masks.any((1, 2, 3)))
    expected = masks.transpose(2, 1, 0, 3)[:, :, inside[0] : inside[-1] + 1]
    np.testing.assert_array_equal(scan.voxels, expected)
    whole = read_scan(folder).affine @ (0, 0, inside[0], 1)
    np.testing.assert_allclose(scan.affine[:3, 3], whole[:3], atol=1e-4)
    check_returned(path, tmp_path)


def check_returned(path: Path, tmp_path: Path) -> None:
    # OME-Zarr has no room for colours beside times.
    store = tmp_path / ("s.zarr" if read_scan(path).voxels.ndim > 4 else "s.ome.zarr")
    pack(path, store, lossless=True, force=True)
    report = unpack(store, tmp_path / "back.dcm", force=True)
    assert [file.outcome for file in report.files] == ["very bytes"]
    assert (tmp_path / "back.dcm").read_bytes() == path.read_bytes()


def test_pixels_in_jpeg_2000_decode_and_come_back(tmp_path):
    voxels = make_scans.head((64, 64, 4), np.uint16)
    folder = make_scans.dicom_series(
        tmp_path / "s", voxels, edit=lambda k, dataset: dataset.compress(JPEG2000Lossless)
    )
    np.testing.assert_array_equal(read_scan(folder).voxels, voxels)
    pack(folder, tmp_path / "s.ome.zarr", lossless=True)
    report = unpack(tmp_path / "s.ome.zarr", f"{tmp_path / 'back'}/")
    assert {file.outcome for file in report.files} == {"very bytes"}
    for path in folder.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def shipped() -> list[Path]:
    """Every file that pydicom ships for its tests."""
    return sorted(Path(name) for name in get_testdata_files() if Path(name).is_file())


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.name)
def test_every_file_of_pydicom_comes_back_or_is_refused_in_one_line(tmp_path, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_returned(path, tmp_path)
        except (MedROIError, ImportError) as error:
            text = str(error)
            assert "\n" not in text
            assert path.name in text
            assert len(text.replace(str(path), "")) < 1500
            assert not any(tmp_path.iterdir())


def in_order(scan) -> np.ndarray:
    """The voxels as pydicom has them: (frame, row, column, sample), without axes of one."""
    voxels = scan.voxels if "components" in scan.details else scan.voxels[..., None]
    frames = voxels.reshape((*voxels.shape[:2], -1, voxels.shape[-1]), order="F")
    return frames.transpose(2, 1, 0, 3).squeeze()


def test_most_images_of_pydicom_have_the_pixels_that_it_decodes():
    syntaxes, n_images = set(), 0
    for path in shipped():
        try:
            scan = read_scan(path)
        except MedROIError:
            continue
        if "DICOMDIR" in path.name or scan.kind != "dicom":
            continue
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            continue
        syntax = dataset.file_meta.TransferSyntaxUID
        # Colours that are not compressed are kept as they are.
        dataset.pixel_array_options(raw=not syntax.is_encapsulated)
        np.testing.assert_array_equal(in_order(scan), dataset.pixel_array.squeeze())
        syntaxes.add(str(syntax))
        n_images += 1
    assert {JPEG2000Lossless, JPEGLSLossless} <= syntaxes
    assert len(syntaxes) >= 9
    assert n_images >= 80
