// SPDX-License-Identifier: GPL-2.0
/*
 * xdecay: memory that no client uses goes back along a curve
 *
 * Concepts
 *
 * Two kinds of owners hold memory that no client uses:
 *
 *	caches		slabs without objects		-> to their pool
 *	pools		empty regions, if they grow	-> to the system
 *
 * Giving it back at once is wrong for an owner that needs it again soon, and never doing so
 * is wrong for all others. So each owner has a time, decay_ms, after which
 * nothing is left of what it did not use, and a worker that gives it back bit
 * by bit until then. 0 is at once, -1 is never. A cache has the time of its pool
 * unless it is given its own.
 *
 * The curve
 *
 * Time is cut into epochs of decay_ms / 16. At the end of each, the pages that
 * became unused in it are written down beside those of the 15 epochs before.
 * Of pages that have been unused for a share x of decay_ms, this may stay:
 *
 *	w(x) = 1 - (3x^2 - 2x^3) = (1 - x)^2 (1 + 2x)
 *
 * the polynomial of least degree that is 1 at 0, 0 at 1, and flat at both ends.
 * Flat at the beginning, because what was freed a moment ago is most likely to be
 * wanted again; flat at the end, because to give back a large rest in one go is the
 * jolt that a curve should avoid. (A straight line would still have a sixteenth at
 * the end of the last epoch but one, this has 1 %.) In epochs, with x = k / 16, it
 * is exact in integers:
 *
 *	w(k) = (16 - k)^2 (8 + k) / 2048
 *
 * The sum over all epochs is what may stay; what there is above it goes. An age is
 * rounded up, so pages are gone after decay_ms and not one epoch later. Pages that
 * are used again leave the sum alone: it says what may be kept, not what there is.
 * The idea is jemalloc's (Evans, "Scalable memory allocation using jemalloc", 2011,
 * and its decay-based purging of 2015).
 *
 * Quiet owners
 *
 * Objects in magazines keep slabs from being empty. In a cache that is in use that
 * is a small price; in one that is not, it can be most of what it holds. So an
 * owner without an operation for half of decay_ms, 8 epochs, has its magazines
 * emptied, and what becomes unused by it counts as unused since the last operation.
 * It is on the curve where it had been without magazines, and is gone at the
 * same time. Half, because until then all of it is held: by 1 s of a decay_ms
 * of 1 s next to nothing may be, and 40 % of the way down is soon enough.
 *
 * Sleep
 *
 * The worker runs at the ends of epochs, and only while there is something to
 * do. An owner that is quiet and has nothing unused is put to sleep: its magazines
 * are parked (xmag.c), and its next operation, or the next slab or region that
 * becomes empty, wakes it. So a system where no client uses xalloc is not disturbed, and a
 * client that uses it pays nothing on the fast path.
 *
 *	                 an operation, something empty
 *	     asleep --------------------------------------> awake
 *	        ^                                             | each epoch: give
 *	        '---------------------------------------------'
 *	                 quiet, and nothing unused
 *
 * A CPU that wakes an owner may hold any lock and be in an NMI, so it clears a flag and
 * raises an irq_work, which may queue the worker.
 *
 * Before an owner sleeps, the worker sets the flag first, then parks the magazines, and
 * then looks once more whether something is unused, under the lock that a CPU which makes
 * it so holds when it looks at the flag. So one of the two sees the other.
 *
 * Locks: xdecay_lock protects the times, curves and epochs of all owners. The worker
 * pins what it looks at, so that it stays. There is one worker and one irq_work for all
 * owners, and neither points to any of them: so when an owner goes there is nothing to
 * cancel. A run of the worker costs a look at each owner, and none has a timer of its own.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/export.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/workqueue.h>

#include "slab/slab.h"
#include "xdecay.h"

#define XDECAY_QUIET		(XDECAY_EPOCHS / 2)
#define XDECAY_MAX_MS		(24L * 3600 * MSEC_PER_SEC)
#define XDECAY_NEVER		(-1L)
#define XDECAY_INHERIT		LONG_MIN	/* a cache: as its pool */
#define XDECAY_NO_END		U64_MAX

/* Where nothing may stay, a cache is still not quiet between two operations. */
#define XDECAY_LEAST_MS		16

/*
 * The curve
 */

static_assert(XDECAY_EPOCHS == 16);
#define XDECAY_WHOLE	2048U	/* w(0) as below */

/**
 * xdecay_curve_step() - some epochs are over
 * @curve: the curve
 * @epochs: how many
 * @unused: pages that no client uses now; those that were used before count as of the
 *	last epoch
 */
