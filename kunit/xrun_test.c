// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of runs: any number of contiguous pages, where the client wants them.
 *
 * Drawings show pages from left to right: '.' free, a letter for each run that is live. Most pools
 * are over addresses where nothing is, because nothing is touched.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "pool/pool.h"
#include "xcrew.h"
#include "xtest.h"

static unsigned long ops = 4000 / XTEST_SLOWER;
module_param(ops, ulong, 0444);
MODULE_PARM_DESC(ops, "random operations against the model");

/* Addresses without memory: the end of the range that vmalloc() uses. */
#define NOWHERE		(ALIGN_DOWN(VMALLOC_END, SZ_64M) - 2UL * SZ_64M)

struct run_test {
	struct xpool	*pool;
};

static int run_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct run_test), GFP_KERNEL);
	return test->priv ? 0 : -ENOMEM;
}

/* Expect all that a test took to be free. */
static void run_exit(struct kunit *test)
{
	struct run_test *t = test->priv;

	if (!t->pool)
		return;
	xpool_collect(t->pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(t->pool).free, pool_stats(t->pool).total);
	KUNIT_EXPECT_EQ(test, xpool_validate(t->pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(t->pool), 0);
}

static struct xpool *make_pool(struct kunit *test, const struct xpool_args *args)
{
	struct run_test *t = test->priv;

	t->pool = xpool_create(args);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(t->pool), "error %ld", PTR_ERR(t->pool));
	return t->pool;
}

/* A pool of @pages, which begins @skew pages behind a multiple of 64 MiB. */
static struct xpool *pool_nowhere(struct kunit *test, size_t pages, unsigned long skew)
{
	return make_pool(test, &(struct xpool_args){
		.name = "xrun_test", .size = pages << PAGE_SHIFT,
		.addr = (void *)NOWHERE + (skew << PAGE_SHIFT) });
}

static struct xpool *system_pool(struct kunit *test, size_t size, size_t max_size)
{
	return make_pool(test, &(struct xpool_args){
		.name = "xrun_test", .size = size, .max_size = max_size });
}

static void *take(struct xpool *pool, size_t pages, size_t align)
{
	return xpool_alloc_run(pool, &(struct xpool_request){
		.pages = pages, .align = align, .gfp = GFP_KERNEL });
}

static u64 live_pages(struct xpool *pool)
{
	return pool_stats(pool).pages;
}

/*
 * As many as gen_pool has
 */

static const struct {
	size_t		pages;
	unsigned int	nr;	/* of them in 64 MiB */
} buffers[] = { { 266, 61 }, { 2040, 8 }, { 4096, 4 }, { 8192, 2 }, { 16384, 1 } };

/* Expect sizes that are no power of two, or above 4 MiB, to waste nothing. */
static void xrun_test_as_many_as_fit(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, SZ_64M >> PAGE_SHIFT, 0);
	unsigned int i, k;
	void *run[64];

	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		for (k = 0; (run[k] = take(pool, buffers[i].pages, 0)); k++)
			KUNIT_EXPECT_PTR_EQ(test, run[k], (void *)NOWHERE +
					    (k * buffers[i].pages << PAGE_SHIFT));
		KUNIT_EXPECT_EQ(test, k, buffers[i].nr);
		KUNIT_EXPECT_EQ(test, live_pages(pool), (u64)k * buffers[i].pages);
		while (k)
			KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run[--k], buffers[i].pages), 0);
	}
}

/* Expect 8 KiB aligned to 256 KiB to cost 8 KiB, and alignments of more than 4 MiB. */
static void xrun_test_alignment(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, SZ_64M >> PAGE_SHIFT, 3);
	void **run = xtest_room(test, 300, sizeof(*run));
	unsigned int i, nr;

	for (nr = 0; (run[nr] = take(pool, 2, SZ_256K)); nr++)
		KUNIT_EXPECT_EQ(test, (unsigned long)run[nr] % SZ_256K, 0UL);
	KUNIT_EXPECT_EQ(test, nr, 256U);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 2ULL * nr);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run[i], 2), 0);
	run[0] = take(pool, 1, SZ_16M);
	KUNIT_EXPECT_PTR_EQ(test, run[0], (void *)NOWHERE + SZ_16M);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run[0], 1), 0);
}

/*
 * Placement
 */

