/* Normal equations of the local method: memory for them, and how they age. */
#include "codecs/predict3d/local.h"

#include <stdlib.h>

static void *zeros(int64_t n, size_t nbytes) { return calloc(n > 0 ? (size_t)n : 1, nbytes); }

int medroi_p3_local_sums_new(local_sums *s, const medroi_p3_volume *v, int n,
                             const local_memory *memory) {
    memset(s, 0, sizeof *s);
    s->n = n;
    s->memory = *memory;
    s->n_bx = (v->width + memory->block_width - 1) / memory->block_width;
    s->n_by = (v->height + memory->block_height - 1) / memory->block_height;
    s->lag = v->lag > 2 && v->depth > v->lag ? v->lag : 0;
    s->n_kept = v->depth == 1 ? 0 : s->lag ? s->lag + 1 : 1;
    for (int i = 0; i <= n; i++) {
        s->row_start[i] = (int)s->entries - (i & ~7);
        s->entries += ((n + 8) & ~7) - (i & ~7);
    }
    int64_t row = s->n_bx * s->entries, triangle = (int64_t)(n + 1) * (n + 2) / 2;
    s->above = zeros(row + (LOCAL_LANES + 1) * s->entries, sizeof *s->above);
    s->known =
        s->n_kept > 0 ? zeros(row + (LOCAL_LANES + 1) * s->entries, sizeof *s->known) : s->above;
    s->earlier = zeros(s->n_kept * (s->n_by + 2) * row, sizeof *s->earlier);
    s->here = zeros(s->n_kept > 0 ? 2 * row : s->entries, sizeof *s->here);
    s->total = zeros(s->entries, sizeof *s->total);
    s->prior = zeros(s->entries, sizeof *s->prior);
    s->matrix = zeros(LOCAL_LANES * s->entries, sizeof *s->matrix);
    s->weights = zeros((s->n_bx + LOCAL_LANES) * n, sizeof *s->weights);
    s->solved = zeros(s->n_bx / LOCAL_LANES + 1, sizeof *s->solved);
    s->samples = zeros((int64_t)((n + 8) & ~7) * LOCAL_SAMPLES, sizeof *s->samples);
    s->factor = zeros(triangle * LOCAL_LANES, sizeof *s->factor);
    s->inverse = zeros((int64_t)n * LOCAL_LANES, sizeof *s->inverse);
    s->solution = zeros((int64_t)n * LOCAL_LANES, sizeof *s->solution);
    return s->above && s->known && s->earlier && s->here && s->total && s->prior && s->matrix &&
           s->weights && s->solved && s->samples && s->factor && s->inverse && s->solution;
}

void medroi_p3_local_sums_free(local_sums *s) {
    if (s->known != s->above) {
        free(s->known);
    }
    free(s->above);
    free(s->earlier);
    free(s->here);
    free(s->total);
    free(s->prior);
    free(s->matrix);
    free(s->weights);
    free(s->solved);
    free(s->samples);
    free(s->factor);
    free(s->inverse);
    free(s->solution);
}

void medroi_p3_local_begin_slice(local_sums *s) {
    memset(s->above, 0, (size_t)((s->n_bx + 2) * s->entries) * sizeof *s->above);
}

/* The sums of slice z, those of row 0 of blocks first; a row of zeros lies before and behind. */
static int32_t *sums_of(const local_sums *s, int64_t z) {
    int64_t row = s->n_bx * s->entries;
    return s->earlier + z % s->n_kept * (s->n_by + 2) * row + row;
}

P3_CLONES static void add_earlier(int32_t *known, const int32_t *base, const int32_t *row,
                                  int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int32_t beside = row[i - n] + row[i + n];
        known[i] = base[i] + row[i] + (beside >> 1) + (beside >> 3);
    }
}

P3_CLONES static void age(int32_t *kept, const int32_t *here, const int32_t *old, int64_t n,
                          int decay) {
    for (int64_t i = 0; i < n; i++) {
        kept[i] = here[i] + (old[i] >> 4) * decay;
    }
}

/* Keep the sums of a row of blocks, over those of an earlier slice that no row looks at any more.
 */
static void keep_row(local_sums *s, int64_t z, int64_t by) {
    int64_t n = s->n_bx * s->entries, back = s->lag > 0 ? s->lag : 1;
    if (s->n_kept == 0) {
        return;
    }
    const int32_t *here = s->here + (by & 1) * n;
    int32_t *kept = sums_of(s, z) + by * n;
    if (z >= back) {
        age(kept, here, sums_of(s, z - back) + by * n, n, s->memory.earlier_decay);
    } else {
        memcpy(kept, here, (size_t)n * sizeof *here);
    }
}

void medroi_p3_local_no_samples(local_sums *s, int64_t k) {
    int16_t *samples = s->samples + k * LOCAL_BLOCK_WIDTH;
    for (int i = 0; i <= s->n; i++) {
        memset(samples + i * LOCAL_SAMPLES, 0, LOCAL_BLOCK_WIDTH * sizeof *samples);
    }
}

void medroi_p3_local_begin_row(local_sums *s, int64_t z, int64_t by) {
    int64_t n = s->n_bx * s->entries;
    int32_t *known = local_matrix(s->known, s, 1);
    const int32_t *base = local_matrix(s->above, s, 1);
    memset(s->solved, 0, (size_t)(s->n_bx / LOCAL_LANES + 1));
    if (z > 0) {
        add_earlier(known, base, sums_of(s, z - 1) + by * n, n);
    } else if (known != base) {
        memcpy(known, base, (size_t)n * sizeof *known);
    }
    if (s->lag > 0 && z >= s->lag) {
        add_earlier(known, known, sums_of(s, z - s->lag) + by * n, n);
    }
    if (by > 0) {
        keep_row(s, z, by - 1);
    }
    for (int64_t i = 0; i < s->entries && s->n_total > 0; i++) {
        s->prior[i] = (int32_t)(s->total[i] * s->memory.prior_weight / s->n_total);
    }
}

void medroi_p3_local_end_slice(local_sums *s, int64_t z) { keep_row(s, z, s->n_by - 1); }
