/* Shared by the engine's files, and called by its bindings below the public interface. */
#ifndef MEDROI_ENGINE_H
#define MEDROI_ENGINE_H

#include "engine/config.h"

struct medroi_context {
    uint32_t n_threads;
};

/* --- parts.c --- */
/* The region's, or a slab's, box as the block that an inner codec sees. */
medroi_block medroi_block_of_box(const medroi_header *header, const medroi_box *box);
/* The layout of one byte for each element of an array. */
medroi_layout medroi_flags_layout(const medroi_layout *layout);
/* Memory for a result; NULL where there is none. */
uint8_t *medroi_reserve(medroi_output *output, size_t capacity);
/* One slab, whose bytes were checked, into dense memory in coding order. */
medroi_status medroi_decode_slab(const medroi_header *header, const medroi_inner *native,
                                 const medroi_hosted *hosted, const medroi_box *box,
                                 const uint8_t *coded, size_t nbytes, void *slab,
                                 medroi_error *error);
/* Refuse for want of the inner codec that a header names. */
medroi_status medroi_inner_is_absent(const medroi_header *header, medroi_error *error);

/* The map of a stream's mask in memory of its own, for free(); NULL where the stream is a box. */
medroi_status medroi_load_mask(const medroi_header *header, void **map, medroi_error *error);

/* --- settings.c --- */
/* Whether a threshold means anything: of all other arrays everything is kept. */
int medroi_is_image(const medroi_layout *layout);
/* Set the background of the options, where it has to be found. Returns 0 where it cannot be found:
 * then nothing is dropped. `scratch` holds medroi_choice_scratch_nbytes(). */
int medroi_choose_background(const medroi_settings *settings, const medroi_layout *layout,
                             const void *data, void *scratch, medroi_region_options *options);
size_t medroi_choice_scratch_nbytes(const medroi_settings *settings, const medroi_layout *layout);
/* Why "auto" kept every voxel, for a person; empty where it did not. */
const char *medroi_reason_text(medroi_reason reason);

/* --- pipeline.c --- */
/* Flags of a box's elements, dense, in coding order: 0 outside the mask, of which this is the map.
 */
void medroi_mark_kept(const medroi_header *header, const void *map, const medroi_box *box,
                      uint8_t *flags);
/* Decode a stream whose preamble was read into `header`; `data` holds the whole array. `hosted`,
 * where it is not NULL, decodes in place of the kernel. `scratch` holds
 * medroi_decode_scratch_nbytes(). */
medroi_status medroi_decode_stream(const medroi_header *header, const uint8_t *payload,
                                   size_t payload_nbytes, const medroi_hosted *hosted,
                                   uint32_t n_threads, void *scratch, void *data,
                                   medroi_error *error);

/* Check a slab table against the header. */
medroi_status medroi_check_table(const medroi_header *header, const uint8_t *table, size_t nbytes,
                                 medroi_error *error);

/* --- encode.c --- */
/* Whether an inner codec with these settings may change voxels. */
int medroi_is_lossy(const medroi_coder *coder);
/* Give a codec that asks for it the spacing of the volume, along the axes as it sees them. */
void medroi_add_spacing(const medroi_header *header, const double spacing_mm[3], double *params);
/* Encode one array. `settings` are those of medroi_resolve() for `layout`; `dtype` is the text of a
 * date's element type, or NULL. */
medroi_status medroi_encode_array(const medroi_settings *settings, const medroi_coder *coder,
                                  const medroi_layout *layout, const char *dtype, const void *data,
                                  uint32_t n_threads, medroi_output *stream, medroi_error *error);

/* --- hosted.c --- */
/* The stream of a header that is complete but for its payload. */
medroi_status medroi_encode_hosted(medroi_header *header, const medroi_coder *coder,
                                   const void *data, uint32_t n_threads, medroi_output *stream,
                                   medroi_error *error);

/* --- space.c --- */
/* Where the working space of a fit comes from: of a large array it is larger than memory. */
typedef struct medroi_space {
    void *user;
    void *(*take)(void *user, size_t nbytes); /* NULL where there is none */
    void (*give)(void *user, void *memory);
} medroi_space;

/* That of malloc() where none is given. */
medroi_space medroi_space_or_heap(const medroi_space *space);

/* --- fit.c --- */
/* Numbers that a fit finds. */
typedef struct medroi_fitted {
    uint64_t background;    /* bits of an element */
    double threshold;       /* for the chunks; NaN: none */
    double whole_threshold; /* of the array as a whole, before it was lowered for them */
    medroi_reason reason;   /* why nothing is dropped, where nothing is */
} medroi_fitted;

/* Fit threshold and background for chunks of a whole array. `space` is NULL for malloc(). */
medroi_status medroi_fit_region(const medroi_settings *settings, const medroi_layout *layout,
                                const void *data, const int64_t *chunk_shape,
                                const medroi_space *space, medroi_fitted *fitted,
                                medroi_error *error);

/* --- fit_target.c --- */
/* Whether chunks of one scan are to share a target in place of the one that is asked for. */
int medroi_shares_target(const medroi_coder *coder);
/* Voxels of a scan, and their lowest and highest value. */
typedef struct medroi_counted {
    uint64_t n;
    double low, high;
} medroi_counted;
/* The target that all chunks of a scan share in place of the one that is asked for, and its number;
 * NULL where each chunk reaches for its own. The settings have the numbers of a fit; `chunk_shape`
 * is NULL where the scan is one chunk. A scan that was cleared outside its region may have counted
 * what the region held, background included; else NULL. */
medroi_status medroi_fit_target(const medroi_settings *settings, const medroi_coder *coder,
                                const medroi_layout *layout, const void *data,
                                const int64_t *chunk_shape, const medroi_counted *counted,
                                const medroi_space *space, const medroi_parameter **target,
                                double *number, medroi_error *error);

/* --- fit.c --- */
/* A background that is these bits of an element. */
void medroi_fix_background(medroi_config *config, const medroi_layout *layout, uint64_t background);

/* --- kept.c --- */
uint64_t medroi_count_flags(const uint8_t *flags, size_t n);
/* Count the flags of such a layout that are set inside a region of the array. `plane` is memory for
 * those of one step along the array's outermost axis. */
size_t medroi_plane_of_flags_nbytes(const medroi_layout *flags);
uint64_t medroi_count_kept(const medroi_layout *flags, const medroi_region *region,
                           const uint8_t *marked, uint8_t *plane);

/* --- box.c --- */
/* Check the bytes of slab `number`, decode them, set what lies outside the mask to background, and
 * paste what `box` has of it into the box's memory (C order). `map` is that of the mask, or NULL.
 */
medroi_status medroi_decode_slab_into(const medroi_header *header, const medroi_hosted *hosted,
                                      const void *map, uint64_t number, const uint8_t *coded,
                                      size_t nbytes, uint32_t crc, const medroi_box *box,
                                      void *data, medroi_error *error);
/* Copy what a box has of a slab (dense, coding order) into the box's memory (C order). */
void medroi_paste_slab(const medroi_header *header, const medroi_box *slab_box, const void *slab,
                       const medroi_box *box, void *data);
/* The slabs that a box touches: [*first, *stop), equal where it touches none. */
void medroi_slabs_touched(const medroi_header *header, const medroi_box *box, uint64_t *first,
                          uint64_t *stop);

#endif