void xdecay_curve_step(struct xcurve *curve, unsigned int epochs, unsigned long unused)
{
	unsigned int k = XDECAY_EPOCHS;

	epochs = min(epochs, XDECAY_EPOCHS);
	while (k-- > epochs)
		curve->fresh[k] = curve->fresh[k - epochs];
	memset(curve->fresh, 0, epochs * sizeof(*curve->fresh));
	curve->fresh[0] = unused > curve->last_unused ? unused - curve->last_unused : 0;
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_curve_step);

/* @pages turn out to have become unused @age epochs before the last one. */
void xdecay_curve_add(struct xcurve *curve, unsigned int age, unsigned long pages)
{
	if (age < XDECAY_EPOCHS)
		curve->fresh[age] += pages;
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_curve_add);

/* Pages that may stay unused until the next step. */
unsigned long xdecay_curve_limit(const struct xcurve *curve)
{
	u64 sum = 0;
	unsigned int k;

	for (k = 1; k <= XDECAY_EPOCHS; k++) {
		unsigned int left = XDECAY_EPOCHS - k;

		sum += (u64)curve->fresh[k - 1] * left * left * (XDECAY_EPOCHS / 2 + k);
	}
	return sum / XDECAY_WHOLE;
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_curve_limit);

/*
 * Owners
 */

static struct xslab_cache *decaying_cache(struct xdecay *decay)
{
	return container_of(decay, struct xslab_cache, decay);
}

static struct xpool *decaying_pool(struct xdecay *decay)
{
	return container_of(decay, struct xpool, decay);
}

/* The time of an owner; that of a cache may be its pool's. */
static long ms_of(struct xdecay *decay)
{
	long ms = READ_ONCE(decay->ms);

	return ms == XDECAY_INHERIT ? READ_ONCE(decaying_cache(decay)->pool->decay.ms) : ms;
}

/*
 * Pages that trim_owner() could give back: of a quiet owner all, of another one but for what
 * it would take again at once.
 */
static unsigned long unused_pages(struct xdecay *decay, bool quiet)
{
	return decay->of_cache ? xslab_empty_pages(decaying_cache(decay)) :
				 xpool_idle_pages(decaying_pool(decay), quiet);
}

/* Give back a number of pages at most. */
static void trim_owner(struct xdecay *decay, unsigned long pages)
{
	if (decay->of_cache)
		xslab_trim(decaying_cache(decay), pages);
	else
		xpool_trim(decaying_pool(decay), pages);
}

/* A number that changes when the owner is used. */
static u64 operations(struct xdecay *decay)
{
	struct xslab_stats cache;
	struct xpool_stats pool;

	if (decay->of_cache) {
		xslab_cache_stats(decaying_cache(decay), &cache);
		return cache.allocs + cache.frees;
	}
	xpool_stats(decaying_pool(decay), &pool);
	return pool.gets + pool.puts + pool.pages + pool.heaps;
}

/* @how: xmag_drain(), or xmag_park() to be told of the next operation */
static void empty_magazines(struct xdecay *decay, void (*how)(struct xmag *mag))
{
	if (decay->of_cache)
		how(&decaying_cache(decay)->mag);
	else
		xpool_mags_empty(decaying_pool(decay), how);
}

/*
 * Epochs
 */

static u64 epoch_ns(long ms)
{
	return (u64)(ms ?: XDECAY_LEAST_MS) * NSEC_PER_MSEC / XDECAY_EPOCHS;
}

static bool is_quiet(const struct xdecay *decay)
{
	return decay->quiet >= XDECAY_QUIET;
}

/* The owner has become quiet: what its magazines kept has been unused as long. */
static void fall_quiet(struct xdecay *decay)
{
	unsigned long before = unused_pages(decay, false), after;

	empty_magazines(decay, xmag_drain);
	after = unused_pages(decay, true);
	if (after > before)
		xdecay_curve_add(&decay->curve, decay->quiet, after - before);
}

/* Give back what is over the curve. */
static void give_unused(struct xdecay *decay)
{
	unsigned long limit = ms_of(decay) ? xdecay_curve_limit(&decay->curve) : 0;
	unsigned long pages = unused_pages(decay, is_quiet(decay));

	if (pages > limit)
		trim_owner(decay, pages - limit);
	decay->curve.last_unused = unused_pages(decay, is_quiet(decay));
}

/* Nothing is unused. See the top for the order; a CPU that wakes the owner meanwhile wins. */
static void try_sleep(struct xdecay *decay)
{
	WRITE_ONCE(decay->watch.asleep, true);
	empty_magazines(decay, xmag_park);
	if (unused_pages(decay, true))
		WRITE_ONCE(decay->watch.asleep, false);
	if (READ_ONCE(decay->watch.asleep))
		decay->end = 0;
}

