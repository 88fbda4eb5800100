/* SPDX-License-Identifier: GPL-2.0 */
/* What the recorder writes, and what it calls. */
#ifndef _RECORD_H
#define _RECORD_H

#include <linux/types.h>
#include <stddef.h>

/**
 * struct xrecord - a call, in the byte order of the machine; convert.py reads it
 * @old: address that was freed, or 0
 * @new: address that was allocated, or 0. Both: a realloc(), which may have moved it
 * @size: bytes asked for
 */
struct xrecord {
	__u64	old;
	__u64	new;
	__u64	size;
};

/* The other names of the C library's own functions. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *addr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *addr);

#endif
