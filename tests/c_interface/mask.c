/* A mask of an array without voxels is of zeros: nothing of what its memory held is left. */
#include "medroi.h"
#include <string.h>

int main(void) {
    medroi_error error;
    medroi_config *config;
    medroi_layout layout = {4, {0, 2, 3, 4}, 'i', 0, 0, 0, 2};
    uint8_t mask[24];
    memset(mask, 7, sizeof mask);
    if (medroi_config_from_json("{\"threshold\": \"mean\"}", &config, &error))
        return 1;
    if (medroi_find_mask(NULL, config, &layout, "", mask, sizeof mask, &error))
        return 2;
    for (size_t i = 0; i < sizeof mask; i++)
        if (mask[i] != 0)
            return 3;
    medroi_config_free(config);
    return 0;
}
