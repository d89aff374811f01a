/* Values by the local method's models: included by local.c, once for each set of instructions.
 *
 * A value is coded by its place z = (value - mean) / scale. Sixteen cells of z, bounded at 0, 0.5,
 * 1.1, 1.9, 2.9, 4.4, 7 and 12 scales on each side, have learned shares; inside a cell the share
 * grows as that of a logistic does. Two models that look at different neighbours are added. */

#define Z_BITS 14
#define Z_TOP (12 << Z_BITS)
#define CDF_BITS 26
#define FIRST_PLACE (1u << 12) /* z = -12 */
#define LAST_PLACE (15u << 12) /* z = 12 */
#define END_PLACE (16u << 12)

/* Distances, in 1/256 voxel, to z. */
typedef struct LOCAL(ruler) {
    int64_t factor;
    int shift;
} LOCAL(ruler);

LOCAL_INLINE LOCAL(ruler) LOCAL(ruler_of)(int level) {
    return (LOCAL(ruler)){local_reciprocal[level & 7], local_shift[level & 7] + (level >> 3)};
}

/* Of any z from -12 to 12. */
LOCAL_INLINE uint32_t LOCAL(place_of)(int64_t z) {
    uint32_t t = (uint32_t)(z + Z_TOP), i = t >> 8, low = local_place[i];
    return low + ((local_place[i + 1] - low) * (t & 255) >> 8);
}

/* Shares before the cells, of two models. */
typedef struct LOCAL(shares) {
    uint32_t before[17];
} LOCAL(shares);

LOCAL_INLINE void LOCAL(add_shares)(const local_model *a, const local_model *b,
                                    LOCAL(shares) * sum) {
#if LOCAL_VECTORS
    __m256i both = _mm256_add_epi16(_mm256_loadu_si256((const __m256i *)(const void *)a->share),
                                    _mm256_loadu_si256((const __m256i *)(const void *)b->share));
    __m256i *before = (__m256i *)(void *)sum->before;
    _mm256_storeu_si256(before, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(both)));
    _mm256_storeu_si256(before + 1, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(both, 1)));
#else
    for (int i = 0; i < 16; i++) {
        sum->before[i] = (uint32_t)a->share[i] + b->share[i];
    }
#endif
    sum->before[16] = 65536;
}

/* The cell of a share of 2^-26. */
LOCAL_INLINE uint32_t LOCAL(cell_of)(const local_model *a, const local_model *b, uint32_t share) {
#if LOCAL_VECTORS
    __m256i both = _mm256_add_epi16(_mm256_loadu_si256((const __m256i *)(const void *)a->share),
                                    _mm256_loadu_si256((const __m256i *)(const void *)b->share));
    __m256i here = _mm256_set1_epi16((int16_t)(share >> 10));
    __m256i reached = _mm256_cmpeq_epi16(_mm256_max_epu16(here, both), here);
    /* That of the first cell is not asked. */
    unsigned bytes = (unsigned)_mm256_movemask_epi8(reached) >> 2;
    return (uint32_t)__builtin_popcount(bytes) >> 1;
#else
    uint32_t cell = 0;
    for (int i = 1; i < 16; i++) {
        cell += share >= ((uint32_t)a->share[i] + b->share[i]) << 10;
    }
    return cell;
#endif
}

/* Share before a place, of two models: in 2^-26. */
LOCAL_INLINE uint32_t LOCAL(before)(const LOCAL(shares) * sum, uint32_t place) {
    uint32_t low = sum->before[place >> 12], high = sum->before[(place >> 12) + 1];
    return (low << 10) + ((high - low) * (place & 4095) >> 2);
}

/* The same of one: in 2^-15. */
LOCAL_INLINE uint32_t LOCAL(before_one)(const local_model *m, uint32_t place) {
    uint32_t cell = place >> 12;
    uint32_t low = m->share[cell], high = m->share[cell + 1];
    return ((low << 8) + ((high - low) * (place & 4095) >> 4)) >> 8;
}

/* Learn that a value lay between two places: shares below move to 0, those above to 1, and those
 * between to where the value is as likely here as there. Shares stay strictly increasing, as
 * their targets are. */
