/* Streams of every inner codec, whole and broken, through the public interface: no crash, no read
 * or write out of bounds. */
#include "streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEEDS 256

static fuzz_stream seeds[MAX_SEEDS];
static size_t n_seeds;

/* Inner codecs that the fuzzer can encode with; the streams of others come from files. Those that
 * this build lacks are refused. */
static const struct {
    const char *json;
    int is_lossy;
} inners[] = {{"\"raw\"", 0},
              {"\"deflate\"", 0},
              {"{\"id\": \"deflate\", \"level\": 0, \"shuffle\": false}", 0},
              {"\"zstd\"", 0},
              {"{\"id\": \"zstd\", \"level\": -5, \"shuffle\": false}", 0},
              {"\"jpeg2000\"", 0},
              {"{\"id\": \"jpeg2000\", \"rate\": 4}", 1},
              {"{\"id\": \"jpeg2000\", \"psnr\": 45}", 1},
              {"{\"id\": \"wavelet3d\", \"psnr\": 40}", 1},
              {"{\"id\": \"wavelet3d\", \"rate\": 6}", 1},
              {"{\"id\": \"wavelet3d\", \"max_error\": 2, \"spacing_mm\": [1, 1, 1]}", 1},
              {"{\"id\": \"wavelet3d\", \"max_error\": 0}", 0},
              {"{\"id\": \"wavelet3d\", \"step\": 0.5, \"spacing_mm\": [3, 0.8, 0.8]}", 1},
              {"{\"id\": \"wavelet3d\", \"psnr\": 40, \"speed\": \"small\"}", 1},
              {"{\"id\": \"wavelet3d\", \"max_error\": 2, \"speed\": \"small\"}", 1},
              {"\"predict3d\"", 0},
              {"{\"id\": \"predict3d\", \"level\": \"fast\"}", 0},
              {"{\"id\": \"predict3d\", \"level\": \"max\"}", 0},
              {"\"inverted\"", 0},
              {"{\"id\": \"inverted\", \"planned\": true}", 0}};

/* --- An inner codec of somebody else's: every bit inverted --- */

static medroi_status configure(void *user, const char *json, void **settings, medroi_error *error) {
    (void)user;
    (void)error;
    *settings = fuzz_allocate(1);
    *(uint8_t *)*settings = strstr(json, "planned") != NULL;
    return MEDROI_OK;
}

static void release(void *user, void *settings) {
    (void)user;
    free(settings);
}

static medroi_status check(void *user, const void *settings, const medroi_block *region,
                           medroi_error *error) {
    (void)user;
    (void)settings;
    return region->kind == 'V'
               ? medroi_fail(error, MEDROI_INVALID_ARGUMENT, "it inverts no raw elements")
               : MEDROI_OK;
}

static int64_t slab_extent(void *user, const void *settings, const medroi_block *region) {
    (void)user;
    (void)settings;
    return region->shape[0] / 3;
}

static medroi_status plan(void *user, const void *settings, const medroi_block *region,
                          const void *data, void **planned, medroi_error *error) {
    (void)region;
    (void)data;
    return *(const uint8_t *)settings ? configure(user, "", planned, error) : MEDROI_OK;
}

static void invert(const uint8_t *src, size_t nbytes, uint8_t *dst) {
    for (size_t i = 0; i < nbytes; i++) {
        dst[i] = (uint8_t)~src[i];
    }
}

static medroi_status encode(void *user, const void *settings, const medroi_block *slab,
                            const void *data, uint8_t **coded, size_t *nbytes,
                            medroi_error *error) {
    (void)user;
    (void)settings;
    *nbytes = medroi_block_nbytes(slab);
    *coded = medroi_allocate(*nbytes);
    if (*coded == NULL) {
        return medroi_fail(error, MEDROI_NO_MEMORY, "no memory for a slab");
    }
    invert(data, *nbytes, *coded);
    return MEDROI_OK;
}

static medroi_status decode(void *user, const medroi_block *slab, const uint8_t *src, size_t nbytes,
                            void *dst, medroi_error *error) {
    (void)user;
    if (nbytes != medroi_block_nbytes(slab)) {
        return medroi_fail(error, MEDROI_CORRUPT_STREAM, "a slab of the wrong length");
    }
    invert(src, nbytes, dst);
    return MEDROI_OK;
}

static void register_inverted(void) {
    static int is_registered;
    const medroi_codec codec = {.id = 64,
                                .name = "inverted",
                                .configure = configure,
                                .release = release,
                                .check = check,
                                .slab_extent = slab_extent,
                                .plan = plan,
                                .encode = encode,
                                .decode = decode};
    if (!is_registered) {
        fuzz_expect(medroi_register_inner(&codec, NULL, NULL) == MEDROI_OK, "its id is free");
        fuzz_expect(medroi_register_inner(&codec, NULL, NULL) != MEDROI_OK, "its id is taken");
        is_registered = 1;
    }
}

/* --- Streams --- */

