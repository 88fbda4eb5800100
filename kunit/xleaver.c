// SPDX-License-Identifier: GPL-2.0
/*
 * A client that makes the mistake of leaving objects behind, for scripts/guest/orphan.sh:
 * its caches and its pool cannot be destroyed when it is unloaded, and it does not free what
 * it has of xmalloc().
 *
 *	insmod xleaver.ko [keep=N]
 *	rmmod xleaver
 */
#define pr_fmt(fmt) "xleaver: " fmt

#include <linux/err.h>
#include <linux/module.h>

#include <xalloc/xmalloc.h>
#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#define NR	100U

static unsigned int keep = 7;
module_param(keep, uint, 0444);
MODULE_PARM_DESC(keep, "objects of each cache that are never freed");

static struct xslab_cache *leaver, *inner;
static struct xpool *pool;

static void construct(void *obj)
{
	*(unsigned long *)obj = 7;
}

static enum xslab_move move(void *arg, void *old, void *new, size_t size)
{
	return XSLAB_KEPT;
}

/* Take objects, and free all but some that lie apart. */
static int leave_in(struct xslab_cache *cache)
{
	void *objs[NR];
	unsigned int i, nr;

	for (nr = 0; nr < NR && (objs[nr] = xslab_cache_alloc(cache, GFP_KERNEL)); nr++)
		;
	for (i = 0; i < nr; i++)
		if (i % (NR / keep) || i / (NR / keep) >= keep)
			xslab_cache_free(cache, objs[i]);
	return nr == NR ? xslab_cache_set_move(cache, move, NULL) : -ENOMEM;
}

static void destroy_all(void)
{
	int outer = xslab_cache_destroy(leaver);

	pr_info("destroy: %d, %d, %d\n", outer, xslab_cache_destroy(inner),
		xpool_destroy(pool));
}

static int __init leaver_init(void)
{
	int err;

	keep = clamp(keep, 1U, NR);
	leaver = xslab_cache_create("leaver", 2000, 0, 0, construct);
	pool = xpool_create(&(struct xpool_args){ .name = "left", .size = 1 << 20 });
	inner = IS_ERR(pool) ? NULL : xslab_cache_create_in(pool, &(struct xslab_args){
		.name = "inner", .size = 2000, .ctor = construct });
	err = leaver && !IS_ERR_OR_NULL(inner) ? leave_in(leaver) ?: leave_in(inner) : -ENOMEM;
	if (!err && (!xmalloc(100, GFP_KERNEL) || !xmalloc(100000, GFP_KERNEL)))
		err = -ENOMEM;
	if (err)
		destroy_all();
	return err;
}

static void __exit leaver_exit(void)
{
	destroy_all();
}

module_init(leaver_init);
module_exit(leaver_exit);

MODULE_DESCRIPTION("A client of xalloc that leaves objects behind");
MODULE_LICENSE("GPL");
