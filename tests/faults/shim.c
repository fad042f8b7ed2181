/* Loaded before libc (LD_PRELOAD): sees every file operation below one folder, of Python and of SQLite alike.
 *
 * Armed by a call (`arm`, in the process that is to be watched and in no child of it), it writes what happens to a log
 * and, at the operation of a given number, lets that one fail or kills the process. Reads are counted apart: a log of
 * them would say nothing, but they can be made to fail.
 *
 * A record is a struct `record`, then the path below the folder, then a second path (rename) or the data (write).
 * What would change a file unseen (a writable mapping other than SQLite's -shm, which recovery makes anew; sendfile;
 * link ...) is logged as STRANGE, so that the model of the disk refuses the log instead of believing it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, CLOSE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, RMDIR, MKDIR, MARK, STRANGE, READ };

struct record {
    uint32_t kind, failed;
    int32_t fd, flags;
    int64_t offset;
    uint32_t path, data;
};

enum { FDS = 4096, PATH = 4096 };

/* What is done at an operation: none, this errno (positive), or the death of the process. */
enum { KILL = -1 };

static struct {
    pthread_mutex_t turn;
    pid_t pid;
    int log;
    char root[PATH];
    size_t root_length;
    int action, sticky, reads;
    long at, count;
} now = {.turn = PTHREAD_MUTEX_INITIALIZER, .log = -1};

static struct { int open; dev_t device; ino_t inode; int writes; char path[PATH]; } files[FDS];

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

static int armed(void) { return now.pid != 0 && now.pid == getpid(); }

static void put(const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t done = REAL(write)(now.log, at, size);
        if (done <= 0) _exit(99);
        at += done;
        size -= done;
    }
}

static void note(enum kind kind, int failed, int fd, int flags, int64_t offset, const char *path, const void *data,
                 size_t size) {
    if (now.log < 0) return;
    int saved = errno;
    struct record record = {kind, failed, fd, flags, offset, strlen(path), size};
    put(&record, sizeof record);
    put(path, record.path);
    if (size) put(data, size);
    errno = saved;
}

/* The path below the watched folder ("" for itself); NULL for any other. */
static const char *below(int folder, const char *path, char *room) {
    if (!armed() || !path) return NULL;
    if (path[0] != '/') {
        if (folder < 0 || folder >= FDS || !files[folder].open) return NULL;
        snprintf(room, PATH, "%s%s%s", files[folder].path, *files[folder].path ? "/" : "", path);
        return room;
    }
    if (strncmp(path, now.root, now.root_length)) return NULL;
    path += now.root_length;
    if (*path == 0) return path;
    if (*path != '/') return NULL;
    while (*path == '/') path++;
    return path;
}

/* A number is used again for another file when a close was not seen: the inode tells. */
static const char *of_fd(int fd) {
    struct stat found;
    if (!armed() || fd < 0 || fd >= FDS || !files[fd].open) return NULL;
    if (fstat(fd, &found) || found.st_dev != files[fd].device || found.st_ino != files[fd].inode) {
        files[fd].open = 0;
        return NULL;
    }
    return files[fd].path;
}

static void opened(int fd, int flags, const char *path) {
    if (fd < 0 || fd >= FDS) return;
    struct stat found;
    if (!path || fstat(fd, &found)) {
        files[fd].open = 0;
        return;
    }
    files[fd].open = 1;
    files[fd].device = found.st_dev;
    files[fd].inode = found.st_ino;
    files[fd].writes = (flags & O_ACCMODE) != O_RDONLY;
    snprintf(files[fd].path, PATH, "%s", path);
}

/* Counts an operation; returns the errno that it is to fail with, 0 for none. A full disk stays full for what needs
 * room, and only for that. */
static int fate(enum kind kind, int needs_room) {
    if ((kind == READ) != now.reads) return 0;
    now.count++;
    int is_it = now.count == now.at || (now.sticky && now.at && now.count > now.at && needs_room);
    if (!is_it || !now.action) return 0;
    if (now.action == KILL) kill(getpid(), SIGKILL);
    return now.action;
}

#define ENTER pthread_mutex_lock(&now.turn)
#define LEAVE(value) do { int kept = errno; pthread_mutex_unlock(&now.turn); errno = kept; return (value); } while (0)
#define FAIL(error) do { pthread_mutex_unlock(&now.turn); errno = (error); return -1; } while (0)

/* What the tests call. `at` is the number of the operation from 1, 0 for none. */
int arm(const char *root, int log, int action, int sticky, int reads, long at) {
    memset(files, 0, sizeof files);
    snprintf(now.root, PATH, "%s", root);
    now.root_length = strlen(now.root);
    now.log = log;
    now.action = action;
    now.sticky = sticky;
    now.reads = reads;
    now.at = at;
    now.count = 0;
    now.pid = getpid();
    return 0;
}

