/* POSIX and Windows. */
#define _GNU_SOURCE
#include "system.h"

#include <string.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <io.h>

#define READABLE 4

_Static_assert(sizeof(medroi_h5_lock) == sizeof(SRWLOCK), "medroi_h5_lock is an SRWLOCK");

void medroi_h5_lock_init(medroi_h5_lock *lock) { lock->state = NULL; }

void medroi_h5_lock_take(medroi_h5_lock *lock) { AcquireSRWLockExclusive((SRWLOCK *)lock); }

void medroi_h5_lock_release(medroi_h5_lock *lock) { ReleaseSRWLockExclusive((SRWLOCK *)lock); }

/* The handle of a library is where it begins. */
static void *module_at(void *address, DWORD flags) {
    HMODULE module = NULL;
    flags |= GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    return GetModuleHandleExA(flags, (LPCSTR)address, &module) ? (void *)module : NULL;
}

void *medroi_h5_library_at(void *address) {
    return module_at(address, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
}

void *medroi_h5_keep_library(void *address) {
    return module_at(address, GET_MODULE_HANDLE_EX_FLAG_PIN);
}

void *medroi_h5_symbol(void *library, const char *name) {
    FARPROC found = GetProcAddress((HMODULE)library, name);
    void *symbol;
    memcpy(&symbol, &found, sizeof symbol);
    return symbol;
}

int medroi_h5_is_readable(const char *path) { return _access(path, READABLE) == 0; }

#else
#include <dlfcn.h>
#include <unistd.h>

void medroi_h5_lock_init(medroi_h5_lock *lock) { (void)pthread_mutex_init(lock, NULL); }

void medroi_h5_lock_take(medroi_h5_lock *lock) { pthread_mutex_lock(lock); }

void medroi_h5_lock_release(medroi_h5_lock *lock) { pthread_mutex_unlock(lock); }

void *medroi_h5_library_at(void *address) {
    Dl_info info;
    return dladdr(address, &info) != 0 && info.dli_fname != NULL ? info.dli_fbase : NULL;
}

/* A library that is being called is loaded: this only takes a handle to it. */
void *medroi_h5_keep_library(void *address) {
    Dl_info info;
    void *handle = NULL;
    if (dladdr(address, &info) != 0 && info.dli_fname != NULL) {
        handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
        handle = handle != NULL ? handle : dlopen(NULL, RTLD_LAZY);
    }
    return handle;
}

void *medroi_h5_symbol(void *library, const char *name) { return dlsym(library, name); }

int medroi_h5_is_readable(const char *path) { return access(path, R_OK) == 0; }

#endif
