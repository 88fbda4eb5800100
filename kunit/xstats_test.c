// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what people see in debugfs.
 *
 * The files are opened and read from inside the kernel, through a mount of
 * debugfs that the suite makes for itself: the thread of a test may not see the
 * one that people have.
 */
#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uio.h>

#include <xalloc/xheap.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xtest.h"

static unsigned long rounds = 100 / XTEST_SLOWER;
module_param(rounds, ulong, 0444);
MODULE_PARM_DESC(rounds, "times that all files are read while pools and caches come and go");

#define TEXT_MAX	(128 << 10)
#define POOL_SIZE	(8 << 20)

/**
 * struct fixture - what most tests look at
 * @mnt: debugfs
 * @pool: a pool ...
 * @cache: ... with a cache ...
 * @objs: ... of which these are live
 * @page: and a block of 4 pages
 * @text: what was read last
 */
struct fixture {
	struct vfsmount		*mnt;
	struct xpool		*pool;
	struct xslab_cache	*cache;
	void			*objs[100];
	void			*page;
	char			*text;
};

static struct vfsmount *mount_debugfs(void)
{
	struct file_system_type *type = get_fs_type("debugfs");

	return type ? kern_mount(type) : ERR_PTR(-ENODEV);
}

static struct file *open_file(struct fixture *f, const char *path)
{
	return file_open_root_mnt(f->mnt, path, O_RDONLY, 0);
}

/* Files that a kernel thread closes are closed later; this waits for it. */
static void close_file(struct file *file)
{
	fput(file);
	flush_delayed_fput();
}

/* As read(2) does it for a file that is a seq_file, into kernel memory. */
static ssize_t read_seq(struct file *file, char *text, size_t size)
{
	struct kvec kvec = { .iov_base = text, .iov_len = size };
	struct dentry *dentry = file->f_path.dentry;
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t got;

	got = debugfs_file_get(dentry);
	if (got)
		return got;
	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = file->f_pos;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, size);
	got = seq_read_iter(&kiocb, &iter);
	file->f_pos = kiocb.ki_pos;
	debugfs_file_put(dentry);
	return got;
}

/* The whole file @path under xalloc/, into f->text; or an error. */
static int try_read(struct fixture *f, const char *dir, const char *name,
		    const char *leaf)
{
	char path[128];
	ssize_t got, len = 0;
	struct file *file;

	snprintf(path, sizeof(path), "xalloc/%s%s%s", dir, name, leaf);
	file = open_file(f, path);
	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		got = read_seq(file, f->text + len, TEXT_MAX - 1 - len);
		len += max(got, 0);
	} while (got > 0 && len < TEXT_MAX - 1);
	close_file(file);
	f->text[len] = '\0';
	return got < 0 ? got : 0;
}

static char *read_text(struct kunit *test, const char *dir, const char *name,
		       const char *leaf)
{
	struct fixture *f = test->priv;
	int err = try_read(f, dir, name, leaf);

	KUNIT_ASSERT_EQ_MSG(test, err, 0, "%s%s%s", dir, name, leaf);
	return f->text;
}

/* The start of the line of @key, or NULL. */
static const char *find_line(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text && *text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
		if (!strncmp(text, key, len) && text[len] == ' ')
			return text;
	return NULL;
}

static unsigned int count_lines(const char *text)
{
	unsigned int nr = 0;

	for (; *text; text++)
		nr += *text == '\n';
	return nr;
}

/* A line "key value" with just this value. */
static void expect_value(struct kunit *test, const char *text, const char *key, u64 want)
{
	const char *line = find_line(text, key);
	char whole[64];

	KUNIT_EXPECT_NOT_NULL_MSG(test, line, "no line %s", key);
	snprintf(whole, sizeof(whole), "%s %llu\n", key, want);
	KUNIT_EXPECT_TRUE_MSG(test, line && !strncmp(line, whole, strlen(whole)),
			      "%.40s instead of %s", line ?: "nothing", whole);
}

/*
 * Fixture
 */

static int use_fixture(struct fixture *f)
{
	struct xpool_args pool = { .name = "xstats-test", .size = POOL_SIZE };
	struct xslab_args cache = { .name = "xstats-test", .size = 200 };
	unsigned int i;

	f->pool = xpool_create(&pool);
	if (IS_ERR(f->pool))
		return PTR_ERR(f->pool);
	f->cache = xslab_cache_create_in(f->pool, &cache);
	if (IS_ERR_OR_NULL(f->cache))
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(f->objs); i++)
		f->objs[i] = xslab_cache_alloc(f->cache, GFP_KERNEL);
	f->page = xpool_alloc_addr(f->pool, 2, GFP_KERNEL);
	return f->page ? 0 : -ENOMEM;
}

static int stats_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->text = kunit_kzalloc(test, TEXT_MAX, GFP_KERNEL);
	if (!f->text)
		return -ENOMEM;
	f->mnt = mount_debugfs();
	if (IS_ERR(f->mnt))
		kunit_skip(test, "needs CONFIG_DEBUG_FS");
	return use_fixture(f);
}

static void stats_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!IS_ERR_OR_NULL(f->cache)) {
		xslab_cache_free_bulk(f->cache, ARRAY_SIZE(f->objs), f->objs);
		xslab_cache_destroy(f->cache);
	}
	if (!IS_ERR_OR_NULL(f->pool)) {
		xpool_free_addr(f->pool, f->page, 2);
		KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), 0);
	}
	if (!IS_ERR_OR_NULL(f->mnt))
		kern_unmount(f->mnt);
}

/*
 * One pool, one cache
 */

