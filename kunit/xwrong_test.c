// SPDX-License-Identifier: GPL-2.0
/*
 * Wrong frees of each kind, at random, against a model.
 *
 * The model is a table of what the client holds: objects of several caches and blocks of pages,
 * in a pool that grows and in one that does not. Each step takes something, gives something
 * back, or makes a mistake. A mistake must be refused and counted once, and change nothing: what
 * is held carries its marks, no address comes twice, and the books balance with the table.
 */
#include <linux/hashtable.h>
#include <linux/sched.h>

#include "xfixture.h"

#define NR_CACHES	10U
#define HELD_MAX	3000U
#define STALE_MAX	512U
#define TRIED_ORDERS	5U

static unsigned long wrong = 100000;
module_param(wrong, ulong, 0444);
MODULE_PARM_DESC(wrong, "wrong frees");

struct held {
	struct hlist_node	node;
	void			*addr;
	size_t			size;
	struct xslab_cache	*cache;		/* NULL: it is a block of pages */
	struct xpool		*pool;
	unsigned int		order;		/* of the block */
};

struct model {
	struct fixture		*w;
	struct rnd_state	rnd;
	DECLARE_HASHTABLE(by_addr, 12);
	struct held		held[HELD_MAX];
	unsigned int		nr;
	struct held		stale[STALE_MAX];	/* freed some time ago */
	unsigned int		nr_freed;
	unsigned long		nr_wrong;
	unsigned long		nr_counted;	/* of these, such as a pool or a cache can count */
	unsigned long		believed;
	unsigned long		refused;	/* right ones */
	unsigned long		spoiled;	/* marks, or an address that came twice */
};

/*
 * The table
 */

static bool is_held(struct model *m, const void *addr)
{
	struct held *h;

	hash_for_each_possible(m->by_addr, h, node, (unsigned long)addr)
		if (h->addr == addr)
			return true;
	return false;
}

static unsigned long *last_word(const struct held *h)
{
	return h->addr + round_down(h->size - sizeof(long), sizeof(long));
}

static void add(struct model *m, struct held h)
{
	struct held *at = &m->held[m->nr];

	if (!h.addr)
		return;
	m->spoiled += is_held(m, h.addr);
	*(unsigned long *)h.addr = xtest_mark(h.addr);
	*last_word(&h) = xtest_mark(h.addr);
	*at = h;
	hash_add(m->by_addr, &at->node, (unsigned long)h.addr);
	m->nr++;
}

/* It will be freed. */
static struct held drop(struct model *m, struct held *h)
{
	struct held *last = &m->held[m->nr - 1], was = *h;

	m->spoiled += *(unsigned long *)h->addr != xtest_mark(h->addr) ||
		      *last_word(h) != xtest_mark(h->addr);
	*(unsigned long *)h->addr = XTEST_DEAD;
	hash_del(&h->node);
	if (h != last) {
		hash_del(&last->node);
		*h = *last;
		hash_add(m->by_addr, &h->node, (unsigned long)h->addr);
	}
	m->nr--;
	m->stale[m->nr_freed++ % STALE_MAX] = was;
	return was;
}

static struct held *any_held(struct model *m)
{
	return &m->held[xtest_below(&m->rnd, m->nr)];
}

static struct xslab_cache *any_cache(struct model *m)
{
	return m->w->caches[xtest_below(&m->rnd, m->w->nr_caches)];
}

static struct xpool *any_pool(struct model *m)
{
	return xtest_below(&m->rnd, 2) ? m->w->pool : m->w->second;
}

/*
 * Right steps
 */

static void take(struct model *m)
{
	struct held h = { .pool = any_pool(m), .cache = any_cache(m) };

	if (m->nr == HELD_MAX)
		return;
	if (xtest_below(&m->rnd, 4)) {
		h.addr = xslab_cache_alloc(h.cache, GFP_KERNEL);
		h.size = xslab_cache_size(h.cache);
		h.pool = h.cache->pool;
	} else {
		h.order = xtest_below(&m->rnd, TRIED_ORDERS);
		h.addr = xpool_alloc_addr(h.pool, h.order, GFP_KERNEL);
		h.size = PAGE_SIZE << h.order;
		h.cache = NULL;
	}
	add(m, h);
}

