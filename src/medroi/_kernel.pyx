# cython: boundscheck=False, wraparound=False, freethreading_compatible=True
"""Buffers in, status to exception, the GIL released: the only file that knows C."""

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from io import BytesIO
from math import prod

from medroi import errors

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t) except NULL
    char *bytes_memory "PyBytes_AsString"(PyObject *) except NULL

cdef extern from * nogil:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #include <stdint.h>
    /* Fresh memory costs five times its copy in page faults of 4 KiB; numpy asks the same. */
    static void medroi_expect_large(void *start, size_t nbytes) {
        uintptr_t page = ((uintptr_t)start + 4095) & ~(uintptr_t)4095;
        if (nbytes >= ((size_t)4 << 20)) {
            (void)madvise((void *)page, nbytes - (page - (uintptr_t)start), MADV_HUGEPAGE);
        }
    }
    #else
    static void medroi_expect_large(void *start, size_t nbytes) {
        (void)start;
        (void)nbytes;
    }
    #endif
    """
    void medroi_expect_large(void *, size_t)

cdef extern from "base/kernel.h" nogil:
    enum: MEDROI_MAX_AXES
    enum: MEDROI_MAX_PARAMS
    enum: MEDROI_FIXED_HEADER_NBYTES
    enum: MEDROI_FORMAT_VERSION
    enum: MEDROI_RECORD_OFFSET
    enum: MEDROI_RECORD_NBYTES
    ctypedef enum medroi_status:
        MEDROI_OK
        MEDROI_INVALID_ARGUMENT
        MEDROI_CORRUPT_STREAM
        MEDROI_UNSUPPORTED_VERSION
        MEDROI_INNER_UNAVAILABLE
        MEDROI_NO_MEMORY
    ctypedef int medroi_threshold
    ctypedef int medroi_roi
    ctypedef enum medroi_reason:
        MEDROI_REASON_NO_BACKGROUND
    ctypedef struct medroi_error:
        medroi_status status
        char text[320]
    ctypedef struct medroi_layout:
        int32_t ndim
        int64_t shape[8]
        char kind
        uint8_t big_endian
        uint8_t f_order
        uint8_t axes
        uint16_t itemsize
    ctypedef struct medroi_box:
        int64_t start[8]
        int64_t stop[8]
    ctypedef struct medroi_region_options:
        medroi_threshold threshold_rule
        double threshold
        uint8_t dark
        medroi_roi roi
        int64_t padding
        double max_miss_rate
        uint64_t background
        uint32_t n_threads
        uint8_t largest_only
        uint8_t complete
        uint8_t voxel_mask
    ctypedef struct medroi_dropped:
        double level
        uint64_t n_signal
        uint64_t n_dropped
        uint64_t n_largest
        double peak
        medroi_box largest
    ctypedef struct medroi_region:
        medroi_box box
        double threshold
        double miss_rate
        uint64_t n_tissue
        uint64_t n_missed
        medroi_dropped dropped
        medroi_reason reason
        const uint8_t *side
        uint32_t side_nbytes
        const void *mask_map
    ctypedef struct medroi_mask_info:
        uint8_t is_mask
        double unopened_miss_rate
        uint32_t mask_nbytes
        uint64_t n_left_out
        uint64_t n_left_out_voxels
        uint32_t n_listed
        uint64_t left_out_voxels[16]
        medroi_box left_out[16]
        medroi_dropped dropped
    ctypedef struct medroi_header:
        medroi_layout layout
        medroi_box box
        uint64_t background
        double threshold
        double miss_rate
        float affine[9]
        uint16_t inner_id
        uint8_t slice_axis
        uint32_t part_extent
        uint64_t payload_nbytes
        uint32_t payload_crc
        const uint8_t *side
        uint32_t side_nbytes
        const void *mask_map
        uint8_t extended
    ctypedef struct medroi_block:
        int32_t ndim
        int64_t shape[8]
        char kind
        uint8_t big_endian
        uint16_t itemsize
    ctypedef struct medroi_inner:
        uint16_t id
        const char *name
        medroi_status (*check)(const medroi_block *, const double *, medroi_error *) noexcept nogil
        int64_t (*part_extent)(const medroi_block *, const double *) noexcept nogil
        medroi_status (*plan)(const medroi_block *, const void *, const uint8_t *, double *, medroi_error *) noexcept nogil
        size_t (*bound)(const medroi_block *, const double *) noexcept nogil
        medroi_status (*encode)(const medroi_block *, const void *, const uint8_t *, const double *,
                                uint8_t *, size_t, size_t *, medroi_error *) noexcept nogil
        medroi_status (*decode)(const medroi_block *, const uint8_t *, size_t, void *,
                                medroi_error *) noexcept nogil
    size_t medroi_block_nbytes(const medroi_block *)
    size_t medroi_region_scratch_nbytes(const medroi_layout *, const medroi_region_options *)
    size_t medroi_count_groups_scratch_nbytes(const medroi_layout *, const medroi_region_options *)
    medroi_status medroi_count_groups(const medroi_layout *, const void *,
                                      const medroi_region_options *, void *, medroi_dropped *,
                                      medroi_error *) nogil
    medroi_status medroi_find_region(const medroi_layout *, const void *,
                                     const medroi_region_options *, void *, medroi_region *,
                                     medroi_error *)
    size_t medroi_background_scratch_nbytes(const medroi_layout *)
    medroi_status medroi_mask_of_tissue(const medroi_layout *, const void *,
                                   const medroi_region_options *, void *, uint8_t *,
                                   medroi_error *)
    size_t medroi_mask_scratch_nbytes(const medroi_layout *, const medroi_region_options *)
    medroi_status medroi_find_background(const medroi_layout *, const void *, uint8_t, void *,
                                         uint64_t *, medroi_error *)
    uint32_t medroi_crc32(uint32_t, const void *, size_t)
    size_t medroi_preamble_nbytes(const medroi_header *)
    medroi_status medroi_read_preamble(const uint8_t *, size_t, medroi_header *, size_t *,
                                       medroi_error *)
    medroi_status medroi_state_scan(uint8_t *, size_t, double, double, medroi_error *)
    medroi_status medroi_peek_preamble(const uint8_t *, size_t, size_t *, medroi_error *)
    void medroi_coding_order(const medroi_layout *, uint8_t, int32_t *)
    uint64_t medroi_part_count(const medroi_header *)
    medroi_box medroi_part_box(const medroi_header *, uint64_t)
    medroi_status medroi_read_mask_info(const medroi_header *, medroi_mask_info *, medroi_error *)
    size_t medroi_mask_map_nbytes(const medroi_header *)
    medroi_status medroi_read_mask_map(const medroi_header *, void *, medroi_error *)
    void medroi_apply_mask(const medroi_header *, const void *, const medroi_box *, void *)
    const medroi_inner *medroi_find_inner(uint16_t)
    medroi_status medroi_check_payload(const medroi_header *, const uint8_t *, size_t,
                                       medroi_error *)
    ctypedef struct medroi_settings:
        medroi_region_options region
        uint8_t auto_background
    ctypedef struct medroi_output:
        uint8_t *data
        size_t nbytes
        size_t capacity
        void *(*reserve)(void *, size_t) noexcept nogil
        void *user
    ctypedef struct medroi_codec:
        uint16_t id
        const char *name
        void (*release)(void *, void *) noexcept nogil
        medroi_status (*check)(void *, const void *, const medroi_block *, medroi_error *) noexcept nogil
        int (*is_lossy)(void *, const void *) noexcept nogil
        int64_t (*slab_extent)(void *, const void *, const medroi_block *) noexcept nogil
        medroi_status (*plan)(void *, const void *, const medroi_block *, const void *, void **,
                              medroi_error *) noexcept nogil
        medroi_status (*encode)(void *, const void *, const medroi_block *, const void *, uint8_t **,
                                size_t *, medroi_error *) noexcept nogil
        medroi_status (*decode)(void *, const medroi_block *, const uint8_t *, size_t, void *,
                                medroi_error *) noexcept nogil
    ctypedef struct medroi_option:
        const char *name
        const char *fallback
        const char *limits
        const char *help
        const char *const *choices
    const medroi_option *medroi_options(size_t *)
    void medroi_free(void *)
    const char *medroi_version()
    void *medroi_allocate(size_t)
    medroi_status medroi_fail(medroi_error *, medroi_status, const char *, ...)

cdef extern from "codecs/inner.h" nogil:
    ctypedef struct medroi_parameter:
        const char *name
        double fallback
        double low
        double high
        const char *help
        const char *const *choices
        const char *earlier_name
    ctypedef struct medroi_parameters:
        uint16_t id
        const char *name
        uint8_t n
        const medroi_parameter *rows
    const medroi_parameters *medroi_find_parameters(uint16_t)
    const medroi_parameters *const *medroi_all_parameters(size_t *)
    void medroi_parameter_limits(const medroi_parameter *, char *)

cdef extern from "codecs/wavelet3d/wavelet3d.h" nogil:
    ctypedef struct medroi_w3_noise:
        double sigma
        size_t n_squares
    medroi_status medroi_w3_noise_of(const medroi_block *, const void *, const uint8_t *,
                                       medroi_w3_noise *, medroi_error *)

cdef extern from "mask/mask.h" nogil:
    void medroi_marks_shape(const medroi_layout *, const medroi_box *, int64_t *)
    void medroi_mark_tiles(const medroi_layout *, const medroi_box *, const void *, uint8_t *)

cdef extern from "engine/engine.h" nogil:
    ctypedef struct medroi_json:
        pass
    ctypedef struct medroi_hosted:
        medroi_codec codec
        void *user
    ctypedef struct medroi_coder:
        uint16_t id
        const medroi_inner *native
        double params[7]
        const medroi_hosted *hosted
        void *settings
    ctypedef struct medroi_config:
        medroi_coder coder
    medroi_status medroi_read_params(const medroi_parameters *, const medroi_json *, double *,
                                     medroi_error *)
    void medroi_config_init(medroi_config *)
    medroi_status medroi_config_set_padding_values(medroi_config *, double, double, medroi_error *)
    medroi_status medroi_config_to_json(const medroi_config *, char **, medroi_error *)
    medroi_status medroi_json_read(const char *, medroi_json *, medroi_error *)
    medroi_status medroi_config_read(const medroi_json *, medroi_config *, medroi_json *,
                                     medroi_error *)
    medroi_status medroi_resolve(const medroi_config *, const uint64_t *, medroi_layout *,
                                 medroi_settings *, medroi_error *)
    size_t medroi_choice_scratch_nbytes(const medroi_settings *, const medroi_layout *)
    int medroi_choose_background(const medroi_settings *, const medroi_layout *, const void *, void *,
                                 medroi_region_options *)
    const char *medroi_reason_text(medroi_reason)
    medroi_status medroi_encode_array(const medroi_settings *, const medroi_coder *,
                                      const medroi_layout *, const char *, const void *, uint32_t,
                                      medroi_output *, medroi_error *)
    medroi_status medroi_decode_stream(const medroi_header *, const uint8_t *, size_t,
                                       const medroi_hosted *, uint32_t, void *, void *,
                                       medroi_error *)
    ctypedef struct medroi_space:
        void *user
        void *(*take)(void *, size_t) noexcept
        void (*give)(void *, void *) noexcept
    ctypedef struct medroi_fitted:
        uint64_t background
        double threshold
        double whole_threshold
        medroi_reason reason
    medroi_status medroi_fit_region(const medroi_settings *, const medroi_layout *, const void *,
                                    const int64_t *, const medroi_space *, medroi_fitted *,
                                    medroi_error *)
    ctypedef struct medroi_counted:
        uint64_t n
        double low, high
    bint medroi_shares_target(const medroi_coder *)
    medroi_status medroi_fit_target(const medroi_settings *, const medroi_coder *,
                                    const medroi_layout *, const void *, const int64_t *,
                                    const medroi_counted *, const medroi_space *,
                                    const medroi_parameter **, double *, medroi_error *)
    medroi_status medroi_decode_slab_into(const medroi_header *, const medroi_hosted *, const void *,
                                          uint64_t, const uint8_t *, size_t, uint32_t,
                                          const medroi_box *, void *, medroi_error *)
    size_t medroi_decode_scratch_nbytes(const medroi_header *, uint32_t)
    medroi_status medroi_check_table(const medroi_header *, const uint8_t *, size_t, medroi_error *)

cdef extern from "engine/cd_values.h" nogil:
    enum: MEDROI_MAX_WORDS
    ctypedef struct medroi_cd_field:
        int word
        int bit
        int n_bits
        uint64_t fallback
        const char *meaning
    ctypedef struct medroi_cd_values:
        medroi_config asked
        uint64_t key
        int32_t has_local
        medroi_layout layout
    const medroi_cd_field *medroi_cd_fields(size_t *)
    medroi_status medroi_cd_read(const unsigned *, size_t, medroi_cd_values *, medroi_error *)
    int medroi_cd_needs_key(const medroi_config *)
    medroi_status medroi_cd_write(const medroi_config *, uint64_t, unsigned *, size_t *,
                                  medroi_error *)
    ctypedef struct medroi_cd_crop:
        medroi_roi roi
        uint8_t axes
        uint8_t voxel_mask
        uint64_t background
    medroi_status medroi_cd_for_crops(const unsigned *, size_t, const medroi_cd_crop *, unsigned *,
                                      medroi_error *)
    medroi_status medroi_cd_add_chunk(const medroi_cd_values *, const unsigned *,
                                      const medroi_layout *, unsigned *, size_t *, medroi_error *)
    int medroi_cd_same_chunk(const medroi_layout *, const medroi_layout *)

cdef extern from "interface.h" nogil:
    enum: MEDROI_H5_INTERFACE_VERSION
    enum: MEDROI_H5_FILTER_ID
    ctypedef struct medroi_h5_interface:
        uint32_t version
        const char *(*last_error)() noexcept nogil
        void (*set_host)(medroi_status (*)(void *, uint16_t, medroi_error *) noexcept nogil,
                         void *) noexcept nogil
        medroi_status (*register_inner)(const medroi_codec *, void *, medroi_error *) noexcept nogil
        medroi_status (*keep)(uint64_t, uint16_t, const double *, void *, medroi_error *) noexcept nogil
        void (*reader)(uint16_t *, uint64_t *) noexcept nogil
        medroi_status (*encode)(const unsigned *, size_t, const void *, size_t, medroi_output *,
                                medroi_error *) noexcept nogil
        medroi_status (*decode)(const unsigned *, size_t, const void *, size_t, void *, size_t,
                                medroi_error *) noexcept nogil
    ctypedef const medroi_h5_interface *(*medroi_h5_get)() noexcept nogil

HDF5_FILTER_ID = MEDROI_H5_FILTER_ID
FIXED_HEADER_NBYTES = MEDROI_FIXED_HEADER_NBYTES
FORMAT_VERSION = MEDROI_FORMAT_VERSION
RECORD_OFFSET = MEDROI_RECORD_OFFSET
RECORD_NBYTES = MEDROI_RECORD_NBYTES
MAX_AXES = MEDROI_MAX_AXES

_ERRORS = {
    MEDROI_INVALID_ARGUMENT: errors.InvalidArgument,
    MEDROI_CORRUPT_STREAM: errors.CorruptStream,
    MEDROI_UNSUPPORTED_VERSION: errors.UnsupportedVersion,
    MEDROI_INNER_UNAVAILABLE: errors.InnerUnavailable,
    MEDROI_NO_MEMORY: MemoryError,
}


cdef int check(medroi_status status, const medroi_error *error) except -1:
    if status != MEDROI_OK:
        raise _ERRORS.get(status, errors.MedROIError)(
            (<const char *>error.text).decode("utf-8", "replace"))
    return 0


cdef void *allocate(size_t nbytes) except NULL:
    cdef void *memory = malloc(nbytes if nbytes > 0 else 1)
    if memory == NULL:
        raise MemoryError(f"no memory for {nbytes} bytes of working space")
    return memory


cdef class _Space:
    """Working space of one call: of the heap, or arrays of a `WorkingMemory`."""

    cdef object memory
    cdef dict taken
    cdef object problem
    cdef medroi_space c

    def __cinit__(self, memory):
        self.memory = memory
        self.taken = {}
        self.problem = None
        self.c.user = <void *>self
        self.c.take = take_space
        self.c.give = give_space

    cdef void *take(self, size_t nbytes) except NULL:
        cdef uint8_t[::1] view
        if self.memory is None:
            return allocate(nbytes)
        view = self.memory.array((nbytes if nbytes > 0 else 1,), "u1")
        self.taken[<size_t>&view[0]] = view
        return &view[0]

    cdef void give(self, void *start) noexcept:
        if self.memory is None:
            free(start)
        else:
            self.taken.pop(<size_t>start, None)


cdef void *take_space(void *user, size_t nbytes) noexcept with gil:
    cdef _Space space = <_Space>user
    try:
        return space.take(nbytes)
    except BaseException as error:
        space.problem = error
        return NULL


cdef void give_space(void *user, void *start) noexcept with gil:
    (<_Space>user).give(start)


cdef object tiles_of(const medroi_layout *layout, const medroi_region *region, memory):
    """A byte for each tile of a mask's box, along the axes of the array in memory order."""
    cdef int64_t shape[MEDROI_MAX_AXES]
    cdef uint8_t[::1] view
    medroi_marks_shape(layout, &region.box, shape)
    lengths = tuple(shape[i] for i in range(layout.ndim))[::-1 if layout.f_order else 1]
    n_tiles = prod(lengths)
    held = bytearray(n_tiles) if memory is None else memory.array((n_tiles,), "u1")
    if n_tiles > 0:
        view = held
        medroi_mark_tiles(layout, &region.box, region.mask_map, &view[0])
    return lengths, held


