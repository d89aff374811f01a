/* predict3d, labels method: each voxel has the label of one of its neighbours, or another one.
 *
 * Labels are names: their differences say nothing, and what is known of a voxel is which of its
 * neighbours are alike. The labels around it are guesses, those with the nearest and most
 * neighbours first. For each, one decision says whether it is the voxel's: its odds are mixed by
 * a logistic mixture (entropy/logistic.h) from counters, which were chosen by the pattern of the
 * neighbours that have this label, by the names of the labels, and by how guesses fared beside the
 * voxel. Amid equal labels, one bit says that the voxel is equal, too. A label that no neighbour
 * has is the next one that never was, or that which came last in such a place, or it is spelled
 * out. The patterns are those of context coders of bilevel images (JBIG) and of palettes, in three
 * dimensions.
 */
#include "codecs/predict3d/predict3d.h"
#include "entropy/logistic.h"

#include <stdlib.h>

#define MOST_GUESSES 6
#define CONTEXTS 65536  /* of each counter */
#define PLACES 4096     /* of labels that came last */
#define SPELLED_BITS 12 /* of a label that have models; the others are sent as they are */
/* A counter alone decides where it has seen enough and its odds, in 2^-20, are long. */
#define SURE_SEEN 60u
#define SURE_ODDS (1u << 13)
#define LEAST_ODDS 16u

typedef struct medroi_p3_labels {
    medroi_p3_part *p;
    uint8_t *ranks; /* guesses that failed, up to 3, in this and the last slice; margins zero */
    medroi_counter (*counters)[CONTEXTS]; /* [MEDROI_LOGISTIC_COUNTERS] */
    medroi_logistic logistic;
    medroi_weights by_number[4 * P3_KINDS][MOST_GUESSES], by_pattern[4][64];
    medroi_bit_model flat[12], is_next, is_last, spelled[1 << SPELLED_BITS];
    uint8_t votes[2][1 << (P3_TAPS / 2)]; /* of sets of taps: the first ten, the others */
    uint32_t last[PLACES];
    uint32_t next; /* above all labels that were not guessed */
    int bad;
} medroi_p3_labels;

/* A voxel, and its neighbours as guesses. */
typedef struct labels_site {
    int32_t *c;                 /* the voxel */
    const int32_t *n, *f;       /* the same place in the reference slices */
    uint8_t *rank;              /* guesses that failed, at the voxel */
    const uint8_t *rank_before; /* and in the slice before */
    int kind;
    int32_t tap[P3_TAPS];
    int n_guesses;
    int32_t guess[MOST_GUESSES];     /* voxels */
    uint32_t taps[MOST_GUESSES + 1]; /* that have them, as bits; none behind the last */
    int score[MOST_GUESSES];
} labels_site;

static const uint8_t n_taps[P3_KINDS] = {6, 15, 20};
static const uint8_t votes[P3_TAPS] = {12, 12, 6, 6, 4, 4, 16, 6, 6, 6,
                                       6,  3,  3, 3, 3, 6, 1,  1, 1, 1};

P3_INLINE uint32_t number_of(const medroi_p3_labels *l, int32_t voxel) {
    return (uint32_t)voxel - (uint32_t)l->p->low;
}

/* A place among 2^16. */
P3_INLINE uint32_t place_of(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t h = a * 0x9E3779B1u ^ b * 0x85EBCA6Bu ^ c * 0xC2B2AE35u;
    h ^= h >> 15;
    return h * 0x2C1B3C6Du >> 16;
}

P3_INLINE uint32_t alike(const int32_t *tap, int32_t voxel) {
    uint32_t taps = 0;
    for (int i = 0; i < P3_TAPS; i++)
        taps |= (uint32_t)(tap[i] == voxel) << i;
    return taps;
}

/* Whether the neighbours in the slice, and all nine in the slice before, are alike. */
P3_INLINE int is_flat(const labels_site *s, int64_t row) {
    const int32_t *c = s->c, w = c[-1];
    int32_t differ = (c[-row] ^ w) | (c[-row - 1] ^ w) | (c[-row + 1] ^ w);
    for (int64_t y = -1; s->kind > 0 && y <= 1; y++) {
        const int32_t *n = s->n + y * row;
        differ |= (n[-1] ^ w) | (n[0] ^ w) | (n[1] ^ w);
    }
    return differ == 0;
}

