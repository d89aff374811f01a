/* Samples of what a region leaves out, on which the judgement of "auto" and the signal level rest.
 */
#ifndef MEDROI_REGION_AIR_H
#define MEDROI_REGION_AIR_H

#include "region/kept.h"

#define MEDROI_AIR_SAMPLES 8192
#define MEDROI_AIR_LABELS 16 /* distinct values that a label map has at most */
#define MEDROI_AIR_SIDES 6

typedef struct medroi_air {
    double *values;
    double *next;   /* the neighbour along x, NaN where that is inside the region */
    double *below;  /* the neighbour along y (z where there is no y) */
    double *others; /* room for a selection, or for the samples in order */
    uint8_t *side;
    size_t n;
    double labels[MEDROI_AIR_LABELS + 1];
    size_t n_labels;
    int flat;
    int not_finite;
} medroi_air;

size_t medroi_air_scratch_nbytes(void);
/* Sample the voxels below search->tau that are not kept. */
medroi_air medroi_sample_air(medroi_search *search, const medroi_kept *kept, void *scratch);

#endif
