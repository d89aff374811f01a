/* wavelet3d, second version: choosing the indices.
 *
 * Two quantisers take turns: one of whole steps, one of half steps around 0. Which of them the next
 * coefficient has depends on a state that the parity of each index moves on (trellis coded
 * quantisation, Marcellin and Fischer 1990; eight states as in Versatile Video Coding). Together
 * they pack the space of coefficients more densely than either alone. The encoder finds the path of
 * least cost through the states of a band (Viterbi 1967): squared error plus a price for the bits,
 * taken from the coder's own prior at the magnitude that the surroundings let expect. Costs are
 * integers, so that all machines choose alike. Series of volumes are quantised one by one instead:
 * equal slices of successive volumes then have equal indices, which the coder sees.
 */
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/mixed_tables.h"
#include "codecs/wavelet3d/planes.h"

#include <stdlib.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define STATES 8
#define PASSES 2         /* the first for a guess at what surrounds a coefficient */
#define RATES 16         /* magnitudes with a rate of their own */
#define SIGN_BITS 240    /* in 1/256 */
#define PRICE 205        /* of a bit, in 1/4096 squared steps: 0.05 */
#define LEAST_SHARE 1024 /* of 2^20: no decision is dearer */
#define ROUND 102        /* a guess at a magnitude rounds down from + 0.4 */
#define LARGEST 1073741760.0f
#define NEVER ((int32_t)1 << 28)

const uint8_t medroi_w3_next_state[STATES][2] = {{0, 1}, {3, 2}, {5, 4}, {6, 7},
                                                 {1, 0}, {2, 3}, {4, 5}, {7, 6}};
/* States n / 2 and n / 2 + 4 lead to state n: the first by this parity, the second by the other. */
static const uint8_t parity_to[STATES] = {0, 1, 1, 0, 1, 0, 0, 1};

/* All that walking back over a coefficient needs: which of the two states came before, one bit
 * for each state; and for each quantiser and parity, 0: the index is 0, else 1 + what is above the
 * rounded down one. */
typedef struct step {
    uint8_t before, picked;
} step;

typedef struct trellis {
    int32_t rate[2][W3_EXPECTED_LEVELS][RATES]; /* in 1/4096 squared steps */
    medroi_w3_planes planes;
    step *steps;
} trellis;

/* -log2(p / 2^20) in 1/256. */
static int32_t bits_of(int32_t p) {
    int n = medroi_log2((uint32_t)p);
    uint64_t x = (uint64_t)p << (31 - n);
    int32_t found = n;
    for (int i = 0; i < 8; i++) {
        x = x * x >> 31;
        found = 2 * found + (int32_t)(x >> 32);
        x >>= x >> 32;
    }
    return 20 * 256 - found;
}

static void set_rates(trellis *t) {
    for (int q = 0; q < 2; q++)
        for (uint32_t level = 0; level < W3_EXPECTED_LEVELS; level++) {
            int32_t above = 0;
            for (int k = 0; k < RATES; k++) {
                int32_t p = medroi_w3_prior(q, k, level);
                p = p < LEAST_SHARE               ? LEAST_SHARE
                    : p > (1 << 20) - LEAST_SHARE ? (1 << 20) - LEAST_SHARE
                                                  : p;
                int32_t bits = above + bits_of((1 << 20) - p) + (k > 0 ? SIGN_BITS : 0);
                t->rate[q][level][k] = bits * PRICE / 256;
                above += bits_of(p);
            }
        }
}

static int64_t count(const medroi_w3_band *b) {
    return b->size[0] * b->size[1] * b->size[2] * b->size[3];
}

static medroi_status trellis_open(trellis **made, const medroi_w3_shape *shape,
                                  const medroi_w3_header *header, medroi_error *error) {
    trellis *t = calloc(1, sizeof *t);
    int64_t most = 0;
    *made = t;
    if (!t)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the quantiser");
    medroi_status status = medroi_w3_planes_open(&t->planes, shape, header, error);
    for (int i = 0; i < t->planes.n; i++)
        most = count(&t->planes.band[i]) > most ? count(&t->planes.band[i]) : most;
    t->steps = malloc((size_t)most * sizeof *t->steps);
    if (status == MEDROI_OK && !t->steps)
        status = medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the quantiser");
    set_rates(t);
    return status;
}

static void trellis_close(trellis *t) {
    if (t) {
        medroi_w3_planes_close(&t->planes);
        free(t->steps);
    }
    free(t);
}

/* The size of a coefficient in 1/256 steps. */
W3_INLINE int64_t size_of(float x) {
    float size = x < 0.0f ? -x : x;
    size = size < LARGEST ? size : LARGEST;
    return (int64_t)(size * 256.0f + 0.5f);
}

/* The magnitudes of a band as far as its surroundings see them: of the indices, or of rounded
 * coefficients before there are any. */
