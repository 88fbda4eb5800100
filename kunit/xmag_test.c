// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the magazines, over a backend of the test's own.
 *
 * An object of this backend is a byte that says where the object is: below the
 * magazines, above the backend (in a magazine or on its way), or with the
 * client. Each step that an object makes is checked against its byte, so an
 * object that is lost, made up or handed out twice does not go unnoticed.
 *
 *	backend  BELOW --fill--> ABOVE --alloc--> CLIENT
 *	               <-drain--       <--free---
 *
 * Each test builds its own magazines and keeps to one CPU unless it says
 * otherwise, so that the calls of the backend can be counted exactly.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "slab/slab.h"
#include "xcrew.h"
#include "xdecay.h"
#include "xtest.h"

#define SIZE	XMAG_MAX_SIZE	/* objects of a magazine, unless a test says else */
#define DEPOT	4U		/* magazines in the depot */
#define NR_OBJS	4096U		/* objects of the backend */
#define MOST	(NR_OBJS / 2)	/* that are available while each CPU keeps some */

enum where { BELOW, ABOVE, CLIENT };

struct backend {
	struct xmag mag;
	bool live;
	bool closed;
	raw_spinlock_t lock;
	unsigned long fills;	/* calls */
	unsigned long drains;
	unsigned int last;	/* objects that the last call asked for or gave */
	bool irqs_off;		/* when drain was called last */
	unsigned int nr;	/* objects on the stack */
	u8 **stack;
	u8 *where;
	atomic_long_t wrong;	/* steps that an object cannot make */
	struct xwatch watch;
	atomic_t told;		/* times that it was woken */
	struct completion begun;
	bool spill;		/* the task that locks the depot empties it */
};

static void move(struct backend *b, u8 *obj, enum where from, enum where to)
{
	if (xchg(obj, to) != from)
		atomic_long_inc(&b->wrong);
}

static unsigned int backend_fill(struct xmag *mag, void **objs, unsigned int nr)
{
	struct backend *b = container_of(mag, struct backend, mag);
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&b->lock, flags);
	b->fills++;
	b->last = nr;
	nr = min(nr, b->nr);
	for (i = 0; i < nr; i++) {
		objs[i] = b->stack[--b->nr];
		move(b, objs[i], BELOW, ABOVE);
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return nr;
}

static void backend_drain(struct xmag *mag, void **objs, unsigned int nr)
{
	struct backend *b = container_of(mag, struct backend, mag);
	unsigned long flags;
	unsigned int i;

	b->irqs_off = irqs_disabled();
	raw_spin_lock_irqsave(&b->lock, flags);
	b->drains++;
	b->last = nr;
	for (i = 0; i < nr && b->nr < NR_OBJS; i++) {
		move(b, objs[i], ABOVE, BELOW);
		b->stack[b->nr++] = objs[i];
	}
	atomic_long_add(nr - i, &b->wrong);
	raw_spin_unlock_irqrestore(&b->lock, flags);
}

static const struct xmag_ops backend_ops = {
	.fill = backend_fill,
	.drain = backend_drain,
};

/* As fast paths do. */
static void *mag_alloc(struct xmag *mag)
{
	void *obj;
	bool hit;

	preempt_disable();
	hit = xmag_try_alloc(&mag->cpus, &obj, false);
	preempt_enable();
	return hit ? obj : xmag_alloc_slow(mag);
}

static u8 *take(struct backend *b)
{
	u8 *obj = mag_alloc(&b->mag);

	if (obj)
		move(b, obj, ABOVE, CLIENT);
	return obj;
}

static void give(struct backend *b, u8 *obj)
{
	bool hit;

	move(b, obj, CLIENT, ABOVE);
	preempt_disable();
	hit = xmag_try_free(&b->mag.cpus, obj);
	preempt_enable();
	if (!hit)
		xmag_free_slow(&b->mag, obj);
}

static void close(struct backend *b)
{
	xmag_close(&b->mag);
	b->closed = true;
}

static void open(struct backend *b)
{
	b->closed = false;
	xmag_unshut(&b->mag);
}

static void pin(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, 0, set_cpus_allowed_ptr(current, cpumask_of(cpu)));
}

static int xmag_test_init(struct kunit *test)
{
	struct backend *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	test->priv = b;
	b->stack = kunit_kcalloc(test, NR_OBJS, sizeof(*b->stack), GFP_KERNEL);
	b->where = kunit_kzalloc(test, NR_OBJS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->stack);
	KUNIT_ASSERT_NOT_NULL(test, b->where);
	raw_spin_lock_init(&b->lock);
	for (i = 0; i < NR_OBJS; i++)
		b->stack[i] = &b->where[i];
	b->nr = NR_OBJS;
	pin(test, raw_smp_processor_id());
	return 0;
}

