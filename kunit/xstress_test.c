// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: CPUs, interrupts and NMIs in one cache.
 *
 * Each object that is held carries its own address, mixed with a key. The context
 * that takes an object writes that, and the context that frees it takes it away again,
 * with an atomic exchange. So the second of two that hold an object at a time sees it,
 * and a write by any other is seen when the object is freed.
 *
 *	word 0     held:  xtest_mark()		free:  anything else
 *	the rest   held:  as word 0, in every word
 *
 * After each test nothing may be lost: no object is live, and a shrink leaves no
 * slab.
 */
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/seq_file.h>
#include <linux/uio.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "slab/slab.h"
#include "xdecay.h"
#include "xtest.h"

#define POOL_SIZE	(16UL << 20)
#define OBJ_SIZE	128U
#define OBJ_WORDS	(OBJ_SIZE / sizeof(unsigned long))
#define MAX_JOBS	8
#define MAX_HELD	200U	/* objects that a job holds at most */
#define RING		256U	/* slots through which jobs pass objects */

static unsigned long run_ms = 1000;
module_param(run_ms, ulong, 0444);
MODULE_PARM_DESC(run_ms, "how long each test that is not counted in rounds goes on");

static unsigned long hotplug_ms;
module_param(hotplug_ms, ulong, 0444);
MODULE_PARM_DESC(hotplug_ms, "how long CPUs go and come while all else goes on; 0: run_ms");

#define RUN_MS	xtest_param(run_ms)

struct stress;

struct job {
	struct stress		*stress;
	void			(*step)(struct job *job);
	void			(*drop)(struct job *job); /* the last that is held */
	struct task_struct	*task;
	struct rnd_state	rnd;
	unsigned long		steps;
	unsigned int		goal;		/* objects to hold next */
	unsigned int		held;
	void			*objs[MAX_HELD];
};

struct stress {
	struct xpool		*pool;
	struct xslab_cache	*cache;
	struct job		jobs[MAX_JOBS];
	unsigned int		nr_jobs;
	struct rnd_state	rnd;
	void			*ring[RING];
	atomic_long_t		wrong;		/* objects that were not as they were left */
	atomic_long_t		refused;	/* frees */
	u64			most_live;	/* that a reader saw */
	unsigned long		bytes_read;
	char			*buffer;
};

static void stamp(struct stress *s, void *obj)
{
	unsigned long *words = obj;
	unsigned int i;

	if (xchg(words, xtest_mark(obj)) == xtest_mark(obj))
		atomic_long_inc(&s->wrong);
	for (i = 1; i < OBJ_WORDS; i++)
		words[i] = xtest_mark(obj);
}

static void unstamp(struct stress *s, void *obj)
{
	unsigned long *words = obj;
	unsigned int i;

	for (i = 1; i < OBJ_WORDS; i++)
		if (words[i] != xtest_mark(obj))
			atomic_long_inc(&s->wrong);
	if (xchg(words, XTEST_DEAD) != xtest_mark(obj))
		atomic_long_inc(&s->wrong);
}

static void *take(struct stress *s)
{
	void *obj = xslab_cache_alloc(s->cache, GFP_ATOMIC);

	if (obj)
		stamp(s, obj);
	return obj;
}

static void give(struct stress *s, void *obj)
{
	if (!obj)
		return;
	unstamp(s, obj);
	if (xslab_cache_free(s->cache, obj))
		atomic_long_inc(&s->refused);
}

/*
 * Jobs
 */

static void drop_object(struct job *job)
{
	give(job->stress, job->objs[--job->held]);
}

/* Up and down between random numbers of objects, through several magazines. */
static void step_own(struct job *job)
{
	if (job->held == job->goal)
		job->goal = xtest_below(&job->rnd, MAX_HELD);
	if (job->held > job->goal) {
		drop_object(job);
	} else if (job->held < job->goal) {
		job->objs[job->held] = take(job->stress);
		job->held += !!job->objs[job->held];
	}
}

/* Put an object into a slot; what was left there goes back. */
static void step_produce(struct job *job)
{
	struct stress *s = job->stress;
	void *obj = take(s);

	if (obj)
		give(s, xchg(&s->ring[xtest_below(&job->rnd, RING)], obj));
}

/* Free what another job has left. */
static void step_consume(struct job *job)
{
	struct stress *s = job->stress;

	give(s, xchg(&s->ring[xtest_below(&job->rnd, RING)], NULL));
}

