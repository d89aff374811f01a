/* Numbers of a whole scan in the stream of one of its chunks. */
#include "base/bytes.h"
#include "mask/mask.h"
#include "stream/stream.h"

medroi_status medroi_state_scan(uint8_t *stream, size_t nbytes, double threshold, double miss_rate,
                                medroi_error *error) {
    medroi_header header;
    size_t preamble_nbytes = 0;
    uint32_t section_nbytes = 0;
    if (!(miss_rate >= 0 && miss_rate <= 1)) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "the miss rate is %g; give a share between 0 and 1", miss_rate);
    }
    medroi_status status = medroi_read_preamble(stream, nbytes, &header, &preamble_nbytes, error);
    if (status != MEDROI_OK) {
        return status;
    }
    const uint8_t *mask = medroi_find_section(&header, MEDROI_SIDE_MASK, &section_nbytes);
    if (mask != NULL) {
        medroi_store_f64(stream + (mask - stream) + 2, miss_rate);
    }
    medroi_store64(stream + MEDROI_THRESHOLD_OFFSET, medroi_canonical_bits(threshold));
    medroi_store_f64(stream + MEDROI_MISS_RATE_OFFSET, miss_rate);
    medroi_store32(stream + preamble_nbytes - 4, medroi_crc32(0, stream, preamble_nbytes - 4));
    return MEDROI_OK;
}