/* Stops failing, goes on counting and logging. */
long calm(void) {
    now.at = 0;
    return now.count;
}

int past(void) { return now.at && now.count >= now.at; }

void mark(const char *data, size_t size) {
    ENTER;
    note(MARK, 0, -1, 0, 0, "", data, size);
    pthread_mutex_unlock(&now.turn);
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    char room[PATH];
    int fd;
    const char *name = below(folder, path, room);
    if (!name) {
        fd = REAL(openat)(folder, path, flags, mode);
        if (armed()) opened(fd, flags, NULL);
        return fd;
    }
    ENTER;
    int error = fate(OPEN, flags & O_CREAT);
    if (error) FAIL(error);
    fd = REAL(openat)(folder, path, flags, mode);
    if (fd >= 0) {
        opened(fd, flags, name);
        note(OPEN, 0, fd, flags, 0, name, NULL, 0);
    }
    LEAVE(fd);
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, int); va_end(more); }

int open(const char *path, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags) return open_any(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags) return open_any(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* A failing close has closed the file all the same, as on Linux. */
int close(int fd) {
    const char *path = of_fd(fd);
    if (!path) {
        if (armed() && fd >= 0 && fd < FDS) files[fd].open = 0;
        return REAL(close)(fd);
    }
    ENTER;
    int error = files[fd].writes ? fate(CLOSE, 0) : 0;
    note(CLOSE, error, fd, 0, 0, path, NULL, 0);
    files[fd].open = 0;
    int result = REAL(close)(fd);
    if (error) FAIL(error);
    LEAVE(result);
}

static int64_t end_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? -1 : found.st_size;
}

static ssize_t wrote(int fd, int64_t offset, const char *path, const void *data, ssize_t size) {
    if (size > 0) note(WRITE, 0, fd, 0, offset, path, data, size);
    LEAVE(size);
}

ssize_t write(int fd, const void *data, size_t size) {
    const char *path = of_fd(fd);
    if (!path) return REAL(write)(fd, data, size);
    ENTER;
    int error = fate(WRITE, 1);
    int64_t offset = fcntl(fd, F_GETFL) & O_APPEND ? end_of(fd) : lseek(fd, 0, SEEK_CUR);
    /* A disk that is full takes what fits: half of it here; the next call then fails. */
    if (error == ENOSPC && now.sticky && size > 1) return wrote(fd, offset, path, data, REAL(write)(fd, data, size / 2));
    if (error) FAIL(error);
    return wrote(fd, offset, path, data, REAL(write)(fd, data, size));
}