static void step_bulk(struct job *job)
{
	struct stress *s = job->stress;
	unsigned int nr = xtest_below(&job->rnd, MAX_HELD), i;

	if (!xslab_cache_alloc_bulk(s->cache, GFP_ATOMIC, nr, job->objs))
		return;
	for (i = 0; i < nr; i++)
		stamp(s, job->objs[i]);
	for (i = 0; i < nr; i++)
		unstamp(s, job->objs[i]);
	xslab_cache_free_bulk(s->cache, nr, job->objs);
}

static void step_mixed(struct job *job)
{
	step_own(job);
	step_produce(job);
	step_consume(job);
}

/* Blocks of pages; what is noted is the address plus the order. */
static void drop_pages(struct job *job)
{
	unsigned long page = (unsigned long)job->objs[--job->held];

	if (xpool_free_addr(job->stress->pool, (void *)(page & PAGE_MASK), page & ~PAGE_MASK))
		atomic_long_inc(&job->stress->refused);
}

/* Take ever more until the pool is empty, then give all back. */
static void step_pages(struct job *job)
{
	unsigned int order = xtest_below(&job->rnd, 9);
	void *page = xpool_alloc_addr(job->stress->pool, order, GFP_ATOMIC);

	if (page)
		job->objs[job->held++] = page + order;
	if (!page || job->held == MAX_HELD)
		while (job->held)
			drop_pages(job);
}

static void step_shrink(struct job *job)
{
	if (xtest_below(&job->rnd, 2))
		xslab_cache_tear(job->stress->cache);
	else
		xslab_cache_shrink(job->stress->cache);
	xpool_collect(job->stress->pool, true);
	usleep_range(100, 200);
}

static void read_file(struct stress *s, const char *name)
{
	struct kvec vec = { .iov_base = s->buffer, .iov_len = PAGE_SIZE };
	struct file *file = filp_open(name, O_RDONLY, 0);
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t got;

	if (IS_ERR(file))
		return;
	init_sync_kiocb(&iocb, file);
	iov_iter_kvec(&iter, READ, &vec, 1, PAGE_SIZE);
	got = seq_read_iter(&iocb, &iter);
	if (got > 0)
		s->bytes_read += got;
	filp_close(file, NULL);
}

/* Look at everything that can be looked at. */
static void step_read(struct job *job)
{
	struct stress *s = job->stress;
	struct xslab_stats stats = cache_stats(s->cache);
	struct xpool_stats pool = pool_stats(s->pool);

	s->most_live = max(s->most_live, stats.live);
	if (stats.slabs != stats.slabs_full + stats.slabs_partial + stats.slabs_free ||
	    stats.capacity > stats.slabs * stats.objects_per_slab ||
	    (!stats.slabs_torn && stats.capacity < stats.slabs * stats.objects_per_slab) ||
	    stats.slab_free > stats.capacity ||
	    pool.total != pool.free + pool.slabs + pool.heaps + pool.pages + pool.magazines)
		atomic_long_inc(&s->wrong);
	read_file(s, "/sys/kernel/debug/xalloc/slabinfo");
	read_file(s, "/sys/kernel/debug/xalloc/buddyinfo");
	read_file(s, "/sys/kernel/debug/xalloc/caches/xstress/stats");
	if (xslab_validate(s->cache) || xpool_validate(s->pool))
		atomic_long_inc(&s->wrong);
	usleep_range(50, 100);
}

static int work(void *data)
{
	struct job *job = data;

	while (!kthread_should_stop()) {
		job->step(job);
		if (++job->steps % 512 == 0)
			usleep_range(1, 10);
	}
	while (job->held)
		job->drop(job);
	return 0;
}

/* Start a job on a CPU, or on any for -1. */
static void start(struct stress *s, void (*step)(struct job *job), int cpu)
{
	struct job *job = &s->jobs[s->nr_jobs++];
	struct task_struct *task;

	job->stress = s;
	job->step = step;
	job->drop = step == step_pages ? drop_pages : drop_object;
	prandom_seed_state(&job->rnd, prandom_u32_state(&s->rnd));
	task = kthread_create(work, job, "xstress/%u", s->nr_jobs);
	if (IS_ERR(task))
		return;
	job->task = task;
	if (cpu >= 0)
		kthread_bind(task, cpu);
	wake_up_process(task);
}

static unsigned long stop_jobs(struct kunit *test, struct stress *s)
{
	unsigned long steps = 0;

	while (s->nr_jobs) {
		struct job *job = &s->jobs[--s->nr_jobs];

		if (job->task)
			kthread_stop(job->task);
		KUNIT_EXPECT_NE(test, job->steps, 0UL);
		steps += job->steps;
	}
	return steps;
}

