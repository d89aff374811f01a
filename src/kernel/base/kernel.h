/* Shared by the folders of the kernel beside the public interface: structs and prototypes.
 *
 * The caller owns every buffer; nothing here keeps a pointer after it returns. FORMAT.md is
 * normative for every byte that these functions read or write.
 */
#ifndef MEDROI_KERNEL_H
#define MEDROI_KERNEL_H

#include "include/medroi.h"

#define MEDROI_RECORD_OFFSET 10
#define MEDROI_MAX_PARAMS 7
#define MEDROI_SIDE_DTYPE 1 /* tags of side data */
#define MEDROI_SIDE_MASK 2
#define MEDROI_SIDE_LEFT_OUT 0x83
#define MEDROI_SIDE_DROPPED 0x84

typedef enum medroi_threshold {
    MEDROI_THRESHOLD_NONE = 0, /* every voxel that differs bitwise from background */
    MEDROI_THRESHOLD_NUMBER = 1,
    MEDROI_THRESHOLD_MEAN = 2,
    MEDROI_THRESHOLD_OTSU = 3,
    MEDROI_THRESHOLD_NOISE = 4,
    /* Noisy air: the noise. Anything that is not shown to be noisy
     * air, or is not completely written: none. */
    MEDROI_THRESHOLD_AUTO = 5
} medroi_threshold;

/* Why "auto" took a threshold or none. */
typedef enum medroi_reason {
    MEDROI_REASON_ASKED = 0, /* it was not asked */
    MEDROI_REASON_NOISY_AIR = 1,
    MEDROI_REASON_CONSTANT_AIR = 2,  /* from here on, everything that is not background is kept */
    MEDROI_REASON_LABELS = 3,        /* few distinct integers */
    MEDROI_REASON_NOT_SHOWN = 4,     /* what would be dropped is not shown to be air */
    MEDROI_REASON_UNWRITTEN = 5,     /* parts of the array hold one value: not written yet? */
    MEDROI_REASON_NO_BACKGROUND = 6, /* the value of the air cannot be found */
    MEDROI_REASON_PADDING = 7        /* a box that holds the padding holds everything */
} medroi_reason;

typedef enum medroi_roi { MEDROI_ROI_BOX = 0, MEDROI_ROI_MASK = 1 } medroi_roi;

typedef struct medroi_region_options {
    medroi_threshold threshold_rule;
    double threshold; /* for MEDROI_THRESHOLD_NUMBER, stored units */
    uint8_t dark;     /* 1: tissue is voxels <= tau */
    medroi_roi roi;
    int64_t padding;      /* voxels, >= 0 */
    double max_miss_rate; /* 0 to 1 */
    uint64_t background;  /* bits of one element in native byte order, zero-extended */
    uint32_t n_threads;   /* 0 and 1: this one alone; the region is the same for any number */
    uint8_t largest_only; /* 1: the largest connected component of the tissue alone counts */
    /* Of voxels along the volume axes, in array order; 0, or anything that is not finite and above
     * 0: not known. */
    double spacing_mm[3];
    uint8_t complete;   /* 1: the array is known to be completely written, as a whole scan is */
    uint8_t voxel_mask; /* 1: the mask of what differs from the background has tiles of a voxel */
    /* 1: the scan itself calls the values from `padding_low` to `padding_high`, stored units, both
     * included, padding. */
    uint8_t declares_padding;
    double padding_low;
    double padding_high;
} medroi_region_options;

/* Values that are neither tissue nor air and come back as themselves. */
typedef struct medroi_padding {
    uint8_t has_corner;  /* one that fills the corners of the volume: */
    uint64_t corner;     /* its bits, */
    double value;        /* and the number that they are; no NaN */
    uint8_t is_declared; /* those that the options declare */
    double low;
    double high;
} medroi_padding;

/* Whether a number is declared padding, and whether it is padding of either kind. */
static inline int medroi_is_declared_padding(const medroi_padding *padding, double value) {
    return padding->is_declared && value >= padding->low && value <= padding->high;
}
static inline int medroi_is_padding(const medroi_padding *padding, double value) {
    return (padding->has_corner && value == padding->value) ||
           medroi_is_declared_padding(padding, value);
}

/* Signal outside a region: voxels at the signal level or beyond (for dark tissue: below). */
typedef struct medroi_dropped {
    double level;       /* stored units; NaN where every voxel that is not background is kept */
    uint64_t n_signal;  /* in all; 0 where nothing had to be counted */
    uint64_t n_dropped; /* of these, outside the region */
    uint64_t n_largest; /* in the largest connected group of them (26 neighbours) */
    double peak;        /* of that group, stored units */
    medroi_box largest; /* its bounds */
} medroi_dropped;

