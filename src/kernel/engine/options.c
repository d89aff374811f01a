/* The options of a configuration: the table from which every binding takes names, defaults, limits
 * and help, and by which a configuration is read and written. */
#include "engine/config.h"

#include <string.h>

static const char *const thresholds[] = {"mean", "otsu", "noise", "auto", NULL};
static const char *const polarities[] = {"bright", "dark", NULL};
static const char *const regions[] = {"box", "mask", NULL};
static const char *const components[] = {"all", "largest", NULL};

static const medroi_option options[] = {
    {"inner", "\"zstd\"",
     "a name, {\"id\": name, setting: value, ...}, or {\"name\": name, \"configuration\": "
     "{setting: "
     "value, ...}}",
     "inner codec of the region, with its settings", NULL},
    {"threshold", "\"auto\"", "\"mean\", \"otsu\", \"noise\", \"auto\", a number, or null",
     "which voxels are tissue, in stored units: those at the threshold and above. \"mean\" is the "
     "mean of the voxels that are not background, as published; \"noise\" lies just above the "
     "noise of the air, and a mask takes it for \"mean\" and \"otsu\" too. \"auto\" is \"noise\" "
     "where what it drops is shown to be noisy air and the array is completely written, else null. "
     "null keeps every voxel that differs from the background in any bit",
     thresholds},
    {"polarity", "\"bright\"", "\"bright\" or \"dark\"",
     "whether tissue is brighter or darker than the air", polarities},
    {"roi", "\"box\"", "\"box\" or \"mask\"",
     "shape of the region: the bounding box of the tissue, or its foreground mask, around which "
     "the air of the box becomes background too. \"hull\" is an earlier name of \"mask\"",
     regions},
    {"background", "null", "a number in stored units, \"auto\", or null",
     "value of the air, and of every voxel outside the region once decoded. \"auto\" finds it in "
     "each array (NaN where the border is NaN), and keeps everything where it cannot be found. "
     "null is the array's fill value where the codec sees it (Zarr format 3, HDF5), else 0",
     NULL},
    {"padding", "3", "0 to 2147483647 voxels", "voxels added on every side of the box", NULL},
    {"max_miss_rate", "0.002", "0 to 1",
     "largest share of all voxels at the threshold, and of the signal, that may lie outside the "
     "region, which grows until no more do. Below 1, no connected group of more than 8 signal "
     "voxels is left out either",
     NULL},
    {"axes", "null", "1 to 3 different axes, or null",
     "array axes of the volume; null is the last three. The others share one region", NULL},
    {"components", "\"all\"", "\"all\" or \"largest\"",
     "which connected components of the tissue count: \"largest\" leaves out what is not "
     "connected to the largest, such as burnt-in labels and tables, and lists it",
     components},
    {"slice_axis", "null", "an axis, or null",
     "array axis along which the inner codec sees slices; null is the outermost in memory", NULL},
    {"affine", "null", "3 x 3 or 4 x 4 numbers, or null",
     "voxel index to mm; its upper-left 3 x 3 goes into the record. null is the identity", NULL},
    {"verify", "false", "true or false",
     "decode every stream after encoding it, and refuse one that does not give back the region as "
     "its inner codec promises",
     NULL},
};

const medroi_option *medroi_options(size_t *n) {
    *n = sizeof options / sizeof *options;
    return options;
}

const medroi_option *medroi_find_option(const char *name) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}
