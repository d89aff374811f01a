#define _GNU_SOURCE
#include "dataset_uses.h"

#include "element.h"
#include "interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 4, MAX_PATH = 4096 }; /* virtual datasets of virtual datasets */

/* The dataset that is open, and whose sources are looked at. */
typedef struct subject {
    const medroi_hdf5_api *hdf5;
    medroi_hid id;
    medroi_h5_uses *uses;
    int *has_virtual;
} subject;

static int add_dataset(const subject *whose, medroi_hid dataset, int depth);

static int add(medroi_h5_uses *uses, const medroi_h5_use *use) {
    if (uses->n == uses->room) {
        size_t room = uses->room > 0 ? 2 * uses->room : 8;
        medroi_h5_use *items = realloc(uses->items, room * sizeof *items);
        if (items == NULL) {
            return 0;
        }
        uses->items = items;
        uses->room = room;
    }
    uses->items[uses->n++] = *use;
    return 1;
}

static int has_layout(const medroi_hdf5_api *hdf5, medroi_hid dataset, medroi_hid creation,
                      medroi_layout *layout) {
    medroi_hid type = hdf5->get_type(dataset);
    medroi_error error;
    int known = type >= 0 && medroi_h5_read_chunk(hdf5, creation, layout, &error) == MEDROI_OK &&
                medroi_h5_element(hdf5, type, layout, &error) == MEDROI_OK;
    if (type >= 0) {
        (void)hdf5->close_type(type);
    }
    return known;
}

static int add_filters(const subject *whose, medroi_hid dataset, medroi_hid creation) {
    const medroi_hdf5_api *hdf5 = whose->hdf5;
    int n_filters = hdf5->get_nfilters(creation), enough = 1;
    for (int i = 0; enough && i < n_filters; i++) {
        medroi_h5_use use = {.dataset = whose->id, .n_words = MEDROI_MAX_WORDS};
        if (hdf5->get_filter2(creation, (unsigned)i, NULL, &use.n_words, use.words, 0, NULL,
                              NULL) != MEDROI_H5_FILTER_ID ||
            use.n_words > MEDROI_MAX_WORDS) {
            continue; /* with more words than that nothing is decoded */
        }
        use.is_sound = has_layout(hdf5, dataset, creation, &use.layout) && i == 0;
        enough = add(whose->uses, &use);
    }
    return enough;
}

static int add_source(const subject *whose, const char *path, const char *name, int depth) {
    const medroi_hdf5_api *hdf5 = whose->hdf5;
    medroi_hid file = hdf5->open_file(path, H5_READ_ONLY, 0), dataset;
    int enough = 1;
    if (file < 0) {
        return 1;
    }
    dataset = hdf5->open_dataset(file, name, 0);
    if (dataset >= 0) {
        enough = add_dataset(whose, dataset, depth);
        (void)hdf5->close_dataset(dataset);
    }
    (void)hdf5->close_file(file);
    return enough;
}

/* HDF5 looks for a source in several folders. Which one it took does not matter: all that exist
 * have to be sound. */
static int add_sources_named(const subject *whose, const char *virtual_path, const char *file_name,
                             const char *name, int depth) {
    const char *last = strrchr(file_name, '/'), *base = last != NULL ? last + 1 : file_name;
    const char *prefix = getenv("HDF5_VDS_PREFIX");
    const char *slash = strrchr(virtual_path, '/');
    int folder = slash != NULL ? (int)(slash - virtual_path) : 1;
    const char *names[] = {file_name, base};
    char path[MAX_PATH];
    int enough = 1;
    if (strcmp(file_name, ".") == 0) {
        return add_source(whose, virtual_path, name, depth);
    }
    for (int i = 0; enough && i < 6; i++) {
        const char *tail = names[i % 2];
        int n = i < 2            ? snprintf(path, sizeof path, "%s", tail)
                : i < 4          ? snprintf(path, sizeof path, "%.*s/%s", folder,
                                   slash != NULL ? virtual_path : ".", tail)
                : prefix != NULL ? snprintf(path, sizeof path, "%s/%s", prefix, tail)
                                 : -1;
        if (n > 0 && n < MAX_PATH && medroi_h5_is_readable(path)) {
            enough = add_source(whose, path, name, depth);
        }
    }
    return enough;
}

static int add_sources(const subject *whose, medroi_hid dataset, medroi_hid creation, int depth) {
    const medroi_hdf5_api *hdf5 = whose->hdf5;
    char path[MAX_PATH], file[MAX_PATH], name[MAX_PATH];
    size_t n_sources = 0;
    int enough = 1;
    *whose->has_virtual = 1;
    if (depth >= MAX_DEPTH || hdf5->get_virtual_count(creation, &n_sources) < 0 ||
        hdf5->get_file_name(dataset, path, sizeof path) >= MAX_PATH) {
        return 1;
    }
    for (size_t i = 0; enough && i < n_sources; i++) {
        intptr_t file_length = hdf5->get_virtual_filename(creation, i, file, sizeof file);
        intptr_t name_length = hdf5->get_virtual_dsetname(creation, i, name, sizeof name);
        if (file_length > 0 && file_length < MAX_PATH && name_length > 0 &&
            name_length < MAX_PATH) {
            enough = add_sources_named(whose, path, file, name, depth + 1);
        }
    }
    return enough;
}

static int add_dataset(const subject *whose, medroi_hid dataset, int depth) {
    medroi_hid creation = whose->hdf5->get_create_plist(dataset);
    int layout, enough = 1;
    if (creation < 0) {
        return 1;
    }
    layout = whose->hdf5->get_layout(creation);
    if (layout == H5_LAYOUT_CHUNKED) {
        enough = add_filters(whose, dataset, creation);
    } else if (layout == H5_LAYOUT_VIRTUAL) {
        enough = add_sources(whose, dataset, creation, depth);
    }
    (void)whose->hdf5->close_plist(creation);
    return enough;
}

int medroi_h5_add_uses(const medroi_hdf5_api *hdf5, medroi_hid dataset, medroi_h5_uses *uses,
                       int *has_virtual) {
    const subject whose = {hdf5, dataset, uses, has_virtual};
    return add_dataset(&whose, dataset, 0);
}
