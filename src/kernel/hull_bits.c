#include "hull_bits.h"

#include "bytes.h"

#include <string.h>

medroi_bits medroi_make_bits(int64_t n_z, int64_t n_y, int64_t n_x) {
    medroi_bits bits = {NULL, n_z, n_y, n_x, (n_x + 63) / 64};
    return bits;
}

size_t medroi_bits_nbytes(const medroi_bits *bits) {
    return (size_t)(bits->n_z * bits->n_y * bits->n_words) * sizeof(uint64_t);
}

void medroi_clear_bits(const medroi_bits *bits) {
    memset(bits->words, 0, medroi_bits_nbytes(bits));
}

/* The bits of word `word` that lie in [start, stop). */
static uint64_t run_mask(int64_t word, int64_t start, int64_t stop) {
    int64_t low = start - word * 64;
    int64_t high = stop - word * 64;
    if (high <= 0 || low >= 64) {
        return 0;
    }
    uint64_t mask = low > 0 ? UINT64_MAX << low : UINT64_MAX;
    return high < 64 ? mask & ((UINT64_C(1) << high) - 1) : mask;
}

void medroi_set_run(uint64_t *row, int64_t start, int64_t stop) {
    for (int64_t word = start >> 6; word * 64 < stop; word++) {
        row[word] |= run_mask(word, start, stop);
    }
}

void medroi_clear_run(uint64_t *row, int64_t start, int64_t stop) {
    for (int64_t word = start >> 6; word * 64 < stop; word++) {
        row[word] &= ~run_mask(word, start, stop);
    }
}

static uint64_t popcount(uint64_t v) {
#if defined(__GNUC__)
    return (uint64_t)__builtin_popcountll(v);
#else
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return v * UINT64_C(0x0101010101010101) >> 56;
#endif
}

uint64_t medroi_count_run(const uint64_t *row, int64_t start, int64_t stop) {
    uint64_t count = 0;
    for (int64_t word = start >> 6; word * 64 < stop; word++) {
        count += popcount(row[word] & run_mask(word, start, stop));
    }
    return count;
}

static int64_t lowest_bit(uint64_t v) {
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

static int64_t next(const medroi_bits *bits, const uint64_t *row, int64_t start, uint64_t flip) {
    if (start >= bits->n_x) {
        return bits->n_x;
    }
    int64_t word = start >> 6;
    uint64_t left = (row[word] ^ flip) & UINT64_MAX << (start & 63);
    while (left == 0) {
        if (++word == bits->n_words) {
            return bits->n_x;
        }
        left = row[word] ^ flip;
    }
    int64_t x = word * 64 + lowest_bit(left);
    return x < bits->n_x ? x : bits->n_x;
}

int64_t medroi_next_set(const medroi_bits *bits, const uint64_t *row, int64_t start) {
    return next(bits, row, start, 0);
}

int64_t medroi_next_clear(const medroi_bits *bits, const uint64_t *row, int64_t start) {
    return next(bits, row, start, UINT64_MAX);
}

void medroi_pack_row(uint64_t *row, const uint8_t *flags, int64_t n) {
    for (int64_t word = 0; word * 64 < n; word++) {
        uint64_t packed = 0;
        const uint8_t *bytes = flags + word * 64;
        int64_t left = n - word * 64;
        if (left >= 64) {
            for (int64_t i = 0; i < 8; i++) { /* byte k of eight lands in bit 56 + k */
                uint64_t eight = medroi_load64(bytes + 8 * i) * UINT64_C(0x0102040810204080);
                packed |= eight >> 56 << (8 * i);
            }
        } else {
            for (int64_t i = 0; i < left; i++) {
                packed |= (uint64_t)bytes[i] << i;
            }
        }
        row[word] = packed;
    }
}

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
    return run_mask(bits->n_words - 1, 0, bits->n_x);
}

