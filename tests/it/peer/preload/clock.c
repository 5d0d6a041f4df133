/*
 * A clock of the day that a test moves, for one process: preloaded by tests/it/relay/clock.rs.
 *
 * What the file $ANSHIN_TEST_CLOCK says in seconds is added to CLOCK_REALTIME. Other clocks are as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int (*real_gettime)(clockid_t, struct timespec *);
static const char *path;

__attribute__((constructor)) static void begin(void) {
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    path = getenv("ANSHIN_TEST_CLOCK");
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int status = real_gettime(clock, time);
    if (status == 0 && clock == CLOCK_REALTIME && path) {
        char digits[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, digits, sizeof digits - 1) > 0) time->tv_sec += atoll(digits);
            close(file);
        }
    }
    return status;
}