/* Result of a search. An empty region has start == stop == 0 on every axis. The box of a mask is
 * that of its tiles. Missing values (NaN, infinities) that are not background are always inside. */
typedef struct medroi_region {
    medroi_box box;
    double threshold;  /* tau in stored units; NaN where there is none */
    double miss_rate;  /* share of tissue voxels outside the region */
    uint64_t n_tissue; /* voxels >= tau before the opening; 0 where nothing had to be counted */
    uint64_t n_missed; /* of these, outside the region */
    medroi_dropped dropped;
    medroi_reason reason;
    const uint8_t *side;  /* sections for the stream's side data, in the caller's scratch */
    uint32_t side_nbytes; /* 0 for a plain box */
    const void *mask_map; /* of a mask what medroi_read_mask_map() finds in `side`; same memory */
} medroi_region;

/* Scratch memory that medroi_find_region needs for this layout, in bytes. */
size_t medroi_region_scratch_nbytes(const medroi_layout *layout,
                                    const medroi_region_options *options);

/* Find the region of one array. `scratch` must hold medroi_region_scratch_nbytes() bytes. */
medroi_status medroi_find_region(const medroi_layout *layout, const void *data,
                                 const medroi_region_options *options, void *scratch,
                                 medroi_region *region, medroi_error *error);

/* Count the voxels at the number that the threshold is, as if all of them were dropped, with their
 * largest connected group. Of the options, polarity and axes count too. */
size_t medroi_count_groups_scratch_nbytes(const medroi_layout *layout,
                                          const medroi_region_options *options);
medroi_status medroi_count_groups(const medroi_layout *layout, const void *data,
                                  const medroi_region_options *options, void *scratch,
                                  medroi_dropped *found, medroi_error *error);

/* The contour of the tissue of one array, closed and without holes, for fitting and for pictures: a
 * byte, 0 or 1, for each voxel of the volume, its axes in memory order. The threshold is a number
 * or that of the noise; everything is inside where the rule is none. */
medroi_status medroi_mask_of_tissue(const medroi_layout *layout, const void *data,
                                    const medroi_region_options *options, void *scratch,
                                    uint8_t *mask, medroi_error *error);
size_t medroi_mask_scratch_nbytes(const medroi_layout *layout,
                                  const medroi_region_options *options);

/* Find the value of the air, as element bits in native byte order, or refuse with
 * MEDROI_INVALID_ARGUMENT and a reason. Only for kinds b i u f. */
medroi_status medroi_find_background(const medroi_layout *layout, const void *data, uint8_t dark,
                                     void *scratch, uint64_t *background, medroi_error *error);
/* The same where elements that are padding play no part. */
medroi_status medroi_find_background_beside(const medroi_layout *layout, const void *data,
                                            uint8_t dark, const medroi_padding *padding,
                                            void *scratch, uint64_t *background,
                                            medroi_error *error);
/* The constant value of corners of the volume, as element bits in native byte order. Returns how
 * many of the eight hold it alone; 0 where two corners hold different ones. */
int medroi_find_corner_value(const medroi_layout *layout, const void *data, uint64_t *bits);
size_t medroi_background_scratch_nbytes(const medroi_layout *layout);

/* CRC-32 (IEEE 802.3, as in zlib and PNG) continued from `crc` (0 to begin). */
uint32_t medroi_crc32(uint32_t crc, const void *data, size_t nbytes);

/* Everything a stream says before its payload. */
typedef struct medroi_header {
    medroi_layout layout;
    medroi_box box; /* half-open; start == stop == 0 everywhere: empty region */
    uint64_t background;
    double threshold;
    double miss_rate;
    float affine[9]; /* upper-left 3x3, row major */
    uint16_t inner_id;
    uint8_t slice_axis;   /* array axis along which the payload is cut into parts */
    uint32_t part_extent; /* slices per part; 0 when the region is empty */
    uint64_t payload_nbytes;
    uint32_t payload_crc; /* of the payload (one part) or of its slab table (several) */
    const uint8_t *side;  /* side data sections; points into the caller's buffer */
    uint32_t side_nbytes;
    uint8_t extended; /* 1: the extended record is used (set by the writer itself) */
    /* The map of the mask in `side`, aligned to 8 bytes, for writers that have it: saves
     * medroi_encode_stream() decoding it. Else NULL. */
    const void *mask_map;
} medroi_header;

