// SPDX-License-Identifier: GPL-2.0
/*
 * xstats: what people look at in /sys/kernel/debug/xalloc
 *
 *	buddyinfo		columns of /proc/buddyinfo, a line a pool
 *	slabinfo		columns of /proc/slabinfo, a line a cache
 *	collect			write 0 or 1: collect all pools, without or with force
 *	pools/<name>/stats		key value: where the pages are
 *	pools/<name>/free_blocks	order, free blocks of that order
 *	pools/<name>/unusable_index	order, share of free memory it cannot use
 *	pools/<name>/regions		first page number, address, pages
 *	pools/<name>/why		what holds each 4 MiB that are not empty
 *	pools/<name>/collect		write 0 or 1: collect this pool
 *	pools/<name>/give_up		write 1: no client will come back to this orphan
 *	pools/<name>/decay_ms		read and write
 *	pools/<name>/limits/hard, cache, reserve	read and write
 *	caches/<name>/stats		key value: where the objects are
 *	caches/<name>/collect, give_up, decay_ms	as of a pool
 *	caches/<name>/tear		write 1: give back pages of slabs that hold objects too
 *	caches/<name>/limits/hard, cache	read and write
 *
 * A stats file is one snapshot: its lines belong together and balance when no CPU allocates
 * or frees.
 *
 * This file is an observer. The layers below call a notifier chain when a pool
 * or a cache comes or goes and do not know that it is here; it reads through
 * the same functions that clients have, and reading changes nothing. A write to a file
 * calls what a client could call. A directory goes before what it shows goes, and debugfs
 * waits for readers that are still in it.
 *
 * That wait is done with no lock held, so a file may take any.
 *
 * Why a region stays
 *
 * One live object holds its slab, and that its region. `why` walks over the states of
 * the pages of each 4 MiB and tells for each cache how many live objects it has
 * there. It takes no lock but the registry, so that pages may change hands under
 * its eyes; caches, whose names it prints, cannot go meanwhile.
 *
 * Two caches may have the same name. The directory of the second is called
 * <name>~2, and so on.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "slab/slab.h"
#include "xdecay.h"
#include "xstats.h"

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
	POOL_STAT(reserve),
	POOL_STAT(cached),
	POOL_STAT(grown),
	POOL_STAT(returned),
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
	CACHE_STAT(slabs_torn),
	CACHE_STAT(holes),
	CACHE_STAT(slabs_waiting),
	CACHE_STAT(capacity),
	CACHE_STAT(live),
	CACHE_STAT(magazines),
	CACHE_STAT(depot),
	CACHE_STAT(slab_free),
	CACHE_STAT(partial_free),
	CACHE_STAT(empty_pages),
	CACHE_STAT(reserved),
	CACHE_STAT(moving),
	CACHE_STAT(waiting),
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
		if (READ_ONCE(pool->regions[r].nr))
			seq_printf(m, "%lu 0x%lx %lu\n", pool->regions[r].index,
				   pool->regions[r].addr, READ_ONCE(pool->regions[r].nr));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

/*
 * Why a region stays
 */

#define WHY_MAX	XPOOL_CHUNK_PAGES	/* caches in a region: one a page */

struct why_cache {
	struct xslab_cache	*cache;
	unsigned long		objects;
	unsigned long		pages;
};

/**
 * struct why - what was found in one region
 * @clients: pages that clients hold
 * @kept: pages that they freed and that are kept for the next
 * @slabs: pages of slabs
 * @nr: caches in @of
 * @of: caches with slabs here
 */
struct why {
	unsigned long		clients;
	unsigned long		kept;
	unsigned long		slabs;
	unsigned int		nr;
	struct why_cache	of[WHY_MAX];
};

static struct why_cache *why_cache(struct why *why, struct xslab_cache *cache)
{
	unsigned int i;

	for (i = 0; i < why->nr; i++)
		if (why->of[i].cache == cache)
			return &why->of[i];
	if (why->nr == WHY_MAX)
		return NULL;
	why->of[why->nr] = (struct why_cache){ .cache = cache };
	return &why->of[why->nr++];
}

