/* A volume to a stream and back, through the public interface of the engine. C and C++.
 *
 *   cc examples/roundtrip.c $(pkg-config --cflags --libs medroi) -o roundtrip
 */
#include "medroi.h"

#include <stdio.h>
#include <string.h>

#define N 64

static short volume[N][N][N], restored[N][N][N];

int main(int argc, char **argv) {
    medroi_layout layout = {3, {N, N, N}, 'i', 0, 0, 0, sizeof(short)};
    medroi_output stream;
    medroi_config *config = NULL;
    medroi_error error;
    for (int z = 16; z < 48; z++) {
        for (int y = 16; y < 48; y++) {
            for (int x = 16; x < 48; x++) {
                volume[z][y][x] = (short)(1000 + z + 3 * y - 2 * x);
            }
        }
    }
    memset(&stream, 0, sizeof stream);
    if (medroi_config_from_json("{\"inner\": \"predict3d\"}", &config, &error) != MEDROI_OK ||
        medroi_encode(NULL, config, &layout, volume, &stream, &error) != MEDROI_OK ||
        medroi_decode(NULL, stream.data, stream.nbytes, restored, sizeof restored, &error) !=
            MEDROI_OK) {
        fprintf(stderr, "%s: %s\n", medroi_status_text(error.status), error.text);
        return 1;
    }
    printf("%u -> %u bytes, same: %d\n", (unsigned)sizeof volume, (unsigned)stream.nbytes,
           medroi_array_nbytes(&layout) == sizeof volume &&
               memcmp(volume, restored, sizeof volume) == 0);
    FILE *file = argc > 1 ? fopen(argv[1], "wb") : NULL;
    if (file != NULL) {
        (void)fwrite(stream.data, 1, stream.nbytes, file);
        (void)fclose(file);
    }
    medroi_free(stream.data);
    medroi_config_free(config);
    return 0;
}