static struct backend *start(struct kunit *test, unsigned int size, unsigned int depot)
{
	struct backend *b = test->priv;

	KUNIT_ASSERT_EQ(test, 0, xmag_init(&b->mag, &backend_ops, size, depot));
	b->live = true;
	return b;
}

static void xmag_test_exit(struct kunit *test)
{
	struct backend *b = test->priv;

	if (!b || !b->live)
		return;
	if (!b->closed)
		close(b);
	xmag_drain_closed(&b->mag);
	open(b);
	xmag_destroy(&b->mag);
}

/* Every object is in one place, and @held of them are with the client. */
static void check_balance(struct kunit *test, struct backend *b, unsigned long held)
{
	struct xmag_count count;
	unsigned long at[3] = {};
	unsigned int i;

	xmag_count(&b->mag, &count);
	for (i = 0; i < NR_OBJS; i++)
		at[b->where[i]]++;
	KUNIT_ASSERT_EQ(test, held, at[CLIENT]);
	KUNIT_ASSERT_EQ(test, (unsigned long)b->nr, at[BELOW]);
	KUNIT_ASSERT_EQ(test, count.cpus + count.depot, at[ABOVE]);
	KUNIT_ASSERT_EQ(test, 0L, atomic_long_read(&b->wrong));
}

static void expect_calls(struct kunit *test, struct backend *b, unsigned long fills,
			 unsigned long drains)
{
	KUNIT_EXPECT_EQ(test, fills, b->fills);
	KUNIT_EXPECT_EQ(test, drains, b->drains);
}

static void take_many(struct kunit *test, struct backend *b, u8 **objs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		objs[i] = take(b);
		KUNIT_ASSERT_NOT_NULL(test, objs[i]);
	}
}

static void give_many(struct backend *b, u8 **objs, unsigned int nr)
{
	while (nr)
		give(b, objs[--nr]);
}

/* Expect the object that was freed last, which is warm, to be handed out first. */
static void xmag_test_order(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	u8 *objs[8];
	int i;

	take_many(test, b, objs, ARRAY_SIZE(objs));
	for (i = 0; i < ARRAY_SIZE(objs); i++)
		give(b, objs[i]);
	for (i = ARRAY_SIZE(objs) - 1; i >= 0; i--)
		KUNIT_EXPECT_PTR_EQ(test, objs[i], take(b));
	check_balance(test, b, ARRAY_SIZE(objs));
	give_many(b, objs, ARRAY_SIZE(objs));
	check_balance(test, b, 0);
}

/* Expect one call of the backend for each magazine of objects. */
static void xmag_test_fill(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, 3 * SIZE, sizeof(u8 *));
	unsigned int i;

	for (i = 0; i < 3 * SIZE; i++) {
		take_many(test, b, &objs[i], 1);
		KUNIT_EXPECT_EQ(test, b->fills, i / SIZE + 1UL);
		KUNIT_EXPECT_EQ(test, b->last, SIZE);
	}
	check_balance(test, b, 3 * SIZE);
	give_many(b, objs, 3 * SIZE);
	expect_calls(test, b, 3, 0);
	check_balance(test, b, 0);
}

/*
 * With two magazines of objects, a CPU that stands anywhere between having all
 * and having none can go up and down as it likes:
 *
 *	loaded	 ####  ##..  ....  ####  ##..  ....
 *	previous ####  ####  ####  ....  ....  ....
 *
 * Expect no call of the backend and no use of the depot for a pair, wherever
 * it starts.
 */
static void xmag_test_hysteresis(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, 2 * SIZE, sizeof(u8 *));
	struct xmag_count count;
	unsigned int at, i;

	take_many(test, b, objs, 2 * SIZE);
	give_many(b, objs, 2 * SIZE);
	expect_calls(test, b, 2, 0);
	for (at = 0; at < 2 * SIZE; at++) {
		for (i = 0; i < 100; i++)
			give(b, take(b));
		take_many(test, b, &objs[at], 1);
		for (i = 0; i < 100; i++) {
			give(b, objs[at]);
			take_many(test, b, &objs[at], 1);
		}
	}
	expect_calls(test, b, 2, 0);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.depot_hits, 0UL);
	KUNIT_EXPECT_EQ(test, count.allocs, 2UL * SIZE + 2UL * SIZE * 201);
	check_balance(test, b, 2 * SIZE);
	give_many(b, objs, 2 * SIZE);
}