/*
 * Set-up, and the reckoning
 */

static int stress_init(struct kunit *test)
{
	struct xslab_args cache = { .name = "xstress", .size = OBJ_SIZE };
	struct xpool_args pool = { .name = "xstress", .size = POOL_SIZE };
	struct stress *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	test->priv = s;
	if (!s)
		return -ENOMEM;
	s->buffer = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	if (!s->buffer)
		return -ENOMEM;
	s->pool = xpool_create(&pool);
	if (IS_ERR(s->pool))
		return PTR_ERR(s->pool);
	s->cache = xslab_cache_create_in(s->pool, &cache);
	return PTR_ERR_OR_ZERO(s->cache);
}

static void stress_exit(struct kunit *test)
{
	struct stress *s = test->priv;

	if (!s || IS_ERR_OR_NULL(s->pool))
		return;
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(s->cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_destroy(s->pool), 0);
}

static struct stress *begin(struct kunit *test, unsigned int cpus)
{
	struct stress *s = test->priv;

	if (num_online_cpus() < cpus)
		kunit_skip(test, "needs %u CPUs", cpus);
	xtest_seed(test, &s->rnd);
	return s;
}

/* All jobs have stopped. Expect nothing lost, nothing twice, nothing left. */
static struct xslab_stats reckon(struct kunit *test, struct stress *s)
{
	struct xslab_stats stats, empty;
	struct xpool_stats pool;
	unsigned int i;

	for (i = 0; i < RING; i++)
		give(s, xchg(&s->ring[i], NULL));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&s->wrong), 0L);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&s->refused), 0L);
	KUNIT_EXPECT_EQ(test, xslab_validate(s->cache), 0);
	KUNIT_EXPECT_EQ(test, xpool_validate(s->pool), 0);

	/* Workers may be emptying magazines, which would be counted twice. */
	xtest_wait_gathered(s->pool);
	xdecay_hold();
	stats = cache_stats(s->cache);
	xdecay_release();
	KUNIT_EXPECT_EQ(test, stats.live, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.errors, 0ULL);
	KUNIT_EXPECT_EQ(test, stats.allocs, stats.frees);
	KUNIT_EXPECT_EQ(test, stats.capacity, stats.magazines + stats.depot + stats.slab_free);

	KUNIT_EXPECT_EQ(test, xslab_cache_shrink(s->cache), 0);
	empty = cache_stats(s->cache);
	KUNIT_EXPECT_EQ(test, empty.slabs, 0ULL);
	xpool_collect(s->pool, true);
	pool = pool_stats(s->pool);
	KUNIT_EXPECT_EQ(test, pool.free, pool.total);
	KUNIT_EXPECT_EQ(test, xpool_validate(s->pool), 0);
	return stats;
}

static void finish(struct kunit *test, struct stress *s)
{
	unsigned long steps = stop_jobs(test, s);
	struct xslab_stats stats = reckon(test, s);

	kunit_info(test, "%lu steps; %llu allocations, %llu refills, %llu flushes, %llu by the depot\n",
		   steps, stats.allocs, stats.refills, stats.flushes, stats.depot_hits);
}

static int nth_cpu(unsigned int nth)
{
	return cpumask_nth(nth % num_online_cpus(), cpu_online_mask);
}

/*
 * CPUs
 */

/* Each CPU for itself. */
static void xstress_test_own(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	unsigned int i;

	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		start(s, step_own, nth_cpu(i));
	msleep(RUN_MS);
	finish(test, s);
}

/*
 * Half of the CPUs only allocate, the others free what those have allocated:
 *
 *	produce --> ring --> consume
 *	   ^                    |
 *	   +------ depot <------+
 *
 * Expect magazines to come back through the depot, on a busy machine after a while.
 */
static void xstress_test_across(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	struct xslab_stats stats = {};
	unsigned int i, tries;

	for (i = 0; i < min(num_online_cpus(), 4U); i++)
		start(s, i % 2 ? step_consume : step_produce, nth_cpu(i));
	for (tries = 0; tries < 30 && !stats.depot_hits; tries++) {
		msleep(RUN_MS);
		stats = cache_stats(s->cache);
	}
	finish(test, s);
	KUNIT_EXPECT_GT(test, stats.depot_hits, 0ULL);
}

/*
 * Two CPUs work, each with its own objects and with the other's; bulk operations
 * go past the magazines; one job shrinks all the time; another looks at all that is
 * shown. Expect that looking changes nothing, and sees what can be.
 */