static const struct place {
	const char		*name;
	struct xpool_request	request;	/* addresses: pages of the pool, + 1 */
	long			at;		/* page; -1: none */
} places[] = {
	/* ..AAA.....BB.... and 16 more */
	{ "lowest", { .pages = 2 }, 0 },
	{ "lowest that is long enough", { .pages = 3 }, 5 },
	{ "behind all", { .pages = 6 }, 12 },
	{ "aligned", { .pages = 2, .align = 8, .from = (void *)2 }, 8 },
	{ "aligned to more than the size", { .pages = 1, .align = 16 }, 0 },
	{ "highest", { .pages = 3, .top = true }, 29 },
	{ "highest, aligned", { .pages = 3, .align = 8, .top = true }, 24 },
	{ "from here on", { .pages = 2, .from = (void *)7 }, 6 },
	{ "up to here", { .pages = 2, .from = (void *)2, .to = (void *)11 }, 5 },
	{ "highest up to here", { .pages = 2, .to = (void *)11, .top = true }, 8 },
	{ "highest below B", { .pages = 4, .to = (void *)15, .top = true }, 6 },
	{ "all that is between", { .pages = 5, .to = (void *)13 }, 5 },
	{ "too long for what is between", { .pages = 6, .to = (void *)13 }, -1 },
	{ "no place that is aligned", { .pages = 3, .align = 8, .to = (void *)11 }, -1 },
	{ "highest, too long", { .pages = 6, .to = (void *)15, .top = true }, -1 },
	{ "all of the end", { .pages = 20, .top = true }, 12 },
};

KUNIT_ARRAY_PARAM_DESC(place, places, name);

static void *page_at(long page)
{
	return (void *)NOWHERE + (page << PAGE_SHIFT);
}

/* Expect each request to get just the pages that it should. */
static void xrun_test_places(struct kunit *test)
{
	const struct place *place = test->param_value;
	struct xpool *pool = pool_nowhere(test, 32, 0);
	struct xpool_request request = place->request;
	void *first = take(pool, 2, 0), *a = take(pool, 3, 0), *between = take(pool, 5, 0);
	void *b = take(pool, 2, 0), *got;

	KUNIT_ASSERT_PTR_EQ(test, b, page_at(10));
	KUNIT_ASSERT_EQ(test, xpool_free_run(pool, first, 2), 0);
	KUNIT_ASSERT_EQ(test, xpool_free_run(pool, between, 5), 0);
	request.align <<= PAGE_SHIFT;
	request.from = request.from ? page_at((long)request.from - 1) : NULL;
	request.to = request.to ? page_at((long)request.to - 1) : NULL;
	request.gfp = GFP_KERNEL;
	got = xpool_alloc_run(pool, &request);
	KUNIT_EXPECT_PTR_EQ(test, got, place->at < 0 ? NULL : page_at(place->at));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, got, request.pages), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, a, 3), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, b, 2), 0);
}

/*
 * The model: which pages are live
 */

#define MODEL_PAGES	(9 * SZ_1K + 77)
#define MODEL_RUNS	200U

struct model {
	struct xpool	*pool;
	struct rnd_state rnd;
	unsigned long	live[BITS_TO_LONGS(MODEL_PAGES)];
	unsigned long	at[MODEL_RUNS];
	unsigned long	nr[MODEL_RUNS];
	unsigned int	runs;
	unsigned long	got;
	unsigned long	refused;
};

static bool is_free(const struct model *m, unsigned long at, unsigned long nr)
{
	return find_next_bit(m->live, at + nr, at) >= at + nr;
}

/* Page by page, from one end to the other. */
static long find_place(const struct model *m, unsigned long nr, unsigned long align,
		       unsigned long from, unsigned long to, bool top)
{
	unsigned long i, places = to - from < nr ? 0 : to - from - nr + 1;

	for (i = 0; i < places; i++) {
		unsigned long at = top ? to - nr - i : from + i;

		if (!(at & (align - 1)) && is_free(m, at, nr))
			return at;
	}
	return -1;
}

