/* Signal: what stands out of the noise of the air, and the guarantee over what is dropped of it. */
#ifndef MEDROI_REGION_SIGNAL_H
#define MEDROI_REGION_SIGNAL_H

#include "region/air.h"
#include "region/groups.h"

/* --- signal.c --- */
/* The signal level in stored units, from the samples of the noise threshold; NaN where there are
 * too few. `values` is room for three times MEDROI_AIR_SAMPLES. */
double medroi_fit_signal_level(const medroi_search *search, double *values);

/* --- guarantee.c --- */
/* Of search->groups. */
size_t medroi_guarantee_scratch_nbytes(const medroi_search *search);
/* Set the signal level: that of the noise, or the threshold where that lies beyond. Other
 * thresholds than "auto" and "noise" do not look at the noise unless something would be dropped;
 * until then the level is the threshold. */
void medroi_find_signal_level(medroi_search *search);
/* Judge what is not kept, for the threshold "auto". Returns 0 where nothing may be dropped;
 * search->reason says why. */
int medroi_study_air(medroi_search *search, const medroi_layout *layout, const void *data,
                     const medroi_kept *kept);
/* Grow a box, or set tiles, until the signal outside, as it was marked last, holds the guarantee,
 * and count it. Returns 0 where that cannot be seen to. */
int medroi_keep_signal_in_box(medroi_search *search, medroi_grid_box *box);
int medroi_keep_signal_in_tiles(medroi_search *search, const medroi_bits *tiles);
/* Count what is dropped on request: nothing joins. */
void medroi_count_dropped(medroi_search *search, const medroi_kept *kept);

#endif