/* The model of whether a voxel amid equal ones is equal, too. */
P3_INLINE int flat_model(const labels_site *s, int64_t row) {
    const int32_t *c = s->c, *f = s->f, w = c[-1];
    int model = 2 * (c[-2 * row] == w) + (c[-2] == w);
    int far = (f[0] ^ w) | (f[-1] ^ w) | (f[1] ^ w) | (f[-row] ^ w) | (f[row] ^ w);
    return model + (s->kind < 2 ? 0 : far ? 4 : 8);
}

/* The labels of the neighbours, the likeliest first, the first tap's of equals. */
P3_INLINE void find_guesses(const medroi_p3_labels *l, labels_site *s) {
    const uint32_t all = (1u << n_taps[s->kind]) - 1;
    uint32_t left = all;
    int n = 0;
    for (int i = 0; left != 0 && n < MOST_GUESSES; i++) {
        if (!(left >> i & 1))
            continue;
        uint32_t taps = alike(s->tap, s->tap[i]) & all;
        int score = l->votes[0][taps & 1023] + l->votes[1][taps >> 10], at = n++;
        for (; at > 0 && s->score[at - 1] < score; at--) {
            s->score[at] = s->score[at - 1];
            s->guess[at] = s->guess[at - 1];
            s->taps[at] = s->taps[at - 1];
        }
        s->score[at] = score;
        s->guess[at] = s->tap[i];
        s->taps[at] = taps;
        left &= ~taps;
    }
    s->n_guesses = n;
    s->taps[n] = 0;
}

/* West, north, north-east, and in the slice before the same place, east and south. */
P3_INLINE uint32_t nearest(uint32_t taps) {
    return (taps & 3) | (taps >> 3 & 1) << 2 | (taps >> 6 & 1) << 3 | (taps >> 8 & 1) << 4 |
           (taps >> 10 & 1) << 5;
}

P3_INLINE void choose_counters(medroi_p3_labels *l, const labels_site *s, int k,
                               medroi_decision *d) {
    const int64_t row = l->p->v.row;
    const uint32_t taps = s->taps[k], then = s->taps[k + 1],
                   left = (uint32_t)(s->n_guesses - 1 - k);
    const uint32_t place = (uint32_t)((k < 3 ? k : 3) * P3_KINDS + s->kind), near = nearest(taps);
    const uint32_t label = number_of(l, s->guess[k]);
    const uint32_t following = left > 0 ? number_of(l, s->guess[k + 1]) : UINT32_MAX;
    const uint8_t *r = s->rank, *b = s->rank_before;
    const uint32_t ranks =
        (uint32_t)(r[-1] | r[-row] << 2 | r[-row + 1] << 4 | b[0] << 6 | b[1] << 8 | b[row] << 10);
    medroi_counter(*c)[CONTEXTS] = l->counters;
    d->counter[0] = &c[0][place_of(taps & 0x7CF, place, left < 2 ? left : 2)];
    d->counter[1] = &c[1][place_of(taps, place, nearest(then))];
    d->counter[2] = &c[2][place_of(taps & 0x7FFF, place, 0)];
    d->counter[3] = &c[3][place_of(label, following, near << 4 | place)];
    d->counter[4] = &c[4][place_of(number_of(l, s->tap[0]), number_of(l, s->tap[6]),
                                   (31 * number_of(l, s->tap[1]) + label) << 4 | place)];
    d->counter[5] = &c[5][place_of(ranks, near, place)];
    d->counter[6] = &c[6][place_of(taps, then, place)];
    d->weights[0] = &l->by_number[place][left];
    d->weights[1] = &l->by_pattern[k < 3 ? k : 3][near];
    if (*d->counter[0] == 0)
        *d->counter[0] = medroi_counter_of(k == 0 ? 3 << 18 : 1 << 19, 1);
}