#define EXPECT_FIELD(test, text, stats, field) \
	expect_value(test, text, #field, (stats).field)

/* Expect each number to be that of xpool_stats(), and the sum to be right. */
static void test_pool_stats(struct kunit *test)
{
	char *text = read_text(test, "pools/", "xstats-test", "/stats");
	struct fixture *f = test->priv;
	struct xpool_stats s = pool_stats(f->pool);

	EXPECT_FIELD(test, text, s, total);
	EXPECT_FIELD(test, text, s, free);
	EXPECT_FIELD(test, text, s, slabs);
	EXPECT_FIELD(test, text, s, heaps);
	EXPECT_FIELD(test, text, s, pages);
	EXPECT_FIELD(test, text, s, magazines);
	EXPECT_FIELD(test, text, s, regions);
	EXPECT_FIELD(test, text, s, largest_free);
	EXPECT_FIELD(test, text, s, metadata);
	EXPECT_FIELD(test, text, s, live_bytes);
	EXPECT_FIELD(test, text, s, gets);
	EXPECT_FIELD(test, text, s, puts);
	EXPECT_FIELD(test, text, s, splits);
	EXPECT_FIELD(test, text, s, merges);
	EXPECT_FIELD(test, text, s, failures);
	EXPECT_FIELD(test, text, s, errors);
	EXPECT_FIELD(test, text, s, reserve);
	EXPECT_FIELD(test, text, s, cached);
	EXPECT_FIELD(test, text, s, grown);
	EXPECT_FIELD(test, text, s, returned);
	KUNIT_EXPECT_EQ(test, s.total, (u64)(POOL_SIZE >> PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, s.pages, 4ULL);
	KUNIT_EXPECT_GT(test, s.slabs, 0ULL);
	KUNIT_EXPECT_EQ(test, s.total, s.free + s.slabs + s.heaps + s.pages + s.magazines);
}

/* The share of metadata, as people compute it, to a hundredth of a percent. */
static void test_metadata_percent(struct kunit *test)
{
	char *text = read_text(test, "pools/", "xstats-test", "/stats");
	const char *line = find_line(text, "metadata_percent");
	struct fixture *f = test->priv;
	struct xpool_stats s = pool_stats(f->pool);
	char want[40];
	u64 share;

	share = div_u64(s.metadata * 10000, POOL_SIZE);
	snprintf(want, sizeof(want), "metadata_percent %llu.%02llu\n", share / 100,
		 share % 100);
	KUNIT_ASSERT_NOT_NULL(test, line);
	KUNIT_EXPECT_STREQ(test, line, want);
}

static void test_free_blocks(struct kunit *test)
{
	char *text = read_text(test, "pools/", "xstats-test", "/free_blocks");
	struct fixture *f = test->priv;
	struct xpool_stats s = pool_stats(f->pool);
	char key[4];
	int order;

	KUNIT_EXPECT_EQ(test, count_lines(text), 11U);
	for (order = 0; order < 11; order++) {
		snprintf(key, sizeof(key), "%d", order);
		expect_value(test, text, key, s.free_blocks[order]);
	}
}

/* As extfrag/unusable_index writes it: three decimal places. */
static void test_unusable_index(struct kunit *test)
{
	char *text = read_text(test, "pools/", "xstats-test", "/unusable_index");
	struct fixture *f = test->priv;
	struct xpool_stats s = pool_stats(f->pool);
	char want[16];
	int order;

	for (order = 0; order < 11; order++) {
		unsigned int index = xpool_unusable_index(&s, order);
		int len = snprintf(want, sizeof(want), "%d %u.%03u\n", order,
				   index / 1000, index % 1000);

		KUNIT_EXPECT_EQ_MSG(test, strncmp(text, want, len), 0, "order %d", order);
		text += len;
	}
	KUNIT_EXPECT_EQ(test, *text, '\0');
}

/* Expect the regions to hold all pages, and the address that a client got. */
static void test_regions(struct kunit *test)
{
	char *text = read_text(test, "pools/", "xstats-test", "/regions");
	unsigned long index, addr, nr, pages = 0, nr_regions = 0;
	struct fixture *f = test->priv;
	bool found = false;

	while (sscanf(text, "%lu 0x%lx %lu\n", &index, &addr, &nr) == 3) {
		found |= (unsigned long)f->page - addr < nr << PAGE_SHIFT;
		pages += nr;
		nr_regions++;
		text = strchr(text, '\n') + 1;
	}
	KUNIT_EXPECT_EQ(test, *text, '\0');
	KUNIT_EXPECT_EQ(test, pages, (unsigned long)POOL_SIZE >> PAGE_SHIFT);
	KUNIT_EXPECT_GE(test, nr_regions, 1UL);
	KUNIT_EXPECT_TRUE(test, found);
}

/* Expect each number to be that of xslab_cache_stats(), and the sums to be right. */
static void test_cache_stats(struct kunit *test)
{
	char *text = read_text(test, "caches/", "xstats-test", "/stats");
	struct fixture *f = test->priv;
	struct xslab_stats s = cache_stats(f->cache);

	EXPECT_FIELD(test, text, s, object_size);
	EXPECT_FIELD(test, text, s, stride);
	EXPECT_FIELD(test, text, s, slab_order);
	EXPECT_FIELD(test, text, s, objects_per_slab);
	EXPECT_FIELD(test, text, s, slab_waste);
	EXPECT_FIELD(test, text, s, magazine_size);
	EXPECT_FIELD(test, text, s, slabs);
	EXPECT_FIELD(test, text, s, slabs_full);
	EXPECT_FIELD(test, text, s, slabs_partial);
	EXPECT_FIELD(test, text, s, slabs_free);
	EXPECT_FIELD(test, text, s, capacity);
	EXPECT_FIELD(test, text, s, live);
	EXPECT_FIELD(test, text, s, magazines);
	EXPECT_FIELD(test, text, s, depot);
	EXPECT_FIELD(test, text, s, slab_free);
	EXPECT_FIELD(test, text, s, allocs);
	EXPECT_FIELD(test, text, s, frees);
	EXPECT_FIELD(test, text, s, refills);
	EXPECT_FIELD(test, text, s, flushes);
	EXPECT_FIELD(test, text, s, depot_hits);
	EXPECT_FIELD(test, text, s, busy);
	EXPECT_FIELD(test, text, s, failures);
	EXPECT_FIELD(test, text, s, errors);
	EXPECT_FIELD(test, text, s, metadata);
	KUNIT_EXPECT_EQ(test, s.live, (u64)ARRAY_SIZE(f->objs));
	KUNIT_EXPECT_EQ(test, s.object_size, 200ULL);
	KUNIT_EXPECT_EQ(test, s.capacity, s.live + s.magazines + s.depot + s.slab_free);
	KUNIT_EXPECT_EQ(test, s.slabs, s.slabs_full + s.slabs_partial + s.slabs_free);
	KUNIT_EXPECT_EQ(test, s.allocs, s.frees + s.live);
}

/* Expect an error of a client to be seen, and an allocation that failed. */
static void test_errors_are_seen(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(f->pool, 11, GFP_KERNEL));
	KUNIT_EXPECT_NE(test, xpool_free_addr(f->pool, f->page + PAGE_SIZE, 0), 0);
	KUNIT_EXPECT_NE(test, xslab_cache_free(f->cache, f->objs[0] + 1), 0);
	read_text(test, "pools/", "xstats-test", "/stats");
	expect_value(test, f->text, "failures", 1);
	expect_value(test, f->text, "errors", 1);
	read_text(test, "caches/", "xstats-test", "/stats");
	expect_value(test, f->text, "errors", 1);
}

/* Expect reading to change nothing. */
static void test_reading_changes_nothing(struct kunit *test)
{
	struct xslab_stats cache_before, cache_after;
	struct xpool_stats before, after;
	struct fixture *f = test->priv;

	xpool_stats(f->pool, &before);
	xslab_cache_stats(f->cache, &cache_before);
	read_text(test, "", "buddyinfo", "");
	read_text(test, "", "slabinfo", "");
	read_text(test, "pools/", "xstats-test", "/stats");
	read_text(test, "pools/", "xstats-test", "/free_blocks");
	read_text(test, "pools/", "xstats-test", "/unusable_index");
	read_text(test, "pools/", "xstats-test", "/regions");
	read_text(test, "pools/", "xstats-test", "/why");
	read_text(test, "pools/", "xstats-test", "/snapshot");
	read_text(test, "pools/", "xstats-test", "/decay_ms");
	read_text(test, "pools/", "xstats-test", "/limits/hard");
	read_text(test, "caches/", "xstats-test", "/stats");
	read_text(test, "caches/", "xstats-test", "/decay_ms");
	xpool_stats(f->pool, &after);
	xslab_cache_stats(f->cache, &cache_after);
	KUNIT_EXPECT_EQ(test, memcmp(&before, &after, sizeof(after)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&cache_before, &cache_after, sizeof(cache_after)), 0);
}

/*
 * What is set is what is read
 */

static void expect_number(struct kunit *test, const char *dir, const char *leaf, long want)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld\n", want);
	KUNIT_EXPECT_STREQ_MSG(test, read_text(test, dir, "xstats-test", leaf), text,
			       "%s%s", dir, leaf);
}

