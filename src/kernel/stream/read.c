/* The preamble of a stream (FORMAT.md sections 1 to 4) from bytes that nobody vouches for. */
#include "base/bytes.h"
#include "base/layout.h"
#include "stream/stream.h"

#include <string.h>

static medroi_status corrupt(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_CORRUPT_STREAM, "corrupt stream: %s", what);
}

static medroi_status read_lengths(const uint8_t *src, size_t nbytes, size_t *preamble_nbytes,
                                  medroi_error *error) {
    size_t extended = 0, side;
    if (nbytes >= 4 && memcmp(src, medroi_magic, 4) != 0) {
        return corrupt(error, "it does not begin with the magic bytes 4D 52 4F 49; "
                              "this is not a MedROI stream");
    }
    if (nbytes < MEDROI_FIXED_HEADER_NBYTES) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM,
                           "corrupt stream: %zu bytes, shorter than its header of %d bytes", nbytes,
                           MEDROI_FIXED_HEADER_NBYTES);
    }
    if (src[4] != MEDROI_FORMAT_VERSION) {
        return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                           "stream of format version %d; this build reads version %d: "
                           "upgrade medroi",
                           src[4], MEDROI_FORMAT_VERSION);
    }
    if (src[7] < 1 || src[7] > MEDROI_MAX_AXES) {
        return corrupt(error, "its number of axes is not 1 to 8");
    }
    if (src[5] & MEDROI_FLAG_EXTENDED) {
        extended = (size_t)src[7] * 24 + 36;
    }
    side = medroi_load32(src + 96);
    if (side > SIZE_MAX / 2) {
        return corrupt(error, "its side data are longer than memory");
    }
    *preamble_nbytes = MEDROI_FIXED_HEADER_NBYTES + extended + side + 4;
    return MEDROI_OK;
}

medroi_status medroi_peek_preamble(const uint8_t *src, size_t nbytes, size_t *preamble_nbytes,
                                   medroi_error *error) {
    return read_lengths(src, nbytes, preamble_nbytes, error);
}

static void read_affine(const uint8_t *src, float affine[9]) {
    for (int i = 0; i < 9; i++) {
        affine[i] = medroi_load_f32(src + 4 * i);
    }
}

static medroi_status read_record(const uint8_t *src, medroi_header *header, medroi_error *error) {
    for (int i = 0; i < 3; i++) {
        int64_t low = (int16_t)medroi_load16(src + 4 * i);
        int64_t high = (int16_t)medroi_load16(src + 4 * i + 2);
        int64_t size = (int16_t)medroi_load16(src + 12 + 2 * i);
        if (i < header->layout.ndim) {
            header->layout.shape[i] = size;
            header->box.start[i] = low;
            header->box.stop[i] = high + 1;
        } else if (size != 1 || low != 0 || high > 0 || high < -1 ||
                   (high < 0) != (header->box.stop[0] == 0)) {
            return corrupt(error, "the record of a 2-D array has a third axis");
        }
    }
    read_affine(src + 18, header->affine);
    return MEDROI_OK;
}

static medroi_status read_extended(const uint8_t *src, medroi_header *header, medroi_error *error) {
    for (int32_t i = 0; i < header->layout.ndim; i++, src += 24) {
        uint64_t size = medroi_load64(src), start = medroi_load64(src + 8),
                 stop = medroi_load64(src + 16);
        if (size > INT64_MAX || start > size || stop > size) {
            return corrupt(error, "its extended record has sizes out of range");
        }
        header->layout.shape[i] = (int64_t)size;
        header->box.start[i] = (int64_t)start;
        header->box.stop[i] = (int64_t)stop;
    }
    read_affine(src, header->affine);
    return MEDROI_OK;
}

static medroi_status check_box(const medroi_header *header, medroi_error *error) {
    const medroi_layout *layout = &header->layout;
    int empty = medroi_is_empty_box(layout, &header->box);
    for (int32_t i = 0; i < layout->ndim; i++) {
        int64_t start = header->box.start[i], stop = header->box.stop[i], size = layout->shape[i];
        if (start < 0 || stop < start || stop > size || (empty && (start != 0 || stop != 0))) {
            return corrupt(error, "its bounding box does not lie inside the array");
        }
        if (!empty && !(layout->axes >> i & 1) && (start != 0 || stop != size)) {
            return corrupt(error, "its bounding box cuts an axis outside the volume");
        }
    }
    return MEDROI_OK;
}

static medroi_status check_payload_fields(const medroi_header *header, medroi_error *error) {
    int64_t extent;
    if (header->slice_axis >= header->layout.ndim) {
        return corrupt(error, "its slice axis is not an axis of the array");
    }
    if (medroi_is_empty_box(&header->layout, &header->box)) {
        if (header->part_extent != 0 || header->payload_nbytes != 0 || header->payload_crc != 0) {
            return corrupt(error, "an empty region has a payload");
        }
        return MEDROI_OK;
    }
    extent = header->box.stop[header->slice_axis] - header->box.start[header->slice_axis];
    if (header->part_extent == 0 || header->part_extent > extent) {
        return corrupt(error, "its part extent is not 1 to the region's extent");
    }
    if (header->payload_nbytes < medroi_part_table_nbytes(header)) {
        return corrupt(error, "its payload is shorter than its slab table");
    }
    return MEDROI_OK;
}

