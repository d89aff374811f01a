/* wavelet3d, second version: coding the indices of the quantised subbands.
 *
 * An index is coded as decisions: is its magnitude above 0, above 1, and so on; then its sign.
 * Seven views of the surroundings (planes.c) each choose a counter that knows how often such a
 * decision came out as 1, and a logistic mixture weighs them (entropy/logistic.h). The first view
 * is the expected magnitude, whose counters start from what was learned on scans. Where large
 * magnitudes are expected, their low bits are sent as they are. Signs are nearly even, yet
 * neighbours, parents and bands of the same level that cross the same edge tell a little: an eighth
 * of their bits. Magnitudes above 13 beyond the raw bits end in an Elias gamma code.
 */
#include "codecs/wavelet3d/mixed.h"
#include "codecs/wavelet3d/mixed_tables.h"
#include "codecs/wavelet3d/planes.h"
#include "entropy/logistic.h"

#include <stdlib.h>

#define DECISIONS 14 /* of a magnitude, before the gamma code */
#define CLASSES 7    /* of these, where they are few */
#define GREATEST ((uint64_t)1 << 30)
#define MOST_GAMMA 30
#define PRIOR_SEEN 30 /* what a prior of magnitudes is worth */
#define SIGN_SEEN 2
#define MAGNITUDE_WEIGHT 5000 /* of either set, at first */
#define SIGN_WEIGHT 7500

typedef struct coder {
    medroi_logistic logistic;
    medroi_rc_encoder enc;
    medroi_rc_decoder dec;
    /* Counters of magnitudes, by the quantiser and the decision or its class. */
    medroi_counter by_expected[2][DECISIONS][W3_EXPECTED_LEVELS];
    medroi_counter by_sums[2][CLASSES][16 * 16];
    medroi_counter by_nearest[2][CLASSES][4 * 4 * 4 * 4 * 4];
    medroi_counter by_second[2][CLASSES][12 * W3_EXPECTED_LEVELS];
    medroi_counter by_bands[2][CLASSES][8 * 8 * 8];
    medroi_counter by_slices[2][CLASSES][16 * 16];
    medroi_counter by_lines[2][CLASSES][16 * 16];
    medroi_weights of_expected[2][DECISIONS][W3_EXPECTED_LEVELS / 4];
    medroi_weights of_band[2][CLASSES][W3_TYPES * W3_FINENESS];
    /* Counters of signs, by the type of the band. */
    medroi_counter sign_near[W3_TYPES][27], sign_far[W3_TYPES][729], sign_up[W3_TYPES][8 * 9],
        sign_wide[W3_TYPES][729], sign_bands[W3_TYPES][27 * 9], sign_front[W3_TYPES][243],
        sign_row[W3_TYPES][81];
    medroi_weights of_sign[W3_TYPES * W3_FINENESS], of_near[27];
    medroi_w3_planes planes;
    const medroi_w3_header *header;
    int bad;
} coder;

static const uint8_t class_of[DECISIONS] = {0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 6};

static void fill_weights(medroi_weights *to, size_t n, int32_t weight) {
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < MEDROI_LOGISTIC_COUNTERS; k++)
            to[i].weight[k] = weight;
}

static medroi_status coder_open(coder **made, const medroi_w3_shape *shape,
                                const medroi_w3_header *header, medroi_error *error) {
    coder *c = calloc(1, sizeof *c);
    *made = c;
    if (!c)
        return medroi_fail(error, MEDROI_NO_MEMORY, "wavelet3d: no memory for the coder");
    c->header = header;
    medroi_logistic_init(&c->logistic);
    for (int q = 0; q < 2; q++) {
        for (int t = 0; t < DECISIONS; t++) {
            for (int i = 0; i < W3_EXPECTED_LEVELS; i++)
                c->by_expected[q][t][i] =
                    medroi_counter_of(medroi_w3_prior(q, t, (uint32_t)i), PRIOR_SEEN);
            fill_weights(c->of_expected[q][t], W3_EXPECTED_LEVELS / 4, MAGNITUDE_WEIGHT);
        }
        for (int k = 0; k < CLASSES; k++)
            fill_weights(c->of_band[q][k], W3_TYPES * W3_FINENESS, MAGNITUDE_WEIGHT);
    }
    for (int type = 0; type < W3_TYPES; type++)
        for (int i = 0; i < 27; i++)
            c->sign_near[type][i] = medroi_counter_of(MEDROI_LOGISTIC_WHOLE / 2, SIGN_SEEN);
    fill_weights(c->of_sign, W3_TYPES * W3_FINENESS, SIGN_WEIGHT);
    fill_weights(c->of_near, 27, SIGN_WEIGHT);
    return medroi_w3_planes_open(&c->planes, shape, header, error);
}

