/* Which elements are tissue, counted and marked; included by rows_portable.h. */

static uint64_t JOIN(NAME, _count)(const void *row, size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += v[i] >= limit;
    }
    return count;
}

static uint64_t JOIN(NAME, _count_dark)(const void *row, size_t n, medroi_scalar tau) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += v[i] <= limit;
    }
    return count;
}

static uint64_t JOIN(NAME, _tally)(const void *row, size_t n, medroi_scalar tau, uint64_t *counts) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t tissue = v[i] >= limit;
        counts[i] += tissue;
        count += tissue;
    }
    return count;
}

static uint64_t JOIN(NAME, _tally_dark)(const void *row, size_t n, medroi_scalar tau,
                                        uint64_t *counts) {
    const JOIN(NAME, _t) *v = row;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t tissue = v[i] <= limit;
        counts[i] += tissue;
        count += tissue;
    }
    return count;
}

static void JOIN(NAME, _flag)(const void *values, size_t n, medroi_scalar tau, uint8_t *flags) {
    const JOIN(NAME, _t) *v = values;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    for (size_t i = 0; i < n; i++) {
        flags[i] = v[i] >= limit;
    }
}

static void JOIN(NAME, _flag_dark)(const void *values, size_t n, medroi_scalar tau,
                                   uint8_t *flags) {
    const JOIN(NAME, _t) *v = values;
    const ELEMENT limit = (ELEMENT)tau.FIELD;
    for (size_t i = 0; i < n; i++) {
        flags[i] = v[i] <= limit;
    }
}

static void JOIN(NAME, _mark)(const void *row, size_t n, medroi_scalar tau, uint64_t *bits) {
    const JOIN(NAME, _t) *v = row;
    uint8_t flags[64];
    for (size_t i = 0; i < n; i += 64) {
        size_t left = n - i < 64 ? n - i : 64;
        JOIN(NAME, _flag)(v + i, left, tau, flags);
        bits[i / 64] = word_of_flags(flags, left);
    }
}

static void JOIN(NAME, _mark_dark)(const void *row, size_t n, medroi_scalar tau, uint64_t *bits) {
    const JOIN(NAME, _t) *v = row;
    uint8_t flags[64];
    for (size_t i = 0; i < n; i += 64) {
        size_t left = n - i < 64 ? n - i : 64;
        JOIN(NAME, _flag_dark)(v + i, left, tau, flags);
        bits[i / 64] = word_of_flags(flags, left);
    }
}

static void JOIN(NAME, _clear)(void *values, size_t n) {
    ELEMENT *v = values;
    for (size_t i = 0; i < n; i++) {
        v[i] = LOWEST;
    }
}

static void JOIN(NAME, _clear_dark)(void *values, size_t n) {
    ELEMENT *v = values;
    for (size_t i = 0; i < n; i++) {
        v[i] = HIGHEST;
    }
}
