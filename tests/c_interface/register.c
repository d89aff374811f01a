/* An inner codec of the program's own, through the public interface. */
#include "medroi.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static medroi_status encode(void *user, const void *settings, const medroi_block *slab,
                            const void *data, uint8_t **coded, size_t *nbytes,
                            medroi_error *error) {
    (void)settings;
    (void)error;
    *nbytes = medroi_block_nbytes(slab);
    *coded = (uint8_t *)medroi_allocate(*nbytes);
    for (size_t i = 0; i < *nbytes; i++)
        (*coded)[i] = ((const uint8_t *)data)[i] ^ *(uint8_t *)user;
    return MEDROI_OK;
}
static medroi_status decode(void *user, const medroi_block *slab, const uint8_t *src, size_t nbytes,
                            void *dst, medroi_error *error) {
    if (nbytes != medroi_block_nbytes(slab))
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "flip: %zu bytes", nbytes);
    for (size_t i = 0; i < nbytes; i++)
        ((uint8_t *)dst)[i] = src[i] ^ *(uint8_t *)user;
    return MEDROI_OK;
}
static int64_t two(void *user, const void *settings, const medroi_block *region) {
    (void)user;
    (void)settings;
    (void)region;
    return 2;
}

/* A codec that sets the lowest bit of every byte, so that no background comes back from it. */
static medroi_status smear(void *user, const void *settings, const medroi_block *slab,
                           const void *data, uint8_t **coded, size_t *nbytes, medroi_error *error) {
    medroi_status status = encode(user, settings, slab, data, coded, nbytes, error);
    for (size_t i = 0; i < *nbytes; i++)
        (*coded)[i] = (uint8_t)(((*coded)[i] ^ *(uint8_t *)user) | 1) ^ *(uint8_t *)user;
    return status;
}
static int always(void *user, const void *settings) {
    (void)user;
    (void)settings;
    return 1;
}

/* With a mask, what a lossy codec would change of the background comes back as it was. */
static int keep_background(medroi_codec codec, void *key) {
    static uint8_t volume[8][8][8], whole[8][8][8];
    const char *json = "{\"inner\": \"smear\", \"threshold\": null, \"roi\": \"mask\"}";
    medroi_layout layout = {3, {8, 8, 8}, 'u', 0, 0, 0, 1};
    medroi_output stream;
    medroi_config *config;
    medroi_error error;
    medroi_info info;
    codec.id = 4712;
    codec.name = "smear";
    codec.encode = smear;
    codec.is_lossy = always;
    for (int i = 0; i < 2 * 2 * 8; i++)
        volume[i / 16][i / 8 % 2][i % 8] = volume[7][7][7] = 100;
    memset(&stream, 0, sizeof stream);
    if (medroi_register_inner(&codec, key, &error) ||
        medroi_config_from_json(json, &config, &error) ||
        medroi_encode(NULL, config, &layout, volume, &stream, &error) ||
        medroi_inspect(stream.data, stream.nbytes, &info, &error) || !info.is_mask ||
        medroi_decode(NULL, stream.data, stream.nbytes, whole, sizeof whole, &error))
        return 12;
    for (int z = 0; z < 8; z++)
        for (int y = 0; y < 8; y++)
            for (int x = 0; x < 8; x++) {
                int in = (z < 2 && y < 2) || (z > 5 && y > 5 && x > 5);
                if (whole[z][y][x] != (in ? volume[z][y][x] | 1 : 0))
                    return 13;
            }
    medroi_free(stream.data);
    medroi_config_free(config);
    return 0;
}

int main(void) {
    static uint8_t key = 0x5a;
    static int16_t volume[9][8][7], whole[9][8][7], part[3][8][2];
    medroi_codec codec;
    memset(&codec, 0, sizeof codec);
    codec.id = 4711;
    codec.name = "flip";
    codec.encode = encode;
    codec.decode = decode;
    codec.slab_extent = two;
    medroi_error error;
    medroi_config *config;
    medroi_layout layout = {3, {9, 8, 7}, 'i', 0, 0, 0, 2};
    for (int i = 0; i < 9 * 8 * 7; i++)
        ((int16_t *)volume)[i] = (int16_t)(i % 100 > 9 ? i : 0);
    if (medroi_register_inner(&codec, &key, &error) != MEDROI_OK)
        return 1;
    if (medroi_register_inner(&codec, &key, &error) == MEDROI_OK)
        return 2;
    puts(error.text);
    if (medroi_config_from_json("{\"inner\": \"flip\", \"threshold\": null}", &config, &error)) {
        puts(error.text);
        return 3;
    }
    for (uint32_t n_threads = 1; n_threads < 4; n_threads++) {
        medroi_output stream;
        medroi_context *context;
        medroi_info info;
        medroi_box box = {{2, 0, 3}, {5, 8, 5}};
        memset(&stream, 0, sizeof stream);
        if (medroi_context_new(n_threads, &context, &error))
            return 4;
        if (medroi_encode(context, config, &layout, volume, &stream, &error))
            return 5;
        if (medroi_inspect(stream.data, stream.nbytes, &info, &error) || info.n_slabs < 3)
            return 6;
        if (strcmp(info.inner_name, "flip"))
            return 7;
        if (medroi_decode(context, stream.data, stream.nbytes, whole, sizeof whole, &error))
            return 8;
        if (memcmp(whole, volume, sizeof whole))
            return 9;
        if (medroi_decode_box(context, stream.data, stream.nbytes, &box, part, sizeof part, &error))
            return 10;
        for (int z = 0; z < 3; z++)
            for (int y = 0; y < 8; y++)
                for (int x = 0; x < 2; x++)
                    if (part[z][y][x] != volume[z + 2][y][x + 3])
                        return 11;
        medroi_free(stream.data);
        medroi_context_free(context);
    }
    medroi_config_free(config);
    return keep_background(codec, &key);
}
