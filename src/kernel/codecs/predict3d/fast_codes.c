/* predict3d, fast method: the codes of a part, for the encoder.
 *
 * Every context has a Huffman code of at most 11 bits over 72 tokens: 0 to 15 are folded misses
 * themselves, the rest stand for two intervals an octave, with the place inside as raw bits.
 * Neighbouring contexts with few misses share a code, which costs less than another list of
 * lengths; lists are coded with adaptive numbers.
 */
#include "codecs/predict3d/fast.h"

#define SMALLEST_GROUP 400 /* misses that are worth a code of their own */

/* Neighbouring contexts share a code until they have enough misses for one. */
void medroi_p3_choose_codes(uint32_t count[P3_CONTEXTS][MEDROI_PREFIX_TOKENS],
                            medroi_p3_codes *codes) {
    int first = 0;
    uint64_t held = 0;
    for (int i = 0; i < P3_CONTEXTS; i++) {
        uint64_t here = 0;
        for (int k = 0; k < MEDROI_PREFIX_TOKENS; k++)
            here += count[i][k];
        codes->begins[i] = i == 0 || (held >= SMALLEST_GROUP && here >= SMALLEST_GROUP);
        if (codes->begins[i]) {
            first = i;
            held = here;
            continue;
        }
        held += here;
        for (int k = 0; k < MEDROI_PREFIX_TOKENS; k++)
            count[first][k] += count[i][k];
    }
    for (int i = 0; i < P3_CONTEXTS; i++)
        if (codes->begins[i])
            medroi_prefix_lengths(count[i], codes->length[i]);
        else
            memcpy(codes->length[i], codes->length[i - 1], sizeof codes->length[i]);
}

void medroi_p3_write_codes(medroi_p3_part *p, const medroi_p3_codes *codes) {
    medroi_bit_model begins;
    medroi_number_model tokens, length;
    medroi_bit_init(&begins);
    medroi_number_init(&tokens);
    medroi_number_init(&length);
    for (int i = 1; i < P3_CONTEXTS; i++)
        medroi_bit_encode(&p->enc, &begins, codes->begins[i]);
    for (int i = 0; i < P3_CONTEXTS; i++) {
        int n = MEDROI_PREFIX_TOKENS;
        if (!codes->begins[i])
            continue;
        while (codes->length[i][n - 1] == 0)
            n--;
        medroi_number_encode(&p->enc, &p->put, &tokens, (uint64_t)n);
        for (int k = 0; k < n; k++)
            medroi_number_encode(&p->enc, &p->put, &length, codes->length[i][k]);
    }
}

void medroi_p3_list_words(const medroi_p3_codes *codes,
                          medroi_p3_word words[P3_CONTEXTS][MEDROI_PREFIX_TOKENS]) {
    uint16_t code[MEDROI_PREFIX_TOKENS];
    for (int i = 0; i < P3_CONTEXTS; i++) {
        medroi_prefix_codes(codes->length[i], code);
        for (unsigned k = 0; k < MEDROI_PREFIX_TOKENS; k++) {
            uint8_t length = codes->length[i][k];
            words[i][k] =
                (medroi_p3_word){code[k], length, (uint8_t)(length + medroi_p3_token_bits(k)),
                                 medroi_p3_token_base(k)};
        }
    }
}