static void model_take(struct kunit *test, struct model *m)
{
	unsigned long nr = xtest_below(&m->rnd, 8) ? 1 + xtest_below(&m->rnd, 40) :
						     1 + xtest_below(&m->rnd, 3000);
	unsigned long align = xtest_below(&m->rnd, 3) ? 1 : BIT(xtest_below(&m->rnd, 9));
	unsigned long from = xtest_below(&m->rnd, 4) ? 0 : xtest_below(&m->rnd, MODEL_PAGES);
	unsigned long to = xtest_below(&m->rnd, 4) ? MODEL_PAGES :
			   from + nr + xtest_below(&m->rnd, 500);
	bool top = xtest_below(&m->rnd, 2);
	struct xpool_request request = {
		.pages = nr, .align = align << PAGE_SHIFT, .top = top, .gfp = GFP_KERNEL,
		.from = from ? page_at(from) : NULL, .to = page_at(to),
	};
	long want = find_place(m, nr, align, from, min_t(unsigned long, to, MODEL_PAGES), top);
	void *got;

	if (to - from < nr)
		return;
	got = xpool_alloc_run(m->pool, &request);
	KUNIT_ASSERT_PTR_EQ_MSG(test, got, want < 0 ? NULL : page_at(want),
				"%lu pages, align %lu, from %lu to %lu, top %d", nr, align, from,
				to, top);
	m->refused += !got;
	if (!got)
		return;
	m->got++;
	bitmap_set(m->live, want, nr);
	m->at[m->runs] = want;
	m->nr[m->runs++] = nr;
}

/* All of one, its start or its end. */
static void model_give(struct kunit *test, struct model *m)
{
	unsigned int i = xtest_below(&m->rnd, m->runs), how = xtest_below(&m->rnd, 3);
	unsigned long nr = how ? 1 + xtest_below(&m->rnd, m->nr[i]) : m->nr[i];
	unsigned long at = how == 2 ? m->at[i] + m->nr[i] - nr : m->at[i];

	KUNIT_ASSERT_EQ(test, xpool_free_run(m->pool, page_at(at), nr), 0);
	bitmap_clear(m->live, at, nr);
	m->at[i] += at == m->at[i] ? nr : 0;
	m->nr[i] -= nr;
	if (m->nr[i])
		return;
	m->runs--;
	m->at[i] = m->at[m->runs];
	m->nr[i] = m->nr[m->runs];
}

/* Expect the same places as of a map of all pages, for any requests and any parts given back. */
static void xrun_test_model(struct kunit *test)
{
	struct model *m = xtest_room(test, 1, sizeof(*m));
	unsigned long i, nr_ops = max(xtest_rounds(xtest_param(ops)), 1000UL);

	m->pool = pool_nowhere(test, MODEL_PAGES, 0);
	xtest_seed(test, &m->rnd);
	for (i = 0; i < nr_ops; i++) {
		bool filling = i / 300 % 2;

		if (m->runs < MODEL_RUNS && (!m->runs || xtest_below(&m->rnd, 4) < 1 + 2 * filling))
			model_take(test, m);
		else
			model_give(test, m);
		/* Magazines of small blocks would hide what is free. */
		xpool_collect(m->pool, true);
		if (!(i % 100)) {
			KUNIT_ASSERT_EQ(test, xpool_validate(m->pool), 0);
			KUNIT_ASSERT_EQ(test, live_pages(m->pool),
					(u64)bitmap_weight(m->live, MODEL_PAGES));
		}
	}
	kunit_info(test, "%lu runs, %lu requests not met\n", m->got, m->refused);
	KUNIT_EXPECT_GT(test, m->got, nr_ops / 10);
	KUNIT_EXPECT_GT(test, m->refused, 0UL);
	while (m->runs) {
		m->runs--;
		KUNIT_ASSERT_EQ(test, xpool_free_run(m->pool, page_at(m->at[m->runs]),
						     m->nr[m->runs]), 0);
	}
}

/*
 * Trimming, and errors
 */

/* AAAAAAAAAAAAAAAA: expect the ends and the middle of a block to go back one by one. */
static void xrun_test_trim(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 0);
	void *addr = xpool_alloc_addr(pool, 4, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + 11 * PAGE_SIZE, 5), 0);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 11ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr, 3), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + 5 * PAGE_SIZE, 2), 0);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 6ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + 3 * PAGE_SIZE, 2), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + 7 * PAGE_SIZE, 4), 0);
}

/* Expect pages of single requests that follow one another to go back at once. */
static void xrun_test_free_many_blocks(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 64, 0);
	void *addr = page_at(0);
	unsigned int i;

	for (i = 0; i < 16; i++)
		KUNIT_ASSERT_NOT_NULL(test, xpool_alloc_addr(pool, 2, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + PAGE_SIZE, 62), 0);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 2ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr, 1), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr + 63 * PAGE_SIZE, 1), 0);
}