/*
 * Free until the CPU and the depot are full. Expect two magazines to stay with
 * the CPU, the others to go to the depot whole, and one call of the backend, for
 * one magazine, when the depot has no empty one left to give.
 */
static void xmag_test_depot_full(struct kunit *test)
{
	const unsigned int all = (3 + DEPOT) * SIZE, keep = (2 + DEPOT) * SIZE;
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, all, sizeof(u8 *));
	struct xmag_count count;

	take_many(test, b, objs, all);
	expect_calls(test, b, 3 + DEPOT, 0);
	give_many(b, objs, keep);
	expect_calls(test, b, 3 + DEPOT, 0);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.cpus, 2UL * SIZE);
	KUNIT_EXPECT_EQ(test, count.depot, (unsigned long)DEPOT * SIZE);
	KUNIT_EXPECT_EQ(test, count.depot_hits, (unsigned long)DEPOT);
	check_balance(test, b, SIZE);

	give_many(b, &objs[keep], 1);
	expect_calls(test, b, 3 + DEPOT, 1);
	KUNIT_EXPECT_EQ(test, b->last, SIZE);
	give_many(b, &objs[keep + 1], SIZE - 1);
	expect_calls(test, b, 3 + DEPOT, 1);
	check_balance(test, b, 0);
}

/*
 * The way back. Expect all that the CPU and the depot hold to be handed out
 * without a call of the backend, and one call for the object after that.
 */
static void xmag_test_depot_empty(struct kunit *test)
{
	const unsigned int keep = (2 + DEPOT) * SIZE;
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, keep + 1, sizeof(u8 *));
	struct xmag_count count;

	take_many(test, b, objs, keep);
	give_many(b, objs, keep);
	expect_calls(test, b, 2 + DEPOT, 0);
	take_many(test, b, objs, keep);
	expect_calls(test, b, 2 + DEPOT, 0);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.cpus + count.depot, 0UL);
	KUNIT_EXPECT_EQ(test, count.depot_hits, 2UL * DEPOT);

	take_many(test, b, &objs[keep], 1);
	expect_calls(test, b, 2 + DEPOT + 1, 0);
	check_balance(test, b, keep + 1);
	give_many(b, objs, keep + 1);
	check_balance(test, b, 0);
}

/* Expect every object of the backend, then NULL, then life to go on. */
static void xmag_test_exhaustion(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, NR_OBJS, sizeof(u8 *));

	take_many(test, b, objs, NR_OBJS);
	KUNIT_EXPECT_NULL(test, take(b));
	KUNIT_EXPECT_NULL(test, take(b));
	check_balance(test, b, NR_OBJS);
	give(b, objs[17]);
	KUNIT_EXPECT_PTR_EQ(test, objs[17], take(b));
	give_many(b, objs, NR_OBJS);
	check_balance(test, b, 0);
	take_many(test, b, objs, NR_OBJS);
	check_balance(test, b, NR_OBJS);
	give_many(b, objs, NR_OBJS);
}

/*
 * An interrupt comes between enter and leave: for it the magazines are busy.
 * Expect each of its operations to call the backend for one object, to be
 * counted, and to leave the magazines as they are.
 */
static void xmag_test_busy(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	struct xmag_count before, after;
	struct xmag_cpu *cpu;
	u8 *warm[2], *objs[3];
	unsigned long fills;
	unsigned int last;

	take_many(test, b, warm, 2);
	give_many(b, warm, 2);
	xmag_count(&b->mag, &before);

	preempt_disable();
	cpu = this_cpu_ptr(b->mag.own);
	WRITE_ONCE(cpu->busy, 1);
	take_many(test, b, objs, 3);
	fills = b->fills;
	last = b->last;
	give_many(b, objs, 3);
	WRITE_ONCE(cpu->busy, 0);
	preempt_enable();

	KUNIT_EXPECT_EQ(test, last, 1U);
	KUNIT_EXPECT_EQ(test, fills, 1UL + 3);
	expect_calls(test, b, 1 + 3, 3);
	xmag_count(&b->mag, &after);
	KUNIT_EXPECT_EQ(test, after.busy, before.busy + 6);
	KUNIT_EXPECT_EQ(test, after.allocs, before.allocs + 3);
	KUNIT_EXPECT_EQ(test, after.cpus, before.cpus);
	KUNIT_EXPECT_PTR_EQ(test, take(b), warm[0]);
	KUNIT_EXPECT_PTR_EQ(test, take(b), warm[1]);
	give_many(b, warm, 2);
	check_balance(test, b, 0);
}

