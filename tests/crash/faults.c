/* Sees every change a process makes below some folders, numbers them, and spoils one.
 *
 * Preloaded (LD_PRELOAD), it stands before the C library's calls, which Python, SQLite, LMDB and
 * the Rust of delta-rs all go through. Nothing happens until `faults_watch` names folders. Calls
 * are made one at a time while watched, so that their order in the record is the real one.
 *
 * Not seen: stores into shared mappings (recorded when mapped, so that a test can tell which files
 * those are) and system calls made past the C library (a test compares with strace).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum deed { NONE, KILL_BEFORE, KILL_AFTER, TEAR, FAIL_FROM, FAIL_ONCE, SHORTEN, STOP_BEFORE };
enum kind { CREATE = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, SYNC, MAP, SYNC_ALL };

#define MOST_ROOTS 4
static char roots[MOST_ROOTS][PATH_MAX];
static int watched, deed, error_number, record_to = -1;
static long at, seen;
static pthread_mutex_t one_at_a_time = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

struct entry { /* before a path, a second path and data, of these lengths */
    uint8_t kind, synced;
    uint16_t path, other;
    uint32_t data;
    int64_t node, offset;
} __attribute__((packed));

#define REAL(name) \
    ({ \
        static typeof(name) *found; \
        if (!found) found = (typeof(name) *)real(#name); \
        found; \
    })

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

int faults_watch(const char *root) {
    if (watched == MOST_ROOTS || strlen(root) >= PATH_MAX) return -1;
    strcpy(roots[watched++], root);
    return 0;
}

void faults_arm(long number, int what, int error) {
    at = number, deed = what, error_number = error;
}

void faults_record(int handle) { record_to = handle; }

long faults_seen(void) { return seen; }

static int below(const char *path) {
    for (int i = 0; i < watched; i++) {
        size_t size = strlen(roots[i]);
        if (!strncmp(path, roots[i], size) && (path[size] == '/' || !path[size])) return 1;
    }
    return 0;
}

/* The path of an open file, if it is one below the roots. */
static int of_handle(int handle, char *path) {
    char link[64];
    if (!watched || handle < 0 || handle == record_to) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

/* The absolute path of a name in a folder, if it is one below the roots. */
static int of_name(int folder, const char *name, char *path) {
    if (!watched) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else if (!of_handle(folder, base)) {
            return 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
    }
    return below(path);
}

static int64_t node_of(const char *path) {
    struct stat found;
    return lstat(path, &found) ? -1 : (int64_t)found.st_ino;
}

static int64_t node_of_handle(int handle) {
    struct stat found;
    return fstat(handle, &found) ? -1 : (int64_t)found.st_ino;
}

static void put(const void *data, size_t size) {
    while (size) {
        ssize_t done = REAL(write)(record_to, data, size);
        if (done <= 0) abort();
        data = (const char *)data + done, size -= (size_t)done;
    }
}

static void record(struct entry entry, const char *path, const char *other, const void *data) {
    if (record_to < 0) return;
    int before = errno;
    entry.path = (uint16_t)strlen(path), entry.other = (uint16_t)strlen(other);
    put(&entry, sizeof entry);
    put(path, entry.path), put(other, entry.other), put(data, entry.data);
    errno = before;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Begin a change: 0 to make it, -1 to fail with errno set, 1 if its write is to be cut in half. */
static int begin(enum kind kind) {
    pthread_mutex_lock(&one_at_a_time);
    seen++;
    int hit = seen == at;
    if (hit && (deed == KILL_BEFORE || (deed == TEAR && kind != WRITE))) die();
    if (hit && deed == STOP_BEFORE) kill(getpid(), SIGSTOP);
    if ((hit && deed == FAIL_ONCE) || (seen >= at && deed == FAIL_FROM)) {
        if (error_number != ENOSPC || (kind != UNLINK && kind != RMDIR)) {
            errno = error_number;
            pthread_mutex_unlock(&one_at_a_time);
            return -1;
        }
    }
    return hit && kind == WRITE && (deed == TEAR || deed == SHORTEN);
}

static void end(void) {
    int before = errno;
    if (seen == at && (deed == KILL_AFTER || deed == TEAR)) die();
    errno = before;
    pthread_mutex_unlock(&one_at_a_time);
}

/* ---- files ---------------------------------------------------------------------------------- */

static int opened(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if ((flags & O_ACCMODE) == O_RDONLY || !of_name(folder, name, path))
        return REAL(openat)(folder, name, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int there = node_of(path) >= 0;
    int changes = there ? (flags & O_TRUNC) != 0 && !(flags & O_EXCL) : (flags & O_CREAT) != 0;
    int handle = -1, fails = 0;
    if (changes) {
        fails = begin(there ? TRUNCATE : CREATE);
    } else if (deed == FAIL_FROM && error_number == EROFS && seen >= at) {
        errno = EROFS, fails = -1;
    }
    if (fails >= 0) {
        handle = REAL(openat)(folder, name, flags, mode);
        if (handle >= 0 && changes) {
            struct entry entry = {.kind = there ? TRUNCATE : CREATE, .node = node_of_handle(handle)};
            record(entry, path, "", NULL);
        }
        if (changes) end();
    }
    pthread_mutex_unlock(&one_at_a_time);
    return handle;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return opened(at, name, flags, mode); }
int creat(const char *name, mode_t mode) {
    return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* A write at `offset`, or where the file stands if that is negative. */
static ssize_t written(int handle, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    if (!of_handle(handle, path))
        return offset < 0 ? REAL(write)(handle, data, size) : REAL(pwrite)(handle, data, size, offset);
    int half = begin(WRITE);
    if (half < 0) return -1;
    int flags = fcntl(handle, F_GETFL);
    off_t place = offset;
    if (flags & O_APPEND) {
        struct stat found;
        fstat(handle, &found);
        place = found.st_size;
    } else if (offset < 0) {
        place = lseek(handle, 0, SEEK_CUR);
    }
    if (half && size > 1) size /= 2;
    ssize_t done =
        offset < 0 ? REAL(write)(handle, data, size) : REAL(pwrite)(handle, data, size, offset);
    if (done > 0) {
        struct entry entry = {.kind = WRITE, .synced = (flags & O_DSYNC) != 0,
                              .data = (uint32_t)done, .node = node_of_handle(handle), .offset = place};
        record(entry, path, "", data);
    }
    end();
    return done;
}

static ssize_t gathered(int handle, const struct iovec *parts, int count, off_t offset) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *data = malloc(size + 1), *place = data;
    if (!data) return errno = ENOMEM, -1;
    for (int i = 0; i < count; i++) place = mempcpy(place, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = written(handle, data, size, offset);
    free(data);
    return done;
}

ssize_t write(int handle, const void *data, size_t size) {
    return written(handle, data, size, -1);
}
ssize_t pwrite(int handle, const void *data, size_t size, off_t offset) {
    return written(handle, data, size, offset);
}
ssize_t pwrite64(int handle, const void *data, size_t size, off_t offset) {
    return written(handle, data, size, offset);
}
ssize_t writev(int handle, const struct iovec *parts, int count) {
    return gathered(handle, parts, count, -1);
}
ssize_t pwritev(int handle, const struct iovec *parts, int count, off_t offset) {
    return gathered(handle, parts, count, offset);
}
ssize_t pwritev64(int handle, const struct iovec *parts, int count, off_t offset) {
    return gathered(handle, parts, count, offset);
}

/* Short cuts for copying are declined, so that whoever copies falls back to writing. */
ssize_t copy_file_range(int from, off_t *a, int to, off_t *b, size_t size, unsigned flags) {
    char path[PATH_MAX];
    if (of_handle(to, path)) return errno = EXDEV, -1;
    return REAL(copy_file_range)(from, a, to, b, size, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size);
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    char path[PATH_MAX];
    if (of_handle(to, path)) return errno = EINVAL, -1;
    return REAL(sendfile)(to, from, offset, size);
}
int fallocate(int handle, int mode, off_t offset, off_t size) {
    char path[PATH_MAX];
    if (of_handle(handle, path)) return errno = EOPNOTSUPP, -1;
    return REAL(fallocate)(handle, mode, offset, size);
}

int ftruncate(int handle, off_t size) {
    char path[PATH_MAX];
    if (!of_handle(handle, path)) return REAL(ftruncate)(handle, size);
    if (begin(TRUNCATE) < 0) return -1;
    int failed = REAL(ftruncate)(handle, size);
    if (!failed) {
        struct entry entry = {.kind = TRUNCATE, .node = node_of_handle(handle), .offset = size};
        record(entry, path, "", NULL);
    }
    end();
    return failed;
}
int ftruncate64(int handle, off_t size) { return ftruncate(handle, size); }

static int made_durable(int handle, int (*call)(int)) {
    char path[PATH_MAX];
    if (!of_handle(handle, path)) return call(handle);
    if (begin(SYNC) < 0) return -1;
    int failed = call(handle);
    if (!failed) record((struct entry){.kind = SYNC, .node = node_of_handle(handle)}, path, "", NULL);
    end();
    return failed;
}
int fsync(int handle) { return made_durable(handle, REAL(fsync)); }
int fdatasync(int handle) { return made_durable(handle, REAL(fdatasync)); }

int syncfs(int handle) {
    char path[PATH_MAX];
    if (!of_handle(handle, path)) return REAL(syncfs)(handle);
    if (begin(SYNC_ALL) < 0) return -1;
    int failed = REAL(syncfs)(handle);
    if (!failed) record((struct entry){.kind = SYNC_ALL}, path, "", NULL);
    end();
    return failed;
}

static void *mapped(void *where, size_t size, int rights, int flags, int handle, off_t offset) {
    char path[PATH_MAX];
    if ((rights & PROT_WRITE) && (flags & MAP_SHARED) && of_handle(handle, path)) {
        pthread_mutex_lock(&one_at_a_time);
        record((struct entry){.kind = MAP, .node = node_of_handle(handle)}, path, "", NULL);
        pthread_mutex_unlock(&one_at_a_time);
    }
    return REAL(mmap)(where, size, rights, flags, handle, offset);
}
void *mmap(void *where, size_t size, int rights, int flags, int handle, off_t offset) {
    return mapped(where, size, rights, flags, handle, offset);
}
void *mmap64(void *where, size_t size, int rights, int flags, int handle, off_t offset) {
    return mapped(where, size, rights, flags, handle, offset);
}

/* ---- names ---------------------------------------------------------------------------------- */

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    int leaves = of_name(from, old, path), enters = of_name(to, new, other);
    if (!leaves && !enters) return REAL(renameat2)(from, old, to, new, flags);
    if (begin(RENAME) < 0) return -1;
    int64_t node = node_of(path);
    int failed = REAL(renameat2)(from, old, to, new, flags);
    if (!failed) record((struct entry){.kind = RENAME, .node = node}, path, other, NULL);
    end();
    return failed;
}
int renameat(int from, const char *old, int to, const char *new) {
    return renameat2(from, old, to, new, 0);
}
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char path[PATH_MAX], other[PATH_MAX];
    if (!of_name(to, new, other)) return REAL(linkat)(from, old, to, new, flags);
    of_name(from, old, path);
    if (begin(LINK) < 0) return -1;
    int failed = REAL(linkat)(from, old, to, new, flags);
    if (!failed) record((struct entry){.kind = LINK, .node = node_of(other)}, path, other, NULL);
    end();
    return failed;
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!of_name(folder, name, path)) return REAL(unlinkat)(folder, name, flags);
    enum kind kind = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    if (begin(kind) < 0) return -1;
    int64_t node = node_of(path);
    int failed = REAL(unlinkat)(folder, name, flags);
    if (!failed) record((struct entry){.kind = kind, .node = node}, path, "", NULL);
    end();
    return failed;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    if (!of_name(folder, name, path)) return REAL(mkdirat)(folder, name, mode);
    if (node_of(path) >= 0) return errno = EEXIST, -1;
    if (begin(MKDIR) < 0) return -1;
    int failed = REAL(mkdirat)(folder, name, mode);
    if (!failed) record((struct entry){.kind = MKDIR, .node = node_of(path)}, path, "", NULL);
    end();
    return failed;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
