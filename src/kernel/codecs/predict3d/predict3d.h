/* Shared by the files of predict3d. FORMAT.md section 7 is normative. */
#ifndef MEDROI_PREDICT3D_INTERNAL_H
#define MEDROI_PREDICT3D_INTERNAL_H

#include "base/bytes.h"
#include "base/kernel.h"
#include "entropy/magnitudes.h"

/* Loops worth newer instructions get a second copy, chosen when the program starts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define P3_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define P3_CLONES
#endif

/* Functions that a clone calls must be inlined into it to be compiled for its instructions. */
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define P3_INLINE static inline __attribute__((always_inline))
#else
#define P3_INLINE static inline
#endif

#define P3_TAPS 20        /* neighbours of a prediction */
#define P3_MAX_CLASSES 8  /* sets of weights per kind of slice */
#define P3_KINDS 3        /* slices with no, one and two reference slices */
#define P3_WEIGHT_BITS 12 /* weights and predictions carry this many fractional bits */
#define P3_MAX_TABLE 65536

/* Map from elements to numbers 0..top: their key (base/elements.h), constant low bits dropped, bits
 * that cannot be predicted sent raw, then a minimum subtracted or a place in a table looked up. */
typedef struct medroi_p3_map {
    medroi_block elements; /* of these; their shape does not count */
    uint8_t dropped_bits;  /* low bits that are the same in every element */
    uint8_t raw_bits;      /* next low bits, sent as they are */
    uint64_t dropped;      /* their value */
    uint64_t minimum;      /* of key >> (dropped_bits + raw_bits); ignored with a table */
    uint64_t top;          /* greatest number */
    uint64_t *table;       /* NULL, or top + 1 increasing keys; owned by whoever made the map */
    double step;           /* 0, or what the table's values are multiples of: */
    int64_t offset;        /* from this one on, without a gap */
} medroi_p3_map;

/* A block as slices of rows, each slice inside a margin: 2 rows above, 1 below, 2 voxels left
 * and right. */
typedef struct medroi_p3_volume {
    int64_t depth, height, width;
    int64_t row, slice; /* strides, in voxels */
    int64_t lag;        /* slices back to the second reference slice */
} medroi_p3_volume;

/* Prediction by weighted neighbours; the set of weights is chosen by the kind of slice and by
 * how rough the neighbourhood is. */
typedef struct medroi_p3_weights {
    int32_t n_classes[P3_KINDS];
    uint32_t limit[P3_KINDS][P3_MAX_CLASSES]; /* roughness from which class i + 1 begins */
    int32_t weight[P3_KINDS][P3_MAX_CLASSES][P3_TAPS];
} medroi_p3_weights;

medroi_p3_volume medroi_p3_shape(const medroi_block *block);
static inline int64_t medroi_p3_volume_voxels(const medroi_p3_volume *v) {
    return v->slice * v->depth;
}
static inline int64_t medroi_p3_origin(const medroi_p3_volume *v, int64_t z) {
    return z * v->slice + 2 * v->row + 2;
}

/* Kind of slice z, and its reference slices. */
static inline int medroi_p3_kind(const medroi_p3_volume *v, int64_t z) {
    return z == 0 ? 0 : z < v->lag ? 1 : 2;
}

medroi_status medroi_p3_find_map(const medroi_block *block, const void *data, medroi_p3_map *map,
                                 medroi_error *error);
void medroi_p3_load(const medroi_p3_map *map, const medroi_p3_volume *v, const void *data,
                    int32_t *voxels);
void medroi_p3_write_raw(const medroi_p3_map *map, const void *data, int64_t count,
                         medroi_bit_writer *raw);
void medroi_p3_store(const medroi_p3_map *map, const medroi_p3_volume *v, const int32_t *voxels,
                     medroi_bit_reader *raw, void *data);
void medroi_p3_write_map(const medroi_p3_map *map, medroi_rc_encoder *rc, medroi_bit_writer *raw);
medroi_status medroi_p3_read_map(medroi_p3_map *map, medroi_rc_decoder *rc, medroi_bit_reader *raw,
                                 medroi_error *error);

/* The margins of the voxels: rows above the first, and the ends of a row (before and after it is
 * known; after the last row, the row below it too). `row` points at x = 0. */
void medroi_p3_margin_top(const medroi_p3_volume *v, int32_t *voxels, int64_t z);
void medroi_p3_margin_left(const medroi_p3_volume *v, int32_t *row);
void medroi_p3_margin_right(const medroi_p3_volume *v, int32_t *row, int64_t y);
void medroi_p3_margins(const medroi_p3_volume *v, int32_t *voxels);

/* All that a method needs to code a part. */
typedef struct medroi_p3_part {
    medroi_p3_volume v;
    medroi_p3_map map;
    medroi_p3_weights weights;
    int32_t *voxels;   /* depth + 1 slices; the last stays zero and stands for missing references */
    int32_t low, high; /* smallest and greatest voxel */
    medroi_rc_encoder enc;
    medroi_rc_decoder dec;
    medroi_bit_writer put;
    medroi_bit_reader get;
    size_t limit; /* of the encoder's bytes */
} medroi_p3_part;

