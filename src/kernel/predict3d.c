/* predict3d (inner codec 5): lossless 3-D predictive coding. FORMAT.md section 7 is normative.
 *
 * params: [0] speed: 0 dense (default), 1 fast.
 */
#include "predict3d_internal.h"

#include <stdlib.h>

#define LEVELS 124
#define BIAS_CONTEXTS (P3_MAX_CLASSES * 32)
#define PART_VOXELS ((int64_t)1 << 21)

typedef struct p3_codec {
    p3_volume v;
    p3_weights weights;
    int32_t *voxels; /* depth + 1 slices; the last is the zero slice */
    uint32_t *errors;
    int32_t low, high; /* smallest and greatest voxel */
    uint64_t top;
    int bad;
    medroi_rc_encoder enc;
    medroi_rc_decoder dec;
    medroi_bit_writer put;
    medroi_bit_reader get;
    medroi_bit_model flat[4];
    medroi_token_model token[LEVELS * 4], token2[8192];
    medroi_number_model escape;
    int32_t bias[BIAS_CONTEXTS];
} p3_codec;

/* Where the coder stands in a slice. */
typedef struct p3_site {
    int32_t *c;
    const int32_t *n, *f;
    uint32_t *e;
    const uint32_t *en;
    int kind;
} p3_site;

p3_volume p3_shape(const medroi_block *block)
{
    int64_t size[MEDROI_MAX_AXES];
    int32_t n = 0;
    for (int32_t i = 0; i < block->ndim; i++)
        if (block->shape[i] != 1)
            size[n++] = block->shape[i];
    p3_volume v = {1, 1, 1, 0, 0, 2};
    if (n >= 1)
        v.width = size[n - 1];
    if (n >= 2)
        v.height = size[n - 2];
    for (int32_t i = 0; i + 2 < n; i++)
        v.depth *= size[i];
    if (n >= 4)
        v.lag = size[n - 3];
    v.row = v.width + 4;
    v.slice = v.row * (v.height + 3);
    return v;
}

/* Sum of 16 shares of recent errors, in units of 1/8. */
static inline uint32_t activity(const p3_site *s, int64_t row)
{
    const uint32_t *e = s->e, *n = s->en;
    uint32_t here = 2 * (e[-1] + e[-row]) + e[-row - 1] + e[-row + 1] + e[-2] + e[-2 * row];
    if (s->kind == 0)
        return 2 * here;
    return here + 2 * n[0] + n[-1] + n[1] + n[-row] + n[row] + n[row - 1] + n[row + 1];
}

static inline int64_t weighted(const int32_t *w, const int32_t *t)
{
    int64_t a = (int64_t)w[1] * t[1] + (int64_t)w[2] * t[2] + (int64_t)w[3] * t[3];
    int64_t b = (int64_t)w[5] * t[5] + (int64_t)w[6] * t[6] + (int64_t)w[7] * t[7];
    int64_t c = (int64_t)w[8] * t[8] + (int64_t)w[9] * t[9] + (int64_t)w[10] * t[10];
    int64_t d = (int64_t)w[11] * t[11] + (int64_t)w[12] * t[12] + (int64_t)w[13] * t[13];
    a += (int64_t)w[14] * t[14] + (int64_t)w[15] * t[15] + (int64_t)w[16] * t[16];
    b += (int64_t)w[17] * t[17] + (int64_t)w[18] * t[18] + (int64_t)w[19] * t[19];
    return (a + b) + (c + d) + ((int64_t)w[4] * t[4] + (int64_t)w[0] * t[0]);
}