static void expect_refused(struct kunit *test, struct xpool *pool, void *addr, size_t nr, int err)
{
	struct xpool_stats before = pool_stats(pool), after;

	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, addr, nr), err);
	after = pool_stats(pool);
	KUNIT_EXPECT_EQ(test, after.errors, before.errors + 1);
	KUNIT_EXPECT_EQ(test, after.pages, before.pages);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
}

/* AAAAAAA..BB: expect frees of what is not all the client's to change nothing. */
static void xrun_test_wrong_frees(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 32, 0);
	void *a = take(pool, 7, 0), *hole = take(pool, 2, 0), *b = take(pool, 2, 0);

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, hole, 2), 0);
	expect_refused(test, pool, a, 8, -EINVAL);
	expect_refused(test, pool, a, 11, -EINVAL);
	expect_refused(test, pool, hole, 2, -EINVAL);
	expect_refused(test, pool, a + 8, 1, -EINVAL);
	expect_refused(test, pool, a, 0, -EINVAL);
	expect_refused(test, pool, a, 33, -ERANGE);
	expect_refused(test, pool, a, -1UL, -ERANGE);
	expect_refused(test, pool, page_at(-1), 2, -ERANGE);
	expect_refused(test, pool, page_at(32), 1, -ERANGE);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, NULL, 5), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, a, 7), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, b, 2), 0);
	expect_refused(test, pool, b, 2, -EINVAL);
}

/* Expect the pool to refuse all of a run of which one page has a second reference. */
static void xrun_test_referenced(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 0);
	void *a = take(pool, 300, 0);

	KUNIT_ASSERT_NOT_NULL(test, a);
	get_page(virt_to_page(a + 299 * PAGE_SIZE));
	expect_refused(test, pool, a, 300, -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, a, 299), 0);
	put_page(virt_to_page(a + 299 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, a + 299 * PAGE_SIZE, 1), 0);
}

static const struct wrong_request {
	const char		*name;
	struct xpool_request	request;
} wrong_requests[] = {
	{ "no pages", { .gfp = GFP_KERNEL } },
	{ "too many pages", { .pages = 33, .gfp = GFP_KERNEL } },
	{ "very many pages", { .pages = -1UL, .gfp = GFP_KERNEL } },
	{ "align 3 pages", { .pages = 1, .align = 3 * PAGE_SIZE, .gfp = GFP_KERNEL } },
	{ "align half a page", { .pages = 1, .align = PAGE_SIZE / 2, .gfp = GFP_KERNEL } },
	{ "from behind to", { .pages = 1, .from = (void *)SZ_8K, .to = (void *)SZ_4K,
			      .gfp = GFP_KERNEL } },
	{ "from and to too close", { .pages = 2, .from = (void *)SZ_4K, .to = (void *)SZ_8K,
				     .gfp = GFP_KERNEL } },
	{ "never so many", { .pages = 33, .gfp = GFP_KERNEL | __GFP_NOFAIL } },
};

KUNIT_ARRAY_PARAM_DESC(wrong_request, wrong_requests, name);

/* Expect each to be refused and counted. */
static void xrun_test_wrong_requests(struct kunit *test)
{
	const struct wrong_request *wrong = test->param_value;
	struct xpool *pool = pool_nowhere(test, 32, 0);
	u64 errors = pool_stats(pool).errors;

	KUNIT_EXPECT_NULL(test, xpool_alloc_run(pool, &wrong->request));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, errors + 1);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).failures, 1ULL);
}

/* Expect requests for what the pool never has to be refused, not to wait for it. */
static void xrun_test_never_there(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 32, 0);
	struct xpool_request request = {
		.pages = 1, .from = page_at(-9), .to = page_at(-1),
		.gfp = GFP_KERNEL | __GFP_NOFAIL,
	};

	KUNIT_EXPECT_NULL(test, xpool_alloc_run(pool, &request));
	request.from = page_at(1);
	request.to = page_at(16);
	request.align = SZ_64K;
	KUNIT_EXPECT_NULL(test, xpool_alloc_run(pool, &request));
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 2ULL);
}

/*
 * With the rest of the pool
 */

