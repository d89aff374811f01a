/* Preloaded into a process: kills it at its n-th call that changes a file system, or fills the
 * disk.
 *
 * Counting starts with medroi_faults_arm, so that imports and preparations do not count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NEVER = 0, KILL = 1, FULL = 2 };

static atomic_int mode = NEVER;
static atomic_long n_left;
static atomic_int exchange_is_known = 1;

void medroi_faults_arm(int new_mode, long n_calls, int knows_exchange);
long medroi_faults_left(void);

void medroi_faults_arm(int new_mode, long n_calls, int knows_exchange) {
    atomic_store(&n_left, n_calls);
    atomic_store(&exchange_is_known, knows_exchange);
    atomic_store(&mode, new_mode);
}

long medroi_faults_left(void) { return atomic_load(&n_left); }

/* 1 where this call has to fail for want of space. */
static int fault(int takes_space) {
    int now = atomic_load(&mode);
    if (now == NEVER || (now == FULL && !takes_space)) {
        return 0;
    }
    if (atomic_fetch_sub(&n_left, 1) > 1) {
        return 0;
    }
    if (now == KILL) {
        kill(getpid(), SIGKILL);
    }
    errno = ENOSPC;
    return 1;
}

/* On a full disk the bytes that a file already has can still be changed. */
static int grows(int file, size_t nbytes, off64_t offset) {
    struct stat found;
    return fstat(file, &found) != 0 || offset + (off64_t)nbytes > found.st_size;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t nbytes) {
    return file > 2 && fault(1) ? -1 : NEXT(write)(file, data, nbytes);
}

ssize_t writev(int file, const struct iovec *parts, int n_parts) {
    return file > 2 && fault(1) ? -1 : NEXT(writev)(file, parts, n_parts);
}

ssize_t pwrite(int file, const void *data, size_t nbytes, off_t offset) {
    return fault(grows(file, nbytes, offset)) ? -1 : NEXT(pwrite)(file, data, nbytes, offset);
}

ssize_t pwrite64(int file, const void *data, size_t nbytes, off64_t offset) {
    return fault(grows(file, nbytes, offset)) ? -1 : NEXT(pwrite64)(file, data, nbytes, offset);
}

int ftruncate(int file, off_t nbytes) { return fault(0) ? -1 : NEXT(ftruncate)(file, nbytes); }

int ftruncate64(int file, off64_t nbytes) {
    return fault(0) ? -1 : NEXT(ftruncate64)(file, nbytes);
}

int fsync(int file) { return fault(0) ? -1 : NEXT(fsync)(file); }

int mkdir(const char *path, mode_t permissions) {
    return fault(1) ? -1 : NEXT(mkdir)(path, permissions);
}

int rmdir(const char *path) { return fault(0) ? -1 : NEXT(rmdir)(path); }

int unlink(const char *path) { return fault(0) ? -1 : NEXT(unlink)(path); }

int unlinkat(int folder, const char *path, int flags) {
    return fault(0) ? -1 : NEXT(unlinkat)(folder, path, flags);
}

int link(const char *from, const char *to) { return fault(0) ? -1 : NEXT(link)(from, to); }

int rename(const char *from, const char *to);
int rename(const char *from, const char *to) { return fault(0) ? -1 : NEXT(rename)(from, to); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags);
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    if (!atomic_load(&exchange_is_known)) {
        errno = ENOSYS;
        return -1;
    }
    return fault(0) ? -1 : NEXT(renameat2)(from_folder, from, to_folder, to, flags);
}
