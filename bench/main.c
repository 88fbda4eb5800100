// SPDX-License-Identifier: GPL-2.0
/*
 * xbench: xalloc and the kernel's own allocators, side by side
 *
 * The same loop drives each allocator, one after the other, in one boot of one
 * kernel. What is compared differs in nothing but the allocator.
 *
 * Concepts
 *
 *	allocator	a row of a table: how to make one, and its workloads,
 *			which were compiled for it (ops.c)
 *	workload	a loop over an allocator: pair, batch, bulk
 *	scenario	a workload with its numbers: a batch of 128, in random order
 *	contest		allocators that run the same scenarios in turn
 *	run		one allocator once through one scenario
 *
 * A scenario is run once by each allocator to warm up, and then REPS times by
 * each in turn, so that whatever disturbs a machine for a while disturbs all. The turns
 * are in random order: each finds the CPU's caches as the one before has left them, and
 * to displace a line that was written to takes twice the time.
 * What counts is the median of the runs; least and most are told too.
 *
 * The unit is instructions on x86, where QEMU lets the time stamp counter count
 * them, and nanoseconds on UML. Interrupts stay on: a tick in ten million
 * instructions does not move a median.
 *
 * A loop of known length proves the unit, and the loop around nothing is
 * reported as an allocator of its own. It is not subtracted: three instructions.
 *
 * Output: one line a result in the kernel's log,
 *
 *	bench,workload,allocator,metric,median,min,max
 */
#define pr_fmt(fmt) "xbench: " fmt

#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include <xalloc/xpool.h>

#include "xbench.h"

#define CALIBRATION_LOOPS	1000000

bool xbench_fast;
module_param_named(fast, xbench_fast, bool, 0444);
MODULE_PARM_DESC(fast, "the short benchmark: fewer scenarios");

static unsigned int reps = 3;
module_param(reps, uint, 0444);
MODULE_PARM_DESC(reps, "runs of an allocator in a scenario, after one to warm up (default 3)");

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "run only scenarios whose name, with the size, contains this");

static bool several;
module_param(several, bool, 0444);
MODULE_PARM_DESC(several, "pools of a region for each 4 MiB, at random addresses");

static char *suites = "objects,pages,genpool";
module_param(suites, charp, 0444);
MODULE_PARM_DESC(suites, "what to run: names separated by commas");

/*
 * What workloads and contests need
 */

static struct rnd_state random_state;
static void **objs;

/* Begin the sequence again. */
void xbench_seed(void)
{
	prandom_seed_state(&random_state, XBENCH_SEED);
}

u32 xbench_random(u32 below)
{
	return ((u64)prandom_u32_state(&random_state) * below) >> 32;
}

void xbench_shuffle(void **what, unsigned long nr)
{
	u32 with;

	for (; nr > 1; nr--) {
		with = xbench_random(nr);	/* swap() looks at it twice */
		swap(what[nr - 1], what[with]);
	}
}

/* Stay on a CPU by number of those online. */
static void move_to(unsigned int nr)
{
	set_cpus_allowed_ptr(current, cpumask_of(cpumask_nth(nr, cpu_online_mask)));
}

/* What comes between the phases of a run, and behind them. */
void xbench_between(struct xrun *run, unsigned long nr)
{
	if (run->shuffle)
		xbench_shuffle(run->objs, nr);
	if (run->remote)
		move_to(1);
}

void xbench_after(struct xrun *run)
{
	if (run->remote)
		move_to(0);
}

/* Room for XBENCH_MAX_OBJS pointers. */
void **xbench_objs(void)
{
	return objs;
}

#define TOUCH_ORDER	10

/*
 * Write to all of a pool's pages once. The host of User Mode Linux maps a page when it is
 * first written to, and to fetch what is not mapped costs nothing: 4 KiB objects would take
 * longer in a cache whose pages another one had used before.
 */
static void touch_pool(struct xpool *pool)
{
	void **block, **taken = NULL;
	unsigned long i;

	while ((block = xpool_alloc_addr(pool, TOUCH_ORDER, GFP_KERNEL))) {
		for (i = 0; i < 1UL << TOUCH_ORDER; i++)
			*(void ***)((void *)block + i * PAGE_SIZE) = taken;
		taken = block;
	}
	while (taken) {
		block = taken;
		taken = *block;
		xpool_free_addr(pool, block, TOUCH_ORDER);
	}
	xpool_collect(pool, true);	/* as new: the pool keeps a freed block for the next */
}

