/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sheaf: objects that are taken ahead of need, so that later allocations cannot fail. An
 * array that one bulk request fills.
 */
#ifndef _PORTS_SHEAF_H
#define _PORTS_SHEAF_H

#include "kmem_cache.h"

struct slab_sheaf {
	unsigned int	size;
	void		*objects[];
};

static inline unsigned int port_sheaf_size(const struct slab_sheaf *sheaf)
{
	return sheaf->size;
}

static inline void *port_alloc_from_sheaf(struct kmem_cache *cache, gfp_t gfp,
					  struct slab_sheaf *sheaf)
{
	return sheaf->objects[--sheaf->size];
}

static inline void port_return_sheaf(struct kmem_cache *cache, gfp_t gfp,
				     struct slab_sheaf *sheaf)
{
	xslab_cache_free_bulk(cache, sheaf->size, sheaf->objects);
	kfree(sheaf);
}

/* A sheaf of @size objects, more than @old has and with those; or NULL, and @old stays */
static inline struct slab_sheaf *port_grow_sheaf(struct kmem_cache *cache, gfp_t gfp,
						 struct slab_sheaf *old, unsigned int size)
{
	unsigned int have = old ? old->size : 0;
	struct slab_sheaf *sheaf = kmalloc(struct_size(sheaf, objects, size), gfp);

	if (!sheaf)
		return NULL;
	if (!xslab_cache_alloc_bulk(cache, gfp, size - have, sheaf->objects + have)) {
		kfree(sheaf);
		return NULL;
	}
	if (old)
		memcpy(sheaf->objects, old->objects, have * sizeof(void *));
	kfree(old);
	sheaf->size = size;
	return sheaf;
}

static inline struct slab_sheaf *port_prefill_sheaf(struct kmem_cache *cache, gfp_t gfp,
						    unsigned int size)
{
	return port_grow_sheaf(cache, gfp, NULL, size);
}

static inline int port_refill_sheaf(struct kmem_cache *cache, gfp_t gfp,
				    struct slab_sheaf **sheaf, unsigned int size)
{
	struct slab_sheaf *more = port_grow_sheaf(cache, gfp, *sheaf, size);

	if (!more)
		return -ENOMEM;
	*sheaf = more;
	return 0;
}

#define kmem_cache_sheaf_size		port_sheaf_size
#define kmem_cache_return_sheaf		port_return_sheaf
#define kmem_cache_prefill_sheaf	port_prefill_sheaf
#define kmem_cache_refill_sheaf		port_refill_sheaf
#undef kmem_cache_alloc_from_sheaf
#define kmem_cache_alloc_from_sheaf	port_alloc_from_sheaf

#endif
