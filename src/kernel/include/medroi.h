/* MedROI: discard the air of medical volumes before compression, and put it back.
 *
 * The public interface of the engine: configuration, encode, decode, decode of a box, inspect, fit,
 * masks, and inner codecs of your own. C11 and C++. FORMAT.md is normative for every byte.
 *
 *     medroi_config *config = NULL;
 *     medroi_output stream = {0};
 *     medroi_config_from_json("{\"inner\": \"predict3d\", \"roi\": \"mask\"}", &config, &error);
 *     medroi_encode(NULL, config, &layout, voxels, &stream, &error);
 *     medroi_decode(NULL, stream.data, stream.nbytes, restored, restored_nbytes, &error);
 *     medroi_free(stream.data);
 *     medroi_config_free(config);
 *
 * Functions that can fail return a status and fill `error`, which may be NULL. Handles may be used
 * by several threads at a time, except for a context: one call at a time.
 */
#ifndef MEDROI_H
#define MEDROI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(MEDROI_SHARED)
#define MEDROI_API __declspec(dllexport)
#elif defined(__GNUC__) && defined(MEDROI_SHARED)
#define MEDROI_API __attribute__((visibility("default")))
#else
#define MEDROI_API
#endif

#define MEDROI_VERSION "0.1.0"
#define MEDROI_FORMAT_VERSION 1
#define MEDROI_MAX_AXES 8
#define MEDROI_RECORD_NBYTES 54
#define MEDROI_MAX_LEFT_OUT 16

/* The version of this library, as MEDROI_VERSION was when it was built. */
MEDROI_API const char *medroi_version(void);

/* --- Errors --- */

typedef enum medroi_status {
    MEDROI_OK = 0,
    MEDROI_INVALID_ARGUMENT = 1,
    MEDROI_CORRUPT_STREAM = 2,
    MEDROI_UNSUPPORTED_VERSION = 3,
    MEDROI_INNER_UNAVAILABLE = 4,
    MEDROI_NO_MEMORY = 5
} medroi_status;

/* Description of an error for a person: what was found, what was expected, what to do. */
typedef struct medroi_error {
    medroi_status status;
    char text[320];
} medroi_error;

/* Fill `error` (may be NULL) printf-style and return `status`. For inner codecs. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
MEDROI_API medroi_status
medroi_fail(medroi_error *error, medroi_status status, const char *format, ...);

/* A few words for a status. */
MEDROI_API const char *medroi_status_text(medroi_status status);

/* --- Arrays --- */

/* A dense array in memory: C contiguous, or F contiguous when f_order is 1. */
typedef struct medroi_layout {
    int32_t ndim; /* 1 to 8 */
    int64_t shape[MEDROI_MAX_AXES];
    char kind; /* numpy kind: b i u f are numbers; c M m S U V are opaque */
    uint8_t big_endian;
    uint8_t f_order;
    uint8_t axes; /* bit i: array axis i belongs to the volume; set by medroi_encode() */
    uint16_t itemsize;
} medroi_layout;

/* Half-open bounds per array axis. */
typedef struct medroi_box {
    int64_t start[MEDROI_MAX_AXES];
    int64_t stop[MEDROI_MAX_AXES];
} medroi_box;

/* Bytes of an array, or 0 where they are more than size_t holds. */
MEDROI_API size_t medroi_array_nbytes(const medroi_layout *layout);

/* --- Configuration --- */

typedef struct medroi_config medroi_config;

/* One option of a configuration: the parameter of this name of every binding. */
typedef struct medroi_option {
    const char *name;
    const char *fallback; /* as JSON */
    const char *limits;   /* the values that it takes, in JSON's words */
    const char *help;
    const char *const
        *choices; /* names among these values, up to a NULL; NULL where there are none */
} medroi_option;
MEDROI_API const medroi_option *medroi_options(size_t *n);

/* A configuration from the JSON object that numcodecs keeps for the codec `medroi` ("id" is
 * ignored); NULL or "{}" is every default. Unknown keys and values out of range are refused. */
