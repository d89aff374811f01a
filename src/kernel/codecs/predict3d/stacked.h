/* The stacked method of predict3d: what its files share. FORMAT.md section 7.8 is normative. */
#ifndef MEDROI_P3_STACKED_H
#define MEDROI_P3_STACKED_H

#include "codecs/predict3d/local.h"

#define STACKED_FITS 3                     /* predictions from neighbours */
#define STACKED_GUESSES (1 + STACKED_FITS) /* with the one that is stacked on them, the first */
#define STACKED_FINAL STACKED_GUESSES      /* the place of the mean's errors behind theirs */
#define STACKED_ERRORS 8                   /* room for them */
#define STACKED_APART (STACKED_FITS - 1)   /* differences of predictions from the first fit */
#define STACKED_MISSES 25                  /* neighbours whose misses the stack sees */
#define STACKED_ROWS 4                     /* of samples that are kept: the least common multiple */

#define STACKED_LANES 16 /* room for experts */
#define STACKED_EXPERTS (6 + STACKED_GUESSES)
#define STACKED_COUNTERS 7
#define STACKED_INPUTS 24 /* of a decision: experts, counters and a constant */
#define STACKED_SETS 3    /* of weights that are averaged */
#define STACKED_NODES 64
#define STACKED_CONTEXTS 4096

typedef int32_t stacked_weights[STACKED_INPUTS];

/* Chance of a 1 as 22 bits, and how often it was seen as 8. */
typedef uint32_t stacked_counter;

/* The curves of stacked_tables.h, value by value. */
typedef struct stacked_curves {
    int32_t softplus[2048], width[641];
    uint16_t squash[4095];
    int16_t stretch[4096];
} stacked_curves;

typedef struct stacked_coder {
    medroi_p3_part *p;
    medroi_p3_volume v; /* the part's, with the margins of the local methods */
    int n_taps[STACKED_FITS];
    local_tap taps[STACKED_FITS][LOCAL_TAPS];
    local_sums fits[STACKED_FITS], stack;
    int32_t *voxels; /* depth + 1 slices: the first stands for missing ones */
    local_mean mean;
    int64_t n_slices;                   /* of what follows that are kept */
    uint32_t (*errors)[STACKED_ERRORS]; /* in 1/8 voxel, of all guesses and of the mean */
    int32_t *misses;                    /* of the first fit, in 1/16 voxel, signed */
    uint8_t *signs;                     /* whether the mean's are positive */
    uint16_t *weights;                  /* of the samples of STACKED_ROWS rows */
    uint16_t *shifts;
    int32_t *apart[STACKED_APART]; /* the same rows, in 1/16 voxel */
    int bad;                       /* a value out of range was decoded */
    medroi_bit_model flat[4];
    int32_t bias_by_sides[11 * 32], bias_by_signs[16 * 64]; /* 2^-16 voxel */
    uint32_t ratio[128], ratio_by_roughness[64 * 64];       /* 2^-16 */
    uint32_t ratio_by_spread[64 * 64], ratio_by_value[64 * 64];
    uint32_t ratio_of_guess[STACKED_GUESSES][128];
    stacked_counter (*counters)[STACKED_CONTEXTS][STACKED_NODES]; /* [STACKED_COUNTERS] */
    stacked_weights (*mixers)[STACKED_NODES][16];                 /* [STACKED_SETS] */
    uint8_t mixed[STACKED_SETS][STACKED_NODES][16];               /* how often, up to 255 */
    stacked_curves curves;
} stacked_coder;

/* One view of the voxel to come: a logistic. */
typedef struct stacked_expert {
    int64_t mean; /* 8 fractional bits */
    int level;    /* of its scale, eight an octave */
} stacked_expert;

/* All that is known of the voxel to come. */
typedef struct stacked_outlook {
    int64_t mean; /* that the tree of decisions stands on */
    int level;
    stacked_expert experts[STACKED_EXPERTS];
    uint32_t contexts[STACKED_COUNTERS]; /* below STACKED_CONTEXTS */
    int sets[STACKED_SETS];              /* below 16 */
} stacked_outlook;

#endif
