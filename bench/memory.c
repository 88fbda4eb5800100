// SPDX-License-Identifier: GPL-2.0
/*
 * Memory: the part of the pages in use that live objects fill, in percent, and
 * what metadata takes. Pages in use are all pages of slabs, empty ones too: of
 * SLUB as /sys/kernel/slab tells, which needs slab_nomerge, of xalloc as the
 * cache tells. An object in a free slab or in a magazine is not live.
 *
 *	all		30,000 objects
 *	half		of these, a random half freed
 *	half-shrunk	the same after the cache was told to give back what it can: of
 *			xalloc, also pages of slabs that hold objects
 *	eighth		seven of eight freed
 *	eighth-shrunk
 *	refilled	30,000 again
 *
 * xalloc keeps free slabs and full magazines for a while, and gives them back
 * when no client wants them or when it is asked to. So half and eighth say what it
 * keeps and are told without a target; what it can do is what is left shrunk.
 *
 * Which slabs become empty is chance, so it is done several times, each with a new
 * cache and other objects that stay, and all that was live is divided by all that was
 * in use. All allocators keep the same objects.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define NR_OBJS		30000
#define POOL_BYTES	(160UL << 20)
#define ROUNDS		8

enum state { ALL, HALF, HALF_SHRUNK, EIGHTH, EIGHTH_SHRUNK, REFILLED, STATES };

static const char * const state_names[STATES] = {
	"all", "half", "half-shrunk", "eighth", "eighth-shrunk", "refilled",
};

/**
 * struct filled - a cache and the objects that are taken from it
 * @name: of the allocator
 * @size: bytes of an object
 * @slub: the cache, or
 * @xslab: the cache
 * @live: objects taken
 * @unknown: the pages in use could not be read
 * @live_bytes: in all rounds, by state
 * @bytes: of the pages in use, in all rounds, by state
 */
struct filled {
	const char		*name;
	size_t			size;
	struct kmem_cache	*slub;
	struct xslab_cache	*xslab;
	unsigned long		live;
	bool			unknown;
	u64			live_bytes[STATES];
	u64			bytes[STATES];
};

/* A number from a file of /sys; 0 where it cannot be read. */
static unsigned long sys_number(const char *name)
{
	char path[64], text[32] = "";
	unsigned long value = 0;
	ssize_t len;
	struct file *file;
	loff_t pos = 0;

	snprintf(path, sizeof(path), "/sys/kernel/slab/xbench-memory/%s", name);
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return 0;
	len = kernel_read(file, text, sizeof(text) - 1, &pos);
	if (len > 0) {
		text[strspn(text, "0123456789")] = 0;	/* numbers by node follow */
		if (kstrtoul(text, 10, &value))
			value = 0;
	}
	filp_close(file, NULL);
	return value;
}

static unsigned long bytes_in_use(const struct filled *filled)
{
	struct xslab_stats stats;

	if (filled->slub)
		return sys_number("slabs") * (PAGE_SIZE << sys_number("order"));
	xslab_cache_stats(filled->xslab, &stats);
	return ((stats.slabs << stats.slab_order) - stats.holes) * PAGE_SIZE;
}

static void count(struct filled *filled, enum state state)
{
	unsigned long bytes = bytes_in_use(filled);

	filled->unknown |= !bytes;
	filled->live_bytes[state] += filled->live * filled->size;
	filled->bytes[state] += bytes;
}

static void tell(const struct filled *filled)
{
	char workload[XBENCH_NAME_MAX];
	unsigned int i;

	if (filled->unknown) {
		pr_err("%s: the pages of a cache of %zu bytes are not known\n", filled->name,
		       filled->size);
		return;
	}
	for (i = 0; i < STATES; i++) {
		snprintf(workload, sizeof(workload), "memory-%s-%zu", state_names[i],
			 filled->size);
		xbench_value(workload, filled->name, "percent_live",
			     div64_u64(10000 * filled->live_bytes[i], filled->bytes[i]));
	}
}