/* One voxel. In: its neighbours. Encoding reads *s->c, decoding writes it. */
static inline void code_voxel(p3_codec *p, const p3_site *s, int encode)
{
    const int64_t row = p->v.row;
    int32_t tap[P3_TAPS];
    p3_neighbours(s->c, s->n, s->f, row, tap);
    uint32_t rough = p3_roughness(tap);
    if (rough == 0 && tap[3] == tap[0]) {
        medroi_bit_model *flat = &p->flat[(tap[8] == tap[6]) + (tap[10] == tap[6]) +
                                          (tap[14] == tap[6])];
        unsigned same = (unsigned)(*s->c == tap[0]);
        if (encode)
            medroi_bit_encode(&p->enc, flat, same);
        else
            same = medroi_bit_decode(&p->dec, flat);
        if (same) {
            *s->c = tap[0];
            *s->e = 0;
            return;
        }
    }
    const uint32_t *limit = p->weights.limit[s->kind];
    int32_t cls = 0;
    for (int32_t i = 0; i < P3_MAX_CLASSES - 1; i++)
        cls += rough >= limit[i];
    const int32_t *w = p->weights.weight[s->kind][cls];
    int64_t sum = weighted(w, tap);
    int32_t guess = (int32_t)(sum >> P3_WEIGHT_BITS);
    int signs = (tap[0] > guess) | (tap[1] > guess) << 1 | (tap[6] > guess) << 2 |
                (tap[3] > guess) << 3 | (tap[10] > guess) << 4;
    int32_t *bias = &p->bias[cls * 32 + signs];
    int64_t s64 = sum + (*bias >> 4);
    int64_t lo = (int64_t)p->low << P3_WEIGHT_BITS, hi = (int64_t)p->high << P3_WEIGHT_BITS;
    s64 = s64 < lo ? lo : s64 > hi ? hi : s64;
    int64_t x = (s64 + (1 << (P3_WEIGHT_BITS - 1))) >> P3_WEIGHT_BITS;
    int64_t frac = s64 - (x << P3_WEIGHT_BITS);
    uint32_t act = activity(s, row), level = medroi_level(act);
    int k = act < 256 ? 0 : medroi_log2(act) - 7;
    int64_t fmag = frac < 0 ? -frac : frac;
    medroi_token_model *m = &p->token[level * 4 + (uint32_t)(fmag >> (P3_WEIGHT_BITS - 3) & 3)];
    medroi_token_model *m2 = &p->token2[(level >> 2) * 32 + (medroi_level(rough) >> 1 & 31)];
    int64_t below = x - p->low, above = p->high - x, fold = below < above ? below : above;
    int64_t e;
    if (encode) {
        e = *s->c - x;
        int64_t mag = e < 0 ? -e : e;
        uint64_t u;
        if (mag > fold)
            u = (uint64_t)(mag + fold);
        else
            u = (uint64_t)(2 * mag) - (uint64_t)((e > 0) == (frac >= 0) && e != 0);
        medroi_magnitude_encode(&p->enc, &p->put, &p->escape, m, m2, u, k);
    } else {
        int64_t u = (int64_t)medroi_magnitude_decode(&p->dec, &p->get, &p->escape, m, m2, k);
        if (u > 2 * fold) {
            int64_t mag = u - fold;
            e = below < above ? mag : -mag;
        } else {
            int64_t mag = (u + 1) >> 1;
            e = ((u & 1) != 0) == (frac >= 0) ? mag : -mag;
        }
        int64_t value = x + e;
        if (value < p->low || value > p->high) {
            p->bad = 1;
            value = p->low;
        }
        *s->c = (int32_t)value;
    }
    int64_t miss = ((int64_t)*s->c << P3_WEIGHT_BITS) - s64;
    uint64_t size = (uint64_t)(miss < 0 ? -miss : miss) >> (P3_WEIGHT_BITS - 3);
    *s->e = size < 1u << 26 ? (uint32_t)size : 1u << 26;
    int64_t pull = ((int64_t)*s->c << P3_WEIGHT_BITS) - sum;
    int64_t cap = (int64_t)1 << 26;
    pull = pull > cap ? cap : pull < -cap ? -cap : pull;
    *bias += (int32_t)((pull * 16 - *bias) >> 7);
}

void p3_margin_top(const p3_volume *v, int32_t *voxels, int64_t z)
{
    int32_t *row = voxels + p3_origin(v, z) - 2;
    const int32_t *source = z > 0 ? row - v->slice : row;
    for (int64_t x = 0; x < v->row; x++) {
        int32_t value = z > 0 ? source[x] : 0;
        row[x - v->row] = row[x - 2 * v->row] = value;
    }
}

/* Left margin before a row is coded, right margin after: called twice, with the row's start. */
static void margin_left(const p3_volume *v, int32_t *row)
{
    row[-1] = row[-2] = row[-v->row];
}

static void margin_right(const p3_volume *v, int32_t *row, int64_t y)
{
    row[v->width] = row[v->width + 1] = row[v->width - 1];
    if (y + 1 == v->height)
        memcpy(row + v->row - 2, row - 2, (size_t)v->row * sizeof *row);
}

