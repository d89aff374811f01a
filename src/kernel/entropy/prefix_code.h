/* Prefix codes of bounded length (Huffman), as Deflate defines them: of two tokens the one with
 * the shorter code, or else the smaller one, has the smaller code; a code's most significant bit
 * comes first. */
#ifndef MEDROI_PREFIX_CODE_H
#define MEDROI_PREFIX_CODE_H

#include <stdint.h>

#define MEDROI_PREFIX_LONGEST 11 /* bits */
#define MEDROI_PREFIX_ENTRIES (1 << MEDROI_PREFIX_LONGEST)
#define MEDROI_PREFIX_TOKENS 72

/* Lengths that make the total of count times length small; 0 for tokens that do not occur. At
 * least two tokens get a code. */
void medroi_prefix_lengths(const uint32_t count[MEDROI_PREFIX_TOKENS],
                           uint8_t length[MEDROI_PREFIX_TOKENS]);

/* The codes, first bit lowest, for writing. */
void medroi_prefix_codes(const uint8_t length[MEDROI_PREFIX_TOKENS],
                         uint16_t code[MEDROI_PREFIX_TOKENS]);

/* For reading: what the next bits of a stream, first bit lowest, stand for, as token << 4 | length.
 * Returns 0 where lengths are no complete code, so that some bits would stand for nothing. */
int medroi_prefix_table(const uint8_t length[MEDROI_PREFIX_TOKENS],
                        uint16_t entry[MEDROI_PREFIX_ENTRIES]);

#endif
