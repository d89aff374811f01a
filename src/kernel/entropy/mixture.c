/* Integers under mixtures of logistics.
 *
 * A network says of each symbol a few bell curves: weight, mean and steepness of each. The share of
 * a symbol is the weighted sum of the differences of their sigmoids half a level above and below
 * it (as in PixelCNN++, Salimans et al. 2017). Networks compute in floats, which differ between
 * machines; so the parameters come as integers, and from there on all is integer: the sigmoid is a
 * frozen table with linear interpolation, powers of two another. Each level gets a least share, so
 * that any symbol can be coded whatever the network thought. The decoder finds a symbol by
 * bisection of the cumulative share.
 */
#include "entropy/mixture.h"

#include "entropy/mixture_tables.h"
#include "entropy/range_coder.h"

#define SHARE_BITS 24
#define WHOLE (1u << SHARE_BITS)
/* An argument of the sigmoid is in units of 2^-13; the table has an entry every 2^8 of these. */
#define ENTRY_BITS 8
#define LAST_ENTRY 512
/* |difference| * power[.] >> this, less the octaves of the scale, is such an argument. */
#define ARGUMENT_SHIFT 18
#define WEIGHT_SHIFT 14
#define MEAN_UNITS 64

/* One mixture, ready to be asked for shares. */
typedef struct mixture {
    int32_t low, levels;
    size_t components;
    const int32_t *means;
    uint64_t weight[MEDROI_MIXTURE_MAX_COMPONENTS], total;
    uint64_t steepness[MEDROI_MIXTURE_MAX_COMPONENTS];
} mixture;

medroi_status medroi_mixtures_check(const medroi_mixtures *mixtures, medroi_error *error) {
    if (mixtures->components < 1 || mixtures->components > MEDROI_MIXTURE_MAX_COMPONENTS)
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "mixtures: %zu components, expected 1 to %d", mixtures->components,
                           MEDROI_MIXTURE_MAX_COMPONENTS);
    for (size_t i = 0; i < mixtures->count; i++) {
        int64_t low = mixtures->low[i], high = mixtures->high[i];
        if (low < -MEDROI_MIXTURE_MAX_SYMBOL || high > MEDROI_MIXTURE_MAX_SYMBOL || low > high ||
            high - low >= MEDROI_MIXTURE_MAX_LEVELS)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "mixtures: symbol %zu is of %lld..%lld, expected at most %d levels "
                               "of -%d..%d",
                               i, (long long)low, (long long)high, MEDROI_MIXTURE_MAX_LEVELS,
                               MEDROI_MIXTURE_MAX_SYMBOL, MEDROI_MIXTURE_MAX_SYMBOL);
    }
    for (size_t i = 0; i < mixtures->count * mixtures->components; i++) {
        if (mixtures->weights[i] > MEDROI_MIXTURE_MAX_WEIGHT ||
            mixtures->scales[i] > MEDROI_MIXTURE_MAX_SCALE ||
            mixtures->means[i] < -MEDROI_MIXTURE_MAX_MEAN ||
            mixtures->means[i] > MEDROI_MIXTURE_MAX_MEAN)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "mixtures: weight %u, mean %ld, scale %u of component %zu of symbol "
                               "%zu are beyond their limits",
                               mixtures->weights[i], (long)mixtures->means[i], mixtures->scales[i],
                               i % mixtures->components, i / mixtures->components);
    }
    return MEDROI_OK;
}

size_t medroi_mixtures_capacity(size_t count) {
    /* A share of at least 2^-24 costs 24 bits and a little for rounding the range down. */
    return count > (SIZE_MAX - 16) / 4 ? 0 : 4 * count + 16;
}

static void set_up(mixture *m, const medroi_mixtures *mixtures, size_t number) {
    size_t first = number * mixtures->components;
    m->low = mixtures->low[number];
    m->levels = mixtures->high[number] - m->low + 1;
    m->components = mixtures->components;
    m->means = mixtures->means + first;
    m->total = 0;
    for (size_t k = 0; k < m->components; k++) {
        unsigned weight = mixtures->weights[first + k], scale = mixtures->scales[first + k];
        m->weight[k] = medroi_mixture_power[weight & 7] >> (WEIGHT_SHIFT + (weight >> 3));
        m->steepness[k] = medroi_mixture_power[scale & 7] >> (scale >> 3);
        m->total += m->weight[k];
    }
}