static void end_epochs(struct xdecay *decay, u64 now)
{
	u64 ns = epoch_ns(ms_of(decay)), epochs = 1 + div64_u64(now - decay->end, ns);
	unsigned int nr = min_t(u64, epochs, XDECAY_EPOCHS);
	bool was_quiet = is_quiet(decay);
	u64 done;

	decay->end += epochs * ns;
	xdecay_curve_step(&decay->curve, nr, unused_pages(decay, was_quiet));
	done = operations(decay);
	decay->quiet = done == decay->operations ? decay->quiet + nr : 0;
	decay->operations = done;
	if (is_quiet(decay) && !was_quiet)
		fall_quiet(decay);
	give_unused(decay);
	if (is_quiet(decay) && !decay->curve.last_unused)
		try_sleep(decay);
}

/* Returns when to look again. */
static u64 tick(struct xdecay *decay)
{
	u64 now = ktime_get_ns();

	if (READ_ONCE(decay->watch.asleep) || ms_of(decay) < 0)
		return XDECAY_NO_END;
	if (!decay->end) {
		/* The owner is awake, and what it does is counted from now on. */
		decay->curve = (struct xcurve){ };
		decay->operations = operations(decay);
		decay->quiet = 0;
		decay->end = now + epoch_ns(ms_of(decay));
	} else if (now >= decay->end) {
		end_epochs(decay, now);
	}
	if (!ms_of(decay))
		give_unused(decay);
	return decay->end ?: XDECAY_NO_END;
}

/*
 * The worker
 */

static DEFINE_MUTEX(xdecay_lock);
static struct workqueue_struct *queue;
static void decay_work(struct work_struct *unused);
static DECLARE_DELAYED_WORK(worker, decay_work);
static unsigned long runs;

/* Only pools that grow can give something back. They have what the caches gave by then. */
static void decay_work(struct work_struct *unused)
{
	u64 now, next = XDECAY_NO_END;
	struct xslab_cache *cache;
	struct xpool *pool;

	WRITE_ONCE(runs, runs + 1);
	mutex_lock(&xdecay_lock);
	for_each_cache(cache) {
		next = min(next, tick(&cache->decay));
		cond_resched();
	}
	for_each_pool(pool) {
		if (pool->grow)
			next = min(next, tick(&pool->decay));
		cond_resched();
	}
	mutex_unlock(&xdecay_lock);
	if (next == XDECAY_NO_END)
		return;
	/* Does nothing where an owner was woken meanwhile: then it is queued already. */
	now = ktime_get_ns();
	queue_delayed_work(queue, &worker, nsecs_to_jiffies64(next > now ? next - now : 0) + 1);
}

/* How often the worker ran so far. */
unsigned long xdecay_runs(void)
{
	return READ_ONCE(runs);
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_runs);

/* Keep the worker from its work, for tests; and let it go on. */
void xdecay_hold(void)
{
	mutex_lock(&xdecay_lock);
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_hold);

void xdecay_release(void)
{
	mutex_unlock(&xdecay_lock);
}
EXPORT_SYMBOL_FOR_KUNIT(xdecay_release);

static void run_now(struct irq_work *unused)
{
	mod_delayed_work(queue, &worker, 0);
}

static DEFINE_IRQ_WORK(run_soon, run_now);

/* Something is there to look at. Any context, whatever locks are held. */
static void wake_decay(struct xwatch *watch)
{
	WRITE_ONCE(watch->asleep, false);
	irq_work_queue(&run_soon);
}

/*
 * Setting and getting
 */

static bool is_valid(long ms)
{
	return ms >= XDECAY_NEVER && ms <= XDECAY_MAX_MS;
}

/* The time of the owner has changed. */
static void restart(struct xdecay *decay)
{
	long ms = ms_of(decay);

	lockdep_assert_held(&xdecay_lock);
	WRITE_ONCE(decay->watch.at_once, !ms);
	WRITE_ONCE(decay->watch.asleep, false);
	decay->end = 0;
	if (ms)
		return;
	empty_magazines(decay, xmag_drain);
	trim_owner(decay, ULONG_MAX);
}

/**
 * xslab_cache_set_decay() - say how long a cache keeps what no client uses
 * @cache: the cache
 * @ms: milliseconds after which no slab without objects is left of those that are
 *	there now, up to a day; 0: at once, -1: never
 *
 * Until then they go back to the pool bit by bit. What xslab_cache_prefill() asked
 * for stays. A cache for which this was never called has the time of its pool.
 *
 * Context: Process context, may sleep.
 * Return: 0; or with nothing changed -EINVAL, or -ENOENT: it was destroyed, and has gone.
 */