static void *take(struct filled *filled)
{
	void *obj = filled->slub ? kmem_cache_alloc(filled->slub, GFP_KERNEL) :
				   xslab_cache_alloc(filled->xslab, GFP_KERNEL);

	if (obj)
		filled->live++;
	return obj;
}

static void give(struct filled *filled, void **obj)
{
	if (!*obj)
		return;
	if (filled->slub)
		kmem_cache_free(filled->slub, *obj);
	else
		xslab_cache_free(filled->xslab, *obj);
	*obj = NULL;
	filled->live--;
}

static void fill(struct filled *filled, void **objs)
{
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++)
		if (!objs[i])
			objs[i] = take(filled);
}

/* Keep one in @of, at random. */
static void thin_out(struct filled *filled, void **objs, unsigned int of)
{
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++)
		if (xbench_random(of))
			give(filled, &objs[i]);
}

/* As it is, and, as the state behind it, after all that can be given back was. */
static void count_and_shrink(struct filled *filled, enum state state)
{
	count(filled, state);
	if (filled->slub)
		kmem_cache_shrink(filled->slub);
	else
		xslab_cache_tear(filled->xslab);
	count(filled, state + 1);
}

static void go_through_states(struct filled *filled)
{
	void **objs = xbench_objs();
	unsigned int i;

	for (i = 0; i < NR_OBJS; i++)
		objs[i] = NULL;
	fill(filled, objs);
	count(filled, ALL);
	thin_out(filled, objs, 2);
	count_and_shrink(filled, HALF);
	thin_out(filled, objs, 4);
	count_and_shrink(filled, EIGHTH);
	fill(filled, objs);
	count(filled, REFILLED);
	for (i = 0; i < NR_OBJS; i++)
		give(filled, &objs[i]);
}

static void of_slub(size_t size)
{
	struct filled filled = { .name = "slub", .size = size };
	unsigned int round;

	xbench_seed();
	for (round = 0; round < ROUNDS; round++) {
		filled.slub = kmem_cache_create("xbench-memory", size, 0, 0, NULL);
		if (!filled.slub) {
			pr_err("slub: no cache of %zu bytes\n", size);
			return;
		}
		go_through_states(&filled);
		kmem_cache_destroy(filled.slub);
	}
	tell(&filled);
}

static void tell_metadata(struct xpool *pool, const char *name, size_t size)
{
	char workload[XBENCH_NAME_MAX];
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	snprintf(workload, sizeof(workload), "metadata-%zu", size);
	xbench_value(workload, name, "percent_pool", 10000 * stats.metadata / POOL_BYTES);
	xbench_value(workload, name, "percent_live_checks", 10000 * stats.live_bytes / POOL_BYTES);
}

static void of_xalloc(const char *name, size_t size, xslab_flags_t flags)
{
	const struct xslab_args args = { .name = "xbench-memory", .size = size, .flags = flags };
	struct xpool *pool = xbench_pool("xbench-memory", POOL_BYTES);
	struct filled filled = { .name = name, .size = size };
	unsigned int round;

	if (IS_ERR(pool))
		return;
	xbench_seed();
	for (round = 0; round < ROUNDS; round++) {
		filled.xslab = xslab_cache_create_in(pool, &args);
		if (IS_ERR(filled.xslab)) {
			pr_err("%s: no cache of %zu bytes\n", name, size);
			break;
		}
		go_through_states(&filled);
		if (!round)
			tell_metadata(pool, name, size);
		if (xslab_cache_destroy(filled.xslab)) {
			pr_err("%s: the cache of %zu bytes has live objects\n", name, size);
			break;
		}
	}
	if (round == ROUNDS)
		tell(&filled);
	xpool_destroy(pool);
}

int xbench_memory_run(void)
{
	static const size_t sizes[] = { 16, 64, 120, 256, 1024, 3584, 4096 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		of_slub(sizes[i]);
		of_xalloc("xalloc", sizes[i], 0);
		of_xalloc("xalloc-nochecks", sizes[i], XSLAB_NO_CHECKS);
	}
	return 0;
}
