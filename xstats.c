// SPDX-License-Identifier: GPL-2.0
/*
 * xstats: what people look at in /sys/kernel/debug/xalloc
 *
 * Which files there are, what their lines mean and what can be written to them is in
 * Documentation/debugfs.md. pool_files, cache_files and heap_files below list them, pool_stats,
 * cache_stats and heap_stats the lines of a stats file. Such a file is one snapshot: its lines
 * belong together and balance when no CPU allocates or frees. What takes a file of its own to
 * write is in stats/.
 *
 * This file is an observer. The layers below call a notifier chain when a pool,
 * a cache or a heap comes or goes and do not know that it is here; it reads through
 * the same functions that clients have, and reading changes nothing. A write to a file
 * calls what a client could call. A directory goes before what it shows goes, and debugfs
 * waits for readers that are still in it.
 *
 * That wait is done with no lock held, so a file may take any.
 *
 * Two caches may have the same name. The directory of the second is called
 * <name>~2, and so on.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "stats/stats.h"
#include "xdecay.h"
#include "xstats.h"

static struct dentry *root, *pools_dir, *caches_dir, *heaps_dir;

/**
 * struct xfile - a file; there is one for each object of the kind, a pool, a cache or a heap
 * @name: in the directory of the object
 * @show: write what is read, several lines; or
 * @get: the one number that is read. @field: as of @set
 * @set: a number was written. @field: offset of the limit that the file is for. Returns 0
 *	or an errno
 * @field: for @get and @set
 * @least: the smallest number that can be written
 * @most: the largest
 * @max: "max" can be written, too, and is -1
 * @fops: instead of all of these
 */
struct xfile {
	const char	*name;
	void		(*show)(struct seq_file *m, void *object);
	long		(*get)(void *object, size_t field);
	int		(*set)(void *object, size_t field, long value);
	size_t		field;
	long		least;
	long		most;
	bool		max;
	const struct file_operations *fops;
};

/* A line of a stats file: a name and where its number is in the snapshot. */
struct xstat {
	const char	*key;
	size_t		offset;
};

#define POOL_STAT(field)	{ #field, offsetof(struct xpool_stats, field) }
#define CACHE_STAT(field)	{ #field, offsetof(struct xslab_stats, field) }
#define HEAP_STAT(field)	{ #field, offsetof(struct xheap_stats, field) }

static const struct xstat pool_stats[] = {
	POOL_STAT(total), POOL_STAT(free), POOL_STAT(slabs), POOL_STAT(heaps), POOL_STAT(pages),
	POOL_STAT(magazines),
	POOL_STAT(regions), POOL_STAT(largest_free),
	POOL_STAT(metadata), POOL_STAT(live_bytes),
	POOL_STAT(gets), POOL_STAT(puts), POOL_STAT(splits), POOL_STAT(merges),
	POOL_STAT(failures), POOL_STAT(errors),
	POOL_STAT(reserve), POOL_STAT(cached),
	POOL_STAT(grown), POOL_STAT(returned),
};

static const struct xstat cache_stats[] = {
	CACHE_STAT(object_size), CACHE_STAT(stride), CACHE_STAT(slab_order),
	CACHE_STAT(objects_per_slab), CACHE_STAT(slab_waste), CACHE_STAT(magazine_size),
	CACHE_STAT(slabs), CACHE_STAT(slabs_full), CACHE_STAT(slabs_partial),
	CACHE_STAT(slabs_free), CACHE_STAT(slabs_torn), CACHE_STAT(holes),
	CACHE_STAT(slabs_waiting),
	CACHE_STAT(capacity), CACHE_STAT(live), CACHE_STAT(magazines), CACHE_STAT(depot),
	CACHE_STAT(slab_free), CACHE_STAT(partial_free), CACHE_STAT(empty_pages),
	CACHE_STAT(reserved), CACHE_STAT(moving), CACHE_STAT(waiting), CACHE_STAT(waiters),
	CACHE_STAT(returned_pages),
	CACHE_STAT(allocs), CACHE_STAT(frees), CACHE_STAT(refills), CACHE_STAT(flushes),
	CACHE_STAT(depot_hits), CACHE_STAT(busy),
	CACHE_STAT(failures), CACHE_STAT(errors),
	CACHE_STAT(metadata),
};

