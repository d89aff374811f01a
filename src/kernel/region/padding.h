/* Padding values, neither tissue nor air, that come back as themselves. */
#ifndef MEDROI_REGION_PADDING_H
#define MEDROI_REGION_PADDING_H

#include "region/search.h"

/* Find the values of an array that are padding, if they are not its background. Returns how many
 * corners hold `padding->corner` alone: it is padding where all eight do. */
int medroi_note_all_padding(const medroi_layout *layout, const void *data,
                            const medroi_region_options *options, medroi_padding *padding);
/* Note in search->padding the values of the array that are padding and not background. */
void medroi_note_padding(medroi_search *search, const medroi_layout *layout, const void *data);
/* The rest, once search->tau is known: padding of some corners, and from where on values lie beyond
 * the background. Whether there are any is seen when tissue is marked. */
void medroi_note_floor(medroi_search *search);
int medroi_is_beyond_floor(const medroi_search *search, const void *row);
/* Whether marked tissue may hold padding. */
int medroi_padding_is_tissue(const medroi_search *search);
/* Widen `box` to all padding and to all values beyond the background; set the tiles that hold some;
 * clear it in a row of marked elements. */
void medroi_include_padding(medroi_search *search, medroi_grid_box *box);
void medroi_join_padding(medroi_search *search, const medroi_bits *tiles);
void medroi_unmark_padding(const medroi_search *search, const void *row, uint64_t *bits);

#endif
