"""Files that nobody here reads, and the program that converts each."""

from __future__ import annotations

from pathlib import Path

# Ending of a name -> what the file is, and how it becomes one that is read.
_CONVERTED: dict[tuple[str, ...], tuple[str, str]] = {
    (".par", ".rec"): ("Philips PAR/REC", "parrec2nii IN.PAR (nibabel), or dcm2niix"),
    (".head", ".brik", ".brik.gz"): ("AFNI", "3dAFNItoNIFTI IN.HEAD (AFNI)"),
    (".v", ".ecat"): ("ECAT", "medcon -f IN -c nifti ((X)MedCon)"),
    (".vmr", ".vmp", ".vtc", ".fmr", ".v16"): ("BrainVoyager", "bvbabel, which writes NIfTI"),
    (".mif", ".mif.gz", ".mih"): ("MRtrix", "mrconvert IN out.nii.gz (MRtrix3)"),
    (".gipl", ".gipl.gz", ".vtk", ".vti"): ("ITK", "SimpleITK, which writes .mha or .nii.gz"),
    (".dcm.tar", ".zip", ".tar", ".tar.gz", ".tgz"): (
        "an archive",
        "unpack it into a folder first",
    ),
    (".spr", ".sdt"): ("WashU 4dfp or SDT", "nifti_4dfp -n IN out.nii"),
    (".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".svs"): (
        "a microscope's",
        "bioformats2raw IN out.zarr (Glencoe), which writes OME-Zarr",
    ),
    (".jpg", ".jpeg", ".bmp", ".gif"): ("a picture that is no scan", "save it as PNG or TIFF"),
    (".gii", ".gii.gz", ".trk", ".tck", ".annot", ".label"): (
        "a surface or tract, which has no voxels",
        "nothing here stores it",
    ),
    (".mat",): ("MATLAB's", "niftiwrite in MATLAB, or scipy.io and nibabel"),
}


def advice_for(path: Path) -> str | None:
    """Say in one line what a file is and what converts it; None where that is not known."""
    name = path.name.lower()
    for endings, (what, how) in _CONVERTED.items():
        if name.endswith(endings):
            return f"{path}: {what} file, which is not read here; convert it: {how}"
    return None
