// SPDX-License-Identifier: GPL-2.0
/*
 * Shares: how often xalloc's fast path is not taken, where there are several
 * CPUs and real interrupts. Two CPUs allocate and free objects of one cache;
 * a third interrupts them as fast as it can, and the handler takes an object of
 * the same cache and gives one back.
 *
 *	busy_per_million	operations that found the magazines in use
 *	percent_depot_hits	whole magazines that the depot had, or had room for
 *	locks_per_1000		locks taken, at most, per 1,000 operations: the
 *				depot's for each magazine, the cache's for each
 *				that the depot did not serve or that was busy
 *
 * A first batch comes before the counting: it finds the depot empty.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include <xalloc/xpool.h>
#include <xalloc/xslab.h>

#include "xbench.h"

#define POOL_BYTES	(64UL << 20)
#define WORKERS		2
#define OBJ_BYTES	256

/* 40 layers of slices that are freed on another CPU, some of them on their way at a time. */
#define LAYERS(name, on_their_way)						\
	{ name, XWORK_RELAY, 40 * XBENCH_SLICES, XBENCH_SLICES,			\
	  .slots = on_their_way, .threads = WORKERS }

/* Taken by the handlers of a CPU, one at a time. */
static DEFINE_PER_CPU(void *, interrupt_obj);
static unsigned long interrupts;

static void in_interrupt_of(void *cache)
{
	void **obj = this_cpu_ptr(&interrupt_obj);

	if (*obj)
		xslab_cache_free(cache, *obj);
	*obj = xslab_cache_alloc(cache, GFP_ATOMIC);
}

/* A thread on the CPU behind those of the workers. */
static int interrupter_main(void *cache)
{
	unsigned int worker = 0;

	while (!kthread_should_stop()) {
		smp_call_function_single(cpumask_nth(worker, cpu_online_mask),
					 in_interrupt_of, cache, 1);
		worker = (worker + 1) % WORKERS;
		WRITE_ONCE(interrupts, interrupts + 1);
		cond_resched();
	}
	return 0;
}

static struct task_struct *start_interrupter(struct xslab_cache *cache)
{
	struct task_struct *task = kthread_create(interrupter_main, cache, "xbench-irq");

	if (IS_ERR(task))
		return task;
	kthread_bind(task, cpumask_nth(WORKERS, cpu_online_mask));
	wake_up_process(task);
	return task;
}

static void stop_interrupter(struct task_struct *task, struct xslab_cache *cache)
{
	int cpu;

	kthread_stop(task);
	for_each_possible_cpu(cpu) {
		void **obj = per_cpu_ptr(&interrupt_obj, cpu);

		if (*obj)
			xslab_cache_free(cache, *obj);
		*obj = NULL;
	}
}

/* Tell the shares of what a cache did between two moments. */
void xbench_tell_shares(const char *workload, const char *allocator,
			const struct xslab_stats *before, const struct xslab_stats *after)
{
	u64 ops = after->allocs - before->allocs + after->frees - before->frees;
	u64 busy = after->busy - before->busy;
	u64 exchanges = after->refills - before->refills + after->flushes - before->flushes;
	u64 hits = after->depot_hits - before->depot_hits;

	if (!ops)
		return;
	xbench_value(workload, allocator, "busy_per_million", 100000000 * busy / ops);
	xbench_value(workload, allocator, "locks_per_1000",
		     100000 * (2 * exchanges - hits + busy) / ops);
	if (exchanges)
		xbench_value(workload, allocator, "percent_depot_hits", 10000 * hits / exchanges);
}

static int run_team(struct xslab_cache *cache, const struct xscenario *scenario,
		    unsigned long nr)
{
	struct xrun run = {
		.handle = cache, .size = OBJ_BYTES, .nr = nr, .batch = scenario->batch,
		.threads = scenario->threads, .objs = xbench_objs(),
	};

	return xbench_team(xbench_xslab, scenario->work, scenario->slots, &run);
}

static int run_one(const char *allocator, struct xslab_cache *cache,
		   const struct xscenario *scenario)
{
	struct xslab_stats before, after;
	char workload[XBENCH_NAME_MAX];
	int err;

	snprintf(workload, sizeof(workload), "shares-%s-%u", scenario->name, OBJ_BYTES);
	if (!xbench_wanted(workload))
		return 0;
	err = run_team(cache, scenario, scenario->batch);
	WRITE_ONCE(interrupts, 0);
	xslab_cache_stats(cache, &before);
	if (!err)
		err = run_team(cache, scenario, scenario->nr);
	xslab_cache_stats(cache, &after);
	if (err) {
		pr_err("%s of %s: error %d\n", workload, allocator, err);
		return err;
	}
	pr_info("%s of %s: %lu interrupts\n", workload, allocator, READ_ONCE(interrupts));
	xbench_tell_shares(workload, allocator, &before, &after);
	return 0;
}

static const struct xscenario scenarios[] = {
	{ "own-pair", XWORK_PAIR, 3000000, .threads = WORKERS },
	{ "own-batch64", XWORK_BATCH, 40000 * 64, 64, .threads = WORKERS },
	{ "own-batch5000", XWORK_BATCH, 500 * 5000, 5000, .threads = WORKERS },
	{ "ring64", XWORK_RING, 500000, 1, .slots = 64, .threads = WORKERS },
	{ "ring25000", XWORK_RING, 1000000, 1, .slots = 15000, .threads = WORKERS },
	LAYERS("layers25000", 1),
	LAYERS("2-layers25000", 2),
	{}
};

/* For depots that hold what is on its way. */
static const struct xscenario one_layer[] = { LAYERS("layers25000", 1), {} };
static const struct xscenario two_layers[] = { LAYERS("2-layers25000", 2), {} };

static int run_all(const char *allocator, struct xslab_cache *cache,
		   const struct xscenario *scenario)
{
	struct task_struct *task;
	int err = 0;

	if (IS_ERR(cache))
		return PTR_ERR(cache);
	task = start_interrupter(cache);
	if (!IS_ERR(task)) {
		for (; scenario->name && !err; scenario++)
			err = run_one(allocator, cache, scenario);
		stop_interrupter(task, cache);
	}
	return xslab_cache_destroy(cache) ?: PTR_ERR_OR_ZERO(task) ?: err;
}

static int run_deep(struct xpool *pool, const struct xscenario *scenario)
{
	unsigned long objs = scenario->slots * scenario->batch;

	return run_all("xalloc-deep", xbench_deep_cache(pool, OBJ_BYTES, objs), scenario);
}

static int run_caches(struct xpool *pool)
{
	const struct xslab_args args = { .name = "xbench-shares", .size = OBJ_BYTES };

	return run_all("xalloc", xslab_cache_create_in(pool, &args), scenarios) ?:
	       run_deep(pool, one_layer) ?: run_deep(pool, two_layers);
}

int xbench_shares_run(void)
{
	struct xpool *pool;
	int err;

	if (num_online_cpus() <= WORKERS) {
		pr_err("shares: needs %u CPUs\n", WORKERS + 1);
		return -EINVAL;
	}
	pool = xbench_pool("xbench-shares", POOL_BYTES);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	err = run_caches(pool);
	return xpool_destroy(pool) ?: err;
}