LOCAL_INLINE void LOCAL(learn)(local_model *m, uint32_t start, uint32_t stop) {
    static const uint8_t shifts[64] = {3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4,
                                       4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5,
                                       5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
                                       6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6};
    uint32_t low = LOCAL(before_one)(m, start);
    uint32_t high = stop == END_PLACE ? 32768 : LOCAL(before_one)(m, stop);
    int first = (int)(start >> 12), last = (int)((stop - 1) >> 12);
    uint32_t width = high > low ? high - low : 1;
    int shift = m->seen < 256 ? shifts[m->seen >> 2] : 7;
    m->seen = (uint16_t)(m->seen + (m->seen < 256));
    int up = 15 - (int)medroi_log2(width); /* width << up fills 16 bits */
    uint32_t factor = (32700u << 16) / (width << up);
#if LOCAL_VECTORS
    const __m256i cells = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m256i share = _mm256_loadu_si256((const __m256i *)(const void *)m->share);
    __m256i t = _mm256_sub_epi16(share, _mm256_set1_epi16((int16_t)low));
    t = _mm256_sll_epi16(t, _mm_cvtsi32_si128(up));
    t = _mm256_mulhi_epu16(t, _mm256_set1_epi16((int16_t)factor));
    t = _mm256_min_epu16(t, _mm256_set1_epi16(32700));
    __m256i below = _mm256_cmpgt_epi16(_mm256_set1_epi16((int16_t)(first + 1)), cells);
    __m256i above = _mm256_cmpgt_epi16(cells, _mm256_set1_epi16((int16_t)last));
    t = _mm256_andnot_si256(below, t);
    t = _mm256_blendv_epi8(t, _mm256_set1_epi16(32752), above);
    t = _mm256_sub_epi16(_mm256_add_epi16(t, cells), share);
    share = _mm256_add_epi16(share, _mm256_sra_epi16(t, _mm_cvtsi32_si128(shift)));
    _mm256_storeu_si256((__m256i *)(void *)m->share, share);
#else
    for (int cell = 0; cell < 16; cell++) {
        int32_t share = (int32_t)m->share[cell], target = 0;
        if (cell > last) {
            target = 32752;
        } else if (cell > first) {
            uint32_t inside = (uint16_t)((uint32_t)(share - (int32_t)low) << up);
            inside = inside * factor >> 16;
            target = (int32_t)(inside < 32700 ? inside : 32700);
        }
        m->share[cell] = (uint16_t)(share + ((target + cell - share) >> shift));
    }
#endif
}

/* The values around which the tails begin. */
LOCAL_INLINE void LOCAL(look_far)(const local_coder *c, const local_outlook *o, int64_t *below,
                                  int64_t *above) {
    *above = -((o->base - c->far_above[o->level]) >> (8 + o->n_low)) - 1;
    *below = (c->far_below[o->level] - o->base) >> (8 + o->n_low);
}

LOCAL_INLINE local_outlook LOCAL(look)(int32_t top, int64_t mean, int level, local_model *one,
                                       local_model *other) {
    local_outlook o = {.base = -128 - mean, .level = level, .one = one, .other = other};
    o.n_low = level > 83 ? (level - 76) >> 3 : 0;
    o.top = top >> o.n_low;
    return o;
}

/* Where value m begins: its place, and the share before it. */
LOCAL_INLINE local_edge LOCAL(edge_of)(const local_outlook *o, const LOCAL(shares) * sum,
                                       int64_t m) {
    if (m <= 0) {
        return (local_edge){0, 0};
    }
    if (m > o->top) {
        return (local_edge){END_PLACE, 1u << CDF_BITS};
    }
    LOCAL(ruler) ruler = LOCAL(ruler_of)(o->level);
    int64_t from = m * ((int64_t)256 << o->n_low) + o->base;
    int64_t z = from * ruler.factor >> ruler.shift;
    z = z > Z_TOP ? Z_TOP : z < -Z_TOP ? -Z_TOP : z;
    uint32_t place = LOCAL(place_of)(z);
    return (local_edge){place, LOCAL(before)(sum, place)};
}

