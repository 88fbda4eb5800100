// SPDX-License-Identifier: GPL-2.0
/*
 * slab/cache: caches come
 *
 * Arguments are checked, memory is taken, and the cache is shown to the observers and to its
 * pool, in this order. All memory that a cache will ever take from the system is taken here.
 *
 * Locks: xpool_registry, for a step at a time; no memory is taken under it.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/module.h>
#include <linux/string.h>

#include "slab.h"

#define XSLAB_FLAGS	(XSLAB_HWCACHE_ALIGN | XSLAB_NO_CHECKS | XSLAB_WAIT | \
			 XSLAB_PREFETCH | XSLAB_TYPESAFE_BY_RCU)

static bool checks = true;

/* Whether caches made from now on check for double frees at once. */
void xslab_set_checks(bool on)
{
	WRITE_ONCE(checks, on);
}

/* A flag of kmem_cache has the name that the client knows it by. */
static int check_flags(const struct xslab_args *args)
{
	u64 unknown = (__force u64)(args->flags & ~XSLAB_FLAGS);
	const char *ours, *theirs;

	if (!unknown)
		return 0;
	theirs = xcompat_slab_flag((u32)unknown, &ours);
	if (!theirs)
		return cache_refuse(args->name, -EINVAL, "flags 0x%llx: not known", unknown);
	if (!ours)
		return cache_refuse(args->name, -EINVAL,
				    "%s is a flag of kmem_cache; there is none like it here",
				    theirs);
	return cache_refuse(args->name, -EINVAL, "%s is a flag of kmem_cache; use %s", theirs,
			    ours);
}

static int check_cache_args(const struct xslab_args *args)
{
	int err = xtext_check_name("cache", args->name);

	if (err)
		return err;
	if (!args->size || args->size > XSLAB_MAX_SIZE)
		return cache_refuse(args->name, -EINVAL, "size %zu: need 1 to %d bytes",
				    args->size, XSLAB_MAX_SIZE);
	if (args->align && (!is_power_of_2(args->align) || args->align > PAGE_SIZE))
		return cache_refuse(args->name, -EINVAL, "align %zu: need a power of two up to %lu",
				    args->align, PAGE_SIZE);
	if (check_flags(args))
		return -EINVAL;
	if (args->magazine > XMAG_MAX_SIZE)
		return cache_refuse(args->name, -EINVAL, "magazine %u: need at most %u objects",
				    args->magazine, XMAG_MAX_SIZE);
	if (args->depot > U16_MAX)
		return cache_refuse(args->name, -EINVAL, "depot %u: need at most %u magazines",
				    args->depot, U16_MAX);
	return 0;
}

static void init_cache(struct xslab_cache *cache, struct xpool *pool,
		       const struct xslab_args *args)
{
	unsigned int l;

	strscpy(cache->name, args->name, sizeof(cache->name));
	cache->pool = pool;
	cache->pages = pool->pages;
	cache->hint = pool->pages + pool->buddy.nr;	/* none */
	cache->growth.cpu = -1;
	cache->ctor = args->ctor;
	cache->tools = xtools_of_cache(pool->tools, args->ctor,
				       args->flags & XSLAB_TYPESAFE_BY_RCU);
	cache->flags = args->flags;
	xslab_holder_init(cache);
	raw_spin_lock_init(&cache->lock);
	init_waitqueue_head(&cache->moving.gone);
	INIT_LIST_HEAD(&cache->torn.over);
	INIT_LIST_HEAD(&cache->rcu.retired);
	INIT_LIST_HEAD(&cache->rcu.dying);
	xslab_limit_init(cache);
	xslab_wait_init(cache);
	for (l = 0; l < XSLAB_LISTS; l++)
		INIT_LIST_HEAD(&cache->lists[l]);
}

/* What the fast paths use, once geometry and live bytes are known. */
static void set_fast(struct xslab_cache *cache)
{
	struct xpool *pool = cache->pool;
	unsigned long first = round_up(pool->start, PAGE_SIZE << cache->order);
	unsigned long end = pool->start + pool->bytes;

	cache->fast.linear = pool->linear;
	if (xtools_watch(cache->tools))
		xmag_close_for(&cache->mag, XMAG_WATCHED);
	if (first >= end)
		return;
	cache->first.start = pool->base + first;
	cache->fast.base = cache->first.start - cache->fast.check.bias;
	cache->fast.bytes = end - first;
	cache->first.page = pool->pages + (first >> PAGE_SHIFT);
	cache->fast.first_owner = &cache->first.page->cache;
}

/* All but what begins where an object may. */
static void look_at_metadata(struct xslab_cache *cache)
{
	xtools_look_at(cache, &cache->fast);
	xtools_look_at(&cache->mag, &cache->first.page);
	xtools_look_at(&cache->order, cache + 1);
}

