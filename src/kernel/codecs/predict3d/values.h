/* predict3d: which codes the elements of a part use. For the encoder only. */
#ifndef MEDROI_PREDICT3D_VALUES_H
#define MEDROI_PREDICT3D_VALUES_H

#include "codecs/predict3d/predict3d.h"

typedef struct medroi_p3_values {
    int64_t count;             /* elements */
    uint64_t first, low, high; /* code of the first element; least and greatest code */
    uint64_t differ;           /* bits in which a code differs from the first */
    uint8_t *used;             /* a flag for each code from low to high, or NULL */
    uint64_t *codes;           /* those used, in order; NULL where there are too many */
    int64_t n_codes;
} medroi_p3_values;

/* Find all but the list of codes; medroi_p3_values_free() afterwards, whatever the status. */
medroi_status medroi_p3_survey(const medroi_p3_map *map, const uint8_t *data, int64_t count,
                               medroi_p3_values *values);
/* List the codes if there are at most `limit`. */
medroi_status medroi_p3_list_codes(const medroi_p3_map *map, const uint8_t *data, int64_t limit,
                                   medroi_p3_values *values);
/* Whether an element has this code; the codes must be listed. */
int medroi_p3_is_used(const medroi_p3_values *values, uint64_t code);
void medroi_p3_values_free(medroi_p3_values *values);

#endif