static ssize_t pwrite_any(int fd, const void *data, size_t size, off64_t offset) {
    const char *path = of_fd(fd);
    if (!path) return REAL(pwrite64)(fd, data, size, offset);
    ENTER;
    int error = fate(WRITE, 1);
    if (error) FAIL(error);
    return wrote(fd, offset, path, data, REAL(pwrite64)(fd, data, size, offset));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite_any(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite_any(fd, data, size, offset); }

/* As a write of its first piece: a short write is always allowed, and callers go on with the rest. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    if (!of_fd(fd) || count < 1) return REAL(writev)(fd, pieces, count);
    return write(fd, pieces[0].iov_base, pieces[0].iov_len);
}

static int truncate_any(int fd, off64_t size) {
    const char *path = of_fd(fd);
    if (!path) return REAL(ftruncate64)(fd, size);
    ENTER;
    int error = fate(TRUNCATE, 0);
    if (error) FAIL(error);
    int result = REAL(ftruncate64)(fd, size);
    if (!result) note(TRUNCATE, 0, fd, 0, size, path, NULL, 0);
    LEAVE(result);
}

int ftruncate(int fd, off_t size) { return truncate_any(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_any(fd, size); }

/* What a failed fsync did not write may never be written: the log says so. */
#define SYNC_OF(name) \
    int name(int fd) { \
        const char *path = of_fd(fd); \
        if (!path) return REAL(name)(fd); \
        ENTER; \
        int error = fate(SYNC, 1); \
        note(SYNC, error, fd, 0, 0, path, NULL, 0); \
        if (error) FAIL(error); \
        LEAVE(REAL(name)(fd)); \
    }
SYNC_OF(fsync)
SYNC_OF(fdatasync)

static int rename_any(int from, const char *old, int to, const char *new) {
    char room[PATH], other[PATH];
    const char *source = below(from, old, room), *target = below(to, new, other);
    if (!source && !target) return REAL(renameat)(from, old, to, new);
    ENTER;
    if (!source || !target) note(STRANGE, 0, -1, 0, 0, "a rename over the folder's edge", NULL, 0);
    int error = fate(RENAME, 1);
    if (error) FAIL(error);
    int result = REAL(renameat)(from, old, to, new);
    if (!result && source && target) note(RENAME, 0, -1, 0, 0, source, target, strlen(target));
    LEAVE(result);
}

int rename(const char *old, const char *new) { return rename_any(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int from, const char *old, int to, const char *new) { return rename_any(from, old, to, new); }

static int remove_any(int folder, const char *path, int flags) {
    char room[PATH];
    const char *name = below(folder, path, room);
    if (!name) return REAL(unlinkat)(folder, path, flags);
    ENTER;
    enum kind kind = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    int error = fate(kind, 0);
    if (error) FAIL(error);
    int result = REAL(unlinkat)(folder, path, flags);
    if (!result) note(kind, 0, -1, 0, 0, name, NULL, 0);
    LEAVE(result);
}

int unlink(const char *path) { return remove_any(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_any(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) { return remove_any(folder, path, flags); }
int remove(const char *path) {
    struct stat found;
    return remove_any(AT_FDCWD, path, !lstat(path, &found) && S_ISDIR(found.st_mode) ? AT_REMOVEDIR : 0);
}

static int mkdir_any(int folder, const char *path, mode_t mode) {
    char room[PATH];
    const char *name = below(folder, path, room);
    if (!name) return REAL(mkdirat)(folder, path, mode);
    ENTER;
    int error = fate(MKDIR, 1);
    if (error) FAIL(error);
    int result = REAL(mkdirat)(folder, path, mode);
    if (!result) note(MKDIR, 0, -1, 0, 0, name, NULL, 0);
    LEAVE(result);
}

int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return mkdir_any(folder, path, mode); }

#define READ_OF(name, signature, call) \
    ssize_t name signature { \
        if (!now.reads || !of_fd(fd)) return REAL(name) call; \
        ENTER; \
        int error = fate(READ, 0); \
        if (error) FAIL(error); \
        LEAVE(REAL(name) call); \
    }
READ_OF(read, (int fd, void *data, size_t size), (fd, data, size))
READ_OF(pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset))
READ_OF(pread64, (int fd, void *data, size_t size, off64_t offset), (fd, data, size, offset))

static void *map_any(void *at, size_t size, int access, int flags, int fd, off64_t offset) {
    const char *path = flags & MAP_ANONYMOUS ? NULL : of_fd(fd);
    if (path && (access & PROT_WRITE) && (flags & MAP_SHARED)) {
        size_t length = strlen(path);
        if (length < 4 || strcmp(path + length - 4, "-shm")) note(STRANGE, 0, fd, 0, 0, "a writable mapping", NULL, 0);
    }
    if (path && now.reads) {
        ENTER;
        int error = fate(READ, 0);
        pthread_mutex_unlock(&now.turn);
        if (error) { errno = error == EIO ? ENOMEM : error; return MAP_FAILED; }
    }
    return REAL(mmap64)(at, size, access, flags, fd, offset);
}

void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset) {
    return map_any(at, size, access, flags, fd, offset);
}
void *mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset) {
    return map_any(at, size, access, flags, fd, offset);
}

/* Nothing here calls these on a library today. */
#define STRANGE_OF(type, name, signature, call, watched) \
    type name signature { \
        if (watched) note(STRANGE, 0, -1, 0, 0, #name, NULL, 0); \
        return REAL(name) call; \
    }
#include <sys/sendfile.h>
STRANGE_OF(ssize_t, sendfile, (int out, int in, off_t *offset, size_t size), (out, in, offset, size), of_fd(out))
STRANGE_OF(ssize_t, sendfile64, (int out, int in, off64_t *offset, size_t size), (out, in, offset, size), of_fd(out))
STRANGE_OF(ssize_t, copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags),
           (in, from, out, to, size, flags), of_fd(out))
STRANGE_OF(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size), of_fd(fd))
STRANGE_OF(int, posix_fallocate, (int fd, off_t offset, off_t size), (fd, offset, size), of_fd(fd))
STRANGE_OF(int, posix_fallocate64, (int fd, off64_t offset, off64_t size), (fd, offset, size), of_fd(fd))
STRANGE_OF(ssize_t, pwritev, (int fd, const struct iovec *pieces, int count, off_t offset), (fd, pieces, count, offset),
           of_fd(fd))
STRANGE_OF(int, link, (const char *old, const char *new), (old, new), below(AT_FDCWD, new, (char[PATH]){0}))
STRANGE_OF(int, truncate, (const char *path, off_t size), (path, size), below(AT_FDCWD, path, (char[PATH]){0}))