/* Expect all of the pool, although magazines keep pages of it. */
static void xrun_test_gathers(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 4096, 0);
	void *pages[64], *all;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = xpool_alloc_addr(pool, i % 5, GFP_KERNEL);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		KUNIT_ASSERT_EQ(test, xpool_free_addr(pool, pages[i], i % 5), 0);
	KUNIT_ASSERT_GT(test, pool_stats(pool).magazines, 0ULL);
	all = take(pool, 4096, 0);
	KUNIT_EXPECT_PTR_EQ(test, all, page_at(0));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, 4096), 0);
}

/* Expect hard limit and reserve to hold, and the reserve to keep its blocks. */
static void xrun_test_limits(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 4096, 0);
	struct xpool_limits limits;
	void *run, *urgent;

	xpool_get_limits(pool, &limits);
	limits.hard = 1000;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_NULL(test, take(pool, 1001, 0));
	run = take(pool, 1000, 0);
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 1000), 0);
	limits.hard = XPOOL_NO_LIMIT;
	limits.reserve = 1024;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	KUNIT_EXPECT_NULL(test, take(pool, 3073, 0));
	run = take(pool, 3072, 0);
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_NULL(test, take(pool, 1, 0));
	urgent = xpool_alloc_addr(pool, XBUDDY_MAX_ORDER, GFP_ATOMIC);
	KUNIT_EXPECT_NOT_NULL(test, urgent);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, urgent, XBUDDY_MAX_ORDER), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 3072), 0);
}

/* Expect the reserve to be spared where another place does. */
static void xrun_test_beside_reserve(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 3072, 0);
	struct xpool_request request = { .pages = 1, .top = true, .gfp = GFP_KERNEL };
	void *top = xpool_alloc_run(pool, &request), *run;
	struct xpool_limits limits;

	xpool_get_limits(pool, &limits);
	limits.reserve = 2048;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	run = take(pool, 1, 0);
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 1), 0);
	run = take(pool, 512, 0);
	KUNIT_EXPECT_PTR_EQ(test, run, page_at(2048));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 512), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, top, 1), 0);
}

/* Expect a request that may not sleep to get what slabs of caches keep without objects. */
static void xrun_test_atomic(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_1M, 0);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &(struct xslab_args){
		.name = "xrun_test", .size = PAGE_SIZE });
	unsigned int nr = pool_stats(pool).total;
	void **objs = xtest_room(test, nr, sizeof(*objs)), *run;

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	nr = xslab_cache_alloc_bulk(cache, GFP_KERNEL, nr, objs);
	KUNIT_ASSERT_NE(test, nr, 0U);
	xslab_cache_free_bulk(cache, nr, objs);
	run = xpool_alloc_run(pool, &(struct xpool_request){ .pages = 3, .gfp = GFP_ATOMIC });
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 3), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

/* Expect a pool to grow for requests that may not sleep, too, if a moment later. */
static void xrun_test_grows_for_atomic(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 3 * SZ_4M);
	void *all = take(pool, 1024, 0), *run = NULL;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, all);
	for (i = 0; i < 200 && !run; i++) {
		run = xpool_alloc_run(pool, &(struct xpool_request){
			.pages = 500, .gfp = GFP_ATOMIC });
		msleep(20);
	}
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 500), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, 1024), 0);
}

/* Expect the limit to be left for a run as for a block of about its size. */
static void xrun_test_grows_to_limit(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 3 * SZ_4M);
	void *all = take(pool, 1024, 0), *run;
	struct xpool_limits limits;

	KUNIT_ASSERT_NOT_NULL(test, all);
	xpool_get_limits(pool, &limits);
	limits.hard = 1500;
	KUNIT_ASSERT_EQ(test, xpool_set_limits(pool, &limits), 0);
	run = take(pool, 200, 0);
	KUNIT_EXPECT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 200), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, 1024), 0);
}

/*
 * Several CPUs
 */

#define HANDS		4U
#define PART		37U	/* pages: parts begin and end inside of blocks */

struct parts {
	struct xpool	*pool;
	void		*run;
	unsigned int	round;
	bool		same;		/* all free the whole run */
	atomic_t	left;
	atomic_t	freed;
};

static int part_work(void *arg)
{
	struct hand *hand = arg;
	struct parts *p = hand->what;
	unsigned int seen = 0;

	while (!kthread_should_stop()) {
		unsigned int round = smp_load_acquire(&p->round);	/* the run is there */
		void *part = p->run + (p->same ? 0 : hand->nr * PART * PAGE_SIZE);

		if (round == seen) {
			yield();
			continue;
		}
		seen = round;
		if (!xpool_free_run(p->pool, part, p->same ? HANDS * PART : PART))
			atomic_inc(&p->freed);
		hand->done++;
		atomic_dec(&p->left);
	}
	return 0;
}