void medroi_erode_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach,
                        int outside) {
    int64_t n_words = src->n_words;
    int64_t margin = outside ? reach.x : 0;
    for (int64_t z = 0; z < src->n_z; z++) {
        for (int64_t y = 0; y < src->n_y; y++) {
            uint64_t *out = medroi_bit_row(dst, z, y);
            int first_z = reach.z && z == 0;
            int last_z = reach.z && z + 1 == src->n_z;
            int first_y = reach.y && y == 0;
            int last_y = reach.y && y + 1 == src->n_y;
            if (!outside && (first_z || last_z || first_y || last_y)) {
                memset(out, 0, (size_t)n_words * sizeof *out);
                continue;
            }
            const uint64_t *row = medroi_bit_row(src, z, y);
            const uint64_t *before_z = medroi_bit_row(src, z - (reach.z && !first_z), y);
            const uint64_t *behind_z = medroi_bit_row(src, z + (reach.z && !last_z), y);
            const uint64_t *before_y = medroi_bit_row(src, z, y - (reach.y && !first_y));
            const uint64_t *behind_y = medroi_bit_row(src, z, y + (reach.y && !last_y));
            for (int64_t i = 0; i < n_words; i++) {
                uint64_t v = row[i] & before_z[i] & behind_z[i] & before_y[i] & behind_y[i];
                if (reach.x && v) {
                    v &= moved_up(row, i, reach.x) | run_mask(i, 0, margin);
                    v &= moved_down(row, i, reach.x, n_words) |
                         run_mask(i, src->n_x - margin, src->n_x);
                }
                out[i] = v;
            }
        }
    }
}

void medroi_dilate_cross(const medroi_bits *dst, const medroi_bits *src, medroi_reach reach) {
    int64_t n_words = src->n_words;
    for (int64_t z = 0; z < src->n_z; z++) {
        for (int64_t y = 0; y < src->n_y; y++) {
            uint64_t *out = medroi_bit_row(dst, z, y);
            const uint64_t *row = medroi_bit_row(src, z, y);
            const uint64_t *before_z = medroi_bit_row(src, z - (reach.z && z > 0), y);
            const uint64_t *behind_z = medroi_bit_row(src, z + (reach.z && z + 1 < src->n_z), y);
            const uint64_t *before_y = medroi_bit_row(src, z, y - (reach.y && y > 0));
            const uint64_t *behind_y = medroi_bit_row(src, z, y + (reach.y && y + 1 < src->n_y));
            for (int64_t i = 0; i < n_words; i++) {
                out[i] = row[i] | before_z[i] | behind_z[i] | before_y[i] | behind_y[i];
                if (reach.x) {
                    out[i] |= moved_up(row, i, reach.x) | moved_down(row, i, reach.x, n_words);
                }
            }
            out[n_words - 1] &= last_word_mask(src);
        }
    }
}

/* dst[k] = src[k] between the first and the last row of a line that hold the bit. */
static void fill_line(uint64_t *dst, const uint64_t *src, int64_t n_rows, int64_t row_stride,
                      int64_t n_words) {
    for (int64_t i = 0; i < n_words; i++) {
        uint64_t seen = 0;
        for (int64_t k = 0; k < n_rows; k++) {
            seen |= src[k * row_stride + i];
            dst[k * row_stride + i] = seen;
        }
        seen = 0;
        for (int64_t k = n_rows; k-- > 0;) {
            seen |= src[k * row_stride + i];
            dst[k * row_stride + i] &= seen;
        }
    }
}

static void fill_row(const medroi_bits *bits, uint64_t *row) {
    int64_t first = medroi_next_set(bits, row, 0);
    if (first == bits->n_x) {
        return;
    }
    int64_t word = bits->n_words - 1;
    while (row[word] == 0) {
        word--;
    }
    int64_t last = word * 64 + 63;
    while (!medroi_get_bit(row, last)) {
        last--;
    }
    medroi_set_run(row, first, last);
}

void medroi_fill_majority(const medroi_bits *bits, const medroi_bits *along_z,
                          const medroi_bits *along_y) {
    int64_t n_words = bits->n_words;
    int64_t plane = bits->n_y * n_words;
    for (int64_t y = 0; y < bits->n_y; y++) {
        fill_line(along_z->words + y * n_words, bits->words + y * n_words, bits->n_z, plane,
                  n_words);
    }
    for (int64_t z = 0; z < bits->n_z; z++) {
        fill_line(along_y->words + z * plane, bits->words + z * plane, bits->n_y, n_words, n_words);
    }
    for (int64_t k = 0; k < bits->n_z * bits->n_y; k++) {
        uint64_t *row = bits->words + k * n_words;
        const uint64_t *z = along_z->words + k * n_words;
        const uint64_t *y = along_y->words + k * n_words;
        fill_row(bits, row);
        for (int64_t i = 0; i < n_words; i++) {
            row[i] = (row[i] & (z[i] | y[i])) | (z[i] & y[i]);
        }
    }
}