static void xstress_test_all(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	struct xslab_stats stats;

	start(s, step_mixed, nth_cpu(0));
	start(s, step_mixed, nth_cpu(1));
	start(s, step_bulk, nth_cpu(2));
	start(s, step_shrink, nth_cpu(2));
	start(s, step_read, nth_cpu(3));
	msleep(RUN_MS);
	finish(test, s);

	stats = cache_stats(s->cache);
	kunit_info(test, "at most %llu live seen, %lu bytes of debugfs read\n",
		   s->most_live, s->bytes_read);
	KUNIT_EXPECT_GT(test, s->most_live, 0ULL);
	KUNIT_EXPECT_LE(test, s->most_live, 3 * MAX_HELD + RING + stats.magazine_size *
			(2 * num_possible_cpus() + 32));
	KUNIT_EXPECT_GT(test, s->bytes_read, 0UL);
}

/*
 * The cache and a client of pages want the whole pool, and each takes from the
 * other what it can spare.
 */
static void xstress_test_pressure(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	struct xpool_stats pool;
	unsigned int i;

	for (i = 0; i < 3; i++)
		start(s, step_mixed, nth_cpu(i));
	start(s, step_pages, nth_cpu(1));
	start(s, step_pages, nth_cpu(2));
	msleep(RUN_MS);
	finish(test, s);
	pool = pool_stats(s->pool);
	kunit_info(test, "the pool ran dry %llu times\n", pool.failures);
	KUNIT_EXPECT_GT(test, pool.failures, 0ULL);
}

/* A CPU goes and comes while all else goes on. Expect its objects not to be lost. */
static void xstress_test_hotplug(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	unsigned int cpu = cpumask_last(cpu_online_mask), rounds = 0;
	unsigned long end = jiffies + msecs_to_jiffies(xtest_param(hotplug_ms) ?: RUN_MS);
	int err = 0;

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
	set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));
	start(s, step_mixed, -1);
	start(s, step_mixed, -1);
	start(s, step_own, -1);
	start(s, step_bulk, -1);
	start(s, step_shrink, -1);
	start(s, step_read, -1);
	while (!err && (rounds < 3 || time_before(jiffies, end))) {
		err = remove_cpu(cpu);
		err = err ?: add_cpu(cpu);
		msleep(20);
		rounds++;
	}
	finish(test, s);
	kunit_info(test, "CPU %u went and came %u times\n", cpu, rounds);
	KUNIT_EXPECT_EQ(test, err, 0);
}

/*
 * Interrupts
 */

#define INTERRUPT_HELD	8U
#define ENOUGH		200U	/* interrupts that came in the middle of an operation */
#define PERIOD_NS	(IS_ENABLED(CONFIG_KASAN) ? 2000000 : 40000)
#define PATIENCE_MS	(IS_ENABLED(CONFIG_KASAN) ? 8000 : 3000)

/* What an interrupt holds from one time to the next. */
struct interrupt {
	struct stress	*stress;
	struct hrtimer	timer;
	unsigned int	cpu;
	unsigned long	fired;
	unsigned long	failed;
	unsigned int	held;
	bool		giving;
	void		*objs[INTERRUPT_HELD];
};

/* Up to eight objects, one after the other, and then back. */
static void interrupt_step(struct interrupt *in)
{
	if (!in->held)
		in->giving = false;
	if (in->held == INTERRUPT_HELD)
		in->giving = true;
	if (in->giving) {
		give(in->stress, in->objs[--in->held]);
		return;
	}
	in->objs[in->held] = take(in->stress);
	if (in->objs[in->held])
		in->held++;
	else
		in->failed++;
}