static void give(struct model *m)
{
	struct held h;
	int err;

	if (!m->nr)
		return;
	h = drop(m, any_held(m));
	if (!h.cache)
		err = xpool_free_addr(h.pool, h.addr, h.order);
	else if (xtest_below(&m->rnd, 2))
		err = xslab_cache_free(h.cache, h.addr);
	else
		err = xslab_free(h.addr);
	m->refused += err != 0;
}

/*
 * Mistakes: each returns what the free did, or 1 if there was no opportunity for it
 */

static int free_twice(struct model *m)
{
	const struct held *s = &m->stale[xtest_below(&m->rnd, min(m->nr_freed, STALE_MAX))];

	if (!m->nr_freed || is_held(m, s->addr))
		return 1;
	if (!s->cache)
		return xpool_free_addr(s->pool, s->addr, s->order);
	return xtest_below(&m->rnd, 2) ? xslab_cache_free(s->cache, s->addr) :
					 xslab_cache_free_rcu(s->cache, s->addr);
}

static int free_to_other(struct model *m)
{
	struct held *h = any_held(m);
	struct xslab_cache *cache = any_cache(m);

	if (!h->cache)
		return xpool_free_addr(h->pool == m->w->pool ? m->w->second : m->w->pool,
				       h->addr, h->order);
	return cache == h->cache ? 1 : xslab_cache_free(cache, h->addr);
}

static int free_inside(struct model *m)
{
	struct held *h = any_held(m);
	void *addr = h->addr + 1 + xtest_below(&m->rnd, h->size - 1);

	if (!h->cache)
		return xpool_free_addr(h->pool, addr, h->order);
	switch (xtest_below(&m->rnd, 3)) {
	case 0:
		return xslab_cache_free(h->cache, addr);
	case 1:
		return xslab_free(addr);
	default:
		return xslab_free_rcu(addr);
	}
}

/* A page in the block is one, as well as its first. */
static int free_other_order(struct model *m)
{
	struct held *h = any_held(m);
	unsigned long order = xtest_below(&m->rnd, XBUDDY_NR_ORDERS + 3), page;

	page = xtest_below(&m->rnd, h->size / PAGE_SIZE ?: 1);
	if (!xtest_below(&m->rnd, 8))
		order |= BIT(32 + xtest_below(&m->rnd, 32));
	if (h->cache || (order == h->order && !page))
		return 1;
	return xpool_free_addr(h->pool, h->addr + page * PAGE_SIZE, order);
}

static int free_as_other_kind(struct model *m)
{
	struct held *h = any_held(m);

	if (h->cache)
		return xpool_free_addr(h->pool, PTR_ALIGN_DOWN(h->addr, PAGE_SIZE),
				       h->cache->order);
	return xtest_below(&m->rnd, 2) ? xslab_free(h->addr) :
					 xslab_cache_free(any_cache(m), h->addr);
}

/* Beside a right one, which is freed. */
static int free_in_bulk(struct model *m)
{
	struct held *h = any_held(m);
	void *objs[3];

	if (!h->cache)
		return 1;
	objs[0] = h->addr + 1 + xtest_below(&m->rnd, h->size - 1);
	objs[1] = NULL;
	objs[2] = h->addr;
	xslab_cache_free_bulk(drop(m, h).cache, ARRAY_SIZE(objs), objs);
	return -EINVAL;		/* that it was refused is seen where it is counted */
}

static void *wild_pointer(struct model *m)
{
	u64 bits = (u64)prandom_u32_state(&m->rnd) << 32 | prandom_u32_state(&m->rnd);
	void *const strange[] = {
		(void *)(unsigned long)bits, (void *)8UL, (void *)-1L, (void *)LONG_MAX,
		current->stack, m, xslab_free, any_cache(m), m->w->pool,
	};

	return strange[xtest_below(&m->rnd, ARRAY_SIZE(strange))];
}

static int free_wild(struct model *m)
{
	void *addr = wild_pointer(m);

	switch (xtest_below(&m->rnd, 3)) {
	case 0:
		return xslab_cache_free(any_cache(m), addr);
	case 1:
		return xpool_free_addr(any_pool(m), addr, xtest_below(&m->rnd, TRIED_ORDERS));
	default:
		m->nr_counted--;	/* there is no pool to count it */
		return xslab_free(addr);
	}
}