static void coder_close(coder *c) {
    if (c)
        medroi_w3_planes_close(&c->planes);
    free(c);
}

W3_INLINE uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Two steps an octave: 0 1 2 3 4 4 5 5 6 6 6 6 7 ... */
W3_INLINE uint32_t half_octave(uint32_t x, uint32_t most) {
    if (x < 2)
        return x;
    uint32_t n = (uint32_t)medroi_log2(x);
    return least(2 * n + (x >> (n - 1) & 1), most);
}

static uint32_t get_bits(coder *c, int n) {
    uint64_t r = c->dec.range >> n, bits = c->dec.code / r;
    if (bits >> n != 0) {
        c->bad = 1;
        bits = 0;
    }
    medroi_rc_narrow(&c->dec, r, (uint32_t)bits, 1);
    return (uint32_t)bits;
}

/* An Elias gamma code of v + 1. */
static void put_gamma(coder *c, uint32_t v) {
    int n = medroi_log2(v + 1);
    for (int i = 0; i < n; i++)
        medroi_rc_encode(&c->enc, 1, 1, 1);
    medroi_rc_encode(&c->enc, 0, 1, 1);
    for (int i = n - 1; i >= 0; i--)
        medroi_rc_encode(&c->enc, (v + 1) >> i & 1, 1, 1);
}

static uint32_t get_gamma(coder *c) {
    uint32_t v = 1;
    int n = 0;
    while (n < MOST_GAMMA && get_bits(c, 1))
        n++;
    for (int i = 0; i < n; i++)
        v = v << 1 | get_bits(c, 1);
    return v - 1;
}