MEDROI_API medroi_status medroi_config_from_json(const char *text, medroi_config **config,
                                                 medroi_error *error);
/* The JSON object, complete, to be released with medroi_free(). */
MEDROI_API medroi_status medroi_config_to_json(const medroi_config *config, char **text,
                                               medroi_error *error);
MEDROI_API void medroi_config_free(medroi_config *config);
/* Declare values from `low` to `high`, stored units, both included, to be padding, as DICOM's Pixel
 * Padding Value does: neither tissue nor air, they come back as themselves. This belongs to one
 * scan, and is in no JSON. */
MEDROI_API medroi_status medroi_config_set_padding_values(medroi_config *config, double low,
                                                          double high, medroi_error *error);

/* --- Work --- */

/* Threads, and where memory for results comes from. NULL, wherever a context is asked for: one
 * thread, malloc(). The bytes of a stream are the same for any number of threads. */
typedef struct medroi_context medroi_context;
MEDROI_API medroi_status medroi_context_new(uint32_t n_threads, medroi_context **context,
                                            medroi_error *error);
MEDROI_API void medroi_context_free(medroi_context *context);

/* Where a result goes. All zero: memory from malloc(), for medroi_free(). With `reserve`, the
 * memory that it gives for `capacity` bytes (asked for once), of which the first `nbytes` hold the
 * result in the end; NULL from it is a failure. */
typedef struct medroi_output {
    uint8_t *data;
    size_t nbytes;
    size_t capacity;
    void *(*reserve)(void *user, size_t capacity);
    void *user;
} medroi_output;

MEDROI_API void medroi_free(void *memory);

/* Encode one array to one stream. */
MEDROI_API medroi_status medroi_encode(medroi_context *context, const medroi_config *config,
                                       const medroi_layout *layout, const void *data,
                                       medroi_output *stream, medroi_error *error);

/* Header of a stream. */
typedef struct medroi_info {
    medroi_layout layout;
    medroi_box box; /* of the region; start == stop == 0 everywhere where it is empty */
    uint8_t record[MEDROI_RECORD_NBYTES];
    uint64_t background;       /* bits of one element in native byte order */
    double threshold;          /* stored units; NaN: every voxel but background is kept */
    double miss_rate;          /* share of voxels at the threshold outside the region */
    float affine[9];           /* upper-left 3x3, row major */
    uint8_t is_mask;           /* 0: the region is its box */
    double unopened_miss_rate; /* of masks of earlier builds, whose miss_rate is of opened tissue */
    uint32_t mask_nbytes;
    uint64_t n_left_out;        /* connected components left out of the region */
    uint64_t n_left_out_voxels; /* in all of them */
    uint32_t n_listed;          /* the largest of them: */
    uint64_t left_out_voxels[MEDROI_MAX_LEFT_OUT];
    medroi_box left_out[MEDROI_MAX_LEFT_OUT];
    double signal_level;        /* stored units; NaN where no signal is dropped */
    uint64_t n_signal;          /* voxels at that level; 0 where none of them is dropped */
    uint64_t n_dropped_signal;  /* of these, outside the region */
    uint64_t n_largest_dropped; /* in their largest connected group (26 neighbours), */
    double largest_dropped_peak;
    medroi_box largest_dropped; /* which lies here */
    uint16_t inner_id;
    const char *inner_name; /* NULL where this build does not know it */
    uint8_t slice_axis;
    uint64_t n_slabs; /* slabs of the payload that decode alone */
    uint64_t payload_nbytes;
    uint64_t header_nbytes;
} medroi_info;
/* Read and check everything but the slabs themselves. */
MEDROI_API medroi_status medroi_inspect(const void *stream, size_t nbytes, medroi_info *info,
                                        medroi_error *error);

/* Decode one stream into the memory of the whole array, `data_nbytes` long. */
MEDROI_API medroi_status medroi_decode(medroi_context *context, const void *stream, size_t nbytes,
                                       void *data, size_t data_nbytes, medroi_error *error);