static unsigned int free_together(struct kunit *test, struct xpool *pool, bool same)
{
	unsigned int rounds = max(xtest_rounds(150 / XTEST_SLOWER), 30UL), r, i;
	struct crew *crew = xtest_room(test, 1, sizeof(*crew));
	struct parts *p = xtest_room(test, 1, sizeof(*p));

	p->pool = pool;
	p->same = same;
	for (i = 0; i < HANDS; i++)
		hire(test, crew, part_work, p, true);
	for (r = 1; r <= rounds; r++) {
		p->run = take(pool, HANDS * PART, 0);
		if (!p->run)
			break;
		atomic_set(&p->left, HANDS);
		smp_store_release(&p->round, r);	/* pairs with that of part_work() */
		while (atomic_read(&p->left))
			yield();
	}
	KUNIT_EXPECT_EQ(test, r, rounds + 1);
	dismiss(test, crew);
	KUNIT_EXPECT_EQ(test, (unsigned int)atomic_read(&p->freed), rounds * (same ? 1 : HANDS));
	return rounds;
}

/* Parts of a run, which begin and end in the same blocks, go back on all CPUs at once. */
static void xrun_test_parts_at_once(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 1024, 0);

	free_together(test, pool, false);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
}

/* Expect one of the frees of a run to be believed, and the others to change nothing. */
static void xrun_test_freed_at_once(struct kunit *test)
{
	struct xpool *pool = pool_nowhere(test, 1024, 0);
	unsigned int rounds = free_together(test, pool, true);

	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, (u64)rounds * (HANDS - 1));
}

/* Expect a pool that grows to take a region for a run, of which the end stays free. */
static void xrun_test_grows(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 3 * SZ_4M);
	void *all = take(pool, 1024, 0), *run;

	KUNIT_ASSERT_NOT_NULL(test, all);
	run = take(pool, 700, 0);
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 1724ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 700), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, all, 1024), 0);
	run = xpool_alloc_run(pool, &(struct xpool_request){
		.pages = 900, .gfp = GFP_KERNEL | __GFP_ZERO });
	KUNIT_ASSERT_NOT_NULL(test, run);
	KUNIT_EXPECT_NULL(test, memchr_inv(run, 0, 900 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, xpool_free_run(pool, run, 900), 0);
}

/*
 * All at once
 */

/* Blocks and runs of any size until there is none; returns the pages. */
static u64 exhaust(struct xpool *pool, struct rnd_state *rnd)
{
	u64 pages = 0;

	for (;;) {
		unsigned int order = xtest_below(rnd, 6), nr = 1 + xtest_below(rnd, 40);

		if (xtest_below(rnd, 2)) {
			if (!xpool_alloc_addr(pool, order, GFP_KERNEL))
				break;
			pages += 1U << order;
		} else {
			if (!take(pool, nr, 0))
				break;
			pages += nr;
		}
	}
	while (xpool_alloc_addr(pool, 0, GFP_KERNEL))
		pages++;
	return pages;
}

/* Expect as many pages after each recycling, in blocks as large as at first. */
static void exhaust_and_recycle(struct kunit *test, struct xpool *pool, unsigned long rounds)
{
	u64 pages = pool_stats(pool).total, last = 0;
	struct rnd_state rnd;
	unsigned long i;

	xtest_seed(test, &rnd);
	for (i = 0; i < rounds; i++) {
		last = exhaust(pool, &rnd);
		KUNIT_ASSERT_EQ(test, last, pages);
		KUNIT_ASSERT_EQ(test, xpool_recycle(pool), 0);
		KUNIT_ASSERT_EQ(test, live_pages(pool), 0ULL);
	}
	kunit_info(test, "row 18: %llu of %llu pages in round %lu\n", last, pages, i);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 0ULL);
	KUNIT_EXPECT_EQ(test, xpool_validate(pool), 0);
	KUNIT_EXPECT_NOT_NULL(test, xpool_alloc_addr(pool, 8, GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), 0);
}

static void xrun_test_recycle(struct kunit *test)
{
	exhaust_and_recycle(test, system_pool(test, SZ_1M, 0), 1000 / XTEST_SLOWER);
}

