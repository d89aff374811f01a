/* wavelet3d, second version: what was fitted to scans. FORMAT.md section 8.1 has the same tables.
 */
#ifndef MEDROI_WAVELET3D_MIXED_TABLES_H
#define MEDROI_WAVELET3D_MIXED_TABLES_H

#include "codecs/wavelet3d/planes.h"
#include "entropy/logistic.h"

/* By the type of band, and whether it is of the finest level: weights of the coefficient before,
 * the one before that, and the views, in 1/256. */
extern const int16_t medroi_w3_weights[W3_TYPES][2][2 + W3_VIEWS];

/* Logits in 1/16 of "the magnitude is above t" for t = 0, 1, 2, and 3 or more, by the quantiser. */
extern const int8_t medroi_w3_logits[2][4][W3_EXPECTED_LEVELS];

static inline int32_t medroi_w3_prior(int odd, int decision, uint32_t level) {
    return medroi_logistic_squash(16 * medroi_w3_logits[odd][decision < 3 ? decision : 3][level]);
}

#endif
