# Sourced: how the fuzzers are built, all from one set of objects.

FUZZ_SANITIZERS=(-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
    -fno-omit-frame-pointer)

# Whether an object is missing, or older than its source or any header.
is_old() {
    [ ! -e "$1" ] || [ -n "$(find "$2" src/kernel filters tests/fuzz -newer "$1" \
        \( -path "$2" -o -name '*.h' \) -print -quit)" ]
}

# build_fuzzers FOLDER PROGRAM...: each fuzz_PROGRAM into the folder, with the command `compile` and
# the further arguments `link`.
build_fuzzers() {
    local folder="$1" objects="$1/objects" source object program filters
    shift
    mkdir -p "$objects"
    # Objects of sources that are gone must not be linked.
    for object in "$objects"/*.o; do
        source="${object##*/}"
        source="${source%.o}"
        [ -e "$(printf '%s' "$source" | tr - /)" ] || rm -f "$object"
    done
    # Two names for each call of the shell: what is compiled, and into what.
    for source in $(find src/kernel filters tests/fuzz -name '*.c'); do
        if is_old "$objects/${source//\//-}.o" "$source"; then
            printf '%s\0%s\0' "$source" "$objects/${source//\//-}.o"
        fi
    done | xargs -0 -r -n 2 -P "$(nproc)" bash -c '"${@:1:$#-2}" -c "${@: -2:1}" -o "${@: -1}"' _ \
        "${compile[@]}" -Isrc/kernel -Ifilters "${KERNEL_MACROS[@]}"
    for program in "$@"; do
        filters=()
        if [ "$program" = hdf5 ] || [ "$program" = datasets ]; then
            filters=("$objects"/filters-*.o "$objects"/tests-fuzz-{fake_hdf5,words}.c.o)
        fi
        "${compile[@]}" "${link[@]}" "$objects/tests-fuzz-fuzz_$program.c.o" \
            "$objects"/tests-fuzz-{random,fill,mutate,streams}.c.o "$objects"/src-kernel-*.o "${filters[@]}" \
            -o "$folder/fuzz_$program" "${KERNEL_LIBRARIES[@]}" -lm
    done
}