static void interrupt_drop(struct interrupt *in)
{
	while (in->held)
		give(in->stress, in->objs[--in->held]);
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct interrupt *in = container_of(timer, struct interrupt, timer);

	in->fired++;
	interrupt_step(in);
	interrupt_step(in);
	interrupt_step(in);
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

/* In task context, on the interrupt's CPU: nothing but the fast path, mostly. */
static void hammer(struct stress *s, unsigned int pairs)
{
	void *held = NULL;

	while (pairs--) {
		void *obj = xslab_cache_alloc(s->cache, GFP_KERNEL);

		if (xslab_cache_free(s->cache, held))
			atomic_long_inc(&s->refused);
		held = obj;
	}
	if (xslab_cache_free(s->cache, held))
		atomic_long_inc(&s->refused);
}

static u64 hammer_until_hit(struct stress *s)
{
	unsigned long end = jiffies + msecs_to_jiffies(PATIENCE_MS);
	struct xslab_stats stats;

	do {
		hammer(s, 5000);
		cond_resched();
		stats = cache_stats(s->cache);
	} while (stats.busy < ENOUGH && time_before(jiffies, end));
	return stats.busy;
}

/*
 * A timer fires on the CPU whose task does nothing but allocate and free, and
 * allocates and frees in the same cache:
 *
 *	task   enter ... leave   enter ... leave   enter ...
 *	timer            ^alloc       ^free: busy, goes past the magazines
 *
 * Expect that it comes in the middle of an operation, many times, and that
 * nothing is lost by it.
 */
static void with_timer(struct kunit *test, enum hrtimer_mode mode)
{
	struct interrupt in = { .stress = begin(test, 1) };
	u64 hits;

	in.cpu = raw_smp_processor_id();
	set_cpus_allowed_ptr(current, cpumask_of(in.cpu));
	xcompat_hrtimer_setup_on_stack(&in.timer, on_timer, mode);
	hrtimer_start(&in.timer, ns_to_ktime(PERIOD_NS), mode);
	hits = hammer_until_hit(in.stress);
	hrtimer_cancel(&in.timer);
	destroy_hrtimer_on_stack(&in.timer);
	interrupt_drop(&in);
	reckon(test, in.stress);

	kunit_info(test, "%lu interrupts, %llu operations of theirs while the task was in the fast path\n",
		   in.fired, hits);
	KUNIT_EXPECT_GT(test, in.fired, 0UL);
	KUNIT_EXPECT_EQ(test, in.failed, 0UL);
	if (!hits && IS_ENABLED(CONFIG_UML))
		kunit_skip(test, "no timer signal came in the middle of an operation");
	KUNIT_EXPECT_GT(test, hits, 0ULL);
}

static void xstress_test_hardirq(struct kunit *test)
{
	with_timer(test, HRTIMER_MODE_REL_PINNED_HARD);
}

static void xstress_test_softirq(struct kunit *test)
{
	with_timer(test, HRTIMER_MODE_REL_PINNED_SOFT);
}

/*
 * NMIs
 */

#define TINY_PER_SLAB	256U	/* objects of 16 bytes */

static struct xpage *page_of(struct xpool *pool, const void *addr)
{
	return &pool->pages[((unsigned long)addr - pool->base) >> PAGE_SHIFT];
}

/*
 * A slab of tiny objects has one map for all. The bit of an object that an NMI
 * frees may appear in it while the lock's holder takes objects, which then takes one
 * more than were counted: here two, where one was. Expect the books to be right.
 */
static void xstress_test_nmi_tiny(struct kunit *test)
{
	struct xslab_args args = { .name = "tiny", .size = 16, .flags = XSLAB_NO_CHECKS };
	void **objs = kunit_kcalloc(test, TINY_PER_SLAB, sizeof(*objs), GFP_KERNEL);
	struct stress *s = begin(test, 1);
	const struct xslab_limits no_magazines = { .hard = ULONG_MAX, .cache = 1 };
	struct xslab_cache *cache = xslab_cache_create_in(s->pool, &args);
	struct xslab_stats stats;

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache) || !objs);
	KUNIT_EXPECT_EQ(test, xslab_cache_set_limits(cache, &no_magazines), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, TINY_PER_SLAB, objs),
			(int)TINY_PER_SLAB);
	xslab_cache_free_bulk(cache, 1, &objs[0]);
	atomic_long_or(BIT(1), &page_of(s->pool, objs[1])->map[0]);	/* the NMI */
	KUNIT_EXPECT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, 2, objs), 2);
	KUNIT_EXPECT_PTR_EQ(test, objs[1], objs[0] + 16);

	stats = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, stats.slabs_full, 1ULL);
	KUNIT_EXPECT_EQ(test, stats.slab_free, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	xslab_cache_free_bulk(cache, TINY_PER_SLAB, objs);
	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
}

#ifdef CONFIG_X86_LOCAL_APIC

#define NMI_GAP_US	(IS_ENABLED(CONFIG_KASAN) ? 2000 : 30)

static struct {
	struct interrupt	in;
	void			(*once)(void);	/* all that the NMI does, or NULL */
	struct xslab_cache	*cache;
	void			*obj;		/* to be freed, a page or an object of @cache */
	void			*taken;
	int			err;
} nmi;

static void nmi_pages(struct xpool *pool)
{
	void *page = xpool_alloc_addr(pool, nmi.in.fired % 5, GFP_NOWAIT);

	if (page && xpool_free_addr(pool, page, nmi.in.fired % 5))
		atomic_long_inc(&nmi.in.stress->refused);
}

