#include "medroi.h"
#include <math.h>
size_t medroi_region_scratch_nbytes(const medroi_layout *l, const medroi_region_options *o){(void)l;(void)o;return 1;}
medroi_status medroi_find_region(const medroi_layout *l, const void *d, const medroi_region_options *o, void *s, medroi_region *r, medroi_error *e){
 (void)d;(void)o;(void)s;(void)e; for(int i=0;i<8;i++){r->box.start[i]=0;r->box.stop[i]=i<l->ndim?l->shape[i]:0;} r->threshold=NAN; r->miss_rate=0;r->n_tissue=0;r->n_missed=0; return MEDROI_OK;}
size_t medroi_background_scratch_nbytes(const medroi_layout *l){(void)l;return 1;}
medroi_status medroi_find_background(const medroi_layout *l, const void *d, uint8_t dark, void *s, uint64_t *b, medroi_error *e){(void)l;(void)d;(void)dark;(void)s;(void)e;*b=0;return MEDROI_OK;}
