/* The quality setting with which a region of slices reaches a PSNR. */
#ifdef MEDROI_HAVE_OPENJPEG
#include "codecs/jpeg2000/jpeg2000.h"

#include <math.h>
#include <stdlib.h>

#define PSNR_TOLERANCE 0.2
#define MAX_TRIALS 20
#define EXACT_PSNR 300 /* stands for infinity where nothing was lost */

uint32_t medroi_bits_for(uint32_t max_index) {
    uint32_t bits = 1;
    while (max_index >> bits != 0) {
        bits++;
    }
    return bits;
}

/* Buffers for one slice at a time. */
typedef struct workspace {
    int32_t *samples, *decoded;
    uint8_t *codestream;
    size_t capacity;
} workspace;

static medroi_status open_workspace(const medroi_block *block, const medroi_j2k_slices *found,
                                    workspace *work, medroi_error *error) {
    work->capacity = medroi_j2k_slice_bound(block, found);
    work->samples = malloc(found->n_elements * sizeof *work->samples);
    work->decoded = malloc(found->n_elements * sizeof *work->decoded);
    work->codestream = malloc(work->capacity);
    if (work->samples == NULL || work->decoded == NULL || work->codestream == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slice of %zu elements",
                           found->n_elements);
    }
    return MEDROI_OK;
}

static void close_workspace(workspace *work) {
    free(work->samples);
    free(work->decoded);
    free(work->codestream);
}

/* Squared error of the region's kept elements in index units, coded at one quality. */
static medroi_status measure(const medroi_block *region, const void *data, const uint8_t *kept,
                             const medroi_intmap *map, const medroi_j2k_quality *quality,
                             workspace *work, double *error_sum, medroi_error *error) {
    medroi_j2k_slices found = medroi_j2k_slices_of(region);
    medroi_status status = MEDROI_OK;
    *error_sum = 0;
    found.slice.precision = medroi_bits_for(map->max_index);
    for (size_t k = 0; status == MEDROI_OK && k < found.n; k++) {
        size_t nbytes = 0;
        uint64_t slice_sum = 0;
        status = medroi_intmap_apply(map, region, data, k * found.n_elements, found.n_elements,
                                     work->samples, error);
        if (status == MEDROI_OK) {
            status = medroi_j2k_encode(&found.slice, work->samples, quality, work->codestream,
                                       work->capacity, &nbytes, error);
        }
        if (status == MEDROI_OK) {
            status =
                medroi_j2k_decode(&found.slice, work->codestream, nbytes, work->decoded, error);
        }
        for (size_t i = 0; status == MEDROI_OK && i < found.n_elements; i++) {
            int32_t last = (int32_t)map->max_index, decoded = work->decoded[i];
            int64_t miss = (decoded > last ? last : decoded) - work->samples[i];
            if (kept == NULL || kept[k * found.n_elements + i]) {
                slice_sum += (uint64_t)(miss * miss);
            }
        }
        *error_sum += (double)slice_sum;
    }
    return status;
}

/* One search for the quality that gives a PSNR: what was asked, and what the trials showed. */
typedef struct search {
    double wanted, peak;
    double quality, psnr;   /* the last trial */
    double low, low_psnr;   /* highest quality seen below what is wanted */
    double high, high_psnr; /* lowest quality seen that reaches it */
} search;

static void note(search *s, double psnr) {
    s->psnr = psnr;
    if (psnr < s->wanted && !(s->quality < s->low)) {
        s->low = s->quality;
        s->low_psnr = psnr;
    } else if (psnr >= s->wanted && !(s->quality > s->high)) {
        s->high = s->quality;
        s->high_psnr = psnr;
    }
}

static int is_bracketed(const search *s) { return isfinite(s->low) && isfinite(s->high); }

static double next_trial(const search *s, int trial) {
    if (is_bracketed(s)) {
        double share = (s->wanted - s->low_psnr) / (s->high_psnr - s->low_psnr);
        if (trial % 3 == 2 || !(share > 0.05 && share < 0.95)) {
            share = 0.5;
        }
        return s->low + share * (s->high - s->low);
    }
    double miss = s->wanted - s->psnr;
    return s->quality + (miss > 0 ? fmin(fmax(miss, 1), 40) : fmax(fmin(miss, -1), -40));
}

static double count_kept(const uint8_t *kept, size_t n) {
    size_t n_kept = kept == NULL ? n : 0;
    for (size_t i = 0; kept != NULL && i < n; i++) {
        n_kept += kept[i] != 0;
    }
    return (double)(n_kept > 0 ? n_kept : n);
}

/* Trials until one hits, or until more of them would change nothing. */
static medroi_status run_trials(const medroi_block *region, const void *data, const uint8_t *kept,
                                const medroi_intmap *map, search *s, medroi_error *error) {
    workspace work = {0};
    medroi_j2k_slices found = medroi_j2k_slices_of(region);
    double n = count_kept(kept, found.n * found.n_elements), last_psnr = -INFINITY;
    medroi_status status = open_workspace(region, &found, &work, error);
    for (int trial = 0; status == MEDROI_OK && trial < MAX_TRIALS; trial++) {
        medroi_j2k_quality setting = {MEDROI_J2K_PSNR, s->quality};
        double sum = 0;
        status = measure(region, data, kept, map, &setting, &work, &sum, error);
        note(s, sum > 0 ? 20 * log10(s->peak) - 10 * log10(sum / n) : EXACT_PSNR);
        int is_stuck = is_bracketed(s) ? s->high - s->low < 0.001
                                       : trial > 2 && fabs(s->psnr - last_psnr) < 0.005;
        if (fabs(s->psnr - s->wanted) <= PSNR_TOLERANCE / 2 || is_stuck) {
            break;
        }
        last_psnr = s->psnr;
        s->quality = next_trial(s, trial);
    }
    close_workspace(&work);
    return status;
}

medroi_status medroi_j2k_find_quality(const medroi_block *region, const void *data,
                                      const uint8_t *kept, const medroi_intmap *map, double wanted,
                                      double peak, double *quality, medroi_error *error) {
    double full_scale = (double)((1u << medroi_bits_for(map->max_index)) - 1);
    search s = {.wanted = wanted,
                .peak = peak,
                .quality = wanted + 20 * log10(full_scale / peak),
                .low = -INFINITY,
                .high = INFINITY};
    medroi_status status = run_trials(region, data, kept, map, &s, error);
    if (status != MEDROI_OK) {
        return status;
    }
    if (isfinite(s.low) && wanted - s.low_psnr <= PSNR_TOLERANCE) {
        *quality = s.low;
    } else if (isfinite(s.high)) {
        *quality = s.high; /* perhaps the codec's steps are coarser than the tolerance */
    } else {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "jpeg2000: psnr %g dB cannot be reached on a region of %u levels, "
                             "at most %.1f: ask for less, or for lossless",
                             wanted, map->max_index + 1, s.low_psnr);
    }
    return status;
}
#else
typedef int medroi_no_jpeg2000_search; /* a file without declarations is no C */
#endif
