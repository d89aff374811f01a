/* Shared by the files of the region search. Not installed, not part of the contract. */
#ifndef MEDROI_SEARCH_H
#define MEDROI_SEARCH_H

#include "base/arena.h"
#include "base/kernel.h"
#include "grid/rows.h"
#include "mask/bits.h"

/* Share of the voxels that are tissue, once tau is known. */
typedef enum medroi_tissue {
    MEDROI_TISSUE_NONE,
    MEDROI_TISSUE_SOME,
    MEDROI_TISSUE_ALL
} medroi_tissue;

typedef struct medroi_tau {
    medroi_tissue tissue;
    medroi_scalar element; /* the smallest (dark: largest) element that is tissue */
    double value;          /* stored units, as reported; NaN where there is none */
} medroi_tau;

/* Exact counts of tissue voxels, and of those outside a box. */
typedef struct medroi_counts {
    uint64_t n_tissue;
    uint64_t n_missed;
} medroi_counts;

/* A connected group of signal voxels that a region drops (groups.h), and all of them. */
typedef struct medroi_group {
    uint64_t n_voxels;
    uint64_t first; /* number of its first voxel, in the order of the scan */
    double peak;    /* brightest (dark: darkest) value, stored units */
    medroi_grid_box box;
} medroi_group;

typedef struct medroi_groups {
    uint64_t n_voxels;     /* in all groups */
    medroi_group largest;  /* of groups of one size, the one that begins first */
    medroi_grid_box large; /* bounds of all groups above the limit */
    int overflows;         /* more runs in a plane than can be followed: nothing else is set */
} medroi_groups;

/* Memory of one thread. */
typedef struct medroi_worker {
    medroi_source source;
    medroi_sum sum;
    uint8_t has_floor;
} medroi_worker;

/* Everything one search works with; the arrays lie in the caller's scratch. */
typedef struct medroi_search {
    const medroi_region_options *options;
    medroi_element_type type;
    medroi_scalar background;
    medroi_padding padding;
    uint8_t may_have_corner; /* the value of some corners alone may be padding */
    uint8_t has_floor;
    double floor;         /* values from here on, on the other side of the background, are no air */
    medroi_tau floor_tau; /* the same for the rows */
    int64_t floor_step; /* of rows that tell, while they are marked, whether there are any; or 0 */
    medroi_reach opening; /* of the cross that opens tissue */
    const medroi_row_ops *ops;
    medroi_grid grid;
    medroi_source source;
    medroi_threshold rule; /* what the threshold that was asked for comes to for this region */
    medroi_tau tau;
    medroi_tau signal;  /* the signal level */
    medroi_bits tissue; /* n_repeats * n_z layers of rows of `length`, of voxels at tau */
    medroi_bits
        beyond; /* the same of voxels at the signal level; the same words where that is tau */
    uint64_t *level_words; /* of `beyond` where it has words of its own */
    uint8_t marks_padding; /* these hold padding that is tissue too */
    medroi_reason reason;
    medroi_groups dropped;
    uint64_t n_signal;  /* in all, where any is dropped */
    uint64_t *eroded;   /* one plane of bits */
    uint64_t *z_counts; /* tissue voxels of each layer, for the growth of a box */
    uint64_t *y_counts;
    uint64_t *x_counts;
    uint64_t *histogram;
    uint32_t n_workers;
    medroi_worker *workers;
    double *plane_sums; /* [n_repeats][n_z] of floats, for several workers; else NULL */
    uint8_t *samples;   /* for the noise rule */
    const double
        *shell; /* of these, from the outer eighth of the volume; negated for dark tissue */
    size_t n_shell;
    uint8_t *body;     /* for a mask, or the largest component; NULL where neither is wanted */
    uint8_t *air;      /* samples of it, for "auto" and for the signal level */
    uint8_t *groups;   /* for the guarantee */
    uint8_t *section;  /* of the stream's side data: the dropped signal */
    uint8_t *side_end; /* behind the sections of a mask, where there is room for that one */
} medroi_search;

/* --- threshold.c --- */
/* tau from a number in stored units. */
medroi_tau medroi_tau_from_number(medroi_element_type type, double threshold, int dark);
/* The same of a threshold that was found among elements as float64. Of 64-bit integers that float64
 * rounds, what is rounded to the threshold or beyond is tissue. */
medroi_tau medroi_tau_from_rounded(medroi_element_type type, double threshold, int dark);
/* tau from the sums of one pass over the array; no tissue when nothing was summed. */
medroi_tau medroi_tau_from_mean(medroi_search *search, const medroi_sum *sum);
medroi_tau medroi_no_tissue(void);

/* --- otsu.c --- */
/* tau between the two classes of the histogram; reads the array once or twice. */
medroi_tau medroi_tau_from_otsu(medroi_search *search);

/* --- threshold_noise.c --- */
size_t medroi_noise_scratch_nbytes(void);
/* tau just above the noise of the air; reads some 2^17 elements. */
medroi_tau medroi_tau_from_noise(medroi_search *search, void *scratch);
/* The samples alone: search->shell. */
void medroi_sample_shell(medroi_search *search, void *scratch);

/* --- miss.c --- */
/* Voxels that are tissue, and those of them outside `box`; nothing is counted where none is. */
medroi_counts medroi_count_tissue(const medroi_search *search, const medroi_grid_box *box);
/* The most voxels that may be missed of n_tissue. */
uint64_t medroi_allowed_misses(uint64_t n_tissue, double max_miss_rate);
/* A box around `box` that misses at most `n_allowed` tissue voxels. */
medroi_grid_box medroi_grow_box(medroi_search *search, const medroi_grid_box *box,
                                uint64_t n_allowed);
/* The same from counts of layers that are there already. Those inside `box` need only be above 0.
 */
medroi_grid_box medroi_trim_box(const medroi_search *search, const medroi_grid_box *box,
                                uint64_t n_allowed);

/* --- differs.c --- */
/* The box of every element whose bytes are not those of `background`. */
medroi_grid_box medroi_box_of_differing(const medroi_layout *layout, const medroi_grid *grid,
                                        const uint8_t *data, uint64_t background);

/* --- sweep.c --- */
/* Threads that are worth their while, at most those asked for. */
uint32_t medroi_count_workers(const medroi_search *search);
/* The sum of all finite elements that are not background. */
medroi_sum medroi_sum_array(medroi_search *search);
/* Set search->tissue, at search->tau, and search->beyond, at search->signal, which lies no nearer
 * to the background; and search->has_floor. */
void medroi_mark_tissue(medroi_search *search, int with_padding);

/* --- box.c --- */
/* The padded box of the opened tissue, grown until it holds the guarantee. */
medroi_grid_box medroi_find_box(medroi_search *search, medroi_counts *counts);

/* --- array.c --- */
/* Checks of layout and data that every entry point makes. */
medroi_status medroi_check_array(const medroi_layout *layout, const void *data,
                                 medroi_error *error);
/* From the grid's axes to the array's; all other axes are spanned whole. */
void medroi_set_box(const medroi_layout *layout, const medroi_grid *grid,
                    const medroi_grid_box *box, medroi_region *region);

#endif