/* A block that is not kept in magazines, so the pool's lock is needed. */
static void nmi_block(void)
{
	nmi.taken = xpool_alloc_addr(nmi.in.stress->pool, 5, GFP_NOWAIT);
	nmi.err = xpool_free_addr(nmi.in.stress->pool, nmi.obj, 5);
}

static void nmi_object(void)
{
	nmi.err = xslab_cache_free(nmi.cache, nmi.obj);
}

/* From the depot, and, with the magazines closed or empty, past it. */
static void nmi_depot(void)
{
	nmi.err = xmag_drain_depot(&nmi.cache->mag);
	nmi.taken = xslab_cache_alloc(nmi.cache, GFP_NOWAIT);
}

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	if (smp_processor_id() != nmi.in.cpu)
		return NMI_DONE;
	if (nmi.once) {
		nmi.once();
	} else {
		interrupt_step(&nmi.in);
		nmi_pages(nmi.in.stress->pool);
	}
	WRITE_ONCE(nmi.in.fired, nmi.in.fired + 1);
	return NMI_HANDLED;
}

static void nmi_begin(struct kunit *test, struct stress *s, unsigned int cpu)
{
	memset(&nmi, 0, sizeof(nmi));
	nmi.in.stress = s;
	nmi.in.cpu = cpu;
	KUNIT_ASSERT_EQ(test, 0, register_nmi_handler(NMI_LOCAL, on_nmi, 0, "xstress"));
}

static void send_nmi(unsigned int cpu)
{
	apic->send_IPI_mask(cpumask_of(cpu), NMI_VECTOR);
}

/* Have @once done in an NMI on this CPU, whatever it holds, and wait for it. */
static void nmi_here(void (*once)(void))
{
	unsigned int spins = 0;

	nmi.once = once;
	nmi.in.fired = 0;
	send_nmi(nmi.in.cpu);
	while (!READ_ONCE(nmi.in.fired) && spins++ < 100000)
		cpu_relax();
}

/* All that takes locks: refills, flushes, slabs, pages, and a long hold now and then. */
static void step_locks(struct job *job)
{
	struct stress *s = job->stress;

	step_bulk(job);
	hammer(s, 200);
	xpool_free_addr(s->pool, xpool_alloc_addr(s->pool, 4, GFP_ATOMIC), 4);
	if (xslab_validate(s->cache) || xpool_validate(s->pool))
		atomic_long_inc(&s->wrong);
}

/*
 * NMIs come at any moment, also when the interrupted context holds a lock that
 * they need. Expect no deadlock; an allocation may fail, and no object is lost.
 */
static void xstress_test_nmi(struct kunit *test)
{
	struct stress *s = begin(test, 2);
	unsigned long end = jiffies + msecs_to_jiffies(RUN_MS), sent = 0;
	struct xslab_stats stats;

	set_cpus_allowed_ptr(current, cpumask_of(nth_cpu(0)));
	nmi_begin(test, s, nth_cpu(1));
	start(s, step_locks, nth_cpu(1));
	start(s, step_mixed, nth_cpu(1));
	start(s, step_shrink, nth_cpu(2));	/* closed magazines: down to the locks */
	while (time_before(jiffies, end)) {
		send_nmi(nmi.in.cpu);
		sent++;
		usleep_range(NMI_GAP_US, 2 * NMI_GAP_US);
	}
	msleep(20);
	unregister_nmi_handler(NMI_LOCAL, "xstress");
	stop_jobs(test, s);
	interrupt_drop(&nmi.in);
	stats = reckon(test, s);
	kunit_info(test, "%lu NMIs sent, %lu handled; %llu operations went past the magazines, %lu allocations of theirs failed\n",
		   sent, nmi.in.fired, stats.busy, nmi.in.failed);
	KUNIT_EXPECT_GT(test, nmi.in.fired, 0UL);
	KUNIT_EXPECT_GT(test, stats.busy, 0ULL);
}

/*
 * The interrupted context holds the pool's lock for certain. Expect an allocation
 * to fail, and the next holder of the lock to do the free.
 */