/* Decode a box of the array into dense memory in C order; reads the slabs that it touches alone. */
MEDROI_API medroi_status medroi_decode_box(medroi_context *context, const void *stream,
                                           size_t nbytes, const medroi_box *box, void *data,
                                           size_t data_nbytes, medroi_error *error);

/* A configuration whose threshold and background are numbers, found in a whole array, such that
 * chunks of `chunk_shape` (NULL: one chunk), each encoded alone, keep its tissue. A target of the
 * inner codec that refers to the noise of the scan becomes a step. `*note` (may be
 * NULL) says why every voxel is kept, or is empty. */
MEDROI_API medroi_status medroi_fit(medroi_context *context, const medroi_config *config,
                                    const medroi_layout *layout, const void *data,
                                    const int64_t *chunk_shape, medroi_config **fitted,
                                    const char **note, medroi_error *error);

/* The contour of the tissue, closed and without holes: a byte, 0 or 1, for each voxel of the
 * volume, its axes in memory order. */
MEDROI_API medroi_status medroi_find_mask(medroi_context *context, const medroi_config *config,
                                          const medroi_layout *layout, const void *data,
                                          uint8_t *mask, size_t mask_nbytes, medroi_error *error);

/* --- Inner codecs --- */

/* Input of an inner codec: a dense array, C order, outermost axis first (coding order). */
typedef struct medroi_block {
    int32_t ndim;
    int64_t shape[MEDROI_MAX_AXES];
    char kind;
    uint8_t big_endian;
    uint16_t itemsize;
} medroi_block;

MEDROI_API size_t medroi_block_nbytes(const medroi_block *block);

/* An inner codec of your own. `user` is what it was registered with. Functions may be called by
 * several threads at a time. The slabs of a region, cut along its first axis, are coded
 * independently of each other and describe themselves: decoding gets no settings. */
typedef struct medroi_codec {
    uint16_t id; /* FORMAT.md, section 6: 64 to 65535 are for other packages */
    const char *name;
    /* Make settings from the object `{"id": name, ...}` in a configuration, refusing what it does
     * not know. NULL: the codec has no settings. */
    medroi_status (*configure)(void *user, const char *json, void **settings, medroi_error *error);
    void (*release)(void *user, void *settings);
    /* Refuse a region before any byte is written. NULL: everything can be coded. */
    medroi_status (*check)(void *user, const void *settings, const medroi_block *region,
                           medroi_error *error);
    /* Whether voxels may come back changed. NULL: never. With roi "mask", where every voxel is
     * kept, the mask of what differs from the background keeps a lossy codec from changing that. */
    int (*is_lossy)(void *user, const void *settings);
    /* Slices (along the first axis) per slab; below 0 the region is refused. NULL: all. */
    int64_t (*slab_extent)(void *user, const void *settings, const medroi_block *region);
    /* Look at the whole region before its slabs are coded, and make the settings for them, which
     * are released afterwards. NULL: the settings are those of the configuration. */
    medroi_status (*plan)(void *user, const void *settings, const medroi_block *region,
                          const void *data, void **planned, medroi_error *error);
    /* Code one slab into memory of medroi_allocate(). */
    medroi_status (*encode)(void *user, const void *settings, const medroi_block *slab,
                            const void *data, uint8_t **coded, size_t *nbytes, medroi_error *error);
    /* `dst` holds medroi_block_nbytes(slab). Must survive any bytes. */
    medroi_status (*decode)(void *user, const medroi_block *slab, const uint8_t *src, size_t nbytes,
                            void *dst, medroi_error *error);
} medroi_codec;

/* Memory for medroi_codec.encode; NULL where there is none. */
MEDROI_API void *medroi_allocate(size_t nbytes);

/* Register an inner codec for this process. Ids and names that are taken are refused. The struct is
 * copied; its name and `user` have to stay. */
MEDROI_API medroi_status medroi_register_inner(const medroi_codec *codec, void *user,
                                               medroi_error *error);

#ifdef __cplusplus
}
#endif

#endif
