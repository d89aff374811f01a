#include "base/elements.h"

/* One loop for each size and byte order, which compilers turn into vectors. */
#define LOAD(ITEMSIZE, BIG_ENDIAN)                                                                 \
    for (size_t i = 0; i < count; i++) {                                                           \
        uint64_t bits = medroi_load_bits(src + i * ITEMSIZE, ITEMSIZE, BIG_ENDIAN);                \
        keys[i] = medroi_key_of_bits(block->kind, ITEMSIZE, bits);                                 \
    }                                                                                              \
    break

#define STORE(ITEMSIZE, BIG_ENDIAN)                                                                \
    for (size_t i = 0; i < count; i++) {                                                           \
        uint64_t bits = medroi_bits_of_key(block->kind, ITEMSIZE, keys[i]);                        \
        medroi_store_bits(dst + i * ITEMSIZE, ITEMSIZE, BIG_ENDIAN, bits);                         \
    }                                                                                              \
    break

/* Twice the size, and 1 for big-endian. */
static int layout_of(const medroi_block *block) {
    return block->itemsize * 2 + (block->big_endian != 0 && block->itemsize > 1);
}

void medroi_load_keys(const medroi_block *block, const void *data, size_t first, size_t count,
                      uint64_t *keys) {
    const uint8_t *src = (const uint8_t *)data + first * block->itemsize;
    switch (layout_of(block)) {
    case 2:
        LOAD(1, 0);
    case 4:
        LOAD(2, 0);
    case 5:
        LOAD(2, 1);
    case 8:
        LOAD(4, 0);
    case 9:
        LOAD(4, 1);
    case 17:
        LOAD(8, 1);
    default:
        LOAD(8, 0);
    }
}

void medroi_store_keys(const medroi_block *block, const uint64_t *keys, size_t first, size_t count,
                       void *data) {
    uint8_t *dst = (uint8_t *)data + first * block->itemsize;
    switch (layout_of(block)) {
    case 2:
        STORE(1, 0);
    case 4:
        STORE(2, 0);
    case 5:
        STORE(2, 1);
    case 8:
        STORE(4, 0);
    case 9:
        STORE(4, 1);
    case 17:
        STORE(8, 1);
    default:
        STORE(8, 0);
    }
}

double medroi_key_value(const medroi_block *block, uint64_t key) {
    return medroi_float_of_bits(block->itemsize, medroi_bits_of_key('f', block->itemsize, key));
}

uint64_t medroi_value_key(const medroi_block *block, double value) {
    return medroi_key_of_bits('f', block->itemsize, medroi_bits_of_float(block->itemsize, value));
}

uint64_t medroi_integer_key(const medroi_block *block, int64_t bits) {
    return (uint64_t)bits + (block->kind == 'i' ? medroi_sign_bit(block->itemsize) : 0);
}

int64_t medroi_key_integer(const medroi_block *block, uint64_t key) {
    return (int64_t)(key - (block->kind == 'i' ? medroi_sign_bit(block->itemsize) : 0));
}

uint64_t medroi_max_key(const medroi_block *block) {
    uint64_t sign = medroi_sign_bit(block->itemsize);
    return block->kind == 'b' ? 1 : sign | (sign - 1);
}
