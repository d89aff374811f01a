/* Values by mixed decisions: included by stacked.c, once for each set of instructions.
 *
 * A value is found by decisions: above or below the mean; then whether it lies a step of about one
 * scale further, and further; then halves of that step. Each decision cuts an interval in two, and
 * so every expert, a logistic, says in closed form how much of its mass lies on the side of a 1, as
 * the logarithm of odds. Counters say how often the same decision was a 1 in the same context. A
 * weighted sum of all is the logarithm of odds that the range coder gets; the weights learn from
 * what came (mixing in the logistic domain, Mahoney 2005). */

#define LEAST_T (-(1 << 20)) /* 16 scales, 16 fractional bits */

/* Experts as the tree sees them, lane by lane: distance of their mean from the border of the two
 * sides and length of one unit, in scales with 16 fractional bits. */
typedef struct LOCAL(experts) {
    int32_t start[STACKED_LANES], step[STACKED_LANES], most[STACKED_LANES], octave[STACKED_LANES];
} LOCAL(experts);

/* A border `units` outwards on one side: in scales from each mean. */
LOCAL_INLINE void LOCAL(border)(const LOCAL(experts) * e, int32_t side, int32_t units,
                                int32_t t[STACKED_LANES]) {
    for (int i = 0; i < STACKED_LANES; i++) {
        int32_t n = units < e->most[i] ? units : e->most[i];
        int32_t at = side * e->start[i] + n * e->step[i];
        at = at < -LEAST_T - 1 ? at : -LEAST_T - 1;
        t[i] = at > LEAST_T ? at : LEAST_T;
    }
}

/* Look up one entry for each lane. */
LOCAL_INLINE void LOCAL(look_up)(const int32_t *table, const int32_t index[STACKED_LANES],
                                 int32_t found[STACKED_LANES]) {
#if LOCAL_VECTORS
    for (int i = 0; i < STACKED_LANES; i += 8) {
        __m256i at = _mm256_loadu_si256((const __m256i *)(const void *)(index + i));
        _mm256_storeu_si256((__m256i *)(void *)(found + i), _mm256_i32gather_epi32(table, at, 4));
    }
#else
    for (int i = 0; i < STACKED_LANES; i++) {
        found[i] = table[index[i]];
    }
#endif
}

/* ln(1 + e^t), 10 fractional bits. */
LOCAL_INLINE void LOCAL(softplus)(const stacked_coder *c, const int32_t t[STACKED_LANES],
                                  int32_t found[STACKED_LANES]) {
    int32_t index[STACKED_LANES];
    for (int i = 0; i < STACKED_LANES; i++) {
        index[i] = (t[i] - LEAST_T) >> 10;
    }
    LOCAL(look_up)(c->curves.softplus, index, found);
}

LOCAL_INLINE int32_t LOCAL(bounded)(int32_t odds) {
    return odds > 2047 ? 2047 : odds < -2047 ? -2047 : odds;
}