#define SCATTER_BLOCKS	320

/*
 * Have the system give blocks of 4 MiB at random addresses: it gives first what it got back
 * last, and these do not join.
 */
void xbench_scatter(void)
{
	static void *blocks[SCATTER_BLOCKS];
	unsigned long nr = 0;

	while (nr < SCATTER_BLOCKS && (blocks[nr] = (void *)__get_free_pages(GFP_KERNEL |
						__GFP_NORETRY | __GFP_NOWARN, TOUCH_ORDER)))
		nr++;
	xbench_shuffle(blocks, nr);
	while (nr)
		free_pages((unsigned long)blocks[--nr], TOUCH_ORDER);
}

/* A pool of one region; or of one each 4 MiB, at random addresses, and one that may come. */
struct xpool *xbench_pool(const char *name, size_t bytes)
{
	const struct xpool_args args = {
		.name = name, .size = bytes, .max_size = several ? bytes + SZ_4M : 0,
	};
	struct xpool_stats stats;
	struct xpool *pool;

	if (several)
		xbench_scatter();
	pool = xpool_create(&args);
	if (IS_ERR(pool)) {
		pr_err("no pool of %zu bytes: %ld\n", bytes, PTR_ERR(pool));
		return pool;
	}
	touch_pool(pool);
	xpool_stats(pool, &stats);
	if (stats.regions > 1 && !several)
		pr_warn("pool %s has %llu regions\n", name, stats.regions);
	return pool;
}

/*
 * Results
 */

static void result(const char *workload, const char *allocator, const char *metric,
		   u64 median, u64 least, u64 most)
{
	pr_info("bench,%s,%s,%s,%llu.%02llu,%llu.%02llu,%llu.%02llu\n",
		workload, allocator, metric, median / 100, median % 100,
		least / 100, least % 100, most / 100, most % 100);
}

void xbench_value(const char *workload, const char *allocator, const char *metric,
		  u64 hundredths)
{
	result(workload, allocator, metric, hundredths, hundredths, hundredths);
}

static int compare_u64(const void *a, const void *b)
{
	u64 left = *(const u64 *)a, right = *(const u64 *)b;

	return left < right ? -1 : left > right;
}

static void result_of(const char *workload, const char *allocator, const char *metric,
		      u64 *ticks, unsigned long per)
{
	sort(ticks, reps, sizeof(*ticks), compare_u64, NULL);
	result(workload, allocator, metric, 100 * ticks[reps / 2] / per,
	       100 * ticks[0] / per, 100 * ticks[reps - 1] / per);
}

/*
 * Contests
 */

/**
 * struct xcontender - an allocator that is ready to run
 * @of: its row of the table
 * @handle: made by its create()
 * @err: how a run ended, if not well; then there is no result
 * @ticks: of its runs
 */
struct xcontender {
	const struct xallocator	*of;
	void			*handle;
	int			err;
	u64			ticks[XBENCH_PHASES][XBENCH_MAX_REPS];
};

#define MAX_CONTENDERS	8

static struct xcontender contenders[MAX_CONTENDERS];

static unsigned int enter_all(const struct xcontest *contest)
{
	const struct xallocator *of;
	unsigned int nr = 0;

	for (of = contest->table; of->name; of++) {
		if (of->only_size && of->only_size != contest->size)
			continue;
		if (WARN_ON(nr == MAX_CONTENDERS))
			break;
		contenders[nr].of = of;
		contenders[nr].handle = of->create(contest);
		if (!IS_ERR_OR_NULL(contenders[nr].handle))
			nr++;
		else
			pr_err("%s: cannot be made for %zu %s\n", of->name, contest->size,
			       contest->suffix);
	}
	return nr;
}

static void leave_all(unsigned int nr)
{
	while (nr--)
		contenders[nr].of->destroy(contenders[nr].handle);
}