static const struct xstat heap_stats[] = {
	HEAP_STAT(granule), HEAP_STAT(limit), HEAP_STAT(total), HEAP_STAT(free), HEAP_STAT(live),
	HEAP_STAT(chunks), HEAP_STAT(free_chunks), HEAP_STAT(largest_free), HEAP_STAT(regions),
	HEAP_STAT(grown), HEAP_STAT(returned), HEAP_STAT(failures), HEAP_STAT(errors),
	HEAP_STAT(metadata),
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

static void show_pool_stats(struct seq_file *m, void *pool)
{
	struct xpool_stats stats;
	u64 share;

	xpool_stats(pool, &stats);
	show_table(m, pool_stats, ARRAY_SIZE(pool_stats), &stats);
	share = div64_u64(stats.metadata * 10000, stats.total << PAGE_SHIFT);
	seq_printf(m, "metadata_percent %llu.%02llu\n", share / 100, share % 100);
}

static void show_free_blocks(struct seq_file *m, void *pool)
{
	struct xpool_stats stats;
	unsigned int order;

	xpool_stats(pool, &stats);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++)
		seq_printf(m, "%u %llu\n", order, stats.free_blocks[order]);
}

static void show_unusable_index(struct seq_file *m, void *pool)
{
	struct xpool_stats stats;
	unsigned int order;

	xpool_stats(pool, &stats);
	for (order = 0; order < XBUDDY_NR_ORDERS; order++) {
		unsigned int index = xpool_unusable_index(&stats, order);

		seq_printf(m, "%u %u.%03u\n", order, index / 1000, index % 1000);
	}
}

static void show_regions(struct seq_file *m, void *object)
{
	struct xpool *pool = object;
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++)
		if (READ_ONCE(pool->regions[r].nr))
			seq_printf(m, "%lu 0x%lx %lu\n", pool->regions[r].index,
				   pool->regions[r].addr, READ_ONCE(pool->regions[r].nr));
}

/*
 * Numbers that can be written. Each limit is a number of pages; no limit is -1, and a
 * reserve is never that.
 */

static_assert(XPOOL_NO_LIMIT == (unsigned long)-1L);

static int set_pool_collect(void *pool, size_t unused, long force)
{
	xpool_collect(pool, force);
	return 0;
}

static int set_all_collect(void *unused, size_t field, long force)
{
	struct xpool *pool;

	for_each_pool(pool)
		xpool_collect(pool, force);
	return 0;
}

static int set_pool_give_up(void *pool, size_t unused, long value)
{
	return xpool_give_up(pool);
}

static long get_pool_decay(void *pool, size_t unused)
{
	return xpool_get_decay(pool);
}

static int set_pool_decay(void *pool, size_t unused, long ms)
{
	return xpool_set_decay(pool, ms);
}

static long get_pool_limit(void *pool, size_t field)
{
	struct xpool_limits limits;

	xpool_get_limits(pool, &limits);
	return *(unsigned long *)((void *)&limits + field);
}

static int set_pool_limit(void *pool, size_t field, long pages)
{
	return xpool_set_limit(pool, field, pages);
}

static int set_cache_collect(void *cache, size_t unused, long force)
{
	xslab_cache_collect(cache, force);
	return 0;
}

static int set_cache_tear(void *cache, size_t unused, long value)
{
	xslab_cache_tear(cache);
	return 0;
}

static int set_cache_give_up(void *cache, size_t unused, long value)
{
	return xslab_give_up(cache);
}

static long get_cache_decay(void *cache, size_t unused)
{
	return xslab_cache_get_decay(cache);
}

static int set_cache_decay(void *cache, size_t unused, long ms)
{
	return xslab_cache_set_decay(cache, ms);
}

static long get_cache_limit(void *cache, size_t field)
{
	struct xslab_limits limits;

	xslab_cache_get_limits(cache, &limits);
	return *(unsigned long *)((void *)&limits + field);
}

static int set_cache_limit(void *cache, size_t field, long pages)
{
	return xslab_cache_set_limit(cache, field, pages);
}

/*
 * A cache
 */

static void show_cache_stats(struct seq_file *m, void *cache)
{
	struct xslab_stats stats;

	xslab_cache_stats(cache, &stats);
	show_table(m, cache_stats, ARRAY_SIZE(cache_stats), &stats);
}

/*
 * A heap
 */

static void show_heap_stats(struct seq_file *m, void *heap)
{
	struct xheap_stats stats;
	unsigned int part;

	xheap_stats(heap, &stats);
	show_table(m, heap_stats, ARRAY_SIZE(heap_stats), &stats);
	part = stats.fragmentation;
	seq_printf(m, "fragmentation %u.%03u\n", part / 1000, part % 1000);
}

/* Chunks of one class of sizes: from @nr's granules on, up to twice as many. */
struct bin {
	u64	free;
	u64	free_granules;
	u64	live;
	u64	live_granules;
};

