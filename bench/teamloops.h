/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loops of workloads for several CPUs, with one thread a CPU. They are the
 * well-known ones, with their usual parameters, in as little code as keeps what
 * each is about:
 *
 *	ring		one allocates, the other frees
 *	relay		like ring, but in batches, as xmalloc-test does
 *	larson		a server's memory: random blocks replaced, handed on from
 *			thread to thread
 *	scratch		does the allocator put objects of two CPUs into one cache
 *			line? Each starts from an object of the other
 *	thrash		like scratch, but without that object
 *	mstress		random sizes, much kept, some passed to any thread
 *
 * All threads of a team run the same function; run->thread tells their roles.
 */
#ifndef _XBENCH_TEAMLOOPS_H
#define _XBENCH_TEAMLOOPS_H

#include <linux/atomic.h>

#include "loops.h"

/*
 * Ring: pointers, and how many were put in and taken out, which each side tells
 * the other after a quarter of the slots, or 64. So what the two threads share
 * besides the objects costs little beside the allocator.
 */

static __always_inline unsigned long ring_step(const struct xring *ring)
{
	return clamp(ring->slots / 4, 1UL, 64UL);
}

static __always_inline int produce(const struct xops *ops, struct xrun *run)
{
	unsigned long made, used = 0, slot = 0, step = ring_step(run->ring), untold = 0;
	struct xring *ring = run->ring;
	void *obj;

	for (made = 0; made < run->nr; made++) {
		obj = ops->alloc(run);
		if (unlikely(!obj))
			return -ENOMEM;
		if (made - used == ring->slots && xbench_wait_past(&ring->used, &used, used))
			return -EINTR;
		run->objs[slot] = obj;
		if (++slot == ring->slots)
			slot = 0;
		if (++untold == step) {
			untold = 0;
			/* Pairs with the consumer's wait. */
			smp_store_release(&ring->made, made + 1);
		}
	}
	smp_store_release(&ring->made, made);	/* pairs with the consumer's wait */
	return 0;
}

static __always_inline int consume(const struct xops *ops, struct xrun *run)
{
	unsigned long used, made = 0, slot = 0, step = ring_step(run->ring), untold = 0;
	struct xring *ring = run->ring;

	for (used = 0; used < run->nr; used++) {
		if (made == used && xbench_wait_past(&ring->made, &made, used))
			return -EINTR;
		ops->free(run, run->objs[slot]);
		if (++slot == ring->slots)
			slot = 0;
		if (++untold == step) {
			untold = 0;
			/* Pairs with the producer's wait. */
			smp_store_release(&ring->used, used + 1);
		}
	}
	return 0;
}

/*
 * One slot needs no counts: its content shows whether it is full, so one line goes to and
 * fro, as seldom as can be.
 */

static __always_inline int hand_over(const struct xops *ops, struct xrun *run)
{
	void *obj, *was;
	unsigned long i;

	for (i = 0; i < run->nr; i++) {
		obj = ops->alloc(run);
		if (unlikely(!obj))
			return -ENOMEM;
		if (xbench_wait_slot(run->objs, false, &was))
			return -EINTR;
		smp_store_release(run->objs, obj);	/* pairs with the other's wait */
	}
	return 0;
}

static __always_inline int take_over(const struct xops *ops, struct xrun *run)
{
	unsigned long i;
	void *obj;

	for (i = 0; i < run->nr; i++) {
		if (xbench_wait_slot(run->objs, true, &obj))
			return -EINTR;
		ops->free(run, obj);
		smp_store_release(run->objs, NULL);	/* pairs with the other's wait */
	}
	return 0;
}

static __always_inline int ring(const struct xops *ops, struct xrun *run)
{
	if (run->ring->slots == 1)
		return run->thread & 1 ? take_over(ops, run) : hand_over(ops, run);
	return run->thread & 1 ? consume(ops, run) : produce(ops, run);
}

/*
 * Relay: slots of one batch each. Full or not is a word of its own.
 */

static __always_inline int send(const struct xops *ops, struct xrun *run)
{
	struct xring *ring = run->ring;
	unsigned long done, i, slot = 0;

	for (done = 0; done < run->nr; done += run->batch) {
		void **objs = run->objs + slot * run->batch;

		if (xbench_wait_until(&ring->full[slot], 0))
			return -EINTR;
		for (i = 0; i < run->batch; i++) {
			objs[i] = ops->alloc(run);
			if (unlikely(!objs[i]))
				return -ENOMEM;
		}
		/* Pairs with the wait in receive(). */
		smp_store_release(&ring->full[slot], 1);
		if (++slot == ring->slots)
			slot = 0;
	}
	return 0;
}

static __always_inline int receive(const struct xops *ops, struct xrun *run)
{
	struct xring *ring = run->ring;
	unsigned long done, i, slot = 0;

	for (done = 0; done < run->nr; done += run->batch) {
		void **objs = run->objs + slot * run->batch;

		if (xbench_wait_until(&ring->full[slot], 1))
			return -EINTR;
		for (i = 0; i < run->batch; i++)
			ops->free(run, objs[i]);
		/* Pairs with the wait in send(). */
		smp_store_release(&ring->full[slot], 0);
		if (++slot == ring->slots)
			slot = 0;
	}
	return 0;
}

