"""Notes that a careful reader needs about each table of summary.md."""

from __future__ import annotations

RATIO = """\
What a region saves of a lossless codec's bytes stands here. **What it saves of a lossy one's stands
under "At matched quality", not here**: at one setting the regions differ in quality as well as in
size, and with a rate fewer voxels are fewer bytes by definition. A lossless codec's PSNR is finite
where its region left out signal voxels (the next table says how many); "exact in n" counts scans in
which all of them came back, which no mean includes."""

DROPPED = """\
What each region drops, whatever the codec, counted over the same voxels for every region: all that
differ from the background and reach the scan's threshold, before any opening. The scan is the one
with the largest share missed. The largest connected group of missed voxels (26 neighbours) and the
brightest dropped voxel, signal or not, are those of all scans."""

MATCHED = """\
Bytes of full / bytes of the region at the same PSNR over the same voxels: geometric mean (smallest
to largest) over scans. **This is what a region saves; below 1 it costs.** A rate gives each slice
of a full volume the same bytes, those of air too, so under a rate part of the gain is better
rate control, which a codec driven by quality (a psnr, a step) does not show. "Not reached": the
region leaves out signal voxels, and no setting brings them back to the PSNR of full."""

EVIDENCE = """\
Over the signal voxels inside the region; means over n scans, or the worst where the column says so.
**error / noise** is the root mean square error over the noise of the original, estimated inside the
tissue: it says what a PSNR, which refers to the brightest voxel, does not. Up to about 0.7 the
volumes and textures tried here stayed within 2.5 %; from 2 on the codec smooths. Spectrum: noise
power of the decoded array over that of the original, 1 where nothing is lost. "Error beside itself"
is the correlation of the error with itself one voxel on, 0 where only noise is lost. VIF and
HaarPSI: in the display window, 1 is equal. Volume and Dice: three classes by thresholds of the
original; scans repeated with the same person differ by 0.96 % (whole brain, SIENAX, median;
Psychiatry Res. 193, 182) and 1.6 to 6.1 % (structures, FreeSurfer; Sci. Data 1, 37). Mean, sd,
contrast and energy: change of first-order and co-occurrence features (IBSI). **None of this
replaces a study with readers.**"""

PUBLISHED = """\
**Only columns of one protocol can be compared with each other.** The published ones scale each
slice to 8 bits by limits that are not stored, full and box each by their own; count a byte a voxel
whatever was stored, and no header; take equal slices for 100 dB and average; see the air in "full"
and not in "box"; and give a box fewer bytes at lower quality, which reads as a gain."""

TIMES = """\
Geometric mean of seconds by the clock for a scan, in one process on one core; finding the region is
in the encode time. MB is the most memory that encoding took, in any scan, beyond what the process
held before. A region's time says little where its quality is another than that of full."""

TESTS = """\
Paired two-sided t-tests over the scans of this data set, p corrected by Holm's method over all of
them together (tests.csv has those of two scans too); ratio is the geometric mean of second / first,
d the mean difference over the standard deviation of the differences. **Only rows of the protocol
"matched quality" compare files of one quality**, and those of lossless codecs. Scans of one scanner
are alike: a small p says that a difference is no accident among scans like these, not that it holds
elsewhere. Where all differences are equal there is no test."""

DEFINITIONS = """\
## Definitions

- CR: bytes of the array in its stored dtype / all bytes written: header, record, mask and payload.
  Tables hold geometric means over n scans. bpv: stored bits per voxel of the whole array.
- PSNR, SSIM, largest error: over the signal voxels, which are found once in a scan from its values
  alone (all that differ from the background and reach its threshold, unopened) and are the same for
  every codec and region. The peak is the range of the original in them. SSIM: Gaussian window of
  11 x 11, sigma 1.5, in each slice; other voxels count as equal. Lossless is infinite and enters no
  mean. psnr_volume_db in results.csv is over all voxels, with the same peak.
- "PSNR inside" (psnr_region_db) is over the voxels that the region keeps, against their own range.
  wavelet3d's setting psnr asks for this one. Signal voxels are the brighter ones of a region, which
  a codec changes a little more: their PSNR is lower.
- full keeps every voxel; box and mask are fitted to the scan as `medroi pack` does.
- jpeg2000's rate is that of MedROI, stored bytes / payload; the published rates are of 8-bit
  slices, so that rate 20 of 16-bit voxels is the published rate 10.
- published-wavelet is our rebuilding of what the publication calls JPEG2000-3D: PyWavelets, pickle
  and gzip. Under our protocol it has MedROI's region and record around it, and one stored scale.
- At matched quality, box and mask have the PSNR of full within 0.05 dB, by the codec's own setting.
  Where a setting cannot come that near (HEIF's quality is a whole number), the bytes are read off,
  on a logarithmic scale, between the two files around it."""
