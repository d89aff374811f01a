/* Memory geometry shared by the kernel's own files. */
#ifndef MEDROI_LAYOUT_H
#define MEDROI_LAYOUT_H

#include "base/kernel.h"

/* Kinds, sizes, flags, axes, and a total size that fits the address space. */
medroi_status medroi_check_layout(const medroi_layout *layout, medroi_status blame,
                                  medroi_error *error);

int medroi_kind_is_number(char kind);
/* Integers and floats: what has a threshold and a background. */
int medroi_kind_is_intensity(char kind);
/* Whether a stream can hold elements of this kind and size. */
int medroi_is_known_element(char kind, uint16_t size);
int medroi_layout_is_empty(const medroi_layout *layout);

/* Memory axes from the outermost to the innermost, as array axes. */
void medroi_memory_order(const medroi_layout *layout, int32_t order[MEDROI_MAX_AXES]);

/* Bytes between neighbours along each array axis. */
void medroi_strides(const medroi_layout *layout, int64_t strides[MEDROI_MAX_AXES]);

/* Where a box lies in the array exactly as a dense block in coding order, or NULL. */
const uint8_t *medroi_dense_block(const medroi_layout *layout, const void *data,
                                  const medroi_box *box, uint8_t slice_axis);

/* Write all voxels of the slices, along the outermost axis in memory, that a non-empty box touches:
 * `src` (dense, memory order) inside it, `background` outside. With NULL the box is left alone. */
void medroi_restore_slices(const medroi_layout *layout, void *data, const medroi_box *box,
                           uint64_t background, const void *src);

#endif
