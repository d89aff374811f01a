/* Fit a configuration, the first argument, to int16 voxels of standard input, of the shape that
 * three more arguments give, and write what was found. */
#include "medroi.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static int16_t voxels[1 << 20];
    medroi_layout layout = {3, {0, 0, 0}, 'i', 0, 0, 0, 2};
    medroi_config *config = NULL, *fitted = NULL;
    medroi_error error;
    char *text = NULL;
    int failed = argc != 5;
    for (int i = 0; i < 3 && !failed; i++)
        layout.shape[i] = strtol(argv[2 + i], NULL, 10);
    failed = failed || fread(voxels, 2, 1 << 20, stdin) == 0 ||
             medroi_config_from_json(argv[1], &config, &error) ||
             medroi_fit(NULL, config, &layout, voxels, NULL, &fitted, NULL, &error) ||
             medroi_config_to_json(fitted, &text, &error);
    if (!failed)
        puts(text);
    medroi_free(text);
    medroi_config_free(fitted);
    medroi_config_free(config);
    return failed;
}
