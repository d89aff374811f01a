/* Erosion and dilation of bits by the 6-connected cross. */
#include "hull_bits.h"

#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__) && !defined(MEDROI_PORTABLE_ROWS)
#define HAVE_AVX2 1
#define AVX2 __attribute__((target("avx2")))
#include <immintrin.h>
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
/* Four words of a row at a time, those beyond it as zeros. */
AVX2 static inline __m256i word_mask(int64_t n_left) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n_left), _mm256_setr_epi64x(0, 1, 2, 3));
}

AVX2 static inline __m256i load_words(const uint64_t *words, __m256i mask) {
    return _mm256_maskload_epi64((const long long *)(const void *)words, mask);
}

/* The first words of four; storing by a mask is slow on some processors. */
AVX2 static inline void store_words(uint64_t *words, int64_t n, __m256i v) {
    __m128i half = _mm256_castsi256_si128(v);
    if (n >= 4) {
        _mm256_storeu_si256((__m256i *)(void *)words, v);
        return;
    }
    if (n >= 2) {
        _mm_storeu_si128((__m128i *)(void *)words, half);
        half = _mm256_extracti128_si256(v, 1);
        words += 2;
    }
    if (n & 1) {
        _mm_storel_epi64((__m128i *)(void *)words, half);
    }
}

/* Each bit's neighbour before it; the lowest word's comes from the word `before`. */
AVX2 static inline __m256i bits_before(__m256i v, uint64_t before) {
    __m256i words = _mm256_permute4x64_epi64(v, 0x90);
    words = _mm256_blend_epi32(words, _mm256_set1_epi64x((long long)before), 0x03);
    return _mm256_or_si256(_mm256_slli_epi64(v, 1), _mm256_srli_epi64(words, 63));
}

AVX2 static inline __m256i bits_behind(__m256i v, uint64_t behind) {
    __m256i words = _mm256_permute4x64_epi64(v, 0xf9);
    words = _mm256_blend_epi32(words, _mm256_set1_epi64x((long long)behind), 0xc0);
    return _mm256_or_si256(_mm256_srli_epi64(v, 1), _mm256_slli_epi64(words, 63));
}

AVX2 static void erode_row_avx2(uint64_t *out, const neighbours *n, int64_t n_words,
                                uint64_t before, uint64_t tail) {
    for (int64_t i = 0; i < n_words; i += 4) {
        __m256i mask = word_mask(n_words - i);
        __m256i last =
            _mm256_cmpeq_epi64(_mm256_set1_epi64x(n_words - 1 - i), _mm256_setr_epi64x(0, 1, 2, 3));
        __m256i v = load_words(n->row + i, mask);
        __m256i low = bits_before(v, i > 0 ? n->row[i - 1] : before);
        __m256i high = bits_behind(v, i + 4 < n_words ? n->row[i + 4] : 0);
        high = _mm256_or_si256(high, _mm256_and_si256(last, _mm256_set1_epi64x((long long)tail)));
        __m256i along_z =
            _mm256_and_si256(load_words(n->before_z + i, mask), load_words(n->behind_z + i, mask));
        __m256i along_y =
            _mm256_and_si256(load_words(n->before_y + i, mask), load_words(n->behind_y + i, mask));
        v = _mm256_and_si256(v, _mm256_and_si256(low, high));
        store_words(out + i, n_words - i, _mm256_and_si256(v, _mm256_and_si256(along_z, along_y)));
    }
}

AVX2 static void dilate_row_avx2(uint64_t *out, const neighbours *n, int64_t n_words) {
    for (int64_t i = 0; i < n_words; i += 4) {
        __m256i mask = word_mask(n_words - i);
        __m256i v = load_words(n->row + i, mask);
        __m256i low = bits_before(v, i > 0 ? n->row[i - 1] : 0);
        __m256i high = bits_behind(v, i + 4 < n_words ? n->row[i + 4] : 0);
        __m256i along_z =
            _mm256_or_si256(load_words(n->before_z + i, mask), load_words(n->behind_z + i, mask));
        __m256i along_y =
            _mm256_or_si256(load_words(n->before_y + i, mask), load_words(n->behind_y + i, mask));
        v = _mm256_or_si256(v, _mm256_or_si256(low, high));
        store_words(out + i, n_words - i, _mm256_or_si256(v, _mm256_or_si256(along_z, along_y)));
    }
}
#else
#define erode_row_avx2 erode_row
#define dilate_row_avx2 dilate_row
#endif

static int has_avx2(void) {
#ifdef HAVE_AVX2
    return __builtin_cpu_supports("avx2") != 0;
#else
    return 0;
#endif
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

void medroi_erode_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach,
                        int outside) {
    int wide = has_avx2();
    uint64_t before = outside ? UINT64_MAX : 0;
    uint64_t tail = outside ? UINT64_C(1) << ((src->n_x - 1) & 63) : 0;
    for (int64_t z = 0; z < src->n_z; z++) {
        for (int64_t y = 0; y < src->n_y; y++) {
            uint64_t *out = medroi_bit_row(dst, z, y);
            int on_face = (reach.z && (z == 0 || z + 1 == src->n_z)) ||
                          (reach.y && (y == 0 || y + 1 == src->n_y));
            if (on_face && !outside) {
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
}

void medroi_dilate_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach) {
    int wide = has_avx2();
    uint64_t mask = last_word_mask(src);
    for (int64_t z = 0; z < src->n_z; z++) {
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