static void count_chunk(struct bin *bins, s32 chunk)
{
	struct bin *bin = &bins[__fls(abs(chunk))];

	if (chunk > 0) {
		bin->live++;
		bin->live_granules += chunk;
	} else {
		bin->free++;
		bin->free_granules -= chunk;
	}
}

/* Chunks are counted some at a time, so those may be missed or counted twice that change. */
static void show_heap_bins(struct seq_file *m, void *object)
{
	struct xheap_walk walk = { };
	struct xheap *heap = object;
	struct bin bins[XHEAP_BINS] = { };
	s32 chunks[XHEAP_WALK_MAX];
	unsigned int i, nr;

	while (xheap_walk_region(heap, &walk)) {
		while ((nr = xheap_walk(heap, &walk, chunks, ARRAY_SIZE(chunks)))) {
			for (i = 0; i < nr; i++)
				count_chunk(bins, chunks[i]);
			cond_resched();
		}
	}
	for (i = 0; i < XHEAP_BINS; i++)
		if (bins[i].free || bins[i].live)
			seq_printf(m, "%llu %llu %llu %llu %llu\n", 1ULL << (i + heap->shift),
				   bins[i].free, bins[i].free_granules << heap->shift,
				   bins[i].live, bins[i].live_granules << heap->shift);
}

/*
 * All pools, all caches
 */

static void show_buddyinfo(struct seq_file *m, void *unused)
{
	struct xpool_stats stats;
	struct xpool *pool;
	unsigned int order;

	for_each_pool(pool) {
		xpool_stats(pool, &stats);
		seq_printf(m, "Node %d, zone %8s ", 0, pool->name);
		for (order = 0; order < XBUDDY_NR_ORDERS; order++)
			seq_printf(m, "%6llu ", stats.free_blocks[order]);
		seq_putc(m, '\n');
	}
}

static void show_slabinfo(struct seq_file *m, void *unused)
{
	struct xslab_cache *cache;
	struct xslab_stats s;

	seq_puts(m, "slabinfo - version: 2.1\n");
	seq_puts(m, "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>");
	seq_puts(m, " : tunables <limit> <batchcount> <sharedfactor>");
	seq_puts(m, " : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	for_each_cache(cache) {
		xslab_cache_stats(cache, &s);
		seq_printf(m, "%-17s %6llu %6llu %6llu %4llu %4d", xslab_cache_name(cache),
			   s.live, s.capacity, s.stride, s.objects_per_slab,
			   1 << s.slab_order);
		seq_printf(m, " : tunables %4llu %4llu %4u", s.magazine_size,
			   s.magazine_size, 0);
		seq_printf(m, " : slabdata %6llu %6llu %6llu\n", s.slabs - s.slabs_free,
			   s.slabs, s.depot);
	}
}

/*
 * Files
 */

#define COMMAND(file, from, to, func)						\
	{ .name = file, .least = from, .most = to, .set = func }