cdef bytes shrunk(PyObject *coded, size_t nbytes):
    """The first bytes of a new object, whose only reference the caller gives away.

    A BytesIO that alone refers to its bytes shortens them in place. No function of the stable ABI does.
    """
    stream = BytesIO(<bytes>coded)
    Py_XDECREF(coded)
    stream.truncate(nbytes)
    return stream.getvalue()


cdef const uint8_t *start_of(const uint8_t[::1] data) noexcept:
    return &data[0] if data.shape[0] > 0 else NULL


cdef extern from "codecs/valuemap/intmap.h" nogil:
    ctypedef struct medroi_intmap:
        int kind
        uint32_t max_index
        int64_t offset
        uint64_t integer_step
        double step
    medroi_status medroi_intmap_find(const medroi_block *, const void *, int, uint32_t,
                                     medroi_intmap *, medroi_error *)
    void medroi_intmap_free(medroi_intmap *)
    size_t medroi_intmap_nbytes(const medroi_intmap *, const medroi_block *)
    void medroi_intmap_write(const medroi_intmap *, const medroi_block *, uint8_t *)
    medroi_status medroi_intmap_read(const medroi_block *, const uint8_t *, size_t,
                                     medroi_intmap *, size_t *, medroi_error *)
    medroi_status medroi_intmap_apply(const medroi_intmap *, const medroi_block *, const void *,
                                      size_t, size_t, int32_t *, medroi_error *)
    medroi_status medroi_intmap_apply_short(const medroi_intmap *, const medroi_block *,
                                            const void *, size_t, size_t, void *, medroi_error *)
    void medroi_intmap_invert(const medroi_intmap *, const medroi_block *, const int32_t *,
                              size_t, size_t, void *)