static int (*const mistakes[])(struct model *m) = {
	free_twice, free_to_other, free_inside, free_other_order, free_as_other_kind,
	free_in_bulk, free_wild,
};

static void err(struct model *m)
{
	int refusal;

	if (!m->nr)
		return;
	refusal = mistakes[xtest_below(&m->rnd, ARRAY_SIZE(mistakes))](m);
	if (refusal > 0)
		return;
	m->nr_wrong++;
	m->nr_counted++;
	m->believed += !refusal;
}

/*
 * The books
 */

static u64 errors_of(struct model *m)
{
	u64 errors = pool_stats(m->w->pool).errors + pool_stats(m->w->second).errors;
	unsigned int i;

	for (i = 0; i < m->w->nr_caches; i++)
		errors += cache_stats(m->w->caches[i]).errors;
	return errors;
}

static u64 held_of(const struct model *m, const struct xslab_cache *cache)
{
	unsigned int i;
	u64 nr = 0;

	for (i = 0; i < m->nr; i++)
		nr += m->held[i].cache == cache;
	return nr;
}

static u64 held_pages(const struct model *m, const struct xpool *pool)
{
	unsigned int i;
	u64 pages = 0;

	for (i = 0; i < m->nr; i++)
		if (!m->held[i].cache && m->held[i].pool == pool)
			pages += BIT(m->held[i].order);
	return pages;
}

static void check_model(struct kunit *test, struct model *m)
{
	struct fixture *w = m->w;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, m->believed, 0UL);
	KUNIT_ASSERT_EQ(test, m->refused, 0UL);
	KUNIT_ASSERT_EQ(test, m->spoiled, 0UL);
	KUNIT_ASSERT_EQ(test, errors_of(m), (u64)m->nr_counted);
	for (i = 0; i < w->nr_caches; i++)
		check_books(test, w->caches[i], held_of(m, w->caches[i]));
	KUNIT_ASSERT_EQ(test, pool_stats(w->pool).pages, held_pages(m, w->pool));
	KUNIT_ASSERT_EQ(test, pool_stats(w->second).pages, held_pages(m, w->second));
}

/* In each phase more is taken than given back, or less. */
static void run_phase(struct model *m, unsigned int takes)
{
	unsigned int steps = 4096;

	while (steps--) {
		unsigned int what = xtest_below(&m->rnd, 16);

		if (what >= 8)
			err(m);
		else if (what < takes)
			take(m);
		else
			give(m);
		if (!(steps % 256))
			cond_resched();
	}
}

static void add_random_caches(struct kunit *test, struct model *m)
{
	struct fixture *w = m->w;
	unsigned int i;

	for (i = 0; i < NR_CACHES; i++)
		add_cache_in(test, i % 3 ? w->pool : w->second, &(struct xslab_args){
			.name = "test",
			.size = 16 + xtest_below(&m->rnd, i % 4 ? 1024 : 20000),
			.flags = i & 1 ? XSLAB_HWCACHE_ALIGN : 0 });
}

static void xwrong_test_model(struct kunit *test)
{
	unsigned long goal = xtest_rounds(xtest_param(wrong)) / XTEST_SLOWER, turn = 0;
	struct model *m = xtest_room(test, 1, sizeof(*m));

	hash_init(m->by_addr);
	xtest_seed(test, &m->rnd);
	m->w = with_steady_pool(test, SZ_8M, SZ_16M + SZ_8M);
	m->w->second = new_pool(test, NULL, SZ_4M, 0);
	KUNIT_ASSERT_EQ(test, xpool_set_decay(m->w->second, -1), 0);
	add_random_caches(test, m);
	while (m->nr_wrong < goal) {
		run_phase(m, turn++ & 1 ? 2 : 6);
		check_model(test, m);
		if (!(turn % 4))
			xpool_collect(m->w->pool, true);
	}
	while (m->nr)
		give(m);
	check_model(test, m);
	kunit_info(test, "%lu wrong frees\n", m->nr_wrong);
}

static struct kunit_case xwrong_test_cases[] = {
	KUNIT_CASE(xwrong_test_model),
	{}
};

static struct kunit_suite xwrong_test_suite = {
	.name = "xwrong",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = xwrong_test_cases,
};

kunit_test_suite(xwrong_test_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Tests of xalloc: wrong frees against a model");