static void test_decay_file(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, xpool_set_decay(f->pool, 12345), 0);
	expect_number(test, "pools/", "/decay_ms", 12345);
	expect_number(test, "caches/", "/decay_ms", 12345);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_decay(f->cache, -1), 0);
	expect_number(test, "pools/", "/decay_ms", 12345);
	expect_number(test, "caches/", "/decay_ms", -1);
}

static void test_limit_files(struct kunit *test)
{
	struct xpool_limits limits = { .hard = 1500, .cache = 400, .reserve = 7 };
	struct xslab_limits slabs = { .hard = 900, .cache = 33 };
	struct fixture *f = test->priv;

	expect_number(test, "pools/", "/limits/hard", -1);
	expect_number(test, "pools/", "/limits/cache", -1);
	expect_number(test, "pools/", "/limits/reserve", 0);
	KUNIT_ASSERT_EQ(test, xpool_set_limits(f->pool, &limits), 0);
	expect_number(test, "pools/", "/limits/hard", 1500);
	expect_number(test, "pools/", "/limits/cache", 400);
	expect_number(test, "pools/", "/limits/reserve", 7);

	expect_number(test, "caches/", "/limits/hard", -1);
	expect_number(test, "caches/", "/limits/cache", -1);
	KUNIT_ASSERT_EQ(test, xslab_cache_set_limits(f->cache, &slabs), 0);
	expect_number(test, "caches/", "/limits/hard", 900);
	expect_number(test, "caches/", "/limits/cache", 33);
}

/*
 * Why a region stays
 */

/* A line of `why`: what a region holds, and what of it is of the fixture's cache. */
struct why_line {
	unsigned long	nr;
	unsigned long	used;
	unsigned long	clients;
	unsigned long	kept;
	unsigned long	slabs;
	unsigned long	heaps;
	unsigned long	objects;
	unsigned long	pages;
};

/* The next line; returns what is behind it, or NULL. */
static const char *parse_why(const char *text, struct why_line *line)
{
	const char *end = strchr(text, '\n'), *cache;

	*line = (struct why_line){ };
	if (!end || sscanf(text, "%lu used %lu clients %lu kept %lu slabs %lu heaps %lu",
			   &line->nr, &line->used, &line->clients, &line->kept, &line->slabs,
			   &line->heaps) != 6)
		return NULL;
	cache = strnstr(text, " cache ", end - text);
	if (cache && sscanf(cache, " cache %lu %lu xstats-test", &line->objects,
			    &line->pages) != 2)
		return NULL;
	return end + 1;
}

/* Expect every page in use to be in a line once, and the sums to be the pool's. */
static void test_why_sums(struct kunit *test)
{
	const char *text = read_text(test, "pools/", "xstats-test", "/why");
	struct why_line line, sum = { };
	struct fixture *f = test->priv;
	struct xpool_stats s;
	unsigned int lines = 0;

	for (; *text; lines++) {
		text = parse_why(text, &line);
		KUNIT_ASSERT_NOT_NULL(test, text);
		KUNIT_EXPECT_EQ(test, line.used,
				line.clients + line.kept + line.slabs + line.heaps);
		KUNIT_EXPECT_EQ(test, line.slabs, line.pages);
		sum.clients += line.clients;
		sum.kept += line.kept;
		sum.slabs += line.slabs;
		sum.objects += line.objects;
	}
	s = pool_stats(f->pool);
	KUNIT_EXPECT_GT(test, lines, 0U);
	KUNIT_EXPECT_EQ(test, sum.clients, 4UL);
	KUNIT_EXPECT_EQ(test, (u64)sum.kept, s.magazines);
	KUNIT_EXPECT_EQ(test, (u64)sum.slabs, s.slabs);
	KUNIT_EXPECT_EQ(test, sum.objects, ARRAY_SIZE(f->objs));
}

/* All of a pool is taken and freed, but for a page and an object. Expect just those. */
static void test_why_culprits(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct why_line line;
	const char *text;

	xslab_cache_free_bulk(f->cache, ARRAY_SIZE(f->objs) - 1, f->objs + 1);
	memset(f->objs + 1, 0, sizeof(f->objs) - sizeof(*f->objs));
	KUNIT_ASSERT_EQ(test, xslab_cache_shrink(f->cache), 1);
	xpool_collect(f->pool, true);
	text = parse_why(read_text(test, "pools/", "xstats-test", "/why"), &line);
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_EXPECT_EQ(test, line.objects, 1UL);
	KUNIT_EXPECT_EQ(test, line.clients, 4UL);
	KUNIT_EXPECT_EQ(test, line.kept, 0UL);
	KUNIT_EXPECT_EQ(test, line.used, 4 + line.pages);
	KUNIT_EXPECT_EQ(test, *text, '\0');
}

/* Without live checks the map of a slab tells; objects in magazines then look live. */
static void test_why_no_checks(struct kunit *test)
{
	struct xslab_args args = { .name = "xstats-plain", .size = 96,
				   .flags = XSLAB_NO_CHECKS };
	struct fixture *f = test->priv;
	struct xslab_cache *cache = xslab_cache_create_in(f->pool, &args);
	void *objs[5];

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 5, objs), 5);
	read_text(test, "pools/", "xstats-test", "/why");
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(f->text, " cache 5 "), "%s", f->text);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->text, " xstats-plain"));
	xslab_cache_free_bulk(cache, 5, objs);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