/* Bytes before the payload. */
size_t medroi_preamble_nbytes(const medroi_header *header);
/* Write them; dst must hold medroi_preamble_nbytes(). */
medroi_status medroi_write_preamble(const medroi_header *header, uint8_t *dst, medroi_error *error);
/* State the threshold and the miss rate of a whole scan in the stream of one of its chunks, whose
 * voxels outside the scan's region were background already when it was encoded. */
medroi_status medroi_state_scan(uint8_t *stream, size_t nbytes, double threshold, double miss_rate,
                                medroi_error *error);
/* Read and check them; `nbytes` may end anywhere at or behind the preamble. Sets
 * *preamble_nbytes. Does not look at the payload. */
medroi_status medroi_read_preamble(const uint8_t *src, size_t nbytes, medroi_header *header,
                                   size_t *preamble_nbytes, medroi_error *error);
#define MEDROI_FIXED_HEADER_NBYTES 112
/* The preamble's length from its first MEDROI_FIXED_HEADER_NBYTES bytes, for readers that fetch
 * ranges. Nothing is verified yet. */
medroi_status medroi_peek_preamble(const uint8_t *src, size_t nbytes, size_t *preamble_nbytes,
                                   medroi_error *error);

/* The order in which an inner codec sees the axes: slice axis first, the others in memory order,
 * outermost first. `order[i]` is an array axis. */
void medroi_coding_order(const medroi_layout *layout, uint8_t slice_axis,
                         int32_t order[MEDROI_MAX_AXES]);
/* The outermost axis in memory: what slice_axis is when nobody says otherwise. */
uint8_t medroi_default_slice_axis(const medroi_layout *layout);
/* Number of slabs of the payload, 0 for an empty region. */
uint64_t medroi_part_count(const medroi_header *header);
/* The box of part k. */
medroi_box medroi_part_box(const medroi_header *header, uint64_t part);

/* Copy a box of an array into `dst`, dense, in coding order. */
void medroi_gather(const medroi_layout *layout, const void *data, const medroi_box *box,
                   uint8_t slice_axis, void *dst);
/* The inverse: a dense box in coding order into its place. */
void medroi_scatter(const medroi_layout *layout, void *data, const medroi_box *box,
                    uint8_t slice_axis, const void *src);
/* Write `background` (element bits, native order) to every voxel outside the box. */
void medroi_fill_outside(const medroi_layout *layout, void *data, const medroi_box *box,
                         uint64_t background);

/* Side data of a mask. */
typedef struct medroi_mask_info {
    uint8_t is_mask;            /* 0: the stream is a box, and only what was left out is known */
    double unopened_miss_rate;  /* share of all voxels >= tau outside the mask */
    uint32_t mask_nbytes;       /* of the mask's section */
    uint64_t n_left_out;        /* components of opened tissue left out */
    uint64_t n_left_out_voxels; /* in all of them */
    uint32_t n_listed;          /* the largest of them, at most MEDROI_MAX_LEFT_OUT: */
    uint64_t left_out_voxels[MEDROI_MAX_LEFT_OUT];
    medroi_box left_out[MEDROI_MAX_LEFT_OUT];
    medroi_dropped dropped;
} medroi_mask_info;
medroi_status medroi_read_mask_info(const medroi_header *header, medroi_mask_info *info,
                                    medroi_error *error);
/* The map of a mask, decoded once. All three do nothing where the stream is a box. */
size_t medroi_mask_map_nbytes(const medroi_header *header);
medroi_status medroi_read_mask_map(const medroi_header *header, void *map, medroi_error *error);
/* Set what lies outside the mask to background, in a dense block in coding order that holds `box`
 * (such as a part), or in a whole array. */
void medroi_apply_mask(const medroi_header *header, const void *map, const medroi_box *box,
                       void *block);
void medroi_apply_mask_to_array(const medroi_header *header, const void *map, void *data);

/* Elements to plan for, a dense block at a time: a region, or what each chunk of a scan has of the
 * scan's region. All are of one element type and number of axes. */
typedef struct medroi_blocks {
    uint64_t n;
    void *user;
    /* Block `k`: its elements, and a byte for each of them as in medroi_inner.plan, or NULL. They
     * stay until the next call. */
    medroi_status (*load)(void *user, uint64_t k, medroi_block *block, const uint8_t **data,
                          const uint8_t **kept, medroi_error *error);
    size_t most_nbytes; /* that a plan may hold of what it made of the blocks, to save doing it
                           again */
    /* Elements that a PSNR is over, and their range, where it is over others, too, that come back
     * as they are and lie in no block or are not kept; else 0 and 0. */
    uint64_t n_counted;
    double range_counted;
} medroi_blocks;