cdef extern from "codecs/jpeg2000/jpeg2000.h" nogil:
    ctypedef struct medroi_j2k_slice:
        uint32_t width
        uint32_t height
        uint32_t precision
    medroi_status medroi_j2k_check(const medroi_j2k_slice *, const uint8_t *, size_t,
                                   medroi_error *)


cdef class Layout:
    """A dense array in memory, as the kernel sees it."""

    cdef medroi_layout c

    def __init__(self, shape, str kind, int itemsize, bint big_endian, bint f_order, int axes):
        memset(&self.c, 0, sizeof(self.c))
        self.c.ndim = len(shape)
        for i in range(self.c.ndim):
            self.c.shape[i] = shape[i]
        self.c.kind = <char>ord(kind)
        self.c.itemsize = itemsize
        self.c.big_endian = big_endian
        self.c.f_order = f_order
        self.c.axes = axes


cdef medroi_box to_box(object box, int ndim) except *:
    cdef medroi_box c
    memset(&c, 0, sizeof(c))
    for i in range(ndim):
        c.start[i], c.stop[i] = box[i]
    return c


cdef tuple from_box(const medroi_box *box, int ndim):
    return tuple((box.start[i], box.stop[i]) for i in range(ndim))


cdef tuple listed_of(const medroi_mask_info *info, int ndim):
    """((voxels, box), ...) of the largest components that were left out."""
    return tuple((info.left_out_voxels[i], from_box(&info.left_out[i], ndim))
                 for i in range(info.n_listed))


VERSION = medroi_version().decode()


def options():
    """Every option of a configuration: (name, default as JSON, limits, help, choices)."""
    cdef size_t n = 0
    cdef const medroi_option *table = medroi_options(&n)
    return [(table[i].name.decode(), table[i].fallback.decode(), table[i].limits.decode(),
             table[i].help.decode(), names_in(table[i].choices)) for i in range(n)]


cdef tuple names_in(const char *const *names):
    """Names up to a NULL; none where there is no list."""
    cdef int n = 0
    if names != NULL:
        while names[n] != NULL:
            n += 1
    return tuple(names[i].decode() for i in range(n))


cdef const medroi_parameters *find_parameters(int inner_id) except NULL:
    cdef size_t n = 0
    cdef const medroi_parameters *const *tables = medroi_all_parameters(&n)
    for i in range(n):
        if tables[i].id == inner_id:
            return tables[i]
    raise errors.InnerUnavailable(f"inner codec {inner_id} is not one of the kernel's")


def settings(int inner_id):
    """Every setting of an inner codec that this build or another has: (name, number by default, smallest, greatest, limits, help, choices)."""
    cdef const medroi_parameters *codec = find_parameters(inner_id)
    cdef char limits[64]
    found = []
    for i in range(codec.n):
        medroi_parameter_limits(&codec.rows[i], limits)
        found.append((codec.rows[i].name.decode(), codec.rows[i].fallback, codec.rows[i].low,
                      codec.rows[i].high, (<const char *>limits).decode(),
                      codec.rows[i].help.decode(), names_in(codec.rows[i].choices)))
    return found


def earlier_names(int inner_id):
    """The settings of an inner codec by the earlier names that configurations may still have."""
    cdef const medroi_parameters *codec = find_parameters(inner_id)
    return {codec.rows[i].earlier_name.decode(): codec.rows[i].name.decode()
            for i in range(codec.n) if codec.rows[i].earlier_name != NULL}


def read_settings(int inner_id, str settings not None):
    """The parameters of an inner codec from its settings, a JSON object."""
    cdef medroi_error error
    cdef medroi_json object_
    cdef double params[7]
    cdef bytes text = settings.encode()
    check(medroi_json_read(text, &object_, &error), &error)
    check(medroi_read_params(find_parameters(inner_id), &object_, params, &error), &error)
    return tuple(params[i] for i in range(MEDROI_MAX_PARAMS))


cdef object dropped_signal(const medroi_dropped *dropped, int ndim):
    """(level, signal voxels, dropped ones, (voxels, peak, box) of the largest group or None)."""
    cdef object largest = None
    if dropped.n_largest > 0:
        largest = (dropped.n_largest, dropped.peak, from_box(&dropped.largest, ndim))
    return dropped.level, dropped.n_signal, dropped.n_dropped, largest


