/* What the filter asks of the operating system: locks, the library that an address lies in, files.
 */
#ifndef MEDROI_H5_SYSTEM_H
#define MEDROI_H5_SYSTEM_H

#if defined(_WIN32)
/* As an SRWLOCK is: windows.h stays out of this header, its names are not ours. */
typedef struct medroi_h5_lock {
    void *state;
} medroi_h5_lock;
#define MEDROI_H5_UNLOCKED                                                                         \
    { 0 }
#else
#include <pthread.h>
typedef pthread_mutex_t medroi_h5_lock;
#define MEDROI_H5_UNLOCKED PTHREAD_MUTEX_INITIALIZER
#endif

#if defined(_MSC_VER)
#include <intrin.h>
#define MEDROI_H5_EXPORT __declspec(dllexport)
#define MEDROI_H5_CALLER() _ReturnAddress()
#elif defined(_WIN32)
#define MEDROI_H5_EXPORT __declspec(dllexport)
#define MEDROI_H5_CALLER() __builtin_return_address(0)
#else
#define MEDROI_H5_EXPORT __attribute__((visibility("default")))
#define MEDROI_H5_CALLER() __builtin_return_address(0)
#endif

void medroi_h5_lock_init(medroi_h5_lock *lock);
void medroi_h5_lock_take(medroi_h5_lock *lock);
void medroi_h5_lock_release(medroi_h5_lock *lock);

/* Where the library begins that holds this code address; NULL where none does. */
void *medroi_h5_library_at(void *address);

/* A handle to that library, for medroi_h5_symbol. It is never given back, so that no other library
 * can come to lie at the same address. NULL where it cannot be had. */
void *medroi_h5_keep_library(void *address);

/* The address of a name; NULL where the library has none of it. */
void *medroi_h5_symbol(void *library, const char *name);

int medroi_h5_is_readable(const char *path);

#endif