/* One decision; the first STACKED_LANES inputs are there, beyond bounds and in unused lanes too. */
LOCAL_INLINE int LOCAL(decide)(stacked_coder *c, const stacked_outlook *o, int node, int32_t *in,
                               int bit, int encode) {
    stacked_counter *counters[STACKED_COUNTERS];
    for (int i = 0; i < STACKED_LANES; i++) {
        in[i] = i < STACKED_EXPERTS ? LOCAL(bounded)(in[i]) : 0;
    }
    for (int i = 0; i < STACKED_COUNTERS; i++) {
        counters[i] = &c->counters[i][o->contexts[i]][node];
        uint32_t seen = *counters[i] & 255;
        int32_t odds = c->curves.stretch[*counters[i] >> 20];
        in[STACKED_LANES + i] = (odds * stacked_trust[seen < 30 ? seen : 30]) >> 8;
    }
    in[STACKED_LANES + STACKED_COUNTERS] = 77;
    int32_t odds[STACKED_SETS], total = 0;
    for (int k = 0; k < STACKED_SETS; k++) {
        const int32_t *weights = c->mixers[k][node][o->sets[k]];
        int32_t sum = 0;
        for (int i = 0; i < STACKED_INPUTS; i++) {
            sum += (weights[i] * in[i]) >> 5;
        }
        odds[k] = LOCAL(bounded)(sum >> 11);
        total += odds[k];
    }
    uint32_t one = c->curves.squash[LOCAL(bounded)((total * 21846 + 32768) >> 16) + 2047];
    if (encode) {
        medroi_rc_encode(&c->p->enc, bit ? 0 : one, bit ? one : 65536 - one, 16);
    } else {
        medroi_rc_decoder *rc = &c->p->dec;
        uint64_t piece = rc->range >> 16;
        bit = rc->code < piece * one;
        medroi_rc_narrow(rc, piece, bit ? 0 : one, bit ? one : 65536 - one);
    }
    for (int k = 0; k < STACKED_SETS; k++) {
        int32_t *weights = c->mixers[k][node][o->sets[k]];
        uint8_t *mixed = &c->mixed[k][node][o->sets[k]];
        int32_t rate = 5 + ((6 * (255 - *mixed)) >> 8);
        *mixed = (uint8_t)(*mixed + (*mixed < 255));
        int32_t miss = (bit << 16) - (int32_t)c->curves.squash[odds[k] + 2047];
        miss = (miss * rate + 8) >> 4;
        for (int i = 0; i < STACKED_INPUTS; i++) {
            int32_t weight = weights[i] + ((miss * in[i] + (1 << 13)) >> 14);
            weight = weight < 1 << 18 ? weight : 1 << 18;
            weights[i] = weight > -(1 << 18) ? weight : -(1 << 18);
        }
    }
    for (int i = 0; i < STACKED_COUNTERS; i++) {
        uint32_t seen = *counters[i] & 255;
        int64_t chance = *counters[i] >> 10;
        chance += ((((int64_t)bit << 22) - chance) * stacked_rate[seen]) >> 16;
        chance = chance < 420 ? 420 : chance > (1 << 22) - 420 ? (1 << 22) - 420 : chance;
        *counters[i] = (uint32_t)chance << 10 | (seen < 254 ? seen + 1 : 254);
    }
    return bit;
}

/* The experts in units of 2^n voxels, from the border below value m. */
LOCAL_INLINE void LOCAL(place_experts)(const stacked_outlook *o, int64_t m, int n,
                                       LOCAL(experts) * e) {
    memset(e, 0, sizeof *e);
    int64_t border = m * ((int64_t)256 << n) - 128;
    for (int i = 0; i < STACKED_EXPERTS; i++) {
        int level = o->experts[i].level - 8 * n;
        level = level < 0 ? 0 : level > 159 ? 159 : level;
        int32_t step = stacked_step[level & 7] >> (level >> 3);
        int64_t start = (((border - o->experts[i].mean) >> n) * step) >> 8;
        e->step[i] = step;
        e->octave[i] = stacked_octave[level & 7] - 32 * (level >> 3);
        e->most[i] = 1 << (23 - medroi_bit_length((uint64_t)step));
        start = start > 1 << 22 ? 1 << 22 : start;
        e->start[i] = (int32_t)(start < -(1 << 22) ? -(1 << 22) : start);
    }
}

/* Steps outwards from the mean: `lo` and *bits say the interval [lo, lo + 2^bits) in the end. */
LOCAL_INLINE int LOCAL(go_out)(stacked_coder *c, const stacked_outlook *o, const LOCAL(experts) * e,
                               int up, int32_t away, int32_t most, int32_t *lo, int *bits,
                               int32_t before[STACKED_LANES], int encode) {
    int32_t next[STACKED_LANES], mass[STACKED_LANES], rest[STACKED_LANES], index[STACKED_LANES];
    int32_t in[STACKED_INPUTS];
    int steps = 0;
    LOCAL(border)(e, up ? 1 : -1, 0, before);
    while (*lo + (1 << *bits) <= most) {
        int32_t further = *lo + (1 << *bits);
        LOCAL(border)(e, up ? 1 : -1, further, next);
        LOCAL(softplus)(c, before, mass);
        for (int i = 0; i < STACKED_LANES; i++) {
            int32_t at = e->octave[i] + 32 * *bits;
            at = at > 0 ? at : 0;
            index[i] = at < 640 ? at : 640;
        }
        LOCAL(look_up)(c->curves.width, index, rest);
        for (int i = 0; i < STACKED_LANES; i++) {
            in[i] = (mass[i] - (next[i] >> 6) + rest[i]) >> 2;
        }
        int node = 1 + 2 * (steps < 7 ? steps : 7) + up;
        if (!LOCAL(decide)(c, o, node, in, away >= further, encode)) {
            break;
        }
        memcpy(before, next, sizeof next);
        *lo = further;
        steps++;
        *bits += steps >= 6;
    }
    return steps;
}