/* Where there is no memory, from the middle of a largest block on. */
static void xrun_test_recycle_nowhere(struct kunit *test)
{
	exhaust_and_recycle(test, pool_nowhere(test, 2000, 700), 20);
}

/* Regions that came go back. */
static void xrun_test_recycle_grown(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_4M, 4 * SZ_4M);

	KUNIT_ASSERT_NOT_NULL(test, take(pool, 1000, 0));
	KUNIT_ASSERT_NOT_NULL(test, take(pool, 1000, 0));
	KUNIT_ASSERT_NOT_NULL(test, xpool_alloc_addr(pool, 9, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), 0);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 0ULL);
	xpool_collect(pool, true);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).regions, 1ULL);
}

/* A page that a process may have mapped stays. Expect its block to be the only one. */
static void xrun_test_recycle_referenced(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_1M, 0);
	void *block = xpool_alloc_addr(pool, 3, GFP_KERNEL), *other = take(pool, 100, 0);

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_ASSERT_NOT_NULL(test, other);
	get_page(virt_to_page(block + 5 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), -EBUSY);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 8ULL);
	KUNIT_EXPECT_EQ(test, pool_stats(pool).errors, 1ULL);
	put_page(virt_to_page(block + 5 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), 0);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 3), -EALREADY);
}

/* A cache would not know that its slabs are free. Expect the pool to refuse. */
static void xrun_test_recycle_beside_cache(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_1M, 0);
	struct xslab_cache *cache = xslab_cache_create_in(pool, &(struct xslab_args){
		.name = "beside", .size = 64 });
	void *block = xpool_alloc_addr(pool, 0, GFP_KERNEL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), -EBUSY);
	KUNIT_EXPECT_EQ(test, live_pages(pool), 1ULL);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 0), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

/* Destroyed, which was refused, and gone with its last page. */
static void xrun_test_recycle_gone(struct kunit *test)
{
	struct xpool *pool = system_pool(test, SZ_1M, 0);
	void *block = xpool_alloc_addr(pool, 0, GFP_KERNEL);
	struct run_test *t = test->priv;
	unsigned int tries;

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), -EBUSY);
	t->pool = NULL;
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_free_addr(pool, block, 0), 0);
	for (tries = 0; tries < 500 && !xpool_is_gone(pool); tries++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, xpool_recycle(pool), -EBUSY);
	KUNIT_EXPECT_EQ(test, xpool_destroy(pool), 0);
}

static struct kunit_case run_cases[] = {
	KUNIT_CASE(xrun_test_as_many_as_fit),
	KUNIT_CASE(xrun_test_alignment),
	KUNIT_CASE_PARAM(xrun_test_places, place_gen_params),
	KUNIT_CASE(xrun_test_model),
	KUNIT_CASE(xrun_test_trim),
	KUNIT_CASE(xrun_test_free_many_blocks),
	KUNIT_CASE(xrun_test_wrong_frees),
	KUNIT_CASE(xrun_test_referenced),
	KUNIT_CASE_PARAM(xrun_test_wrong_requests, wrong_request_gen_params),
	KUNIT_CASE(xrun_test_never_there),
	KUNIT_CASE(xrun_test_gathers),
	KUNIT_CASE(xrun_test_limits),
	KUNIT_CASE(xrun_test_beside_reserve),
	KUNIT_CASE(xrun_test_atomic),
	KUNIT_CASE(xrun_test_parts_at_once),
	KUNIT_CASE(xrun_test_freed_at_once),
	KUNIT_CASE(xrun_test_grows),
	KUNIT_CASE(xrun_test_grows_for_atomic),
	KUNIT_CASE(xrun_test_grows_to_limit),
	KUNIT_CASE(xrun_test_recycle),
	KUNIT_CASE(xrun_test_recycle_nowhere),
	KUNIT_CASE(xrun_test_recycle_grown),
	KUNIT_CASE(xrun_test_recycle_referenced),
	KUNIT_CASE(xrun_test_recycle_beside_cache),
	KUNIT_CASE(xrun_test_recycle_gone),
	{}
};

static struct kunit_suite run_suite = {
	.name = "xrun",
	.init = run_init,
	.exit = run_exit,
	.test_cases = run_cases,
};

kunit_test_suite(run_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of xalloc's runs of contiguous pages");
