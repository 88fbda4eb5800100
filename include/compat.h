/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that xalloc knows of kernel versions, and nothing else. A changed kernel interface is
 * recognised by a macro of its own where it has one; the version number is the last resort.
 *
 * Tested from 6.1 to 7.2. Newer kernels are built for with a note, never refused.
 */
#ifndef _XALLOC_COMPAT_H
#define _XALLOC_COMPAT_H

#include <linux/errno.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>

/* 6.12 moved it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "xalloc needs Linux 6.1 or newer"
#endif
#ifndef CONFIG_64BIT
#error "xalloc needs a 64-bit kernel: page numbers go up to 2^32"
#endif
#if PAGE_SHIFT != 12
#error "xalloc needs a kernel with pages of 4 KiB: with others no test has run"
#endif
#define XCOMPAT_TESTED_UP_TO	KERNEL_VERSION(7, 3, 0)
#define xcompat_untested_kernel() (LINUX_VERSION_CODE >= XCOMPAT_TESTED_UP_TO)

/*
 * 6.17 replaced the migrate type by flags. A wrong type would make the page
 * blocks change hands, so the two must not be mixed up.
 */
static inline int xcompat_alloc_contig_range(unsigned long from, unsigned long to,
					     gfp_t gfp)
{
#if !defined(CONFIG_CONTIG_ALLOC)
	return -EOPNOTSUPP;
#elif defined(ACR_FLAGS_NONE)
	return alloc_contig_range(from, to, ACR_FLAGS_NONE, gfp);
#else
	return alloc_contig_range(from, to, MIGRATE_MOVABLE, gfp);
#endif
}

/* 6.12 brought ranges that are reserved by name with reserve_mem= at boot. */
static inline int xcompat_reserve_mem(const char *name, phys_addr_t *base,
				      phys_addr_t *size)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return reserve_mem_find_by_name(name, base, size) ? 0 : -ENOENT;
#else
	return -EOPNOTSUPP;
#endif
}

/*
 * 6.7 has shrinkers allocated, and lets them point to their owner's data. What they
 * count costs nothing to make again, so seeks is 0.
 */
typedef unsigned long xcompat_shrink_fn(struct shrinker *shrinker,
					struct shrink_control *sc);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *xcompat_shrinker_new(const char *name, void *data,
						    xcompat_shrink_fn *count,
						    xcompat_shrink_fn *scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "xalloc-%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = 0;
	shrinker->private_data = data;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void *xcompat_shrinker_data(struct shrinker *shrinker)
{
	return shrinker->private_data;
}

static inline void xcompat_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
struct xcompat_shrinker {
	struct shrinker shrinker;
	void *data;
};

static inline struct shrinker *xcompat_shrinker_new(const char *name, void *data,
						    xcompat_shrink_fn *count,
						    xcompat_shrink_fn *scan)
{
	struct xcompat_shrinker *own = kzalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return NULL;
	own->shrinker.count_objects = count;
	own->shrinker.scan_objects = scan;
	own->data = data;
	if (register_shrinker(&own->shrinker, "xalloc-%s", name)) {
		kfree(own);
		return NULL;
	}
	return &own->shrinker;
}

static inline void *xcompat_shrinker_data(struct shrinker *shrinker)
{
	return container_of(shrinker, struct xcompat_shrinker, shrinker)->data;
}

static inline void xcompat_shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct xcompat_shrinker, shrinker));
}
#endif

/* The count of a page, in one load where it is one of many, and in an old value or a new one. */
static inline int xcompat_page_refs(const struct page *page)
{
	/* Other CPUs may take references meanwhile. */
	return data_race(page->_refcount.counter);
}

/*
 * Each kernel has some of kmem_cache's flags, with bits of its own, and some are 0 where what
 * they are for is not built in.
 */
