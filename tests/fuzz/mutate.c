#include "mutate.h"

#include <stdlib.h>
#include <string.h>

/* Places in a stream, FORMAT.md sections 1 to 5. */
#define FIXED_HEADER_NBYTES 112
#define FLAGS_OFFSET 5
#define NDIM_OFFSET 7
#define RECORD_OFFSET 10
#define PAYLOAD_NBYTES_OFFSET 88
#define SIDE_NBYTES_OFFSET 96
#define EXTENT_OFFSET 100
#define PAYLOAD_CRC_OFFSET 104
#define SLICE_AXIS_OFFSET 111
#define EXTENDED_FLAG 4
#define SLAB_ROW_NBYTES 12

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

static uint64_t load(const uint8_t *at, size_t nbytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < nbytes; i++) {
        value |= (uint64_t)at[i] << 8 * i;
    }
    return value;
}

static void store(uint8_t *at, size_t nbytes, uint64_t value) {
    for (size_t i = 0; i < nbytes; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint32_t crc32_of(const uint8_t *bytes, size_t nbytes) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < nbytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

size_t fuzz_preamble_nbytes(const uint8_t *bytes, size_t nbytes) {
    if (nbytes < FIXED_HEADER_NBYTES) {
        return 0;
    }
    size_t extended = bytes[FLAGS_OFFSET] & EXTENDED_FLAG ? bytes[NDIM_OFFSET] * 24u + 36 : 0;
    size_t side = (size_t)load(bytes + SIDE_NBYTES_OFFSET, 4);
    size_t preamble_nbytes = FIXED_HEADER_NBYTES + extended + side + 4;
    return preamble_nbytes <= nbytes ? preamble_nbytes : 0;
}

/* Slabs of the payload, as the header has them. */
static uint64_t count_slabs(const uint8_t *stream) {
    uint64_t extent = load(stream + EXTENT_OFFSET, 4), start, stop;
    unsigned axis = stream[SLICE_AXIS_OFFSET];
    if (axis >= stream[NDIM_OFFSET] || extent == 0) {
        return 0;
    }
    if (stream[FLAGS_OFFSET] & EXTENDED_FLAG) {
        start = load(stream + FIXED_HEADER_NBYTES + 24 * axis + 8, 8);
        stop = load(stream + FIXED_HEADER_NBYTES + 24 * axis + 16, 8);
    } else if (axis < 3) {
        start = load(stream + RECORD_OFFSET + 4 * axis, 2);
        stop = load(stream + RECORD_OFFSET + 4 * axis + 2, 2) + 1;
    } else {
        return 0;
    }
    return stop > start ? (stop - start - 1) / extent + 1 : 0;
}

static void lie(fuzz_random *random, fuzz_stream *stream, size_t offset, size_t width) {
    if (stream->nbytes < offset + width) {
        return;
    }
    uint64_t value = load(stream->bytes + offset, width);
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
    store(stream->bytes + offset, width, value);
}

/* A field of the extended record, the side data or the slab table. */
static void lie_behind_header(fuzz_random *random, fuzz_stream *stream) {
    size_t preamble_nbytes = fuzz_preamble_nbytes(stream->bytes, stream->nbytes);
    if (preamble_nbytes == 0) {
        return;
    }
    if (fuzz_below(random, 2)) {
        lie(random, stream, preamble_nbytes + SLAB_ROW_NBYTES * fuzz_below(random, 8), 8);
    } else if (preamble_nbytes > FIXED_HEADER_NBYTES + 4) {
        size_t extra = preamble_nbytes - FIXED_HEADER_NBYTES - 4;
        lie(random, stream, FIXED_HEADER_NBYTES + fuzz_below(random, extra), 1);
        lie(random, stream, FIXED_HEADER_NBYTES + extra / 8 * fuzz_below(random, 8), 8);
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

/* The CRC of the payload, or of its slab table once that of each slab is right. */
static uint32_t repair_payload(uint8_t *payload, size_t nbytes, uint64_t n_slabs) {
    if (n_slabs == 0) {
        return 0;
    }
    if (n_slabs == 1 || n_slabs > nbytes / SLAB_ROW_NBYTES) {
        return crc32_of(payload, nbytes);
    }
    size_t table_nbytes = (size_t)n_slabs * SLAB_ROW_NBYTES, start = table_nbytes;
    for (uint8_t *row = payload; row < payload + table_nbytes; row += SLAB_ROW_NBYTES) {
        uint64_t slab_nbytes = load(row, 8);
        if (slab_nbytes > nbytes - start) {
            break;
        }
        store(row + 8, 4, crc32_of(payload + start, (size_t)slab_nbytes));
        start += (size_t)slab_nbytes;
    }
    return crc32_of(payload, table_nbytes);
}

void fuzz_repair_checksums(fuzz_stream *stream) {
    uint8_t *bytes = stream->bytes;
    size_t preamble_nbytes = fuzz_preamble_nbytes(bytes, stream->nbytes);
    if (preamble_nbytes == 0) {
        return;
    }
    size_t payload_nbytes = stream->nbytes - preamble_nbytes;
    store(bytes + PAYLOAD_NBYTES_OFFSET, 8, payload_nbytes);
    store(bytes + PAYLOAD_CRC_OFFSET, 4,
          repair_payload(bytes + preamble_nbytes, payload_nbytes, count_slabs(bytes)));
    store(bytes + preamble_nbytes - 4, 4, crc32_of(bytes, preamble_nbytes - 4));
}
