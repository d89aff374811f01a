/* The libhdf5 that called us. A process may hold several, and symbols of a plugin that links
 * against one would not find the others: the calling one is found by its return address. The few
 * prototypes are declared here, so that building needs no HDF5. */
#ifndef MEDROI_HDF5_API_H
#define MEDROI_HDF5_API_H

#include "system.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t medroi_hid; /* hid_t since 1.10 */

/* Values of HDF5's enumerations that its file format or ABI fix. */
enum {
    H5_CLASS_INTEGER = 0,
    H5_CLASS_FLOAT = 1,
    H5_CLASS_STRING = 3,
    H5_CLASS_OPAQUE = 5,
    H5_CLASS_COMPOUND = 6,
    H5_CLASS_ENUM = 8,
    H5_CLASS_COMPLEX = 11
};
enum { H5_ORDER_LE = 0, H5_ORDER_BE = 1 };
enum { H5_FILL_UNDEFINED = 0, H5_FILL_DEFAULT = 1 };
enum { H5_LAYOUT_CHUNKED = 2, H5_LAYOUT_VIRTUAL = 3 };
enum { H5_ALL_FILES = 0x1f, H5_OBJ_DATASET = 2, H5_READ_ONLY = 0 };
#define H5_FLAG_OPTIONAL 0x0001u
#define H5_FLAG_REVERSE 0x0100u

typedef struct medroi_hdf5_api {
    void *(*allocate_memory)(size_t, bool);
    int (*free_memory)(void *);
    int (*get_libversion)(unsigned *, unsigned *, unsigned *);
    int (*get_nfilters)(medroi_hid);
    int (*get_filter2)(medroi_hid, unsigned, unsigned *, size_t *, unsigned *, size_t, char *,
                       unsigned *);
    int (*get_filter_by_id2)(medroi_hid, int, unsigned *, size_t *, unsigned *, size_t, char *,
                             unsigned *);
    int (*modify_filter)(medroi_hid, int, unsigned, size_t, const unsigned *);
    int (*get_chunk)(medroi_hid, int, uint64_t *);
    int (*fill_value_defined)(medroi_hid, int *);
    int (*get_fill_value)(medroi_hid, medroi_hid, void *);
    int (*get_class)(medroi_hid);
    size_t (*get_size)(medroi_hid);
    int (*get_sign)(medroi_hid);
    int (*get_order)(medroi_hid);
    size_t (*get_precision)(medroi_hid);
    size_t (*get_ebias)(medroi_hid);
    medroi_hid (*get_super)(medroi_hid);
    int (*get_nmembers)(medroi_hid);
    char *(*get_member_name)(medroi_hid, unsigned);
    medroi_hid (*get_member_type)(medroi_hid, unsigned);
    size_t (*get_member_offset)(medroi_hid, unsigned);
    int (*is_variable_str)(medroi_hid);
    int (*close_type)(medroi_hid);
    intptr_t (*get_obj_count)(medroi_hid, unsigned);
    intptr_t (*get_obj_ids)(medroi_hid, unsigned, size_t, medroi_hid *);
    medroi_hid (*get_create_plist)(medroi_hid);
    medroi_hid (*get_type)(medroi_hid);
    int (*get_layout)(medroi_hid);
    int (*close_plist)(medroi_hid);
    int (*get_virtual_count)(medroi_hid, size_t *);
    intptr_t (*get_virtual_filename)(medroi_hid, size_t, char *, size_t);
    intptr_t (*get_virtual_dsetname)(medroi_hid, size_t, char *, size_t);
    intptr_t (*get_file_name)(medroi_hid, char *, size_t);
    medroi_hid (*open_file)(const char *, unsigned, medroi_hid);
    int (*close_file)(medroi_hid);
    medroi_hid (*open_dataset)(medroi_hid, const char *, medroi_hid);
    int (*close_dataset)(medroi_hid);
    int (*push_error)(medroi_hid, const char *, const char *, unsigned, medroi_hid, medroi_hid,
                      medroi_hid, const char *, ...);
    medroi_hid (*create_stack)(void);
    int (*set_current_stack)(medroi_hid);
    int (*is_paused)(medroi_hid, bool *); /* NULL before 1.14 */
    const medroi_hid *error_class, *error_major, *error_minor;
    int checks_chunks; /* since 2.2: what a filter gives back has to have a chunk's size */
} medroi_hdf5_api;

/* The library that holds this code address, or NULL where it is no libhdf5 of 1.10 or newer. */
const medroi_hdf5_api *medroi_hdf5_api_at(void *address);

#define MEDROI_CALLING_HDF5() medroi_hdf5_api_at(MEDROI_H5_CALLER())

#endif
