/* Padding values, neither tissue nor air, that come back as themselves. */
#ifndef MEDROI_REGION_PADDING_H
#define MEDROI_REGION_PADDING_H

#include "mask/bits.h"
#include "region/search.h"

/* Note the padding value of the array in search->padding, if it has one that is not background. */
void medroi_note_padding(medroi_search *search, const medroi_layout *layout, const void *data);
/* The rest, once search->tau is known: padding of some corners, and values beyond the background.
 */
void medroi_note_floor(medroi_search *search);
/* Whether a value, as search->ops->widen gives it, is padding. */
static inline int medroi_is_padding(const medroi_search *search, double value) {
    return search->has_padding && value == search->padding;
}
/* Widen `box` to all padding and to all values beyond the background; set the tiles that hold some;
 * clear it in a row of marked elements. */
void medroi_include_padding(medroi_search *search, medroi_grid_box *box);
void medroi_join_padding(medroi_search *search, const medroi_bits *tiles);
void medroi_unmark_padding(const medroi_search *search, const void *row, uint64_t *bits);

#endif
