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

LOCAL_TARGET static inline int32_t LOCAL(z_of)(int64_t distance, int level) {
    int64_t z = distance * (int64_t)local_reciprocal[level & 7];
    z >>= local_shift[level & 7] + (level >> 3);
    return z > Z_TOP ? Z_TOP + 1 : z < -Z_TOP ? -Z_TOP - 1 : (int32_t)z;
}

LOCAL_TARGET static inline uint32_t LOCAL(place_of)(int32_t z) {
    uint32_t t = (uint32_t)((z > Z_TOP ? Z_TOP : z < -Z_TOP ? -Z_TOP : z) + Z_TOP);
    uint32_t i = t >> 8, low = local_place[i];
    return low + ((local_place[i + 1] - low) * (t & 255) >> 8);
}

LOCAL_TARGET static inline uint32_t LOCAL(share)(const local_model *m, uint32_t cell) {
    return cell == 16 ? 32768 : (uint32_t)m->share[cell];
}

/* Share before a place, of two models: in 2^-26. */
LOCAL_TARGET static inline uint32_t LOCAL(before)(const local_model *a, const local_model *b,
                                                  uint32_t place) {
    uint32_t cell = place >> 12;
    uint32_t low = LOCAL(share)(a, cell) + LOCAL(share)(b, cell);
    uint32_t high = LOCAL(share)(a, cell + 1) + LOCAL(share)(b, cell + 1);
    return (low << 10) + ((high - low) * (place & 4095) >> 2);
}

/* The same of one: in 2^-15. */
LOCAL_TARGET static inline uint32_t LOCAL(before_one)(const local_model *m, uint32_t place) {
    uint32_t cell = place >> 12;
    uint32_t low = LOCAL(share)(m, cell), high = LOCAL(share)(m, cell + 1);
    return ((low << 8) + ((high - low) * (place & 4095) >> 4)) >> 8;
}

/* Learn that a value lay between two places: shares below move to 0, those above to 1, and those
 * between to where the value is as likely here as there. Shares stay strictly increasing, as
 * their targets are. */
LOCAL_TARGET static inline void LOCAL(learn)(local_model *m, uint32_t start, uint32_t stop) {
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
        int32_t share = m->share[cell], target = 0;
        if (cell > last) {
            target = 32752;
        } else if (cell > first) {
            uint32_t inside = (uint16_t)((uint32_t)(share - (int32_t)low) << up);
            inside = inside * factor >> 16;
            target = (int32_t)(inside < 32700 ? inside : 32700);
        }
        m->share[cell] = (int16_t)(share + ((target + cell - share) >> shift));
    }
#endif
}

LOCAL_TARGET static inline local_outlook LOCAL(look)(const local_coder *c, int64_t mean, int level,
                                                     local_model *one, local_model *other) {
    local_outlook o = {.base = -128 - mean, .level = level, .one = one, .other = other};
    o.n_low = level > 83 ? (level - 76) >> 3 : 0;
    o.top = (int32_t)(c->p->map.top >> o.n_low);
    o.above = -((o.base - c->far_above[level]) >> (8 + o.n_low)) - 1;
    o.below = (c->far_below[level] - o.base) >> (8 + o.n_low);
    return o;
}

LOCAL_TARGET static inline local_interval LOCAL(interval_of)(const local_outlook *o, int32_t m) {
    local_interval i = {0, END_PLACE, 0, 1u << CDF_BITS};
    if (m > 0) {
        int64_t from = (int64_t)m * ((int64_t)256 << o->n_low) + o->base;
        i.start = LOCAL(place_of)(LOCAL(z_of)(from, o->level));
        i.low = LOCAL(before)(o->one, o->other, i.start);
    }
    if (m < o->top) {
        int64_t to = ((int64_t)m + 1) * ((int64_t)256 << o->n_low) + o->base;
        i.stop = LOCAL(place_of)(LOCAL(z_of)(to, o->level));
        i.high = LOCAL(before)(o->one, o->other, i.stop);
    }
    return i;
}

