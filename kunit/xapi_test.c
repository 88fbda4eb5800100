// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that what a client says is honoured or refused: flags, names, gfp flags, limits,
 * and what it was built for.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "xdecay.h"
#include "xfixture.h"

#define POOL_BYTES	(4UL << 20)

/*
 * Flags of caches
 */

#define ALL_FLAGS	(XSLAB_HWCACHE_ALIGN | XSLAB_NO_CHECKS | XSLAB_WAIT | XSLAB_PREFETCH | \
			 XSLAB_TYPESAFE_BY_RCU)

/* Each of 64 bits alone. Expect those of xalloc to be taken, and no other. */
static void test_each_flag(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0);
	struct xslab_args args = { .name = "xapi-test", .size = 100 };
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		struct xslab_cache *cache;

		args.flags = (__force xslab_flags_t)BIT_ULL(bit);
		cache = xslab_cache_create_in(pool, &args);
		if (!IS_ERR(cache))
			KUNIT_EXPECT_GE_MSG(test, bit, 32U, "a bit of SLAB_ flags");
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(cache),
				    args.flags & ALL_FLAGS ? 0 : -EINVAL, "bit %u", bit);
		xslab_cache_destroy(cache);
	}
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/* What it is called where it comes from, and here. */
static void test_slab_flags(struct kunit *test)
{
	const char *ours;

	KUNIT_EXPECT_STREQ(test, xcompat_slab_flag((__force u32)SLAB_HWCACHE_ALIGN, &ours),
			   "SLAB_HWCACHE_ALIGN");
	KUNIT_EXPECT_STREQ(test, ours, "XSLAB_HWCACHE_ALIGN");
	KUNIT_EXPECT_STREQ(test, xcompat_slab_flag((__force u32)SLAB_PANIC, &ours),
			   "SLAB_PANIC");
	KUNIT_EXPECT_NULL(test, ours);
	KUNIT_EXPECT_STREQ(test, xcompat_slab_flag((__force u32)SLAB_RECLAIM_ACCOUNT, &ours),
			   "SLAB_RECLAIM_ACCOUNT");
	KUNIT_EXPECT_NULL(test, xcompat_slab_flag(0, &ours));
	KUNIT_EXPECT_NULL(test, xslab_cache_create("xapi-test", 100, 0,
						   (__force xslab_flags_t)(__force u32)
						   SLAB_HWCACHE_ALIGN, NULL));
}

/*
 * Names
 */

static const char * const bad_names[] = {
	"", " ", "a b", "a\tb", "a\nb", "end\n", " a", "/", "a/b", ".", "..", "#", "#a", "\x7f",
	"\x01", "\xc3\xbc", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	"01234567890123456789012345678901", NULL,
};

/* Expect each to be refused, for a pool and for a cache. */
static void test_bad_names(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0), *other;
	struct xslab_cache *cache;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		other = xpool_create(&(struct xpool_args){
				     .name = bad_names[i], .size = PAGE_SIZE });
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(other), -EINVAL, "pool, name %u", i);
		cache = xslab_cache_create_in(pool, &(struct xslab_args){
					      .name = bad_names[i], .size = 64 });
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(cache), -EINVAL, "cache, name %u", i);
	}
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/*
 * gfp flags
 */

/* What is expected of a pool for one zone flag. */
struct reach {
	gfp_t	flag;
	bool	is_in;
};

static void expect_pages(struct kunit *test, struct xpool *pool, const struct reach *reach)
{
	u64 errors = pool_stats(pool).errors;
	struct page *pages[2] = { };
	unsigned int order;
	void *addr;

	for (order = 0; order <= 6; order += 6) {
		addr = xpool_alloc_addr(pool, order, GFP_KERNEL | reach->flag);
		KUNIT_EXPECT_EQ(test, !!addr, reach->is_in);
		KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, order), 0);
	}
	if (!pool->has_struct_page)
		return;
	pages[0] = xpool_alloc_pages(pool, 0, GFP_KERNEL | __GFP_ZERO | reach->flag);
	KUNIT_EXPECT_EQ(test, !!pages[0], reach->is_in);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, pages[0], 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_alloc_pages_bulk(pool, GFP_KERNEL | reach->flag, 2, pages),
			reach->is_in ? 2 : 0);
	if (reach->is_in)
		xpool_free_pages_bulk(pool, 2, pages);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors - errors, reach->is_in ? 0ULL : 4ULL);
}

