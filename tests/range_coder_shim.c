/* Run a script of symbols through range_coder.h, for tests. A script is rows of
 * {what, model, value}: 0 bit, 1 token, 2 number, 3 raw of `model` bits, 4 magnitude with k. */
#include "entropy/magnitudes.h"

#define MODELS 8

typedef struct models {
    medroi_bit_model bit[MODELS];
    medroi_token_model token[MODELS];
    medroi_number_model number[MODELS], escape;
} models;

static void init(models *m) {
    for (int i = 0; i < MODELS; i++) {
        medroi_bit_init(&m->bit[i]);
        medroi_token_init(&m->token[i]);
        medroi_number_init(&m->number[i]);
    }
    medroi_number_init(&m->escape);
}

/* Returns the bytes written: u32 length of the range coder's, these, raw bits; 0: no room. */
size_t shim_encode(const uint64_t *script, size_t n, uint8_t *dst, size_t capacity, uint8_t *bits) {
    models m;
    medroi_rc_encoder enc;
    medroi_bit_writer put;
    init(&m);
    medroi_rc_encoder_init(&enc, dst + 4, capacity - 4);
    medroi_bits_writer_init(&put, bits, capacity);
    for (const uint64_t *row = script; row < script + 3 * n; row += 3) {
        size_t k = (size_t)row[1] % MODELS;
        if (row[0] == 0)
            medroi_bit_encode(&enc, &m.bit[k], (unsigned)row[2]);
        else if (row[0] == 1)
            medroi_token_encode(&enc, &m.token[k], &m.token[(k + 1) % MODELS], (unsigned)row[2]);
        else if (row[0] == 2)
            medroi_number_encode(&enc, &put, &m.number[k], row[2]);
        else if (row[0] == 3)
            medroi_bits_put(&put, row[2], (int)row[1]);
        else
            medroi_magnitude_encode(&enc, &put, &m.escape, &m.token[k], &m.token[(k + 1) % MODELS],
                                    row[2], (int)row[1]);
    }
    size_t n_range = medroi_rc_finish(&enc), n_bits = medroi_bits_finish(&put);
    if (enc.full || put.full || 4 + n_range + n_bits > capacity)
        return 0;
    for (int i = 0; i < 4; i++)
        dst[i] = (uint8_t)(n_range >> 8 * i);
    memcpy(dst + 4 + n_range, bits, n_bits);
    return 4 + n_range + n_bits;
}

/* Fill in the values of a script; 1 when the bytes were used up exactly. */
int shim_decode(uint64_t *script, size_t n, const uint8_t *src, size_t nbytes) {
    models m;
    medroi_rc_decoder dec;
    medroi_bit_reader get;
    size_t n_range = 0;
    init(&m);
    for (int i = 0; i < 4 && nbytes >= 4; i++)
        n_range |= (size_t)src[i] << 8 * i;
    if (nbytes < 4 || n_range > nbytes - 4)
        return 0;
    medroi_rc_decoder_init(&dec, src + 4, n_range);
    medroi_bits_reader_init(&get, src + 4 + n_range, nbytes - 4 - n_range);
    for (uint64_t *row = script; row < script + 3 * n; row += 3) {
        size_t k = (size_t)row[1] % MODELS;
        if (row[0] == 0)
            row[2] = medroi_bit_decode(&dec, &m.bit[k]);
        else if (row[0] == 1)
            row[2] = medroi_token_decode(&dec, &m.token[k], &m.token[(k + 1) % MODELS]);
        else if (row[0] == 2)
            row[2] = medroi_number_decode(&dec, &get, &m.number[k]);
        else if (row[0] == 3)
            row[2] = medroi_bits_get(&get, (int)row[1]);
        else
            row[2] = medroi_magnitude_decode(&dec, &get, &m.escape, &m.token[k],
                                             &m.token[(k + 1) % MODELS], (int)row[1]);
    }
    return medroi_rc_finished(&dec) && medroi_bits_finished(&get);
}