static const struct {
	slab_flags_t	flag;
	const char	*theirs, *ours;
} xcompat_slab_flags[] __maybe_unused = {
#define XCOMPAT_SLAB(name)	{ SLAB_##name, "SLAB_" #name, NULL }
#define XCOMPAT_SAME(name)	{ SLAB_##name, "SLAB_" #name, "XSLAB_" #name }
	XCOMPAT_SAME(HWCACHE_ALIGN),
	XCOMPAT_SAME(TYPESAFE_BY_RCU),
	XCOMPAT_SLAB(CONSISTENCY_CHECKS),
	XCOMPAT_SLAB(RED_ZONE),
	XCOMPAT_SLAB(POISON),
	XCOMPAT_SLAB(STORE_USER),
	XCOMPAT_SLAB(TRACE),
	XCOMPAT_SLAB(PANIC),
	XCOMPAT_SLAB(CACHE_DMA),
	XCOMPAT_SLAB(CACHE_DMA32),
	XCOMPAT_SLAB(DEBUG_OBJECTS),
	XCOMPAT_SLAB(NOLEAKTRACE),
	XCOMPAT_SLAB(FAILSLAB),
	XCOMPAT_SLAB(ACCOUNT),
	XCOMPAT_SLAB(KASAN),
	XCOMPAT_SLAB(RECLAIM_ACCOUNT),	/* SLAB_TEMPORARY too */
#ifdef SLAB_KMALLOC
	XCOMPAT_SLAB(KMALLOC),
#endif
#ifdef SLAB_MEM_SPREAD
	XCOMPAT_SLAB(MEM_SPREAD),
#endif
#ifdef SLAB_NO_MERGE
	XCOMPAT_SLAB(NO_MERGE),
#endif
#ifdef SLAB_NO_USER_FLAGS
	XCOMPAT_SLAB(NO_USER_FLAGS),
#endif
#ifdef SLAB_SKIP_KFENCE
	XCOMPAT_SLAB(SKIP_KFENCE),
#endif
#ifdef SLAB_NO_OBJ_EXT
	XCOMPAT_SLAB(NO_OBJ_EXT),
#endif
#ifdef SLAB_OBJ_EXT_IN_OBJ
	XCOMPAT_SLAB(OBJ_EXT_IN_OBJ),
#endif
#ifdef SLAB_DEACTIVATED
	XCOMPAT_SLAB(DEACTIVATED),
#endif
#undef XCOMPAT_SLAB
#undef XCOMPAT_SAME
};

/*
 * The name of one of kmem_cache's flags in @flags, or NULL; *@ours: that of xalloc's flag
 * that means the same, or NULL.
 */
static inline const char *xcompat_slab_flag(u32 flags, const char **ours)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(xcompat_slab_flags); i++)
		if (flags & (__force u32)xcompat_slab_flags[i].flag) {
			*ours = xcompat_slab_flags[i].ours;
			return xcompat_slab_flags[i].theirs;
		}
	*ours = NULL;
	return NULL;
}

/*
 * Generic KASAN, for code that is compiled away without it. The function is exported, and
 * declared in mm/kasan/kasan.h only; so are the values of the shadow, by which reports say
 * what memory is.
 */
void kasan_poison(const void *addr, size_t size, u8 value, bool init);

#define XCOMPAT_KASAN_GRANULE		8UL
#define XCOMPAT_KASAN_PAGE_FREE		0xff
#define XCOMPAT_KASAN_SLAB_REDZONE	0xfc
#define XCOMPAT_KASAN_SLAB_FREE		0xfb

/*
 * For the tests
 */

/* What only they use is exported to them alone. 6.13 made strings of namespaces. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define XCOMPAT_FOR_KUNIT "EXPORTED_FOR_KUNIT_TESTING"
#else
#define XCOMPAT_FOR_KUNIT EXPORTED_FOR_KUNIT_TESTING
#endif

#if IS_ENABLED(CONFIG_KUNIT)
#define EXPORT_SYMBOL_FOR_KUNIT(symbol) EXPORT_SYMBOL_NS_GPL(symbol, XCOMPAT_FOR_KUNIT)
#else
#define EXPORT_SYMBOL_FOR_KUNIT(symbol)
#endif

/* 6.15 took hrtimer_init() away, 6.13 brought what replaces it. */
#include <linux/hrtimer.h>

static inline void xcompat_hrtimer_setup_on_stack(struct hrtimer *timer,
						  enum hrtimer_restart (*fn)(struct hrtimer *),
						  enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup_on_stack(timer, fn, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init_on_stack(timer, CLOCK_MONOTONIC, mode);
	timer->function = fn;
#endif
}

#endif