/* Whether the voxel has guess k; encoding knows. */
P3_INLINE unsigned code_guess(medroi_p3_labels *l, const labels_site *s, int k, unsigned is_it,
                              int encode) {
    medroi_decision d;
    choose_counters(l, s, k, &d);
    const uint32_t c = *d.counter[0], whole = 1u << MEDROI_LOGISTIC_BITS;
    uint32_t odds = c >> 12;
    if ((c & 1023) > SURE_SEEN && (odds < SURE_ODDS || odds > whole - SURE_ODDS)) {
        odds = odds < LEAST_ODDS           ? LEAST_ODDS
               : odds > whole - LEAST_ODDS ? whole - LEAST_ODDS
                                           : odds;
        if (encode)
            medroi_chance_encode(&l->p->enc, odds, is_it);
        else
            is_it = medroi_chance_decode(&l->p->dec, odds);
        medroi_counter_learn(&l->logistic, d.counter[0], is_it);
        return is_it;
    }
    if (encode)
        medroi_logistic_encode(&l->p->enc, &l->logistic, &d, is_it);
    else
        is_it = medroi_logistic_decode(&l->p->dec, &l->logistic, &d);
    return is_it;
}

P3_INLINE unsigned code_bit(medroi_p3_labels *l, medroi_bit_model *model, unsigned bit,
                            int encode) {
    if (encode)
        medroi_bit_encode(&l->p->enc, model, bit);
    else
        bit = medroi_bit_decode(&l->p->dec, model);
    return bit;
}

/* A label by its bits, the first ones with models. */
P3_INLINE uint32_t code_spelled(medroi_p3_labels *l, uint32_t label, int encode) {
    int n = medroi_bit_length(l->p->map.top), raw = n > SPELLED_BITS ? n - SPELLED_BITS : 0;
    uint32_t node = 1;
    for (int i = n - 1; i >= raw; i--)
        node = node << 1 | code_bit(l, &l->spelled[node], label >> i & 1, encode);
    uint32_t low = label & (((uint32_t)1 << raw) - 1);
    if (encode)
        medroi_bits_put(&l->p->put, low, raw);
    else
        low = (uint32_t)medroi_bits_get(&l->p->get, raw);
    return (node - (1u << (n - raw))) << raw | low;
}

/* A label that is no guess. */
static uint32_t code_other(medroi_p3_labels *l, const labels_site *s, uint32_t label, int encode) {
    uint32_t *last = &l->last[place_of(number_of(l, s->guess[0]), 0, 0) & (PLACES - 1)];
    if (l->next <= l->p->map.top && code_bit(l, &l->is_next, label == l->next, encode))
        label = l->next;
    else if (code_bit(l, &l->is_last, label == *last, encode))
        label = *last;
    else
        label = code_spelled(l, label, encode);
    int outside = label > l->p->map.top;
    l->bad |= outside;
    label = outside ? 0 : label;
    *last = label;
    if (label >= l->next)
        l->next = label + 1;
    return label;
}

/* One voxel: encoding reads it, decoding writes it. Returns how many guesses failed, up to 3. */
P3_INLINE int code_voxel(medroi_p3_labels *l, labels_site *s, int encode) {
    const int64_t row = l->p->v.row;
    int k = 0;
    if (is_flat(s, row)) {
        const int32_t w = s->c[-1];
        if (code_bit(l, &l->flat[flat_model(s, row)], *s->c == w, encode)) {
            *s->c = w;
            return 0;
        }
        k = 1;
    }
    medroi_p3_neighbours(s->c, s->n, s->f, row, s->tap);
    find_guesses(l, s);
    for (; k < s->n_guesses; k++) {
        int is_only = k + 1 == s->n_guesses && (uint64_t)s->n_guesses == l->p->map.top + 1;
        if (is_only || code_guess(l, s, k, *s->c == s->guess[k], encode)) {
            *s->c = s->guess[k];
            return k < 3 ? k : 3;
        }
    }
    *s->c = (int32_t)(code_other(l, s, number_of(l, *s->c), encode) + (uint32_t)l->p->low);
    return 3;
}

