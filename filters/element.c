#include "element.h"

#include "engine/cd_values.h"

#include <inttypes.h>
#include <string.h>

static medroi_status refuse(medroi_error *error, const char *what) {
    return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                       "elements of %s cannot be stored; possible are integers of 8 to 64 bits, "
                       "IEEE floats of 16 to 64 bits and, losslessly, complex numbers, bool, "
                       "fixed-size strings and opaque bytes",
                       what);
}

static int has_member(const medroi_hdf5_api *hdf5, medroi_hid type, unsigned index,
                      const char *name) {
    char *found = hdf5->get_member_name(type, index);
    int same = found != NULL && strcmp(found, name) == 0;
    if (found != NULL) {
        (void)hdf5->free_memory(found);
    }
    return same;
}

/* h5py stores bool as an enumeration. */
static int is_bool(const medroi_hdf5_api *hdf5, medroi_hid type) {
    return hdf5->get_size(type) == 1 && hdf5->get_nmembers(type) == 2 &&
           has_member(hdf5, type, 0, "FALSE") && has_member(hdf5, type, 1, "TRUE");
}

static medroi_status read_integer(const medroi_hdf5_api *hdf5, medroi_hid type,
                                  medroi_layout *layout, medroi_error *error) {
    size_t size = hdf5->get_size(type);
    if (hdf5->get_precision(type) != 8 * size ||
        !(size == 1 || size == 2 || size == 4 || size == 8)) {
        return refuse(error, "integers with unused bits or more than 64");
    }
    layout->kind = hdf5->get_sign(type) == 0 ? 'u' : 'i';
    return MEDROI_OK;
}

static medroi_status read_float(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                                medroi_error *error) {
    size_t size = hdf5->get_size(type), bias = hdf5->get_ebias(type);
    if (hdf5->get_precision(type) != 8 * size ||
        !((size == 2 && bias == 15) || (size == 4 && bias == 127) || (size == 8 && bias == 1023))) {
        return refuse(error, "floats that are not IEEE half, single or double");
    }
    layout->kind = 'f';
    return MEDROI_OK;
}

static medroi_status read_enum(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                               medroi_error *error) {
    medroi_hid base;
    medroi_status status;
    if (is_bool(hdf5, type)) {
        layout->kind = 'b';
        return MEDROI_OK;
    }
    base = hdf5->get_super(type);
    if (base < 0) {
        return refuse(error, "an unreadable enumeration");
    }
    status = read_integer(hdf5, base, layout, error);
    (void)hdf5->close_type(base);
    return status;
}

/* Two IEEE numbers of the same kind, as numpy has them. */
static medroi_status read_complex_parts(const medroi_hdf5_api *hdf5, medroi_hid real,
                                        medroi_hid imaginary, medroi_layout *layout,
                                        medroi_error *error) {
    medroi_layout parts[2] = {{.ndim = 1}, {.ndim = 1}};
    int same = real >= 0 && imaginary >= 0 && hdf5->get_class(real) == H5_CLASS_FLOAT &&
               hdf5->get_class(imaginary) == H5_CLASS_FLOAT &&
               medroi_h5_element(hdf5, real, &parts[0], error) == MEDROI_OK &&
               medroi_h5_element(hdf5, imaginary, &parts[1], error) == MEDROI_OK &&
               parts[0].itemsize >= 4 && parts[0].itemsize == parts[1].itemsize &&
               parts[0].big_endian == parts[1].big_endian &&
               layout->itemsize == 2 * parts[0].itemsize;
    if (!same) {
        return refuse(error, "complex numbers that are not two IEEE floats of 32 or 64 bits");
    }
    layout->kind = 'c';
    layout->big_endian = parts[0].big_endian;
    return MEDROI_OK;
}

