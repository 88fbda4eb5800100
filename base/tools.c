// SPDX-License-Identifier: GPL-2.0
/*
 * xtools: the kernel's tools see what clients do with their memory
 *
 * Concepts
 *
 * The system's allocators tell the kernel's tools of each allocation and free, and so
 * does this file for those of clients, where the tools are built in:
 *
 *	KASAN		each byte outside of an object that a client has is poisoned: its
 *			padding, free objects, what is left over of a slab, free pages
 *	KMSAN		memory that was not written to is not initialised
 *	kmemleak	objects are scanned for pointers, and reported if none leads to them
 *	lockdep		no lock that is held lies in what is freed
 *	init_on_alloc, init_on_free
 *			boot parameters: what is allocated, or freed, is zeroed. Objects
 *			with a constructor are not, as they are not in the system's caches
 *
 * A cache or a pool that a tool watches has its fast paths closed for good
 * (xmag.c), and the slow ones come here. So in all others no path has an instruction more,
 * but for a branch in the slow ones that is patched when the kernel was booted with one of
 * the parameters.
 *
 * Order: the tools are told of a client's memory once it is certain that the client gets
 * it, and once it was accepted back, before another owner can get it. In between it has no
 * other owner, so there are no locks.
 *
 * KASAN
 *
 *	in the pool	in a slab			a client's
 *	0xff		0xfc, freed objects 0xfb	the bytes asked for
 *
 * Of the mode with a shadow in software, without tags: only there a byte of the shadow is
 * what memory is. The shadow of what is not the kernel's ordinary memory may be one page
 * for all, and read-only; so only pools of memory from the system, reserved memory that the
 * kernel has in its map, and callers' ranges of such pages are poisoned. When memory goes
 * back to where it came from, all of it is accessible.
 *
 * kmemleak
 *
 * kmemleak is told nothing of callers' ranges: they may lie in memory that it knows
 * already, which it does not survive. Nor would it survive being told of an object
 * that it knows: one that was freed in NMI, where it cannot be told, or one that a
 * client had freed twice and that was handed out twice. So each object is taken out of its
 * books first; and after a free in NMI, so are all objects of a slab that goes. It is never
 * told that it may wait for memory: the caller may be in any context, also where the system
 * reclaims. It does not look where magazines and metadata hold addresses of objects
 * (xmag.c, xtools_look_at()).
 *
 * Pages are not reported, as those of the page allocator are not.
 *
 * debugobjects
 *
 * debug_check_no_obj_freed(), which looks through a range for active timers and work, is
 * not exported, so these are not found at the free. debug_object_free() is exported, but
 * looks at one address and takes a lock for it: one for each eight bytes that are freed.
 */
#include <linux/debug_locks.h>
#include <linux/hardirq.h>
#include <linux/io.h>
#include <linux/kmemleak.h>
#include <linux/kmsan-checks.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "../include/compat.h"
#include "tools.h"

/* Objects were freed in NMI, so kmemleak may think that they are not. */
static bool kmemleak_is_behind;

/*
 * KASAN
 */

static void poison(unsigned int tools, const void *addr, size_t bytes, u8 value)
{
	if (tools & XTOOLS_KASAN)
		kasan_poison(addr, round_up(bytes, XCOMPAT_KASAN_GRANULE), value, false);
}

/*
 * It may be written to: memory that goes back to where it came from, or by a constructor. The
 * value of a granule is how many of its bytes are accessible, or 0: all.
 */
void xtools_open(unsigned int tools, const void *addr, size_t bytes)
{
	size_t whole = round_down(bytes, XCOMPAT_KASAN_GRANULE);

	if (!(tools & XTOOLS_KASAN))
		return;
	kasan_poison(addr, whole, 0, false);
	if (bytes > whole)
		kasan_poison(addr + whole, XCOMPAT_KASAN_GRANULE, bytes - whole, false);
}

/* Ordinary pages, which have a shadow of their own; what the firmware keeps is not. */
static bool is_ordinary(const void *addr, unsigned long pages)
{
	for (; pages; pages--, addr += PAGE_SIZE) {
		struct page *page;

		if (!virt_addr_valid(addr))
			return false;
		page = pfn_to_online_page(PHYS_PFN(virt_to_phys((void *)addr)));
		if (!page || PageReserved(page))
			return false;
	}
	return true;
}

/*
 * kmemleak
 */

/* No client will give the object back; kmemleak must not know of it when its memory is reused. */
void xtools_forget(unsigned int tools, void *obj)
{
	if (!(tools & XTOOLS_KMEMLEAK))
		return;
	if (in_nmi())
		WRITE_ONCE(kmemleak_is_behind, true);
	else
		kmemleak_free(obj);
}

/*
 * Pools
 */

