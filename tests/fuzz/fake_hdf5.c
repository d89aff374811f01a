#include "fake_hdf5.h"
#include "interface.h"

#include <stdlib.h>
#include <string.h>

fake_hdf5 fake;

enum { CREATION = 1 << 20, TYPE = 2 << 20, KIND_MASK = 3 << 20, PART = 1 << 19 };
static medroi_hid epoch = 16; /* of ids: a multiple of 16 */

static fake_dataset *of(medroi_hid id) { return &fake.datasets[id % 16 % FAKE_DATASETS]; }

medroi_hid fake_dataset_id(int number) { return epoch + number; }
medroi_hid fake_creation_id(int number) { return fake_dataset_id(number) | CREATION; }
medroi_hid fake_type_id(int number) { return fake_dataset_id(number) | TYPE; }

void fake_open_again(void) {
    epoch = (epoch + 16) % PART;
    epoch = epoch == 0 ? 16 : epoch;
}

static intptr_t get_obj_count(medroi_hid file, unsigned types) {
    intptr_t n = 0;
    (void)file;
    (void)types;
    for (int i = 0; i < FAKE_DATASETS; i++) {
        n += fake.datasets[i].is_open;
    }
    return n;
}

static intptr_t get_obj_ids(medroi_hid file, unsigned types, size_t room, medroi_hid *ids) {
    size_t n = 0;
    (void)file;
    (void)types;
    for (int i = FAKE_DATASETS; i-- > 0;) {
        if (fake.datasets[i].is_open && n < room) {
            ids[n++] = fake_dataset_id(i);
        }
    }
    return (intptr_t)n;
}

static medroi_hid get_create_plist(medroi_hid dataset) { return dataset | CREATION; }
static medroi_hid get_type(medroi_hid dataset) { return dataset | TYPE; }
static int close_any(medroi_hid id) { return id < 0 ? -1 : 0; }

static int get_layout(medroi_hid creation) {
    (void)creation;
    return H5_LAYOUT_CHUNKED;
}

static int get_nfilters(medroi_hid creation) { return of(creation)->position + 1; }

static void give_words(const fake_dataset *dataset, size_t *n_words, unsigned *words) {
    size_t room = *n_words;
    *n_words = dataset->n_words;
    if (words != NULL) {
        memcpy(words, dataset->words,
               (room < dataset->n_words ? room : dataset->n_words) * sizeof *words);
    }
}

static int get_filter2(medroi_hid creation, unsigned index, unsigned *flags, size_t *n_words,
                       unsigned *words, size_t name_nbytes, char *name, unsigned *config) {
    const fake_dataset *dataset = of(creation);
    (void)flags;
    (void)config;
    if (name_nbytes > 0) {
        name[0] = '\0';
    }
    if ((int)index != dataset->position) {
        *n_words = 0;
        return 1;
    }
    give_words(dataset, n_words, words);
    return MEDROI_H5_FILTER_ID;
}

static int get_filter_by_id2(medroi_hid creation, int id, unsigned *flags, size_t *n_words,
                             unsigned *words, size_t name_nbytes, char *name, unsigned *config) {
    (void)id;
    (void)name_nbytes;
    (void)name;
    (void)config;
    *flags = H5_FLAG_OPTIONAL;
    give_words(of(creation), n_words, words);
    return 0;
}

static int modify_filter(medroi_hid creation, int id, unsigned flags, size_t n_words,
                         const unsigned *words) {
    fake_dataset *dataset = of(creation);
    (void)id;
    fuzz_expect(!(flags & H5_FLAG_OPTIONAL), "no chunk is ever stored raw");
    fuzz_expect(n_words <= MEDROI_MAX_WORDS, "no more words than there is room for");
    memcpy(dataset->words, words, n_words * sizeof *words);
    dataset->n_words = n_words;
    return 0;
}

