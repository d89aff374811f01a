/* Erosion and dilation of bits by the 6-connected cross. */
#include "mask/bits.h"

#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__) && !defined(MEDROI_PORTABLE_ROWS)
#define HAVE_AVX2 1
#define AVX2 __attribute__((target("avx2")))
#endif

/* Word i of a row whose bits all move up by n: bit x takes what was at x - n. */
static uint64_t moved_up(const uint64_t *row, int64_t i, int64_t n) {
    int64_t from = i - (n >> 6);
    int64_t bits = n & 63;
    uint64_t v = from >= 0 ? row[from] << bits : 0;
    return bits && from >= 1 ? v | row[from - 1] >> (64 - bits) : v;
}

static uint64_t moved_down(const uint64_t *row, int64_t i, int64_t n, int64_t n_words) {
    int64_t from = i + (n >> 6);
    int64_t bits = n & 63;
    uint64_t v = from < n_words ? row[from] >> bits : 0;
    return bits && from + 1 < n_words ? v | row[from + 1] << (64 - bits) : v;
}

static uint64_t last_word_mask(const medroi_bits *bits) {
    return medroi_run_mask(bits->n_words - 1, 0, bits->n_x);
}

/* A row and its neighbours along z and y; the row itself where there is none. */
typedef struct neighbours {
    const uint64_t *row;
    const uint64_t *before_z;
    const uint64_t *behind_z;
    const uint64_t *before_y;
    const uint64_t *behind_y;
} neighbours;

/* A whole plane, for the kernels that go over one at a time. */
typedef struct plane_rows {
    const uint64_t *rows;
    const uint64_t *before_z;
    const uint64_t *behind_z;
    int64_t n_left; /* rows from the first one of the plane to the end of the volume */
    int along_y;
} plane_rows;

static neighbours find_neighbours(const medroi_bits *src, int64_t z, int64_t y,
                                  medroi_reach reach) {
    const uint64_t *row = medroi_bit_row(src, z, y);
    int64_t along_y = reach.y ? src->n_words : 0;
    int64_t along_z = reach.z ? src->n_y * src->n_words : 0;
    neighbours n = {row, row - (z > 0 ? along_z : 0), row + (z + 1 < src->n_z ? along_z : 0),
                    row - (y > 0 ? along_y : 0), row + (y + 1 < src->n_y ? along_y : 0)};
    return n;
}

/* The usual case, an arm of 1 along x: every word is looked at once. `before` ends in what lies
 * before the row; `tail` is the last voxel's bit where what lies behind it is set. */
static void erode_row(uint64_t *out, const neighbours *n, int64_t n_words, uint64_t before,
                      uint64_t tail) {
    uint64_t word = n->row[0];
    for (int64_t i = 0; i < n_words; i++) {
        uint64_t behind = i + 1 < n_words ? n->row[i + 1] : 0;
        uint64_t down = word >> 1 | (i + 1 < n_words ? behind << 63 : tail);
        out[i] = word & (word << 1 | before >> 63) & down & n->before_z[i] & n->behind_z[i] &
                 n->before_y[i] & n->behind_y[i];
        before = word;
        word = behind;
    }
}

static void dilate_row(uint64_t *out, const neighbours *n, int64_t n_words) {
    uint64_t before = 0;
    uint64_t word = n->row[0];
    for (int64_t i = 0; i < n_words; i++) {
        uint64_t behind = i + 1 < n_words ? n->row[i + 1] : 0;
        out[i] = word | word << 1 | before >> 63 | word >> 1 | behind << 63 | n->before_z[i] |
                 n->behind_z[i] | n->before_y[i] | n->behind_y[i];
        before = word;
        word = behind;
    }
}

#ifdef HAVE_AVX2
#include "region/mask/cross_avx2.h"
#else
#define erode_row_avx2 erode_row
#define dilate_row_avx2 dilate_row
#define erode_plane_avx2(out, planes, bits, outside) ((void)(planes))
#define dilate_plane_avx2(out, planes, bits) ((void)(planes))
#endif

static int has_avx2(void) {
#ifdef HAVE_AVX2
    return __builtin_cpu_supports("avx2") != 0;
#else
    return 0;
#endif
}

