/* Integers under frozen tables of probabilities: FORMAT.md section "Symbols". */
#ifndef MEDROI_SYMBOLS_H
#define MEDROI_SYMBOLS_H

#include "base/kernel.h"
#include "entropy/magnitudes.h"

/* Tables, one row of `width` entries each. Row r has lengths[r] entries, from 0 to 65536 strictly
 * increasing: entry i is where symbol offsets[r] + i starts, the last but one where the escape
 * does. */
typedef struct medroi_symbol_tables {
    const uint32_t *cdf;
    const int32_t *lengths, *offsets;
    size_t n_rows, width;
} medroi_symbol_tables;

medroi_status medroi_symbols_check_tables(const medroi_symbol_tables *tables, medroi_error *error);

/* Refuse rows that the tables do not have; *capacity is what medroi_symbols_encode needs at most.
 */
medroi_status medroi_symbols_capacity(const medroi_symbol_tables *tables, const int32_t *symbols,
                                      const uint16_t *rows, size_t count, size_t *capacity,
                                      medroi_error *error);

/* Code `count` symbols, symbol i with row rows[i]; tables and rows have been checked. */
medroi_status medroi_symbols_encode(const medroi_symbol_tables *tables, const int32_t *symbols,
                                    const uint16_t *rows, size_t count, uint8_t *dst,
                                    size_t capacity, size_t *nbytes, medroi_error *error);

/* Decode `count` symbols from exactly `nbytes`. */
medroi_status medroi_symbols_decode(const medroi_symbol_tables *tables, const uint8_t *src,
                                    size_t nbytes, const uint16_t *rows, size_t count,
                                    int32_t *symbols, medroi_error *error);

/* Where a decoder is in its bytes, which the caller keeps: for symbols whose rows follow from
 * symbols before them. */
typedef struct medroi_symbol_reader {
    medroi_rc_decoder rc;
    medroi_bit_reader raw;
    medroi_number_model escape;
} medroi_symbol_reader;

medroi_status medroi_symbols_open(medroi_symbol_reader *reader, const uint8_t *src, size_t nbytes,
                                  medroi_error *error);

/* Decode the next `count` symbols; after an error the reader is of no use. */
medroi_status medroi_symbols_take(medroi_symbol_reader *reader, const medroi_symbol_tables *tables,
                                  const uint16_t *rows, size_t count, int32_t *symbols,
                                  medroi_error *error);

/* Refuse bytes behind the last symbol. */
medroi_status medroi_symbols_close(const medroi_symbol_reader *reader, medroi_error *error);

#endif