/*
 * A heap
 */

static struct xheap *make_heap(struct kunit *test, u64 size, u64 max_size)
{
	struct xheap_args args = {
		.name = "xstats-test", .size = size, .max_size = max_size, .granule = 64,
		.region_size = 64 << 10,
	};
	struct fixture *f = test->priv;
	struct xheap *heap;

	args.pool = f->pool;
	heap = xheap_create(&args);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(heap));
	return heap;
}

/* Three chunks, of which the middle one is free. Expect each number to be that of xheap_stats(). */
static void test_heap_stats(struct kunit *test)
{
	struct xheap *heap = make_heap(test, 64 << 10, 0);
	struct fixture *f = test->priv;
	struct xheap_stats s;
	void *a = xheap_alloc(heap, 1000, GFP_KERNEL), *b = xheap_alloc(heap, 2000, GFP_KERNEL);
	void *c = xheap_alloc(heap, 3000, GFP_KERNEL);
	char *text;

	KUNIT_EXPECT_EQ(test, xheap_free(heap, b), 0);
	text = read_text(test, "heaps/", "xstats-test", "/stats");
	xheap_stats(heap, &s);
	EXPECT_FIELD(test, text, s, granule);
	EXPECT_FIELD(test, text, s, limit);
	EXPECT_FIELD(test, text, s, total);
	EXPECT_FIELD(test, text, s, free);
	EXPECT_FIELD(test, text, s, live);
	EXPECT_FIELD(test, text, s, chunks);
	EXPECT_FIELD(test, text, s, free_chunks);
	EXPECT_FIELD(test, text, s, largest_free);
	EXPECT_FIELD(test, text, s, regions);
	EXPECT_FIELD(test, text, s, grown);
	EXPECT_FIELD(test, text, s, returned);
	EXPECT_FIELD(test, text, s, failures);
	EXPECT_FIELD(test, text, s, errors);
	EXPECT_FIELD(test, text, s, metadata);
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, "\nfragmentation 0.033\n"));
	KUNIT_EXPECT_EQ(test, s.total, s.free + s.live);

	/* 1000 bytes are 16 granules, 2000 are 32, 3000 are 47; 929 are left */
	read_text(test, "heaps/", "xstats-test", "/bins");
	KUNIT_EXPECT_STREQ(test, f->text,
			   "1024 0 0 1 1024\n2048 1 2048 1 3008\n32768 1 59456 0 0\n");
	xheap_free(heap, a);
	xheap_free(heap, c);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	KUNIT_EXPECT_EQ(test, try_read(f, "heaps/", "xstats-test", "/stats"), -ENOENT);
}

/* Expect the pages of a heap to be told from those of clients, and not to be taken for these. */
static void test_heap_pages(struct kunit *test)
{
	struct xheap *heap = make_heap(test, 0, 1 << 20);
	struct fixture *f = test->priv;
	struct why_line line;
	void *chunk = xheap_alloc(heap, 100 << 10, GFP_KERNEL);
	struct xpool_stats s;

	KUNIT_ASSERT_NOT_NULL(test, chunk);
	s = pool_stats(f->pool);
	KUNIT_EXPECT_EQ(test, s.heaps, (u64)(128 << 10) >> PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, s.pages, 4ULL);
	KUNIT_EXPECT_EQ(test, s.total, s.free + s.slabs + s.heaps + s.pages + s.magazines);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
	KUNIT_EXPECT_NE(test, xpool_free_addr(f->pool, chunk, 5), 0);
	KUNIT_EXPECT_NE(test, xpool_free_addr(f->pool, chunk, 0), 0);
	KUNIT_EXPECT_NE(test, xpool_free_run(f->pool, chunk, 32), 0);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).heaps, s.heaps);
	KUNIT_EXPECT_NOT_NULL(test, parse_why(read_text(test, "pools/", "xstats-test", "/why"),
					      &line));
	KUNIT_EXPECT_EQ(test, (u64)line.heaps, s.heaps);
	KUNIT_EXPECT_EQ(test, xheap_free(heap, chunk), 0);
	KUNIT_EXPECT_EQ(test, xheap_trim(heap), 128ULL << 10);
	KUNIT_EXPECT_EQ(test, pool_stats(f->pool).heaps, 0ULL);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
}

