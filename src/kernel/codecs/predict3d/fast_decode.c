/* predict3d, fast method, decoder: a code is looked up by the next 11 bits, so a voxel takes one
 * table look-up and one short sum. The idea of the method is in fast.c. */
#include "codecs/predict3d/fast.h"

#include <stdlib.h>

typedef struct decoder {
    medroi_p3_part *p;
    uint32_t *sizes;  /* folded misses of this and the last slice, margins zero */
    int32_t *sums;    /* of a row */
    uint32_t *around; /* of a row */
    uint8_t *flat;    /* of a row */
    uint64_t run;     /* voxels of a run still to come */
    medroi_p3_runs runs;
    int bad;
    const uint16_t *table[P3_CONTEXTS];
    uint16_t entry[P3_CONTEXTS][MEDROI_PREFIX_ENTRIES];
    uint32_t base[MEDROI_PREFIX_TOKENS];
    uint8_t bits[MEDROI_PREFIX_TOKENS];
} decoder;

static medroi_status read_codes(decoder *d, medroi_error *error) {
    medroi_p3_part *p = d->p;
    medroi_bit_model begins;
    medroi_number_model tokens, length;
    uint8_t own[P3_CONTEXTS], lengths[MEDROI_PREFIX_TOKENS];
    medroi_bit_init(&begins);
    medroi_number_init(&tokens);
    medroi_number_init(&length);
    for (int i = 0; i < P3_CONTEXTS; i++)
        own[i] = i == 0 || medroi_bit_decode(&p->dec, &begins);
    for (int i = 0; i < P3_CONTEXTS; i++) {
        d->table[i] = own[i] ? d->entry[i] : d->table[i - 1];
        if (!own[i])
            continue;
        memset(lengths, 0, sizeof lengths);
        uint64_t n = medroi_number_decode(&p->dec, &p->get, &tokens);
        if (n > MEDROI_PREFIX_TOKENS)
            return medroi_p3_corrupt(error, "a code has more than 72 tokens");
        for (uint64_t k = 0; k < n; k++) {
            uint64_t bits = medroi_number_decode(&p->dec, &p->get, &length);
            if (bits > MEDROI_PREFIX_LONGEST)
                return medroi_p3_corrupt(error, "a code is longer than 11 bits");
            lengths[k] = (uint8_t)bits;
        }
        if (!medroi_prefix_table(lengths, d->entry[i]))
            return medroi_p3_corrupt(error, "a code is not complete");
    }
    return MEDROI_OK;
}

static inline uint64_t get_rice(medroi_bit_reader *get, int k) {
    int q = medroi_bits_zeros(get, P3_LONGEST_UNARY);
    if (q < P3_LONGEST_UNARY)
        return (uint64_t)q << k | medroi_bits_get(get, k);
    uint64_t low = medroi_bits_get(get, 32);
    return low | medroi_bits_get(get, 16) << 32;
}

static inline uint32_t get_folded(const decoder *d, medroi_bit_reader *get, uint32_t around) {
    if (get->nheld < 32)
        medroi_bits_refill(get);
    unsigned entry = d->table[medroi_p3_context(around)][get->held & (MEDROI_PREFIX_ENTRIES - 1)];
    int length = entry & 15;
    unsigned token = entry >> 4;
    get->held >>= length;
    get->nheld -= length;
    return d->base[token] + (uint32_t)medroi_bits_get(get, d->bits[token]);
}

static inline int32_t voxel_of(decoder *d, int64_t exact, uint32_t folded) {
    const int64_t low = d->p->low, high = d->p->high;
    int64_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
    near = near < low ? low : near > high ? high : near;
    int64_t size = ((int64_t)folded + 1) >> 1, miss = folded & 1 ? size : -size;
    int64_t value = exact >= near * P3_ONE ? near + miss : near - miss;
    int outside = value < low || value > high;
    d->bad |= outside;
    return outside ? (int32_t)low : (int32_t)value;
}

