// SPDX-License-Identifier: GPL-2.0
/*
 * Record what a program allocates: a library for LD_PRELOAD.
 *
 * Each process has a file of its own in the directory $XALLOC_TRACE, PROGRAM.PID.N, with one
 * struct xrecord a call. It is made by the first call, so a child that only becomes another
 * program leaves none. The file is mapped, so what is in it stays however the process ends; records
 * of zeros are its end. It is open only while a piece of it gets mapped: a program that closes all
 * files closes none of ours. Without the variable, an absolute path, nothing is recorded.
 *
 * The C library's own functions are called by the names that it has for them besides, so there is
 * nothing to look up and no call comes too early. What the process has before a file is made, and
 * what a child has of its parent, is freed without having been allocated; the converter drops such
 * records.
 *
 * Threads: records are in the order in which addresses change hands. A free is recorded before the
 * address is free, an allocation after it is taken, and the lock is held over a realloc(), which
 * is both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record.h"

#define WINDOW		(3UL << 20)	/* bytes of the file that are mapped: whole records */
#define WINDOW_RECORDS	(WINDOW / sizeof(struct xrecord))
#define MAX_BYTES	(192L << 20)	/* of a file: 8 million records */
#define MAX_FILES	1000		/* programs that one process becomes, one after the other */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xrecord *window;
static size_t used;	/* records of the window */
static off_t offset;	/* of the next window */
static char path[4096];	/* of the file; empty: there is none yet */
static bool off;	/* there is no file, and none is tried for */

/* The file's number, or -1 with no file by a name that was not taken. */
static int create_file(void)
{
	const char *dir = getenv("XALLOC_TRACE");
	int nr, file;

	for (nr = 0; dir && nr < MAX_FILES; nr++) {
		snprintf(path, sizeof(path), "%s/%s.%d.%d", dir, program_invocation_short_name,
			 (int)getpid(), nr);
		file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (file >= 0 || errno != EEXIST)
			return file;
	}
	return -1;
}

/* Returns false where there is none. */
static bool map_window(void)
{
	int file = *path ? open(path, O_RDWR | O_CLOEXEC) : create_file();
	void *map;

	if (file < 0)
		return false;
	map = ftruncate(file, offset + WINDOW) ? MAP_FAILED :
	      mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
	close(file);
	if (map == MAP_FAILED)
		return false;
	window = map;
	offset += WINDOW;
	return true;
}

static void drop_window(void)
{
	if (window)
		munmap(window, WINDOW);
	window = NULL;
	used = 0;
}

static void next_window(void)
{
	drop_window();
	off = offset == MAX_BYTES || !map_window();
}

/* The caller holds the lock. */
static void record(const void *old, const void *new, size_t size)
{
	if (!off && (!window || used == WINDOW_RECORDS))
		next_window();
	if (off)
		return;
	window[used++] = (struct xrecord){ (uintptr_t)old, (uintptr_t)new, size };
}

static void *allocated(void *addr, size_t size)
{
	int err = errno;

	if (addr && !off) {
		pthread_mutex_lock(&lock);
		record(NULL, addr, size);
		pthread_mutex_unlock(&lock);
	}
	errno = err;
	return addr;
}

/* A child has its parent's mapping, and must not use it. */
static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void)
{
	pthread_mutex_unlock(&lock);
	drop_window();
	*path = 0;
	offset = 0;
	off = false;
}

__attribute__((constructor)) static void start(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void *malloc(size_t size)
{
	return allocated(__libc_malloc(size), size);
}

void *calloc(size_t nr, size_t size)
{
	return allocated(__libc_calloc(nr, size), nr * size);
}

void free(void *addr)
{
	int err = errno;

	if (addr && !off) {
		pthread_mutex_lock(&lock);
		record(addr, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	__libc_free(addr);
	errno = err;
}

void *realloc(void *addr, size_t size)
{
	void *new;
	int err;

	pthread_mutex_lock(&lock);
	new = __libc_realloc(addr, size);
	err = errno;
	if (new || (addr && !size))
		record(addr, new, size);
	pthread_mutex_unlock(&lock);
	errno = err;
	return new;
}

void *reallocarray(void *addr, size_t nr, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(nr, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(addr, bytes);
}

void *memalign(size_t align, size_t size)
{
	return allocated(__libc_memalign(align, size), size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

int posix_memalign(void **addr, size_t align, size_t size)
{
	int err = EINVAL, before = errno;
	void *new;

	if (align && align % sizeof(void *) == 0 && !(align & (align - 1))) {
		new = memalign(align, size);
		err = new ? 0 : ENOMEM;
		if (new)
			*addr = new;
	}
	errno = before;
	return err;
}

void *valloc(size_t size)
{
	return memalign(sysconf(_SC_PAGESIZE), size);
}

void *pvalloc(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return memalign(page, (size + page - 1) / page * page);
}