static void expect_objects(struct kunit *test, struct xpool *pool, const struct reach *reach)
{
	struct xslab_cache *cache = xslab_cache_create_in(pool, &(struct xslab_args){
							  .name = "xapi-test", .size = 200,
							  .flags = XSLAB_WAIT });
	void *(*exported)(struct xslab_cache *cache, gfp_t gfp) = xslab_cache_alloc;
	void *objs[100] = { }, *obj;
	struct xslab_stats s;
	unsigned int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	/* The first finds no magazine, the second one that could serve it. */
	for (i = 0; i < 3; i++) {
		obj = i ? xslab_cache_alloc(cache, GFP_KERNEL | reach->flag) :
			  exported(cache, GFP_ATOMIC | reach->flag);
		KUNIT_EXPECT_EQ(test, !!obj, reach->is_in);
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
		obj = xslab_cache_alloc(cache, GFP_KERNEL);
		KUNIT_EXPECT_NOT_NULL(test, obj);
		KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, obj), 0);
	}
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL | reach->flag, 100, objs),
			reach->is_in ? 100 : 0);
	if (reach->is_in)
		xslab_cache_free_bulk(cache, 100, objs);
	s = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, s.live, 0ULL);
	KUNIT_EXPECT_EQ(test, s.errors, reach->is_in ? 0ULL : 4ULL);
	KUNIT_EXPECT_EQ(test, s.failures, reach->is_in ? 0ULL : 4ULL);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

/* @end: behind the last byte of the pool; U64_MAX: it is not known. */
static void expect_reach(struct kunit *test, struct xpool *pool, u64 end, const char *what)
{
	struct reach dma = { __GFP_DMA, end <= SZ_16M };
	struct reach dma32 = { __GFP_DMA32, end <= SZ_4G };
	struct reach none = { 0, true };

	kunit_info(test, "%s: ends at 0x%llx: %sGFP_DMA, %sGFP_DMA32\n", what, end,
		   dma.is_in ? "" : "no ", dma32.is_in ? "" : "no ");
	expect_pages(test, pool, &none);
	expect_pages(test, pool, &dma);
	expect_pages(test, pool, &dma32);
	expect_objects(test, pool, &none);
	expect_objects(test, pool, &dma);
	expect_objects(test, pool, &dma32);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

static u64 end_of_regions(const struct xpool *pool)
{
	u64 end = 0, at;
	unsigned long r;

	for (r = 0; r < pool->nr_regions; r++) {
		at = virt_to_phys((void *)pool->regions[r].addr);
		end = max(end, at + ((u64)pool->regions[r].nr << PAGE_SHIFT));
	}
	return end;
}

/* Memory that the pool takes itself, of each node: on a machine with 6 GiB also above 4. */
static void test_reach_of_system(struct kunit *test)
{
	struct xpool *pool;
	int nid;

	for_each_node_with_cpus(nid) {
		set_cpus_allowed_ptr(current, cpumask_of_node(nid));
		xtest_pin();
		pool = new_pool(test, NULL, 16 * POOL_BYTES, 0);
		expect_reach(test, pool, end_of_regions(pool), "64 MiB of the system");
	}
}

/* One that grows may have any memory tomorrow. */
static void test_reach_of_growing(struct kunit *test)
{
	struct xpool *pool;
	u64 end = 0;
	int nid;

	xtest_pin();
	for_each_online_node(nid)
		end = max_t(u64, end, PFN_PHYS(node_end_pfn(nid)));
	pool = new_pool(test, NULL, POOL_BYTES, 2 * POOL_BYTES);
	expect_reach(test, pool, end, "a pool that grows");
}

/* A range of the caller's. Returns false if the system has none such. */
static bool expect_own(struct kunit *test, int nid, gfp_t zone)
{
	unsigned int order = get_order(SZ_1M);
	struct page *page = alloc_pages_node(nid, GFP_KERNEL | __GFP_NOWARN | zone, order);
	void *addr = page ? page_address(page) : NULL;

	if (!addr)
		return false;
	expect_reach(test, new_pool(test, addr, SZ_1M, 0), virt_to_phys(addr) + SZ_1M,
		     "a range of the caller's");
	__free_pages(page, order);
	return true;
}

/* Anywhere on each node, low, lowest. */
static void test_reach_of_own(struct kunit *test)
{
	int nid;

	xtest_pin();
	for_each_node_state(nid, N_MEMORY)
		KUNIT_EXPECT_TRUE(test, expect_own(test, nid, 0));
	KUNIT_EXPECT_TRUE(test, expect_own(test, NUMA_NO_NODE, __GFP_DMA32));
	expect_own(test, NUMA_NO_NODE, __GFP_DMA);
}

/* Where pages of a mapping lie is not known: never in reach. */
static void test_reach_of_vmalloc(struct kunit *test)
{
	void *addr = vmalloc(POOL_BYTES);

	xtest_pin();
	KUNIT_ASSERT_NOT_NULL(test, addr);
	expect_reach(test, new_pool(test, addr, POOL_BYTES, 0), U64_MAX, "vmalloc");
	vfree(addr);
}

/* No block is compound. Expect the flag to be refused where it would mean something. */
static void test_compound(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0);
	struct page *page;

	KUNIT_EXPECT_NULL(test, xpool_alloc_pages(pool, 1, GFP_KERNEL | __GFP_COMP));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 10, GFP_KERNEL | __GFP_COMP));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 2ULL);
	page = xpool_alloc_pages(pool, 0, GFP_KERNEL | __GFP_COMP);
	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, xpool_free_pages(pool, page, 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/* A request with __GFP_NOMEMALLOC wants no reserve. Expect it to get none. */
static void test_no_reserve(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, PAGE_SIZE * 32, 0);
	struct xpool_limits limits = { .hard = XPOOL_NO_LIMIT, .cache = XPOOL_NO_LIMIT,
				       .reserve = 32 };
	void *addr;

	xtest_pin();
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_ATOMIC | __GFP_NOMEMALLOC));
	KUNIT_EXPECT_NULL(test, xpool_alloc_addr(pool, 0, GFP_KERNEL));
	addr = xpool_alloc_addr(pool, 0, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, addr, 0), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/*
 * Builds
 */