/* Expect closed magazines to be gone past, and open ones to work as before. */
static void xmag_test_closed(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	struct xmag_count count;
	u8 *objs[3];

	take_many(test, b, objs, 3);
	close(b);
	give_many(b, objs, 3);
	expect_calls(test, b, 1, 3);
	take_many(test, b, objs, 3);
	expect_calls(test, b, 1 + 3, 3);
	xmag_drain_closed(&b->mag);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.cpus, 0UL);
	KUNIT_EXPECT_EQ(test, (unsigned int)b->nr, NR_OBJS - 3);
	open(b);

	b->fills = 0;
	b->drains = 0;
	give_many(b, objs, 3);
	take_many(test, b, objs, 3);
	expect_calls(test, b, 0, 0);
	give_many(b, objs, 3);
	check_balance(test, b, 0);
}

static void be_told(struct xwatch *watch)
{
	struct backend *b = container_of(watch, struct backend, watch);

	WRITE_ONCE(watch->asleep, false);
	atomic_inc(&b->told);
}

/* Magazines that tell the backend when they are used after they were parked. */
static struct backend *start_parked(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);

	b->watch.wake = be_told;
	b->watch.asleep = true;
	xmag_set_watch(&b->mag, &b->watch);
	return b;
}

/* Expect one operation to tell, the first after each parking, and none to be lost. */
static void xmag_test_parked(struct kunit *test)
{
	struct backend *b = start_parked(test);
	struct xmag_count count;
	unsigned int round;
	u8 *objs[3];

	pin(test, raw_smp_processor_id());
	for (round = 1; round <= 3; round++) {
		take_many(test, b, objs, 3);
		KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 2 * (int)round - 1);
		b->watch.asleep = true;		/* not parked: nothing tells */
		give_many(b, objs, 3);
		KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 2 * (int)round - 1);

		xmag_park(&b->mag);
		xmag_count(&b->mag, &count);
		KUNIT_EXPECT_EQ(test, count.cpus + count.depot, 0UL);
		KUNIT_EXPECT_EQ(test, (unsigned int)b->nr, NR_OBJS);
		take_many(test, b, objs, 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 2 * (int)round);
		give_many(b, objs, 1);
		b->watch.asleep = true;
		xmag_park(&b->mag);
	}
	check_balance(test, b, 0);
}

/* To close and to open does not use them: expect the next operation to tell. */
static void xmag_test_parked_closed(struct kunit *test)
{
	struct backend *b = start_parked(test);
	u8 *objs[3];

	close(b);
	take_many(test, b, objs, 3);
	give_many(b, objs, 3);
	open(b);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 0);
	take_many(test, b, objs, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 1);
	give_many(b, objs, 1);
	check_balance(test, b, 0);
}

/* Run on another CPU: have a magazine full of objects there. */
static long fill_here(void *data)
{
	struct backend *b = data;
	u8 *objs[SIZE];
	unsigned int i;

	for (i = 0; i < SIZE; i++) {
		objs[i] = take(b);
		if (!objs[i])
			return -ENOMEM;
	}
	give_many(b, objs, SIZE);
	return 0;
}

static void fill_all_cpus(struct kunit *test, struct backend *b)
{
	KUNIT_EXPECT_EQ(test, 0L, xtest_on_cpus(nr_cpu_ids, fill_here, b));
}

/* Expect a close to reach the magazines of every CPU. */
static void xmag_test_drain_all_cpus(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	struct xmag_count count;

	fill_all_cpus(test, b);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.cpus, (unsigned long)num_online_cpus() * SIZE);
	check_balance(test, b, 0);

	close(b);
	xmag_drain_closed(&b->mag);
	open(b);
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.cpus, 0UL);
	KUNIT_EXPECT_EQ(test, b->nr, NR_OBJS);
	check_balance(test, b, 0);
}

/*
 * Objects that one CPU allocates and another one frees:
 *
 *	CPU a: alloc --> objects --> CPU b: free --> depot --> CPU a: alloc
 *
 * Expect whole magazines to come back by way of the depot, so that after the
 * first round the backend is not called any more.
 */
static void xmag_test_across_cpus(struct kunit *test)
{
	const unsigned int batch = 2 * SIZE;
	unsigned int a = cpumask_first(cpu_online_mask);
	unsigned int other = cpumask_next(a, cpu_online_mask);
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, batch, sizeof(u8 *));
	unsigned int i;

	if (other >= nr_cpu_ids)
		kunit_skip(test, "needs 2 CPUs");
	for (i = 0; i < 100; i++) {
		pin(test, a);
		take_many(test, b, objs, batch);
		pin(test, other);
		give_many(b, objs, batch);
		if (i == 1)
			b->fills = 0;
	}
	expect_calls(test, b, 0, 0);
	check_balance(test, b, 0);
}

