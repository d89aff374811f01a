/* The configuration on standard input, as the engine writes it; a refusal with status 2. */
#include "medroi.h"
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    static char text[1 << 16];
    medroi_config *config = NULL;
    medroi_error error;
    char *json = NULL;
    (void)argc;
    text[fread(text, 1, sizeof text - 1, stdin)] = 0;
    if (medroi_config_from_json(text, &config, &error) != MEDROI_OK) {
        puts(error.text);
        return 2;
    }
    if (argv[1] != NULL || medroi_config_to_json(config, &json, &error) != MEDROI_OK)
        return 3;
    puts(json);
    medroi_free(json);
    medroi_config_free(config);
    return 0;
}
