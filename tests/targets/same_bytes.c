/* Encode and decode the cases of a file that cases.py wrote, and compare: same_bytes FILE.
 *
 * A case is its kind ('E' encode, 'D' decode, 'B' a bad stream), name, configuration, layout, array
 * and stream; lengths and sizes are little-endian. */
#include "medroi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    uint8_t *data;
    size_t nbytes;
} bytes;

static FILE *file;

static uint64_t number(int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        int byte = fgetc(file);
        if (byte == EOF) {
            fprintf(stderr, "the file of cases ends early\n");
            exit(2);
        }
        value |= (uint64_t)byte << 8 * i;
    }
    return value;
}

/* With a zero byte behind it. */
static bytes read_bytes(void) {
    bytes found;
    found.nbytes = (size_t)number(8);
    found.data = calloc(found.nbytes + 1, 1);
    if (found.data == NULL || fread(found.data, 1, found.nbytes, file) != found.nbytes) {
        fprintf(stderr, "the file of cases ends early\n");
        exit(2);
    }
    return found;
}

static medroi_layout read_layout(void) {
    medroi_layout layout;
    memset(&layout, 0, sizeof layout);
    layout.ndim = (int32_t)number(1);
    for (int32_t i = 0; i < layout.ndim && i < MEDROI_MAX_AXES; i++) {
        layout.shape[i] = (int64_t)number(8);
    }
    layout.kind = (char)number(1);
    layout.big_endian = (uint8_t)number(1);
    layout.f_order = (uint8_t)number(1);
    layout.itemsize = (uint16_t)number(2);
    return layout;
}

static int is_same(const uint8_t *found, size_t nbytes, bytes expected) {
    return nbytes == expected.nbytes && (nbytes == 0 || memcmp(found, expected.data, nbytes) == 0);
}

static int encodes(const char *json, const medroi_layout *layout, bytes array, bytes stream,
                   medroi_error *error) {
    medroi_config *config = NULL;
    medroi_context *context = NULL;
    medroi_output output = {0};
    int same = medroi_config_from_json(json, &config, error) == MEDROI_OK &&
               medroi_context_new(2, &context, error) == MEDROI_OK &&
               medroi_encode(context, config, layout, array.data, &output, error) == MEDROI_OK;
    if (same && !is_same(output.data, output.nbytes, stream)) {
        snprintf(error->text, sizeof error->text, "other bytes than expected: %lu of them, not %lu",
                 (unsigned long)output.nbytes, (unsigned long)stream.nbytes);
        same = 0;
    }
    medroi_free(output.data);
    medroi_context_free(context);
    medroi_config_free(config);
    return same;
}

static int decodes(bytes array, bytes stream, medroi_error *error) {
    uint8_t *found = malloc(array.nbytes + 1);
    int same = found != NULL && medroi_decode(NULL, stream.data, stream.nbytes, found, array.nbytes,
                                              error) == MEDROI_OK;
    if (same && !is_same(found, array.nbytes, array)) {
        snprintf(error->text, sizeof error->text, "other voxels than expected");
        same = 0;
    }
    free(found);
    return same;
}

static int refuses(bytes stream, medroi_error *error) {
    medroi_info info;
    if (medroi_inspect(stream.data, stream.nbytes, &info, error) != MEDROI_OK) {
        return 1;
    }
    size_t nbytes = medroi_array_nbytes(&info.layout);
    uint8_t *found = malloc(nbytes + 1);
    int refused = found == NULL || medroi_decode(NULL, stream.data, stream.nbytes, found, nbytes,
                                                 error) != MEDROI_OK;
    free(found);
    snprintf(error->text, sizeof error->text, "a bad stream was decoded");
    return refused;
}

int main(int argc, char **argv) {
    unsigned n = 0, n_right = 0;
    int kind;
    file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: same_bytes FILE\n");
        return 2;
    }
    while ((kind = fgetc(file)) != EOF) {
        medroi_error error = {MEDROI_OK, ""};
        bytes name = read_bytes(), json = read_bytes();
        medroi_layout layout = read_layout();
        bytes array = read_bytes(), stream = read_bytes();
        int right = kind == 'E'   ? encodes((char *)json.data, &layout, array, stream, &error)
                    : kind == 'D' ? decodes(array, stream, &error)
                                  : refuses(stream, &error);
        if (!right) {
            printf("%c %s: %s\n", kind, (char *)name.data, error.text);
        }
        n_right += (unsigned)right;
        n++;
        free(name.data);
        free(json.data);
        free(array.data);
        free(stream.data);
    }
    printf("%u of %u\n", n_right, n);
    return n == 0 || n_right != n;
}