LOCAL_TARGET static inline void LOCAL(put_value)(local_coder *c, const local_outlook *o,
                                                 int32_t value) {
    medroi_rc_encoder *rc = &c->p->enc;
    int32_t m = value >> o->n_low;
    local_interval i = {0, FIRST_PLACE, 0, 0};
    if (m >= o->above && o->above < o->top) {
        i = (local_interval){LAST_PLACE, END_PLACE, LOCAL(before)(o->one, o->other, LAST_PLACE),
                             1u << CDF_BITS};
        medroi_rc_encode(rc, i.low, i.high - i.low, CDF_BITS);
        put_number(rc, (uint32_t)(m - o->above));
    } else if (m <= o->below && o->below > 0) {
        i.high = LOCAL(before)(o->one, o->other, FIRST_PLACE);
        medroi_rc_encode(rc, 0, i.high, CDF_BITS);
        put_number(rc, (uint32_t)(o->below - m));
    } else {
        i = LOCAL(interval_of)(o, m);
        medroi_rc_encode(rc, i.low, i.high - i.low, CDF_BITS);
    }
    put_bits(rc, (uint32_t)value & ((1u << o->n_low) - 1), o->n_low);
    LOCAL(learn)(o->one, i.start, i.stop);
    LOCAL(learn)(o->other, i.start, i.stop);
}

/* A value near a share: at most a few off. */
LOCAL_TARGET static inline int64_t LOCAL(guess)(const local_coder *c, const local_outlook *o,
                                                uint32_t cell, uint32_t share) {
    int32_t z = cell == 0 ? -Z_TOP : Z_TOP;
    if (cell > 0 && cell < 15) {
        uint32_t low = LOCAL(share)(o->one, cell) + LOCAL(share)(o->other, cell);
        uint32_t high = LOCAL(share)(o->one, cell + 1) + LOCAL(share)(o->other, cell + 1);
        uint32_t part = (uint32_t)((uint64_t)(share - (low << 10)) * 4 / (high - low));
        uint32_t place = cell * 4096 + (part < 4095 ? part : 4095);
        int i = c->inverse[place >> 5];
        while (i < LOCAL_PLACES - 3 && local_place[i + 1] <= place) {
            i++;
        }
        uint32_t step = (uint32_t)local_place[i + 1] - local_place[i];
        z = i * 256 + (int32_t)((place - local_place[i]) * 256 / step) - Z_TOP;
    }
    int64_t scale = (int64_t)(17 + 2 * (o->level & 7)) << (o->level >> 3);
    /* 2955 / 2^12 is half of 256 / (128 * 1.386), as the scale is twice that of the level. */
    return ((z * scale * 2955) >> (Z_BITS + 12)) - o->base;
}

LOCAL_TARGET static inline int32_t LOCAL(get_value)(local_coder *c, const local_outlook *o) {
    medroi_rc_decoder *rc = &c->p->dec;
    uint32_t share = take_share(rc, CDF_BITS), cell = 0;
    for (int i = 1; i < 16; i++) {
        cell += share >= ((uint32_t)o->one->share[i] + (uint32_t)o->other->share[i]) << 10;
    }
    local_interval i = {0, FIRST_PLACE, 0, 0};
    int64_t m;
    if (cell == 15 && o->above < o->top) {
        i = (local_interval){LAST_PLACE, END_PLACE, LOCAL(before)(o->one, o->other, LAST_PLACE),
                             1u << CDF_BITS};
        medroi_rc_narrow(rc, rc->range >> CDF_BITS, i.low, i.high - i.low);
        m = o->above + get_number(rc);
    } else if (cell == 0 && o->below > 0) {
        i.high = LOCAL(before)(o->one, o->other, FIRST_PLACE);
        medroi_rc_narrow(rc, rc->range >> CDF_BITS, 0, i.high);
        m = o->below - (int64_t)get_number(rc);
    } else {
        int64_t least = o->below > 0 ? o->below + 1 : 0;
        int64_t most = o->above < o->top ? o->above - 1 : o->top;
        m = LOCAL(guess)(c, o, cell, share) >> (8 + o->n_low);
        m = m < least ? least : m > most ? most : m;
        for (;;) {
            i = LOCAL(interval_of)(o, (int32_t)m);
            if (share < i.low && m > least) {
                m--;
            } else if (share >= i.high && m < most) {
                m++;
            } else {
                break;
            }
        }
        c->bad |= share < i.low || share >= i.high;
        medroi_rc_narrow(rc, rc->range >> CDF_BITS, i.low, i.high - i.low);
    }
    if (m < 0 || m > o->top) {
        c->bad = 1;
        m = m < 0 ? 0 : o->top;
    }
    int64_t value = m * ((int64_t)1 << o->n_low) + get_bits(rc, o->n_low);
    if (value > (int64_t)c->p->map.top) {
        c->bad = 1;
        value = (int64_t)c->p->map.top;
    }
    LOCAL(learn)(o->one, i.start, i.stop);
    LOCAL(learn)(o->other, i.start, i.stop);
    return (int32_t)value;
}
