/* Region searches on arrays of all kinds, through the public interface: the region lies in the
 * array, keeps what max_miss_rate promises, and comes back exactly. */
#include "streams.h"

#include <stdlib.h>
#include <string.h>

/* The mask of the volume, whose axes the stream knows. */
static void find_mask(const fuzz_options *options, const medroi_layout *layout, const uint8_t *data,
                      const fuzz_stream *stream) {
    medroi_config *config = NULL;
    medroi_info info;
    size_t n_voxels = 1;
    fuzz_expect(medroi_inspect(stream->bytes, stream->nbytes, &info, NULL) == MEDROI_OK &&
                    medroi_config_from_json(options->text, &config, NULL) == MEDROI_OK,
                "what was written can be read");
    for (int32_t i = 0; i < layout->ndim; i++) {
        n_voxels *= info.layout.axes >> i & 1 ? (size_t)layout->shape[i] : 1;
    }
    uint8_t *mask = fuzz_allocate(n_voxels);
    if (medroi_find_mask(NULL, config, layout, data, mask, n_voxels, NULL) == MEDROI_OK) {
        for (size_t i = 0; i < n_voxels; i++) {
            fuzz_expect(mask[i] <= 1, "a mask is of zeros and ones");
        }
    }
    fuzz_expect(medroi_find_mask(NULL, config, layout, data, mask, n_voxels + 1, NULL) != MEDROI_OK,
                "a mask of another size is refused");
    free(mask);
    medroi_config_free(config);
}

/* Padding values that a scan declares, whichever they are. */
static void declare_padding(fuzz_random *random, const fuzz_options *options,
                            const medroi_layout *layout, const uint8_t *data) {
    medroi_config *config = NULL;
    medroi_output stream = {0};
    medroi_info info;
    double low = (double)fuzz_below(random, 512) - 256;
    double high = low + (double)fuzz_below(random, 64);
    if (medroi_config_from_json(options->text, &config, NULL) != MEDROI_OK) {
        return;
    }
    fuzz_expect(medroi_config_set_padding_values(config, high + 1, low, NULL) != MEDROI_OK,
                "a range that ends before it begins is refused");
    fuzz_expect(medroi_config_set_padding_values(config, low, high, NULL) == MEDROI_OK,
                "a range is taken");
    if (medroi_encode(NULL, config, layout, data, &stream, NULL) == MEDROI_OK) {
        fuzz_expect(medroi_inspect(stream.data, stream.nbytes, &info, NULL) == MEDROI_OK,
                    "what was written can be read");
    }
    medroi_free(stream.data);
    medroi_config_free(config);
}

static void search(fuzz_random *random) {
    medroi_layout layout = fuzz_layout(random, 1 << 15);
    uint8_t *data = fuzz_allocate(fuzz_layout_nbytes(&layout));
    fuzz_fill(random, &layout, data);
    fuzz_options options = fuzz_choose_options(random, &layout, "\"raw\"");
    fuzz_stream stream = fuzz_encode(random, &options, &layout, data, 0);
    if (stream.bytes != NULL && fuzz_below(random, 2)) {
        find_mask(&options, &layout, data, &stream);
    }
    declare_padding(random, &options, &layout, data);
    fuzz_release(&stream);
    free(data);
}

FUZZ_MAIN("fuzz_region", search)
