/*
 * A disk whose writes fail, for one process: preloaded by tests/it/relay/torture/disk.rs.
 *
 * While the file $ANSHIN_TEST_DISK/fails exists, and once for each $ANSHIN_TEST_DISK/fails-once, fsync and fdatasync
 * answer EIO. With ANSHIN_TEST_DISK_LOSES set, what this process wrote since the last good sync of that file is then taken
 * back, as a disk does that loses it: a program that goes on as if it had been written reads what was there before, or
 * nothing. That is right only where one process writes the file.
 *
 * Only regular files opened for writing count. At most MOST writes are remembered between two syncs of all files;
 * beyond that the oldest stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 65536

struct written {
    dev_t device;
    ino_t file;
    off_t at;
    off_t length_before;
    size_t size;
    char *before;
    ssize_t had;
};

static struct written writes[MOST];
static size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static const char *directory;
static int loses;

__attribute__((constructor)) static void begin(void) {
    real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    directory = getenv("ANSHIN_TEST_DISK");
    loses = directory && getenv("ANSHIN_TEST_DISK_LOSES");
}

static int fails(void) {
    char path[4096];
    if (!directory) return 0;
    snprintf(path, sizeof path, "%s/fails", directory);
    if (access(path, F_OK) == 0) return 1;
    snprintf(path, sizeof path, "%s/fails-once", directory);
    return unlink(path) == 0;
}

/* Notes what stands where something is about to be written. */
static void note(int fd, size_t size, off_t at) {
    struct stat status;
    if (!loses || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
    pthread_mutex_lock(&lock);
    if (count < MOST) {
        struct written *w = &writes[count];
        w->before = malloc(size ? size : 1);
        if (w->before) {
            w->device = status.st_dev;
            w->file = status.st_ino;
            w->at = at;
            w->length_before = status.st_size;
            w->size = size;
            w->had = pread(fd, w->before, size, at);
            count++;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* Forgets what was written to this file; takes it back first, the latest first, if the sync failed. */
static void settle(int fd, int failed) {
    struct stat status;
    size_t kept = 0, i;
    if (fstat(fd, &status) != 0) return;
    pthread_mutex_lock(&lock);
    for (i = count; failed && i-- > 0;) {
        struct written *w = &writes[i];
        if (w->device != status.st_dev || w->file != status.st_ino) continue;
        if (w->had > 0 && real_pwrite(fd, w->before, (size_t)w->had, w->at) < 0) continue;
        if (w->length_before < w->at + (off_t)w->size && ftruncate(fd, w->length_before) != 0) continue;
    }
    for (i = 0; i < count; i++) {
        if (writes[i].device == status.st_dev && writes[i].file == status.st_ino) {
            free(writes[i].before);
        } else {
            writes[kept++] = writes[i];
        }
    }
    count = kept;
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *octets, size_t size, off_t at) {
    note(fd, size, at);
    return real_pwrite(fd, octets, size, at);
}

ssize_t pwrite(int fd, const void *octets, size_t size, off_t at) { return pwrite64(fd, octets, size, at); }

static int sync_with(int (*real)(int), int fd) {
    int failed = fails();
    if (loses) settle(fd, failed);
    if (failed) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return sync_with(real_fsync, fd); }

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
