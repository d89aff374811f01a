/* Inner codecs that the plugin lacks: a process that has them registers them here as with the
 * engine anywhere (medroi_register_inner), when one is first asked for. In a tool without Python
 * there is nobody to ask, and a chunk that needs one is refused with the codec's name. */
#ifndef MEDROI_HOSTED_H
#define MEDROI_HOSTED_H

#include "engine/cd_values.h"
#include "interface.h"

/* NULL takes the host away: Python is about to end. */
void medroi_h5_set_host(medroi_h5_provide provide, void *user);

/* The registered codec with this id, or a refusal that says where there is one. */
medroi_status medroi_h5_find_hosted(uint16_t inner_id, const medroi_hosted **hosted,
                                    medroi_error *error);

/* Keep settings under a key of cd_values; see medroi_h5_interface. */
medroi_status medroi_h5_keep(uint64_t key, uint16_t inner_id, const double *params, void *settings,
                             medroi_error *error);

/* The inner codec that cd_values name, with its settings. */
medroi_status medroi_h5_find_coder(const medroi_cd_values *config, medroi_coder *coder,
                                   medroi_error *error);

/* The cd_values of the chunk that this thread decodes, for the codec that is called for it. */
void medroi_h5_set_reader(const medroi_cd_values *config);
void medroi_h5_reader(uint16_t *inner_id, uint64_t *key);

#endif
