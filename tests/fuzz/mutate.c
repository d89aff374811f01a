#include "mutate.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define PART_ROW_NBYTES 12
#define PAYLOAD_NBYTES_OFFSET 88
#define PAYLOAD_CRC_OFFSET 104

/* Fields of the fixed header, FORMAT.md section 1. */
static const struct {
    size_t offset, width;
} fields[] = {{4, 1},  {5, 1},  {6, 1},   {7, 1},   {8, 2},   {10, 2},  {12, 2}, {14, 2}, {16, 2},
              {18, 2}, {20, 2}, {22, 2},  {24, 2},  {26, 2},  {28, 4},  {64, 8}, {72, 8}, {80, 8},
              {88, 8}, {96, 4}, {100, 4}, {104, 4}, {108, 2}, {110, 1}, {111, 1}};

fuzz_stream fuzz_copy(const uint8_t *bytes, size_t nbytes) {
    fuzz_stream stream = {fuzz_allocate(nbytes), nbytes};
    if (nbytes > 0) {
        memcpy(stream.bytes, bytes, nbytes);
    }
    return stream;
}

void fuzz_release(fuzz_stream *stream) {
    free(stream->bytes);
    stream->bytes = NULL;
    stream->nbytes = 0;
}

static void resize(fuzz_random *random, fuzz_stream *stream, size_t nbytes) {
    fuzz_stream resized = {fuzz_allocate(nbytes), nbytes};
    for (size_t i = 0; i < nbytes; i++) {
        resized.bytes[i] = i < stream->nbytes ? stream->bytes[i] : (uint8_t)fuzz_bits(random);
    }
    fuzz_release(stream);
    *stream = resized;
}

static void lie(fuzz_random *random, fuzz_stream *stream, size_t offset, size_t width) {
    if (stream->nbytes < offset + width) {
        return;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)stream->bytes[offset + i] << 8 * i;
    }
    switch (fuzz_below(random, 7)) {
    case 0:
        value = 0;
        break;
    case 1:
        value += 1;
        break;
    case 2:
        value -= 1;
        break;
    case 3:
        value = UINT64_MAX >> fuzz_below(random, 2);
        break;
    case 4:
        value ^= (uint64_t)1 << fuzz_below(random, 8 * width);
        break;
    case 5:
        value = fuzz_below(random, 64);
        break;
    default:
        value = fuzz_bits(random);
    }
    for (size_t i = 0; i < width; i++) {
        stream->bytes[offset + i] = (uint8_t)(value >> 8 * i);
    }
}

/* A field of the extended record, the side data or the slab table. */
static void lie_behind_header(fuzz_random *random, fuzz_stream *stream) {
    size_t preamble_nbytes;
    if (medroi_peek_preamble(stream->bytes, stream->nbytes, &preamble_nbytes, NULL) != MEDROI_OK ||
        preamble_nbytes > stream->nbytes) {
        return;
    }
    if (fuzz_below(random, 2)) {
        lie(random, stream, preamble_nbytes + PART_ROW_NBYTES * fuzz_below(random, 8), 8);
    } else if (preamble_nbytes > MEDROI_FIXED_HEADER_NBYTES + 4) {
        size_t extra = preamble_nbytes - MEDROI_FIXED_HEADER_NBYTES - 4;
        lie(random, stream, MEDROI_FIXED_HEADER_NBYTES + fuzz_below(random, extra), 1);
        lie(random, stream, MEDROI_FIXED_HEADER_NBYTES + extra / 8 * fuzz_below(random, 8), 8);
    }
}

static void splice(fuzz_random *random, fuzz_stream *stream, const fuzz_stream *other) {
    if (stream->nbytes == 0 || other->nbytes == 0) {
        return;
    }
    size_t from = fuzz_below(random, other->nbytes);
    size_t to = fuzz_below(random, 2) ? fuzz_below(random, stream->nbytes) : from;
    size_t nbytes = 1 + fuzz_below(random, other->nbytes - from);
    for (size_t i = 0; i < nbytes && to + i < stream->nbytes; i++) {
        stream->bytes[to + i] = other->bytes[from + i];
    }
}

void fuzz_mutate(fuzz_random *random, fuzz_stream *stream, const fuzz_stream *other) {
    size_t field = fuzz_below(random, sizeof fields / sizeof fields[0]);
    switch (stream->nbytes > 0 ? fuzz_below(random, 8) : 2) {
    case 0:
        stream->bytes[fuzz_below(random, stream->nbytes)] ^= (uint8_t)(1u << fuzz_below(random, 8));
        break;
    case 1:
        stream->bytes[fuzz_below(random, stream->nbytes)] = (uint8_t)fuzz_bits(random);
        break;
    case 2:
        resize(random, stream, stream->nbytes + fuzz_below(random, 40));
        break;
    case 3:
        resize(random, stream, fuzz_below(random, stream->nbytes));
        break;
    case 4:
        splice(random, stream, other);
        break;
    case 5:
        lie_behind_header(random, stream);
        break;
    default:
        lie(random, stream, fields[field].offset, fields[field].width);
    }
}

static void repair_header_crc(fuzz_stream *stream, size_t preamble_nbytes) {
    uint32_t crc = medroi_crc32(0, stream->bytes, preamble_nbytes - 4);
    medroi_store32(stream->bytes + preamble_nbytes - 4, crc);
}

/* The CRC of the payload, or of its slab table once that of each part is right. */
static uint32_t repair_payload(uint8_t *payload, size_t nbytes, uint64_t n_parts) {
    if (n_parts == 0) {
        return 0;
    }
    if (n_parts == 1 || n_parts > nbytes / PART_ROW_NBYTES) {
        return medroi_crc32(0, payload, nbytes);
    }
    size_t table_nbytes = (size_t)n_parts * PART_ROW_NBYTES, start = table_nbytes;
    for (uint8_t *row = payload; row < payload + table_nbytes; row += PART_ROW_NBYTES) {
        uint64_t part_nbytes = medroi_load64(row);
        if (part_nbytes > nbytes - start) {
            break;
        }
        medroi_store32(row + 8, medroi_crc32(0, payload + start, (size_t)part_nbytes));
        start += (size_t)part_nbytes;
    }
    return medroi_crc32(0, payload, table_nbytes);
}

void fuzz_repair_checksums(fuzz_stream *stream) {
    size_t preamble_nbytes;
    medroi_header header;
    if (medroi_peek_preamble(stream->bytes, stream->nbytes, &preamble_nbytes, NULL) != MEDROI_OK ||
        preamble_nbytes > stream->nbytes) {
        return;
    }
    size_t payload_nbytes = stream->nbytes - preamble_nbytes;
    medroi_store64(stream->bytes + PAYLOAD_NBYTES_OFFSET, payload_nbytes);
    repair_header_crc(stream, preamble_nbytes);
    if (medroi_read_preamble(stream->bytes, stream->nbytes, &header, &preamble_nbytes, NULL) ==
        MEDROI_OK) {
        uint32_t crc = repair_payload(stream->bytes + preamble_nbytes, payload_nbytes,
                                      medroi_part_count(&header));
        medroi_store32(stream->bytes + PAYLOAD_CRC_OFFSET, crc);
        repair_header_crc(stream, preamble_nbytes);
    }
}
