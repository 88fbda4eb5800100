// SPDX-License-Identifier: GPL-2.0
/*
 * Workloads for several CPUs: a team of threads, one bound to each CPU.
 *
 * A run takes from the moment that all threads are there until the last is
 * done; its unit is nanoseconds wherever it runs. Threads that wait for one
 * another let others run now and then: on UML nothing else would.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "xbench.h"

#define MAX_THREADS	8
#define SPINS		1000	/* before others may run */
#define EAGER		100	/* of these, without a pause: it may be longer than the wait */
#define TEAM_POOL_BYTES	(256UL << 20)
/*
 * Pointers to the objects of one thread. Far apart: the hardware, which fetches the next
 * lines of an array that is read, may take those that another CPU writes.
 */
#define OWN_OBJS	(XBENCH_MAX_OBJS / MAX_THREADS)

struct xmember {
	struct xteam		*team;
	struct xrun		run;
	u64			start;
	u64			end;
	int			err;
};

/**
 * struct xteam - threads that run one workload together
 * @fn: the workloads of the allocator
 * @work: which of them
 * @threads: how many
 * @err: how the first ended that failed; the others give up then
 * @arrived: threads at the meeting point, since the beginning
 * @running: threads that are not done
 * @done: all are
 * @ring: for those workloads that need it
 * @members: the threads
 */
struct xteam {
	xrun_fn			fn;
	enum xwork		work;
	unsigned int		threads;
	int			err;
	atomic_t		arrived;
	atomic_t		running;
	struct completion	done;
	struct xring		ring;
	struct xmember		members[MAX_THREADS];
};

/*
 * Waiting
 */

static struct xteam *team_now;

static void relax(unsigned int *spins)
{
	if (!(++*spins % SPINS))
		schedule();
	else if (*spins > EAGER)
		cpu_relax();
}

/* Returns 0, or -EINTR when another thread has failed. */
int xbench_wait_until(unsigned int *word, unsigned int value)
{
	unsigned int spins = 0;

	/* Pairs with the release of the thread that sets it: the objects come first. */
	while (smp_load_acquire(word) != value) {
		relax(&spins);
		if (READ_ONCE(team_now->err))
			return -EINTR;
	}
	return 0;
}

/* Until *@word is more than @value; @now is what it is then. Returns 0 or -EINTR. */
int xbench_wait_past(unsigned long *word, unsigned long *now, unsigned long value)
{
	unsigned int spins = 0;

	/* Pairs with the release of the thread that counts: the objects come first. */
	while ((*now = smp_load_acquire(word)) <= value) {
		relax(&spins);
		if (READ_ONCE(team_now->err))
			return -EINTR;
	}
	return 0;
}

/* Until @*slot has something, or nothing; @*was is what was there. Returns 0 or -EINTR. */
int xbench_wait_slot(void **slot, bool full, void **was)
{
	unsigned int spins = 0;

	/* Pairs with the release of the other side: what is in it comes first. */
	while (!(*was = smp_load_acquire(slot)) == full) {
		relax(&spins);
		if (READ_ONCE(team_now->err))
			return -EINTR;
	}
	return 0;
}

/* Wait for all others. */
int xbench_meet(struct xrun *run)
{
	struct xteam *team = run->team;
	int round = (atomic_inc_return(&team->arrived) + team->threads - 1) / team->threads;
	unsigned int spins = 0;

	while (atomic_read(&team->arrived) < round * (int)team->threads) {
		relax(&spins);
		if (READ_ONCE(team->err))
			return -EINTR;
	}
	return 0;
}

/*
 * A team
 */

static int member_main(void *data)
{
	struct xmember *member = data;
	struct xteam *team = member->team;

	if (!xbench_meet(&member->run)) {
		member->start = ktime_get_ns();
		member->err = team->fn(team->work, &member->run);
		member->end = ktime_get_ns();
		if (member->err)
			WRITE_ONCE(team->err, member->err);
	}
	if (atomic_dec_and_test(&team->running))
		complete(&team->done);
	return 0;
}