/* Allocate on one CPU and free on another. */
int xbench_remote(xrun_fn fn, enum xwork work, struct xrun *run)
{
	int err;

	if (num_online_cpus() < 2)
		return -EOPNOTSUPP;
	move_to(0);
	err = fn(work, run);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	return err;
}

static int run_work(xrun_fn fn, const struct xscenario *scenario, struct xrun *run)
{
	if (scenario->threads)
		return xbench_team(fn, scenario->work, scenario->slots, run);
	return scenario->remote ? xbench_remote(fn, scenario->work, run) :
				  fn(scenario->work, run);
}

/* In pointers: a line of the cache and one more. */
#define OBJS_SHIFT	(L1_CACHE_BYTES / sizeof(void *) + 1)

/*
 * Where the array of objects begins, another place for each run. A loop that reads it and an
 * allocator that writes pointers of its own wait for each other where both are at the same
 * offset of a page, and that is an accident of addresses: 128 objects of 64 bytes, freed in
 * order, took 0.6 and 0.85 of SLUB's time in two boots of the same kernel.
 */
static void **objs_of(int rep)
{
	return objs + OBJS_SHIFT * (rep + 1);
}

static void run_once(const struct xcontest *contest, const struct xscenario *scenario,
		     struct xcontender *contender, int rep)
{
	struct xrun run = {
		.handle = contender->handle,
		.size = contest->size,
		.order = contest->order,
		.nr = scenario->nr,
		.batch = scenario->batch,
		.chunk = scenario->chunk,
		.shuffle = scenario->shuffle,
		.remote = scenario->remote,
		.threads = scenario->threads,
		.objs = objs_of(rep),
	};
	unsigned int phase;

	if (!contender->err)
		contender->err = run_work(contender->of->work, scenario, &run);
	for (phase = 0; rep >= 0 && phase < XBENCH_PHASES; phase++)
		contender->ticks[phase][rep] = run.ticks[phase];
}

static void run_all(const struct xcontest *contest, const struct xscenario *scenario,
		    unsigned int nr)
{
	void *turns[MAX_CONTENDERS];
	unsigned int i;
	int rep;

	for (i = 0; i < nr; i++) {
		turns[i] = &contenders[i];
		contenders[i].err = 0;
	}
	for (rep = -1; rep < (int)reps; rep++) {
		for (i = 0; i < nr; i++)
			run_once(contest, scenario, turns[i], rep);
		xbench_shuffle(turns, nr);
		cond_resched();
	}
}

/* Is one time taken for the allocations and the frees? */
static bool of_pairs(const struct xscenario *scenario)
{
	return !scenario->batch || scenario->work == XWORK_ROUNDS;
}

static void results(const struct xscenario *scenario, const char *workload,
		    struct xcontender *contender)
{
	const char *name = contender->of->name;
	unsigned long per = scenario->nr;

	if (contender->err == -EOPNOTSUPP)
		return;
	if (contender->err) {
		pr_err("%s: %s: error %d\n", workload, name, contender->err);
	} else if (scenario->threads) {
		result_of(workload, name, "ns_op", contender->ticks[XBENCH_PAIR], per);
	} else if (of_pairs(scenario)) {
		result_of(workload, name, XBENCH_UNIT "_pair", contender->ticks[XBENCH_PAIR], per);
	} else {
		result_of(workload, name, XBENCH_UNIT "_alloc",
			  contender->ticks[XBENCH_ALLOC], per);
		result_of(workload, name, XBENCH_UNIT "_free",
			  contender->ticks[XBENCH_FREE], per);
	}
}

bool xbench_wanted(const char *workload)
{
	return strstr(workload, only);
}

static bool wanted(const struct xscenario *scenario, const char *workload)
{
	return (scenario->fast || !xbench_fast) && xbench_wanted(workload);
}

static void name_workload(const struct xcontest *contest, const struct xscenario *scenario,
			  char *name)
{
	if (*contest->suffix)
		snprintf(name, XBENCH_NAME_MAX, "%s-%s", scenario->name, contest->suffix);
	else
		snprintf(name, XBENCH_NAME_MAX, "%s-%zu", scenario->name, contest->size);
}

static bool any_wanted(const struct xcontest *contest)
{
	const struct xscenario *scenario;
	char workload[XBENCH_NAME_MAX];

	for (scenario = contest->scenarios; scenario->name; scenario++) {
		name_workload(contest, scenario, workload);
		if (wanted(scenario, workload))
			return true;
	}
	return false;
}