/* Halves of the interval [lo, lo + 2^bits), of which nothing lies above `most`. */
LOCAL_INLINE int32_t LOCAL(halve)(stacked_coder *c, const stacked_outlook *o,
                                  const LOCAL(experts) * e, int up, int32_t away, int32_t most,
                                  int32_t lo, int bits, int steps, int32_t before[STACKED_LANES],
                                  int encode) {
    int32_t behind[STACKED_LANES], at[STACKED_LANES], in[STACKED_INPUTS];
    int32_t low[STACKED_LANES], high[STACKED_LANES], middle[STACKED_LANES];
    if (bits == 0) {
        return lo;
    }
    LOCAL(border)(e, up ? 1 : -1, lo + (1 << bits), behind);
    LOCAL(softplus)(c, before, low);
    LOCAL(softplus)(c, behind, high);
    for (int tree = 1; bits-- > 0;) {
        int32_t half = lo + (1 << bits);
        int bit = 0;
        LOCAL(border)(e, up ? 1 : -1, half, at);
        LOCAL(softplus)(c, at, middle);
        if (half <= most) {
            for (int i = 0; i < STACKED_LANES; i++) {
                in[i] = ((behind[i] - at[i]) >> 8) + ((low[i] - high[i]) >> 2);
            }
            int node = tree > 15 ? 63 : steps > 0 ? 46 + tree : 15 + 2 * tree + up;
            bit = LOCAL(decide)(c, o, node, in, away >= half, encode);
        }
        if (bit) {
            lo = half;
            memcpy(low, middle, sizeof low);
        } else {
            memcpy(behind, at, sizeof at);
            memcpy(high, middle, sizeof high);
        }
        tree = 2 * tree + bit;
    }
    return lo;
}

/* Code a value, or decode one. */
LOCAL_INLINE int32_t LOCAL(code_value)(stacked_coder *c, const stacked_outlook *o, int32_t value,
                                       int encode) {
    const int octave = o->level >> 3, n = octave > 8 ? octave - 8 : 0;
    int bits = octave > 4 ? (octave < 8 ? octave - 4 : 4) : 0;
    const int32_t top = (int32_t)(c->p->map.top >> n);
    int32_t found = value >> n;
    if (top > 0) {
        LOCAL(experts) e;
        int32_t m = (int32_t)(o->mean >> (8 + n)) + 1, in[STACKED_INPUTS], before[STACKED_LANES];
        m = m < top ? m : top;
        LOCAL(place_experts)(o, m, n, &e);
        for (int i = 0; i < STACKED_LANES; i++) {
            in[i] = -e.start[i] >> 8;
        }
        int up = LOCAL(decide)(c, o, 0, in, found >= m, encode);
        int32_t away = up ? found - m : m - 1 - found, most = up ? top - m : m - 1, lo = 0;
        int steps = LOCAL(go_out)(c, o, &e, up, away, most, &lo, &bits, before, encode);
        lo = LOCAL(halve)(c, o, &e, up, away, most, lo, bits, steps, before, encode);
        found = up ? m + lo : m - 1 - lo;
    }
    if (n == 0) {
        return found;
    }
    if (encode) {
        put_bits(&c->p->enc, (uint32_t)value & ((1u << n) - 1), n);
        return value;
    }
    int64_t whole = (int64_t)found << n | get_bits(&c->p->dec, n);
    if (whole > (int64_t)c->p->map.top) {
        c->bad = 1;
        whole = (int64_t)c->p->map.top;
    }
    return (int32_t)whole;
}

#undef LEAST_T
