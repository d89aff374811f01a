"""Files that nobody here reads, and the program that converts each."""

from __future__ import annotations

from pathlib import Path

_WITH = "convert it with "
# Ending of a name -> what the file is, and how it becomes one that is read.
_ADVICE: dict[tuple[str, ...], tuple[str, str]] = {
    (".par", ".rec"): ("a Philips PAR/REC file", _WITH + "parrec2nii (nibabel) or dcm2niix"),
    (".head", ".brik", ".brik.gz"): ("an AFNI file", _WITH + "3dAFNItoNIFTI IN.HEAD"),
    (".v", ".ecat"): ("an ECAT file", _WITH + "medcon -f IN -c nifti ((X)MedCon)"),
    (".vmr", ".vmp", ".vtc", ".fmr", ".v16"): ("a BrainVoyager file", _WITH + "bvbabel"),
    (".mif", ".mif.gz", ".mih"): ("an MRtrix file", _WITH + "mrconvert IN out.nii.gz"),
    (".gipl", ".gipl.gz", ".vtk", ".vti"): ("a file of ITK", _WITH + "SimpleITK, to .nii.gz"),
    (".zip", ".tar", ".tar.gz", ".tgz"): ("an archive", "unpack it into a folder first"),
    (".spr", ".sdt"): ("a file of 4dfp or SDT", _WITH + "nifti_4dfp -n IN out.nii"),
    (".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi", ".svs"): (
        "a microscope's file",
        _WITH + "bioformats2raw IN out.zarr, to OME-Zarr",
    ),
    (".jpg", ".jpeg", ".bmp", ".gif"): ("a picture that is no scan", "save it as PNG or TIFF"),
    (".gii", ".gii.gz", ".trk", ".tck", ".annot", ".label"): (
        "a surface or tracts, which have no voxels",
        "nothing here stores it",
    ),
    (".mat",): ("a file of MATLAB", _WITH + "niftiwrite in MATLAB, or scipy and nibabel"),
}


def advice_for(path: Path) -> str | None:
    """Say in one line what a file is and what converts it; None where that is not known."""
    name = path.name.lower()
    for endings, (what, how) in _ADVICE.items():
        if name.endswith(endings):
            return f"{path}: {what}, which is not read here; {how}"
    return None
