/* Resolve the calling libhdf5 once per library and keep the result. */
#include "hdf5_api.h"

#include <stdlib.h>
#include <string.h>

typedef struct library {
    struct library *next;
    void *base;
    int usable;
    medroi_hdf5_api api;
} library;

static library *libraries;
static medroi_h5_lock lock = MEDROI_H5_UNLOCKED;

/* Function pointers are stored through memcpy: C has no conversion from void *. */
static int look_up(void *handle, const char *name, void *slot) {
    void *symbol = medroi_h5_symbol(handle, name);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

static int resolve(void *handle, medroi_hdf5_api *api) {
    const struct {
        const char *name;
        void *slot;
    } needed[] = {
        {"H5allocate_memory", &api->allocate_memory},
        {"H5free_memory", &api->free_memory},
        {"H5get_libversion", &api->get_libversion},
        {"H5Pget_nfilters", &api->get_nfilters},
        {"H5Pget_filter2", &api->get_filter2},
        {"H5Pget_filter_by_id2", &api->get_filter_by_id2},
        {"H5Pmodify_filter", &api->modify_filter},
        {"H5Pget_chunk", &api->get_chunk},
        {"H5Pfill_value_defined", &api->fill_value_defined},
        {"H5Pget_fill_value", &api->get_fill_value},
        {"H5Tget_class", &api->get_class},
        {"H5Tget_size", &api->get_size},
        {"H5Tget_sign", &api->get_sign},
        {"H5Tget_order", &api->get_order},
        {"H5Tget_precision", &api->get_precision},
        {"H5Tget_ebias", &api->get_ebias},
        {"H5Tget_super", &api->get_super},
        {"H5Tget_nmembers", &api->get_nmembers},
        {"H5Tget_member_name", &api->get_member_name},
        {"H5Tget_member_type", &api->get_member_type},
        {"H5Tget_member_offset", &api->get_member_offset},
        {"H5Tis_variable_str", &api->is_variable_str},
        {"H5Tclose", &api->close_type},
        {"H5Fget_obj_count", &api->get_obj_count},
        {"H5Fget_obj_ids", &api->get_obj_ids},
        {"H5Dget_create_plist", &api->get_create_plist},
        {"H5Dget_type", &api->get_type},
        {"H5Pget_layout", &api->get_layout},
        {"H5Pclose", &api->close_plist},
        {"H5Pget_virtual_count", &api->get_virtual_count},
        {"H5Pget_virtual_filename", &api->get_virtual_filename},
        {"H5Pget_virtual_dsetname", &api->get_virtual_dsetname},
        {"H5Fget_name", &api->get_file_name},
        {"H5Fopen", &api->open_file},
        {"H5Fclose", &api->close_file},
        {"H5Dopen2", &api->open_dataset},
        {"H5Dclose", &api->close_dataset},
        {"H5Epush2", &api->push_error},
        {"H5Ecreate_stack", &api->create_stack},
        {"H5Eset_current_stack", &api->set_current_stack},
        {"H5E_ERR_CLS_g", &api->error_class},
        {"H5E_PLINE_g", &api->error_major},
        {"H5E_CANTFILTER_g", &api->error_minor},
    };
    unsigned major = 0, minor = 0, release = 0;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (!look_up(handle, needed[i].name, needed[i].slot)) {
            return 0;
        }
    }
    (void)look_up(handle, "H5Eis_paused", &api->is_paused);
    if (api->get_libversion(&major, &minor, &release) < 0) {
        return 0;
    }
    api->checks_chunks = major > 2 || (major == 2 && minor >= 2);
    return major > 1 || (major == 1 && minor >= 10);
}

static library *find(void *base) {
    library *found = libraries;
    while (found != NULL && found->base != base) {
        found = found->next;
    }
    return found;
}

const medroi_hdf5_api *medroi_hdf5_api_at(void *address) {
    void *base = medroi_h5_library_at(address);
    library *found = NULL;
    if (base == NULL) {
        return NULL;
    }
    medroi_h5_lock_take(&lock);
    found = find(base);
    if (found == NULL) {
        void *handle = medroi_h5_keep_library(address);
        found = handle != NULL ? calloc(1, sizeof *found) : NULL;
        if (found != NULL) {
            found->base = base;
            found->usable = resolve(handle, &found->api);
            found->next = libraries;
            libraries = found;
        }
    }
    medroi_h5_lock_release(&lock);
    return found != NULL && found->usable ? &found->api : NULL;
}