/* Expect a file that was open when its heap went to be dead, and not to hold it. */
static void test_open_file_of_dead_heap(struct kunit *test)
{
	struct xheap *heap = make_heap(test, 64 << 10, 0);
	struct fixture *f = test->priv;
	struct file *file = open_file(f, "xalloc/heaps/xstats-test/bins");

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_GT(test, read_seq(file, f->text, 10), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
	KUNIT_EXPECT_EQ(test, read_seq(file, f->text, 10), (ssize_t)-EIO);
	close_file(file);
}

/*
 * Snapshots
 */

static const char *json_value(const char *text, unsigned int depth);

static const char *json_blanks(const char *text)
{
	return text + strspn(text, " \t\n\r");
}

/* The escapes that a name may need are two. Returns what is behind the string, or NULL. */
static const char *json_string(const char *text)
{
	if (*text++ != '"')
		return NULL;
	for (; *text != '"'; text++) {
		if (*text < ' ')
			return NULL;
		if (*text == '\\' && *++text != '"' && *text != '\\')
			return NULL;
	}
	return text + 1;
}

static const char *json_number(const char *text)
{
	text += *text == '-';
	if (*text == '0')
		return text + 1;
	return strspn(text, "0123456789") ? text + strspn(text, "0123456789") : NULL;
}

/* What is in brackets, behind the first one, or in braces. */
static const char *json_items(const char *text, bool keys, unsigned int depth)
{
	char end = keys ? '}' : ']';

	text = json_blanks(text);
	if (*text == end)
		return text + 1;
	for (;; text++) {
		if (keys) {
			text = json_string(json_blanks(text));
			text = text ? json_blanks(text) : NULL;
			if (!text || *text++ != ':')
				return NULL;
		}
		text = json_value(text, depth);
		if (!text || (*text != end && *text != ','))
			return NULL;
		if (*text == end)
			return text + 1;
	}
}

/* Returns what is behind a value and the blanks after it, or NULL where there is none. */
static const char *json_value(const char *text, unsigned int depth)
{
	text = json_blanks(text);
	if (!depth)
		text = NULL;
	else if (*text == '[' || *text == '{')
		text = json_items(text + 1, *text == '{', depth - 1);
	else if (*text == '"')
		text = json_string(text);
	else
		text = json_number(text);
	return text ? json_blanks(text) : NULL;
}

static bool is_json(const char *text)
{
	text = json_value(text, 8);
	return text && !*text;
}

/* What the states are called, in the order of their numbers */
enum { FREE, SLAB, PAGES, HEAP, MAGAZINE, BUSY, HOLE, STATES };

/**
 * struct sums - what the blocks of a snapshot sum up to
 * @pages: by state
 * @live: objects, of one owner
 * @free: objects, too
 * @chunks: granules of live chunks
 * @free_chunks: granules of free ones
 * @end: the page number behind the last block
 */
struct sums {
	u64		pages[STATES];
	u64		live;
	u64		free;
	u64		chunks;
	u64		free_chunks;
	unsigned long	end;
};

/* The number that stands behind a key, or 0. */
static unsigned long number_at(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	unsigned long value;

	return at && sscanf(at + strlen(key), "%lu", &value) == 1 ? value : 0;
}

/* The first line of an array. */
static const char *array_at(struct kunit *test, const char *text, const char *key)
{
	const char *at = strstr(text, key);

	KUNIT_ASSERT_NOT_NULL_MSG(test, at, "no %s", key);
	return strchr(at, '\n') + 1;
}

/* The number of an owner is that of its line; -1: it is none. */
static long owner_number(struct kunit *test, const char *text, const char *owner)
{
	const char *at = array_at(test, text, "\"owners\":[");
	long nr;

	for (nr = 0; *at == '['; nr++, at = strchr(at, '\n') + 1)
		if (!strncmp(at, owner, strlen(owner)))
			return nr;
	return -1;
}

/* Each line of blocks follows on the one before. */
static void sum_blocks(struct kunit *test, const char *text, long owner, struct sums *sum)
{
	const char *at = array_at(test, text, "\"blocks\":[");

	for (; *at == '['; at = strchr(at, '\n') + 1) {
		unsigned long first, pages, state, times = 1, live = 0, free = 0;
		long of = -1;
		int nr = sscanf(at, "[%lu,%lu,%lu,%lu,%ld,%lu,%lu", &first, &pages, &state, &times,
				&of, &live, &free);

		KUNIT_ASSERT_GE(test, nr, 3);
		KUNIT_ASSERT_LT(test, state, (unsigned long)STATES);
		KUNIT_ASSERT_EQ(test, first, sum->end);
		sum->end += pages * times;
		sum->pages[state] += pages * times;
		if (of == owner) {
			sum->live += live * times;
			sum->free += free * times;
		}
	}
}

static void sum_chunks(struct kunit *test, const char *text, struct sums *sum)
{
	const char *at = array_at(test, text, "\"chunks\":[");

	for (; *at == '['; at = strchr(at, '\n') + 1) {
		const char *chunk = strchr(at + 1, '[');

		while (chunk && *chunk != ']') {
			long size;
			int nr = sscanf(chunk + 1, "%ld", &size);

			KUNIT_ASSERT_EQ(test, nr, 1);
			chunk = strpbrk(chunk + 1, ",]");
			if (size < 0)
				sum->free_chunks -= size;
			else
				sum->chunks += size;
		}
	}
}

static struct sums sums_of(struct kunit *test, const char *text, const char *owner)
{
	struct sums sum = { };

	KUNIT_ASSERT_TRUE(test, is_json(text));
	KUNIT_EXPECT_EQ(test, number_at(text, "{\"xalloc_snapshot\":"), 1UL);
	sum_blocks(test, text, owner_number(test, text, owner), &sum);
	sum_chunks(test, text, &sum);
	KUNIT_EXPECT_EQ(test, sum.end, number_at(text, "\"numbers\":"));
	return sum;
}

#define SNAPSHOT_CHUNKS	200

static noinline_for_stack void expect_pages(struct kunit *test, const struct sums *sum,
					    struct xpool *pool)
{
	struct xpool_stats s = pool_stats(pool);

	KUNIT_EXPECT_EQ(test, sum->pages[FREE], s.free);
	KUNIT_EXPECT_EQ(test, sum->pages[SLAB], s.slabs);
	KUNIT_EXPECT_EQ(test, sum->pages[PAGES], s.pages);
	KUNIT_EXPECT_EQ(test, sum->pages[HEAP], s.heaps);
	KUNIT_EXPECT_EQ(test, sum->pages[MAGAZINE], s.magazines);
	KUNIT_EXPECT_EQ(test, sum->pages[BUSY], 0ULL);
	KUNIT_EXPECT_EQ(test, sum->end - sum->pages[HOLE], (unsigned long)s.total);
}

static noinline_for_stack void expect_objects(struct kunit *test, const struct sums *sum,
					      struct xslab_cache *cache)
{
	struct xslab_stats s = cache_stats(cache);

	KUNIT_EXPECT_EQ(test, sum->live, s.live);
	KUNIT_EXPECT_EQ(test, sum->free, s.capacity - s.live);
}

static noinline_for_stack void expect_chunks(struct kunit *test, const struct sums *sum,
					     struct xheap *heap)
{
	struct xheap_stats s;

	xheap_stats(heap, &s);
	KUNIT_EXPECT_EQ(test, sum->chunks * s.granule, s.live);
	KUNIT_EXPECT_EQ(test, sum->free_chunks * s.granule, s.free);
}

/* Expect pages by state, objects and chunks to be those of the statistics. */
static void test_snapshot_sums(struct kunit *test)
{
	struct xheap *heap = make_heap(test, 256 << 10, 1 << 20);
	struct fixture *f = test->priv;
	void **chunks = kunit_kcalloc(test, SNAPSHOT_CHUNKS, sizeof(*chunks), GFP_KERNEL);
	struct sums sum;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, chunks);
	for (i = 0; i < SNAPSHOT_CHUNKS; i++)
		chunks[i] = xheap_alloc(heap, 100 * (i + 1) % 5000 + 1, GFP_KERNEL);
	for (i = 0; i < SNAPSHOT_CHUNKS; i += 3)
		KUNIT_EXPECT_EQ(test, xheap_free(heap, chunks[i]), 0);
	read_text(test, "pools/", "xstats-test", "/snapshot");
	sum = sums_of(test, f->text, "[\"cache\",\"xstats-test\",200,");
	expect_pages(test, &sum, f->pool);
	expect_objects(test, &sum, f->cache);
	expect_chunks(test, &sum, heap);
	KUNIT_EXPECT_GE(test, owner_number(test, f->text, "[\"heap\",\"xstats-test\",64,"), 0L);
	for (i = 0; i < SNAPSHOT_CHUNKS; i++)
		if (i % 3)
			KUNIT_EXPECT_EQ(test, xheap_free(heap, chunks[i]), 0);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
}