/*
 * Sizes and depots at their ends, and random operations on any CPU, against a
 * list of the objects that the client holds.
 */

struct shape {
	const char *name;
	unsigned int size;
	unsigned int depot;
};

static const struct shape shapes[] = {
	{ "one object, no depot", 1, 0 },
	{ "one object, one magazine in the depot", 1, 1 },
	{ "two objects", 2, 3 },
	{ "odd size, large depot", 7, 64 },
	{ "largest size, no depot", XMAG_MAX_SIZE, 0 },
	{ "largest size", XMAG_MAX_SIZE, DEPOT },
};

KUNIT_ARRAY_PARAM_DESC(shape, shapes, name);

struct model {
	u8 **held;
	unsigned int nr;
	unsigned long allocs;
};

static void random_burst(struct kunit *test, struct backend *b, struct model *m,
			 struct rnd_state *rnd)
{
	unsigned int nr = xtest_below(rnd, 300), i, at;
	bool up = xtest_below(rnd, 2);

	for (i = 0; i < nr; i++) {
		if (up && m->nr < MOST) {
			take_many(test, b, &m->held[m->nr++], 1);
			m->allocs++;
		} else if (!up && m->nr) {
			at = xtest_below(rnd, m->nr);
			give(b, m->held[at]);
			m->held[at] = m->held[--m->nr];
		}
	}
}

static void random_step(struct kunit *test, struct backend *b, struct model *m,
			struct rnd_state *rnd)
{
	switch (xtest_below(rnd, 16)) {
	case 0:
		pin(test, cpumask_nth(xtest_below(rnd, num_online_cpus()),
				      cpu_online_mask));
		break;
	case 1:
		close(b);
		random_burst(test, b, m, rnd);
		xmag_drain_closed(&b->mag);
		open(b);
		break;
	default:
		random_burst(test, b, m, rnd);
	}
}

static void xmag_test_random(struct kunit *test)
{
	const struct shape *shape = test->param_value;
	struct backend *b = start(test, shape->size, shape->depot);
	struct model m = { .held = xtest_room(test, MOST, sizeof(u8 *)) };
	struct xmag_count count;
	struct rnd_state rnd;
	unsigned int i;

	xtest_seed(test, &rnd);
	for (i = 0; i < (IS_ENABLED(CONFIG_KASAN) ? 100 : 1000); i++) {
		random_step(test, b, &m, &rnd);
		check_balance(test, b, m.nr);
	}
	xmag_count(&b->mag, &count);
	KUNIT_EXPECT_EQ(test, count.allocs, m.allocs);
	give_many(b, m.held, m.nr);
	check_balance(test, b, 0);
}

/*
 * Fail one request to the system after another. Expect an init that fails to leave
 * nothing behind, and one that could do without that request to be whole.
 */
static void xmag_test_no_memory(struct kunit *test)
{
	unsigned int n, left = 0, failed = 0;
	struct backend *b = test->priv;
	int err;

	xtest_need_failures(test);
	for (n = 1; !left; n++) {
		xtest_fail_nth(n);
		err = xmag_init(&b->mag, &backend_ops, SIZE, DEPOT);
		left = xtest_fail_end();
		if (err) {
			KUNIT_ASSERT_EQ(test, err, -ENOMEM);
			KUNIT_ASSERT_EQ(test, left, 0U);
			failed++;
			continue;
		}
		check_balance(test, b, 0);
		xmag_destroy(&b->mag);
	}
	KUNIT_EXPECT_GT(test, failed, 0U);
	kunit_info(test, "%u requests to the system, failed for %u of them\n", n - 2, failed);
}

/*
 * A CPU goes away. Expect a full magazine of it to be in the depot, where the
 * other CPUs can have it, and what is in one that is not full to be with the
 * owner; and the CPU to work when it comes back.
 */

struct few {
	struct backend	*b;
	u8		*objs[10];
};

/* Run on another CPU: break a full magazine. */
static long take_few(void *data)
{
	struct few *few = data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(few->objs); i++) {
		few->objs[i] = take(few->b);
		if (!few->objs[i])
			return -ENOMEM;
	}
	return 0;
}

