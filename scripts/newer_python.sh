# A Python newer than the system's, for environments whose libraries need one; sourced after setup.sh.
#
# Neither PyPI nor npm has a package with a CPython 3.13 in it, and the tools that fetch one take it from
# elsewhere. Debian has its source, in the release after 12: that is what is built where no such Python is here.

PYTHON_SOURCE_RELEASE=trixie

# Python $1 ("3.13"): one that is here, or one built from Debian's source into build/.
newer_python() {
    local version="$1" prefix="$PWD/build/python-$1" candidate
    for candidate in "python$version" "$prefix/bin/python$version" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version"; do
        if is_whole_python "$candidate" "$version"; then
            command -v "$candidate"
            return
        fi
    done
    stage "Python $version from Debian's source, into ${prefix#"$PWD"/} (some minutes, once)" >&2
    python_build_packages && build_python "$version" "$prefix" || return
    if ! is_whole_python "$prefix/bin/python$version" "$version"; then
        printf 'the Python that was built in %s lacks a module that is needed\n' "$prefix" >&2
        return 1
    fi
    printf '%s\n' "$prefix/bin/python$version"
}

# Whether $1 is Python $2 and can do what pip and the build of an extension need.
is_whole_python() {
    "$1" -c 'import sys, os, sysconfig, ctypes, bz2, lzma, sqlite3, ssl, zlib, ensurepip
found = "%d.%d" % sys.version_info[:2] == sys.argv[1]
sys.exit(not (found and os.path.exists(sysconfig.get_path("include") + "/Python.h")))' "$2" 2>/dev/null
}

python_build_packages() {
    local missing=""
    command -v make >/dev/null || missing+=" make"
    command -v xz >/dev/null || missing+=" xz-utils"
    has_header openssl/ssl.h || missing+=" libssl-dev"
    has_header ffi.h || missing+=" libffi-dev"
    has_header bzlib.h || missing+=" libbz2-dev"
    has_header lzma.h || missing+=" liblzma-dev"
    has_header sqlite3.h || missing+=" libsqlite3-dev"
    if [ -n "$missing" ] && ! may_install; then
        printf 'needed to build Python, and not to be installed without root or passwordless sudo:%s\n' \
            "$missing" >&2
        return 1
    fi
    if may_install; then
        # The keyring of a fresh Debian 12 may be older than the keys of the next release.
        quiet as_root apt-get update -q || return
        quiet as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends debian-archive-keyring $missing
    fi
}

build_python() (
    # `set -e` does not reach here from a condition or a substitution: each step says so itself.
    version="$1" prefix="$2" work="$LOG_DIR/python"
    download_debian_source "python$version" "$work" || exit
    mkdir "$work/tree"
    tar -xJf "$work/python${version}"_*.orig.tar.xz -C "$work/tree" --strip-components=1 || exit
    rm -rf "$prefix"
    cd "$work/tree"
    quiet ./configure -q --prefix="$prefix" --disable-test-modules --with-ensurepip=install || exit
    quiet make -s -j"$(nproc)" || exit
    quiet make -s install || exit
    rm -rf "$work"
)

# The source package $1 of PYTHON_SOURCE_RELEASE into the folder $2, checked by APT's signatures. APT keeps
# its lists of that release in the folder too: the machine's own configuration stays as it is.
download_debian_source() {
    local package="$1" folder="$2" codename mirror options
    codename="$(. /etc/os-release && echo "$VERSION_CODENAME")"
    mirror="$(apt-get indextargets --format '$(REPO_URI)' "Release: $codename" 'Created-By: Packages' | head -n 1)"
    if [ -z "$mirror" ]; then
        printf 'no mirror of Debian %s among the sources of APT; a Python %s on PATH serves as well\n' \
            "$codename" "${package#python}" >&2
        return 1
    fi
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
        "$mirror" "$PYTHON_SOURCE_RELEASE" >"$folder/sources.list"
    options=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=root)
    quiet apt-get "${options[@]}" update -q || return
    (cd "$folder" && quiet apt-get "${options[@]}" source -q --download-only "$package")
}
