/* Mixtures of logistics, allowed and not, around bytes of any kind. */
#include "entropy/mixture.h"
#include "mutate.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

#define MAX_COUNT 200

typedef struct arrays {
    medroi_mixtures mixtures;
    uint8_t *weights, *scales;
    int32_t *means, *low, *high, *symbols;
} arrays;

static int32_t near_or_far(fuzz_random *random, uint64_t far) {
    uint64_t size = fuzz_below(random, fuzz_below(random, 3) ? 200 : far);
    return fuzz_below(random, 2) ? (int32_t)size : -(int32_t)size;
}

static void fill(fuzz_random *random, arrays *a) {
    size_t components = a->mixtures.components;
    for (size_t i = 0; i < a->mixtures.count; i++) {
        uint64_t levels = 1 + fuzz_below(random, fuzz_below(random, 2) ? 300 : 65536);
        int32_t low = near_or_far(random, 131072);
        int32_t most = MEDROI_MIXTURE_MAX_SYMBOL - (int32_t)levels + 1;
        a->low[i] = low < most ? low : most;
        a->high[i] = a->low[i] + (int32_t)levels - 1;
        a->symbols[i] = a->low[i] + (int32_t)fuzz_below(random, levels);
    }
    for (size_t i = 0; i < a->mixtures.count * components; i++) {
        a->weights[i] = (uint8_t)fuzz_below(random, MEDROI_MIXTURE_MAX_WEIGHT + 1);
        a->scales[i] = (uint8_t)fuzz_below(random, MEDROI_MIXTURE_MAX_SCALE + 1);
        a->means[i] = near_or_far(random, MEDROI_MIXTURE_MAX_MEAN + 1);
    }
}

static arrays make(fuzz_random *random) {
    size_t count = fuzz_below(random, MAX_COUNT);
    size_t components = 1 + fuzz_below(random, MEDROI_MIXTURE_MAX_COMPONENTS);
    arrays a = {.weights = fuzz_allocate(count * components),
                .scales = fuzz_allocate(count * components),
                .means = fuzz_allocate(count * components * sizeof(int32_t)),
                .low = fuzz_allocate(count * sizeof(int32_t)),
                .high = fuzz_allocate(count * sizeof(int32_t)),
                .symbols = fuzz_allocate(count * sizeof(int32_t))};
    a.mixtures = (medroi_mixtures){.count = count,
                                   .components = components,
                                   .weights = a.weights,
                                   .means = a.means,
                                   .scales = a.scales,
                                   .low = a.low,
                                   .high = a.high};
    fill(random, &a);
    return a;
}

static void release(arrays *a) {
    free(a->weights);
    free(a->scales);
    free(a->means);
    free(a->low);
    free(a->high);
    free(a->symbols);
}

/* Any bytes where mixtures are expected: refused, or what may be coded. */
static void check_hostile_mixtures(fuzz_random *random, arrays *a) {
    size_t n = a->mixtures.count;
    if (n == 0)
        return;
    if (fuzz_below(random, 2))
        a->means[fuzz_below(random, n)] = (int32_t)fuzz_bits(random);
    if (fuzz_below(random, 2))
        a->low[fuzz_below(random, n)] = (int32_t)fuzz_bits(random);
    a->weights[fuzz_below(random, n)] = (uint8_t)fuzz_bits(random);
    (void)medroi_mixtures_check(&a->mixtures, NULL);
}

static void check_round_trip(const arrays *a, const fuzz_stream *stream) {
    int32_t *decoded = fuzz_allocate(a->mixtures.count * sizeof(int32_t));
    fuzz_expect(medroi_mixtures_decode(&a->mixtures, stream->bytes, stream->nbytes, decoded,
                                       NULL) == MEDROI_OK &&
                    memcmp(decoded, a->symbols, a->mixtures.count * sizeof(int32_t)) == 0,
                "what was coded comes back");
    free(decoded);
}

static void check_broken(fuzz_random *random, const arrays *a, fuzz_stream *stream) {
    size_t count = a->mixtures.count;
    int32_t *decoded = fuzz_allocate(count * sizeof(int32_t));
    for (uint64_t n = 1 + fuzz_below(random, 4); n > 0; n--)
        fuzz_mutate(random, stream, stream);
    if (medroi_mixtures_decode(&a->mixtures, stream->bytes, stream->nbytes, decoded, NULL) ==
        MEDROI_OK) {
        for (size_t i = 0; i < count; i++)
            fuzz_expect(a->low[i] <= decoded[i] && decoded[i] <= a->high[i],
                        "a symbol lies within its limits");
    }
    free(decoded);
}

static void mixture(fuzz_random *random) {
    arrays a = make(random);
    size_t capacity = medroi_mixtures_capacity(a.mixtures.count), nbytes = 0;
    uint8_t *coded = fuzz_allocate(capacity);
    fuzz_expect(medroi_mixtures_check(&a.mixtures, NULL) == MEDROI_OK &&
                    medroi_mixtures_encode(&a.mixtures, a.symbols, coded, capacity, &nbytes,
                                           NULL) == MEDROI_OK,
                "what is allowed can be coded within the capacity");
    fuzz_stream stream = fuzz_copy(coded, nbytes);
    check_round_trip(&a, &stream);
    check_broken(random, &a, &stream);
    check_hostile_mixtures(random, &a);
    fuzz_release(&stream);
    free(coded);
    release(&a);
}

FUZZ_MAIN("fuzz_mixture", mixture)
