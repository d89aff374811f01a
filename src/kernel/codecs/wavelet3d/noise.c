/* wavelet3d: the noise of the data, by which an error can be measured.
 *
 * The finest detail along both axes of a slice at once holds little of what is to be seen, and all
 * of the noise that changes from voxel to voxel: (a - b - c + d) / 2 over squares of four has the
 * noise's own standard deviation. The median of its size, over 0.6745, gives it for a normal
 * distribution, whatever a few edges do (Donoho and Johnstone 1994).
 */
#include "codecs/wavelet3d/wavelet3d.h"

#include <math.h>
#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define MOST_DETAILS ((int64_t)1 << 19) /* about: then slices are left out */
#define MEDIAN_OF_NORMAL 0.6744897501960817

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Sizes of the details of the squares that lie inside and are not of one value, as cleared air and
 * saturated voxels are, in every `step`th slice from *first on, which is then that of the next
 * block. Returns how many; *n_squares counts those of one value too. */
static size_t list_details(const medroi_block *region, const medroi_w3_shape *shape,
                           const void *data, const uint8_t *inside, int64_t step, int64_t *first,
                           float *details, size_t *n_squares) {
    const int64_t height = shape->size[2], width = shape->size[3],
                  n_slices = shape->size[0] * shape->size[1];
    size_t n = 0;
    int64_t slice = *first;
    for (; slice < n_slices; slice += step)
        for (int64_t y = 0; y + 1 < height; y += 2)
            for (int64_t x = 0; x + 1 < width; x += 2) {
                int64_t at = (slice * height + y) * width + x;
                if (inside &&
                    !(inside[at] && inside[at + 1] && inside[at + width] && inside[at + width + 1]))
                    continue;
                ++*n_squares;
                double upper[2], lower[2];
                medroi_w3_elements(region, data, at, 2, upper);
                medroi_w3_elements(region, data, at + width, 2, lower);
                if (upper[0] == upper[1] && upper[0] == lower[0] && upper[0] == lower[1])
                    continue;
                details[n++] =
                    (float)fabs((upper[0] - upper[1]) * 0.5 - (lower[0] - lower[1]) * 0.5);
            }
    *first = slice - n_slices;
    return n;
}

/* Details of integers are multiples of a half: the median is taken to lie inside its own half, as
 * far as its rank does among its equals. */
static double median(const medroi_block *region, const float *details, size_t n) {
    double middle = (double)details[n / 2];
    if (region->kind == 'f' || middle == 0.0)
        return middle;
    size_t first = n / 2, behind = n / 2;
    while (first > 0 && details[first - 1] == details[n / 2])
        first--;
    while (behind < n && details[behind] == details[n / 2])
        behind++;
    return middle - 0.25 + 0.5 * ((double)n * 0.5 - (double)first) / (double)(behind - first);
}

/* Room for the details of a block behind `n` others. */
static medroi_status make_room(const medroi_w3_shape *shape, size_t n, float **details,
                               medroi_error *error) {
    size_t more = (size_t)(medroi_w3_count(shape) / 4 + 1);
    float *moved = realloc(*details, (n + more) * sizeof *moved);
    if (!moved)
        return medroi_fail(error, MEDROI_NO_MEMORY,
                           "wavelet3d: no memory for an estimate of noise");
    *details = moved;
    return MEDROI_OK;
}

medroi_status medroi_w3_find_noise(const medroi_blocks *blocks, int64_t n_elements,
                                   medroi_w3_noise *noise, medroi_error *error) {
    const int64_t step = n_elements / 4 / MOST_DETAILS + 1;
    int64_t first = 0; /* slice of the next block */
    float *details = NULL;
    size_t n = 0;
    medroi_status status = MEDROI_OK;
    medroi_block block;
    *noise = (medroi_w3_noise){0.0, 0.0, 0};
    for (uint64_t k = 0; k < blocks->n && status == MEDROI_OK; k++) {
        const uint8_t *data = NULL, *kept = NULL;
        status = blocks->load(blocks->user, k, &block, &data, &kept, error);
        medroi_w3_shape shape = medroi_w3_shape_of(&block);
        if (status == MEDROI_OK)
            status = make_room(&shape, n, &details, error);
        if (status == MEDROI_OK)
            n += list_details(&block, &shape, data, kept, step, &first, details + n,
                              &noise->n_squares);
    }
    if (n > 0 && status == MEDROI_OK) {
        qsort(details, n, sizeof *details, compare);
        noise->sigma = median(&block, details, n) / MEDIAN_OF_NORMAL;
        noise->share = (double)n / (double)noise->n_squares;
    }
    free(details);
    return status;
}

medroi_status medroi_w3_noise_of(const medroi_block *region, const void *data, const uint8_t *kept,
                                 medroi_w3_noise *noise, medroi_error *error) {
    medroi_w3_one one = {region, data, kept};
    medroi_blocks blocks = medroi_w3_one_block(&one);
    medroi_w3_shape shape = medroi_w3_shape_of(region);
    return medroi_w3_find_noise(&blocks, medroi_w3_count(&shape), noise, error);
}