/* A slab that has no cache yet, or any more, is on its way. */
static void why_slab(struct why *why, struct xpage *slab, unsigned long pages)
{
	struct xslab_cache *cache = xslab_owner(slab);
	struct why_cache *of = cache ? why_cache(why, cache) : NULL;

	why->slabs += pages;
	if (!of)
		return;
	of->objects += xslab_live_in(cache, slab);
	of->pages += pages;
}

static void why_block(struct why *why, struct xpage *page, enum xpage_kind kind,
		      unsigned long pages)
{
	if (kind == XPAGE_SLAB)
		why_slab(why, page, pages);
	else if (kind == XPAGE_LIVE)
		why->clients += pages;
	else
		why->kept += pages;
}

/* Look at the pages of region @nr. A block may change while it is looked at. */
static void find_why(struct why *why, struct xpool *pool, unsigned long nr)
{
	unsigned long i = max(nr * XPOOL_CHUNK_PAGES, pool->start >> PAGE_SHIFT);
	unsigned long end = min((nr + 1) * XPOOL_CHUNK_PAGES, pool->buddy.nr);

	why->clients = 0;
	why->kept = 0;
	why->slabs = 0;
	why->nr = 0;
	while (i < end) {
		struct xpage *page = &pool->pages[i];
		u16 kind = READ_ONCE(page->kind);
		unsigned long pages = 1;

		if (kind != XPAGE_NONE) {
			pages = min(1UL << READ_ONCE(page->order), end - i);
			why_block(why, page, kind, pages);
		}
		i += pages;
	}
}

static void show_why(struct seq_file *m, const struct why *why, unsigned long nr)
{
	unsigned int i;

	if (!(why->clients + why->kept + why->slabs))
		return;
	seq_printf(m, "%lu used %lu clients %lu kept %lu slabs %lu", nr,
		   why->clients + why->kept + why->slabs, why->clients, why->kept,
		   why->slabs);
	for (i = 0; i < why->nr; i++) {
		const struct why_cache *of = &why->of[i];

		seq_printf(m, " cache %lu %lu ", of->objects, of->pages);
		seq_escape(m, xslab_cache_name(of->cache), " \t\n\\");
	}
	seq_putc(m, '\n');
}

/* What a reader of `why` has: room for one region, and which pool. */
struct why_reader {
	struct xpool	*pool;
	bool		entered;
	struct why	why;
};

static void *why_at(struct why_reader *reader, loff_t pos)
{
	unsigned long regions = DIV_ROUND_UP(reader->pool->buddy.nr, XPOOL_CHUNK_PAGES);

	return pos < regions ? reader : NULL;
}

static void *why_start(struct seq_file *m, loff_t *pos)
{
	struct why_reader *reader = m->private;
	int err = mutex_lock_interruptible(&xpool_registry);

	reader->entered = !err;
	return err ? ERR_PTR(err) : why_at(reader, *pos);
}

static void *why_next(struct seq_file *m, void *unused, loff_t *pos)
{
	return why_at(m->private, ++*pos);
}

static void why_stop(struct seq_file *m, void *unused)
{
	struct why_reader *reader = m->private;

	if (reader->entered)
		mutex_unlock(&xpool_registry);
	reader->entered = false;
}

static int why_show(struct seq_file *m, void *unused)
{
	struct why_reader *reader = m->private;

	find_why(&reader->why, reader->pool, m->index);
	show_why(m, &reader->why, m->index);
	return 0;
}

static const struct seq_operations why_ops = {
	.start	= why_start,
	.next	= why_next,
	.stop	= why_stop,
	.show	= why_show,
};