/* 2^24 times the logistic distribution function. */
static uint32_t sigmoid(int64_t difference, uint64_t steepness) {
    uint64_t size = (uint64_t)(difference < 0 ? -difference : difference);
    uint64_t argument = (size * steepness) >> ARGUMENT_SHIFT;
    uint64_t entry = argument >> ENTRY_BITS;
    uint32_t value = medroi_mixture_sigmoid[LAST_ENTRY];
    if (entry < LAST_ENTRY) {
        uint32_t start = medroi_mixture_sigmoid[entry];
        uint32_t rise = medroi_mixture_sigmoid[entry + 1] - start;
        value = start + ((rise * (uint32_t)(argument & ((1u << ENTRY_BITS) - 1))) >> ENTRY_BITS);
    }
    return difference < 0 ? WHOLE - value : value;
}

/* Where level `index` starts, in units of 2^-24; strictly increasing, every level keeps a unit. */
static uint32_t start_of_level(const mixture *m, int32_t index) {
    if (index == 0)
        return 0;
    if (index == m->levels)
        return WHOLE;
    int64_t edge = MEAN_UNITS * ((int64_t)m->low + index) - MEAN_UNITS / 2;
    uint64_t sum = 0;
    for (size_t k = 0; k < m->components; k++)
        sum += m->weight[k] * sigmoid(edge - m->means[k], m->steepness[k]);
    uint64_t below = sum / m->total * (WHOLE - (uint32_t)m->levels);
    return (uint32_t)index + (uint32_t)(below >> SHARE_BITS);
}

medroi_status medroi_mixtures_encode(const medroi_mixtures *mixtures, const int32_t *symbols,
                                     uint8_t *dst, size_t capacity, size_t *nbytes,
                                     medroi_error *error) {
    medroi_rc_encoder rc;
    mixture m;
    *nbytes = 0;
    medroi_rc_encoder_init(&rc, dst, capacity);
    for (size_t i = 0; i < mixtures->count; i++) {
        if (symbols[i] < mixtures->low[i] || symbols[i] > mixtures->high[i])
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "mixtures: symbol %zu is %ld, expected %ld..%ld", i,
                               (long)symbols[i], (long)mixtures->low[i], (long)mixtures->high[i]);
        set_up(&m, mixtures, i);
        uint32_t start = start_of_level(&m, symbols[i] - m.low);
        uint32_t stop = start_of_level(&m, symbols[i] - m.low + 1);
        medroi_rc_encode(&rc, start, stop - start, SHARE_BITS);
    }
    *nbytes = medroi_rc_finish(&rc);
    if (rc.full)
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "mixtures: %zu bytes do not hold %zu symbols", capacity,
                           mixtures->count);
    return MEDROI_OK;
}

/* The last level that starts at or below `place`. */
static int32_t level_at(const mixture *m, uint64_t place) {
    int32_t first = 0, stop = m->levels;
    while (stop - first > 1) {
        int32_t middle = first + (stop - first) / 2;
        if (start_of_level(m, middle) <= place)
            first = middle;
        else
            stop = middle;
    }
    return first;
}

medroi_status medroi_mixtures_decode(const medroi_mixtures *mixtures, const uint8_t *src,
                                     size_t nbytes, int32_t *symbols, medroi_error *error) {
    medroi_rc_decoder rc;
    mixture m;
    medroi_rc_decoder_init(&rc, src, nbytes);
    for (size_t i = 0; i < mixtures->count; i++) {
        uint64_t r = rc.range >> SHARE_BITS, place = rc.code / r;
        if (place >= WHOLE || rc.position > nbytes + 4)
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: %zu bytes of mixtures end or break at symbol %zu "
                               "of %zu",
                               nbytes, i, mixtures->count);
        set_up(&m, mixtures, i);
        int32_t level = level_at(&m, place);
        uint32_t start = start_of_level(&m, level);
        medroi_rc_narrow(&rc, r, start, start_of_level(&m, level + 1) - start);
        symbols[i] = m.low + level;
    }
    if (!medroi_rc_finished(&rc))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: %zu mixtures do not use up their %zu bytes",
                           mixtures->count, nbytes);
    return MEDROI_OK;
}
