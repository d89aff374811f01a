/* Working space from the heap, where the caller brings none. */
#include "engine/engine.h"

#include <stdlib.h>

static void *take_from_heap(void *user, size_t nbytes) {
    (void)user;
    return malloc(nbytes);
}

static void give_to_heap(void *user, void *memory) {
    (void)user;
    free(memory);
}

medroi_space medroi_space_or_heap(const medroi_space *space) {
    const medroi_space heap = {NULL, take_from_heap, give_to_heap};
    return space != NULL ? *space : heap;
}
