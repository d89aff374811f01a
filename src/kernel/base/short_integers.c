/* Whole integers of 8 and 16 bits: extremes, histogram, indices. Signs are handled by arithmetic
 * modulo 2^8 and 2^16, so that there is one loop for each width. */
#include "base/short_integers.h"

#include "base/elements.h"

#include <stdlib.h>
#include <string.h>

/* Histograms that are counted in turn: the next count need not wait for the last one's store. */
#define N_LANES 4

int medroi_is_short(const medroi_block *block) {
    if (block->kind != 'b' && block->kind != 'i' && block->kind != 'u') {
        return 0;
    }
    return block->itemsize == 1 ||
           (block->itemsize == 2 && block->big_endian == medroi_machine_is_big_endian());
}

/* Bytes compare unsigned, words signed: that is what vectors have had from the beginning. `differ`
 * collects the bits in which an element is not the first. */
#define DEFINE_EXTREMES(TYPE, TYPE_MIN, TYPE_MAX)                                                  \
    static void extremes_##TYPE(const uint8_t *src, size_t n, TYPE flip, TYPE *low, TYPE *high,    \
                                TYPE *differ) {                                                    \
        TYPE least = TYPE_MAX, most = TYPE_MIN, first, differing = 0;                              \
        memcpy(&first, src, sizeof first);                                                         \
        for (size_t i = 0; i < n; i++) {                                                           \
            TYPE element;                                                                          \
            memcpy(&element, src + i * sizeof element, sizeof element);                            \
            differing = (TYPE)(differing | (element ^ first));                                     \
            element = (TYPE)(element ^ flip);                                                      \
            least = element < least ? element : least;                                             \
            most = element > most ? element : most;                                                \
        }                                                                                          \
        *low = least;                                                                              \
        *high = most;                                                                              \
        *differ = differing;                                                                       \
    }

#define DEFINE_COUNT(IN)                                                                           \
    static void count_##IN(const uint8_t *src, size_t n, IN first, uint32_t *const *lanes) {       \
        uint32_t *a = lanes[0], *b = lanes[1], *c = lanes[2], *d = lanes[3];                       \
        IN elements[N_LANES];                                                                      \
        for (; n >= N_LANES; n -= N_LANES, src += sizeof elements) {                               \
            memcpy(elements, src, sizeof elements);                                                \
            a[(IN)(elements[0] - first)]++;                                                        \
            b[(IN)(elements[1] - first)]++;                                                        \
            c[(IN)(elements[2] - first)]++;                                                        \
            d[(IN)(elements[3] - first)]++;                                                        \
        }                                                                                          \
        memcpy(elements, src, n * sizeof *elements);                                               \
        for (size_t i = 0; i < n; i++) {                                                           \
            a[(IN)(elements[i] - first)]++;                                                        \
        }                                                                                          \
    }

#define DEFINE_INDICES(IN, OUT)                                                                    \
    static uint32_t subtract_##IN##_##OUT(const uint8_t *src, size_t n, IN first, OUT *indices) {  \
        IN largest = 0;                                                                            \
        for (size_t i = 0; i < n; i++) {                                                           \
            IN element;                                                                            \
            memcpy(&element, src + i * sizeof element, sizeof element);                            \
            element = (IN)(element - first);                                                       \
            largest = element > largest ? element : largest;                                       \
            indices[i] = (OUT)element;                                                             \
        }                                                                                          \
        return largest;                                                                            \
    }                                                                                              \
    static uint32_t look_up_##IN##_##OUT(const uint8_t *src, size_t n, IN first,                   \
                                         const medroi_short_map *map, OUT *indices) {              \
        uint32_t largest = 0;                                                                      \
        for (size_t i = 0; i < n; i++) {                                                           \
            IN element;                                                                            \
            memcpy(&element, src + i * sizeof element, sizeof element);                            \
            element = (IN)(element - first);                                                       \
            uint32_t rank = element < map->n_ranks ? map->ranks_plus_1[element] - 1 : UINT32_MAX;  \
            largest = rank > largest ? rank : largest;                                             \
            indices[i] = (OUT)rank;                                                                \
        }                                                                                          \
        return largest;                                                                            \
    }                                                                                              \
    static uint32_t indices_##IN##_##OUT(const void *src, size_t n, uint64_t first_bits,           \
                                         const medroi_short_map *map, void *indices) {             \
        IN first = (IN)first_bits;                                                                 \
        return map->ranks_plus_1 == NULL ? subtract_##IN##_##OUT(src, n, first, indices)           \
                                         : look_up_##IN##_##OUT(src, n, first, map, indices);      \
    }

