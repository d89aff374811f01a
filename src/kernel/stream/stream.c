/* The preamble of a stream (FORMAT.md sections 1 to 4) to bytes. */
#include "stream/stream.h"

#include "base/bytes.h"
#include "base/layout.h"

#include <string.h>

const uint8_t medroi_magic[4] = {'M', 'R', 'O', 'I'};

int medroi_is_plain(const medroi_layout *layout) {
    if (layout->ndim != 2 && layout->ndim != 3) {
        return 0;
    }
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (layout->shape[i] > INT16_MAX) {
            return 0;
        }
    }
    return 1;
}

int medroi_is_empty_box(const medroi_layout *layout, const medroi_box *box) {
    for (int32_t i = 0; i < layout->ndim; i++) {
        if (box->stop[i] <= box->start[i]) {
            return 1;
        }
    }
    return 0;
}

static size_t extended_nbytes(const medroi_layout *layout) {
    return medroi_is_plain(layout) ? 0 : (size_t)layout->ndim * 24 + 36;
}

size_t medroi_preamble_nbytes(const medroi_header *header) {
    return MEDROI_FIXED_HEADER_NBYTES + extended_nbytes(&header->layout) + header->side_nbytes + 4;
}

static void write_affine(const float affine[9], uint8_t *dst) {
    for (int i = 0; i < 9; i++) {
        medroi_store_f32(dst + 4 * i, affine[i]);
    }
}

static void write_record(const medroi_header *header, uint8_t *dst) {
    const medroi_layout *layout = &header->layout;
    int empty = medroi_is_empty_box(layout, &header->box);
    for (int i = 0; i < 3; i++) {
        int64_t start = 0, stop = empty ? 0 : 1, size = 1;
        if (i < layout->ndim) {
            start = empty ? 0 : header->box.start[i];
            stop = empty ? 0 : header->box.stop[i];
            size = layout->shape[i];
        }
        medroi_store16(dst + 4 * i, (uint16_t)start);
        medroi_store16(dst + 4 * i + 2, (uint16_t)(stop - 1));
        medroi_store16(dst + 12 + 2 * i, (uint16_t)size);
    }
    write_affine(header->affine, dst + 18);
}

static void write_extended(const medroi_header *header, uint8_t *dst) {
    for (int32_t i = 0; i < header->layout.ndim; i++, dst += 24) {
        medroi_store64(dst, (uint64_t)header->layout.shape[i]);
        medroi_store64(dst + 8, (uint64_t)header->box.start[i]);
        medroi_store64(dst + 16, (uint64_t)header->box.stop[i]);
    }
    write_affine(header->affine, dst);
}

uint64_t medroi_canonical_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value == value ? bits : UINT64_C(0x7FF8000000000000);
}

medroi_status medroi_write_preamble(const medroi_header *header, uint8_t *dst,
                                    medroi_error *error) {
    const medroi_layout *layout = &header->layout;
    int plain = medroi_is_plain(layout);
    size_t nbytes = medroi_preamble_nbytes(header), behind = MEDROI_FIXED_HEADER_NBYTES;
    medroi_status status = medroi_check_layout(layout, MEDROI_INVALID_ARGUMENT, error);
    if (status != MEDROI_OK) {
        return status;
    }
    memset(dst, 0, MEDROI_FIXED_HEADER_NBYTES);
    memcpy(dst, medroi_magic, sizeof medroi_magic);
    dst[4] = MEDROI_FORMAT_VERSION;
    dst[5] =
        (uint8_t)((layout->big_endian ? MEDROI_FLAG_BIG_ENDIAN : 0) |
                  (layout->f_order ? MEDROI_FLAG_F_ORDER : 0) | (plain ? 0 : MEDROI_FLAG_EXTENDED));
    dst[6] = (uint8_t)layout->kind;
    dst[7] = (uint8_t)layout->ndim;
    medroi_store16(dst + 8, layout->itemsize);
    if (plain) {
        write_record(header, dst + MEDROI_RECORD_OFFSET);
    }
    medroi_store64(dst + 64, header->background);
    medroi_store64(dst + MEDROI_THRESHOLD_OFFSET, medroi_canonical_bits(header->threshold));
    medroi_store_f64(dst + MEDROI_MISS_RATE_OFFSET, header->miss_rate);
    medroi_store64(dst + 88, header->payload_nbytes);
    medroi_store32(dst + 96, header->side_nbytes);
    medroi_store32(dst + 100, header->part_extent);
    medroi_store32(dst + 104, header->payload_crc);
    medroi_store16(dst + 108, header->inner_id);
    dst[110] = layout->axes;
    dst[111] = header->slice_axis;
    if (!plain) {
        write_extended(header, dst + behind);
        behind += extended_nbytes(layout);
    }
    if (header->side_nbytes > 0) {
        memcpy(dst + behind, header->side, header->side_nbytes);
    }
    medroi_store32(dst + nbytes - 4, medroi_crc32(0, dst, nbytes - 4));
    return MEDROI_OK;
}

uint64_t medroi_part_count(const medroi_header *header) {
    int64_t extent = header->box.stop[header->slice_axis] - header->box.start[header->slice_axis];
    if (header->part_extent == 0 || medroi_is_empty_box(&header->layout, &header->box)) {
        return 0;
    }
    return (uint64_t)(extent + header->part_extent - 1) / header->part_extent;
}

medroi_box medroi_part_box(const medroi_header *header, uint64_t part) {
    medroi_box box = header->box;
    uint8_t axis = header->slice_axis;
    int64_t stop = box.stop[axis];
    box.start[axis] += (int64_t)part * header->part_extent;
    box.stop[axis] = box.start[axis] + header->part_extent;
    if (box.stop[axis] > stop) {
        box.stop[axis] = stop;
    }
    return box;
}

uint64_t medroi_part_table_nbytes(const medroi_header *header) {
    uint64_t n_parts = medroi_part_count(header);
    return n_parts > 1 ? n_parts * MEDROI_PART_ROW_NBYTES : 0;
}