static void take_cpu_away(struct kunit *test, unsigned int cpu, unsigned int to_depot,
			  unsigned int to_owner)
{
	struct backend *b = test->priv;
	struct xmag_count before, after;
	unsigned int nr = b->nr;

	xmag_count(&b->mag, &before);
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	xmag_count(&b->mag, &after);
	KUNIT_EXPECT_EQ(test, after.cpus, before.cpus - to_depot - to_owner);
	KUNIT_EXPECT_EQ(test, after.depot, before.depot + to_depot);
	KUNIT_EXPECT_EQ(test, b->nr, nr + to_owner);
	KUNIT_EXPECT_EQ(test, after.allocs, before.allocs);
	fill_all_cpus(test, b);
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));
}

static void xmag_test_hotplug(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct few few = { .b = b };

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs 2 CPUs");
	pin(test, cpumask_first(cpu_online_mask));
	fill_all_cpus(test, b);
	take_cpu_away(test, cpu, SIZE, 0);
	check_balance(test, b, 0);
	fill_all_cpus(test, b);
	KUNIT_ASSERT_EQ(test, 0L, work_on_cpu(cpu, take_few, &few));
	take_cpu_away(test, cpu, 0, SIZE - ARRAY_SIZE(few.objs));
	check_balance(test, b, ARRAY_SIZE(few.objs));
	give_many(b, few.objs, ARRAY_SIZE(few.objs));
	fill_all_cpus(test, b);
	check_balance(test, b, 0);
}

/*
 * Threads on every CPU work while the magazines are closed, drained and opened
 * again and again. Expect no object to be lost or handed out twice.
 */

struct worker {
	struct backend *b;
	struct rnd_state *rnd;
	unsigned int held;
	u8 *objs[100];
};

static void work_once(struct worker *w)
{
	if (w->held < ARRAY_SIZE(w->objs) && (!w->held || xtest_below(w->rnd, 2))) {
		u8 *obj = take(w->b);

		if (obj)
			w->objs[w->held++] = obj;
	} else {
		give(w->b, w->objs[--w->held]);
	}
}

static int work(void *data)
{
	struct hand *hand = data;
	struct worker w = { .b = hand->what, .rnd = &hand->rnd };

	while (!kthread_should_stop()) {
		unsigned int i;

		for (i = 0; i < 500; i++)
			work_once(&w);
		hand->done += i;
		usleep_range(1, 10);
	}
	while (w.held)
		give(w.b, w.objs[--w.held]);
	return 0;
}

#define WORKERS	4U

/* One on each of the first CPUs; returns how many. */
static unsigned int start_workers(struct kunit *test, struct backend *b, struct crew *crew)
{
	struct rnd_state rnd;

	xtest_seed(test, &rnd);
	*crew = (struct crew){ .rnd = &rnd };
	while (crew->nr < min(num_online_cpus(), WORKERS))
		hire(test, crew, work, b, true);
	crew->rnd = NULL;
	return crew->nr;
}

static unsigned long close_for(struct backend *b, unsigned long jiffies_long)
{
	unsigned long end = jiffies + jiffies_long, rounds;

	for (rounds = 0; rounds < 3 || time_before(jiffies, end); rounds++) {
		close(b);
		xmag_drain_closed(&b->mag);
		open(b);
		usleep_range(1, 10);
	}
	return rounds;
}

static void xmag_test_close_under_load(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	struct crew crew;
	unsigned int nr = start_workers(test, b, &crew);
	unsigned long rounds = close_for(b, HZ / 2);
	unsigned long ops = dismiss(test, &crew);

	kunit_info(test, "%lu operations on %u CPUs, closed %lu times\n", ops, nr, rounds);
	check_balance(test, b, 0);
}

/* Three full magazines in the hands of a CPU and of the depot, and nothing below. */
static void move_all_up(struct kunit *test, struct backend *b)
{
	u8 **objs = xtest_room(test, 3 * SIZE, sizeof(u8 *));

	take_many(test, b, objs, 3 * SIZE);
	give_many(b, objs, 3 * SIZE);
	take_many(test, b, objs, 2 * SIZE);	/* the depot has the third */
	b->nr = 0;
}

/* Expect interrupts to be off while the depot is locked. */
static void xmag_test_irqs_off(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	u8 **objs = xtest_room(test, 4 * SIZE, sizeof(u8 *));

	migrate_disable();
	take_many(test, b, objs, 4 * SIZE);
	give_many(b, objs, 4 * SIZE);
	KUNIT_EXPECT_NE(test, xmag_drain_depot(&b->mag), 0UL);
	migrate_enable();
	KUNIT_EXPECT_TRUE(test, b->irqs_off);
	check_balance(test, b, 0);
}