/* A magnitude; m points at it. `odd`: which of the two quantisers. */
W3_INLINE uint32_t code_magnitude(coder *c, const medroi_w3_plane *p, const uint16_t *m, int64_t x,
                                  int odd, uint32_t magnitude, int encode) {
    uint16_t *const *of = c->planes.view.of;
    int s;
    const uint32_t level = medroi_w3_expected(&c->planes.view, m, x, &s);
    const uint32_t before = m[-1], two_before = m[-2], above = of[W3_ABOVE][x],
                   front = of[W3_FRONT][x], up = of[W3_PARENT][x], beside = of[W3_SIBLINGS][x],
                   second = of[W3_SECOND][x], above_beside = of[W3_ABOVE_BESIDE][x];
    const uint32_t cross = (uint32_t)of[W3_FRONT_X][x] + of[W3_FRONT_Y][x],
                   ring = cross + of[W3_FRONT_DIAGONAL][x],
                   far = (uint32_t)of[W3_PARENT_BESIDE][x] + of[W3_SIBLINGS_BESIDE][x];
    const uint32_t sum = 2 * (before + above + front) + above_beside + cross,
                   other = 2 * (up + beside) + (far >> 1);
    const uint32_t band = (uint32_t)(p->type * W3_FINENESS + p->fineness);
    const uint32_t sums = half_octave(sum >> s, 15) * 16 + half_octave(other >> s, 15);
    const uint32_t nearest =
        (((least(before >> s, 3) * 4 + least(above >> s, 3)) * 4 + least(front >> s, 3)) * 4 +
         least(up >> s, 3)) *
            4 +
        half_octave(ring >> s, 7) / 2;
    const uint32_t by_second = half_octave(second >> s, 11) * W3_EXPECTED_LEVELS + level;
    const uint32_t bands = (half_octave(up >> s, 7) * 8 + half_octave(beside >> s, 7)) * 8 +
                           half_octave(far >> s, 15) / 2;
    const uint32_t slices = half_octave((2 * front + ring) >> s, 15) * 16 +
                            half_octave((2 * second + of[W3_SECOND_BESIDE][x]) >> s, 15);
    const uint32_t lines = half_octave((2 * before + two_before) >> s, 15) * 16 +
                           half_octave((2 * above + of[W3_ABOVE_TWO][x] + above_beside) >> s, 15);
    const uint32_t high = magnitude >> s;
    uint32_t t;
    for (t = 0; t < DECISIONS; t++) {
        const int k = class_of[t];
        medroi_decision d = {
            .counter = {&c->by_expected[odd][t][level], &c->by_sums[odd][k][sums],
                        &c->by_nearest[odd][k][nearest], &c->by_second[odd][k][by_second],
                        &c->by_bands[odd][k][bands], &c->by_slices[odd][k][slices],
                        &c->by_lines[odd][k][lines]},
            .weights = {&c->of_expected[odd][t][level / 4], &c->of_band[odd][k][band]}};
        unsigned is_above = high > t;
        if (encode)
            medroi_logistic_encode(&c->enc, &c->logistic, &d, is_above);
        else
            is_above = medroi_logistic_decode(&c->dec, &c->logistic, &d);
        if (!is_above)
            break;
    }
    if (encode) {
        if (t == DECISIONS)
            put_gamma(c, high - DECISIONS);
        if (s > 0)
            medroi_rc_encode(&c->enc, magnitude & ((1u << s) - 1), 1, s);
        return magnitude;
    }
    uint64_t found = t == DECISIONS ? (uint64_t)t + get_gamma(c) : t;
    found = s > 0 ? found << s | get_bits(c, s) : found;
    if (found >= GREATEST) {
        c->bad = 1;
        found = 0;
    }
    return (uint32_t)found;
}

W3_INLINE uint32_t sign_at(const uint8_t *row, int64_t x) { return row ? row[x] : 0; }

/* A sign; s points at it. `corner`: the lowest bits of its coordinates. */
W3_INLINE unsigned code_sign(coder *c, const medroi_w3_plane *p, const uint8_t *s, int64_t x,
                             uint32_t corner, unsigned negative, int encode) {
    const medroi_w3_view *v = &c->planes.view;
    const int64_t row = p->row;
    const uint8_t *front = s - p->slice;
    const uint32_t before = s[-1], above = s[-row], f = front[0], fx0 = front[-1], fx1 = front[1],
                   fy0 = front[-row], fy1 = front[row];
    const uint32_t near = (before * 3 + above) * 3 + f;
    const uint32_t beside = sign_at(v->sibling_sign[0], x);
    const uint32_t bands =
        (beside * 3 + sign_at(v->sibling_sign[1], x)) * 3 + sign_at(v->sibling_sign[2], x);
    uint32_t up = 0;
    if (v->parent_sign) {
        int64_t i = x >> p->band->halved[3], n = p->parent->band->size[3];
        up = v->parent_sign[i < n ? i : n - 1];
    }
    const int type = p->type;
    medroi_decision d =
        {.counter =
             {&c->sign_near[type][near],
              &c->sign_far[type]
                          [near * 27 + (s[-2] * 3u + s[-2 * row]) * 3 + s[-p->lag * p->slice]],
              &c->sign_up[type][(corner * 3 + up) * 3 + beside],
              &c->sign_wide
                   [type]
                   [((((s[-row - 1] * 3u + s[-row + 1]) * 3 + fx0) * 3 + fx1) * 3 + fy0) * 3 + fy1],
              &c->sign_bands[type][bands * 9 + before * 3 + above],
              &c->sign_front[type][(((f * 3 + fy0) * 3 + fy1) * 3 + fx0) * 3 + fx1],
              &c->sign_row[type][((before * 3 + s[-row - 1]) * 3 + above) * 3 + s[-row + 1]]},
         .weights = {&c->of_sign[type * W3_FINENESS + p->fineness], &c->of_near[near]}};
    if (encode)
        medroi_logistic_encode(&c->enc, &c->logistic, &d, negative);
    else
        negative = medroi_logistic_decode(&c->dec, &c->logistic, &d);
    return negative;
}