/* One bit of a stamp is another. Expect no pool and no cache, and -ENOEXEC where it fits. */
static void test_stamps(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0), *other;
	struct xpool_args pool_args = { .name = "xapi-other", .size = PAGE_SIZE };
	struct xslab_args args = { .name = "xapi-test", .size = 100 };
	struct xslab_cache *cache;
	unsigned int bit;

	for (bit = 0; bit < 32; bit += 7) {
		other = xpool_create_stamped(&pool_args, xpool_stamp() ^ BIT(bit), THIS_MODULE);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(other), -ENOEXEC);
		other = xpool_default_stamped(xpool_stamp() ^ BIT(bit), THIS_MODULE);
		KUNIT_EXPECT_NULL(test, other);
	}
	for (bit = 0; bit < 64; bit += 7) {
		cache = xslab_cache_create_stamped(pool, &args, xslab_stamp() ^ BIT_ULL(bit),
						   THIS_MODULE);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(cache), -ENOEXEC);
		cache = xslab_cache_create_default(&args, xslab_stamp() ^ BIT_ULL(bit),
						   THIS_MODULE);
		KUNIT_EXPECT_NULL(test, cache);
	}
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/* A client without inline functions does not know what these do. */
static void test_stamp_not_inline(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0);
	struct xslab_args args = { .name = "xapi-test", .size = 100 };
	struct xslab_cache *cache;

	cache = xslab_cache_create_stamped(pool, &args, xslab_stamp() & ~(u64)U32_MAX,
					   THIS_MODULE);
	KUNIT_EXPECT_FALSE(test, IS_ERR(cache));
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/*
 * Limits that two tasks set at the same time
 */

#define ROUNDS	(3000UL / XTEST_SLOWER)

struct flipper {
	struct xpool		*pool;
	struct xslab_cache	*cache;
	unsigned long		flips;
};

/* What a write to the file of the other limit does. */
static int flip(void *data)
{
	struct flipper *flipper = data;

	while (!kthread_should_stop()) {
		bool odd = ++flipper->flips % 2;

		xslab_cache_set_limit(flipper->cache, offsetof(struct xslab_limits, cache),
				      odd ? ULONG_MAX : 100);
		xpool_set_limit(flipper->pool, offsetof(struct xpool_limits, reserve), odd);
		cond_resched();
	}
	return 0;
}

