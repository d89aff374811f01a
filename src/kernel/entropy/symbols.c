/* Integers under frozen tables of probabilities.
 *
 * Learned codecs quantise what their networks give and know in advance how often each integer
 * occurs: a table of rows of cumulative shares in units of 2^-16, and for each symbol the number of
 * its row (as CompressAI, Begaint et al. 2020, has it). A symbol is coded under its row with the
 * range coder. What lies outside a row is the row's last share, the escape, followed by the
 * distance as an adaptive number. Tables are integers and frozen, so that two machines agree.
 */
#include "entropy/symbols.h"

#include "base/bytes.h"

#include <stdlib.h>

#define SHARE_BITS 16
#define WHOLE (1u << SHARE_BITS)
#define HEAD_NBYTES 4
/* A bit of the escape model costs at most 20 bits, the range coder's last word 4 bytes. */
#define ESCAPE_NBYTES 96
#define ESCAPE_RAW_NBYTES 5

typedef struct row {
    const uint32_t *cdf;
    int32_t offset;
    uint32_t escape; /* index of the escape; symbols have the indices below it */
} row;

static row row_of(const medroi_symbol_tables *tables, size_t number) {
    row r = {tables->cdf + number * tables->width, tables->offsets[number],
             (uint32_t)tables->lengths[number] - 2};
    return r;
}

medroi_status medroi_symbols_check_tables(const medroi_symbol_tables *tables, medroi_error *error) {
    for (size_t r = 0; r < tables->n_rows; r++) {
        int32_t length = tables->lengths[r];
        if (length < 2 || (size_t)length > tables->width)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "symbols: row %zu has %d entries, expected 2 to %zu", r, (int)length,
                               tables->width);
        const uint32_t *cdf = tables->cdf + r * tables->width;
        int rising = cdf[0] == 0 && cdf[length - 1] == WHOLE;
        for (int32_t i = 1; i < length; i++)
            rising &= cdf[i] > cdf[i - 1];
        if (!rising)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "symbols: row %zu does not rise from 0 to %u", r, WHOLE);
    }
    return MEDROI_OK;
}

static medroi_status check_rows(const medroi_symbol_tables *tables, const uint16_t *rows,
                                size_t count, medroi_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (rows[i] >= tables->n_rows)
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "symbols: symbol %zu wants row %u of %zu rows", i, rows[i],
                               tables->n_rows);
    }
    return MEDROI_OK;
}

/* The index of a symbol in its row; the escape's where it has none. */
static uint32_t index_of(const row *r, int32_t symbol) {
    int64_t index = (int64_t)symbol - r->offset;
    return index < 0 || index >= (int64_t)r->escape ? r->escape : (uint32_t)index;
}

medroi_status medroi_symbols_capacity(const medroi_symbol_tables *tables, const int32_t *symbols,
                                      const uint16_t *rows, size_t count, size_t *capacity,
                                      medroi_error *error) {
    medroi_status status = check_rows(tables, rows, count, error);
    if (status != MEDROI_OK)
        return status;
    size_t escapes = 0;
    for (size_t i = 0; i < count; i++) {
        row r = row_of(tables, rows[i]);
        escapes += index_of(&r, symbols[i]) == r.escape;
    }
    *capacity = HEAD_NBYTES + 16 + count * 2 + escapes * (ESCAPE_NBYTES + ESCAPE_RAW_NBYTES);
    return MEDROI_OK;
}

/* Distance outside the row: even above it, odd below. */
static uint64_t fold(const row *r, int32_t symbol) {
    int64_t beyond = (int64_t)symbol - ((int64_t)r->offset + r->escape);
    if (beyond >= 0)
        return (uint64_t)beyond << 1;
    return ((uint64_t)((int64_t)r->offset - 1 - symbol) << 1) | 1;
}

static int64_t unfold(const row *r, uint64_t folded) {
    int64_t distance = (int64_t)(folded >> 1);
    return folded & 1 ? (int64_t)r->offset - 1 - distance
                      : (int64_t)r->offset + r->escape + distance;
}