#define DECAY(func)								\
	{ .name = "decay_ms", .least = -1, .most = LONG_MAX,			\
	  .get = get_##func, .set = set_##func }
#define LIMIT(limits, limit, func)						\
	{ .name = #limit, .field = offsetof(struct limits, limit), .least = -1,	\
	  .most = LONG_MAX, .max = true, .get = get_##func, .set = set_##func }

static const struct xfile root_files[] = {
	{ .name = "buddyinfo", .show = show_buddyinfo },
	{ .name = "slabinfo", .show = show_slabinfo },
	COMMAND("collect", 0, 1, set_all_collect),
	{ }
};

static const struct xfile pool_files[] = {
	{ .name = "stats", .show = show_pool_stats },
	{ .name = "free_blocks", .show = show_free_blocks },
	{ .name = "unusable_index", .show = show_unusable_index },
	{ .name = "regions", .show = show_regions },
	{ .name = "why", .show = xstats_show_why },
	{ .name = "snapshot", .fops = &xstats_snapshot_fops },
	COMMAND("collect", 0, 1, set_pool_collect),
	COMMAND("give_up", 1, 1, set_pool_give_up),
	DECAY(pool_decay),
	{ }
};

static const struct xfile pool_limits[] = {
	LIMIT(xpool_limits, hard, pool_limit),
	LIMIT(xpool_limits, cache, pool_limit),
	LIMIT(xpool_limits, reserve, pool_limit),
	{ }
};

static const struct xfile cache_files[] = {
	{ .name = "stats", .show = show_cache_stats },
	COMMAND("collect", 0, 1, set_cache_collect),
	COMMAND("tear", 1, 1, set_cache_tear),
	COMMAND("give_up", 1, 1, set_cache_give_up),
	DECAY(cache_decay),
	{ }
};

static const struct xfile cache_limits[] = {
	LIMIT(xslab_limits, hard, cache_limit),
	LIMIT(xslab_limits, cache, cache_limit),
	{ }
};

static const struct xfile heap_files[] = {
	{ .name = "stats", .show = show_heap_stats },
	{ .name = "bins", .show = show_heap_bins },
	{ }
};

static int file_show(struct seq_file *m, void *unused)
{
	const struct xfile *xfile = m->private;

	if (xfile->show)
		xfile->show(m, xstats_object_of(m->file));
	else if (xfile->get)
		seq_printf(m, "%ld\n", xfile->get(xstats_object_of(m->file), xfile->field));
	else
		return -EINVAL;
	return 0;
}

static int file_open(struct inode *inode, struct file *file)
{
	return single_open(file, file_show, inode->i_private);
}

#define NUMBER_MAX	24	/* characters of a number, and some blanks */

/* One write is one number, with blanks around it at most: a part of one would be another. */
static ssize_t file_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	const struct xfile *xfile = file_inode(file)->i_private;
	char text[NUMBER_MAX], *number;
	long value = -1;

	if (!xfile->set || *pos || len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EINVAL;
	number = strim(text);
	if (!(xfile->max && !strcmp(number, "max")) && xtext_number(number, &value))
		return -EINVAL;
	if (value < xfile->least || value > xfile->most)
		return -EINVAL;
	return xfile->set(xstats_object_of(file), xfile->field, value) ?: len;
}

static const struct file_operations file_fops = {
	.owner		= THIS_MODULE,
	.open		= file_open,
	.read		= seq_read,
	.write		= file_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/* Without debugfs all of this does nothing, and that is fine. */
static void add_files(struct dentry *dir, const struct xfile *xfile, void *object)
{
	if (IS_ERR(dir))
		return;
	d_inode(dir)->i_private = object;
	for (; xfile->name; xfile++) {
		umode_t mode = (xfile->set ? 0200 : 0400) | (xfile->get ? 0400 : 0);

		debugfs_create_file(xfile->name, mode, dir, (void *)xfile,
				    xfile->fops ?: &file_fops);
	}
}

/*
 * Directories come and go with what they show. No lock is held, because debugfs takes
 * memory; two that come at once may want the same name, and one then tries the next.
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
	struct dentry *dir = ERR_PTR(-EEXIST);
	unsigned int nr = 1;

	strscpy(unique, name, sizeof(unique));
	while (PTR_ERR_OR_ZERO(dir) == -EEXIST) {
		while (taken(unique, parent))
			snprintf(unique, sizeof(unique), "%s~%u", name, ++nr);
		dir = debugfs_create_dir(unique, parent);
	}
	return dir;
}

/* Returns the directory. @limits may be NULL. */
static struct dentry *add_object(const char *name, struct dentry *parent,
				 const struct xfile *files, const struct xfile *limits,
				 void *object)
{
	struct dentry *dir = make_dir(name, parent);

	add_files(dir, files, object);
	if (limits)
		add_files(debugfs_create_dir("limits", dir), limits, object);
	return dir;
}

static int follow_objects(struct notifier_block *block, unsigned long event, void *what)
{
	struct xslab_cache *cache = what;
	struct xheap *heap = what;
	struct xpool *pool = what;

	switch (event) {
	case XOBSERVE_POOL_ADD:
		pool->listing.observed = add_object(pool->name, pools_dir, pool_files,
						    pool_limits, pool);
		break;
	case XOBSERVE_POOL_DEL:
		debugfs_remove(pool->listing.observed);
		break;
	case XOBSERVE_CACHE_ADD:
		cache->listing.observed = add_object(cache->name, caches_dir, cache_files,
						     cache_limits, cache);
		break;
	case XOBSERVE_CACHE_DEL:
		debugfs_remove(cache->listing.observed);
		break;
	case XOBSERVE_HEAP_ADD:
		heap->listing.observed = add_object(heap->name, heaps_dir, heap_files, NULL, heap);
		break;
	case XOBSERVE_HEAP_DEL:
		debugfs_remove(heap->listing.observed);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block observer = { .notifier_call = follow_objects };

int xstats_init(void)
{
	root = debugfs_create_dir("xalloc", NULL);
	pools_dir = debugfs_create_dir("pools", root);
	caches_dir = debugfs_create_dir("caches", root);
	heaps_dir = debugfs_create_dir("heaps", root);
	add_files(root, root_files, NULL);
	return raw_notifier_chain_register(&xobservers, &observer);
}

void xstats_exit(void)
{
	raw_notifier_chain_unregister(&xobservers, &observer);
	debugfs_remove(root);
}