static inline void code_rows(p3_codec *p, int64_t z, int encode)
{
    const p3_volume *v = &p->v;
    const int64_t origin = p3_origin(v, z);
    const int32_t *zero = p->voxels + p3_origin(v, v->depth);
    int kind = p3_kind(v, z);
    for (int64_t y = 0; y < v->height; y++) {
        int64_t at = origin + y * v->row;
        int32_t *c = p->voxels + at;
        uint32_t *e = p->errors + at;
        if (!encode)
            margin_left(v, c);
        p3_site s = {c, zero + y * v->row, zero + y * v->row, e, e, kind};
        if (kind >= 1) {
            s.n = c - v->slice;
            s.en = e - v->slice;
        }
        if (kind == 2)
            s.f = c - v->lag * v->slice;
        for (int64_t x = 0; x < v->width; x++) {
            code_voxel(p, &s, encode);
            s.c++, s.n++, s.f++, s.e++, s.en++;
        }
        if (!encode)
            margin_right(v, c, y);
    }
}

static void encode_rows(p3_codec *p, int64_t z)
{
    code_rows(p, z, 1);
}

static void decode_rows(p3_codec *p, int64_t z)
{
    code_rows(p, z, 0);
}

static void fill_margins(p3_codec *p)
{
    const p3_volume *v = &p->v;
    for (int64_t z = 0; z < v->depth; z++) {
        p3_margin_top(v, p->voxels, z);
        for (int64_t y = 0; y < v->height; y++) {
            int32_t *row = p->voxels + p3_origin(v, z) + y * v->row;
            margin_left(v, row);
            margin_right(v, row, y);
        }
    }
}

static medroi_status codec_init(p3_codec *p, const p3_volume *v, medroi_error *error)
{
    memset(p, 0, sizeof *p);
    p->v = *v;
    size_t n = (size_t)(v->slice * (v->depth + 1));
    p->voxels = calloc(n, sizeof(int32_t));
    p->errors = calloc(n, sizeof(uint32_t));
    for (int i = 0; i < 4; i++)
        medroi_bit_init(&p->flat[i]);
    for (int i = 0; i < LEVELS * 4; i++)
        medroi_token_init(&p->token[i]);
    for (int i = 0; i < 8192; i++)
        medroi_token_init(&p->token2[i]);
    medroi_number_init(&p->escape);
    if (!p->voxels || !p->errors)
        return medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory for %zu voxels", n);
    return MEDROI_OK;
}

static void set_range(p3_codec *p, const p3_map *map)
{
    p->top = map->top;
    p->low = (int32_t)-(int64_t)(map->top / 2 + (map->top & 1));
    p->high = (int32_t)(p->low + (int64_t)map->top);
}

static void write_weights(p3_codec *p)
{
    medroi_number_model limit, weight;
    medroi_number_init(&limit);
    medroi_number_init(&weight);
    for (int kind = 0; kind < P3_KINDS; kind++) {
        int32_t n = p->weights.n_classes[kind];
        medroi_number_encode(&p->enc, &p->put, &limit, (uint64_t)n);
        for (int32_t i = 0; i + 1 < n; i++)
            medroi_number_encode(&p->enc, &p->put, &limit, p->weights.limit[kind][i]);
        for (int32_t i = 0; i < n; i++)
            for (int j = 1; j < P3_TAPS; j++) {
                int32_t w = p->weights.weight[kind][i][j];
                uint64_t u = w < 0 ? (uint64_t)(-2 * w) - 1 : (uint64_t)(2 * w);
                medroi_number_encode(&p->enc, &p->put, &weight, u);
            }
        for (int32_t i = n > 0 ? n - 1 : 0; i < P3_MAX_CLASSES - 1; i++)
            p->weights.limit[kind][i] = UINT32_MAX;
    }
}

static medroi_status read_weights(p3_codec *p, medroi_error *error)
{
    medroi_number_model limit, weight;
    medroi_number_init(&limit);
    medroi_number_init(&weight);
    for (int kind = 0; kind < P3_KINDS; kind++) {
        uint64_t n = medroi_number_decode(&p->dec, &p->get, &limit);
        if (n > P3_MAX_CLASSES)
            return medroi_fail(error, MEDROI_CORRUPT_STREAM, "predict3d: %llu classes of weights",
                               (unsigned long long)n);
        for (uint64_t i = 0; i < P3_MAX_CLASSES - 1; i++)
            p->weights.limit[kind][i] = UINT32_MAX;
        for (uint64_t i = 0; i + 1 < n; i++)
            p->weights.limit[kind][i] =
                (uint32_t)medroi_number_decode(&p->dec, &p->get, &limit);
        for (uint64_t i = 0; i < n; i++) {
            int32_t rest = 1 << P3_WEIGHT_BITS;
            for (int j = 1; j < P3_TAPS; j++) {
                uint64_t u = medroi_number_decode(&p->dec, &p->get, &weight) & 0xFFFF;
                int32_t w = u & 1 ? -(int32_t)((u + 1) >> 1) : (int32_t)(u >> 1);
                p->weights.weight[kind][i][j] = w;
                rest -= w;
            }
            p->weights.weight[kind][i][0] = rest;
        }
    }
    return MEDROI_OK;
}