/* The same for a value and the one behind it, where neither reaches into a tail: most do not. */
LOCAL_INLINE int LOCAL(edges_of)(const local_outlook *o, const LOCAL(shares) * sum, int64_t m,
                                 local_edge *from, local_edge *to) {
    LOCAL(ruler) ruler = LOCAL(ruler_of)(o->level);
    int64_t step = (int64_t)256 << o->n_low, at = m * step + o->base;
    int64_t z = at * ruler.factor >> ruler.shift, end = (at + step) * ruler.factor >> ruler.shift;
    if (z < -Z_TOP || end > Z_TOP) {
        return 0;
    }
    uint32_t place = LOCAL(place_of)(z);
    *from = (local_edge){place, LOCAL(before)(sum, place)};
    if (m == 0) {
        *from = (local_edge){0, 0};
    }
    place = LOCAL(place_of)(end);
    *to = (local_edge){place, LOCAL(before)(sum, place)};
    if (m == o->top) {
        *to = (local_edge){END_PLACE, 1u << CDF_BITS};
    }
    return 1;
}

/* A value that may reach into a tail. */
LOCAL_TARGET static void LOCAL(put_far)(local_coder *c, const local_outlook *o,
                                        const LOCAL(shares) * sum, int32_t m, local_edge *from,
                                        local_edge *to) {
    medroi_rc_encoder *rc = &c->p->enc;
    int64_t below, above;
    LOCAL(look_far)(c, o, &below, &above);
    *from = (local_edge){0, 0};
    *to = (local_edge){END_PLACE, 1u << CDF_BITS};
    if (m >= above && above < o->top) {
        *from = (local_edge){LAST_PLACE, LOCAL(before)(sum, LAST_PLACE)};
        medroi_rc_encode(rc, from->share, to->share - from->share, CDF_BITS);
        put_number(rc, (uint32_t)(m - above));
    } else if (m <= below && below > 0) {
        *to = (local_edge){FIRST_PLACE, LOCAL(before)(sum, FIRST_PLACE)};
        medroi_rc_encode(rc, 0, to->share, CDF_BITS);
        put_number(rc, (uint32_t)(below - m));
    } else {
        *from = LOCAL(edge_of)(o, sum, m);
        *to = LOCAL(edge_of)(o, sum, (int64_t)m + 1);
        medroi_rc_encode(rc, from->share, to->share - from->share, CDF_BITS);
    }
}

LOCAL_INLINE void LOCAL(put_value)(local_coder *c, const local_outlook *o, int32_t value) {
    medroi_rc_encoder *rc = &c->p->enc;
    int32_t m = value >> o->n_low;
    local_edge from, to;
    LOCAL(shares) sum;
    LOCAL(add_shares)(o->one, o->other, &sum);
    if (LOCAL(edges_of)(o, &sum, m, &from, &to)) {
        medroi_rc_encode(rc, from.share, to.share - from.share, CDF_BITS);
    } else {
        LOCAL(put_far)(c, o, &sum, m, &from, &to);
    }
    if (o->n_low > 0) {
        put_bits(rc, (uint32_t)value & ((1u << o->n_low) - 1), o->n_low);
    }
    LOCAL(learn)(o->one, from.place, to.place);
    LOCAL(learn)(o->other, from.place, to.place);
}

/* A value near a share: at most a few off. */
LOCAL_INLINE int64_t LOCAL(guess)(const local_coder *c, const local_outlook *o,
                                  const LOCAL(shares) * sum, uint32_t cell, uint32_t share) {
    int32_t z = cell == 0 ? -Z_TOP : Z_TOP;
    if (cell > 0 && cell < 15) {
        uint32_t low = sum->before[cell], width = sum->before[cell + 1] - low;
        uint32_t part = (share - (low << 10)) * 4 / width;
        uint32_t place = cell * 4096 + (part < 4095 ? part : 4095);
        const int32_t *at = c->inverse + (place >> LOCAL_INVERSE_BITS);
        int32_t rest = (int32_t)(place & ((1u << LOCAL_INVERSE_BITS) - 1));
        z = at[0] + ((at[1] - at[0]) * rest >> LOCAL_INVERSE_BITS);
    }
    int64_t scale = (int64_t)(17 + 2 * (o->level & 7)) << (o->level >> 3);
    /* 2955 / 2^12 is half of 256 / (128 * 1.386), as the scale is twice that of the level. */
    return (((z * scale * 2955) >> (Z_BITS + 12)) - o->base) >> (8 + o->n_low);
}