/* The tools that watch a pool's memory. */
unsigned int xtools_of_pool(enum xtools_range range, const void *addr, unsigned long pages)
{
	/* Like want_init_on_alloc() and _free(), but those would be patched in this module. */
	bool on_alloc = static_key_enabled(&init_on_alloc);
	bool on_free = static_key_enabled(&init_on_free);
	unsigned int tools = XTOOLS_BUILT_IN ? XTOOLS_ANY : 0;
	bool ordinary;

	if (!XTOOLS_BUILT_IN && !on_alloc && !on_free)
		return 0;
	ordinary = range == XTOOLS_SYSTEM ||
		   (range == XTOOLS_CALLERS && is_ordinary(addr, pages));
	if (ordinary)
		tools |= XTOOLS_KASAN;
	if (range != XTOOLS_CALLERS)
		tools |= XTOOLS_KMEMLEAK;
	if (on_alloc && (ordinary || range == XTOOLS_MAPPED))
		tools |= XTOOLS_INIT_ON_ALLOC;
	if (on_free && (ordinary || range == XTOOLS_MAPPED))
		tools |= XTOOLS_INIT_ON_FREE;
	return tools;
}

/*
 * The tools that watch a cache of the pool. What a constructor has made is there in the
 * next allocation, too, and so is what readers under RCU may look at: for these,
 * init_on_free means the whole slab, when it goes.
 */
unsigned int xtools_of_cache(unsigned int tools, bool has_ctor, bool is_typesafe)
{
	if (!has_ctor && !is_typesafe)
		return tools;
	tools &= ~XTOOLS_INIT_ON_ALLOC;
	if (!tools)
		return 0;
	return tools | (has_ctor ? XTOOLS_CTOR : 0) | (is_typesafe ? XTOOLS_TYPESAFE : 0);
}

/* Memory that the pool has from now on. */
void xtools_add_range(unsigned int tools, const void *addr, size_t bytes)
{
	poison(tools, addr, bytes, XCOMPAT_KASAN_PAGE_FREE);
}

/*
 * Objects
 */

/*
 * A client has an object. @gfp: what it asked with. Any context.
 *
 * kmemleak's record is an object of SLUB's, whose locks may not be taken in a hard interrupt.
 * What is allocated there is neither reported nor scanned.
 */
void xtools_alloc(unsigned int tools, void *obj, size_t size, gfp_t gfp)
{
	xtools_open(tools, obj, size);
	if (!(tools & (XTOOLS_CTOR | XTOOLS_TYPESAFE)))
		kmsan_poison_memory(obj, size, GFP_ATOMIC);
	if (tools & XTOOLS_INIT_ON_ALLOC && !(gfp & __GFP_ZERO))
		memset(obj, 0, size);
	if (!(tools & XTOOLS_KMEMLEAK) || in_nmi())
		return;
	kmemleak_free(obj);	/* see the top; mostly it is not there */
	if (!in_hardirq())
		kmemleak_alloc(obj, size, 1, GFP_ATOMIC | __GFP_NOWARN);
}

/* A client has given an object back, and it has no other owner yet. Any context. */
void xtools_free(unsigned int tools, void *obj, size_t size)
{
	xtools_forget(tools, obj);
	debug_check_no_locks_freed(obj, size);
	if (tools & XTOOLS_TYPESAFE)
		return;
	if (tools & XTOOLS_INIT_ON_FREE && !(tools & XTOOLS_CTOR))
		memset(obj, 0, size);
	if (!(tools & XTOOLS_CTOR))
		kmsan_poison_memory(obj, size, GFP_ATOMIC);
	poison(tools, obj, size, XCOMPAT_KASAN_SLAB_FREE);
}

/*
 * Slabs
 */

/* Pages are a slab, or a part of one again, and no object of it is a client's. */
void xtools_add_slab(unsigned int tools, void *addr, size_t bytes)
{
	kmsan_poison_memory(addr, bytes, GFP_ATOMIC);
	poison(tools, addr, bytes, XCOMPAT_KASAN_SLAB_REDZONE);
}

/*
 * They are the pool's again. Objects are @stride apart, and the first that has a part there
 * begins at @first.
 */
void xtools_remove_slab(unsigned int tools, void *addr, long bytes, long first, long stride)
{
	if (tools & XTOOLS_INIT_ON_FREE && tools & (XTOOLS_CTOR | XTOOLS_TYPESAFE)) {
		xtools_open(tools, addr, bytes);
		memset(addr, 0, bytes);
	}
	poison(tools, addr, bytes, XCOMPAT_KASAN_PAGE_FREE);
	if (!(tools & XTOOLS_KMEMLEAK) || likely(!READ_ONCE(kmemleak_is_behind)) || in_nmi())
		return;
	for (; first < bytes; first += stride)
		kmemleak_free(addr + first);
}

/* A constructor wrote to an object that is no client's. */
void xtools_ctor_ends(unsigned int tools, void *obj, size_t size)
{
	poison(tools, obj, size, XCOMPAT_KASAN_SLAB_REDZONE);
}

/*
 * Pages
 */

void xtools_pages_alloc(unsigned int tools, void *addr, size_t bytes, gfp_t gfp)
{
	xtools_open(tools, addr, bytes);
	kmsan_poison_memory(addr, bytes, GFP_ATOMIC);
	if (tools & XTOOLS_INIT_ON_ALLOC && !(gfp & __GFP_ZERO))
		memset(addr, 0, bytes);
}

void xtools_pages_free(unsigned int tools, void *addr, size_t bytes)
{
	debug_check_no_locks_freed(addr, bytes);
	if (tools & XTOOLS_INIT_ON_FREE)
		memset(addr, 0, bytes);
	poison(tools, addr, bytes, XCOMPAT_KASAN_PAGE_FREE);
}