/*
 * The depot is locked by another CPU for long, as when a hypervisor takes that CPU away; all
 * that is free is in the depot, or goes from there to the backend meanwhile. Expect an
 * allocation to have its object, also where it goes past the magazines.
 */
#define AWAY_MS	20U

struct away {
	const char *name;
	bool spill;
	bool past;
};

static const struct away aways[] = {
	{ "by the magazines", false, false },
	{ "past the magazines", false, true },
	{ "by the magazines, the depot is emptied", true, false },
	{ "past the magazines, the depot is emptied", true, true },
};

KUNIT_ARRAY_PARAM_DESC(away, aways, name);

static void spill_depot(struct backend *b)
{
	struct xdepot *depot = &b->mag.depot;

	while (depot->nr_full) {
		WRITE_ONCE(depot->nr_full, depot->nr_full - 1);
		backend_drain(&b->mag, depot->magazines[depot->nr_full], SIZE);
	}
}

/* Pop a magazine, which is not in the depot then, nor in the backend until it is drained. */
static int pop_and_wait(void *data)
{
	struct backend *b = data;
	struct xdepot *depot = &b->mag.depot;
	unsigned long flags;

	raw_spin_lock_irqsave(&depot->lock, flags);
	WRITE_ONCE(depot->nr_full, depot->nr_full - 1);
	complete(&b->begun);
	mdelay(AWAY_MS);
	backend_drain(&b->mag, depot->magazines[depot->nr_full], SIZE);
	raw_spin_unlock_irqrestore(&depot->lock, flags);
	return xtest_stay();
}

static int hold_depot(void *data)
{
	struct backend *b = data;
	unsigned long flags;

	raw_spin_lock_irqsave(&b->mag.depot.lock, flags);
	complete(&b->begun);
	mdelay(AWAY_MS);
	if (b->spill)
		spill_depot(b);
	raw_spin_unlock_irqrestore(&b->mag.depot.lock, flags);
	return xtest_stay();
}

/* What was hidden below is there again. */
static void show_all_below(struct backend *b)
{
	unsigned int i;

	b->nr = 0;
	for (i = 0; i < NR_OBJS; i++)
		if (b->where[i] == BELOW)
			b->stack[b->nr++] = &b->where[i];
}

/* All magazines are emptied meanwhile. Expect what the popped one held to be below, too. */
static void xmag_test_drain_waits(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	init_completion(&b->begun);
	pin(test, cpu);
	move_all_up(test, b);
	show_all_below(b);
	KUNIT_ASSERT_EQ(test, b->mag.depot.nr_full, 1U);
	task = kthread_create(pop_and_wait, b, "xmag_test/popped");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	kthread_bind(task, cpumask_next(cpu, cpu_online_mask));
	close(b);
	wake_up_process(task);
	wait_for_completion(&b->begun);
	xmag_drain_closed(&b->mag);
	KUNIT_EXPECT_EQ(test, b->nr, NR_OBJS - 2 * SIZE);
	open(b);
	kthread_stop(task);
	check_balance(test, b, 2 * SIZE);
}

static void xmag_test_holder_away(struct kunit *test)
{
	const struct away *away = test->param_value;
	struct backend *b = start(test, SIZE, DEPOT);
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task;
	u64 begun;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	init_completion(&b->begun);
	pin(test, cpu);
	move_all_up(test, b);
	b->spill = away->spill;
	task = kthread_create(hold_depot, b, "xmag_test/away");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	kthread_bind(task, cpumask_next(cpu, cpu_online_mask));
	if (away->past)
		close(b);
	wake_up_process(task);
	wait_for_completion(&b->begun);
	begun = ktime_get_ns();
	KUNIT_EXPECT_NOT_NULL(test, take(b));
	kunit_info(test, "waited %llu us\n", div_u64(ktime_get_ns() - begun, NSEC_PER_USEC));
	if (away->past)
		open(b);
	kthread_stop(task);
	show_all_below(b);
	check_balance(test, b, 2 * SIZE + 1);
}

/*
 * An operation sees open magazines, is interrupted by one that shuts them, and finds that
 * they are parked. Expect the fast path not to be led back while they are shut, and to be
 * so after that.
 */
static void xmag_test_late_unpark(struct kunit *test)
{
	struct backend *b = start_parked(test);

	xmag_close(&b->mag);
	xmag_unpark(&b->mag);		/* of the operation that saw them open */
	KUNIT_EXPECT_EQ(test, atomic_read(&b->told), 1);
	KUNIT_EXPECT_TRUE(test, b->mag.cpus != b->mag.own);
	xmag_unshut(&b->mag);
	KUNIT_EXPECT_TRUE(test, b->mag.cpus == b->mag.own);
	check_balance(test, b, 0);
}

