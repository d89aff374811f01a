"""The words of the page: what every quantity means, and what a careful reader has to know."""

DEFINITIONS = (
    (
        "region",
        "full: every voxel is coded. box: the bounding box of the tissue, padded. mask: the "
        "box, and in it all voxels outside the closed foreground mask set to "
        "background. Both discard what is outside them: it comes back as background.",
    ),
    (
        "compression ratio",
        "Bytes of the array in its stored dtype, over all bytes written: header, the 54-byte "
        "record, side data and payload.",
    ),
    (
        "bpv, volume",
        "Bits written per voxel of the full volume, whatever the region.",
    ),
    (
        "bpv, region",
        "The same bits per voxel of the region.",
    ),
    (
        "signal voxels",
        "The voxels over which PSNR, SSIM and the largest error are taken: all that differ from "
        "the background and reach the scan's threshold, before any opening. They are found once "
        "for each scan, from its values alone, and are the same for every codec and region.",
    ),
    (
        "PSNR",
        "10 log10(peak² / mean squared error) over the signal voxels, in stored units. The "
        "peak is the range of the original's signal voxels. What comes back exactly "
        "is ∞ and is never averaged; “(2 \N{MULTIPLICATION SIGN} ∞)” says how many scans that was.",
    ),
    (
        "SSIM",
        "Structural similarity over the same voxels with the same peak.",
    ),
    (
        "max error",
        "The largest absolute difference over the same voxels, in stored units: the largest "
        "of all scans.",
    ),
    (
        "miss rate",
        "Signal voxels outside the region, as a share of all signal voxels: the largest of all "
        "scans. missed is their number.",
    ),
    (
        "brightest dropped",
        "The brightest voxel that does not come back as it was because it is outside the region, "
        "in stored units, signal or not: the brightest of all scans. Where tissue is darker than "
        "the air, the darkest of a scan.",
    ),
    (
        "encode, decode",
        "Seconds by the clock, one thread, taken in a separate pass with nothing else "
        "running. They belong to this machine; encoding includes the search for the region.",
    ),
    (
        "peak memory",
        "Most memory of the process while encoding, over what it had before: the most of all "
        "scans. 1 MB is 10⁶ bytes.",
    ),
    (
        "matched quality",
        "Box and mask are coded again until their PSNR over the signal voxels is within 0.05"
        " dB of the full volume's. Codecs whose quality is a whole number: bytes read off "
        "between the two nearest files, logarithmically.",
    ),
    (
        "over several scans",
        "Ratios, shares of bytes and seconds are geometric means, with the least and the most"
        " in brackets; bpv, PSNR and SSIM are arithmetic means, with the sample standard "
        "deviation after ±.",
    ),
)

EQUAL_QUALITY = (
    "Bytes of a region as a percentage of the full volume's bytes for the same scan and "
    "codec, where both have the same PSNR over the same voxels, or where the codec is "
    "lossless: geometric mean over the scans. Below 100 % the region saves. This is the "
    "comparison to quote: what a region saves here was not paid for by quality, but for the "
    "share of signal voxels in the column missed."
)
RATE_DISTORTION = (
    "Mean over the scans of a data set. Further up and further left is better. Levels of one "
    "codec at different regions are not at one quality: read them along the curves."
)
PANEL = (
    "One slice of one scan. Errors outside a region are the air that it discards, which is no"
    " error of the codec and not part of any PSNR here."
)
SUMMARY = (
    "Every level as it was asked for, so that full, box and mask of a lossy codec may differ "
    "in quality as well as in bytes: compare ratios only where PSNR is the same. Of a "
    "lossless codec PSNR is finite where the region leaves out signal voxels; the miss "
    "rate says how many."
)
PUBLISHED = (
    "The published protocol reproduces the publication's own definitions, flaws included, on "
    "these scans. It differs from ours, and flatters a region, because it rescales voxels to "
    "8 bits by minima and maxima that it does not store, for the full volume and for the box "
    "each on its own; counts a byte a voxel (or a file's size) as the original whatever is "
    "stored; takes PSNR in those 8 bits as a mean over slices capped at 100 dB, of the full "
    "volume with its air and of the box without it; and holds a rate per coded pixel, so that"
    " fewer pixels are fewer bytes at another quality. Neither column is wrong arithmetic: "
    "they answer different questions, and only ours answers how many bytes the same voxels "
    "need."
)
TESTS = (
    "Two-sided paired t-tests over the scans of a data set. A difference is second minus first; "
    "the ratio is the geometric mean of second over first; Cohen's d is the mean difference over "
    "the standard deviation of the differences. p is corrected by Holm over all rows of its "
    "data set; bold where it stays below 0.05. Few scans can hide a difference, a small p says "
    "nothing about its size (read d and the ratio), and scans of one scanner are alike: it "
    "need not hold elsewhere."
)
EVIDENCE = (
    "What PSNR does not say, over the signal voxels inside a region; curves are of the mask where "
    "there is one. Error / noise is the root mean square error over the noise of the original, "
    "estimated inside the tissue: below about 0.7, volumes and textures stayed within 2.5 % in "
    "what was tried; from 2 on the codec smooths. The spectrum is the noise power that is left, "
    "and the correlation of the error with itself one voxel on is near 0 where only noise is "
    "lost. VIF and HaarPSI look at slices in the display window. Tissue classes are cut by two "
    "thresholds of the original, the same for the decoded array; the lines are what published "
    "studies found between two scans of one person (SIENAX: Psychiatry Research 193, 182; "
    "FreeSurfer: Scientific Data 1, 37). Texture is contrast and joint energy of co-occurring "
    "grey levels, as a change. None of this replaces a study with readers."
)