static void check_hard(struct kunit *test, struct xslab_cache *cache)
{
	struct xslab_limits limits = { .cache = ULONG_MAX };
	unsigned long i;

	for (i = 1; i <= ROUNDS; i++) {
		limits.hard = i;
		KUNIT_EXPECT_EQ(test, xslab_cache_set_limits(cache, &limits), 0);
		if (i % 256 == 0)
			msleep(20);
		else
			cond_resched();
		xslab_cache_get_limits(cache, &limits);
		KUNIT_EXPECT_EQ(test, limits.hard, i);
	}
}

static void check_pool_hard(struct kunit *test, struct xpool *pool)
{
	struct xpool_limits limits = { .cache = XPOOL_NO_LIMIT };
	unsigned long i;

	for (i = 1; i <= ROUNDS / 4; i++) {
		limits.hard = i;
		KUNIT_EXPECT_EQ(test, xpool_set_limits(pool, &limits), 0);
		cond_resched();
		xpool_get_limits(pool, &limits);
		KUNIT_EXPECT_EQ(test, limits.hard, i);
		limits.reserve = 0;
	}
}

/* Expect the limit that one task sets to stay while another flips the other limit. */
static void test_limits_apart(struct kunit *test)
{
	struct xpool *pool = new_pool(test, NULL, POOL_BYTES, 0);
	struct xslab_args args = { .name = "xapi-test", .size = 100 };
	struct flipper flipper = { .pool = pool, .cache = xslab_cache_create_in(pool, &args) };
	struct task_struct *task;

	KUNIT_ASSERT_FALSE(test, IS_ERR(flipper.cache));
	task = kthread_run(flip, &flipper, "xapi-flip");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	check_hard(test, flipper.cache);
	check_pool_hard(test, pool);
	kthread_stop(task);
	KUNIT_EXPECT_GT(test, flipper.flips, 0UL);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(flipper.cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

/*
 * Devices
 */

static void destroy_cache_of_device(void *cache)
{
	xslab_cache_destroy(cache);
}

/* A driver's pool, with a cache. Expect both to go with the device, so that the name is free. */
static void test_pool_of_device(struct kunit *test)
{
	const struct xpool_args args = { .name = "xapi-device", .size = POOL_BYTES };
	/* Of no module: on old kernels suites run before this one is in sysfs. */
	struct device *dev = __root_device_register("xapi_test", NULL);
	struct xslab_cache *cache;
	struct xpool *pool;

	KUNIT_ASSERT_FALSE(test, IS_ERR(dev));
	pool = devm_xpool_create(dev, &args);
	KUNIT_EXPECT_FALSE(test, IS_ERR(pool));
	KUNIT_EXPECT_EQ(test, PTR_ERR(devm_xpool_create(dev, &args)), (long)-EEXIST);
	cache = xslab_cache_create_in(pool, &(struct xslab_args){ .name = "xapi", .size = 64 });
	KUNIT_EXPECT_FALSE(test, IS_ERR(cache));
	KUNIT_EXPECT_EQ(test, devm_add_action_or_reset(dev, destroy_cache_of_device, cache), 0);
	root_device_unregister(dev);
	pool = xpool_create(&args);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

static struct kunit_case api_cases[] = {
	KUNIT_CASE(test_each_flag),
	KUNIT_CASE(test_slab_flags),
	KUNIT_CASE(test_bad_names),
	KUNIT_CASE(test_reach_of_system),
	KUNIT_CASE(test_reach_of_growing),
	KUNIT_CASE(test_reach_of_own),
	KUNIT_CASE(test_reach_of_vmalloc),
	KUNIT_CASE(test_compound),
	KUNIT_CASE(test_no_reserve),
	KUNIT_CASE(test_stamps),
	KUNIT_CASE(test_stamp_not_inline),
	KUNIT_CASE(test_limits_apart),
	KUNIT_CASE(test_pool_of_device),
	{ }
};

static struct kunit_suite api_suite = {
	.name		= "xapi",
	.test_cases	= api_cases,
};

kunit_test_suite(api_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of what xalloc takes from clients, and what it refuses");
