/* Write and read a dataset through the plugin in an HDF5 of Windows: LIBRARY PLUGINS FILE ROWS
 * COLUMNS WORD...
 *
 * The dataset `head` of little-endian 16-bit integers has (ROWS / 2, ROWS, COLUMNS) voxels, a ball
 * in noise, and one chunk. It is read back and compared. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

typedef int64_t hid;
typedef unsigned long long hsize;

static HMODULE library;

static void *named(const char *name) {
    FARPROC found = GetProcAddress(library, name);
    void *symbol;
    if (found == NULL) {
        printf("%s: not in this HDF5\n", name);
        exit(1);
    }
    memcpy(&symbol, &found, sizeof symbol);
    return symbol;
}

#define CALL(type, name, ...) ((type)named(name))(__VA_ARGS__)
#define NEED(condition)                                                                            \
    if (!(condition)) {                                                                            \
        printf("line %d failed\n", __LINE__);                                                      \
        return 1;                                                                                  \
    }

int main(int argc, char **argv) {
    unsigned words[32];
    size_t n_words = 0;
    library = argc > 6 ? LoadLibraryExA(argv[1], NULL, LOAD_WITH_ALTERED_SEARCH_PATH) : NULL;
    NEED(library != NULL);
    hsize rows = strtoull(argv[4], NULL, 10), columns = strtoull(argv[5], NULL, 10);
    for (int i = 6; i < argc && n_words < 32; i++) {
        words[n_words++] = (unsigned)strtoul(argv[i], NULL, 10);
    }
    hsize shape[3] = {rows / 2, rows, columns};
    size_t n = (size_t)(shape[0] * shape[1] * shape[2]), at = 0;
    int16_t *voxels = malloc(2 * n), *found = calloc(n, 2);
    uint32_t noise = 1;
    NEED(voxels != NULL && found != NULL);
    for (hsize z = 0; z < shape[0]; z++) {
        for (hsize y = 0; y < shape[1]; y++) {
            for (hsize x = 0; x < shape[2]; x++) {
                double dz = (double)z / (double)shape[0] - 0.5,
                       dy = (double)y / (double)shape[1] - 0.5;
                double dx = (double)x / (double)shape[2] - 0.5;
                noise = noise * 1664525u + 1013904223u;
                voxels[at++] =
                    (int16_t)((noise >> 28) + (dz * dz + dy * dy + dx * dx < 0.12 ? 900u : 0u));
            }
        }
    }
    NEED(CALL(int (*)(void), "H5open") >= 0);
    NEED(CALL(int (*)(const char *), "H5PLprepend", argv[2]) >= 0);
    hid type = *(hid *)named("H5T_STD_I16LE_g");
    hid file = CALL(hid(*)(const char *, unsigned, hid, hid), "H5Fcreate", argv[3], 2u, 0, 0);
    hid space = CALL(hid(*)(int, const hsize *, const hsize *), "H5Screate_simple", 3, shape, NULL);
    hid creation = CALL(hid(*)(hid), "H5Pcreate", *(hid *)named("H5P_CLS_DATASET_CREATE_ID_g"));
    NEED(CALL(int (*)(hid, int, const hsize *), "H5Pset_chunk", creation, 3, shape) >= 0);
    NEED(CALL(int (*)(hid, int, unsigned, size_t, const unsigned *), "H5Pset_filter", creation,
              FILTER_ID, 0u, n_words, words) >= 0);
    hid dataset = CALL(hid(*)(hid, const char *, hid, hid, hid, hid, hid), "H5Dcreate2", file,
                       "head", type, space, 0, creation, 0);
    NEED(dataset >= 0);
    NEED(CALL(int (*)(hid, hid, hid, hid, hid, const void *), "H5Dwrite", dataset, type, 0, 0, 0,
              voxels) >= 0);
    NEED(CALL(int (*)(hid), "H5Dclose", dataset) >= 0);
    NEED(CALL(int (*)(hid), "H5Fclose", file) >= 0);
    file = CALL(hid(*)(const char *, unsigned, hid), "H5Fopen", argv[3], 0u, 0);
    dataset = CALL(hid(*)(hid, const char *, hid), "H5Dopen2", file, "head", 0);
    NEED(CALL(int (*)(hid, hid, hid, hid, hid, void *), "H5Dread", dataset, type, 0, 0, 0, found) >=
         0);
    for (size_t i = 0; i < n; i++) {
        NEED(found[i] == voxels[i]);
    }
    puts("written and read");
    return 0;
}