/* Slabs that are torn, and a pool that grows, with holes. Expect the sums to be right. */
static void test_snapshot_holes(struct kunit *test)
{
	struct xpool_args args = { .name = "xstats-grow", .size = 6 << 20, .max_size = 64 << 20 };
	struct xslab_args of = { .name = "odd\"\\name", .size = 2000 };
	struct xpool *pool = xpool_create(&args);
	struct fixture *f = test->priv;
	struct xslab_cache *cache;
	void **objs = kunit_kcalloc(test, 64, sizeof(*objs), GFP_KERNEL), *block;
	struct sums sum;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, objs);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	cache = xslab_cache_create_in(pool, &of);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 64, objs), 64);
	for (i = 0; i < 64; i++)
		if (i % 16)
			xslab_cache_free(cache, objs[i]);
	block = xpool_alloc_addr(pool, 10, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(cache), 1);
	xslab_cache_tear(cache);
	read_text(test, "pools/", "xstats-grow", "/snapshot");
	sum = sums_of(test, f->text, "[\"cache\",\"odd\\\"\\\\name\",2000,");
	expect_pages(test, &sum, pool);
	expect_objects(test, &sum, cache);
	KUNIT_EXPECT_GT(test, sum.pages[HOLE], 0ULL);
	KUNIT_EXPECT_EQ(test, sum.live, 4ULL);
	for (i = 0; i < 64; i += 16)
		xslab_cache_free(cache, objs[i]);
	xpool_free_addr(pool, block, 10);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/* What small reads give, one after the other, is what one read gives. */
static void test_snapshot_in_pieces(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct file *file = open_file(f, "xalloc/pools/xstats-test/snapshot");
	char *whole = kunit_kzalloc(test, TEXT_MAX, GFP_KERNEL);
	ssize_t got, len = 0;
	const char *at;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_NOT_NULL(test, whole);
	do {
		got = read_seq(file, whole + len, min(7L, TEXT_MAX - 1 - len));
		len += max(got, 0L);
	} while (got > 0);
	close_file(file);
	KUNIT_EXPECT_TRUE(test, is_json(whole));
	read_text(test, "pools/", "xstats-test", "/snapshot");
	/* But for the time */
	at = strstr(whole, "\"page_size\"");
	KUNIT_ASSERT_NOT_NULL(test, at);
	KUNIT_EXPECT_STREQ(test, at, strstr(f->text, "\"page_size\""));
}

#define TAKEN	64U

/* A task that takes and gives back, and what it has. */
struct taker {
	struct fixture	*f;
	struct xheap	*heap;
	struct task_struct *task;
	void		*objs[TAKEN];
	void		*pages[TAKEN];
	void		*chunks[TAKEN];
};

static void give_back(struct taker *t, unsigned int i)
{
	xslab_cache_free(t->f->cache, t->objs[i]);
	xpool_free_addr(t->f->pool, t->pages[i], i % 4);
	xheap_free(t->heap, t->chunks[i]);
}

/* Take and give back objects, pages and chunks of all sizes until told to stop. */
static int take_and_give(void *taker)
{
	struct taker *t = taker;
	unsigned int i, nr = 0;

	for (; !kthread_should_stop(); nr++) {
		i = nr * 7 % TAKEN;
		give_back(t, i);
		t->objs[i] = xslab_cache_alloc(t->f->cache, GFP_KERNEL);
		t->pages[i] = xpool_alloc_addr(t->f->pool, i % 4, GFP_KERNEL);
		t->chunks[i] = xheap_alloc(t->heap, (nr * 1237) % 20000 + 1, GFP_KERNEL);
		if (nr % 64 == 0) {
			xheap_trim(t->heap);
			cond_resched();
		}
	}
	for (i = 0; i < TAKEN; i++)
		give_back(t, i);
	return 0;
}

/* Expect each snapshot to be JSON that has each page once, whatever happens meanwhile. */
static void test_snapshot_of_busy_pool(struct kunit *test)
{
	struct taker *takers = kunit_kcalloc(test, 2, sizeof(*takers), GFP_KERNEL), *t;
	unsigned long i, nr = xtest_param(rounds) / 2, busy = 0, bytes = 0;
	struct xheap *heap = make_heap(test, 0, 2 << 20);
	struct fixture *f = test->priv;
	struct sums sum;

	KUNIT_ASSERT_NOT_NULL(test, takers);
	for (t = takers; t < takers + 2; t++) {
		t->f = f;
		t->heap = heap;
		t->task = kthread_run(take_and_give, t, "xstats-take");
		KUNIT_ASSERT_FALSE(test, IS_ERR(t->task));
	}
	for (i = 0; i < nr; i++) {
		read_text(test, "pools/", "xstats-test", "/snapshot");
		sum = sums_of(test, f->text, "");
		KUNIT_EXPECT_EQ(test, sum.end - sum.pages[HOLE],
				(unsigned long)POOL_SIZE >> PAGE_SHIFT);
		busy += sum.pages[BUSY];
		bytes = max(bytes, strlen(f->text));
		KUNIT_EXPECT_EQ(test, try_read(f, "heaps/", "xstats-test", "/bins"), 0);
		usleep_range(500, 1000);
	}
	for (t = takers; t < takers + 2; t++)
		kthread_stop(t->task);
	kunit_info(test, "%lu snapshots of up to %lu bytes, with %lu busy pages\n", i, bytes, busy);
	KUNIT_EXPECT_EQ(test, xpool_validate(f->pool), 0);
	KUNIT_EXPECT_EQ(test, xheap_validate(heap), 0);
	KUNIT_EXPECT_EQ(test, xheap_destroy(heap), 0);
}

/* A file of a pool that is gone says so, and does not wait for the task that removed it. */
static void test_open_file_of_dead_pool(struct kunit *test)
{
	struct xpool_args args = { .name = "xstats-dead", .size = PAGE_SIZE * 64 };
	struct xpool *pool = xpool_create(&args);
	struct fixture *f = test->priv;
	struct file *file;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	file = open_file(f, "xalloc/pools/xstats-dead/why");
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	KUNIT_EXPECT_EQ(test, read_seq(file, f->text, 10), (ssize_t)-EIO);
	close_file(file);
}

/*
 * The tables
 */