cdef class Config:
    """A configuration: its options as JSON, and its inner codec.

    The inner codec is one of the kernel's, by id and parameters, or any object of Python's, which
    then goes through a `Hosting`. The padding values, (lowest, highest), are those of one scan.
    """

    cdef medroi_config c
    cdef readonly str options
    cdef readonly object inner
    cdef readonly tuple padding_values

    def __init__(self, str options not None, int inner_id=0, tuple params=None, inner=None,
                 tuple padding_values=None):
        cdef medroi_error error
        cdef medroi_json object_, unused
        cdef bytes text = options.encode()
        self.options, self.inner, self.padding_values = options, inner, padding_values
        medroi_config_init(&self.c)
        check(medroi_json_read(text, &object_, &error), &error)
        check(medroi_config_read(&object_, &self.c, &unused, &error), &error)
        self.c.coder.id = inner_id
        if params is not None:
            self.c.coder.native = find_inner(inner_id)
            read_params(params, self.c.coder.params)
        self.c.coder.settings = <void *>inner
        if padding_values is not None:
            low, high = padding_values
            check(medroi_config_set_padding_values(&self.c, low, high, &error), &error)

    def to_json(self):
        """The options as a JSON object, each in its one spelling, with nothing for the inner codec."""
        cdef medroi_error error
        cdef char *text = NULL
        check(medroi_config_to_json(&self.c, &text, &error), &error)
        try:
            return text.decode()
        finally:
            medroi_free(text)

    cdef medroi_settings resolve(self, Layout layout) except *:
        """Settings for arrays of this layout, whose axes it sets."""
        cdef medroi_settings settings
        cdef medroi_error error
        check(medroi_resolve(&self.c, NULL, &layout.c, &settings, &error), &error)
        return settings

    def check(self, Layout layout not None):
        """Refuse arrays that cannot be served, whatever their voxels."""
        self.resolve(layout)

    def background(self, Layout layout not None, const uint8_t[::1] data, memory=None):
        """(bits of the background for one array, whether it could be found)."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_region_options chosen = settings.region
        cdef const uint8_t *start = start_of(data)
        cdef int known
        cdef _Space space = _Space(memory)
        cdef void *scratch
        if not settings.auto_background:
            return chosen.background, True
        scratch = space.take(medroi_choice_scratch_nbytes(&settings, &layout.c))
        with nogil:
            known = medroi_choose_background(&settings, &layout.c, start, scratch, &chosen)
        space.give(scratch)
        return chosen.background, bool(known)

    def find_region(self, Layout layout not None, const uint8_t[::1] data, background=None,
                    uint32_t threads=1, bint complete=False, memory=None, bint tiles=False):
        """(box, threshold, miss_rate, n_tissue, n_missed, dropped signal, note, side data, components left out, their voxels, the largest of them, tiles) of one array; `background` holds bits that take the place of the configured one; the tiles are None, or where they are asked for and the region is a mask, a byte for each tile of its box, in memory order."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_region_options chosen = settings.region
        cdef medroi_region region
        cdef medroi_header header
        cdef medroi_mask_info info
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef _Space space = _Space(memory)
        cdef void *scratch
        note = ""
        if background is not None:
            chosen.background = background
        elif settings.auto_background:
            chosen.background, known = self.background(layout, data, memory)
            if not known:
                chosen.threshold_rule = 0
                note = medroi_reason_text(MEDROI_REASON_NO_BACKGROUND).decode()
        chosen.n_threads = threads
        chosen.complete = complete
        scratch = space.take(medroi_region_scratch_nbytes(&layout.c, &chosen))
        with nogil:
            status = medroi_find_region(&layout.c, start, &chosen, scratch, &region, &error)
        try:
            check(status, &error)
            memset(&header, 0, sizeof(header))
            header.layout, header.box = layout.c, region.box
            header.side, header.side_nbytes = region.side, region.side_nbytes
            check(medroi_read_mask_info(&header, &info, &error), &error)
            marked = None
            if tiles and region.mask_map != NULL:
                marked = tiles_of(&layout.c, &region, memory)
            return (from_box(&region.box, layout.c.ndim), region.threshold, region.miss_rate,
                    region.n_tissue, region.n_missed,
                    dropped_signal(&region.dropped, layout.c.ndim),
                    note or medroi_reason_text(region.reason).decode(),
                    b"" if region.side_nbytes == 0 else region.side[:region.side_nbytes],
                    info.n_left_out, info.n_left_out_voxels, listed_of(&info, layout.c.ndim),
                    marked)
        finally:
            space.give(scratch)

    def count_groups(self, Layout layout not None, const uint8_t[::1] data):
        """The voxels at the threshold, a number, as if all were dropped: see `dropped_signal`."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_dropped found
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef void *scratch = allocate(
            medroi_count_groups_scratch_nbytes(&layout.c, &settings.region))
        with nogil:
            status = medroi_count_groups(&layout.c, start, &settings.region, scratch, &found,
                                         &error)
            free(scratch)
        check(status, &error)
        return dropped_signal(&found, layout.c.ndim)

    def find_mask(self, Layout layout not None, const uint8_t[::1] data, uint64_t background,
                  uint8_t[::1] mask):
        """Fill `mask`, a byte for each voxel of the volume, with the foreground mask."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef uint8_t *target = &mask[0] if mask.shape[0] > 0 else NULL
        cdef void *scratch
        settings.region.background = background
        scratch = allocate(medroi_mask_scratch_nbytes(&layout.c, &settings.region))
        with nogil:
            status = medroi_mask_of_tissue(&layout.c, start, &settings.region, scratch, target,
                                           &error)
            free(scratch)
        check(status, &error)

    def fit(self, Layout layout not None, const uint8_t[::1] data, chunks, memory=None):
        """(threshold or NaN, that of the whole array, bits of the background, note) for chunks of a whole array."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef int64_t shape[8]
        cdef medroi_fitted fitted
        cdef _Space space = _Space(memory)
        cdef const medroi_space *taken = NULL if memory is None else &space.c
        for i in range(layout.c.ndim):
            shape[i] = chunks[i]
        with nogil:
            status = medroi_fit_region(&settings, &layout.c, start, shape, taken, &fitted, &error)
        if space.problem is not None:
            raise space.problem
        check(status, &error)
        return (fitted.threshold, fitted.whole_threshold, fitted.background,
                medroi_reason_text(fitted.reason).decode())

    def shares_target(self):
        """Whether chunks of one scan are to share a target in place of the one that is asked for."""
        return bool(medroi_shares_target(&self.c.coder))

    def fit_target(self, Layout layout not None, const uint8_t[::1] data, chunks, tuple counted=None,
                   bint voxel_mask=False, memory=None):
        """(name, number) of the target that chunks of this whole array share; None where each has its own. `counted`: number, lowest and highest of the voxels of the region, where the array was cleared outside it."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_coder coder = self.c.coder
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        settings.region.voxel_mask = voxel_mask
        cdef const medroi_parameter *target
        cdef double number = 0
        cdef medroi_counted of_region
        cdef int64_t shape[8]
        cdef _Space space = _Space(memory)
        cdef const medroi_space *taken = NULL if memory is None else &space.c
        for i in range(layout.c.ndim):
            shape[i] = chunks[i]
        if counted is not None:
            of_region.n, of_region.low, of_region.high = counted
        with nogil:
            status = medroi_fit_target(&settings, &coder, &layout.c, start, shape,
                                       &of_region if counted is not None else NULL, taken, &target,
                                       &number, &error)
        if space.problem is not None:
            raise space.problem
        check(status, &error)
        return None if target == NULL else (target.name.decode(), number)

    def encode(self, Layout layout not None, const uint8_t[::1] data, hosting, str dtype=None,
               uint32_t threads=1, bint voxel_mask=False):
        """One stream. `dtype` is the text of a date's element type."""
        cdef medroi_settings settings = self.resolve(layout)
        cdef medroi_coder coder = self.c.coder
        cdef medroi_hosted hosted
        cdef medroi_error error
        cdef medroi_status status
        cdef medroi_output stream
        cdef const uint8_t *start = start_of(data)
        cdef bytes text = None if dtype is None else dtype.encode()
        cdef const char *c_text = NULL
        if text is not None:
            c_text = text
        cdef PyObject *holder = NULL
        settings.region.voxel_mask = voxel_mask
        memset(&stream, 0, sizeof(stream))
        memset(&error, 0, sizeof(error))  # a callback may raise where nothing else fails
        stream.reserve = reserve_bytes
        stream.user = &holder
        if coder.native == NULL:
            hosted.codec = hosted_codec(coder.id)
            hosted.user = <void *>hosting
            coder.hosted = &hosted
        with nogil:
            status = medroi_encode_array(&settings, &coder, &layout.c, c_text, start, threads,
                                         &stream, &error)
        if status != MEDROI_OK or (hosting is not None and hosting.problems):
            Py_XDECREF(holder)
            raise_hosted(hosting, &error)
        return shrunk(holder, stream.nbytes)

    def needs_key(self):
        """Whether an HDF5 filter's cd_values have no room for the inner codec's settings."""
        return bool(medroi_cd_needs_key(&self.c))

    def cd_values(self, uint64_t key):
        """The user part of an HDF5 filter's cd_values; `key` stands for settings that need one."""
        cdef unsigned words[MEDROI_MAX_WORDS]
        cdef size_t n = 0
        cdef medroi_error error
        check(medroi_cd_write(&self.c, key, words, &n, &error), &error)
        return tuple(words[i] for i in range(n))

    def __reduce__(self):
        params = None
        if self.c.coder.native != NULL:
            params = tuple(self.c.coder.params[i] for i in range(MEDROI_MAX_PARAMS))
        return Config, (self.options, self.c.coder.id, params, self.inner, self.padding_values)


cdef size_t load_words(tuple words, unsigned *c) except? 0:
    """Copy cd_values, and return their number."""
    if len(words) > MEDROI_MAX_WORDS:
        raise errors.InvalidArgument(f"{len(words)} cd_values: at most {MEDROI_MAX_WORDS} fit")
    for i, word in enumerate(words):
        c[i] = word
    return len(words)


def cd_fields():
    """Every row of the table of cd_values: (word, lowest bit, number of bits, default, meaning)."""
    cdef size_t n = 0
    cdef const medroi_cd_field *table = medroi_cd_fields(&n)
    return [(table[i].word, table[i].bit, table[i].n_bits, table[i].fallback,
             table[i].meaning.decode()) for i in range(n)]


def read_cd_values(tuple words not None):
    """(id of the inner codec, key or 0) of an HDF5 filter's cd_values."""
    cdef unsigned c_words[MEDROI_MAX_WORDS]
    cdef medroi_cd_values found
    cdef medroi_error error
    cdef size_t n = load_words(words, c_words)
    check(medroi_cd_read(c_words, n, &found, &error), &error)
    return found.asked.coder.id, found.key


def config_in_cd_values(tuple words not None):
    """The options in an HDF5 filter's cd_values, as `Config.to_json` gives them."""
    cdef unsigned c_words[MEDROI_MAX_WORDS]
    cdef medroi_cd_values found
    cdef medroi_error error
    cdef char *text = NULL
    cdef size_t n = load_words(words, c_words)
    check(medroi_cd_read(c_words, n, &found, &error), &error)
    check(medroi_config_to_json(&found.asked, &text, &error), &error)
    try:
        return text.decode()
    finally:
        medroi_free(text)


