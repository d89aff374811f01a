/* Volumes of bits: rows of 64-bit words, bit x of a row in word x / 64. Bits beyond the row are 0.
 */
#ifndef MEDROI_BITS_H
#define MEDROI_BITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct medroi_bits {
    uint64_t *words;
    int64_t n_z;
    int64_t n_y;
    int64_t n_x;
    int64_t n_words; /* of one row */
} medroi_bits;

/* `words` is left to the caller. */
medroi_bits medroi_make_bits(int64_t n_z, int64_t n_y, int64_t n_x);
size_t medroi_bits_nbytes(const medroi_bits *bits);
void medroi_clear_bits(const medroi_bits *bits);

static inline uint64_t *medroi_bit_row(const medroi_bits *bits, int64_t z, int64_t y) {
    return bits->words + (z * bits->n_y + y) * bits->n_words;
}

static inline int medroi_get_bit(const uint64_t *row, int64_t x) {
    return (int)(row[x >> 6] >> (x & 63) & 1);
}

static inline void medroi_set_bit(uint64_t *row, int64_t x) {
    row[x >> 6] |= UINT64_C(1) << (x & 63);
}

/* The place of the lowest set bit of a word that has one. */
static inline int64_t medroi_lowest_bit(uint64_t v) {
#if defined(__GNUC__)
    return __builtin_ctzll(v);
#else
    int64_t n = 0;
    for (; !(v & 1); v >>= 1) {
        n++;
    }
    return n;
#endif
}

/* The bits of word `word` that lie in [start, stop). */
static inline uint64_t medroi_run_mask(int64_t word, int64_t start, int64_t stop) {
    int64_t low = start - word * 64;
    int64_t high = stop - word * 64;
    if (high <= 0 || low >= 64) {
        return 0;
    }
    uint64_t mask = low > 0 ? UINT64_MAX << low : UINT64_MAX;
    return high < 64 ? mask & ((UINT64_C(1) << high) - 1) : mask;
}

/* The rows of a cube of `edge` that begins at z, y; returns how many, fewer at the far ends. */
static inline int medroi_cube_rows(const medroi_bits *bits, int64_t z, int64_t y, int64_t edge,
                                   const uint64_t **rows) {
    int n = 0;
    for (int64_t k = z; k < z + edge && k < bits->n_z; k++) {
        for (int64_t j = y; j < y + edge && j < bits->n_y; j++) {
            rows[n++] = medroi_bit_row(bits, k, j);
        }
    }
    return n;
}

/* Word i of all rows together. */
static inline uint64_t medroi_any_of_rows(const uint64_t *const *rows, int n, int64_t i) {
    uint64_t any = rows[0][i];
    for (int k = 1; k < n; k++) {
        any |= rows[k][i];
    }
    return any;
}

/* Bits [start, stop) of a row to 1, or to 0. */
void medroi_set_run(uint64_t *row, int64_t start, int64_t stop);
void medroi_clear_run(uint64_t *row, int64_t start, int64_t stop);
uint64_t medroi_count_run(const uint64_t *row, int64_t start, int64_t stop);
/* All set bits. */
uint64_t medroi_count_bits(const medroi_bits *bits);
/* Set bits outside [start, stop), which is not empty, of rows that lie behind one another. */
uint64_t medroi_count_beside(const medroi_bits *bits, const uint64_t *rows, int64_t n_rows,
                             int64_t start, int64_t stop);
/* The first set bit at or behind `start`, or n_x. */
int64_t medroi_next_set(const medroi_bits *bits, const uint64_t *row, int64_t start);
int64_t medroi_next_clear(const medroi_bits *bits, const uint64_t *row, int64_t start);
/* The last set bit of a row that has one. */
int64_t medroi_last_set(const medroi_bits *bits, const uint64_t *row);

/* Each of 32 bits twice. */
static inline uint64_t medroi_twice(uint64_t v) {
    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    v = (v | v << 2) & UINT64_C(0x3333333333333333);
    v = (v | v << 1) & UINT64_C(0x5555555555555555);
    return v | v << 1;
}

/* Word `word` of a row of voxels whose tiles, of two along x, are the bits of `tiles`. */
static inline uint64_t medroi_tile_voxels(const uint64_t *tiles, int64_t word) {
    return medroi_twice(tiles[word >> 1] >> (word & 1) * 32 & UINT32_MAX);
}

/* Set every bit that lies between set bits along at least two of the three axes. `along_z` and
 * `along_y` are volumes of the same size. */
void medroi_fill_majority(const medroi_bits *bits, const medroi_bits *along_z,
                          const medroi_bits *along_y);

/* --- cross.c --- */

/* Reach of the cross: 0 along axes that it leaves alone. */
typedef struct medroi_reach {
    int64_t z;
    int64_t y;
    int64_t x;
} medroi_reach;

/* dst = src eroded or dilated by the 6-connected cross, whose arms are 1 along z and y and
 * reach.x along x where the reach is not 0. What lies outside the volume is `outside` for the
 * erosion and 0 for the dilation. */
void medroi_erode_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach,
                        int outside);
/* Plane z alone, into medroi_plane_nbytes() of its own. */
void medroi_erode_plane(uint64_t *dst, const medroi_bits *src, int64_t z, medroi_reach reach,
                        int outside);
size_t medroi_plane_nbytes(const medroi_bits *bits);
void medroi_dilate_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach);

#endif