static u64 team_time(const struct xteam *team)
{
	u64 start = U64_MAX, end = 0;
	unsigned int i;

	for (i = 0; i < team->threads; i++) {
		start = min(start, team->members[i].start);
		end = max(end, team->members[i].end);
	}
	return end - start;
}

static int start_member(struct xteam *team, unsigned int i, const struct xrun *run)
{
	struct xmember *member = &team->members[i];
	struct task_struct *task;

	member->team = team;
	member->run = *run;
	member->run.team = team;
	member->run.thread = i;
	member->run.threads = team->threads;
	member->run.ring = &team->ring;
	member->run.random = XBENCH_SEED + i;
	/* Loops for one CPU have objects of their own; the others look at @thread. */
	if (team->work < XWORK_RING)
		member->run.objs += i * OWN_OBJS;
	task = kthread_create(member_main, member, "xbench/%u", i);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpumask_nth(i, cpu_online_mask));
	wake_up_process(task);
	return 0;
}

static int run_team(struct xteam *team, struct xrun *run)
{
	unsigned int i;
	int err = 0;

	atomic_set(&team->running, team->threads);
	init_completion(&team->done);
	team_now = team;
	for (i = 0; i < team->threads; i++) {
		err = start_member(team, i, run);
		if (!err)
			continue;
		WRITE_ONCE(team->err, err);
		if (atomic_sub_and_test(team->threads - i, &team->running))
			complete(&team->done);
		break;
	}
	wait_for_completion(&team->done);
	return team->err;
}

/* Run a workload on @run->threads CPUs; the time of all is in @run. */
int xbench_team(xrun_fn fn, enum xwork work, unsigned long slots, struct xrun *run)
{
	struct xteam *team;
	int err = -ENOMEM;

	if (run->threads > min_t(unsigned int, num_online_cpus(), MAX_THREADS))
		return -EOPNOTSUPP;
	team = vzalloc(sizeof(*team));
	if (!team)
		return -ENOMEM;
	memset(run->objs, 0, XBENCH_MAX_OBJS * sizeof(*run->objs));
	team->fn = fn;
	team->work = work;
	team->threads = run->threads;
	team->ring.slots = slots;
	team->ring.full = vzalloc(array_size(slots + 1, sizeof(*team->ring.full)));
	if (team->ring.full)
		err = run_team(team, run);
	run->ticks[XBENCH_PAIR] = team_time(team);
	vfree(team->ring.full);
	vfree(team);
	return err;
}

/*
 * The contests
 */

/*
 * Few pairs a run, and many runs: the fastest counts for what two CPUs do in the time of
 * one, and a host that takes a CPU away now and then does not hit all runs.
 */
#define PAIRS 200000

static void *null_create(const struct xcontest *contest)
{
	return ZERO_SIZE_PTR;
}

static void null_destroy(void *handle)
{
}

/*
 * How much of two CPUs the machine lets us have, 2.00 where it is idle, and what
 * handing over costs without an allocator.
 */
static const struct xallocator nothing[] = {
	{ "nothing", 0, xbench_nothing, null_create, null_destroy },
	{}
};

static const struct xscenario null_scenarios[] = {
	{ "own-null-1cpu", XWORK_PAIR, 20 * PAIRS, .threads = 1 },
	{ "own-null-2cpu", XWORK_PAIR, 20 * PAIRS, .threads = 2 },
	{}
};

static const struct xscenario fixed_scenarios[] = {
	{ "own-pair-1cpu", XWORK_PAIR, PAIRS, .threads = 1 },
	{ "own-pair-2cpu", XWORK_PAIR, PAIRS, .threads = 2 },
	{ "own-batch64-1cpu", XWORK_BATCH, 2000 * 64, 64, .threads = 1 },
	{ "own-batch64-2cpu", XWORK_BATCH, 2000 * 64, 64, .threads = 2 },
	{}
};

