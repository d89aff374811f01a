/* Lengths in millimetres as numbers of voxels and of tiles. */
#ifndef MEDROI_REGION_SPACING_H
#define MEDROI_REGION_SPACING_H

#include "region/search.h"

#define MEDROI_MAX_CLOSING 6     /* steps of a tile */
#define MEDROI_CONTOUR_CLOSING 5 /* voxels, at most */

/* The cross that opens tissue: no arm along axes of less than 3 voxels, nor along those whose
 * voxels are more than 1.5 times as long as the shortest, where a structure is easily one voxel
 * thick. */
medroi_reach medroi_opening_of(const medroi_layout *layout, const medroi_grid *grid,
                               const medroi_region_options *options);
/* Steps of a tile along z, y and x that close gaps of 6 mm; 3 where the spacing is not known. */
void medroi_closing_of(const medroi_layout *layout, const medroi_grid *grid,
                       const medroi_region_options *options, int steps[3]);
/* Voxels along z, y and x that close gaps of 5 mm, for the contour voxel for voxel. */
void medroi_contour_closing_of(const medroi_layout *layout, const medroi_grid *grid,
                               const medroi_region_options *options, int steps[3]);

#endif