P3_INLINE void code_slice(medroi_p3_labels *l, int64_t z, int encode) {
    const medroi_p3_volume v = l->p->v;
    const int32_t *zero = l->p->voxels + medroi_p3_origin(&v, v.depth);
    labels_site s;
    s.kind = medroi_p3_kind(&v, z);
    for (int64_t y = 0; y < v.height; y++) {
        int64_t at = medroi_p3_origin(&v, 0) + y * v.row;
        int32_t *row = l->p->voxels + z * v.slice + at;
        s.c = row;
        s.n = s.kind >= 1 ? row - v.slice : zero + y * v.row;
        s.f = s.kind == 2 ? row - v.lag * v.slice : zero + y * v.row;
        s.rank = l->ranks + (z & 1) * v.slice + at;
        s.rank_before = l->ranks + (~z & 1) * v.slice + at;
        if (!encode)
            medroi_p3_margin_left(&v, row);
        for (int64_t x = 0; x < v.width; x++) {
            *s.rank = (uint8_t)code_voxel(l, &s, encode);
            s.c++, s.n++, s.f++, s.rank++, s.rank_before++;
        }
        if (!encode)
            medroi_p3_margin_right(&v, row, y);
    }
}

P3_CLONES static void encode_slice(medroi_p3_labels *l, int64_t z) { code_slice(l, z, 1); }
P3_CLONES static void decode_slice(medroi_p3_labels *l, int64_t z) { code_slice(l, z, 0); }

static void init_weights(medroi_weights *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < MEDROI_LOGISTIC_COUNTERS; k++)
            w[i].weight[k] = 9830; /* 0.15 */
    }
}

static void labels_free(medroi_p3_labels *l) {
    if (l) {
        free(l->ranks);
        free(l->counters);
    }
    free(l);
}

static medroi_p3_labels *labels_new(medroi_p3_part *p, medroi_error *error) {
    medroi_p3_labels *l = calloc(1, sizeof *l);
    if (l) {
        l->ranks = calloc((size_t)p->v.slice, 2);
        l->counters = calloc(MEDROI_LOGISTIC_COUNTERS, sizeof *l->counters);
    }
    if (!l || !l->ranks || !l->counters) {
        labels_free(l);
        medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for the models of a part");
        return NULL;
    }
    l->p = p;
    medroi_logistic_init(&l->logistic);
    init_weights(l->by_number[0], sizeof l->by_number / sizeof l->by_number[0][0]);
    init_weights(l->by_pattern[0], sizeof l->by_pattern / sizeof l->by_pattern[0][0]);
    medroi_bit_init(&l->is_next);
    medroi_bit_init(&l->is_last);
    for (int i = 0; i < 12; i++)
        medroi_bit_init(&l->flat[i]);
    for (int i = 0; i < 1 << SPELLED_BITS; i++)
        medroi_bit_init(&l->spelled[i]);
    for (int i = 0; i < 1 << (P3_TAPS / 2); i++)
        for (int k = 0; k < P3_TAPS / 2; k++) {
            l->votes[0][i] = (uint8_t)(l->votes[0][i] + (i >> k & 1) * votes[k]);
            l->votes[1][i] = (uint8_t)(l->votes[1][i] + (i >> k & 1) * votes[P3_TAPS / 2 + k]);
        }
    return l;
}

medroi_status medroi_p3_encode_labels(medroi_p3_part *p, medroi_error *error) {
    medroi_p3_labels *l = labels_new(p, error);
    if (!l)
        return MEDROI_NO_MEMORY;
    for (int64_t z = 0; z < p->v.depth && !medroi_p3_is_full(p); z++)
        encode_slice(l, z);
    labels_free(l);
    return MEDROI_OK;
}

medroi_status medroi_p3_decode_labels(medroi_p3_part *p, medroi_error *error) {
    medroi_p3_labels *l = labels_new(p, error);
    if (!l)
        return MEDROI_NO_MEMORY;
    for (int64_t z = 0; z < p->v.depth && !l->bad; z++) {
        medroi_p3_margin_top(&p->v, p->voxels, z);
        decode_slice(l, z);
    }
    medroi_status status = MEDROI_OK;
    if (l->bad)
        status = medroi_p3_corrupt(error, "a voxel lies outside the range of values");
    labels_free(l);
    return status;
}