/* Whether an encoder has written more than it may, and can stop. */
static inline int medroi_p3_is_full(const medroi_p3_part *p) {
    return p->enc.full || p->put.full ||
           (size_t)(p->enc.next - p->enc.start) + (size_t)(p->put.next - p->put.start) > p->limit;
}

/* Code a part for a codec that tries it against its own code: `dst` has room for `limit` bytes and
 * 8 more; *nbytes is 0 where more than `limit` are needed, which is found out early. One that is
 * patient has local methods tried too. */
medroi_status medroi_p3_encode_within(const medroi_block *part, const void *data, int is_patient,
                                      size_t limit, uint8_t *dst, size_t *nbytes,
                                      medroi_error *error);

/* Choose and write, or read, the weights. */
void medroi_p3_write_weights(medroi_p3_part *p);
medroi_status medroi_p3_read_weights(medroi_p3_part *p, medroi_error *error);

/* The methods; decoding gives MEDROI_CORRUPT_STREAM for values out of range. */
medroi_status medroi_p3_encode_dense(medroi_p3_part *p, medroi_error *error);
medroi_status medroi_p3_decode_dense(medroi_p3_part *p, medroi_error *error);
medroi_status medroi_p3_encode_fast(medroi_p3_part *p, medroi_error *error);
medroi_status medroi_p3_decode_fast(medroi_p3_part *p, medroi_error *error);

/* The local method codes values below 2^24 in slices of 16 x 16 voxels and more, with one of a few
 * sets of neighbours. */
int medroi_p3_local_serves(const medroi_p3_volume *v, uint64_t top, int set);
medroi_status medroi_p3_encode_local(medroi_p3_part *p, int set, medroi_error *error);
medroi_status medroi_p3_decode_local(medroi_p3_part *p, medroi_error *error);

/* The stacked method, the smallest and slowest, codes such values in slices of 16 x 16 voxels to
 * 512 x 512. */
int medroi_p3_stacked_serves(const medroi_p3_volume *v, uint64_t top);
medroi_status medroi_p3_encode_stacked(medroi_p3_part *p, medroi_error *error);
medroi_status medroi_p3_decode_stacked(medroi_p3_part *p, medroi_error *error);

/* The method of label maps: which neighbours are alike counts, and no difference. */
medroi_status medroi_p3_encode_labels(medroi_p3_part *p, medroi_error *error);
medroi_status medroi_p3_decode_labels(medroi_p3_part *p, medroi_error *error);

medroi_status medroi_p3_corrupt(medroi_error *error, const char *what);

/* Samples are taken from the slices of one kind; there is one class of weights or as many as they
 * are worth. Returns 0 without memory. */
int medroi_p3_fit_kind(const medroi_p3_volume *v, const int32_t *voxels, int kind,
                       int32_t most_classes, medroi_p3_weights *weights);

/* Neighbours of the voxel at `c`: its own slice, the same place in reference slices n and f. */
static inline void medroi_p3_neighbours(const int32_t *c, const int32_t *n, const int32_t *f,
                                        int64_t row, int32_t tap[P3_TAPS]) {
    tap[0] = c[-1];
    tap[1] = c[-row];
    tap[2] = c[-row - 1];
    tap[3] = c[-row + 1];
    tap[4] = c[-2];
    tap[5] = c[-2 * row];
    tap[6] = n[0];
    tap[7] = n[-1];
    tap[8] = n[1];
    tap[9] = n[-row];
    tap[10] = n[row];
    tap[11] = n[-row - 1];
    tap[12] = n[-row + 1];
    tap[13] = n[row - 1];
    tap[14] = n[row + 1];
    tap[15] = f[0];
    tap[16] = f[-1];
    tap[17] = f[1];
    tap[18] = f[-row];
    tap[19] = f[row];
}

static inline uint32_t medroi_p3_distance(int32_t a, int32_t b) {
    uint32_t d = a > b ? (uint32_t)a - (uint32_t)b : (uint32_t)b - (uint32_t)a;
    return d < 1u << 27 ? d : 1u << 27;
}

/* Difference of the neighbours from theirs; zero where all are the same. */
static inline uint32_t medroi_p3_roughness(const int32_t tap[P3_TAPS], int kind) {
    uint32_t here = medroi_p3_distance(tap[0], tap[2]) + medroi_p3_distance(tap[1], tap[2]) +
                    medroi_p3_distance(tap[1], tap[3]);
    if (kind == 0)
        return here;
    return here + medroi_p3_distance(tap[6], tap[7]) + medroi_p3_distance(tap[6], tap[9]) +
           medroi_p3_distance(tap[0], tap[7]) + medroi_p3_distance(tap[1], tap[9]);
}

#endif
