/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the layers tell the kernel's tools about memory of clients. See base/tools.c.
 *
 * Each function takes what xtools_of_pool() said of the memory. Where that was 0, or where
 * no tool can be there at all, the callers do not come here: they ask xtools_watch() first.
 */
#ifndef _XALLOC_XTOOLS_H
#define _XALLOC_XTOOLS_H

#include <linux/gfp.h>
#include <linux/kconfig.h>
#include <linux/kmemleak.h>
#include <linux/types.h>

/*
 * Which tools want to know about the memory of a pool. KASAN does if its shadow can be written,
 * kmemleak if no other allocator reports the pool's objects. One that is not built in is 0.
 */
#define XTOOLS_KASAN		(IS_ENABLED(CONFIG_KASAN_GENERIC) ? 0x01U : 0)
#define XTOOLS_KMEMLEAK		(IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) ? 0x02U : 0)
#define XTOOLS_INIT_ON_ALLOC	0x04U
#define XTOOLS_INIT_ON_FREE	0x08U
#define XTOOLS_ANY		0x10U	/* KMSAN, lockdep: whatever memory it is */

#define XTOOLS_CTOR		0x20U	/* no tool: objects have a constructor */
#define XTOOLS_TYPESAFE		0x40U	/* no tool: readers may look at free objects */

#define XTOOLS_BUILT_IN \
	(IS_ENABLED(CONFIG_KASAN_GENERIC) || IS_ENABLED(CONFIG_KMSAN) || \
	 IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || IS_ENABLED(CONFIG_LOCKDEP))

/*
 * Does a tool want to know? @tools: of a pool or a cache. Asked on slow paths only, so this is
 * no static key, for which a module's load takes memory and warns where there is none.
 */
static __always_inline bool xtools_watch(unsigned int tools)
{
	return XTOOLS_BUILT_IN ? tools : unlikely(tools);
}

/* Whose memory a pool manages. */
enum xtools_range {
	XTOOLS_SYSTEM,		/* ordinary memory of the kernel's, that we took */
	XTOOLS_MAPPED,		/* that we mapped; it may be none of the kernel's */
	XTOOLS_CALLERS,		/* the caller's, of any kind */
};

unsigned int xtools_of_pool(enum xtools_range range, const void *addr, unsigned long pages);
unsigned int xtools_of_cache(unsigned int tools, bool has_ctor, bool is_typesafe);
void xtools_add_range(unsigned int tools, const void *addr, size_t bytes);
void xtools_open(unsigned int tools, const void *addr, size_t bytes);

void xtools_alloc(unsigned int tools, void *obj, size_t size, gfp_t gfp);
void xtools_free(unsigned int tools, void *obj, size_t size);
void xtools_forget(unsigned int tools, void *obj);
void xtools_add_slab(unsigned int tools, void *addr, size_t bytes);
void xtools_remove_slab(unsigned int tools, void *addr, long bytes, long first, long stride);
void xtools_ctor_ends(unsigned int tools, void *obj, size_t size);
void xtools_pages_alloc(unsigned int tools, void *addr, size_t bytes, gfp_t gfp);
void xtools_pages_free(unsigned int tools, void *addr, size_t bytes);

/*
 * In a structure of ours, kmemleak should look for pointers in these bytes and in others
 * that are named so: elsewhere are addresses of memory that clients have.
 */
static inline void xtools_look_at(const void *from, const void *end)
{
	kmemleak_scan_area(from, end - from, GFP_KERNEL);
}

#endif
