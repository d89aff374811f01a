/* Region searches on random layouts, in buffers of exactly the size that the contract names. */
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static medroi_region_options random_options(fuzz_random *random, const medroi_layout *layout) {
    medroi_region_options options;
    memset(&options, 0, sizeof options);
    int number_like = strchr("iuf", layout->kind) != NULL;
    if (number_like && fuzz_below(random, 4)) {
        options.threshold_rule = (medroi_threshold)(1 + fuzz_below(random, 5));
    }
    options.threshold = (double)fuzz_below(random, 20000) - 100.0;
    options.dark = (uint8_t)fuzz_below(random, 2);
    options.roi = fuzz_below(random, 4) ? MEDROI_ROI_BOX : MEDROI_ROI_HULL;
    options.largest_only = fuzz_below(random, 4) == 0;
    options.n_threads = (uint32_t)fuzz_below(random, 4);
    options.padding = (int64_t)fuzz_below(random, fuzz_below(random, 8) ? 6 : 1u << 31);
    options.max_miss_rate = fuzz_below(random, 2) ? 0.002 : (double)fuzz_below(random, 101) / 100.0;
    /* Elements of more than 8 bytes have a background of zero bits. */
    if (layout->itemsize <= 8 && fuzz_below(random, 4) == 0) {
        uint64_t value = layout->kind == 'b' ? fuzz_below(random, 2) : fuzz_bits(random);
        unsigned unused_bits = 64u - 8u * layout->itemsize;
        options.background = value & (UINT64_MAX >> unused_bits);
    }
    return options;
}

static void check_region(const medroi_layout *layout, const medroi_region_options *options,
                         const medroi_region *region) {
    int empty = 1;
    for (int32_t i = 0; i < layout->ndim; i++) {
        empty = empty && region->box.start[i] == 0 && region->box.stop[i] == 0;
    }
    for (int32_t i = 0; i < layout->ndim && !empty; i++) {
        fuzz_expect(0 <= region->box.start[i] && region->box.start[i] < region->box.stop[i] &&
                        region->box.stop[i] <= layout->shape[i],
                    "a region lies inside the array");
    }
    fuzz_expect(region->n_missed <= region->n_tissue, "no more is missed than there is");
    fuzz_expect(region->miss_rate >= 0.0 && region->miss_rate <= options->max_miss_rate,
                "max_miss_rate is a guarantee");
}

/* What was found can be written, read back and applied. */
static void check_side(const medroi_layout *layout, const medroi_region *region, uint8_t *data) {
    medroi_header header = {.layout = *layout,
                            .box = region->box,
                            .slice_axis = medroi_default_slice_axis(layout),
                            .side = region->side,
                            .side_nbytes = region->side_nbytes};
    medroi_hull_info info;
    fuzz_expect(medroi_read_hull_info(&header, &info, NULL) == MEDROI_OK, "side data are right");
    void *map = fuzz_allocate(medroi_hull_map_nbytes(&header));
    fuzz_expect(medroi_read_hull_map(&header, map, NULL) == MEDROI_OK, "a hull can be read");
    medroi_apply_hull_to_array(&header, map, data);
    free(map);
}

static void find_mask(const medroi_layout *layout, const uint8_t *data,
                      const medroi_region_options *options) {
    size_t n_voxels = 1;
    for (int32_t i = 0; i < layout->ndim; i++) {
        n_voxels *= layout->axes >> i & 1 ? (size_t)layout->shape[i] : 1;
    }
    uint8_t *mask = fuzz_allocate(n_voxels);
    void *scratch = fuzz_allocate(medroi_mask_scratch_nbytes(layout, options));
    (void)medroi_mask_of_tissue(layout, data, options, scratch, mask, NULL);
    free(scratch);
    free(mask);
}

static void search(fuzz_random *random) {
    medroi_error error = {MEDROI_OK, ""};
    medroi_layout layout = fuzz_layout(random, 1 << 15);
    uint8_t *data = fuzz_allocate(fuzz_layout_nbytes(&layout));
    fuzz_fill(random, &layout, data);

    medroi_region_options options = random_options(random, &layout);
    void *scratch = fuzz_allocate(medroi_region_scratch_nbytes(&layout, &options));
    medroi_region region;
    if (medroi_find_region(&layout, data, &options, scratch, &region, &error) == MEDROI_OK) {
        check_region(&layout, &options, &region);
        find_mask(&layout, data, &options);
        check_side(&layout, &region, data);
    } else {
        fuzz_expect(error.text[0] != '\0', "a refusal says why");
    }
    free(scratch);

    if (strchr("biuf", layout.kind) != NULL) {
        uint64_t background;
        scratch = fuzz_allocate(medroi_background_scratch_nbytes(&layout));
        (void)medroi_find_background(&layout, data, options.dark, scratch, &background, &error);
        free(scratch);
    }
    free(data);
}

FUZZ_MAIN("fuzz_region", search)