/* h5py and most others store complex numbers as a compound of "r" and "i". */
static medroi_status read_compound(const medroi_hdf5_api *hdf5, medroi_hid type,
                                   medroi_layout *layout, medroi_error *error) {
    medroi_hid real, imaginary;
    medroi_status status;
    if (hdf5->get_nmembers(type) != 2 || !has_member(hdf5, type, 0, "r") ||
        !has_member(hdf5, type, 1, "i") || hdf5->get_member_offset(type, 0) != 0 ||
        2 * hdf5->get_member_offset(type, 1) != layout->itemsize) {
        return refuse(error, "a compound other than of r and i");
    }
    real = hdf5->get_member_type(type, 0);
    imaginary = hdf5->get_member_type(type, 1);
    status = read_complex_parts(hdf5, real, imaginary, layout, error);
    if (real >= 0) {
        (void)hdf5->close_type(real);
    }
    if (imaginary >= 0) {
        (void)hdf5->close_type(imaginary);
    }
    return status;
}

/* A class of its own since 2.0. */
static medroi_status read_complex(const medroi_hdf5_api *hdf5, medroi_hid type,
                                  medroi_layout *layout, medroi_error *error) {
    medroi_hid part = hdf5->get_super(type);
    medroi_status status = read_complex_parts(hdf5, part, part, layout, error);
    if (part >= 0) {
        (void)hdf5->close_type(part);
    }
    return status;
}

static medroi_status read_order(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                                medroi_error *error) {
    int order;
    if (layout->kind == 'c') {
        return MEDROI_OK;
    }
    layout->big_endian = 0;
    if (layout->itemsize == 1 || layout->kind == 'S' || layout->kind == 'V') {
        return MEDROI_OK;
    }
    order = hdf5->get_order(type);
    if (order != H5_ORDER_LE && order != H5_ORDER_BE) {
        return refuse(error, "a byte order other than little and big endian");
    }
    layout->big_endian = order == H5_ORDER_BE;
    return MEDROI_OK;
}

medroi_status medroi_h5_element(const medroi_hdf5_api *hdf5, medroi_hid type, medroi_layout *layout,
                                medroi_error *error) {
    size_t size = hdf5->get_size(type);
    medroi_status status = MEDROI_OK;
    if (size < 1 || size > UINT16_MAX) {
        return refuse(error, "more than 65535 bytes");
    }
    layout->itemsize = (uint16_t)size;
    switch (hdf5->get_class(type)) {
    case H5_CLASS_INTEGER:
        status = read_integer(hdf5, type, layout, error);
        break;
    case H5_CLASS_FLOAT:
        status = read_float(hdf5, type, layout, error);
        break;
    case H5_CLASS_ENUM:
        status = read_enum(hdf5, type, layout, error);
        break;
    case H5_CLASS_STRING:
        layout->kind = 'S';
        status = hdf5->is_variable_str(type) == 0 ? status : refuse(error, "variable length");
        break;
    case H5_CLASS_OPAQUE:
        layout->kind = 'V';
        break;
    case H5_CLASS_COMPOUND:
        status = read_compound(hdf5, type, layout, error);
        break;
    case H5_CLASS_COMPLEX:
        status = read_complex(hdf5, type, layout, error);
        break;
    default:
        status = refuse(error, "an array, a reference or another class");
    }
    return status == MEDROI_OK ? read_order(hdf5, type, layout, error) : status;
}

medroi_status medroi_h5_read_chunk(const medroi_hdf5_api *hdf5, medroi_hid dcpl,
                                   medroi_layout *layout, medroi_error *error) {
    uint64_t sizes[32] = {0};
    int ndim = hdf5->get_chunk(dcpl, 32, sizes);
    if (ndim < 1 || ndim > MEDROI_MAX_CHUNK_AXES) {
        return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                           "found a chunk of %d axes, expected 1 to %d", ndim,
                           MEDROI_MAX_CHUNK_AXES);
    }
    layout->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        if (sizes[i] < 1 || sizes[i] > UINT32_MAX) {
            return medroi_fail(error, MEDROI_INVALID_ARGUMENT,
                               "axis %d of the chunk has %" PRIu64 " voxels, expected at most %u",
                               i, sizes[i], UINT32_MAX);
        }
        layout->shape[i] = (int64_t)sizes[i];
    }
    return MEDROI_OK;
}
