/* predict3d, fast method, encoder: all misses are found first, then the codes that suit them, then
 * everything is written. The idea of the method is in fast.c. */
#include "codecs/predict3d/fast.h"

#include <stdlib.h>

#define RUN 255                /* instead of a context: the length of a run */
#define LONGEST_RUN (1u << 31) /* a longer one is ended early */

/* Tokens to write, in order. */
typedef struct symbols {
    uint32_t *value; /* folded misses and lengths of runs: at most two a voxel */
    uint8_t *context;
    int64_t n;
    uint32_t count[P3_CONTEXTS][MEDROI_PREFIX_TOKENS];
} symbols;

#define SMALL 256 /* folded misses whose tokens are looked up: which is no branch to guess */

typedef struct encoder {
    medroi_p3_part *p;
    uint8_t token[SMALL];
    uint32_t *sizes;  /* folded misses of this and the last slice, margins zero */
    int32_t *sums;    /* of a row */
    uint32_t *around; /* of a row */
    uint8_t *flat;    /* of a row */
    uint64_t run;     /* voxels of a run still to come */
    symbols out;
} encoder;

P3_CLONES static void fold_row(const medroi_p3_row *r, int64_t width, int32_t low, int32_t high,
                               const int32_t *restrict sums, uint32_t *restrict folded) {
    const int32_t *c = r->c, *w = r->w;
    for (int64_t x = 0; x < width; x++) {
        int32_t exact = sums[x] + w[0] * c[x - 1] + w[4] * c[x - 2];
        int32_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
        near = near < low ? low : near;
        near = near > high ? high : near;
        int32_t miss = c[x] - near;
        miss = exact >= near * P3_ONE ? miss : -miss;
        folded[x] = (uint32_t)(miss > 0 ? 2 * miss - 1 : -2 * miss);
    }
}

static void fold_wide_row(const medroi_p3_part *p, const medroi_p3_row *r, uint32_t *folded) {
    for (int64_t x = 0; x < p->v.width; x++) {
        int64_t exact = medroi_p3_wide_sum(r, p->v.row, x);
        int64_t near = (exact + P3_ONE / 2) >> P3_WEIGHT_BITS;
        near = near < p->low ? p->low : near > p->high ? p->high : near;
        int64_t miss = r->c[x] - near;
        miss = exact >= near * P3_ONE ? miss : -miss;
        folded[x] = (uint32_t)(miss > 0 ? 2 * miss - 1 : -2 * miss);
    }
}

/* Length of the run that starts at x of a row, in voxels equal to the one on their left, across
 * rows and slices. */
static uint32_t run_length(const medroi_p3_part *p, int64_t z, int64_t y, int64_t x) {
    uint32_t run = 0;
    for (; z < p->v.depth; z++, y = 0)
        for (; y < p->v.height; y++, x = 0) {
            const int32_t *c = p->voxels + medroi_p3_origin(&p->v, z) + y * p->v.row;
            for (; x < p->v.width; x++, run++)
                if (c[x] != c[x - 1] || run == LONGEST_RUN)
                    return run;
        }
    return run;
}

static inline void put(symbols *s, uint8_t context, uint32_t value) {
    s->value[s->n] = value;
    s->context[s->n++] = context;
}

/* e holds the row's folded misses; where runs go on they become 0. */
static void list_row(encoder *t, const medroi_p3_row *r, int64_t z, int64_t y) {
    const int64_t width = t->p->v.width, row = t->p->v.row;
    const int32_t *c = r->c;
    uint32_t *e = r->e;
    for (int64_t x = 0; x < width;) {
        if (t->run == 0 && t->flat[x] && c[x - 1] == c[x - row]) {
            t->run = run_length(t->p, z, y, x);
            put(&t->out, RUN, (uint32_t)t->run);
            t->run++; /* and the voxel that ends it */
        }
        if (t->run > 1) {
            int64_t left = width - x, n = t->run - 1 < (uint64_t)left ? (int64_t)t->run - 1 : left;
            memset(e + x, 0, (size_t)n * sizeof *e);
            t->run -= (uint64_t)n;
            x += n;
            continue;
        }
        t->run = 0;
        uint32_t context =
            medroi_p3_context(t->around[x] + 2 * e[x - 1] + (r->kind == 0 ? e[x - 2] : 0));
        t->out.count[context][e[x] < SMALL ? t->token[e[x]] : medroi_p3_token(e[x])]++;
        put(&t->out, (uint8_t)context, e[x]);
        e[x] = e[x] < P3_GREATEST_SIZE ? e[x] : P3_GREATEST_SIZE;
        x++;
    }
}