def complete_cd_values(tuple words not None, Layout layout not None):
    """An HDF5 filter's cd_values with their part on a chunk; one that is there has to be it."""
    cdef unsigned c_words[MEDROI_MAX_WORDS]
    cdef unsigned full[MEDROI_MAX_WORDS]
    cdef medroi_cd_values found
    cdef medroi_error error
    cdef size_t n_full = 0
    cdef size_t n = load_words(words, c_words)
    check(medroi_cd_read(c_words, n, &found, &error), &error)
    if found.has_local and not medroi_cd_same_chunk(&found.layout, &layout.c):
        raise errors.CorruptStream("the filter's parameters are not of the dataset's own chunks")
    check(medroi_cd_add_chunk(&found, c_words, &layout.c, full, &n_full, &error), &error)
    return tuple(full[i] for i in range(n_full))


def cd_values_for_crops(tuple words not None, bint is_mask, int axes, bint voxel_mask,
                        uint64_t background):
    """An HDF5 filter's cd_values for chunks that are crops of a scan's region."""
    cdef unsigned c_words[MEDROI_MAX_WORDS]
    cdef unsigned made[MEDROI_MAX_WORDS]
    cdef medroi_cd_crop crop
    cdef medroi_error error
    cdef size_t n = load_words(words, c_words)
    crop.roi = is_mask
    crop.axes = axes
    crop.voxel_mask = voxel_mask
    crop.background = background
    check(medroi_cd_for_crops(c_words, n, &crop, made, &error), &error)
    return tuple(made[i] for i in range(n))


cdef void *reserve_bytes(void *user, size_t capacity) noexcept with gil:
    """Memory for a stream that becomes Python's without a copy."""
    cdef PyObject **holder = <PyObject **>user
    try:
        holder[0] = new_bytes(NULL, capacity)
    except BaseException:
        return NULL
    medroi_expect_large(bytes_memory(holder[0]), capacity)
    return bytes_memory(holder[0])


cdef medroi_codec hosted_codec(int inner_id):
    cdef medroi_codec codec
    memset(&codec, 0, sizeof(codec))
    codec.id = inner_id
    codec.release = hosted_release
    codec.check = hosted_check
    codec.is_lossy = hosted_is_lossy
    codec.slab_extent = hosted_extent
    codec.plan = hosted_plan
    codec.encode = hosted_encode
    codec.decode = hosted_decode
    return codec


cdef tuple shape_of(const medroi_block *block):
    return tuple(block.shape[i] for i in range(block.ndim))


cdef str dtype_of(const medroi_block *block):
    """The elements of a block as numpy spells their type."""
    return f"{'>' if block.big_endian else '<'}{chr(block.kind)}{block.itemsize}"


cdef medroi_status status_of(object problem):
    for status in (MEDROI_CORRUPT_STREAM, MEDROI_UNSUPPORTED_VERSION, MEDROI_INNER_UNAVAILABLE,
                   MEDROI_NO_MEMORY):
        if isinstance(problem, _ERRORS[status]):
            return <medroi_status>status
    return MEDROI_INVALID_ARGUMENT


cdef bytes text_of(object problem):
    """An exception's text as far as the kernel's error holds it."""
    return (str(problem) or type(problem).__name__).encode("utf-8", "replace")[:319]


cdef medroi_status refuse(object problem, medroi_error *error):
    """Hand a callback's exception to the kernel."""
    cdef bytes text = text_of(problem)
    return medroi_fail(error, status_of(problem), "%s", <const char *>text)


cdef medroi_status hosted_failed(object hosting, object problem, medroi_error *error):
    """Hand a callback's exception to its hosting and to the kernel."""
    hosting.failed(problem)
    return refuse(problem, error)


cdef int raise_hosted(object hosting, const medroi_error *error) except -1:
    """Raise what a callback raised, or what the kernel found."""
    if hosting is not None:
        for problem in hosting.problems:
            if text_of(problem) == error.text:
                raise problem
        if hosting.problems:
            raise hosting.problems[0]
    check(error.status, error)
    return 0


cdef void hosted_release(void *user, void *settings) noexcept with gil:
    Py_XDECREF(<PyObject *>settings)


cdef medroi_status hosted_check(void *user, const void *settings, const medroi_block *region,
                                medroi_error *error) noexcept with gil:
    try:
        (<object>user).check(<object>settings, shape_of(region), dtype_of(region))
    except BaseException as problem:
        return hosted_failed(<object>user, problem, error)
    return MEDROI_OK


cdef int hosted_is_lossy(void *user, const void *settings) noexcept with gil:
    try:
        return not (<object>settings).lossless
    except BaseException as problem:
        (<object>user).failed(problem)
        return 0


cdef int64_t hosted_extent(void *user, const void *settings, const medroi_block *region) noexcept with gil:
    try:
        return (<object>user).slab_extent(<object>settings, shape_of(region), dtype_of(region))
    except BaseException as problem:
        (<object>user).failed(problem)
        return -1


cdef medroi_status hosted_plan(void *user, const void *settings, const medroi_block *region,
                               const void *data, void **planned, medroi_error *error) noexcept with gil:
    try:
        memory = PyMemoryView_FromMemory(<char *>data, medroi_block_nbytes(region), PyBUF_READ)
        found = (<object>user).plan(<object>settings, shape_of(region), dtype_of(region), memory)
        Py_INCREF(found)
        planned[0] = <void *>found
    except BaseException as problem:
        return hosted_failed(<object>user, problem, error)
    return MEDROI_OK


cdef medroi_status hosted_encode(void *user, const void *settings, const medroi_block *slab,
                                 const void *data, uint8_t **coded, size_t *nbytes,
                                 medroi_error *error) noexcept with gil:
    cdef const uint8_t[::1] view
    try:
        memory = PyMemoryView_FromMemory(<char *>data, medroi_block_nbytes(slab), PyBUF_READ)
        found = (<object>user).encode(<object>settings, shape_of(slab), dtype_of(slab), memory)
        view = found
        coded[0] = <uint8_t *>medroi_allocate(view.shape[0])
        if coded[0] == NULL:
            raise MemoryError(f"no memory for {view.shape[0]} bytes")
        nbytes[0] = view.shape[0]
        if view.shape[0] > 0:
            memcpy(coded[0], &view[0], view.shape[0])
    except BaseException as problem:
        return hosted_failed(<object>user, problem, error)
    return MEDROI_OK


cdef medroi_status hosted_decode(void *user, const medroi_block *slab, const uint8_t *src,
                                 size_t nbytes, void *dst, medroi_error *error) noexcept with gil:
    try:
        coded = PyMemoryView_FromMemory(<char *>src, nbytes, PyBUF_READ)
        memory = PyMemoryView_FromMemory(<char *>dst, medroi_block_nbytes(slab), PyBUF_WRITE)
        (<object>user).decode(shape_of(slab), dtype_of(slab), coded, memory)
    except BaseException as problem:
        return hosted_failed(<object>user, problem, error)
    return MEDROI_OK


cdef medroi_status provide_hosted(void *user, uint16_t inner_id, medroi_error *error) noexcept with gil:
    try:
        (<object>user).provide(inner_id)
    except BaseException as problem:
        return refuse(problem, error)
    return MEDROI_OK


cdef class Plugin:
    """The HDF5 plugin of this process, which has an engine and a registry of its own.

    `address` is that of its function medroi_h5_get_interface.
    """

    cdef const medroi_h5_interface *c
    cdef list kept

    def __init__(self, size_t address):
        self.c = (<medroi_h5_get><void *>address)()
        self.kept = []
        if self.c.version != MEDROI_H5_INTERFACE_VERSION:
            raise errors.InnerUnavailable(
                f"the HDF5 plugin has interface version {self.c.version}, expected "
                f"{MEDROI_H5_INTERFACE_VERSION}: pip install --force-reinstall medroi")

    def last_error(self):
        """Last refusal of the plugin on this thread; empty where there was none."""
        return self.c.last_error().decode("utf-8", "replace")

    def set_host(self, host):
        """Ask `host.provide(inner_id)` for inner codecs that are not registered; None asks nobody."""
        self.kept.append(host)
        if host is None:
            self.c.set_host(NULL, NULL)
        else:
            self.c.set_host(provide_hosted, <void *>host)

    def register_inner(self, int inner_id, str name not None, hosting not None):
        """Register an inner codec, which goes through `hosting`, with the plugin for good."""
        cdef medroi_codec codec = hosted_codec(inner_id)
        cdef medroi_error error
        cdef bytes text = name.encode()
        codec.name = <const char *>text
        self.kept.append((text, hosting))
        check(self.c.register_inner(&codec, <void *>hosting, &error), &error)

    def keep(self, uint64_t key, Config config not None):
        """Keep the settings of a configuration's inner codec under a key of cd_values for good."""
        cdef medroi_error error
        cdef const double *params = NULL
        if config.c.coder.native != NULL:
            params = config.c.coder.params
        self.kept.append(config)
        check(self.c.keep(key, config.c.coder.id, params, config.c.coder.settings, &error), &error)

    def reader(self):
        """(id of the inner codec, key or 0) in the cd_values of the chunk that this thread decodes."""
        cdef uint16_t inner_id = 0
        cdef uint64_t key = 0
        self.c.reader(&inner_id, &key)
        return inner_id, key

    def encode(self, tuple words not None, const uint8_t[::1] chunk):
        """One chunk to its stream, as the filter does with complete cd_values."""
        cdef unsigned c_words[MEDROI_MAX_WORDS]
        cdef size_t n = load_words(words, c_words), nbytes = chunk.shape[0]
        cdef const uint8_t *start = start_of(chunk)
        cdef medroi_error error
        cdef medroi_status status
        cdef medroi_output stream
        cdef PyObject *holder = NULL
        memset(&stream, 0, sizeof(stream))
        stream.reserve = reserve_bytes
        stream.user = &holder
        with nogil:
            status = self.c.encode(c_words, n, start, nbytes, &stream, &error)
        if status != MEDROI_OK:
            Py_XDECREF(holder)
            check(status, &error)
        return shrunk(holder, stream.nbytes)

    def decode(self, tuple words not None, const uint8_t[::1] stream, uint8_t[::1] chunk):
        """One stream into a chunk's memory, as the filter does."""
        cdef unsigned c_words[MEDROI_MAX_WORDS]
        cdef size_t n = load_words(words, c_words)
        cdef size_t nbytes = stream.shape[0], chunk_nbytes = chunk.shape[0]
        cdef const uint8_t *start = start_of(stream)
        cdef uint8_t *dst = &chunk[0] if chunk.shape[0] > 0 else NULL
        cdef medroi_error error
        cdef medroi_status status
        with nogil:
            status = self.c.decode(c_words, n, start, nbytes, dst, chunk_nbytes, &error)
        check(status, &error)