DEFINE_EXTREMES(uint8_t, 0, UINT8_MAX)
DEFINE_EXTREMES(int16_t, INT16_MIN, INT16_MAX)
DEFINE_COUNT(uint8_t)
DEFINE_COUNT(uint16_t)
DEFINE_INDICES(uint8_t, uint8_t)
DEFINE_INDICES(uint8_t, uint16_t)
DEFINE_INDICES(uint8_t, uint32_t)
DEFINE_INDICES(uint16_t, uint8_t)
DEFINE_INDICES(uint16_t, uint16_t)
DEFINE_INDICES(uint16_t, uint32_t)

void medroi_short_extremes(const medroi_block *block, const void *data, size_t n, uint64_t *min_key,
                           uint64_t *max_key, uint64_t *differ) {
    int is_signed = block->kind == 'i';
    if (block->itemsize == 1) {
        uint8_t least, most, differing;
        extremes_uint8_t(data, n, is_signed ? 0x80 : 0, &least, &most, &differing);
        *min_key = least;
        *max_key = most;
        *differ = differing;
    } else {
        int16_t least, most, differing;
        extremes_int16_t(data, n, is_signed ? 0 : INT16_MIN, &least, &most, &differing);
        *min_key = (uint64_t)(least - INT16_MIN);
        *max_key = (uint64_t)(most - INT16_MIN);
        *differ = (uint16_t)differing;
    }
}

void medroi_short_count(const medroi_block *block, const void *data, size_t n, uint64_t min_key,
                        size_t n_counts, uint32_t *counts) {
    uint32_t *lanes[N_LANES] = {counts, counts, counts, counts};
    uint64_t first = medroi_bits_of_key(block->kind, block->itemsize, min_key);
    /* Without them, or for few elements, one histogram does. */
    uint32_t *more = n / N_LANES > n_counts ? calloc((N_LANES - 1) * n_counts, sizeof *more) : NULL;
    for (size_t k = 1; k < N_LANES && more != NULL; k++) {
        lanes[k] = more + (k - 1) * n_counts;
    }
    if (block->itemsize == 1) {
        count_uint8_t(data, n, (uint8_t)first, lanes);
    } else {
        count_uint16_t(data, n, (uint16_t)first, lanes);
    }
    for (size_t i = 0; i < n_counts && more != NULL; i++) {
        counts[i] += more[i] + more[n_counts + i] + more[2 * n_counts + i];
    }
    free(more);
}

uint32_t medroi_short_indices(const medroi_block *block, const void *data, size_t count,
                              const medroi_short_map *map, size_t index_nbytes, void *indices) {
    uint64_t first = medroi_bits_of_key(block->kind, block->itemsize, map->first_key);
    if (block->itemsize == 1) {
        return index_nbytes == 1   ? indices_uint8_t_uint8_t(data, count, first, map, indices)
               : index_nbytes == 2 ? indices_uint8_t_uint16_t(data, count, first, map, indices)
                                   : indices_uint8_t_uint32_t(data, count, first, map, indices);
    }
    return index_nbytes == 1   ? indices_uint16_t_uint8_t(data, count, first, map, indices)
           : index_nbytes == 2 ? indices_uint16_t_uint16_t(data, count, first, map, indices)
                               : indices_uint16_t_uint32_t(data, count, first, map, indices);
}
