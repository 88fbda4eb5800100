// SPDX-License-Identifier: GPL-2.0
/*
 * A client of xalloc: what a module that uses it looks like.
 *
 * It keeps requests in a list. Requests come from one cache; the state that each
 * has is expensive to set up, so it comes from a second cache with a constructor
 * and is given back the way the constructor left it. Beside these it takes some
 * pages.
 *
 *	insmod xalloc.ko
 *	insmod xalloc_client.ko
 *	cat /sys/kernel/debug/xalloc/slabinfo
 *	echo 1 >/sys/module/xalloc_client/parameters/release
 *	cat /sys/kernel/debug/xalloc/slabinfo
 *	rmmod xalloc_client xalloc
 */
#define pr_fmt(fmt) "xalloc_client: " fmt

#include <linux/err.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#define NR_REQUESTS	1000
#define PAGE_ORDER	2

struct state {
	struct mutex	lock;	/* protects the others */
	unsigned int	users;
	char		buffer[400];
};

struct request {
	struct list_head	node;
	unsigned int		id;
	struct state		*state;
};

static struct xslab_cache *requests, *states;
static struct page *pages;
static LIST_HEAD(list);
static DEFINE_MUTEX(list_lock);

/* Runs once for each object when its slab is made, not for each allocation. */
static void state_ctor(void *obj)
{
	struct state *state = obj;

	mutex_init(&state->lock);
	state->users = 0;
}

static void free_request(struct request *request)
{
	if (request->state)
		request->state->users = 0;	/* as the constructor left it */
	xslab_cache_free(states, request->state);
	xslab_cache_free(requests, request);
}

static int add_request(unsigned int id)
{
	struct request *request = xslab_cache_alloc(requests, GFP_KERNEL | __GFP_ZERO);

	if (!request)
		return -ENOMEM;
	request->id = id;
	request->state = xslab_cache_alloc(states, GFP_KERNEL);
	if (!request->state) {
		free_request(request);
		return -ENOMEM;
	}
	request->state->users = 1;
	list_add_tail(&request->node, &list);
	return 0;
}

static void release_all(void)
{
	struct request *request, *next;
	unsigned int nr = 0;

	mutex_lock(&list_lock);
	list_for_each_entry_safe(request, next, &list, node) {
		list_del(&request->node);
		free_request(request);
		nr++;
	}
	xpool_free_pages(xpool_default(), pages, PAGE_ORDER);
	pages = NULL;
	mutex_unlock(&list_lock);
	if (nr)
		pr_info("freed %u requests, their states and the pages\n", nr);
}

static int release_set(const char *value, const struct kernel_param *unused)
{
	bool release;
	int err = kstrtobool(value, &release);

	if (!err && release)
		release_all();
	return err;
}

static const struct kernel_param_ops release_ops = { .set = release_set };
module_param_cb(release, &release_ops, NULL, 0200);
MODULE_PARM_DESC(release, "write 1 to free all objects while the caches stay");

static void destroy_all(void)
{
	release_all();
	xslab_cache_destroy(states);
	xslab_cache_destroy(requests);
}

static int take_all(void)
{
	unsigned int id;
	int err = 0;

	mutex_lock(&list_lock);
	pages = xpool_alloc_pages(xpool_default(), PAGE_ORDER, GFP_KERNEL | __GFP_ZERO);
	for (id = 0; id < NR_REQUESTS && !err; id++)
		err = add_request(id);
	mutex_unlock(&list_lock);
	return pages ? err : -ENOMEM;
}

static int __init client_init(void)
{
	int err = -ENOMEM;

	requests = xslab_cache_create("requests", sizeof(struct request), 0,
				      XSLAB_HWCACHE_ALIGN, NULL);
	states = xslab_cache_create("states", sizeof(struct state), 0, 0, state_ctor);
	if (requests && states)
		err = take_all();
	if (err) {
		destroy_all();
		return err;
	}
	pr_info("holds %u requests of %u bytes, each with a state of %u bytes, and %lu pages\n",
		NR_REQUESTS, xslab_cache_size(requests), xslab_cache_size(states),
		BIT(PAGE_ORDER));
	return 0;
}

static void __exit client_exit(void)
{
	destroy_all();
}

module_init(client_init);
module_exit(client_exit);

MODULE_DESCRIPTION("A sample client of xalloc");
MODULE_LICENSE("GPL");
