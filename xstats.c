// SPDX-License-Identifier: GPL-2.0
/*
 * xstats: what people look at in /sys/kernel/debug/xalloc
 *
 *	buddyinfo		columns of /proc/buddyinfo, a line a pool
 *	slabinfo		columns of /proc/slabinfo, a line a cache
 *	pools/<name>/stats		key value: where the pages are
 *	pools/<name>/free_blocks	order, free blocks of that order
 *	pools/<name>/unusable_index	order, share of free memory it cannot use
 *	pools/<name>/regions		first page number, address, pages
 *	caches/<name>/stats		key value: where the objects are
 *
 * A stats file is one snapshot: its lines belong together and balance when
 * nobody allocates or frees.
 *
 * This file is an observer. The layers below call a notifier chain when a pool
 * or a cache comes or goes and do not know that it is here; it reads through
 * the same functions that clients have, and changes nothing. A directory goes
 * before what it shows goes, and debugfs waits for readers that are still in it.
 *
 * Two caches may have the same name. The directory of the second is called
 * <name>~2, and so on.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "internal.h"

static struct dentry *root, *pools_dir, *caches_dir;

/* A line of a stats file: a name and where its number is in the snapshot. */
struct xstat {
	const char	*key;
	size_t		offset;
};

#define POOL_STAT(field)	{ #field, offsetof(struct xpool_stats, field) }
#define CACHE_STAT(field)	{ #field, offsetof(struct xslab_stats, field) }

static const struct xstat pool_stats[] = {
	POOL_STAT(total),
	POOL_STAT(free),
	POOL_STAT(slabs),
	POOL_STAT(pages),
	POOL_STAT(magazines),
	POOL_STAT(regions),
	POOL_STAT(largest_free),
	POOL_STAT(metadata),
	POOL_STAT(live_bytes),
	POOL_STAT(gets),
	POOL_STAT(puts),
	POOL_STAT(splits),
	POOL_STAT(merges),
	POOL_STAT(failures),
	POOL_STAT(errors),
};

static const struct xstat cache_stats[] = {
	CACHE_STAT(object_size),
	CACHE_STAT(stride),
	CACHE_STAT(slab_order),
	CACHE_STAT(objects_per_slab),
	CACHE_STAT(slab_waste),
	CACHE_STAT(magazine_size),
	CACHE_STAT(slabs),
	CACHE_STAT(slabs_full),
	CACHE_STAT(slabs_partial),
	CACHE_STAT(slabs_free),
	CACHE_STAT(capacity),
	CACHE_STAT(live),
	CACHE_STAT(magazines),
	CACHE_STAT(depot),
	CACHE_STAT(slab_free),
	CACHE_STAT(partial_free),
	CACHE_STAT(empty_pages),
	CACHE_STAT(reserved),
	CACHE_STAT(moving),
	CACHE_STAT(waiters),
	CACHE_STAT(returned_pages),
	CACHE_STAT(allocs),
	CACHE_STAT(frees),
	CACHE_STAT(refills),
	CACHE_STAT(flushes),
	CACHE_STAT(depot_hits),
	CACHE_STAT(busy),
	CACHE_STAT(failures),
	CACHE_STAT(errors),
	CACHE_STAT(metadata),
};

static void show_table(struct seq_file *m, const struct xstat *table, size_t nr,
		       const void *snapshot)
{
	size_t i;

	for (i = 0; i < nr; i++)
		seq_printf(m, "%s %llu\n", table[i].key,
			   *(const u64 *)(snapshot + table[i].offset));
}

/*
 * A pool
 */

static int pool_stats_show(struct seq_file *m, void *unused)
{
	struct xpool_stats stats;
	u64 share;

	xpool_stats(m->private, &stats);
	show_table(m, pool_stats, ARRAY_SIZE(pool_stats), &stats);
	share = div64_u64(stats.metadata * 10000, stats.total << PAGE_SHIFT);
	seq_printf(m, "metadata_percent %llu.%02llu\n", share / 100, share % 100);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pool_stats);