static medroi_status check_values(const medroi_header *header, medroi_error *error) {
    uint16_t size = header->layout.itemsize;
    if ((size < 8 && header->background >> 8 * size != 0) ||
        (size > 8 && header->background != 0)) {
        return corrupt(error, "its background is wider than an element");
    }
    if (!(header->miss_rate >= 0.0 && header->miss_rate <= 1.0)) {
        return corrupt(error, "its miss rate is not 0 to 1");
    }
    return MEDROI_OK;
}

static medroi_status check_side(const medroi_header *header, medroi_error *error) {
    const uint8_t *p = header->side, *end = p + header->side_nbytes;
    int seen[256] = {0};
    int wants_dtype = header->layout.kind == 'M' || header->layout.kind == 'm';
    while (p < end) {
        if (end - p < 5 || medroi_load32(p + 1) > (size_t)(end - p) - 5) {
            return corrupt(error, "a section of its side data is cut off");
        }
        if (seen[p[0]]++) {
            return corrupt(error, "a section of its side data occurs twice");
        }
        if (!(p[0] & MEDROI_SIDE_SKIPPABLE) && p[0] != MEDROI_SIDE_DTYPE &&
            p[0] != MEDROI_SIDE_MASK) {
            return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                               "stream with side data of type %d, which this build does not know: "
                               "upgrade medroi",
                               p[0]);
        }
        p += 5 + medroi_load32(p + 1);
    }
    if (seen[MEDROI_SIDE_DTYPE] != wants_dtype) {
        return corrupt(error, "dtype text and element kind disagree");
    }
    medroi_mask_info info;
    return medroi_read_mask_info(header, &info, error);
}

static medroi_status read_fields(const uint8_t *src, medroi_header *header, medroi_error *error) {
    medroi_layout *layout = &header->layout;
    if (src[5] & ~(MEDROI_FLAG_BIG_ENDIAN | MEDROI_FLAG_F_ORDER | MEDROI_FLAG_EXTENDED)) {
        return medroi_fail(error, MEDROI_UNSUPPORTED_VERSION,
                           "stream with flags 0x%02x that this build does not know: upgrade medroi",
                           src[5]);
    }
    layout->big_endian = (src[5] & MEDROI_FLAG_BIG_ENDIAN) != 0;
    layout->f_order = (src[5] & MEDROI_FLAG_F_ORDER) != 0;
    header->extended = (src[5] & MEDROI_FLAG_EXTENDED) != 0;
    layout->kind = (char)src[6];
    layout->ndim = src[7];
    layout->itemsize = medroi_load16(src + 8);
    layout->axes = src[110];
    header->background = medroi_load64(src + 64);
    header->threshold = medroi_load_f64(src + MEDROI_THRESHOLD_OFFSET);
    header->miss_rate = medroi_load_f64(src + MEDROI_MISS_RATE_OFFSET);
    header->payload_nbytes = medroi_load64(src + 88);
    header->side_nbytes = medroi_load32(src + 96);
    header->part_extent = medroi_load32(src + 100);
    header->payload_crc = medroi_load32(src + 104);
    header->inner_id = medroi_load16(src + 108);
    header->slice_axis = src[111];
    header->mask_map = NULL;
    return MEDROI_OK;
}

static medroi_status read_geometry(const uint8_t *src, medroi_header *header, medroi_error *error) {
    static const uint8_t zeros[MEDROI_RECORD_NBYTES] = {0};
    medroi_status status;
    if (!header->extended && header->layout.ndim != 2 && header->layout.ndim != 3) {
        return corrupt(error, "its record cannot hold this number of axes");
    }
    if (!header->extended) {
        status = read_record(src + MEDROI_RECORD_OFFSET, header, error);
    } else {
        if (memcmp(src + MEDROI_RECORD_OFFSET, zeros, sizeof zeros) != 0) {
            return corrupt(error, "it has both a record and an extended record");
        }
        status = read_extended(src + MEDROI_FIXED_HEADER_NBYTES, header, error);
    }
    if (status == MEDROI_OK) {
        status = medroi_check_layout(&header->layout, MEDROI_CORRUPT_STREAM, error);
    }
    if (status == MEDROI_OK && header->extended == medroi_is_plain(&header->layout)) {
        status = corrupt(error, "it uses the extended record where the record would do");
    }
    return status;
}

medroi_status medroi_read_preamble(const uint8_t *src, size_t nbytes, medroi_header *header,
                                   size_t *preamble_nbytes, medroi_error *error) {
    size_t length = 0;
    medroi_status status = read_lengths(src, nbytes, &length, error);
    if (status != MEDROI_OK) {
        return status;
    }
    if (length > nbytes) {
        return corrupt(error, "it ends inside its header");
    }
    if (medroi_load32(src + length - 4) != medroi_crc32(0, src, length - 4)) {
        return corrupt(error, "the CRC-32 of its header is wrong");
    }
    memset(header, 0, sizeof *header);
    status = read_fields(src, header, error);
    if (status == MEDROI_OK) {
        status = read_geometry(src, header, error);
    }
    header->side = src + length - 4 - header->side_nbytes;
    if (status == MEDROI_OK) {
        status = check_box(header, error);
    }
    if (status == MEDROI_OK) {
        status = check_payload_fields(header, error);
    }
    if (status == MEDROI_OK) {
        status = check_values(header, error);
    }
    if (status == MEDROI_OK) {
        status = check_side(header, error);
    }
    *preamble_nbytes = length;
    return status;
}