static void publish(struct xslab_cache *cache)
{
	xslab_rcu_add_cache(cache);
	raw_notifier_call_chain(&xobservers, XOBSERVE_CACHE_ADD, cache);
	xpool_add_holder(cache->pool, &cache->holder);
	mutex_lock(&xpool_registry);
	list_add_tail(&cache->listing.entry.node, &xslab_list);
	mutex_unlock(&xpool_registry);
	xpool_admit_holder(cache->pool);
	/* Its worker may have looked before it was on the list. */
	if (cache->decay.watch.wake && !READ_ONCE(cache->decay.watch.asleep))
		cache->decay.watch.wake(&cache->decay.watch);
}

static struct xslab_cache *create_cache(struct xpool *pool, const struct xslab_args *args)
{
	struct xslab_cache *cache = xmeta_alloc(sizeof(*cache));
	unsigned long places;
	int err;

	if (!cache)
		return ERR_PTR(-ENOMEM);
	init_cache(cache, pool, args);
	err = xslab_set_geometry(cache, args);
	if (err)
		goto undo;
	places = pool->buddy.nr >> cache->order;	/* now or when it has grown */
	err = xset_init(&cache->empty, places) ?: xset_init(&cache->torn.set, places);
	if (err)
		goto undo;
	xslab_get_magazines(cache, args);
	err = xmag_init(&cache->mag, &xslab_mag_ops, max(cache->magazine.size, 1U),
			cache->magazine.depot);
	if (err)
		goto undo;
	if (!cache->magazine.size)
		xmag_shut(&cache->mag);	/* for good: it has none */
	xmag_set_route(&cache->mag, &cache->fast.cpus);
	if (READ_ONCE(checks) && !(args->flags & XSLAB_NO_CHECKS)) {
		err = xslab_get_live(cache);
		if (err)
			goto undo_mag;
	}
	set_fast(cache);
	cache->holder.most = xslab_magazine_pages(cache);
	look_at_metadata(cache);
	publish(cache);
	return cache;

undo_mag:
	xmag_destroy(&cache->mag);
undo:
	xslab_put_magazines(cache, pool);
	xset_exit(&cache->torn.set);
	xset_exit(&cache->empty);
	xmeta_free(cache);
	return ERR_PTR(err);
}

static struct xslab_cache *create_checked(struct xpool *pool, const struct xslab_args *args)
{
	struct xslab_cache *cache;

	if (!xpool_may_come_and_go("cache", args->name))
		return ERR_PTR(-EDEADLK);
	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	if (!xpool_enter(pool)) {
		module_put(THIS_MODULE);
		return ERR_PTR(cache_refuse(args->name, -EBUSY, "its pool was destroyed"));
	}
	cache = create_cache(pool, args);
	if (IS_ERR(cache)) {
		xpool_leave(pool);
		module_put(THIS_MODULE);
	}
	return cache;
}

/* The lower half of the stamp of a client without inline functions is 0. */
static bool is_stamp(u64 stamp)
{
	return upper_32_bits(stamp) == upper_32_bits(xslab_stamp()) &&
	       (!lower_32_bits(stamp) || lower_32_bits(stamp) == xslab_fast_stamp());
}

/**
 * xslab_cache_create_stamped() - xslab_cache_create_in(), with what the client was built for
 * @pool: the pool
 * @args: the cache
 * @stamp: the client's xslab_stamp()
 * @client: the client, for the log
 *
 * Context: Process context, may sleep.
 * Return: as of xslab_cache_create_in() in xslab.h, which is how clients call this.
 */
struct xslab_cache *xslab_cache_create_stamped(struct xpool *pool,
					       const struct xslab_args *args, u64 stamp,
					       struct module *client)
{
	int err;

	if (!xpool_knows_client(is_stamp(stamp), client))
		return ERR_PTR(-ENOEXEC);
	if (!args)
		return ERR_PTR(-EINVAL);
	err = check_cache_args(args);
	if (err)
		return ERR_PTR(err);
	if (IS_ERR_OR_NULL(pool))
		return ERR_PTR(cache_refuse(args->name, -EINVAL,
					    "no pool to make it in; size=0 means no default one"));
	return create_checked(pool, args);
}
EXPORT_SYMBOL_GPL(xslab_cache_create_stamped);

/**
 * xslab_cache_create_default() - xslab_cache_create(), with what the client was built for
 * @args: the cache
 * @stamp: the client's xslab_stamp()
 * @client: the client, for the log
 *
 * Context: Process context, may sleep.
 * Return: as of xslab_cache_create() in xslab.h, which is how clients call this.
 */
struct xslab_cache *xslab_cache_create_default(const struct xslab_args *args, u64 stamp,
					       struct module *client)
{
	struct xslab_cache *cache;

	cache = xslab_cache_create_stamped(xpool_default(), args, stamp, client);
	return IS_ERR(cache) ? NULL : cache;
}
EXPORT_SYMBOL_GPL(xslab_cache_create_default);
