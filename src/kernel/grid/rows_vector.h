/* Row kernels of one width of element in vectors of 32 bytes, whatever the instruction set;
 * included by rows_kernels.c, which defines ELEMENT (the type of its keys), NAME (prefix of the
 * portable kernels, suffix of the operations on vectors), IS_FLOAT, GROUP (lanes whose masks become
 * bits at once) and LOWEST (a key above no other). What is left of a row behind its last whole
 * vector goes to the portable kernels. */

#define LANES (32 / sizeof(ELEMENT))
#define OP(what) JOIN(vec_##what##_, NAME)
#define VECTOR_NAME(what) JOIN(JOIN(NAME, what), _vector)
#if IS_FLOAT
#define ORDER_OF(ops) OP(all)((ops)->dark ? (ELEMENT)-0.0 : (ELEMENT)0.0)
#else
#define ORDER_OF(ops) OP(all)((ELEMENT)(((ops)->is_unsigned ? LOWEST : 0) ^ ((ops)->dark ? -1 : 0)))
#endif

#define AHEAD_NBYTES 2048

VECTOR_CODE static void VECTOR_NAME(_add_up)(const medroi_row_ops *ops, const void *row, size_t n,
                                             medroi_scalar background, medroi_sum *sum) {
    const JOIN(NAME, _t) *v = row;
    const vec order = ORDER_OF(ops);
    size_t n_vectors = n / LANES;
    if (n_vectors == 0) {
        JOIN(NAME, _add_up)(ops, row, n, background, sum);
        return;
    }
    JOIN(NAME, _sums) sums = JOIN(NAME, _begin_sums)(background);
    for (size_t i = 0; i < n_vectors; i++) {
        vec x = vec_load(v + i * LANES);
        if (i % 2 == 0) { /* a line of the cache */
            PREFETCH((const char *)(v + i * LANES) + AHEAD_NBYTES);
        }
        JOIN(NAME, _take)(&sums, x, vec_xor(x, order), 0);
    }
    if (n % LANES) {
        JOIN(NAME, _take_tail)(&sums, v + n, n % LANES, order);
        n_vectors++;
    }
    JOIN(NAME, _end_run)(&sums, n_vectors, sum);
    JOIN(NAME, _close_sums)(ops, &sums, n_vectors * LANES, background, sum);
}

VECTOR_OP vec VECTOR_NAME(_limit)(const medroi_row_ops *ops, medroi_scalar tau) {
#if IS_FLOAT
    return vec_xor(OP(all)((ELEMENT)tau.f), ORDER_OF(ops));
#else
    return vec_xor(OP(all)((ELEMENT)tau.i), ORDER_OF(ops));
#endif
}

VECTOR_CODE static uint64_t VECTOR_NAME(_count)(const medroi_row_ops *ops, const void *row,
                                                size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const vec order = ORDER_OF(ops);
    const vec limit = VECTOR_NAME(_limit)(ops, tau);
    uint64_t n_bytes = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        n_bytes += vec_count_bytes(OP(reaches)(vec_xor(vec_load(v + i), order), limit));
    }
    return n_bytes / sizeof(ELEMENT) + JOIN(NAME, _count)(ops, v + i, n - i, tau);
}

/* The bits of 64 elements. `both` is known when compiling. */
VECTOR_OP uint64_t VECTOR_NAME(_mark_word)(const JOIN(NAME, _t) * v, vec order, vec limit,
                                           vec level, uint64_t *beyond, int both) {
    uint64_t word = 0, word_beyond = 0;
    for (size_t k = 0; k < 64; k += GROUP) {
        vec masks[GROUP / LANES], masks_beyond[GROUP / LANES];
        for (size_t j = 0; j < GROUP / LANES; j++) {
            vec key = vec_xor(vec_load(v + k + j * LANES), order);
            masks[j] = OP(reaches)(key, limit);
            masks_beyond[j] = both ? OP(reaches)(key, level) : masks[j];
        }
        word |= OP(bits)(masks) << k;
        word_beyond |= both ? OP(bits)(masks_beyond) << k : 0;
    }
    *beyond = both ? word_beyond : word;
    return word;
}

VECTOR_OP void VECTOR_NAME(_mark_words)(const medroi_row_ops *ops, const JOIN(NAME, _t) * v,
                                        size_t n_words, vec limit, vec level, uint64_t *bits,
                                        uint64_t *beyond, int both) {
    const vec order = ORDER_OF(ops);
    for (size_t i = 0; i < n_words; i++, v += 64) {
        for (size_t k = 0; k < 64 * sizeof(ELEMENT); k += 64) {
            PREFETCH((const char *)v + AHEAD_NBYTES + k);
        }
        bits[i] = VECTOR_NAME(_mark_word)(v, order, limit, level, &beyond[i], both);
    }
}

/* The last word of a row, of n % 64 elements: from the last 64, of which the first are marked
 * already; a shorter row is copied to where 64 can be read. */
VECTOR_OP void VECTOR_NAME(_mark_last)(const medroi_row_ops *ops, const JOIN(NAME, _t) * v,
                                       size_t n, vec limit, vec level, uint64_t *bits,
                                       uint64_t *beyond, int both) {
    const vec order = ORDER_OF(ops);
    uint64_t last = 0;
    if (n >= 64) {
        bits[n / 64] =
            VECTOR_NAME(_mark_word)(v + n - 64, order, limit, level, &last, both) >> (64 - n % 64);
        beyond[n / 64] = last >> (64 - n % 64);
        return;
    }
    const uint64_t whole = (UINT64_C(1) << n) - 1;
    JOIN(NAME, _t) copied[64] = {0};
    memcpy(copied, v, n * sizeof *v);
    *bits = VECTOR_NAME(_mark_word)(copied, order, limit, level, &last, both) & whole;
    *beyond = last & whole;
}

VECTOR_CODE static void VECTOR_NAME(_mark)(const medroi_row_ops *ops, const void *row, size_t n,
                                           medroi_scalar tau, uint64_t *bits) {
    const vec limit = VECTOR_NAME(_limit)(ops, tau);
    VECTOR_NAME(_mark_words)(ops, row, n / 64, limit, limit, bits, bits, 0);
    if (n % 64) {
        VECTOR_NAME(_mark_last)(ops, row, n, limit, limit, bits, bits, 0);
    }
}

VECTOR_CODE static void VECTOR_NAME(_mark_both)(const medroi_row_ops *ops, const void *row,
                                                size_t n, medroi_scalar tau, medroi_scalar level,
                                                uint64_t *bits, uint64_t *beyond) {
    const vec limit = VECTOR_NAME(_limit)(ops, tau), other = VECTOR_NAME(_limit)(ops, level);
    VECTOR_NAME(_mark_words)(ops, row, n / 64, limit, other, bits, beyond, 1);
    if (n % 64) {
        VECTOR_NAME(_mark_last)(ops, row, n, limit, other, bits, beyond, 1);
    }
}

VECTOR_CODE static uint64_t VECTOR_NAME(_range)(const medroi_row_ops *ops, const void *row,
                                                size_t n, double *low, double *high) {
    return JOIN(NAME, _range_of)(ops, row, n, low, high);
}

VECTOR_CODE static void VECTOR_NAME(_histogram)(const medroi_row_ops *ops, const void *row,
                                                size_t n, const medroi_bins *bins,
                                                uint64_t *counts) {
    JOIN(NAME, _histogram_of)(ops, row, n, bins, counts);
}

#undef LANES
#undef OP
#undef VECTOR_NAME
#undef ORDER_OF
#undef AHEAD_NBYTES