void xbench_contest(const struct xcontest *contest)
{
	const struct xscenario *scenario;
	char workload[XBENCH_NAME_MAX];
	unsigned int nr, i;

	if (!any_wanted(contest))
		return;
	nr = enter_all(contest);
	for (scenario = contest->scenarios; scenario->name; scenario++) {
		name_workload(contest, scenario, workload);
		if (!wanted(scenario, workload))
			continue;
		xbench_seed();
		run_all(contest, scenario, nr);
		for (i = 0; i < nr; i++)
			results(scenario, workload, &contenders[i]);
	}
	leave_all(nr);
}

/* Contests one after the other, which share a pool of xalloc. */
int xbench_contests(const struct xcontest *contests, unsigned int nr, size_t pool_bytes)
{
	unsigned int i;

	xbench_suite_pool = xbench_pool("xbench", pool_bytes);
	if (IS_ERR(xbench_suite_pool))
		return PTR_ERR(xbench_suite_pool);
	for (i = 0; i < nr; i++)
		xbench_contest(&contests[i]);
	return xpool_destroy(xbench_suite_pool);
}

/*
 * The unit
 */

/* Two instructions a turn, whatever the compiler thinks of it. */
static noinline u64 known_loop(unsigned long turns)
{
	u64 start = xbench_now();

	asm volatile("1: dec %0\n\tjnz 1b" : "+r" (turns) : : "cc");
	return xbench_now() - start;
}

static void *null_create(const struct xcontest *contest)
{
	return ZERO_SIZE_PTR;
}

static void null_destroy(void *handle)
{
}

static int calibrate(void)
{
	static const struct xallocator nothing[] = {
		{ "nothing", 0, xbench_nothing, null_create, null_destroy },
		{}
	};
	static const struct xscenario loop[] = {
		{ "null", XWORK_PAIR, CALIBRATION_LOOPS, .fast = true },
		{}
	};
	static const struct xcontest contest = { nothing, loop, .suffix = "loop" };
	u64 ticks[XBENCH_MAX_REPS];
	unsigned int i;

	for (i = 0; i < reps; i++)
		ticks[i] = known_loop(CALIBRATION_LOOPS);
	result_of("calibration", "dec+jnz", XBENCH_UNIT "_loop", ticks, CALIBRATION_LOOPS);
	xbench_contest(&contest);
	return 0;
}

/*
 * All of it
 */

static const struct {
	const char	*name;
	int		(*run)(void);
} suite_table[] = {
	{ "objects", xbench_objects },
	{ "sizes", xbench_sizes },
	{ "pages", xbench_pages_run },
	{ "genpool", xbench_genpool_run },
	{ "heap", xbench_heap_run },
	{ "remote", xbench_remote_run },
	{ "teams", xbench_teams_run },
	{ "worst", xbench_worst_run },
	{ "memory", xbench_memory_run },
	{ "shares", xbench_shares_run },
	{ "trace", xbench_trace_run },
};

static int run_suite(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(suite_table); i++)
		if (!strcmp(suite_table[i].name, name))
			return suite_table[i].run();
	pr_err("no suite is named %s\n", name);
	return -EINVAL;
}

static int run_suites(char *names)
{
	char *name;
	int err = calibrate();

	while (!err && (name = strsep(&names, ",")))
		err = run_suite(name);
	return err;
}

static int __init xbench_init(void)
{
	char *names;
	int err = -ENOMEM;

	if (!reps || reps > XBENCH_MAX_REPS)
		return -EINVAL;
	xbench_seed();
	names = kstrdup(suites, GFP_KERNEL);
	objs = vzalloc(array_size(XBENCH_MAX_OBJS + OBJS_SHIFT * XBENCH_MAX_REPS,
				  sizeof(*objs)));
	if (names && objs)
		err = run_suites(names);
	vfree(objs);
	kfree(names);
	return err;
}

static void __exit xbench_exit(void)
{
}

module_init(xbench_init);
module_exit(xbench_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Benchmark of xalloc and the kernel's own allocators");
MODULE_AUTHOR("The xalloc authors");