/* A plane and those on both sides of it; the plane itself where there is none. */
static plane_rows find_planes(const medroi_bits *src, int64_t z, medroi_reach reach) {
    const uint64_t *rows = medroi_bit_row(src, z, 0);
    int64_t along_z = reach.z ? src->n_y * src->n_words : 0;
    plane_rows planes = {rows, rows - (z > 0 ? along_z : 0),
                         rows + (z + 1 < src->n_z ? along_z : 0), (src->n_z - z) * src->n_y,
                         reach.y != 0};
    return planes;
}

static void erode_far_row(uint64_t *out, const neighbours *n, const medroi_bits *src,
                          int64_t reach_x, int64_t margin) {
    int64_t n_words = src->n_words;
    for (int64_t i = 0; i < n_words; i++) {
        uint64_t v = n->row[i] & n->before_z[i] & n->behind_z[i] & n->before_y[i] & n->behind_y[i];
        if (reach_x && v) {
            v &= moved_up(n->row, i, reach_x) | medroi_run_mask(i, 0, margin);
            v &= moved_down(n->row, i, reach_x, n_words) |
                 medroi_run_mask(i, src->n_x - margin, src->n_x);
        }
        out[i] = v;
    }
}

static void dilate_far_row(uint64_t *out, const neighbours *n, int64_t n_words, int64_t reach_x) {
    for (int64_t i = 0; i < n_words; i++) {
        out[i] = n->row[i] | n->before_z[i] | n->behind_z[i] | n->before_y[i] | n->behind_y[i];
        if (reach_x) {
            out[i] |= moved_up(n->row, i, reach_x) | moved_down(n->row, i, reach_x, n_words);
        }
    }
}

/* Whether a row fits the four words of one vector. */
static int is_narrow(const medroi_bits *bits, medroi_reach reach) {
    return reach.x == 1 && bits->n_words <= 4;
}

size_t medroi_plane_nbytes(const medroi_bits *bits) {
    /* Vectors of four words may write behind the last row. */
    return (size_t)(bits->n_y * bits->n_words + 3) * sizeof(uint64_t);
}

void medroi_erode_plane(uint64_t *dst, const medroi_bits *src, int64_t z, medroi_reach reach,
                        int outside) {
    int wide = has_avx2();
    uint64_t before = outside ? UINT64_MAX : 0;
    uint64_t tail = outside ? UINT64_C(1) << ((src->n_x - 1) & 63) : 0;
    int on_z_border = reach.z && (z == 0 || z + 1 == src->n_z);
    if (wide && is_narrow(src, reach) && (outside || !on_z_border)) {
        plane_rows planes = find_planes(src, z, reach);
        erode_plane_avx2(dst, &planes, src, outside);
        return;
    }
    for (int64_t y = 0; y < src->n_y; y++) {
        uint64_t *out = dst + y * src->n_words;
        int on_border = on_z_border || (reach.y && (y == 0 || y + 1 == src->n_y));
        if (on_border && !outside) {
            memset(out, 0, (size_t)src->n_words * sizeof *out);
            continue;
        }
        neighbours n = find_neighbours(src, z, y, reach);
        if (reach.x == 1 && wide) {
            erode_row_avx2(out, &n, src->n_words, before, tail);
        } else if (reach.x == 1) {
            erode_row(out, &n, src->n_words, before, tail);
        } else {
            erode_far_row(out, &n, src, reach.x, outside ? reach.x : 0);
        }
    }
}

void medroi_erode_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach,
                        int outside) {
    for (int64_t z = 0; z < src->n_z; z++) {
        medroi_erode_plane(medroi_bit_row(dst, z, 0), src, z, reach, outside);
    }
}

void medroi_dilate_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach) {
    int wide = has_avx2();
    uint64_t mask = last_word_mask(src);
    for (int64_t z = 0; z < src->n_z; z++) {
        if (wide && is_narrow(src, reach)) {
            plane_rows planes = find_planes(src, z, reach);
            dilate_plane_avx2(medroi_bit_row(dst, z, 0), &planes, src);
            continue;
        }
        for (int64_t y = 0; y < src->n_y; y++) {
            uint64_t *out = medroi_bit_row(dst, z, y);
            neighbours n = find_neighbours(src, z, y, reach);
            if (reach.x == 1 && wide) {
                dilate_row_avx2(out, &n, src->n_words);
            } else if (reach.x == 1) {
                dilate_row(out, &n, src->n_words);
            } else {
                dilate_far_row(out, &n, src->n_words, reach.x);
            }
            out[src->n_words - 1] &= mask;
        }
    }
}
