/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kmem_cache: its interface on xslab.
 *
 * Kernel code is built with this header before its own includes. A kmem_cache is an
 * xslab_cache then, and what xalloc refuses is a warning: a free of what is not live, and a
 * destroy of what is in use, which kmem_cache_destroy() has no result for.
 */
#ifndef _PORTS_KMEM_CACHE_H
#define _PORTS_KMEM_CACHE_H

#include <linux/mempool.h>
#include <linux/slab.h>
#include <xalloc/xslab.h>

#define kmem_cache	xslab_cache

/* The other flags are of accounting, merging and debugging, of which a pool has its own. */
static inline struct kmem_cache *port_create(const char *name, unsigned int size,
					     unsigned int align, slab_flags_t flags,
					     void (*ctor)(void *))
{
	xslab_flags_t own = 0;

	if (flags & SLAB_HWCACHE_ALIGN)
		own |= XSLAB_HWCACHE_ALIGN;
	if (flags & SLAB_TYPESAFE_BY_RCU)
		own |= XSLAB_TYPESAFE_BY_RCU;
	return xslab_cache_create(name, size, align, own, ctor);
}

static inline struct kmem_cache *port_create_args(const char *name, unsigned int size,
						  const struct kmem_cache_args *args,
						  slab_flags_t flags)
{
	return port_create(name, size, args->align, flags, args->ctor);
}

static inline struct kmem_cache *port_create_plain(const char *name, unsigned int size,
						   void *none, slab_flags_t flags)
{
	return port_create(name, size, 0, flags, NULL);
}

#undef kmem_cache_create
#define kmem_cache_create(name, size, args, ...)					\
	_Generic((args),								\
		 struct kmem_cache_args *: port_create_args,				\
		 void *: port_create_plain,						\
		 default: port_create)(name, size, args, __VA_ARGS__)

static inline struct kmem_cache *port_create_usercopy(const char *name, unsigned int size,
						      unsigned int align, slab_flags_t flags,
						      unsigned int from, unsigned int len,
						      void (*ctor)(void *))
{
	return port_create(name, size, align, flags, ctor);
}

#define kmem_cache_create_usercopy	port_create_usercopy
#undef KMEM_CACHE
#define KMEM_CACHE(type, flags)								\
	port_create(#type, sizeof(struct type), __alignof__(struct type), flags, NULL)

/* What the guest's script counts, of caches that go before it has looked at them. */
static inline void port_destroy(struct kmem_cache *cache)
{
	struct xslab_stats stats;

	if (IS_ERR_OR_NULL(cache))
		return;
	xslab_cache_stats(cache, &stats);
	pr_info("ported cache %s had %llu objects\n", xslab_cache_name(cache), stats.allocs);
	WARN_ON(xslab_cache_destroy(cache));
}

#define kmem_cache_destroy	port_destroy

/* kmem_cache_zalloc() is the kernel's, and comes here */
#undef kmem_cache_alloc
#define kmem_cache_alloc(cache, gfp)		xslab_cache_alloc(cache, gfp)
#undef kmem_cache_alloc_lru
#define kmem_cache_alloc_lru(cache, lru, gfp)	((void)(lru), xslab_cache_alloc(cache, gfp))
#define kmem_cache_free(cache, obj)		((void)WARN_ON(xslab_cache_free(cache, obj)))
#define kmem_cache_shrink(cache)		xslab_cache_shrink(cache)
#define kmem_cache_free_bulk(cache, nr, objs)	xslab_cache_free_bulk(cache, nr, objs)

static inline void *port_mempool_alloc(gfp_t gfp, void *cache)
{
	return xslab_cache_alloc(cache, gfp);
}

static inline void port_mempool_free(void *obj, void *cache)
{
	kmem_cache_free(cache, obj);
}

#undef mempool_create_slab_pool
#define mempool_create_slab_pool(nr, cache)						\
	mempool_create(nr, port_mempool_alloc, port_mempool_free, cache)

#endif