static int free_blocks_show(struct seq_file *m, void *unused)
{
	struct xpool_stats stats;
	unsigned int order;

	xpool_stats(m->private, &stats);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		seq_printf(m, "%u %llu\n", order, stats.free_blocks[order]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(free_blocks);

static int unusable_index_show(struct seq_file *m, void *unused)
{
	struct xpool_stats stats;
	unsigned int order;

	xpool_stats(m->private, &stats);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		unsigned int index = xpool_unusable_index(&stats, order);

		seq_printf(m, "%u %u.%03u\n", order, index / 1000, index % 1000);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(unusable_index);

static int regions_show(struct seq_file *m, void *unused)
{
	struct xpool *pool = m->private;
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		seq_printf(m, "%lu 0x%lx %lu\n", pool->regions[r].index,
			   pool->regions[r].addr, pool->regions[r].nr);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

/*
 * A cache
 */

static int cache_stats_show(struct seq_file *m, void *unused)
{
	struct xslab_stats stats;

	xslab_cache_stats(m->private, &stats);
	show_table(m, cache_stats, ARRAY_SIZE(cache_stats), &stats);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cache_stats);

/*
 * All pools, all caches
 */

static int buddyinfo_show(struct seq_file *m, void *unused)
{
	struct xpool_stats stats;
	struct xpool *pool;
	unsigned int order;

	mutex_lock(&xpool_registry);
	list_for_each_entry(pool, &xpool_list, node) {
		xpool_stats(pool, &stats);
		seq_printf(m, "Node %d, zone %8s ", 0, pool->name);
		for (order = 0; order < XBUDDY_NR_ORDERS; order++)
			seq_printf(m, "%6llu ", stats.free_blocks[order]);
		seq_putc(m, '\n');
	}
	mutex_unlock(&xpool_registry);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(buddyinfo);

static void show_slabinfo_line(struct seq_file *m, struct xslab_cache *cache)
{
	struct xslab_stats s;

	xslab_cache_stats(cache, &s);
	seq_printf(m, "%-17s %6llu %6llu %6llu %4llu %4d", xslab_cache_name(cache),
		   s.live, s.capacity, s.stride, s.objects_per_slab,
		   1 << s.slab_order);
	seq_printf(m, " : tunables %4llu %4llu %4u", s.magazine_size, s.magazine_size, 0);
	seq_printf(m, " : slabdata %6llu %6llu %6llu\n", s.slabs - s.slabs_free,
		   s.slabs, s.depot);
}

static int slabinfo_show(struct seq_file *m, void *unused)
{
	struct xslab_cache *cache = NULL;

	seq_puts(m, "slabinfo - version: 2.1\n");
	seq_puts(m, "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>");
	seq_puts(m, " : tunables <limit> <batchcount> <sharedfactor>");
	seq_puts(m, " : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	mutex_lock(&xpool_registry);
	while ((cache = xslab_cache_next(cache)))
		show_slabinfo_line(m, cache);
	mutex_unlock(&xpool_registry);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(slabinfo);

/*
 * Directories come and go with what they show; under xpool_registry.
 */

#define XSTATS_NAME_MAX	(XSLAB_NAME_MAX + 12)	/* a tilde and a number */

static bool taken(const char *name, struct dentry *parent)
{
	struct dentry *dentry = debugfs_lookup(name, parent);

	if (IS_ERR_OR_NULL(dentry))
		return false;
	dput(dentry);
	return true;
}

static struct dentry *make_dir(const char *name, struct dentry *parent)
{
	char unique[XSTATS_NAME_MAX];
	unsigned int nr = 1;

	strscpy(unique, name, sizeof(unique));
	while (taken(unique, parent))
		snprintf(unique, sizeof(unique), "%s~%u", name, ++nr);
	return debugfs_create_dir(unique, parent);
}

static void add_pool(struct xpool *pool)
{
	struct dentry *dir = make_dir(pool->name, pools_dir);

	debugfs_create_file("stats", 0400, dir, pool, &pool_stats_fops);
	debugfs_create_file("free_blocks", 0400, dir, pool, &free_blocks_fops);
	debugfs_create_file("unusable_index", 0400, dir, pool, &unusable_index_fops);
	debugfs_create_file("regions", 0400, dir, pool, &regions_fops);
	pool->observed = dir;
}

static void add_cache(struct xslab_cache *cache)
{
	struct dentry *dir = make_dir(xslab_cache_name(cache), caches_dir);

	debugfs_create_file("stats", 0400, dir, cache, &cache_stats_fops);
	*xslab_cache_observed(cache) = dir;
}

static int observe(struct notifier_block *block, unsigned long event, void *what)
{
	switch (event) {
	case XOBSERVE_POOL_ADD:
		add_pool(what);
		break;
	case XOBSERVE_POOL_DEL:
		debugfs_remove(((struct xpool *)what)->observed);
		break;
	case XOBSERVE_CACHE_ADD:
		add_cache(what);
		break;
	case XOBSERVE_CACHE_DEL:
		debugfs_remove(*xslab_cache_observed(what));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block observer = { .notifier_call = observe };

/* Without debugfs all of this does nothing, and that is fine. */
int xstats_init(void)
{
	root = debugfs_create_dir("xalloc", NULL);
	pools_dir = debugfs_create_dir("pools", root);
	caches_dir = debugfs_create_dir("caches", root);
	debugfs_create_file("buddyinfo", 0400, root, NULL, &buddyinfo_fops);
	debugfs_create_file("slabinfo", 0400, root, NULL, &slabinfo_fops);
	return blocking_notifier_chain_register(&xobservers, &observer);
}

void xstats_exit(void)
{
	blocking_notifier_chain_unregister(&xobservers, &observer);
	debugfs_remove(root);
}
