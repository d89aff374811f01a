/* Connected groups of signal voxels that a region drops. */
#ifndef MEDROI_REGION_GROUPS_H
#define MEDROI_REGION_GROUPS_H

#include "region/kept.h"

#define MEDROI_GROUP_LIMIT 8 /* a region drops no group of more voxels */

/* Take every voxel of a group above the limit. */
typedef void medroi_voxel_visitor(void *context, int64_t z, int64_t y, int64_t x);

typedef struct medroi_group_search {
    const medroi_kept *kept;
    uint64_t limit;
    medroi_voxel_visitor *visit; /* may be NULL */
    void *context;
} medroi_group_search;

/* Whether what is dropped is counted alone, on request, and nothing joins. */
static inline int medroi_only_counts(const medroi_search *search) {
    return search->options->largest_only || search->options->max_miss_rate == 1;
}

size_t medroi_groups_scratch_nbytes(const medroi_search *search);
/* Follow all groups of voxels of search->beyond that are not kept. */
medroi_groups medroi_find_groups(medroi_search *search, const medroi_group_search *wanted,
                                 uint8_t *scratch);

#endif
