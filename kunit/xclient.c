// SPDX-License-Identifier: GPL-2.0
/*
 * A client for scripts/guest/client.sh, built several times: as one that was made for
 * another xalloc, and as one without inline functions. It takes and frees objects and pages,
 * and does not load where that fails.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/module.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#define NR_OBJECTS	1000

static int use(struct xslab_cache *cache)
{
	static void *objs[NR_OBJECTS];
	unsigned int i;
	int err = 0;

	for (i = 0; i < NR_OBJECTS; i++)
		objs[i] = xslab_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);
	for (i = 0; i < NR_OBJECTS; i++)
		err = err ?: objs[i] ? xslab_cache_free(cache, objs[i]) : -ENOMEM;
	if (xslab_cache_free(cache, objs[0]) != -EALREADY)
		err = -EUCLEAN;
	return err;
}

static int __init client_init(void)
{
	struct xpool *pool = xpool_create(&(struct xpool_args){
					  .name = KBUILD_MODNAME, .size = 1 << 20 });
	struct xslab_cache *cache;
	int err;

	cache = xslab_cache_create(KBUILD_MODNAME, 200, 0, 0, NULL);
	pr_info("pool: error %d; cache: %s; default pool: %s\n", PTR_ERR_OR_ZERO(pool),
		cache ? "made" : "none", xpool_default() ? "known" : "not told");
	err = cache ? use(cache) : -ENOMEM;
	xslab_cache_destroy(cache);
	xpool_destroy(pool);
	return PTR_ERR_OR_ZERO(pool) ?: err;
}

static void __exit client_exit(void)
{
}

module_init(client_init);
module_exit(client_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A client of xalloc that was built in another way");