static void read_seed(const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = fuzz_allocate((size_t)1 << 20);
    fuzz_expect(file != NULL, "the seed files can be read");
    size_t nbytes = fread(bytes, 1, (size_t)1 << 20, file);
    fclose(file);
    seeds[n_seeds++] = fuzz_copy(bytes, nbytes);
    free(bytes);
}

static fuzz_stream encode_something(fuzz_random *random) {
    size_t choice = fuzz_below(random, sizeof inners / sizeof *inners);
    medroi_layout layout = fuzz_layout(random, 1 << 14);
    uint8_t *data = fuzz_allocate(fuzz_layout_nbytes(&layout));
    register_inverted();
    fuzz_fill(random, &layout, data);
    fuzz_options options = fuzz_choose_options(random, &layout, inners[choice].json);
    fuzz_stream stream = fuzz_encode(random, &options, &layout, data, inners[choice].is_lossy);
    free(data);
    return stream;
}

static fuzz_stream pick(fuzz_random *random) {
    if (n_seeds > 0 && fuzz_below(random, 2)) {
        const fuzz_stream *seed = &seeds[fuzz_below(random, n_seeds)];
        return fuzz_copy(seed->bytes, seed->nbytes);
    }
    return encode_something(random);
}

static void run(fuzz_random *random) {
    fuzz_stream stream = pick(random), other = pick(random);
    for (uint64_t n = fuzz_below(random, 4); n > 0; n--) {
        fuzz_mutate(random, &stream, &other);
    }
    if (fuzz_below(random, 4)) {
        fuzz_repair_checksums(&stream);
    }
    fuzz_read(random, &stream);
    fuzz_release(&other);
    fuzz_release(&stream);
}

#ifdef MEDROI_LIBFUZZER
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t nbytes, size_t capacity);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t capacity, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* fuzz_decode --write FOLDER N: streams of what the fuzzer encodes, for another one to begin with.
 */
static int write_streams(const char *folder, uint64_t n) {
    char path[4096];
    for (uint64_t i = 0; i < n; i++) {
        fuzz_random random = fuzz_seeded(1, i);
        fuzz_stream stream = encode_something(&random);
        (void)snprintf(path, sizeof path, "%s/stream-%llu", folder, (unsigned long long)i);
        FILE *file = stream.nbytes > 0 ? fopen(path, "wb") : NULL;
        if (file != NULL) {
            (void)fwrite(stream.bytes, 1, stream.nbytes, file);
            fclose(file);
        }
        fuzz_release(&stream);
    }
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    if (*argc == 4 && strcmp((*argv)[1], "--write") == 0) {
        exit(write_streams((*argv)[2], strtoull((*argv)[3], NULL, 10)));
    }
    return 0;
}

/* Either a stream, or the random numbers with which one is made and broken. */
static int is_stream(const uint8_t *bytes, size_t nbytes) {
    return nbytes >= 4 && memcmp(bytes, "MROI", 4) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes) {
    fuzz_random random = fuzz_given(bytes, nbytes);
    if (!is_stream(bytes, nbytes)) {
        run(&random);
        return 0;
    }
    fuzz_stream stream = fuzz_copy(bytes, nbytes); /* of just its size: behind it is no memory */
    register_inverted();
    fuzz_read(&random, &stream);
    fuzz_release(&stream);
    return 0;
}

/* Change the payload as libFuzzer does, or any of it as the other fuzzers do; then make the
 * checksums right, without which nothing would get past them. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t nbytes, size_t capacity, unsigned seed) {
    fuzz_random random = fuzz_seeded(seed, 0);
    size_t preamble_nbytes = fuzz_preamble_nbytes(bytes, nbytes);
    if (!is_stream(bytes, nbytes)) {
        return LLVMFuzzerMutate(bytes, nbytes, capacity);
    }
    if (preamble_nbytes > 0 && preamble_nbytes < nbytes && fuzz_below(&random, 4)) {
        nbytes =
            preamble_nbytes + LLVMFuzzerMutate(bytes + preamble_nbytes, nbytes - preamble_nbytes,
                                               capacity - preamble_nbytes);
    }
    fuzz_stream stream = fuzz_copy(bytes, nbytes);
    if (fuzz_below(&random, 4) == 0) {
        fuzz_mutate(&random, &stream, &stream);
    }
    if (fuzz_below(&random, 16)) {
        fuzz_repair_checksums(&stream);
    }
    nbytes = stream.nbytes < capacity ? stream.nbytes : capacity;
    if (nbytes > 0) {
        memcpy(bytes, stream.bytes, nbytes);
    }
    fuzz_release(&stream);
    return nbytes;
}
#else
int main(int argc, char **argv) {
    for (int i = 4; i < argc && n_seeds < MAX_SEEDS; i++) {
        read_seed(argv[i]);
    }
    int status = fuzz_run(argc, argv, "fuzz_decode", run);
    while (n_seeds > 0) {
        fuzz_release(&seeds[--n_seeds]);
    }
    return status;
}
#endif