/*
 * Magazines are alternately parked and closed while CPUs lead the fast path back. Expect
 * closed ones to stay empty, whichever CPU was about to lead the fast path back.
 */
static void park_for(struct kunit *test, struct backend *b, unsigned long jiffies_long)
{
	unsigned long end = jiffies + jiffies_long, rounds;
	struct xmag_count count;

	for (rounds = 0; rounds < 3 || time_before(jiffies, end); rounds++) {
		b->watch.asleep = true;
		xmag_park(&b->mag);
		close(b);
		xmag_drain_closed(&b->mag);
		usleep_range(1, 10);
		xmag_count(&b->mag, &count);
		KUNIT_EXPECT_EQ(test, count.cpus + count.depot, 0UL);
		open(b);
		usleep_range(1, 10);
	}
}

static void xmag_test_park_under_load(struct kunit *test)
{
	struct backend *b = start_parked(test);
	struct crew crew;

	start_workers(test, b, &crew);
	park_for(test, b, HZ / 2);
	dismiss(test, &crew);
	KUNIT_EXPECT_GT(test, atomic_read(&b->told), 0);
	kunit_info(test, "woken %d times\n", atomic_read(&b->told));
	check_balance(test, b, 0);
}

/* Warm this CPU's magazines, then use the fast path alone; how many it took. */
static long take_by_fast_path(void *data)
{
	struct backend *b = data;
	void *obj;
	long hits = 0;

	give(b, take(b));
	preempt_disable();
	while (xmag_try_alloc(&b->mag.cpus, &obj, false)) {
		move(b, obj, ABOVE, CLIENT);
		give(b, obj);
		if (++hits == 5)
			break;
	}
	preempt_enable();
	return hits;
}

/*
 * Expect the fast path of a CPU to find what the slow path of that CPU loaded, and
 * to count it there: another CPU's magazines, or some that all share, would do as
 * well for as long as no other CPU uses them.
 */
static void xmag_test_own_cpu(struct kunit *test)
{
	struct backend *b = start(test, SIZE, DEPOT);
	unsigned long before;
	int cpu;

	for_each_online_cpu(cpu) {
		struct xmag_cpu *own = per_cpu_ptr(b->mag.own, cpu);

		KUNIT_EXPECT_PTR_EQ(test, own->top, own->bottom);
		before = own->allocs;
		KUNIT_EXPECT_EQ(test, 5L, work_on_cpu(cpu, take_by_fast_path, b));
		KUNIT_EXPECT_EQ(test, own->allocs, before + 1 + 5);
		KUNIT_EXPECT_EQ(test, own->top - own->bottom, (long)SIZE);
	}
	check_balance(test, b, 0);
}

static struct kunit_case xmag_test_cases[] = {
	KUNIT_CASE(xmag_test_order),
	KUNIT_CASE(xmag_test_own_cpu),
	KUNIT_CASE(xmag_test_irqs_off),
	KUNIT_CASE_PARAM(xmag_test_holder_away, away_gen_params),
	KUNIT_CASE(xmag_test_drain_waits),
	KUNIT_CASE(xmag_test_fill),
	KUNIT_CASE(xmag_test_hysteresis),
	KUNIT_CASE(xmag_test_depot_full),
	KUNIT_CASE(xmag_test_depot_empty),
	KUNIT_CASE(xmag_test_exhaustion),
	KUNIT_CASE(xmag_test_busy),
	KUNIT_CASE(xmag_test_closed),
	KUNIT_CASE(xmag_test_parked),
	KUNIT_CASE(xmag_test_parked_closed),
	KUNIT_CASE(xmag_test_late_unpark),
	KUNIT_CASE(xmag_test_drain_all_cpus),
	KUNIT_CASE(xmag_test_across_cpus),
	KUNIT_CASE_PARAM(xmag_test_random, shape_gen_params),
	KUNIT_CASE(xmag_test_no_memory),
	KUNIT_CASE(xmag_test_hotplug),
	KUNIT_CASE(xmag_test_close_under_load),
	KUNIT_CASE(xmag_test_park_under_load),
	{}
};

static struct kunit_suite xmag_test_suite = {
	.name = "xmag",
	.init = xmag_test_init,
	.exit = xmag_test_exit,
	.test_cases = xmag_test_cases,
};

kunit_test_suite(xmag_test_suite);

MODULE_DESCRIPTION("Tests of xalloc's magazines");
MODULE_LICENSE("GPL");