static void xstress_test_nmi_lock_held(struct kunit *test)
{
	struct stress *s = begin(test, 1);
	struct xpool_stats stats;
	unsigned long flags;
	void *page;

	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	nmi_begin(test, s, raw_smp_processor_id());
	nmi.obj = xpool_alloc_addr(s->pool, 5, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, nmi.obj);

	raw_spin_lock_irqsave(&s->pool->lock, flags);
	nmi_here(nmi_block);
	raw_spin_unlock_irqrestore(&s->pool->lock, flags);
	unregister_nmi_handler(NMI_LOCAL, "xstress");

	KUNIT_EXPECT_EQ(test, nmi.in.fired, 1UL);
	KUNIT_EXPECT_NULL(test, nmi.taken);
	KUNIT_EXPECT_EQ(test, nmi.err, 0);
	page = xpool_alloc_addr(s->pool, 5, GFP_KERNEL);
	stats = pool_stats(s->pool);
	KUNIT_EXPECT_EQ(test, stats.pages, 32ULL);	/* this one and no other */
	KUNIT_EXPECT_EQ(test, xpool_free_addr(s->pool, page, 5), 0);
	reckon(test, s);
}

#define DEPOT_OBJS	(4U * XMAG_MAX_SIZE)

/*
 * The interrupted context holds the lock of a depot that has a full magazine, and the CPU's
 * magazines are empty. Expect an allocation to go without the depot, and not to wait.
 */
static void xstress_test_nmi_depot_held(struct kunit *test)
{
	struct stress *s = begin(test, 1);
	struct xslab_args args = { .name = "depot", .size = 64 };
	struct xslab_cache *cache = xslab_cache_create_in(s->pool, &args);
	void **objs = xtest_room(test, DEPOT_OBJS, sizeof(*objs));
	unsigned long flags;
	unsigned int full;

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	xslab_cache_set_decay(cache, -1);	/* which would empty the depot */
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	xtest_take(test, cache, objs, DEPOT_OBJS, GFP_KERNEL);
	xtest_give(test, cache, objs, DEPOT_OBJS);
	xmag_drain_here(&cache->mag);
	full = cache->mag.depot.nr_full;
	KUNIT_ASSERT_GT(test, full, 0U);
	nmi_begin(test, s, raw_smp_processor_id());
	nmi.cache = cache;

	raw_spin_lock_irqsave(&cache->mag.depot.lock, flags);
	nmi_here(nmi_depot);
	raw_spin_unlock_irqrestore(&cache->mag.depot.lock, flags);
	unregister_nmi_handler(NMI_LOCAL, "xstress");

	KUNIT_EXPECT_EQ(test, nmi.in.fired, 1UL);
	KUNIT_EXPECT_EQ(test, nmi.err, 0);
	KUNIT_EXPECT_EQ(test, cache->mag.depot.nr_full, full);
	KUNIT_EXPECT_NOT_NULL(test, nmi.taken);
	KUNIT_EXPECT_EQ(test, xslab_cache_free(cache, nmi.taken), 0);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	reckon(test, s);
}

#define TORN_SLABS	8U

/*
 * A cache with torn slabs, of which the first @live objects are left, in *@kept. The next
 * NMIs are for it, and find its magazines closed until end_torn().
 */
static struct xslab_cache *begin_torn(struct kunit *test, struct stress *s, unsigned int live,
				      xslab_flags_t flags, void ***kept)
{
	struct xslab_args args = { .name = "torn", .size = 1024, .flags = flags };
	struct xslab_cache *cache = xslab_cache_create_in(s->pool, &args);
	unsigned int i, nr, all, at = 0;
	void **objs;

	KUNIT_ASSERT_FALSE(test, IS_ERR(cache));
	nr = cache->per_slab;
	all = TORN_SLABS * nr;
	objs = xtest_room(test, all, sizeof(*objs));
	KUNIT_ASSERT_EQ(test, xslab_cache_alloc_bulk(cache, GFP_KERNEL, all, objs), (int)all);
	for (i = 0; i < all; i++)
		if (i % nr < live)
			objs[at++] = objs[i];
		else
			xslab_cache_free(cache, objs[i]);
	xslab_cache_tear(cache);
	KUNIT_ASSERT_EQ(test, cache->torn.nr, (unsigned long)TORN_SLABS);
	*kept = objs;

	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	nmi_begin(test, s, raw_smp_processor_id());
	nmi.cache = cache;
	xmag_close(&cache->mag);
	return cache;
}

static void end_torn(struct xslab_cache *cache)
{
	xmag_unshut(&cache->mag);
	unregister_nmi_handler(NMI_LOCAL, "xstress");
}

/* The last object of one of @torn slabs, which cannot go yet. */
static void free_by_nmi_locked(struct kunit *test, struct xslab_cache *cache,
			       unsigned long torn)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	nmi_here(nmi_object);
	KUNIT_EXPECT_EQ(test, cache->torn.nr, torn);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/*
 * Objects that are each the last of a torn slab are freed by NMIs, past the magazines,
 * with the lock free and with it held. Expect each slab to go, at once or when the next
 * operation can have the lock.
 */
