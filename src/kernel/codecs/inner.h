/* The native inner codecs, one per file. */
#ifndef MEDROI_INNER_H
#define MEDROI_INNER_H

#include "base/kernel.h"

/* One of the numbers that a codec takes, `params` in the calls of medroi_inner, in their order. */
typedef struct medroi_parameter {
    const char *name;
    double fallback; /* NaN: it has to be given */
    double low;      /* the smallest and the greatest that is taken */
    double high;
    const char *help;
    const char *choices; /* names of low, low + 1, ..., separated by commas; NULL: a number */
} medroi_parameter;

/* Tables of parameters; also of codecs that this build lacks. raw has none. */
enum {
    MEDROI_DEFLATE_N_PARAMETERS = 2,
    MEDROI_ZSTD_N_PARAMETERS = 2,
    MEDROI_JPEG2000_N_PARAMETERS = 3,
    MEDROI_WAVELET3D_N_PARAMETERS = 5,
    MEDROI_PREDICT3D_N_PARAMETERS = 1
};
extern const medroi_parameter medroi_deflate_parameters[MEDROI_DEFLATE_N_PARAMETERS];
extern const medroi_parameter medroi_zstd_parameters[MEDROI_ZSTD_N_PARAMETERS];
extern const medroi_parameter medroi_jpeg2000_parameters[MEDROI_JPEG2000_N_PARAMETERS];
extern const medroi_parameter medroi_wavelet3d_parameters[MEDROI_WAVELET3D_N_PARAMETERS];
extern const medroi_parameter medroi_predict3d_parameters[MEDROI_PREDICT3D_N_PARAMETERS];

extern const medroi_inner medroi_raw;
#ifdef MEDROI_HAVE_ZLIB
extern const medroi_inner medroi_deflate;
#endif
#ifdef MEDROI_HAVE_ZSTD
extern const medroi_inner medroi_zstd;
#endif
#ifdef MEDROI_HAVE_OPENJPEG
extern const medroi_inner medroi_jpeg2000;
#endif
extern const medroi_inner medroi_wavelet3d;
extern const medroi_inner medroi_predict3d;

/* Slices per part for codecs that gain nothing from longer parts: about 512 KiB, which stays in a
 * second-level cache between the copy, the checksum and the coder. */
int64_t medroi_short_part_extent(const medroi_block *region, const double *params);
/* The least number of parts of at most `n_voxels`, or of one slice, that a region comes to. */
int64_t medroi_count_parts(const medroi_block *region, int64_t n_voxels);

#endif