/* The value that owns a share, which is near `m`, where neither that nor any between them reaches
 * into a tail: -1 otherwise. */
LOCAL_INLINE int64_t LOCAL(find_near)(const local_outlook *o, const LOCAL(shares) * sum,
                                      uint32_t share, int64_t m, local_edge *from, local_edge *to) {
    m = m < 0 ? 0 : m > o->top ? o->top : m;
    int inside = LOCAL(edges_of)(o, sum, m, from, to);
    while (inside && share < from->share) {
        inside = LOCAL(edges_of)(o, sum, --m, from, to);
    }
    while (inside && share >= to->share) {
        inside = LOCAL(edges_of)(o, sum, ++m, from, to);
    }
    return inside ? m : -1;
}

/* A value that may reach into a tail, or that no value is: below 0 or above the greatest. */
LOCAL_TARGET static int64_t LOCAL(get_far)(local_coder *c, const local_outlook *o,
                                           const LOCAL(shares) * sum, uint32_t cell, uint32_t share,
                                           uint64_t piece, local_edge *from, local_edge *to) {
    medroi_rc_decoder *rc = &c->p->dec;
    int64_t below, above;
    LOCAL(look_far)(c, o, &below, &above);
    *from = (local_edge){0, 0};
    *to = (local_edge){END_PLACE, 1u << CDF_BITS};
    if (cell == 15 && above < o->top) {
        *from = (local_edge){LAST_PLACE, LOCAL(before)(sum, LAST_PLACE)};
        medroi_rc_narrow(rc, piece, from->share, to->share - from->share);
        return above + get_number(rc);
    }
    if (cell == 0 && below > 0) {
        *to = (local_edge){FIRST_PLACE, LOCAL(before)(sum, FIRST_PLACE)};
        medroi_rc_narrow(rc, piece, 0, to->share);
        return below - (int64_t)get_number(rc);
    }
    int64_t least = below > 0 ? below + 1 : 0, most = above < o->top ? above - 1 : o->top;
    int64_t m = LOCAL(guess)(c, o, sum, cell, share);
    m = m < least ? least : m > most ? most : m;
    *from = LOCAL(edge_of)(o, sum, m);
    *to = LOCAL(edge_of)(o, sum, m + 1);
    while (share < from->share && m > least) {
        *to = *from;
        *from = LOCAL(edge_of)(o, sum, --m);
    }
    while (share >= to->share && m < most) {
        *from = *to;
        *to = LOCAL(edge_of)(o, sum, ++m + 1);
    }
    c->bad |= share < from->share || share >= to->share;
    medroi_rc_narrow(rc, piece, from->share, to->share - from->share);
    return m;
}

LOCAL_INLINE int32_t LOCAL(get_value)(local_coder *c, const local_outlook *o, int32_t top) {
    medroi_rc_decoder *rc = &c->p->dec;
    local_edge from, to;
    LOCAL(shares) sum;
    LOCAL(add_shares)(o->one, o->other, &sum);
    uint64_t piece = rc->range >> CDF_BITS, at = rc->code / piece;
    uint32_t share = at >> CDF_BITS ? (1u << CDF_BITS) - 1 : (uint32_t)at;
    uint32_t cell = LOCAL(cell_of)(o->one, o->other, share);
    int64_t m = -1;
    if (cell > 0 && cell < 15) {
        m = LOCAL(find_near)(o, &sum, share, LOCAL(guess)(c, o, &sum, cell, share), &from, &to);
    }
    if (m >= 0) {
        medroi_rc_narrow(rc, piece, from.share, to.share - from.share);
    } else {
        m = LOCAL(get_far)(c, o, &sum, cell, share, piece, &from, &to);
        if (m < 0 || m > o->top) {
            c->bad = 1;
            m = m < 0 ? 0 : o->top;
        }
    }
    if (o->n_low > 0) {
        m = m * ((int64_t)1 << o->n_low) + get_bits(rc, o->n_low);
    }
    if (m > top) {
        c->bad = 1;
        m = top;
    }
    LOCAL(learn)(o->one, from.place, to.place);
    LOCAL(learn)(o->other, from.place, to.place);
    return (int32_t)m;
}