static const struct xscenario rings[] = {
	{ "ring1", XWORK_RING, 5000, 1, .slots = 1, .threads = 2 },
	{ "ring64", XWORK_RING, 300000, 1, .slots = 64, .threads = 2 },
	{ "ring25000", XWORK_RING, 500000, 1, .slots = 25000, .threads = 2 },
	{}
};

/*
 * The well-known workloads with their usual parameters, P CPUs being 2. A run has
 * a number of operations in place of a number of seconds. Where that would be
 * too many for a run to be short, there are fewer rounds of the same kind; how
 * many objects live and how they move is never scaled.
 */

/* xmalloc-test: 64 B in batches of 4,096; one producer, one consumer, so that each has a CPU. */
static const struct xscenario xmalloc_test[] = {
	{ "xmalloc-test", XWORK_RELAY, 100 * 4096, 4096, .slots = 8, .threads = 2 },
	{}
};

/*
 * linux-scalability 8 10000000 P: the ten million pairs are those of all threads;
 * a fifth of them.
 * threadtest P 1000 10000 0 8: 10,000 / P objects a thread; 1,000 rounds / 20.
 */
static const struct xscenario small_scenarios[] = {
	{ "linux-scalability", XWORK_PAIR, 10000000 / 2 / 5, .threads = 2 },
	{ "threadtest", XWORK_BATCH, 1000 / 20 * 5000, 5000, .threads = 2 },
	{}
};

/*
 * cache-scratch, cache-thrash 1000 1 2000000 P: 2,000,000 / P writes / 100. Each has
 * caches of its own: what the first leaves with a CPU is what the second must not.
 */
static const struct xscenario cache_scratch[] = {
	{ "cache-scratch", XWORK_SCRATCH, 1000, 2000000 / 2 / 100, .threads = 2 },
	{}
};

static const struct xscenario cache_thrash[] = {
	{ "cache-thrash", XWORK_THRASH, 1000, 2000000 / 2 / 100, .threads = 2 },
	{}
};

/*
 * larson 5 8 1000 5000 100 4141 P: 5,000 blocks a thread of 8 to 1,000 bytes,
 * seed 4141; 4 rounds for 5 seconds, of 10 replacements a block for 100.
 * mstress P 50 25: a scale of 50 is 5,000 allocations a round; 25 rounds.
 */
static const struct xscenario sized_scenarios[] = {
	{ "larson", XWORK_LARSON, 4 * 50000, 5000, .threads = 2 },
	{ "mstress", XWORK_MSTRESS, 25 * 5000, 5000, .threads = 2 },
	{}
};

static const struct xscenario page_scenarios[] = {
	{ "own-pages-1cpu", XWORK_PAIR, 100000, .threads = 1 },
	{ "own-pages-2cpu", XWORK_PAIR, 100000, .threads = 2 },
	{}
};

static const struct xcontest contests[] = {
	{ nothing, null_scenarios, .suffix = "loop" },
	{ nothing, rings, .suffix = "null" },
	{ xbench_caches, fixed_scenarios, .size = 64 },
	{ xbench_caches, fixed_scenarios, .size = 256 },
	{ xbench_caches, rings, .size = 64 },
	{ xbench_caches, rings, .size = 256 },
	{ xbench_caches, xmalloc_test, .size = 64 },
	{ xbench_caches, small_scenarios, .size = 8 },
	{ xbench_caches, cache_scratch, .size = 1 },
	{ xbench_caches, cache_thrash, .size = 1 },
	{ xbench_sized, sized_scenarios, .suffix = "random" },
	{ xbench_of_pages, page_scenarios, .order = 0, .suffix = "o0" },
	{ xbench_of_pages, page_scenarios, .order = 4, .suffix = "o4" },
};

int xbench_teams_run(void)
{
	return xbench_contests(contests, ARRAY_SIZE(contests), TEAM_POOL_BYTES);
}