static __always_inline int relay(const struct xops *ops, struct xrun *run)
{
	return run->thread & 1 ? receive(ops, run) : send(ops, run);
}

/* A random object, 8 to 1,000 bytes, written to once. */
static __always_inline void *alloc_random(const struct xops *ops, struct xrun *run)
{
	void *obj;

	run->size = 8 + (xbench_fast_random(run) >> 8) % 993;
	obj = ops->alloc(run);
	if (likely(obj))
		WRITE_ONCE(*(unsigned long *)obj, run->size);
	return obj;
}

/*
 * larson: run->batch blocks a thread. After each round of run->batch * 10
 * replacements the blocks go on to the next thread, as if to a new one.
 */
static __always_inline int larson_round(const struct xops *ops, struct xrun *run,
					void **blocks)
{
	unsigned long i;

	for (i = 0; i < run->batch * 10; i++) {
		void **block = &blocks[(xbench_fast_random(run) >> 8) % run->batch];

		ops->free(run, *block);
		*block = alloc_random(ops, run);
		if (unlikely(!*block))
			return -ENOMEM;
	}
	return 0;
}

static __always_inline int larson_fill(const struct xops *ops, struct xrun *run,
				       void **blocks)
{
	unsigned long i;

	for (i = 0; i < run->batch; i++) {
		blocks[i] = alloc_random(ops, run);
		if (!blocks[i])
			return -ENOMEM;
	}
	return 0;
}

static __always_inline int larson(const struct xops *ops, struct xrun *run)
{
	unsigned int round, rounds = run->nr / (run->batch * 10);
	void **blocks = run->objs + run->thread * run->batch;
	unsigned long i;
	int err = larson_fill(ops, run, blocks);

	for (round = 1; round <= rounds && !err; round++) {
		err = larson_round(ops, run, blocks);
		if (!err && xbench_meet(run))
			return -EINTR;
		blocks = run->objs + (run->thread + round) % run->threads * run->batch;
	}
	for (i = 0; i < run->batch && !err; i++)
		ops->free(run, blocks[i]);
	return err;
}

/* scratch and thrash: an object of one byte, written to run->batch times. */
static __always_inline int scratch(const struct xops *ops, struct xrun *run, bool from_other)
{
	unsigned long turn, i;

	if (from_other && !run->thread)
		for (i = 0; i < run->threads; i++)
			run->objs[i] = ops->alloc(run);
	if (xbench_meet(run))
		return -EINTR;
	if (from_other)
		ops->free(run, run->objs[run->thread]);
	for (turn = 0; turn < run->nr; turn++) {
		u8 *obj = ops->alloc(run);

		if (!obj)
			return -ENOMEM;
		for (i = 0; i < run->batch; i++)
			WRITE_ONCE(*obj, *obj + i);
		ops->free(run, obj);
	}
	return 0;
}

/*
 * mstress: of run->batch allocations, half are kept to the end. Of the others,
 * two in three are freed soon, and one in four changes places with what another
 * thread left in a shared slot.
 */
#define MSTRESS_SLOTS	1000

static __always_inline void mstress_pass(struct xrun *run, void **obj)
{
	void **slot = &run->objs[(xbench_fast_random(run) >> 8) % MSTRESS_SLOTS];

	*obj = xchg(slot, *obj);
}

static __always_inline int mstress_turn(const struct xops *ops, struct xrun *run, void **mine)
{
	unsigned long kept = 0, made;
	void **kept_objs = mine, **objs = mine + run->batch / 2;
	unsigned long top = 0, at;

	for (made = 0; made < run->batch; made++) {
		void *obj = alloc_random(ops, run);

		if (unlikely(!obj))
			return -ENOMEM;
		if (made & 1)
			kept_objs[kept++] = obj;
		else
			objs[top++] = obj;
		at = (xbench_fast_random(run) >> 8) % top;
		if (objs[at] && (xbench_fast_random(run) >> 8) % 3) {
			ops->free(run, objs[at]);
			objs[at] = NULL;
		}
		if (!(xbench_fast_random(run) >> 30))
			mstress_pass(run, &objs[at]);
	}
	while (kept)
		ops->free(run, kept_objs[--kept]);
	while (top--)
		if (objs[top])
			ops->free(run, objs[top]);
	return 0;
}

static __always_inline int mstress(const struct xops *ops, struct xrun *run)
{
	void **mine = run->objs + MSTRESS_SLOTS + run->thread * run->batch;
	unsigned long done, i;
	int err = 0;

	for (done = 0; done < run->nr && !err; done += run->batch)
		err = mstress_turn(ops, run, mine);
	if (xbench_meet(run) || run->thread)
		return err;
	for (i = 0; i < MSTRESS_SLOTS; i++) {
		if (run->objs[i])
			ops->free(run, run->objs[i]);
		run->objs[i] = NULL;
	}
	return err;
}

#endif