/* One space where there are several. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (text[0] != ' ' || text[1] != ' ')
			*to++ = *text;
	*to = '\0';
}

/* Expect a line as a parser of /proc/buddyinfo wants it. */
static void test_buddyinfo(struct kunit *test)
{
	char *text = read_text(test, "", "buddyinfo", "");
	struct fixture *f = test->priv;
	struct xpool_stats s = pool_stats(f->pool);
	char want[256];
	int order, len;

	squeeze(text);
	len = snprintf(want, sizeof(want), "Node 0, zone xstats-test");
	for (order = 0; order < 11; order++)
		len += scnprintf(want + len, sizeof(want) - len, " %llu",
				 s.free_blocks[order]);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, want), "%s", want);
	KUNIT_EXPECT_EQ(test, strncmp(text, "Node 0, zone default ", 21), 0);
}

/* Expect the head and a line as a parser of /proc/slabinfo wants them. */
static void test_slabinfo(struct kunit *test)
{
	char *text = read_text(test, "", "slabinfo", "");
	struct fixture *f = test->priv;
	struct xslab_stats s = cache_stats(f->cache);
	char want[128];

	KUNIT_EXPECT_EQ(test, strncmp(text, "slabinfo - version: 2.1\n# name ", 31), 0);
	squeeze(text);
	snprintf(want, sizeof(want), "\nxstats-test %llu %llu %llu %llu %llu : tunables ",
		 s.live, s.capacity, s.stride, s.objects_per_slab, 1ULL << s.slab_order);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, want), "%s", want);
	snprintf(want, sizeof(want), " : slabdata %llu %llu %llu\n",
		 s.slabs - s.slabs_free, s.slabs, s.depot);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, want), "%s", want);
}

/*
 * Names
 */

static const char * const names[] = {
	"a", "1", "-", "...", "%s", "%s%n%d", "tilde~2", "\\", "*?", ":", "0", "Node", "zone",
	"tunables", "slabdata", "slabinfo", "a#", "a,", "0123456789012345678901234567890",
};

static void name_desc(const char * const *name, char *desc)
{
	/* KTAP is text: what is not plain becomes a dot, "#" would be a comment */
	for (strscpy(desc, *name, KUNIT_PARAM_DESC_SIZE); *desc; desc++)
		if (*desc < '!' || *desc > '~' || *desc == '#')
			*desc = '.';
}

KUNIT_ARRAY_PARAM(name, names, name_desc);

/* The words of a line, separated by blanks, as most parsers count them. */
static unsigned int count_words(const char *line)
{
	unsigned int nr = 0;
	bool in = false;

	for (; *line && *line != '\n'; line++) {
		nr += *line != ' ' && !in;
		in = *line != ' ';
	}
	return nr;
}

/* As slabtop reads a line, and in just 16 words, which is what others count. */
static void expect_slab_line(struct kunit *test, const char *line, const char *name)
{
	unsigned int n[11];
	char got[128];
	int nr;

	KUNIT_ASSERT_NOT_NULL(test, line);
	nr = sscanf(line, "%127s %u %u %u %u %u : tunables %u %u %u : slabdata %u %u %u", got,
		    &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8], &n[9],
		    &n[10]);
	KUNIT_EXPECT_EQ(test, nr, 12);
	KUNIT_EXPECT_STREQ(test, got, name);
	KUNIT_EXPECT_EQ(test, n[2], 64U);
	KUNIT_EXPECT_EQ(test, count_words(line), 16U);
}

/* Each line has its node, its zone and 11 numbers; one is of this name, and has 64 pages. */
static void expect_buddy_line(struct kunit *test, const char *text, const char *name)
{
	unsigned int found = 0;

	for (; *text; text = strchr(text, '\n') + 1) {
		unsigned int node, n[11], order, pages = 0;
		char got[128];
		int nr;

		nr = sscanf(text, "Node %u, zone %127s %u %u %u %u %u %u %u %u %u %u %u", &node,
			    got, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8],
			    &n[9], &n[10]);
		KUNIT_EXPECT_EQ(test, nr, 13);
		KUNIT_EXPECT_EQ(test, count_words(text), 15U);
		for (order = 0; order < 11; order++)
			pages += n[order] << order;
		found += !strcmp(got, name) && pages == 64;
	}
	KUNIT_EXPECT_EQ(test, found, 1U);
}

/* Expect just this name in debugfs, for a pool and for a cache. */
static void test_name(struct kunit *test)
{
	struct xpool_args pool_args = { .size = PAGE_SIZE * 64 };
	struct xslab_args args = { .size = 64 };
	struct fixture *f = test->priv;
	struct xslab_cache *cache;
	struct xpool *pool;

	pool_args.name = *(const char * const *)test->param_value;
	args.name = pool_args.name;
	pool = xpool_create(&pool_args);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	cache = xslab_cache_create_in(pool, &args);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	KUNIT_EXPECT_STREQ(test, xslab_cache_name(cache), args.name);

	KUNIT_EXPECT_EQ(test, try_read(f, "pools/", args.name, "/stats"), 0);
	expect_value(test, f->text, "total", 64);
	KUNIT_EXPECT_EQ(test, try_read(f, "caches/", args.name, "/stats"), 0);
	expect_value(test, f->text, "object_size", 64);
	read_text(test, "", "slabinfo", "");
	expect_slab_line(test, find_line(strstr(f->text, "\n#"), args.name), args.name);
	read_text(test, "", "buddyinfo", "");
	expect_buddy_line(test, f->text, args.name);

	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
	KUNIT_EXPECT_EQ(test, try_read(f, "pools/", args.name, "/stats"), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_read(f, "caches/", args.name, "/stats"), -ENOENT);
}

/* Three caches of one name, of 16, 32 and 48 bytes. Expect name, ~2 and ~3. */
static void test_same_name(struct kunit *test)
{
	struct xslab_args args = { .name = "twin" };
	static const char * const dirs[] = { "twin", "twin~2", "twin~3" };
	struct fixture *f = test->priv;
	struct xslab_cache *caches[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		args.size = 16 * (i + 1);
		caches[i] = xslab_cache_create_in(f->pool, &args);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(caches[i]));
	}
	for (i = 0; i < 3; i++) {
		read_text(test, "caches/", dirs[i], "/stats");
		expect_value(test, f->text, "object_size", 16 * (i + 1));
	}
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, xslab_cache_destroy(caches[i]), 0);
		KUNIT_EXPECT_EQ(test, try_read(f, "caches/", dirs[i], "/stats"), -ENOENT);
	}
}

/*
 * What is gone is not shown
 */

