/* wavelet3d: what a search for a step knows, and what it can ask. */
#ifndef MEDROI_WAVELET3D_SEARCH_H
#define MEDROI_WAVELET3D_SEARCH_H

#include "codecs/wavelet3d/wavelet3d.h"

/* The coefficients of all blocks, transformed once. A block is cut into parts as it will be coded.
 */
typedef struct medroi_w3_search {
    const medroi_blocks *blocks;
    const double *spacing; /* of the last three axes; 0: not known */
    medroi_w3_axes *axes;  /* of each block */
    double low, high;      /* of all elements */
    int64_t nbytes;        /* of them */
    int64_t n_elements, n_kept;
    double range; /* of the kept */
    char kind;    /* of an element */
    uint16_t itemsize;
    uint8_t is_mixed; /* 1: the second version */
    double coarser;   /* a step of it is about as good as one of the first that is finer by this */
    double unit;      /* of the coefficients below, in stored units */
    float **kept;     /* of each part, or NULL: transform it again */
    int64_t n_parts;
    float *work;       /* room for one part's coefficients */
    int32_t *indices;  /* and for their indices, or NULL: the first version */
    uint8_t *elements; /* room for one part's elements, or its code */
    int64_t most;      /* elements of a part */
    /* Coefficients by size: so many (count) of about this size (value). */
    int64_t *count;
    float *value;
    int32_t n_bins;
    medroi_error *error;
} medroi_w3_search;

/* One part after another. */
typedef struct medroi_w3_cursor {
    uint64_t next_block;   /* behind the one that is loaded */
    medroi_block whole;    /* that one, */
    const uint8_t *start;  /* its elements, */
    const uint8_t *marks;  /* and those of them that are kept, or NULL */
    int64_t extent, slice; /* of its parts; the slice of the next one */
    int64_t number;        /* of the part, among those of all blocks */
    medroi_block part;
    const uint8_t *data;
    const uint8_t *inside; /* of each element: 0 where decoding sets it back; NULL: nowhere */
    medroi_status status;
} medroi_w3_cursor;
#define MEDROI_W3_START                                                                            \
    { .number = -1 }
/* Go on to the next part. Returns 0 behind the last, and after a failure. */
int medroi_w3_next_part(const medroi_w3_search *s, medroi_w3_cursor *c);

/* Look at all elements: sets what is said about them above, and the axes as the spacing has one
 * guess them. Needs blocks, spacing, error, and room for the axes. */
medroi_status medroi_w3_survey(medroi_w3_search *s);

/* Needs the survey. Close it even after a failure; it can be opened again. */
medroi_status medroi_w3_search_open(medroi_w3_search *s);
void medroi_w3_search_close(medroi_w3_search *s);

/* From the sizes of coefficients alone: squared error of all elements in squared stored units, with
 * reconstruction points as they will be learned, and about how many bytes. */
double medroi_w3_predicted_error(const medroi_w3_search *s, double step);
double medroi_w3_predicted_nbytes(const medroi_w3_search *s, double step);

/* The same, found by doing it; the error is that of kept elements. */
medroi_status medroi_w3_true_error(const medroi_w3_search *s, double step, double *sum);
medroi_status medroi_w3_true_nbytes(const medroi_w3_search *s, double step, double *total);

/* The step at which a prediction meets a goal: squared error of all elements, or bytes. */
double medroi_w3_step_of_error(const medroi_w3_search *s, double goal);
double medroi_w3_step_of_nbytes(const medroi_w3_search *s, double goal);

/* Find the step. The goal is the squared error of the kept elements, reached within 0.2 dB, or else
 * by the coarsest step known to lose less; *is_met is 0 where there is none. */
medroi_status medroi_w3_reach_error(const medroi_w3_search *s, double goal, double *step,
                                    int *is_met);
/* The goal is the payload's bytes: reached within 1 %, or else with as few as were found. */
medroi_status medroi_w3_reach_nbytes(const medroi_w3_search *s, double goal, double *step);

/* The finest step: coefficients keep within what single precision holds. */
static inline double medroi_w3_least_step(double low, double high) {
    return (high - low) / 4194304.0;
}

#endif
