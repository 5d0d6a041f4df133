/*
 * A power cut at one instruction, for one process: preloaded by tests/it/relay/database_file.rs.
 *
 * The process is killed before the ANSHIN_TEST_DIES_AT-th of the calls that change files. When it ends by itself, the file
 * $ANSHIN_TEST_DIES_COUNT says which of them gave a rewritten database its name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long at;
static long done;
static long named;

static void count(void) {
    if (__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST) == at) kill(getpid(), SIGKILL);
}

static void count_file(int fd) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) count();
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("ANSHIN_TEST_DIES_AT");
    at = text ? atol(text) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("ANSHIN_TEST_DIES_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", named);
        fclose(file);
    }
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *octets, size_t size) {
    count_file(fd);
    return REAL("write", ssize_t(*)(int, const void *, size_t))(fd, octets, size);
}

ssize_t pwrite64(int fd, const void *octets, size_t size, off_t where) {
    count_file(fd);
    return REAL("pwrite64", ssize_t(*)(int, const void *, size_t, off_t))(fd, octets, size, where);
}

ssize_t pwrite(int fd, const void *octets, size_t size, off_t where) { return pwrite64(fd, octets, size, where); }

int fsync(int fd) {
    count();
    return REAL("fsync", int (*)(int))(fd);
}

int fdatasync(int fd) {
    count();
    return REAL("fdatasync", int (*)(int))(fd);
}

int ftruncate64(int fd, off_t length) {
    count();
    return REAL("ftruncate64", int (*)(int, off_t))(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int rename(const char *from, const char *to) {
    count();
    if (strstr(from, "-unfinished")) named = done;
    return REAL("rename", int (*)(const char *, const char *))(from, to);
}

int unlink(const char *path) {
    count();
    return REAL("unlink", int (*)(const char *))(path);
}
