/* What Python calls by itself: symbols under frozen tables, and value maps, around any bytes. */
#include "codecs/valuemap/intmap.h"
#include "entropy/symbols.h"
#include "mutate.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS 300
#define MAX_ROWS 4
#define WIDTH 12

typedef struct coding {
    uint32_t cdf[MAX_ROWS * WIDTH];
    int32_t lengths[MAX_ROWS], offsets[MAX_ROWS];
    uint16_t rows[MAX_SYMBOLS];
    int32_t symbols[MAX_SYMBOLS];
    size_t count;
    medroi_symbol_tables tables;
} coding;

static coding *make_coding(fuzz_random *random) {
    coding *c = fuzz_allocate(sizeof *c);
    c->count = fuzz_below(random, MAX_SYMBOLS);
    c->tables = (medroi_symbol_tables){c->cdf, c->lengths, c->offsets, MAX_ROWS, WIDTH};
    memset(c->cdf, 0, sizeof c->cdf);
    for (size_t r = 0; r < MAX_ROWS; r++) {
        uint32_t *cdf = c->cdf + r * WIDTH;
        c->lengths[r] = (int32_t)(2 + fuzz_below(random, WIDTH - 1));
        c->offsets[r] = (int32_t)fuzz_below(random, 64) - 32;
        for (int32_t i = 1; i < c->lengths[r]; i++) {
            cdf[i] = cdf[i - 1] + 1 + (uint32_t)fuzz_below(random, 5000);
        }
        cdf[c->lengths[r] - 1] = 65536;
    }
    for (size_t i = 0; i < c->count; i++) {
        c->rows[i] = (uint16_t)fuzz_below(random, MAX_ROWS);
        c->symbols[i] = fuzz_below(random, 20) ? (int32_t)fuzz_below(random, 80) - 40
                                               : (int32_t)(uint32_t)fuzz_bits(random);
    }
    return c;
}

/* As many symbols at once as a caller may ask for, whatever the bytes. */
static medroi_status decode_symbols(fuzz_random *random, const coding *c, const fuzz_stream *stream,
                                    int32_t *decoded) {
    medroi_symbol_reader reader;
    medroi_status status = medroi_symbols_open(&reader, stream->bytes, stream->nbytes, NULL);
    for (size_t done = 0; status == MEDROI_OK && done < c->count;) {
        size_t some = 1 + fuzz_below(random, c->count - done);
        status =
            medroi_symbols_take(&reader, &c->tables, c->rows + done, some, decoded + done, NULL);
        done += some;
    }
    return status == MEDROI_OK ? medroi_symbols_close(&reader, NULL) : status;
}

static void check_symbols(fuzz_random *random, const coding *c) {
    size_t capacity = 0, nbytes = 0;
    int32_t *decoded = fuzz_allocate(MAX_SYMBOLS * sizeof *decoded);
    medroi_status status =
        medroi_symbols_capacity(&c->tables, c->symbols, c->rows, c->count, &capacity, NULL);
    fuzz_expect(status == MEDROI_OK, "rows that there are can be coded");
    uint8_t *coded = fuzz_allocate(capacity);
    status = medroi_symbols_encode(&c->tables, c->symbols, c->rows, c->count, coded, capacity,
                                   &nbytes, NULL);
    fuzz_expect(status == MEDROI_OK, "symbols fit into their capacity");
    fuzz_stream stream = fuzz_copy(coded, nbytes);
    status = medroi_symbols_decode(&c->tables, stream.bytes, stream.nbytes, c->rows, c->count,
                                   decoded, NULL);
    fuzz_expect(status == MEDROI_OK &&
                    memcmp(decoded, c->symbols, c->count * sizeof *decoded) == 0 &&
                    decode_symbols(random, c, &stream, decoded) == MEDROI_OK,
                "symbols come back");
    for (uint64_t n = 1 + fuzz_below(random, 4); n > 0; n--) {
        fuzz_mutate(random, &stream, &stream);
    }
    (void)decode_symbols(random, c, &stream, decoded);
    fuzz_release(&stream);
    free(coded);
    free(decoded);
}