medroi_status medroi_symbols_encode(const medroi_symbol_tables *tables, const int32_t *symbols,
                                    const uint16_t *rows, size_t count, uint8_t *dst,
                                    size_t capacity, size_t *nbytes, medroi_error *error) {
    medroi_rc_encoder rc;
    medroi_bit_writer put;
    medroi_number_model escape;
    medroi_status status = MEDROI_OK;
    uint8_t *bits = malloc(capacity);
    *nbytes = 0;
    if (!bits || capacity < HEAD_NBYTES) {
        status = medroi_fail(error, MEDROI_NO_MEMORY, "symbols: no memory for %zu bytes", capacity);
        goto done;
    }
    medroi_rc_encoder_init(&rc, dst + HEAD_NBYTES, capacity - HEAD_NBYTES);
    medroi_bits_writer_init(&put, bits, capacity);
    medroi_number_init(&escape);
    for (size_t i = 0; i < count; i++) {
        row r = row_of(tables, rows[i]);
        uint32_t index = index_of(&r, symbols[i]);
        medroi_rc_encode(&rc, r.cdf[index], r.cdf[index + 1] - r.cdf[index], SHARE_BITS);
        if (index == r.escape)
            medroi_number_encode(&rc, &put, &escape, fold(&r, symbols[i]));
    }
    size_t n_range = medroi_rc_finish(&rc), n_bits = medroi_bits_finish(&put);
    if (rc.full || put.full || n_bits > capacity - HEAD_NBYTES - n_range) {
        status = medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                             "symbols: %zu bytes do not hold %zu symbols", capacity, count);
        goto done;
    }
    medroi_store32(dst, (uint32_t)n_range);
    memcpy(dst + HEAD_NBYTES + n_range, bits, n_bits);
    *nbytes = HEAD_NBYTES + n_range + n_bits;
done:
    free(bits);
    return status;
}

/* The last entry that is not above the code: its symbol, or the escape. */
static uint32_t find_index(medroi_rc_decoder *rc, const row *r) {
    uint64_t piece = rc->range >> SHARE_BITS;
    uint32_t low = 0, high = r->escape;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (rc->code >= piece * r->cdf[middle])
            low = middle;
        else
            high = middle - 1;
    }
    medroi_rc_narrow(rc, piece, r->cdf[low], (uint32_t)r->cdf[low + 1] - r->cdf[low]);
    return low;
}

medroi_status medroi_symbols_open(medroi_symbol_reader *reader, const uint8_t *src, size_t nbytes,
                                  medroi_error *error) {
    size_t n_range = nbytes >= HEAD_NBYTES ? medroi_load32(src) : 0;
    if (nbytes < HEAD_NBYTES || n_range > nbytes - HEAD_NBYTES)
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: symbols are cut off");
    medroi_rc_decoder_init(&reader->rc, src + HEAD_NBYTES, n_range);
    medroi_bits_reader_init(&reader->raw, src + HEAD_NBYTES + n_range,
                            nbytes - HEAD_NBYTES - n_range);
    medroi_number_init(&reader->escape);
    return MEDROI_OK;
}

medroi_status medroi_symbols_take(medroi_symbol_reader *reader, const medroi_symbol_tables *tables,
                                  const uint16_t *rows, size_t count, int32_t *symbols,
                                  medroi_error *error) {
    medroi_rc_decoder *rc = &reader->rc;
    medroi_status status = check_rows(tables, rows, count, error);
    if (status != MEDROI_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        row r = row_of(tables, rows[i]);
        uint32_t index = find_index(rc, &r);
        int64_t symbol = r.offset + (int64_t)index;
        if (index == r.escape) {
            uint64_t folded = medroi_number_decode(rc, &reader->raw, &reader->escape);
            symbol = folded >> 34 ? INT64_MAX : unfold(&r, folded);
        }
        if (symbol < INT32_MIN || symbol > INT32_MAX || rc->position > rc->nbytes + 4)
            return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                               "corrupt stream: symbol %zu of %zu is impossible", i, count);
        symbols[i] = (int32_t)symbol;
    }
    return MEDROI_OK;
}

medroi_status medroi_symbols_close(const medroi_symbol_reader *reader, medroi_error *error) {
    if (!medroi_rc_finished(&reader->rc) || !medroi_bits_finished(&reader->raw))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: symbols do not end where their bytes do");
    return MEDROI_OK;
}

medroi_status medroi_symbols_decode(const medroi_symbol_tables *tables, const uint8_t *src,
                                    size_t nbytes, const uint16_t *rows, size_t count,
                                    int32_t *symbols, medroi_error *error) {
    medroi_symbol_reader reader;
    medroi_status status = medroi_symbols_open(&reader, src, nbytes, error);
    if (status == MEDROI_OK)
        status = medroi_symbols_take(&reader, tables, rows, count, symbols, error);
    if (status == MEDROI_OK)
        status = medroi_symbols_close(&reader, error);
    return status;
}