static int get_chunk(medroi_hid creation, int room, uint64_t *sizes) {
    const medroi_layout *layout = &of(creation)->layout;
    for (int i = 0; i < layout->ndim && i < room; i++) {
        sizes[i] = (uint64_t)layout->shape[i];
    }
    return layout->ndim;
}

static int fill_value_defined(medroi_hid creation, int *defined) {
    *defined = of(creation)->fill;
    return 0;
}

static int get_fill_value(medroi_hid creation, medroi_hid type, void *value) {
    const fake_dataset *dataset = of(creation);
    (void)type;
    fuzz_expect(fake.is_creating, "HDF5 is asked for a fill value at creation alone");
    memset(value, dataset->fill == H5_FILL_DEFAULT ? 0 : dataset->fill_byte,
           dataset->layout.itemsize);
    return 0;
}

static int is_part(medroi_hid type) { return (type & PART) != 0; }

static int get_class(medroi_hid type) {
    switch (is_part(type) ? 'f' : of(type)->layout.kind) {
    case 'i':
    case 'u':
        return H5_CLASS_INTEGER;
    case 'f':
        return H5_CLASS_FLOAT;
    case 'b':
        return H5_CLASS_ENUM;
    case 'c':
        return H5_CLASS_COMPOUND;
    case 'S':
        return H5_CLASS_STRING;
    default:
        return H5_CLASS_OPAQUE;
    }
}

static size_t get_size(medroi_hid type) {
    return (size_t)of(type)->layout.itemsize / (is_part(type) ? 2 : 1);
}
static int get_sign(medroi_hid type) { return of(type)->layout.kind == 'i'; }
static int get_order(medroi_hid type) {
    return of(type)->layout.big_endian ? H5_ORDER_BE : H5_ORDER_LE;
}
static size_t get_precision(medroi_hid type) { return 8 * get_size(type); }
static size_t get_ebias(medroi_hid type) {
    size_t size = get_size(type);
    return size == 2 ? 15 : size == 4 ? 127 : 1023;
}
static medroi_hid get_super(medroi_hid type) { return type | PART; }
static int get_nmembers(medroi_hid type) {
    (void)type;
    return 2;
}

static char *get_member_name(medroi_hid type, unsigned index) {
    static const char *names[2][2] = {{"FALSE", "TRUE"}, {"r", "i"}};
    const char *name = names[of(type)->layout.kind == 'c'][index];
    char *copy = fuzz_allocate(strlen(name) + 1);
    memcpy(copy, name, strlen(name) + 1);
    return copy;
}

static medroi_hid get_member_type(medroi_hid type, unsigned index) {
    (void)index;
    return type | PART;
}
static size_t get_member_offset(medroi_hid type, unsigned index) {
    return index * (size_t)of(type)->layout.itemsize / 2;
}
static int is_variable_str(medroi_hid type) {
    (void)type;
    return 0;
}

static int free_memory(void *memory) {
    free(memory);
    return 0;
}

const medroi_hdf5_api *fake_api(void) {
    static const medroi_hdf5_api api = {
        .free_memory = free_memory,
        .get_nfilters = get_nfilters,
        .get_filter2 = get_filter2,
        .get_filter_by_id2 = get_filter_by_id2,
        .modify_filter = modify_filter,
        .get_chunk = get_chunk,
        .fill_value_defined = fill_value_defined,
        .get_fill_value = get_fill_value,
        .get_class = get_class,
        .get_size = get_size,
        .get_sign = get_sign,
        .get_order = get_order,
        .get_precision = get_precision,
        .get_ebias = get_ebias,
        .get_super = get_super,
        .get_nmembers = get_nmembers,
        .get_member_name = get_member_name,
        .get_member_type = get_member_type,
        .get_member_offset = get_member_offset,
        .is_variable_str = is_variable_str,
        .close_type = close_any,
        .get_obj_count = get_obj_count,
        .get_obj_ids = get_obj_ids,
        .get_create_plist = get_create_plist,
        .get_type = get_type,
        .get_layout = get_layout,
        .close_plist = close_any,
    };
    return &api;
}