static int64_t part_extent(const medroi_block *region, const double *params)
{
    (void)params;
    int64_t per_slice = 1;
    for (int32_t i = 1; i < region->ndim; i++)
        per_slice *= region->shape[i];
    int64_t slices = (PART_VOXELS + per_slice - 1) / per_slice;
    int64_t parts = (region->shape[0] + slices - 1) / slices;
    return parts > 0 ? (region->shape[0] + parts - 1) / parts : 1;
}

static size_t bound(const medroi_block *part, const double *params)
{
    (void)params;
    size_t n = medroi_block_nbytes(part);
    return n + 64;
}

static medroi_status encode(const medroi_block *part, const void *data, const double *params,
                            uint8_t *dst, size_t capacity, size_t *nbytes, medroi_error *error)
{
    (void)params;
    p3_map map;
    p3_volume v = p3_shape(part);
    medroi_status status = p3_find_map(part, data, &map, error);
    if (status != MEDROI_OK)
        return status;
    uint8_t *bits = NULL;
    size_t size = medroi_block_nbytes(part) + 4096, n_range, n_bits;
    p3_codec *p = malloc(sizeof *p);
    if (!p) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "predict3d: no memory");
        goto done;
    }
    status = codec_init(p, &v, error);
    if (status != MEDROI_OK)
        goto done;
    bits = malloc(size);
    if (!bits)
        goto done;
    medroi_rc_encoder_init(&p->enc, dst + 5, capacity - 5);
    medroi_bits_writer_init(&p->put, bits, size);
    set_range(p, &map);
    p3_write_map(&map, &p->enc, &p->put);
    p3_load(&map, &v, data, p->voxels, &p->put);
    fill_margins(p);
    for (int kind = 0; kind < P3_KINDS; kind++)
        p3_fit_kind(&v, p->voxels, kind, &p->weights);
    write_weights(p);
    for (int64_t z = 0; z < v.depth; z++)
        encode_rows(p, z);
    n_range = medroi_rc_finish(&p->enc);
    n_bits = medroi_bits_finish(&p->put);
    dst[0] = 0;
    for (int i = 0; i < 4; i++)
        dst[1 + i] = (uint8_t)(n_range >> 8 * i);
    memcpy(dst + 5 + n_range, bits, n_bits);
    *nbytes = 5 + n_range + n_bits;
done:
    if (p) {
        free(p->voxels);
        free(p->errors);
    }
    free(p);
    free(bits);
    free(map.table);
    return status;
}

static medroi_status decode(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error)
{
    p3_volume v = p3_shape(part);
    p3_map map = {part->kind, part->itemsize, part->big_endian, 0, 0, 0, 0, 0, NULL};
    p3_codec *p = malloc(sizeof *p);
    medroi_status status = codec_init(p, &v, error);
    size_t n_range = src[1] | (size_t)src[2] << 8 | (size_t)src[3] << 16 | (size_t)src[4] << 24;
    medroi_rc_decoder_init(&p->dec, src + 5, n_range);
    medroi_bits_reader_init(&p->get, src + 5 + n_range, nbytes - 5 - n_range);
    status = p3_read_map(&map, &p->dec, &p->get, error);
    if (status != MEDROI_OK)
        goto done;
    set_range(p, &map);
    status = read_weights(p, error);
    if (status != MEDROI_OK)
        goto done;
    for (int64_t z = 0; z < v.depth; z++) {
        p3_margin_top(&v, p->voxels, z);
        decode_rows(p, z);
    }
    p3_store(&map, &v, p->voxels, &p->get, dst);
    if (p->bad || !medroi_rc_finished(&p->dec) || !medroi_bits_finished(&p->get))
        status = medroi_fail(error, MEDROI_CORRUPT_STREAM, "predict3d: damaged %d %d %d", p->bad,
                             medroi_rc_finished(&p->dec), medroi_bits_finished(&p->get));
done:
    free(map.table);
    free(p->voxels);
    free(p->errors);
    free(p);
    return status;
}

const medroi_inner medroi_predict3d = {5, "predict3d", NULL, part_extent, NULL, bound, encode,
                                       decode};