def state_scan(bytes stream not None, double threshold, double miss_rate):
    """A stream like this one, which states the threshold and the miss rate of a whole scan."""
    cdef medroi_error error
    cdef bytes stated = PyBytes_FromStringAndSize(PyBytes_AsString(stream), len(stream))
    check(medroi_state_scan(<uint8_t *>PyBytes_AsString(stated), len(stated), threshold, miss_rate,
                            &error), &error)
    return stated


def find_background(Layout layout not None, const uint8_t[::1] data, bint dark):
    """The bits of the air's value."""
    cdef medroi_error error
    cdef medroi_status status
    cdef uint64_t background = 0
    cdef const uint8_t *start = start_of(data)
    cdef void *scratch = allocate(medroi_background_scratch_nbytes(&layout.c))
    with nogil:
        status = medroi_find_background(&layout.c, start, dark, scratch, &background, &error)
        free(scratch)
    check(status, &error)
    return background


cdef class Header:
    """Everything a stream says before its payload."""

    cdef medroi_header c
    cdef readonly bytes side
    cdef bytes mask_map
    cdef readonly size_t preamble_nbytes

    @staticmethod
    def read(const uint8_t[::1] stream):
        cdef Header self = Header.__new__(Header)
        cdef medroi_error error
        cdef size_t nbytes = 0
        check(medroi_read_preamble(start_of(stream), stream.shape[0], &self.c, &nbytes, &error),
              &error)
        self._keep(self.c.side[:self.c.side_nbytes])
        return self

    cdef _keep(self, bytes side):
        self.side = side
        self.c.side = <const uint8_t *>PyBytes_AsString(side)
        self.c.side_nbytes = len(side)
        self.preamble_nbytes = medroi_preamble_nbytes(&self.c)

    def mask_info(self):
        """(is a mask, unopened miss rate, mask's bytes, components left out, their voxels,
        ((voxels, box), ...) of the largest of them, dropped signal)."""
        cdef medroi_mask_info info
        cdef medroi_error error
        check(medroi_read_mask_info(&self.c, &info, &error), &error)
        return (bool(info.is_mask), info.unopened_miss_rate, info.mask_nbytes, info.n_left_out,
                info.n_left_out_voxels, listed_of(&info, self.c.layout.ndim),
                dropped_signal(&info.dropped, self.c.layout.ndim))

    cdef const char *map_memory(self) except? NULL:
        """The map of the mask, decoded once; NULL where there is none."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t nbytes = medroi_mask_map_nbytes(&self.c)
        cdef char *memory
        if nbytes == 0:
            return NULL
        if self.mask_map is None:
            mask_map = PyBytes_FromStringAndSize(NULL, nbytes)
            memory = PyBytes_AsString(mask_map)
            with nogil:
                status = medroi_read_mask_map(&self.c, memory, &error)
            check(status, &error)
            self.mask_map = mask_map
        return PyBytes_AsString(self.mask_map)

    def apply_mask(self, box, uint8_t[::1] block):
        """Set what lies outside the mask to background in a dense block, in coding order."""
        cdef medroi_box c_box = to_box(box, self.c.layout.ndim)
        cdef const char *memory = self.map_memory()
        cdef uint8_t *start = &block[0] if block.shape[0] > 0 else NULL
        if memory == NULL or start == NULL:
            return
        with nogil:
            medroi_apply_mask(&self.c, memory, &c_box, start)

    @property
    def shape(self):
        return tuple(self.c.layout.shape[i] for i in range(self.c.layout.ndim))

    @property
    def kind(self):
        return chr(self.c.layout.kind)

    @property
    def itemsize(self):
        return self.c.layout.itemsize

    @property
    def big_endian(self):
        return bool(self.c.layout.big_endian)

    @property
    def f_order(self):
        return bool(self.c.layout.f_order)

    @property
    def axes(self):
        return tuple(i for i in range(self.c.layout.ndim) if self.c.layout.axes >> i & 1)

    @property
    def box(self):
        return from_box(&self.c.box, self.c.layout.ndim)

    @property
    def background(self):
        return self.c.background

    @property
    def threshold(self):
        return self.c.threshold

    @property
    def miss_rate(self):
        return self.c.miss_rate

    @property
    def affine(self):
        return tuple(self.c.affine[i] for i in range(9))

    @property
    def inner_id(self):
        return self.c.inner_id

    @property
    def slice_axis(self):
        return self.c.slice_axis

    @property
    def coding_order(self):
        """Array axes in the order in which an inner codec sees them."""
        cdef int32_t order[8]
        medroi_coding_order(&self.c.layout, self.c.slice_axis, order)
        return tuple(order[i] for i in range(self.c.layout.ndim))

    @property
    def part_extent(self):
        return self.c.part_extent

    @property
    def n_parts(self):
        return medroi_part_count(&self.c)

    def part_box(self, uint64_t part):
        cdef medroi_box box = medroi_part_box(&self.c, part)
        return from_box(&box, self.c.layout.ndim)

    @property
    def payload_nbytes(self):
        return self.c.payload_nbytes

    @property
    def payload_crc(self):
        return self.c.payload_crc


def peek_preamble_nbytes(const uint8_t[::1] start):
    """Length of the preamble that begins like this; nothing is verified."""
    cdef medroi_error error
    cdef size_t nbytes = 0
    check(medroi_peek_preamble(start_of(start), start.shape[0], &nbytes, &error), &error)
    return nbytes


def has_inner(int inner_id):
    """Whether this build has the native inner codec of this id."""
    return medroi_find_inner(inner_id) != NULL


cdef int read_params(tuple params, double *c) except -1:
    if len(params) > MEDROI_MAX_PARAMS:
        raise ValueError("too many parameters for a native inner codec")
    for i in range(MEDROI_MAX_PARAMS):
        c[i] = params[i] if i < len(params) else 0.0
    return 0


cdef class Block:
    """A dense array as an inner codec sees it: coding order, last axis fastest."""

    cdef medroi_block c

    def __init__(self, shape, str kind, int itemsize, bint big_endian):
        memset(&self.c, 0, sizeof(self.c))
        self.c.ndim = len(shape)
        for i in range(self.c.ndim):
            self.c.shape[i] = shape[i]
        self.c.kind = <char>ord(kind)
        self.c.itemsize = itemsize
        self.c.big_endian = big_endian


cdef const medroi_inner *find_inner(int inner_id) except NULL:
    cdef const medroi_inner *inner = medroi_find_inner(inner_id)
    if inner == NULL:
        raise errors.InnerUnavailable(f"inner codec id {inner_id} is not part of this build")
    return inner


def check_block(int inner_id, Block region not None, tuple params):
    """Refuse a region that the native inner codec cannot code."""
    cdef medroi_error error
    cdef double c_params[MEDROI_MAX_PARAMS]
    cdef const medroi_inner *inner = find_inner(inner_id)
    read_params(params, c_params)
    if inner.check != NULL:
        check(inner.check(&region.c, c_params, &error), &error)


def part_extent(int inner_id, Block region not None, tuple params):
    """Slices per part that the native inner codec wants."""
    cdef double c_params[MEDROI_MAX_PARAMS]
    read_params(params, c_params)
    return find_inner(inner_id).part_extent(&region.c, c_params)


def plan(int inner_id, Block region not None, const uint8_t[::1] data, tuple params):
    """The parameters with which each part of this region is coded."""
    cdef medroi_error error
    cdef medroi_status status
    cdef double c_params[MEDROI_MAX_PARAMS]
    cdef const medroi_inner *inner = find_inner(inner_id)
    cdef const uint8_t *start = start_of(data)
    read_params(params, c_params)
    if inner.plan == NULL:
        return params
    with nogil:
        status = inner.plan(&region.c, start, NULL, c_params, &error)
    check(status, &error)
    return tuple(c_params[i] for i in range(MEDROI_MAX_PARAMS))


def noise_sigma(Block block not None, const uint8_t[::1] data, const uint8_t[::1] inside):
    """Standard deviation of the noise of the voxels that are inside, in stored units; None where no square of four is."""
    cdef medroi_error error
    cdef medroi_status status
    cdef medroi_w3_noise found
    cdef const uint8_t *start = start_of(data)
    cdef const uint8_t *marks = start_of(inside)
    with nogil:
        status = medroi_w3_noise_of(&block.c, start, marks, &found, &error)
    check(status, &error)
    return found.sigma if found.n_squares > 0 else None


def encode_part(int inner_id, Block part not None, const uint8_t[::1] data, tuple params):
    """One part, coded by the native inner codec."""
    cdef medroi_error error
    cdef medroi_status status
    cdef double c_params[MEDROI_MAX_PARAMS]
    cdef const medroi_inner *inner = find_inner(inner_id)
    cdef const uint8_t *start = start_of(data)
    cdef size_t capacity, nbytes = 0
    cdef PyObject *coded
    cdef uint8_t *dst
    read_params(params, c_params)
    if inner.encode == NULL:
        return bytes(data)
    capacity = inner.bound(&part.c, c_params)
    coded = new_bytes(NULL, capacity)
    dst = <uint8_t *>bytes_memory(coded)
    with nogil:
        status = inner.encode(&part.c, start, NULL, c_params, dst, capacity, &nbytes, &error)
    if status != MEDROI_OK:
        Py_XDECREF(coded)
        check(status, &error)
    return shrunk(coded, nbytes)


def decode_part(int inner_id, Block part not None, const uint8_t[::1] coded, uint8_t[::1] out):
    """Decode one part of a native inner codec into dense memory."""
    cdef medroi_error error
    cdef medroi_status status
    cdef const medroi_inner *inner = find_inner(inner_id)
    cdef const uint8_t *start = start_of(coded)
    cdef size_t nbytes = coded.shape[0]
    cdef uint8_t *dst = &out[0]
    if medroi_block_nbytes(&part.c) != <size_t>out.shape[0]:
        raise ValueError("the output does not have the size of the part")
    if inner.decode == NULL:
        if nbytes != <size_t>out.shape[0]:
            raise errors.CorruptStream(
                f"corrupt stream: a raw part has {nbytes} bytes, expected {out.shape[0]}")
        out[:] = coded
        return
    with nogil:
        status = inner.decode(&part.c, start, nbytes, dst, &error)
    check(status, &error)


def check_payload(Header header not None, const uint8_t[::1] payload):
    """Check a payload's length and slab table against the header."""
    cdef medroi_error error
    check(medroi_check_payload(&header.c, start_of(payload), payload.shape[0], &error), &error)