static int why_open(struct inode *inode, struct file *file)
{
	struct why_reader *reader = __seq_open_private(file, &why_ops, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->pool = inode->i_private;
	return 0;
}

static const struct file_operations why_fops = {
	.owner		= THIS_MODULE,
	.open		= why_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/*
 * Files with one number that can be set.
 */

#define NUMBER_MAX	24	/* characters of a number, and some blanks */

/* A number, with blanks around it at most. "max" is -1, where there is a @max. */
static int parse_number(char *text, bool max, long *value)
{
	text = strim(text);
	if (max && !strcmp(text, "max")) {
		*value = -1;
		return 0;
	}
	return xtext_number(text, value);
}

/* One write is one number: a part of one would be another. */
static ssize_t write_number(struct file *file, const char __user *from, size_t len,
			    loff_t pos, bool max, int (*set)(void *what, long value))
{
	char text[NUMBER_MAX];
	long value;
	int err;

	if (pos || len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	if (strlen(text) != len)
		return -EINVAL;
	err = parse_number(text, max, &value);
	if (err)
		return err;
	return set(file_inode(file)->i_private, value) ?: len;
}

static int show_number(struct seq_file *m, long (*get)(void *what))
{
	seq_printf(m, "%ld\n", get(m->private));
	return 0;
}

#define DEFINE_SET(name, max)							\
static ssize_t name##_write(struct file *file, const char __user *from,	\
			    size_t len, loff_t *pos)				\
{										\
	return write_number(file, from, len, *pos, max, name##_set);		\
}

/* A file that can only be written. */
#define DEFINE_WRITE_FILE(name)							\
DEFINE_SET(name, false)								\
static const struct file_operations name##_fops = {				\
	.owner		= THIS_MODULE,						\
	.open		= simple_open,						\
	.write		= name##_write,						\
}

#define DEFINE_NUMBER_FILE(name, max)						\
DEFINE_SET(name, max)								\
static int name##_show(struct seq_file *m, void *unused)			\
{										\
	return show_number(m, name##_get);					\
}										\
static int name##_open(struct inode *inode, struct file *file)			\
{										\
	return single_open(file, name##_show, inode->i_private);		\
}										\
static const struct file_operations name##_fops = {				\
	.owner		= THIS_MODULE,						\
	.open		= name##_open,						\
	.read		= seq_read,						\
	.write		= name##_write,						\
	.llseek		= seq_lseek,						\
	.release	= single_release,					\
}

static bool is_force(long value)
{
	return value == 0 || value == 1;
}

static int pool_collect_set(void *pool, long force)
{
	if (!is_force(force))
		return -EINVAL;
	xpool_collect(pool, force);
	return 0;
}

DEFINE_WRITE_FILE(pool_collect);

static int all_collect_set(void *unused, long force)
{
	struct xpool *pool;
	int err = 0;

	for_each_pool(pool)
		err = err ?: pool_collect_set(pool, force);
	return err;
}

DEFINE_WRITE_FILE(all_collect);

static int cache_collect_set(void *cache, long force)
{
	if (!is_force(force))
		return -EINVAL;
	xslab_cache_collect(cache, force);
	return 0;
}

DEFINE_WRITE_FILE(cache_collect);

static int cache_tear_set(void *cache, long value)
{
	if (value != 1)
		return -EINVAL;
	xslab_cache_tear(cache);
	return 0;
}

DEFINE_WRITE_FILE(cache_tear);

static int pool_give_up_set(void *pool, long value)
{
	return value == 1 ? xpage_give_up(pool) : -EINVAL;
}

DEFINE_WRITE_FILE(pool_give_up);

static int cache_give_up_set(void *cache, long value)
{
	return value == 1 ? xslab_give_up(cache) : -EINVAL;
}

DEFINE_WRITE_FILE(cache_give_up);

static int pool_decay_set(void *pool, long ms)
{
	return xpool_set_decay(pool, ms);
}

static long pool_decay_get(void *pool)
{
	return xpool_get_decay(pool);
}

DEFINE_NUMBER_FILE(pool_decay, false);

static int cache_decay_set(void *cache, long ms)
{
	return xslab_cache_set_decay(cache, ms);
}

static long cache_decay_get(void *cache)
{
	return xslab_cache_get_decay(cache);
}

DEFINE_NUMBER_FILE(cache_decay, false);

/* Each limit is a number of pages; no limit is -1, and a reserve is never that. */
static_assert(XPOOL_NO_LIMIT == (unsigned long)-1L);

#define DEFINE_LIMIT_FILE(name, limits_of, field, get_limits, set_limit)	\
static int name##_limit(void *of, long *pages, bool set)			\
{										\
	struct limits_of limits;						\
	unsigned long *limit = &limits.field;					\
										\
	if (set)								\
		return set_limit(of, (void *)limit - (void *)&limits, *pages);	\
	get_limits(of, &limits);						\
	*pages = *limit;							\
	return 0;								\
}										\
										\
static long name##_get(void *of)						\
{										\
	long pages;								\
										\
	name##_limit(of, &pages, false);					\
	return pages;								\
}										\
										\
static int name##_set(void *of, long pages)					\
{										\
	return pages < -1 ? -EINVAL : name##_limit(of, &pages, true);		\
}										\
										\
DEFINE_NUMBER_FILE(name, true)

#define DEFINE_POOL_LIMIT_FILE(field)						\
	DEFINE_LIMIT_FILE(pool_##field, xpool_limits, field,			\
			  xpool_get_limits, xpool_set_limit)

#define DEFINE_CACHE_LIMIT_FILE(field)						\
	DEFINE_LIMIT_FILE(cache_##field, xslab_limits, field,			\
			  xslab_cache_get_limits, xslab_cache_set_limit)

DEFINE_POOL_LIMIT_FILE(hard);
DEFINE_POOL_LIMIT_FILE(cache);
DEFINE_POOL_LIMIT_FILE(reserve);
DEFINE_CACHE_LIMIT_FILE(hard);
DEFINE_CACHE_LIMIT_FILE(cache);

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

	for_each_pool(pool) {
		xpool_stats(pool, &stats);
		seq_printf(m, "Node %d, zone %8s ", 0, pool->name);
		for (order = 0; order < XBUDDY_NR_ORDERS; order++)
			seq_printf(m, "%6llu ", stats.free_blocks[order]);
		seq_putc(m, '\n');
	}
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
	struct xslab_cache *cache;

	seq_puts(m, "slabinfo - version: 2.1\n");
	seq_puts(m, "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>");
	seq_puts(m, " : tunables <limit> <batchcount> <sharedfactor>");
	seq_puts(m, " : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	for_each_cache(cache)
		show_slabinfo_line(m, cache);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(slabinfo);

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

static void add_pool(struct xpool *pool)
{
	struct dentry *dir = make_dir(pool->name, pools_dir), *limits;

	debugfs_create_file("stats", 0400, dir, pool, &pool_stats_fops);
	debugfs_create_file("free_blocks", 0400, dir, pool, &free_blocks_fops);
	debugfs_create_file("unusable_index", 0400, dir, pool, &unusable_index_fops);
	debugfs_create_file("regions", 0400, dir, pool, &regions_fops);
	debugfs_create_file("why", 0400, dir, pool, &why_fops);
	debugfs_create_file("collect", 0200, dir, pool, &pool_collect_fops);
	debugfs_create_file("give_up", 0200, dir, pool, &pool_give_up_fops);
	debugfs_create_file("decay_ms", 0600, dir, pool, &pool_decay_fops);
	limits = debugfs_create_dir("limits", dir);
	debugfs_create_file("hard", 0600, limits, pool, &pool_hard_fops);
	debugfs_create_file("cache", 0600, limits, pool, &pool_cache_fops);
	debugfs_create_file("reserve", 0600, limits, pool, &pool_reserve_fops);
	pool->observed = dir;
}

static void add_cache(struct xslab_cache *cache)
{
	struct dentry *dir = make_dir(xslab_cache_name(cache), caches_dir), *limits;

	debugfs_create_file("stats", 0400, dir, cache, &cache_stats_fops);
	debugfs_create_file("collect", 0200, dir, cache, &cache_collect_fops);
	debugfs_create_file("tear", 0200, dir, cache, &cache_tear_fops);
	debugfs_create_file("give_up", 0200, dir, cache, &cache_give_up_fops);
	debugfs_create_file("decay_ms", 0600, dir, cache, &cache_decay_fops);
	limits = debugfs_create_dir("limits", dir);
	debugfs_create_file("hard", 0600, limits, cache, &cache_hard_fops);
	debugfs_create_file("cache", 0600, limits, cache, &cache_cache_fops);
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
	debugfs_create_file("collect", 0200, root, NULL, &all_collect_fops);
	return raw_notifier_chain_register(&xobservers, &observer);
}

void xstats_exit(void)
{
	raw_notifier_chain_unregister(&xobservers, &observer);
	debugfs_remove(root);
}