int xslab_cache_set_decay(struct xslab_cache *cache, long ms)
{
	if (!is_valid(ms))
		return -EINVAL;
	if (unlikely(is_gone(cache)))
		return -ENOENT;
	mutex_lock(&xdecay_lock);
	WRITE_ONCE(cache->decay.ms, ms);
	restart(&cache->decay);
	mutex_unlock(&xdecay_lock);
	mod_delayed_work(queue, &worker, 0);
	return 0;
}
EXPORT_SYMBOL_GPL(xslab_cache_set_decay);

/**
 * xslab_cache_get_decay() - how long a cache keeps what is not used
 * @cache: the cache
 *
 * Context: Any.
 * Return: milliseconds, or -1: for ever.
 */
long xslab_cache_get_decay(struct xslab_cache *cache)
{
	return ms_of(&cache->decay);
}
EXPORT_SYMBOL_GPL(xslab_cache_get_decay);

/**
 * xpool_set_decay() - say how long a pool and its caches keep what no client uses
 * @pool: the pool
 * @ms: milliseconds after which none is left of the empty regions that there are now,
 *	up to a day; 0: at once, -1: never
 *
 * Until then the regions of a pool that grows go back to the system one by one;
 * those of its initial size stay. It is also the time of the pool's caches, but for
 * those that were given one with xslab_cache_set_decay().
 *
 * Context: Process context, may sleep.
 * Return: 0; or with nothing changed -EINVAL, or -ENOENT: it was destroyed, and has gone.
 */
int xpool_set_decay(struct xpool *pool, long ms)
{
	struct xslab_cache *cache;

	if (!is_valid(ms))
		return -EINVAL;
	if (unlikely(xpool_is_gone(pool)))
		return -ENOENT;
	mutex_lock(&xdecay_lock);
	WRITE_ONCE(pool->decay.ms, ms);
	for_each_cache(cache)
		if (cache->pool == pool && cache->decay.ms == XDECAY_INHERIT)
			restart(&cache->decay);
	if (pool->grow)
		restart(&pool->decay);
	mutex_unlock(&xdecay_lock);
	mod_delayed_work(queue, &worker, 0);
	return 0;
}
EXPORT_SYMBOL_GPL(xpool_set_decay);

/**
 * xpool_get_decay() - how long a pool keeps what no client uses
 * @pool: the pool
 *
 * Context: Any.
 * Return: milliseconds, or -1: for ever.
 */
long xpool_get_decay(const struct xpool *pool)
{
	return READ_ONCE(pool->decay.ms);
}
EXPORT_SYMBOL_GPL(xpool_get_decay);

/*
 * Bring-up and tear-down
 */

static long default_ms;

/* A new owner is asleep: it has nothing, and its first operation wakes it. */
static void set_watch(struct xwatch *watch, long ms)
{
	watch->wake = wake_decay;
	watch->at_once = !ms;
	watch->asleep = ms >= 0;
}

static int follow_owners(struct notifier_block *block, unsigned long event, void *what)
{
	struct xslab_cache *cache = what;
	struct xpool *pool = what;

	if (event == XOBSERVE_POOL_ADD) {
		pool->decay.ms = default_ms;
		if (!pool->grow)
			return NOTIFY_DONE;
		set_watch(&pool->decay.watch, default_ms);
		xpool_mags_set_watch(pool, &pool->decay.watch);
	} else if (event == XOBSERVE_CACHE_ADD) {
		cache->decay.of_cache = true;
		cache->decay.ms = XDECAY_INHERIT;
		set_watch(&cache->decay.watch, ms_of(&cache->decay));
		xmag_set_watch(&cache->mag, &cache->decay.watch);
	}
	return NOTIFY_DONE;
}

/* Before the one that lets people change the times */
static struct notifier_block observer = { .notifier_call = follow_owners, .priority = 1 };

/* Pools that come have the time @ms. Returns 0, -EINVAL or -ENOMEM. */
int xdecay_init(long ms)
{
	if (!is_valid(ms)) {
		pr_err("decay_ms=%ld: give milliseconds up to %ld, 0 for at once or -1 for never\n",
		       ms, XDECAY_MAX_MS);
		return -EINVAL;
	}
	default_ms = ms;
	queue = alloc_workqueue("xalloc", WQ_UNBOUND, 1);
	if (!queue)
		return -ENOMEM;
	return raw_notifier_chain_register(&xobservers, &observer);
}

/* After the last pool. */
void xdecay_exit(void)
{
	raw_notifier_chain_unregister(&xobservers, &observer);
	irq_work_sync(&run_soon);
	cancel_delayed_work_sync(&worker);
	destroy_workqueue(queue);
}