static void xstress_test_nmi_torn(struct kunit *test)
{
	struct stress *s = begin(test, 1);
	struct xslab_cache *cache;
	struct xslab_stats stats;
	unsigned int i;
	void **objs;

	cache = begin_torn(test, s, 1, 0, &objs);
	for (i = 0; i < TORN_SLABS; i++) {
		nmi.obj = objs[i];
		if (i % 2)
			free_by_nmi_locked(test, cache, TORN_SLABS - i);
		else
			nmi_here(nmi_object);
		KUNIT_EXPECT_EQ(test, nmi.in.fired, 1UL);
		KUNIT_EXPECT_EQ(test, nmi.err, 0);
		KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	}
	end_torn(cache);

	xslab_cache_collect(cache, true);
	stats = cache_stats(cache);
	KUNIT_EXPECT_EQ(test, stats.live + stats.slabs + stats.holes, 0ULL);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	reckon(test, s);
}

/*
 * One NMI frees an object of a torn slab; another has set the bit of the last one, and is
 * not through with the slab yet. Expect this to stay until it is.
 */
static void xstress_test_nmi_torn_halfway(struct kunit *test)
{
	struct stress *s = begin(test, 1);
	struct xslab_cache *cache;
	struct xpage *slab;
	unsigned long flags;
	void **objs;

	cache = begin_torn(test, s, 2, XSLAB_NO_CHECKS, &objs);
	slab = page_of(s->pool, objs[0]);
	nmi.obj = objs[0];
	raw_spin_lock_irqsave(&cache->lock, flags);
	nmi_here(nmi_object);
	atomic_inc(&cache->nmi.frees);
	atomic_long_or(BIT(1), &slab->word);	/* the other one */
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	end_torn(cache);
	KUNIT_EXPECT_EQ(test, nmi.in.fired, 1UL);

	KUNIT_EXPECT_EQ(test, xslab_validate(cache), 0);
	KUNIT_EXPECT_EQ(test, cache->torn.nr, (unsigned long)TORN_SLABS);
	atomic_dec(&cache->nmi.frees);
	xslab_cache_tear(cache);
	KUNIT_EXPECT_EQ(test, cache->torn.nr, (unsigned long)TORN_SLABS - 1);
	xslab_cache_free_bulk(cache, 2 * (TORN_SLABS - 1), objs + 2);
	xslab_cache_collect(cache, true);
	KUNIT_EXPECT_EQ(test, xslab_cache_destroy(cache), 0);
	reckon(test, s);
}

#else /* CONFIG_X86_LOCAL_APIC */

static void xstress_test_nmi(struct kunit *test)
{
	kunit_skip(test, "no way to raise an NMI on this machine is known");
}

static void xstress_test_nmi_lock_held(struct kunit *test)
{
	kunit_skip(test, "no way to raise an NMI on this machine is known");
}

static void xstress_test_nmi_depot_held(struct kunit *test)
{
	kunit_skip(test, "no way to raise an NMI on this machine is known");
}

static void xstress_test_nmi_torn_halfway(struct kunit *test)
{
	kunit_skip(test, "no way to raise an NMI on this machine is known");
}

static void xstress_test_nmi_torn(struct kunit *test)
{
	kunit_skip(test, "no way to raise an NMI on this machine is known");
}

#endif /* CONFIG_X86_LOCAL_APIC */

static struct kunit_case xstress_test_cases[] = {
	KUNIT_CASE(xstress_test_own),
	KUNIT_CASE(xstress_test_across),
	KUNIT_CASE(xstress_test_all),
	KUNIT_CASE(xstress_test_pressure),
	KUNIT_CASE_SLOW(xstress_test_hotplug),
	KUNIT_CASE(xstress_test_hardirq),
	KUNIT_CASE(xstress_test_softirq),
	KUNIT_CASE(xstress_test_nmi_tiny),
	KUNIT_CASE(xstress_test_nmi),
	KUNIT_CASE(xstress_test_nmi_lock_held),
	KUNIT_CASE(xstress_test_nmi_depot_held),
	KUNIT_CASE(xstress_test_nmi_torn),
	KUNIT_CASE(xstress_test_nmi_torn_halfway),
	{}
};

static struct kunit_suite xstress_test_suite = {
	.name = "xstress",
	.init = stress_init,
	.exit = stress_exit,
	.test_cases = xstress_test_cases,
};

kunit_test_suite(xstress_test_suite);

MODULE_DESCRIPTION("Everything at once in one of xalloc's caches");
MODULE_LICENSE("GPL");