/* Expect a file that was open when its cache went to be dead, and not to hold it. */
static void test_open_file_of_dead_cache(struct kunit *test)
{
	struct xslab_args args = { .name = "xstats-dead", .size = 64 };
	struct fixture *f = test->priv;
	struct xslab_cache *cache = xslab_cache_create_in(f->pool, &args);
	struct file *file;

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(cache));
	file = open_file(f, "xalloc/caches/xstats-dead/stats");
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_GT(test, read_seq(file, f->text, 10), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, read_seq(file, f->text, 10), (ssize_t)-EIO);
	close_file(file);
	KUNIT_EXPECT_EQ(test, try_read(f, "caches/", "xstats-dead", "/stats"), -ENOENT);
}

/* A destroy that is refused must not take the directory away. */
static void test_refused_destroy_stays(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, xpool_destroy(f->pool), -EBUSY);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(f->cache), -EBUSY);
	KUNIT_EXPECT_EQ(test, try_read(f, "pools/", "xstats-test", "/stats"), 0);
	KUNIT_EXPECT_EQ(test, try_read(f, "caches/", "xstats-test", "/stats"), 0);
	expect_value(test, f->text, "live", ARRAY_SIZE(f->objs));
}

/* Make and destroy a pool with two caches and a heap, and use them, until told to stop. */
static int come_and_go(void *errors)
{
	struct xpool_args pool_args = { .name = "xstats-busy", .size = 1 << 20 };
	struct xslab_args args = { .name = "xstats-busy", .size = 100 };
	struct xheap_args heap_args = { .name = "xstats-busy", .size = 64 << 10, .granule = 64 };

	while (!kthread_should_stop()) {
		struct xpool *pool = xpool_create(&pool_args);
		struct xslab_cache *one, *two;
		struct xheap *heap;

		if (IS_ERR(pool)) {
			atomic_inc(errors);
			break;
		}
		heap_args.pool = pool;
		one = xslab_cache_create_in(pool, &args);
		two = xslab_cache_create_in(pool, &args);
		heap = xheap_create(&heap_args);
		if (xheap_free(heap, xheap_alloc(heap, 5000, GFP_KERNEL)) || xheap_destroy(heap) ||
		    xslab_cache_free(one, xslab_cache_alloc(one, GFP_KERNEL)) ||
		    xslab_cache_destroy(one) || xslab_cache_destroy(two) ||
		    xpool_destroy(pool))
			atomic_inc(errors);
	}
	return xtest_stay();
}

/* Read all that there is of the busy ones; they may be gone at any moment. */
static unsigned int read_busy(struct fixture *f)
{
	unsigned int seen = 0;

	seen += !try_read(f, "pools/", "xstats-busy", "/stats");
	seen += !try_read(f, "pools/", "xstats-busy", "/regions");
	seen += !try_read(f, "pools/", "xstats-busy", "/why");
	seen += !try_read(f, "pools/", "xstats-busy", "/snapshot");
	seen += !try_read(f, "heaps/", "xstats-busy", "/stats");
	seen += !try_read(f, "heaps/", "xstats-busy", "/bins");
	seen += !try_read(f, "pools/", "xstats-busy", "/decay_ms");
	seen += !try_read(f, "caches/", "xstats-busy", "/decay_ms");
	seen += !try_read(f, "caches/", "xstats-busy", "/stats");
	seen += !try_read(f, "caches/", "xstats-busy~2", "/stats");
	return seen;
}

/* Expect what stays to be shown whole, whatever comes and goes beside it. */
static void test_while_others_come_and_go(struct kunit *test)
{
	unsigned long i, nr = xtest_param(rounds);
	struct fixture *f = test->priv;
	struct task_struct *task;
	unsigned int seen = 0;
	atomic_t errors = ATOMIC_INIT(0);

	task = kthread_run(come_and_go, &errors, "xstats-busy");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	/* More rounds where the other one was slow to start */
	for (i = 0; i < nr || (!seen && i < 100 * nr); i++) {
		seen += read_busy(f);
		KUNIT_EXPECT_EQ(test, try_read(f, "", "buddyinfo", ""), 0);
		KUNIT_EXPECT_NOT_NULL(test, strstr(f->text, "zone xstats-test"));
		KUNIT_EXPECT_EQ(test, try_read(f, "", "slabinfo", ""), 0);
		KUNIT_EXPECT_NOT_NULL(test, find_line(f->text, "xstats-test"));
		KUNIT_EXPECT_EQ(test, try_read(f, "caches/", "xstats-test", "/stats"), 0);
		expect_value(test, f->text, "live", ARRAY_SIZE(f->objs));
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, atomic_read(&errors), 0);
	KUNIT_EXPECT_GT(test, seen, 0U);
	kunit_info(test, "%lu rounds, %u of %lu reads met what comes and goes\n", i,
		   seen, 10 * i);
	KUNIT_EXPECT_EQ(test, try_read(f, "caches/", "xstats-busy", "/stats"), -ENOENT);
	KUNIT_EXPECT_EQ(test, try_read(f, "pools/", "xstats-busy", "/stats"), -ENOENT);
}

static struct kunit_case stats_cases[] = {
	KUNIT_CASE(test_pool_stats),
	KUNIT_CASE(test_metadata_percent),
	KUNIT_CASE(test_free_blocks),
	KUNIT_CASE(test_unusable_index),
	KUNIT_CASE(test_regions),
	KUNIT_CASE(test_cache_stats),
	KUNIT_CASE(test_errors_are_seen),
	KUNIT_CASE(test_reading_changes_nothing),
	KUNIT_CASE(test_decay_file),
	KUNIT_CASE(test_limit_files),
	KUNIT_CASE(test_why_sums),
	KUNIT_CASE(test_why_culprits),
	KUNIT_CASE(test_why_no_checks),
	KUNIT_CASE(test_heap_stats),
	KUNIT_CASE(test_heap_pages),
	KUNIT_CASE(test_open_file_of_dead_heap),
	KUNIT_CASE(test_snapshot_sums),
	KUNIT_CASE(test_snapshot_holes),
	KUNIT_CASE(test_snapshot_in_pieces),
	KUNIT_CASE(test_snapshot_of_busy_pool),
	KUNIT_CASE(test_open_file_of_dead_pool),
	KUNIT_CASE(test_buddyinfo),
	KUNIT_CASE(test_slabinfo),
	KUNIT_CASE_PARAM(test_name, name_gen_params),
	KUNIT_CASE(test_same_name),
	KUNIT_CASE(test_open_file_of_dead_cache),
	KUNIT_CASE(test_refused_destroy_stays),
	KUNIT_CASE(test_while_others_come_and_go),
	{ }
};

static struct kunit_suite stats_suite = {
	.name = "xstats",
	.init = stats_init,
	.exit = stats_exit,
	.test_cases = stats_cases,
};

kunit_test_suite(stats_suite);

MODULE_DESCRIPTION("Tests of xalloc's statistics in debugfs");
MODULE_LICENSE("GPL");