static void show_magnitudes(const medroi_w3_planes *planes, const medroi_w3_plane *p,
                            const float *data, const int32_t *indices) {
    const int64_t *size = p->band->size;
    for (int64_t t = 0; t < size[0]; t++)
        for (int64_t z = 0; z < size[1]; z++)
            for (int64_t y = 0; y < size[2]; y++) {
                int64_t at = medroi_w3_row_at(planes, p->band, t, z, y);
                uint16_t *m = p->magnitude + medroi_w3_plane_row(p, t, z, y);
                for (int64_t x = 0; x < size[3]; x++) {
                    int64_t k =
                        indices ? abs(indices[at + x]) : (size_of(data[at + x]) + ROUND) >> 8;
                    m[x] = (uint16_t)(k < W3_LARGEST ? k : W3_LARGEST);
                }
            }
}

/* Costs of the best index of each parity, for both quantisers; returns which they are. */
W3_INLINE unsigned price_indices(const trellis *t, uint32_t level, int shift, int64_t size,
                                 int32_t cost[2][2]) {
    unsigned picked = 0;
    for (int q = 0; q < 2; q++) {
        const int32_t *rate = t->rate[q][level];
        const int64_t low = (size + 128 * q) >> 8;
        for (int i = 0; i < 2; i++) {
            int64_t k = low + i, high = k >> shift;
            int32_t miss = (int32_t)(size - (k > 0 ? 256 * k - 128 * q : 0));
            cost[q][k & 1] = (miss * miss >> 4) + rate[high < RATES ? high : RATES - 1];
            picked |= (unsigned)(1 + i) << 2 * (2 * q + (int)(k & 1));
        }
        if (low > 0 && low < 3) {
            int32_t zero = ((int32_t)(size * size) >> 4) + rate[0];
            if (zero < cost[q][0]) {
                cost[q][0] = zero;
                picked &= ~(3u << 4 * q);
            }
        }
    }
    return picked;
}

static step *walk_row(const trellis *t, const medroi_w3_plane *p, const uint16_t *m,
                      const float *data, int32_t cost[STATES], step *to) {
    for (int64_t x = 0; x < p->band->size[3]; x++, to++) {
        int32_t of_index[2][2], next[STATES], least = NEVER;
        int shift;
        uint32_t level = medroi_w3_expected(&t->planes.view, m + x, x, &shift);
        to->picked = (uint8_t)price_indices(t, level, shift, size_of(data[x]), of_index);
        unsigned before = 0;
        for (int n = 0; n < STATES; n++) {
            const int from = n / 2, parity = parity_to[n];
            int32_t first = cost[from] + of_index[from & 1][parity];
            int32_t second = cost[from + 4] + of_index[from & 1][parity ^ 1];
            before |= (unsigned)(second < first) << n;
            next[n] = second < first ? second : first;
            least = next[n] < least ? next[n] : least;
        }
        for (int n = 0; n < STATES; n++)
            cost[n] = next[n] - least;
        to->before = (uint8_t)before;
    }
    return to;
}

static void walk_back(const trellis *t, const medroi_w3_plane *p, const float *data, int state,
                      const step *from, int32_t *indices) {
    const int64_t *size = p->band->size;
    for (int64_t u = size[0]; u-- > 0;)
        for (int64_t z = size[1]; z-- > 0;)
            for (int64_t y = size[2]; y-- > 0;) {
                int64_t at = medroi_w3_row_at(&t->planes, p->band, u, z, y);
                for (int64_t x = size[3]; x-- > 0;) {
                    --from;
                    int second = from->before >> state & 1, parity = parity_to[state] ^ second;
                    state = state / 2 + 4 * second;
                    int q = state & 1, picked = from->picked >> 2 * (2 * q + parity) & 3;
                    int64_t low = (size_of(data[at + x]) + 128 * q) >> 8;
                    int32_t k = picked == 0 ? 0 : (int32_t)(low + picked - 1);
                    indices[at + x] = data[at + x] < 0.0f ? -k : k;
                }
            }
}

static void choose_in_band(trellis *t, const medroi_w3_plane *p, const float *data,
                           int32_t *indices) {
    const int64_t *size = p->band->size;
    show_magnitudes(&t->planes, p, data, NULL);
    for (int pass = 0; pass < PASSES; pass++) {
        int32_t cost[STATES] = {0, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER};
        step *to = t->steps;
        for (int64_t u = 0; u < size[0]; u++)
            for (int64_t z = 0; z < size[1]; z++)
                for (int64_t y = 0; y < size[2]; y++) {
                    medroi_w3_look(&t->planes.view, p, u, z, y);
                    to = walk_row(t, p, p->magnitude + medroi_w3_plane_row(p, u, z, y),
                                  data + medroi_w3_row_at(&t->planes, p->band, u, z, y), cost, to);
                }
        int best = 0;
        for (int n = 1; n < STATES; n++)
            best = cost[n] < cost[best] ? n : best;
        walk_back(t, p, data, best, to, indices);
        show_magnitudes(&t->planes, p, data, indices);
    }
}

