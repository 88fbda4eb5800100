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

static void tell(const char *workload, const struct xslab_stats *before,
		 const struct xslab_stats *after)
{
	u64 ops = after->allocs - before->allocs + after->frees - before->frees;
	u64 busy = after->busy - before->busy;
	u64 exchanges = after->refills - before->refills + after->flushes - before->flushes;
	u64 hits = after->depot_hits - before->depot_hits;

	if (!ops)
		return;
	xbench_value(workload, "xalloc", "busy_per_million", 100000000 * busy / ops);
	xbench_value(workload, "xalloc", "locks_per_1000",
		     100000 * (2 * exchanges - hits + busy) / ops);
	if (exchanges)
		xbench_value(workload, "xalloc", "percent_depot_hits", 10000 * hits / exchanges);
}

static void run_one(struct xslab_cache *cache, const struct xscenario *scenario)
{
	struct xrun run = {
		.handle = cache, .size = 256, .nr = scenario->nr, .batch = scenario->batch,
		.threads = scenario->threads, .objs = xbench_objs(),
	};
	struct xslab_stats before, after;
	char workload[XBENCH_NAME_MAX];
	int err;

	WRITE_ONCE(interrupts, 0);
	xslab_cache_stats(cache, &before);
	err = xbench_team(xbench_xslab, scenario->work, scenario->slots, &run);
	xslab_cache_stats(cache, &after);
	if (err) {
		pr_err("shares of %s: error %d\n", scenario->name, err);
		return;
	}
	snprintf(workload, sizeof(workload), "shares-%s-256", scenario->name);
	pr_info("%s: %lu interrupts\n", workload, READ_ONCE(interrupts));
	tell(workload, &before, &after);
}

static const struct xscenario scenarios[] = {
	{ "own-pair", XWORK_PAIR, 3000000, .threads = WORKERS },
	{ "own-batch64", XWORK_BATCH, 40000 * 64, 64, .threads = WORKERS },
	{ "own-batch5000", XWORK_BATCH, 500 * 5000, 5000, .threads = WORKERS },
	{ "ring64", XWORK_RING, 500000, 1, .slots = 64, .threads = WORKERS },
	{ "ring25000", XWORK_RING, 1000000, 1, .slots = 25000, .threads = WORKERS },
	{ "layers25000", XWORK_RELAY, 40 * 25000, 25000, .slots = 2, .threads = WORKERS },
	{}
};

static int run_all(struct xpool *pool)
{
	const struct xslab_args args = { .name = "xbench-shares", .size = 256 };
	struct xslab_cache *cache = xslab_cache_create_in(pool, &args);
	struct task_struct *task;
	unsigned int i;

	if (IS_ERR(cache))
		return PTR_ERR(cache);
	task = start_interrupter(cache);
	if (!IS_ERR(task)) {
		for (i = 0; scenarios[i].name; i++)
			run_one(cache, &scenarios[i]);
		stop_interrupter(task, cache);
	}
	return xslab_cache_destroy(cache) ?: PTR_ERR_OR_ZERO(task);
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
	err = run_all(pool);
	return xpool_destroy(pool) ?: err;
}
