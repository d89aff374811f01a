/* predict3d, fast method: what encoding and decoding share. */
#ifndef MEDROI_PREDICT3D_FAST_H
#define MEDROI_PREDICT3D_FAST_H

#include "codecs/predict3d/predict3d.h"
#include "entropy/prefix_code.h"

#define P3_ONE (1 << P3_WEIGHT_BITS)
#define P3_LONGEST_UNARY 20
#define P3_GREATEST_SIZE (1u << 26)
#define P3_CONTEXTS 32

/* Folded misses as tokens: 0 to 15, then two an octave with raw bits. */
static inline unsigned medroi_p3_token(uint32_t folded) {
    if (folded < 16)
        return folded;
    unsigned lg = (unsigned)medroi_log2(folded);
    return 8 + 2 * lg + (folded >> (lg - 1) & 1);
}
static inline int medroi_p3_token_bits(unsigned token) {
    return token < 16 ? 0 : (int)token / 2 - 5;
}
static inline uint32_t medroi_p3_token_base(unsigned token) {
    return token < 16 ? token : (2 + (token & 1)) << (token / 2 - 5);
}

/* Two contexts an octave. */
static inline uint32_t medroi_p3_context(uint32_t sum) {
    uint32_t context = medroi_level(sum) >> 1;
    return context < P3_CONTEXTS ? context : P3_CONTEXTS - 1;
}

/* Code of each context, and the lengths of each code. */
typedef struct medroi_p3_codes {
    uint8_t begins[P3_CONTEXTS]; /* 1: its own code, else that of the context before */
    uint8_t length[P3_CONTEXTS][MEDROI_PREFIX_TOKENS];
} medroi_p3_codes;

/* Form of a written token. */
typedef struct medroi_p3_word {
    uint16_t code;
    uint8_t length; /* of the code */
    uint8_t nbits;  /* with the raw bits */
    uint32_t base;  /* the number that raw bits are added to */
} medroi_p3_word;

/* Choose codes by how often tokens occur (which is added up where contexts share a code), write
 * them, and prepare their use. */
void medroi_p3_choose_codes(uint32_t count[P3_CONTEXTS][MEDROI_PREFIX_TOKENS],
                            medroi_p3_codes *codes);
void medroi_p3_write_codes(medroi_p3_part *p, const medroi_p3_codes *codes);
void medroi_p3_list_words(const medroi_p3_codes *codes,
                          medroi_p3_word words[P3_CONTEXTS][MEDROI_PREFIX_TOKENS]);

/* A run's length is a Rice number whose parameter follows the lengths before. */
typedef struct medroi_p3_runs {
    uint32_t typical; /* running mean, in 1/16 */
} medroi_p3_runs;

#define P3_FIRST_TYPICAL_RUN 256

static inline int medroi_p3_run_bits(const medroi_p3_runs *r) {
    return medroi_log2(r->typical) - 4;
}

static inline void medroi_p3_learn_run(medroi_p3_runs *r, uint64_t run) {
    uint32_t seen = run < (1u << 20) ? (uint32_t)run : 1u << 20;
    r->typical += seen - (r->typical >> 4);
    if (r->typical < 16)
        r->typical = 16;
}

/* Where a row lies: its voxels, those of the references, and sizes of misses. */
typedef struct medroi_p3_row {
    int32_t *c;
    const int32_t *n, *f;
    uint32_t *e;
    const uint32_t *en;
    int kind;
    int narrow; /* all sums fit 32 bits */
    int32_t w[P3_TAPS];
} medroi_p3_row;

/* Sizes of misses of two slices, with their margins of zeros. */
medroi_p3_row medroi_p3_row_at(const medroi_p3_part *p, uint32_t *sizes, int64_t z, int64_t y);

/* Prediction of a row before it is known: the weighted sum of all neighbours but those in
 * the row (narrow rows only), the sizes around but those in the row, and where a run may begin as
 * far as other rows tell (then also: voxel - 1 = voxel above). */
void medroi_p3_row_sums(const medroi_p3_row *r, int64_t row, int64_t width, int32_t *restrict sums);
void medroi_p3_row_around(const medroi_p3_row *r, int64_t row, int64_t width,
                          uint32_t *restrict around, uint8_t *restrict flat);

/* The weighted sum of one voxel's neighbours. */
int64_t medroi_p3_wide_sum(const medroi_p3_row *r, int64_t row, int64_t x);

#endif