static inline void decode_row(decoder *d, const medroi_p3_row *r, int kind, int narrow) {
    const int64_t width = d->p->v.width, row = d->p->v.row;
    medroi_bit_reader get = d->p->get; /* copies that can stay in registers */
    uint64_t run = d->run;
    int32_t *c = r->c;
    uint32_t *e = r->e;
    const int32_t w0 = r->w[0], w4 = r->w[4];
    for (int64_t x = 0; x < width; x++) {
        if (run == 0 && d->flat[x] && c[x - 1] == c[x - row]) {
            run = get_rice(&get, medroi_p3_run_bits(&d->runs));
            medroi_p3_learn_run(&d->runs, run);
            run++; /* and the voxel that ends it */
        }
        if (run > 1) {
            run--;
            c[x] = c[x - 1];
            e[x] = 0;
            continue;
        }
        run = 0;
        uint32_t around = d->around[x] + 2 * e[x - 1] + (kind == 0 ? e[x - 2] : 0);
        uint32_t folded = get_folded(d, &get, around);
        int64_t exact =
            narrow ? d->sums[x] + w0 * c[x - 1] + w4 * c[x - 2] : medroi_p3_wide_sum(r, row, x);
        c[x] = voxel_of(d, exact, folded);
        e[x] = folded < P3_GREATEST_SIZE ? folded : P3_GREATEST_SIZE;
    }
    d->run = run;
    d->p->get = get;
}

static void decode_slice(decoder *d, int64_t z) {
    const medroi_p3_part *p = d->p;
    const medroi_p3_volume v = p->v;
    medroi_p3_margin_top(&v, p->voxels, z);
    for (int64_t y = 0; y < v.height; y++) {
        medroi_p3_row r = medroi_p3_row_at(p, d->sizes, z, y);
        medroi_p3_margin_left(&v, r.c);
        medroi_p3_row_around(&r, v.row, v.width, d->around, d->flat);
        if (r.narrow)
            medroi_p3_row_sums(&r, v.row, v.width, d->sums);
        if (!r.narrow)
            decode_row(d, &r, r.kind, 0);
        else if (r.kind == 0)
            decode_row(d, &r, 0, 1);
        else
            decode_row(d, &r, 1, 1);
        medroi_p3_margin_right(&v, r.c, y);
    }
}

medroi_status medroi_p3_decode_fast(medroi_p3_part *p, medroi_error *error) {
    if (p->map.top >> 31)
        return medroi_p3_corrupt(error, "its numbers are too large for the fast method");
    const size_t width = (size_t)p->v.width;
    decoder *d = calloc(1, sizeof *d);
    uint32_t *sizes = calloc((size_t)(p->v.slice * 2), sizeof *sizes);
    uint8_t *rows = malloc(width * 9);
    medroi_status status = MEDROI_NO_MEMORY;
    if (!d || !sizes || !rows) {
        medroi_fail(error, status, "predict3d: no memory for the misses of a part");
        goto done;
    }
    d->p = p;
    d->sizes = sizes;
    d->sums = (int32_t *)(void *)rows;
    d->around = (uint32_t *)(void *)(rows + 4 * width);
    d->flat = rows + 8 * width;
    d->runs.typical = P3_FIRST_TYPICAL_RUN;
    for (unsigned i = 0; i < MEDROI_PREFIX_TOKENS; i++) {
        d->base[i] = medroi_p3_token_base(i);
        d->bits[i] = (uint8_t)medroi_p3_token_bits(i);
    }
    status = medroi_p3_read_weights(p, error);
    if (status == MEDROI_OK)
        status = read_codes(d, error);
    for (int64_t z = 0; status == MEDROI_OK && z < p->v.depth; z++)
        decode_slice(d, z);
    if (status == MEDROI_OK && (d->bad || d->run > 1))
        status = medroi_p3_corrupt(error, "a voxel or a run lies outside its range");
done:
    free(d);
    free(sizes);
    free(rows);
    return status;
}