def check_table(Header header not None, const uint8_t[::1] table):
    """Check a slab table against the header."""
    cdef medroi_error error
    check(medroi_check_table(&header.c, start_of(table), table.shape[0], &error), &error)


def decode(Header header not None, const uint8_t[::1] payload, uint8_t[::1] out, hosting=None,
           uint32_t threads=1):
    """Decode a payload into the memory of the whole array; by `hosting` where it is given."""
    cdef medroi_error error
    cdef medroi_status status
    cdef medroi_hosted hosted
    cdef const medroi_hosted *by = NULL
    cdef const uint8_t *start = start_of(payload)
    cdef size_t payload_nbytes = payload.shape[0]
    cdef uint8_t *dst = &out[0] if out.shape[0] > 0 else NULL
    cdef void *scratch = allocate(medroi_decode_scratch_nbytes(&header.c, threads))
    if hosting is not None:
        hosted.codec = hosted_codec(header.c.inner_id)
        hosted.user = <void *>hosting
        by = &hosted
    with nogil:
        status = medroi_decode_stream(&header.c, start, payload_nbytes, by, threads, scratch, dst,
                                      &error)
        free(scratch)
    if status != MEDROI_OK:
        raise_hosted(hosting, &error)


def decode_slab(Header header not None, uint64_t number, const uint8_t[::1] coded, uint32_t crc,
                box, uint8_t[::1] out, hosting=None):
    """Decode one slab and paste what a box has of it into the box's memory, in C order."""
    cdef medroi_error error
    cdef medroi_status status
    cdef medroi_hosted hosted
    cdef const medroi_hosted *by = NULL
    cdef medroi_box c_box = to_box(box, header.c.layout.ndim)
    cdef const uint8_t *start = start_of(coded)
    cdef size_t nbytes = coded.shape[0]
    cdef uint8_t *dst = &out[0] if out.shape[0] > 0 else NULL
    cdef const char *map_memory = header.map_memory()
    if hosting is not None:
        hosted.codec = hosted_codec(header.c.inner_id)
        hosted.user = <void *>hosting
        by = &hosted
    with nogil:
        status = medroi_decode_slab_into(&header.c, by, map_memory, number, start, nbytes, crc,
                                         &c_box, dst, &error)
    if status != MEDROI_OK:
        raise_hosted(hosting, &error)


def crc32(const uint8_t[::1] data, uint32_t crc=0):
    """CRC-32 as in zlib, by the kernel."""
    cdef const uint8_t *start = start_of(data)
    cdef size_t nbytes = data.shape[0]
    with nogil:
        crc = medroi_crc32(crc, start, nbytes)
    return crc


cdef class ValueMap:
    """Intensities as integers of at most 16 bits, for codecs that know nothing else."""

    cdef medroi_intmap c

    def __dealloc__(self):
        medroi_intmap_free(&self.c)

    @staticmethod
    def find(Block block not None, const uint8_t[::1] data, bint affine, uint32_t max_index):
        """The map of a block; `affine` asks for one without a table."""
        cdef ValueMap self = ValueMap.__new__(ValueMap)
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        with nogil:
            status = medroi_intmap_find(&block.c, start, affine, max_index, &self.c, &error)
        check(status, &error)
        return self

    @staticmethod
    def read(Block block not None, const uint8_t[::1] coded):
        """The map with which a part begins, and its length in bytes."""
        cdef ValueMap self = ValueMap.__new__(ValueMap)
        cdef medroi_error error
        cdef size_t nbytes = 0
        check(medroi_intmap_read(&block.c, start_of(coded), coded.shape[0], &self.c, &nbytes,
                                 &error), &error)
        return self, nbytes

    @property
    def max_index(self):
        return self.c.max_index

    @property
    def step(self):
        """Distance of the values of neighbouring indices; 0 for a table."""
        return 0.0 if self.c.kind == 2 else self.c.step if self.c.kind == 1 else self.c.integer_step

    def to_bytes(self, Block block not None):
        cdef size_t nbytes = medroi_intmap_nbytes(&self.c, &block.c)
        cdef bytes coded = PyBytes_FromStringAndSize(NULL, nbytes)
        medroi_intmap_write(&self.c, &block.c, <uint8_t *>PyBytes_AsString(coded))
        return coded

    def apply(self, Block block not None, const uint8_t[::1] data, int32_t[::1] indices):
        """Indices of all elements of a block."""
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef size_t count = indices.shape[0]
        with nogil:
            status = medroi_intmap_apply(&self.c, &block.c, start, 0, count, &indices[0], &error)
        check(status, &error)

    def apply_short(self, Block block not None, const uint8_t[::1] data, uint8_t[::1] indices):
        """Indices of all elements of a block, of 1 or 2 bytes in the machine's order."""
        cdef medroi_error error
        cdef medroi_status status
        cdef const uint8_t *start = start_of(data)
        cdef size_t count = data.shape[0] // block.c.itemsize
        cdef size_t index_nbytes = indices.shape[0] // count
        with nogil:
            status = medroi_intmap_apply_short(&self.c, &block.c, start, count, index_nbytes,
                                               &indices[0], &error)
        check(status, &error)

    def invert(self, Block block not None, const int32_t[::1] indices, uint8_t[::1] out):
        """Elements from their indices."""
        cdef size_t count = indices.shape[0]
        with nogil:
            medroi_intmap_invert(&self.c, &block.c, &indices[0], 0, count, &out[0])


def check_codestream(uint32_t width, uint32_t height, const uint8_t[::1] coded):
    """Refuse what is not a JPEG 2000 codestream of one slice of this size."""
    cdef medroi_error error
    cdef medroi_j2k_slice slice_
    slice_.width = width
    slice_.height = height
    slice_.precision = 0
    check(medroi_j2k_check(&slice_, start_of(coded), coded.shape[0], &error), &error)