/* One inner codec. A codec that must see the whole region before it codes a part (a search for a
 * target, a range) has `plan`, which turns what was asked into what each part is coded with.
 * Parts decode independently of each other and describe themselves: decode gets no parameters. */
typedef struct medroi_inner {
    uint16_t id;
    const char *name;
    /* Refuse what cannot be done before any byte is written. May be NULL: everything can. */
    medroi_status (*check)(const medroi_block *region, const double *params, medroi_error *error);
    /* Whether voxels may come back changed. NULL: never. */
    int (*is_lossy)(const double *params);
    /* Slices (along the first axis) per part. Never 0. */
    int64_t (*part_extent)(const medroi_block *region, const double *params);
    /* `kept` has a byte for each element, 0 where decoding sets it back to the background whatever
     * the codec makes of it; NULL where it sets none back. */
    medroi_status (*plan)(const medroi_block *region, const void *data, const uint8_t *kept,
                          double *params, medroi_error *error);
    /* The same for all chunks of a scan, each of which will be coded alone. NULL: there is no
     * target that they could share. */
    medroi_status (*plan_scan)(const medroi_blocks *chunks, double *params, medroi_error *error);
    /* Upper bound of the bytes of one coded part. */
    size_t (*bound)(const medroi_block *part, const double *params);
    /* `kept` as in `plan`. */
    medroi_status (*encode)(const medroi_block *part, const void *data, const uint8_t *kept,
                            const double *params, uint8_t *dst, size_t capacity, size_t *nbytes,
                            medroi_error *error);
    /* `dst` holds medroi_block_nbytes(part). Must survive any bytes. */
    medroi_status (*decode)(const medroi_block *part, const uint8_t *src, size_t nbytes, void *dst,
                            medroi_error *error);
} medroi_inner;

/* Called by encoders alone: a build that only decodes (js) goes without it. */
#ifdef MEDROI_DECODE_ONLY
#define MEDROI_ENCODER(function) NULL
#else
#define MEDROI_ENCODER(function) (function)
#endif

/* The codec with this id, or NULL where this build has none. */
const medroi_inner *medroi_find_inner(uint16_t id);

/* Everything that decides the bytes of a stream, except the array. */
typedef struct medroi_settings {
    medroi_region_options region;
    uint8_t auto_background; /* 1: found in each array; region.background does not count */
    int32_t slice_axis;      /* array axis; negative: the outermost in memory */
    uint16_t inner_id; /* of the inner codec, and whether it is lossy: medroi_encode_array() sets */
    uint8_t is_lossy;  /* both */
    float affine[9];
} medroi_settings;

/* The header of one array's stream, complete but for the payload: ready for medroi_encode_bound().
 * Arrays of one axis, and of elements that are not numbers, are no images: all of their elements
 * that differ from the background are kept, whatever the threshold. `scratch` must hold
 * medroi_prepare_scratch_nbytes() bytes. */
size_t medroi_prepare_scratch_nbytes(const medroi_settings *settings, const medroi_layout *layout);
medroi_status medroi_prepare_header(const medroi_settings *settings, const medroi_layout *layout,
                                    const void *data, void *scratch, medroi_header *header,
                                    medroi_error *error);

/* One whole stream. `header` carries layout, box, background, threshold, miss_rate, affine,
 * slice_axis, inner_id and side data; the rest is set. `params` are the inner codec's. */
medroi_status medroi_encode_bound(const medroi_header *header, const double *params,
                                  uint32_t n_threads, size_t *stream_nbytes, size_t *scratch_nbytes,
                                  medroi_error *error);
/* The bytes are the same for any n_threads (1 or more); parts are shared among the threads. */
medroi_status medroi_encode_stream(medroi_header *header, const void *data, const double *params,
                                   uint32_t n_threads, void *scratch, uint8_t *dst, size_t capacity,
                                   size_t *nbytes, medroi_error *error);
/* Check a payload's length and slab table against the header; the parts themselves are not read. */
medroi_status medroi_check_payload(const medroi_header *header, const uint8_t *payload,
                                   size_t payload_nbytes, medroi_error *error);
/* Scratch that medroi_decode_stream needs, in bytes. */
size_t medroi_decode_scratch_nbytes(const medroi_header *header, uint32_t n_threads);
#endif
