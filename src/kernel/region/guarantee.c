/* The guarantee: of the signal, a region drops at most max_miss_rate, and no connected group of
 * more than MEDROI_GROUP_LIMIT voxels. The tiles of such a group join a mask, and a box grows to
 * hold it. Signal is counted as it is, before any opening or choice of components. Where the
 * largest component alone is wanted, or max_miss_rate is 1, what is dropped is counted and nothing
 * joins. */
#include "region/auto.h"
#include "region/signal.h"

#include "base/arena.h"
#include "grid/spans.h"

#include <math.h>
#include <string.h>

size_t medroi_guarantee_scratch_nbytes(const medroi_search *search) {
    medroi_bits tiles = medroi_make_tiles(&search->grid);
    return medroi_align(medroi_groups_scratch_nbytes(search)) +
           medroi_align(medroi_bits_nbytes(&tiles));
}

/* Element bits in native byte order as a native load of the array's bytes finds them. */
static uint64_t stored_bits(const medroi_search *search, uint64_t bits) {
    uint64_t turned = 0;
    if (!search->source.swap) {
        return bits;
    }
    for (size_t i = 0; i < search->source.stored_nbytes; i++) {
        turned = turned << 8 | (bits >> 8 * i & 255);
    }
    return turned;
}

static medroi_reason judge(medroi_search *search, const medroi_layout *layout, const void *data,
                           const medroi_air *air) {
    double air_share = 1;
    medroi_reason reason = medroi_judge_air(search, air, &air_share);
    if (reason == MEDROI_REASON_NOISY_AIR && !search->options->complete &&
        medroi_is_being_written(layout, search, data,
                                stored_bits(search, search->options->background), air_share)) {
        return MEDROI_REASON_UNWRITTEN;
    }
    return reason;
}

/* The signal level is that of the noise, or the threshold where that lies beyond. */
static void raise_level(medroi_search *search) {
    int dark = search->options->dark;
    double level = medroi_fit_signal_level(search, (double *)(void *)search->air);
    if (dark ? level < search->tau.value : level > search->tau.value) {
        search->signal = medroi_tau_from_rounded(search->type, level, dark);
    }
}

void medroi_find_signal_level(medroi_search *search) {
    search->signal = search->tau;
    if (search->rule == MEDROI_THRESHOLD_NOISE) {
        raise_level(search);
    }
}

int medroi_study_air(medroi_search *search, const medroi_layout *layout, const void *data,
                     const medroi_kept *kept) {
    if (search->options->threshold_rule != MEDROI_THRESHOLD_AUTO) {
        return 1;
    }
    medroi_air air = medroi_sample_air(search, kept, search->air);
    search->reason = judge(search, layout, data, &air);
    return search->reason == MEDROI_REASON_NOISY_AIR;
}

/* --- what joins --- */

/* One run of the groups, and memory for it. */
typedef struct keeping {
    medroi_group_search wanted;
    medroi_kept kept;    /* tiles, or a box where they are NULL */
    medroi_bits joining; /* tiles that join once all groups are known */
    uint8_t *scratch;    /* of the groups */
} keeping;

static keeping begin(const medroi_search *search, const medroi_kept *kept) {
    keeping k = {.wanted = {.limit = MEDROI_GROUP_LIMIT},
                 .kept = *kept,
                 .joining = medroi_make_tiles(&search->grid),
                 .scratch = search->groups};
    k.joining.words =
        (uint64_t *)(void *)(k.scratch + medroi_align(medroi_groups_scratch_nbytes(search)));
    return k;
}

static medroi_groups find_groups(medroi_search *search, keeping *k) {
    k->wanted.kept = &k->kept;
    k->wanted.context = &k->joining;
    if (k->wanted.visit) {
        medroi_clear_bits(&k->joining);
    }
    return medroi_find_groups(search, &k->wanted, k->scratch);
}

/* Keep the groups above the limit. */
static void take(keeping *k, const medroi_groups *groups) {
    if (!k->kept.tiles.words) {
        medroi_grid_box_include(&k->kept.box, &groups->large);
        return;
    }
    for (size_t i = 0; i < medroi_bits_nbytes(&k->joining) / sizeof(uint64_t); i++) {
        k->kept.tiles.words[i] |= k->joining.words[i];
    }
}

/* With a threshold that did not look at the noise: whether anything is dropped at it. Only then
 * is the noise looked at. */
static int drops_any(medroi_search *search, keeping *k) {
    if (search->rule == MEDROI_THRESHOLD_NOISE) {
        return 1;
    }
    medroi_groups groups = find_groups(search, k);
    if (!groups.overflows && groups.n_voxels == 0) {
        return 0;
    }
    medroi_sample_shell(search, search->samples);
    raise_level(search);
    medroi_mark_tissue(search, search->marks_padding);
    return search->signal.tissue == MEDROI_TISSUE_SOME;
}

static int is_too_much(const medroi_search *search, uint64_t n_signal, uint64_t n_dropped) {
    return n_dropped > medroi_allowed_misses(n_signal, search->options->max_miss_rate);
}

/* Returns 0 where there are more groups than can be followed. */
static int keep_signal(medroi_search *search, keeping *k) {
    int joins = !medroi_only_counts(search);
    if (search->signal.tissue != MEDROI_TISSUE_SOME || !drops_any(search, k)) {
        return 1;
    }
    k->wanted.visit = joins && k->kept.tiles.words ? medroi_join_tile : NULL;
    medroi_groups groups = find_groups(search, k);
    if (joins && !groups.overflows && !medroi_grid_box_is_empty(&groups.large)) {
        take(k, &groups);
        groups = find_groups(search, k);
    }
    if (groups.overflows) {
        return 0;
    }
    search->n_signal = groups.n_voxels ? medroi_count_bits(&search->beyond) : 0;
    if (joins && is_too_much(search, search->n_signal, groups.n_voxels)) {
        k->wanted.limit = 0;
        groups = find_groups(search, k);
        take(k, &groups);
        memset(&groups, 0, sizeof groups);
        search->n_signal = 0;
    }
    search->dropped = groups;
    return 1;
}

int medroi_keep_signal_in_tiles(medroi_search *search, const medroi_bits *tiles) {
    const medroi_kept kept = {medroi_whole_volume(&search->grid), *tiles};
    keeping k = begin(search, &kept);
    return keep_signal(search, &k);
}

void medroi_count_dropped(medroi_search *search, const medroi_kept *kept) {
    keeping k = begin(search, kept);
    (void)keep_signal(search, &k);
}

int medroi_keep_signal_in_box(medroi_search *search, medroi_grid_box *box) {
    const medroi_kept kept = {.box = *box};
    keeping k = begin(search, &kept);
    int holds = keep_signal(search, &k);
    *box = k.kept.box;
    return holds;
}
