/* Elements of any numeric type as 64-bit keys that sort as the values do. */
#include "base/elements.h"

#include "base/bytes.h"

#include <math.h>

static const uint64_t sign64 = (uint64_t)1 << 63;

static int machine_is_big_endian(void) {
    const uint16_t probe = 1;
    uint8_t first;
    memcpy(&first, &probe, 1);
    return first == 0;
}

static uint64_t swap(uint64_t bits, size_t itemsize) {
    uint64_t swapped = 0;
    for (size_t i = 0; i < itemsize; i++) {
        swapped = swapped << 8 | (bits >> (8 * i) & 0xFF);
    }
    return swapped;
}

#define LOAD(TYPE)                                                                                 \
    for (size_t i = 0; i < count; i++) {                                                           \
        TYPE element;                                                                              \
        memcpy(&element, src + i * sizeof element, sizeof element);                                \
        keys[i] = element;                                                                         \
    }

#define STORE(TYPE)                                                                                \
    for (size_t i = 0; i < count; i++) {                                                           \
        TYPE element = (TYPE)swapped_or_not[i];                                                    \
        memcpy(dst + i * sizeof element, &element, sizeof element);                                \
    }

static void load_bits(const uint8_t *src, size_t itemsize, size_t count, uint64_t *keys) {
    switch (itemsize) {
    case 1:
        LOAD(uint8_t) break;
    case 2:
        LOAD(uint16_t) break;
    case 4:
        LOAD(uint32_t) break;
    default:
        LOAD(uint64_t) break;
    }
}

static void store_bits(uint8_t *dst, size_t itemsize, size_t count,
                       const uint64_t *swapped_or_not) {
    switch (itemsize) {
    case 1:
        STORE(uint8_t) break;
    case 2:
        STORE(uint16_t) break;
    case 4:
        STORE(uint32_t) break;
    default:
        STORE(uint64_t) break;
    }
}

static uint64_t sign_bit(const medroi_block *block) {
    return (uint64_t)1 << (8 * block->itemsize - 1);
}

static uint64_t float_mask(const medroi_block *block) {
    return sign_bit(block) | (sign_bit(block) - 1);
}

static uint64_t key_of_bits(const medroi_block *block, uint64_t bits) {
    uint64_t sign = sign_bit(block);
    if (block->kind == 'f') {
        return bits & sign ? ~bits & float_mask(block) : bits | sign;
    }
    /* Sign extension, then the sign flipped. */
    return block->kind == 'i' ? ((bits ^ sign) - sign) ^ sign64 : bits;
}

static uint64_t bits_of_key(const medroi_block *block, uint64_t key) {
    uint64_t sign = sign_bit(block);
    if (block->kind == 'f') {
        return key & sign ? key ^ sign : ~key & float_mask(block);
    }
    return block->kind == 'i' ? key ^ sign64 : key;
}

void medroi_load_keys(const medroi_block *block, const void *data, size_t first, size_t count,
                      uint64_t *keys) {
    size_t itemsize = block->itemsize;
    load_bits((const uint8_t *)data + first * itemsize, itemsize, count, keys);
    if (itemsize > 1 && block->big_endian != machine_is_big_endian()) {
        for (size_t i = 0; i < count; i++) {
            keys[i] = swap(keys[i], itemsize);
        }
    }
    if (block->kind == 'i' || block->kind == 'f') {
        for (size_t i = 0; i < count; i++) {
            keys[i] = key_of_bits(block, keys[i]);
        }
    }
}

void medroi_store_keys(const medroi_block *block, const uint64_t *keys, size_t first, size_t count,
                       void *data) {
    uint64_t bits[MEDROI_KEY_RUN];
    size_t itemsize = block->itemsize;
    int swaps = itemsize > 1 && block->big_endian != machine_is_big_endian();
    for (size_t done = 0; done < count; done += MEDROI_KEY_RUN) {
        size_t run = count - done < MEDROI_KEY_RUN ? count - done : MEDROI_KEY_RUN;
        for (size_t i = 0; i < run; i++) {
            bits[i] = bits_of_key(block, keys[done + i]);
        }
        for (size_t i = 0; swaps && i < run; i++) {
            bits[i] = swap(bits[i], itemsize);
        }
        store_bits((uint8_t *)data + (first + done) * itemsize, itemsize, run, bits);
    }
}

static double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 1023, magnitude;
    if (exponent == 31) {
        magnitude = mantissa > 0 ? (double)NAN : (double)INFINITY;
    } else {
        magnitude = exponent > 0 ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    }
    return bits & 0x8000 ? -magnitude : magnitude;
}

static uint16_t half_bits(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs(value);
    int exponent;
    if (isnan(value)) {
        return (uint16_t)(sign | 0x7E00);
    }
    if (magnitude >= 65520) {
        return (uint16_t)(sign | 0x7C00);
    }
    if (magnitude == 0) {
        return sign;
    }
    (void)frexp(magnitude, &exponent);
    exponent = exponent < -13 ? -13 : exponent; /* subnormal numbers share one exponent */
    double scaled = nearbyint(ldexp(magnitude, 11 - exponent));
    /* The carry of a mantissa that rounds up runs into the exponent, as it must. */
    return (uint16_t)(sign | (uint16_t)((int)scaled + ((exponent + 13) << 10)));
}

double medroi_key_value(const medroi_block *block, uint64_t key) {
    uint64_t bits = bits_of_key(block, key);
    if (block->itemsize == 2) {
        return half_value((uint16_t)bits);
    }
    if (block->itemsize == 4) {
        uint32_t word = (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        return value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint64_t medroi_value_key(const medroi_block *block, double value) {
    uint64_t bits = 0;
    if (block->itemsize == 2) {
        bits = half_bits(value);
    } else if (block->itemsize == 4) {
        float narrow = (float)value;
        uint32_t word;
        memcpy(&word, &narrow, sizeof word);
        bits = word;
    } else {
        memcpy(&bits, &value, sizeof bits);
    }
    return key_of_bits(block, bits);
}

uint64_t medroi_integer_key(const medroi_block *block, int64_t bits) {
    return block->kind == 'i' ? (uint64_t)bits ^ sign64 : (uint64_t)bits;
}

int64_t medroi_key_integer(const medroi_block *block, uint64_t key) {
    return (int64_t)(block->kind == 'i' ? key ^ sign64 : key);
}

uint64_t medroi_max_key(const medroi_block *block) {
    uint64_t all = float_mask(block);
    if (block->kind == 'b') {
        return 1;
    }
    return block->kind == 'i' ? sign64 | all >> 1 : all;
}

uint64_t medroi_min_key(const medroi_block *block) {
    return block->kind == 'i' ? sign64 - sign_bit(block) : 0;
}