cdef extern from "entropy/symbols.h" nogil:
    ctypedef struct medroi_symbol_tables:
        const uint32_t *cdf
        const int32_t *lengths
        const int32_t *offsets
        size_t n_rows
        size_t width
    medroi_status medroi_symbols_check_tables(const medroi_symbol_tables *, medroi_error *)
    medroi_status medroi_symbols_capacity(const medroi_symbol_tables *, const int32_t *,
                                          const uint16_t *, size_t, size_t *, medroi_error *)
    medroi_status medroi_symbols_encode(const medroi_symbol_tables *, const int32_t *,
                                        const uint16_t *, size_t, uint8_t *, size_t, size_t *,
                                        medroi_error *)
    medroi_status medroi_symbols_decode(const medroi_symbol_tables *, const uint8_t *, size_t,
                                        const uint16_t *, size_t, int32_t *, medroi_error *)

    ctypedef struct medroi_symbol_reader:
        pass
    medroi_status medroi_symbols_open(medroi_symbol_reader *, const uint8_t *, size_t,
                                      medroi_error *)
    medroi_status medroi_symbols_take(medroi_symbol_reader *, const medroi_symbol_tables *,
                                      const uint16_t *, size_t, int32_t *, medroi_error *)
    medroi_status medroi_symbols_close(const medroi_symbol_reader *, medroi_error *)


cdef class SymbolTables:
    """Frozen tables of probabilities, one row per context."""

    cdef medroi_symbol_tables c
    cdef object kept

    def __init__(self, const uint32_t[:, ::1] cdf not None, const int32_t[::1] lengths not None,
                 const int32_t[::1] offsets not None):
        cdef medroi_error error
        if not 0 < cdf.shape[0] == lengths.shape[0] == offsets.shape[0] or cdf.shape[1] < 2:
            raise errors.InvalidArgument("symbols: as many rows of cdf, lengths and offsets, 1 and up")
        self.kept = (cdf, lengths, offsets)
        self.c.cdf = &cdf[0, 0]
        self.c.lengths = &lengths[0]
        self.c.offsets = &offsets[0]
        self.c.n_rows = cdf.shape[0]
        self.c.width = cdf.shape[1]
        check(medroi_symbols_check_tables(&self.c, &error), &error)

    def encode(self, const int32_t[::1] symbols not None, const uint16_t[::1] rows not None):
        """Bytes of symbols, symbol i under row rows[i]."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t count = symbols.shape[0], capacity = 0, nbytes = 0
        cdef const int32_t *values = &symbols[0] if count > 0 else NULL
        cdef const uint16_t *chosen = &rows[0] if count > 0 else NULL
        cdef PyObject *coded
        cdef uint8_t *dst
        if rows.shape[0] != symbols.shape[0]:
            raise errors.InvalidArgument(f"symbols: {count} symbols and {rows.shape[0]} rows")
        check(medroi_symbols_capacity(&self.c, values, chosen, count, &capacity, &error), &error)
        coded = new_bytes(NULL, capacity)
        dst = <uint8_t *>bytes_memory(coded)
        with nogil:
            status = medroi_symbols_encode(&self.c, values, chosen, count, dst, capacity, &nbytes,
                                           &error)
        if status != MEDROI_OK:
            Py_XDECREF(coded)
            check(status, &error)
        return shrunk(coded, nbytes)

    def decode(self, const uint8_t[::1] coded not None, const uint16_t[::1] rows not None,
               int32_t[::1] out not None):
        """Decode as many symbols as there are rows, from exactly these bytes."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t count = out.shape[0], nbytes = coded.shape[0]
        cdef const uint8_t *start = start_of(coded)
        cdef const uint16_t *chosen = &rows[0] if count > 0 else NULL
        cdef int32_t *values = &out[0] if count > 0 else NULL
        if rows.shape[0] != out.shape[0]:
            raise errors.InvalidArgument(f"symbols: {count} symbols and {rows.shape[0]} rows")
        with nogil:
            status = medroi_symbols_decode(&self.c, start, nbytes, chosen, count, values, &error)
        check(status, &error)


cdef class SymbolReader:
    """A decoder of symbols whose rows follow from symbols before them."""

    cdef medroi_symbol_reader c
    cdef SymbolTables tables
    cdef object kept

    def __init__(self, SymbolTables tables not None, const uint8_t[::1] coded not None):
        cdef medroi_error error
        self.tables = tables
        self.kept = coded
        check(medroi_symbols_open(&self.c, start_of(coded), coded.shape[0], &error), &error)

    def take(self, const uint16_t[::1] rows not None, int32_t[::1] out not None):
        """Decode the next symbols, as many as there are rows."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t count = out.shape[0]
        cdef const uint16_t *chosen = &rows[0] if count > 0 else NULL
        cdef int32_t *values = &out[0] if count > 0 else NULL
        if rows.shape[0] != out.shape[0]:
            raise errors.InvalidArgument(f"symbols: {count} symbols and {rows.shape[0]} rows")
        with nogil:
            status = medroi_symbols_take(&self.c, &self.tables.c, chosen, count, values, &error)
        check(status, &error)

    def finish(self):
        """Refuse bytes behind the last symbol."""
        cdef medroi_error error
        check(medroi_symbols_close(&self.c, &error), &error)


cdef extern from "entropy/mixture.h" nogil:
    ctypedef struct medroi_mixtures:
        size_t count
        size_t components
        const uint8_t *weights
        const int32_t *means
        const uint8_t *scales
        const int32_t *low
        const int32_t *high
    medroi_status medroi_mixtures_check(const medroi_mixtures *, medroi_error *)
    size_t medroi_mixtures_capacity(size_t)
    medroi_status medroi_mixtures_encode(const medroi_mixtures *, const int32_t *, uint8_t *, size_t,
                                         size_t *, medroi_error *)
    medroi_status medroi_mixtures_decode(const medroi_mixtures *, const uint8_t *, size_t, int32_t *,
                                         medroi_error *)


cdef class Mixtures:
    """Mixtures of logistics, one per symbol, as integers (FORMAT.md)."""

    cdef medroi_mixtures c
    cdef object kept

    def __init__(self, const uint8_t[:, ::1] weights not None, const int32_t[:, ::1] means not None,
                 const uint8_t[:, ::1] scales not None, const int32_t[::1] low not None,
                 const int32_t[::1] high not None):
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t count = low.shape[0], components = weights.shape[1]
        shape = (weights.shape[0], weights.shape[1])
        if shape != (means.shape[0], means.shape[1]) or shape != (scales.shape[0], scales.shape[1]) \
                or not low.shape[0] == high.shape[0] == weights.shape[0] or components == 0:
            raise errors.InvalidArgument(
                f"mixtures: weights of shape {shape} beside {means.shape[0]} x {means.shape[1]} "
                f"means, {scales.shape[0]} x {scales.shape[1]} scales, {low.shape[0]} and "
                f"{high.shape[0]} limits")
        self.kept = (weights, means, scales, low, high)
        self.c.count = count
        self.c.components = components
        if count > 0:
            self.c.weights = &weights[0, 0]
            self.c.means = &means[0, 0]
            self.c.scales = &scales[0, 0]
            self.c.low = &low[0]
            self.c.high = &high[0]
        with nogil:
            status = medroi_mixtures_check(&self.c, &error)
        check(status, &error)

    def encode(self, const int32_t[::1] symbols not None):
        """Bytes of one symbol per mixture."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t capacity = medroi_mixtures_capacity(self.c.count), nbytes = 0
        cdef const int32_t *values = &symbols[0] if symbols.shape[0] > 0 else NULL
        cdef PyObject *coded
        cdef uint8_t *dst
        if <size_t>symbols.shape[0] != self.c.count:
            raise errors.InvalidArgument(
                f"mixtures: {symbols.shape[0]} symbols for {self.c.count} mixtures")
        coded = new_bytes(NULL, capacity)
        dst = <uint8_t *>bytes_memory(coded)
        with nogil:
            status = medroi_mixtures_encode(&self.c, values, dst, capacity, &nbytes, &error)
        if status != MEDROI_OK:
            Py_XDECREF(coded)
            check(status, &error)
        return shrunk(coded, nbytes)

    def decode(self, const uint8_t[::1] coded not None, int32_t[::1] out not None):
        """Decode one symbol per mixture from exactly these bytes."""
        cdef medroi_error error
        cdef medroi_status status
        cdef size_t nbytes = coded.shape[0]
        cdef const uint8_t *start = start_of(coded)
        cdef int32_t *values = &out[0] if out.shape[0] > 0 else NULL
        if <size_t>out.shape[0] != self.c.count:
            raise errors.InvalidArgument(
                f"mixtures: room for {out.shape[0]} symbols of {self.c.count} mixtures")
        with nogil:
            status = medroi_mixtures_decode(&self.c, start, nbytes, values, &error)
        check(status, &error)
