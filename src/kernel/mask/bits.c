/* Runs of bits, counting, and filling between bits. */
#include "mask/bits.h"
#include "mask/popcount.h"

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

void medroi_set_run(uint64_t *row, int64_t start, int64_t stop) {
    for (int64_t word = start >> 6; word * 64 < stop; word++) {
        row[word] |= medroi_run_mask(word, start, stop);
    }
}

void medroi_clear_run(uint64_t *row, int64_t start, int64_t stop) {
    for (int64_t word = start >> 6; word * 64 < stop; word++) {
        row[word] &= ~medroi_run_mask(word, start, stop);
    }
}

/* Words `first` to `last` of a row, of these two only what the masks hold. */
#define COUNT_WORDS(TARGET, name, popcount_of)                                                     \
    TARGET static uint64_t name(const uint64_t *row, int64_t first, int64_t last,                  \
                                uint64_t first_mask, uint64_t last_mask) {                         \
        uint64_t count =                                                                           \
            popcount_of(row[first] & first_mask) + popcount_of(row[last] & last_mask);             \
        for (int64_t word = first + 1; word < last; word++) {                                      \
            count += popcount_of(row[word]);                                                       \
        }                                                                                          \
        return count;                                                                              \
    }

COUNT_WORDS(POPCNT, count_by_instruction, medroi_popcount_instruction)
COUNT_WORDS(, count_by_sums, medroi_popcount_sums)

uint64_t medroi_count_run(const uint64_t *row, int64_t start, int64_t stop) {
    if (start >= stop) {
        return 0;
    }
    int64_t first = start >> 6;
    int64_t last = (stop - 1) >> 6;
    uint64_t first_mask = medroi_run_mask(first, start, stop);
    uint64_t last_mask = last > first ? medroi_run_mask(last, start, stop) : 0;
    if (HAS_POPCNT) {
        return count_by_instruction(row, first, last, first_mask, last_mask);
    }
    return count_by_sums(row, first, last, first_mask, last_mask);
}

uint64_t medroi_count_bits(const medroi_bits *bits) {
    return medroi_count_run(bits->words, 0, bits->n_z * bits->n_y * bits->n_words * 64);
}

/* In each row the words before `low` and behind `high`, and of these two what the masks hold. */
#define COUNT_BESIDE(TARGET, name, popcount_of)                                                    \
    TARGET static uint64_t name(const uint64_t *rows, int64_t n_rows, int64_t n_words,             \
                                int64_t low, uint64_t low_mask, int64_t high,                      \
                                uint64_t high_mask) {                                              \
        uint64_t count = 0;                                                                        \
        for (int64_t k = 0; k < n_rows; k++, rows += n_words) {                                    \
            for (int64_t i = 0; i < low; i++) {                                                    \
                count += popcount_of(rows[i]);                                                     \
            }                                                                                      \
            count += popcount_of(rows[low] & low_mask) + popcount_of(rows[high] & high_mask);      \
            for (int64_t i = high + 1; i < n_words; i++) {                                         \
                count += popcount_of(rows[i]);                                                     \
            }                                                                                      \
        }                                                                                          \
        return count;                                                                              \
    }

COUNT_BESIDE(POPCNT, beside_by_instruction, medroi_popcount_instruction)
COUNT_BESIDE(, beside_by_sums, medroi_popcount_sums)

uint64_t medroi_count_beside(const medroi_bits *bits, const uint64_t *rows, int64_t n_rows,
                             int64_t start, int64_t stop) {
    int64_t low = start >> 6, high = (stop - 1) >> 6;
    uint64_t low_mask = medroi_run_mask(low, 0, start);
    uint64_t high_mask = medroi_run_mask(high, stop, bits->n_x);
    if (HAS_POPCNT) {
        return beside_by_instruction(rows, n_rows, bits->n_words, low, low_mask, high, high_mask);
    }
    return beside_by_sums(rows, n_rows, bits->n_words, low, low_mask, high, high_mask);
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
    int64_t x = word * 64 + medroi_lowest_bit(left);
    return x < bits->n_x ? x : bits->n_x;
}

int64_t medroi_next_set(const medroi_bits *bits, const uint64_t *row, int64_t start) {
    return next(bits, row, start, 0);
}

int64_t medroi_next_clear(const medroi_bits *bits, const uint64_t *row, int64_t start) {
    return next(bits, row, start, UINT64_MAX);
}

int64_t medroi_last_set(const medroi_bits *bits, const uint64_t *row) {
    int64_t word = bits->n_words - 1;
    while (row[word] == 0) {
        word--;
    }
#if defined(__GNUC__)
    return word * 64 + 63 - __builtin_clzll(row[word]);
#else
    int64_t last = word * 64 + 63;
    while (!medroi_get_bit(row, last)) {
        last--;
    }
    return last;
#endif
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
    medroi_set_run(row, first, medroi_last_set(bits, row));
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