/* Does something with a row, which begins at `at` in the array; returns the state behind it. */
typedef int row_visit(void *user, int64_t at, int64_t width, int state);

/* The rows of each band in coding order; each band begins in state 0. */
static void visit_rows(const medroi_w3_shape *shape, const medroi_w3_header *header,
                       row_visit *visit, void *user) {
    medroi_w3_band band[W3_MAX_BANDS];
    int64_t stride[W3_AXES];
    medroi_w3_strides(shape, stride);
    int n = medroi_w3_place_bands(shape, header, band);
    for (int i = 0; i < n; i++) {
        const medroi_w3_band *b = &band[i];
        int state = 0;
        for (int64_t t = 0; t < b->size[0]; t++)
            for (int64_t z = 0; z < b->size[1]; z++)
                for (int64_t y = 0; y < b->size[2]; y++)
                    state = visit(user, medroi_w3_row_in(stride, b, t, z, y), b->size[3], state);
    }
}

/* Excess of values over sizes, by quantiser and magnitude. */
typedef struct learning {
    const medroi_w3_header *header;
    const float *data;
    const int32_t *indices;
    int64_t sum[2 * W3_POINTS], count[2 * W3_POINTS];
} learning;

static int learn_row(void *user, int64_t at, int64_t width, int state) {
    learning *l = user;
    for (int64_t x = at; x < at + width; x++) {
        const int k = abs(l->indices[x]), odd = state & 1;
        if (k > 0) {
            int i = odd * W3_POINTS + (k < W3_POINTS ? k - 1 : W3_POINTS - 1);
            l->sum[i] += 256 * (int64_t)k - 128 * odd - size_of(l->data[x]);
            l->count[i]++;
        }
        state = l->header->is_trellis ? medroi_w3_next_state[state][k & 1] : 0;
    }
    return state;
}

static void learn_points(const medroi_w3_shape *shape, const float *data, const int32_t *indices,
                         medroi_w3_header *header) {
    learning l = {.header = header, .data = data, .indices = indices};
    visit_rows(shape, header, learn_row, &l);
    for (int i = 0; i < 2 * W3_POINTS; i++) {
        int64_t n = l.count[i], mean = 0;
        if (n > 0) /* rounded */
            mean = (l.sum[i] >= 0 ? 2 * l.sum[i] + n : 2 * l.sum[i] - n) / (2 * n);
        header->mixed_point[i] = (int8_t)(mean > 127 ? 127 : mean < -127 ? -127 : mean);
    }
}

static medroi_status choose_by_trellis(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                       const float *data, int32_t *indices, medroi_error *error) {
    trellis *t;
    medroi_status status = trellis_open(&t, shape, header, error);
    for (int i = 0; status == MEDROI_OK && i < t->planes.n; i++)
        choose_in_band(t, &t->planes.plane[i], data, indices);
    trellis_close(t);
    return status;
}

static void choose_one_by_one(int64_t n, const float *data, int32_t *indices) {
    for (int64_t i = 0; i < n; i++) {
        int32_t k = (int32_t)medroi_w3_magnitude(data[i]);
        indices[i] = data[i] < 0.0f ? -k : k;
    }
}

medroi_status medroi_w3_choose_indices(const medroi_w3_shape *shape, medroi_w3_header *header,
                                       const float *data, int32_t *indices, medroi_error *error) {
    medroi_status status = MEDROI_OK;
    header->is_trellis = (uint8_t)medroi_w3_has_trellis(shape);
    if (header->is_trellis)
        status = choose_by_trellis(shape, header, data, indices, error);
    else
        choose_one_by_one(medroi_w3_count(shape), data, indices);
    if (status == MEDROI_OK)
        learn_points(shape, data, indices, header);
    return status;
}

typedef struct valuing {
    const medroi_w3_header *header;
    const int32_t *indices;
    float *data;
} valuing;

static int value_row(void *user, int64_t at, int64_t width, int state) {
    const valuing *v = user;
    for (int64_t x = at; x < at + width; x++) {
        const uint32_t k = (uint32_t)abs(v->indices[x]);
        float value = medroi_w3_mixed_value(v->header, state & 1, k);
        v->data[x] = v->indices[x] < 0 ? -value : value;
        state = v->header->is_trellis ? medroi_w3_next_state[state][k & 1] : 0;
    }
    return state;
}

void medroi_w3_mixed_values(const medroi_w3_shape *shape, const medroi_w3_header *header,
                            const int32_t *indices, float *data) {
    valuing v = {.header = header, .indices = indices, .data = data};
    visit_rows(shape, header, value_row, &v);
}