static void symbols(fuzz_random *random) {
    coding *c = make_coding(random);
    if (medroi_symbols_check_tables(&c->tables, NULL) == MEDROI_OK) {
        check_symbols(random, c);
    }
    c->cdf[fuzz_below(random, MAX_ROWS * WIDTH)] ^= 1u << fuzz_below(random, 32);
    c->lengths[fuzz_below(random, MAX_ROWS)] += (int32_t)fuzz_below(random, 3) - 1;
    (void)medroi_symbols_check_tables(&c->tables, NULL);
    free(c);
}

/* Everything that can be done with a map, which belongs to the block or was read for it. */
static void use_map(fuzz_random *random, const medroi_block *block, const void *data, size_t count,
                    const medroi_intmap *map, int is_found) {
    int32_t *indices = fuzz_allocate(count * sizeof *indices);
    size_t index_nbytes = map->max_index < 256 ? 1 : 2;
    uint8_t *narrow = fuzz_allocate(count * index_nbytes);
    uint8_t *restored = fuzz_allocate(medroi_block_nbytes(block));
    if (is_found) {
        medroi_status status = medroi_intmap_apply(map, block, data, 0, count, indices, NULL);
        fuzz_expect(status == MEDROI_OK, "a block has indices in its own map");
        medroi_intmap_invert(map, block, indices, 0, count, restored);
        fuzz_expect(memcmp(restored, data, medroi_block_nbytes(block)) == 0,
                    "a map gives back every bit");
        status = medroi_intmap_apply_short(map, block, data, count, index_nbytes, narrow, NULL);
        fuzz_expect(status == MEDROI_OK, "a block has short indices in its own map");
    }
    for (size_t i = 0; i < count; i++) {
        indices[i] = (int32_t)(uint32_t)fuzz_bits(random);
    }
    medroi_intmap_invert(map, block, indices, 0, count, restored);
    free(restored);
    free(narrow);
    free(indices);
}

static void check_map(fuzz_random *random, const medroi_block *block, const void *data,
                      size_t count) {
    static const uint32_t limits[] = {255, 1023, 4095, MEDROI_INTMAP_MAX_INDEX};
    medroi_intmap map, again;
    size_t used = 0;
    int affine = (int)fuzz_below(random, 2);
    if (medroi_intmap_find(block, data, affine, limits[fuzz_below(random, 4)], &map, NULL) !=
        MEDROI_OK) {
        return;
    }
    use_map(random, block, data, count, &map, 1);
    fuzz_stream stream = {fuzz_allocate(medroi_intmap_nbytes(&map, block)),
                          medroi_intmap_nbytes(&map, block)};
    medroi_intmap_write(&map, block, stream.bytes);
    medroi_intmap_free(&map);
    if (fuzz_below(random, 2)) {
        fuzz_mutate(random, &stream, &stream);
    }
    if (medroi_intmap_read(block, stream.bytes, stream.nbytes, &again, &used, NULL) == MEDROI_OK) {
        fuzz_expect(used <= stream.nbytes, "a map ends within its bytes");
        use_map(random, block, data, count, &again, 0);
    }
    medroi_intmap_free(&again);
    fuzz_release(&stream);
}

static void maps(fuzz_random *random) {
    medroi_layout layout = fuzz_layout(random, 1 << 11);
    size_t nbytes = fuzz_layout_nbytes(&layout), count = nbytes / layout.itemsize;
    medroi_block block = {.ndim = layout.ndim,
                          .kind = layout.kind,
                          .big_endian = layout.big_endian,
                          .itemsize = layout.itemsize};
    memcpy(block.shape, layout.shape, sizeof block.shape);
    if (strchr("biuf", layout.kind) == NULL || count == 0) {
        uint8_t bytes[MEDROI_INTMAP_AFFINE_NBYTES] = {(uint8_t)fuzz_below(random, 4), 1, 0, 1};
        medroi_intmap map;
        size_t used;
        fuzz_expect(strchr("biuf", layout.kind) != NULL ||
                        medroi_intmap_read(&block, bytes, sizeof bytes, &map, &used, NULL) !=
                            MEDROI_OK,
                    "only numbers have a map");
        return;
    }
    uint8_t *data = fuzz_allocate(nbytes);
    fuzz_fill(random, &layout, data);
    check_map(random, &block, data, count);
    free(data);
}

static void code(fuzz_random *random) {
    if (fuzz_below(random, 2)) {
        symbols(random);
    } else {
        maps(random);
    }
}

FUZZ_MAIN("fuzz_coders", code)