static void list_symbols(encoder *t) {
    medroi_p3_part *p = t->p;
    const medroi_p3_volume v = p->v;
    for (int64_t z = 0; z < v.depth; z++)
        for (int64_t y = 0; y < v.height; y++) {
            medroi_p3_row r = medroi_p3_row_at(p, t->sizes, z, y);
            medroi_p3_row_around(&r, v.row, v.width, t->around, t->flat);
            if (r.narrow) {
                medroi_p3_row_sums(&r, v.row, v.width, t->sums);
                fold_row(&r, v.width, p->low, p->high, t->sums, r.e);
            } else {
                fold_wide_row(p, &r, r.e);
            }
            list_row(t, &r, z, y);
        }
}

static void put_run(medroi_bit_writer *bits, uint64_t run, int k) {
    uint64_t q = run >> k;
    if (q < P3_LONGEST_UNARY) { /* at most 20 + 28 bits */
        uint64_t low = run & (((uint64_t)1 << k) - 1);
        medroi_bits_put(bits, (low << 1 | 1) << q, (int)q + 1 + k);
    } else {
        medroi_bits_put(bits, 0, P3_LONGEST_UNARY);
        medroi_bits_put(bits, run, 48);
    }
}

static void write_symbols(encoder *t, const medroi_p3_codes *codes) {
    medroi_p3_word words[P3_CONTEXTS][MEDROI_PREFIX_TOKENS];
    medroi_bit_writer bits = t->p->put; /* a copy that can stay in registers */
    const symbols *s = &t->out;
    medroi_p3_runs runs = {P3_FIRST_TYPICAL_RUN};
    medroi_p3_list_words(codes, words);
    for (int64_t i = 0; i < s->n; i++) {
        uint32_t context = s->context[i], value = s->value[i];
        if (context == RUN) {
            put_run(&bits, value, medroi_p3_run_bits(&runs));
            medroi_p3_learn_run(&runs, value);
            continue;
        }
        const medroi_p3_word *w =
            &words[context][value < SMALL ? t->token[value] : medroi_p3_token(value)];
        medroi_bits_put(&bits, (uint64_t)(value - w->base) << w->length | w->code, w->nbits);
    }
    t->p->put = bits;
}

/* The rows and symbols of a part; 0 without memory. */
static int open_encoder(encoder *t, medroi_p3_part *p) {
    const size_t width = (size_t)p->v.width;
    const size_t n = width * (size_t)(p->v.height * p->v.depth);
    memset(t, 0, sizeof *t);
    t->p = p;
    for (uint32_t i = 0; i < SMALL; i++)
        t->token[i] = (uint8_t)medroi_p3_token(i);
    t->sizes = calloc((size_t)(p->v.slice * 2), sizeof *t->sizes);
    t->sums = malloc(width * sizeof *t->sums);
    t->around = malloc(width * sizeof *t->around);
    t->flat = malloc(width);
    t->out.value = malloc(2 * n * sizeof *t->out.value);
    t->out.context = malloc(2 * n);
    return t->sizes && t->sums && t->around && t->flat && t->out.value && t->out.context;
}

static void close_encoder(encoder *t) {
    free(t->sizes);
    free(t->sums);
    free(t->around);
    free(t->flat);
    free(t->out.value);
    free(t->out.context);
}

medroi_status medroi_p3_encode_fast(medroi_p3_part *p, medroi_error *error) {
    medroi_status status = MEDROI_NO_MEMORY;
    medroi_p3_codes codes;
    encoder t;
    if (!open_encoder(&t, p)) {
        medroi_fail(error, status, "predict3d: no memory for the misses of a part");
        goto done;
    }
    for (int kind = 0; kind < P3_KINDS; kind++)
        if (!medroi_p3_fit_kind(&p->v, p->voxels, kind, 1, &p->weights)) {
            medroi_fail(error, status, "predict3d: no memory for the weights");
            goto done;
        }
    medroi_p3_write_weights(p);
    list_symbols(&t);
    medroi_p3_choose_codes(t.out.count, &codes);
    medroi_p3_write_codes(p, &codes);
    write_symbols(&t, &codes);
    status = MEDROI_OK;
done:
    close_encoder(&t);
    return status;
}