/* One row: indices are read from `from`, or values written to `to`. */
W3_INLINE int code_row(coder *c, const medroi_w3_plane *p, int64_t at, uint32_t corner, int state,
                       const int32_t *from, float *to, int encode) {
    const int64_t width = p->band->size[3];
    uint16_t *m = p->magnitude + at;
    uint8_t *s = p->sign + at;
    for (int64_t x = 0; x < width; x++) {
        uint32_t magnitude = 0;
        unsigned negative = 0;
        const int odd = state & 1;
        if (encode) {
            negative = from[x] < 0;
            magnitude = (uint32_t)(from[x] < 0 ? -from[x] : from[x]);
        }
        magnitude = code_magnitude(c, p, m + x, x, odd, magnitude, encode);
        if (magnitude > 0) {
            negative = code_sign(c, p, s + x, x, corner | (uint32_t)(x & 1), negative, encode);
            m[x] = (uint16_t)least(magnitude, W3_LARGEST);
            s[x] = (uint8_t)(1 + negative);
        }
        if (!encode) {
            float value = medroi_w3_mixed_value(c->header, odd, magnitude);
            to[x] = negative ? -value : value;
        }
        if (c->header->is_trellis)
            state = medroi_w3_next_state[state][magnitude & 1];
    }
    return state;
}

W3_INLINE void code_plane(coder *c, const medroi_w3_plane *p, const int32_t *from, float *to,
                          int encode) {
    const int64_t *size = p->band->size;
    int state = 0;
    for (int64_t t = 0; t < size[0]; t++)
        for (int64_t z = 0; z < size[1]; z++)
            for (int64_t y = 0; y < size[2]; y++) {
                const int64_t in_array = medroi_w3_row_at(&c->planes, p->band, t, z, y);
                medroi_w3_look(&c->planes.view, p, t, z, y);
                state = code_row(
                    c, p, medroi_w3_plane_row(p, t, z, y), (uint32_t)((z & 1) << 2 | (y & 1) << 1),
                    state, encode ? from + in_array : NULL, encode ? NULL : to + in_array, encode);
            }
}

medroi_status medroi_w3_encode_mixed(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const int32_t *indices, uint8_t *dst, size_t capacity,
                                     size_t *nbytes, medroi_error *error) {
    coder *c;
    medroi_status status = coder_open(&c, shape, header, error);
    *nbytes = 0;
    if (status == MEDROI_OK) {
        medroi_rc_encoder_init(&c->enc, dst, capacity);
        for (int i = 0; i < c->planes.n && !c->enc.full; i++)
            code_plane(c, &c->planes.plane[i], indices, NULL, 1);
        size_t n = medroi_rc_finish(&c->enc);
        *nbytes = c->enc.full ? 0 : n;
    }
    coder_close(c);
    return status;
}

medroi_status medroi_w3_decode_mixed(const medroi_w3_shape *shape, const medroi_w3_header *header,
                                     const uint8_t *src, size_t nbytes, float *data,
                                     medroi_error *error) {
    coder *c;
    medroi_status status = coder_open(&c, shape, header, error);
    if (status == MEDROI_OK) {
        medroi_rc_decoder_init(&c->dec, src, nbytes);
        for (int i = 0; i < c->planes.n; i++)
            code_plane(c, &c->planes.plane[i], NULL, data, 0);
        if (c->bad || !medroi_rc_finished(&c->dec))
            status = medroi_fail(error, MEDROI_CORRUPT_STREAM,
                                 "wavelet3d: the coefficients are damaged");
    }
    coder_close(c);
    return status;
}
