/* The native inner codecs, one per file. */
#ifndef MEDROI_INNER_H
#define MEDROI_INNER_H

#include "codecs/parameters.h"

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

/* The settings of all native codecs, also of those that this build lacks. */
const medroi_parameters *const *medroi_all_parameters(size_t *n);
/* Those of the codec with this id, or NULL. */
const medroi_parameters *medroi_find_parameters(uint16_t id);

/* Slices per part for codecs that gain nothing from longer parts: about 512 KiB, which stays in a
 * second-level cache between the copy, the checksum and the coder. */
int64_t medroi_short_part_extent(const medroi_block *region, const double *params);
/* The least number of parts of at most `n_voxels`, or of one slice, that a region comes to. */
int64_t medroi_count_parts(const medroi_block *region, int64_t n_voxels);

#endif
