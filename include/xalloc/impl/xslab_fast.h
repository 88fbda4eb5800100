/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast paths of xslab_cache_alloc() and xslab_cache_free(), inline in the caller; what
 * is rare is a call. The theory is at the top of xslab.c and xmag.c.
 *
 * A CPU executes fewer loads in a cycle than other instructions. So a free would rather execute
 * one more instruction than load one more value: it computes an object's place in its slab from
 * what it has loaded already, and takes live_shift, which it needs to find the live byte, for the
 * sign that there are live bytes.
 *
 * Nothing here is for clients to use, but the two macros at the end. A client is built
 * for one build of xalloc, as modules are for one build of the kernel: xslab_fast_stamp()
 * tells them apart, and XSLAB_NO_INLINE makes a client that has nothing of this.
 *
 * Magazines hold linear addresses (xlinear.h), here called @at; @obj is what the client has.
 */
#ifndef _XALLOC_XSLAB_FAST_H
#define _XALLOC_XSLAB_FAST_H

#include <linux/gfp.h>
#include <asm/barrier.h>

#include <xalloc/impl/xlinear.h>
#include <xalloc/impl/xmag.h>
#include <xalloc/impl/xstamp.h>

/**
 * struct xslab_check - what it takes to look whether an object is one to free
 * @live: the live bytes, by address
 * @live_shift: log2 of the distance of addresses that have a live byte each; 0 where there
 *	is no @live
 * @tag: the live byte of an object of this cache that is in a magazine, or on the way
 * @recip: 2^64 / stride, rounded up
 * @bias: stride - 1 - slack: where an object starts, stride divides 1 + this + its offset
 * @nr_recip: 2^32 / stride, rounded up
 * @nr_slack: slack times @nr_recip
 *
 * Loops over many objects make a copy, because each store to a live byte might
 * change the original as far as the compiler knows.
 */
struct xslab_check {
	u8	*live;
	u8	live_shift;
	u8	tag;
	u64	recip;
	u64	bias;
	u64	nr_recip;
	u64	nr_slack;
};

/**
 * struct xslab_fast - what each operation reads of a cache
 * @cpus: the magazines, or those that are busy for ever
 * @check: objects
 * @slab_mask: rounds down to a slab
 * @base: bias bytes before the first slab of the pool
 * @bytes: where slabs can start, from the first one on
 * @first_owner: where the state of the first slab names its cache
 * @unread: where fast paths write in the line of struct xmag_cpu, as are the last of @check
 * @linear: how addresses lead to linear ones, and back
 */
struct xslab_fast {
	struct xmag_cpu __percpu	*cpus;
	struct xslab_check		check;
	unsigned long			slab_mask;
	unsigned long			base;
	unsigned long			bytes;
	struct xslab_cache		**first_owner;
	unsigned long			unread[4];
	struct xlinear			linear;
};

/* The distance between the states of two pages: log2 of bytes. */
#define XSLAB_STATE_SHIFT	6

/*
 * Where in the cache it is. A cache starts at a multiple of 2 KiB, as large objects do, and
 * clients write to the start of an object after each allocation. A fast path that then read
 * the start of the cache, half a page or none from there, would wait; see struct xmag_cpu.
 */
#define XSLAB_FAST		L1_CACHE_BYTES

static __always_inline const struct xslab_fast *xslab_fast(const struct xslab_cache *cache)
{
	return (const void *)cache + XSLAB_FAST;
}

/*
 * Flags of requests with more to do than to hand out an object, or that may not be able to use
 * it. See pool/gfp.c.
 */
#define XSLAB_GFP_SPECIAL	(__GFP_ZERO | __GFP_DMA | __GFP_DMA32)

/*
 * What a live byte says: XSLAB_IN_SLAB, XSLAB_LIVE, or the tag of the cache that has the
 * object in a magazine. The theory is at the top of slab/check.c.
 */
#define XSLAB_IN_SLAB		0	/* free in its slab, or no object at all */
#define XSLAB_LIVE		1	/* a client has it */

/* What is left to slab/alloc.c and slab/free.c; "off": called with preemption off. */
void *xslab_alloc_missed(struct xslab_cache *cache, gfp_t gfp);			/* off */
void *xslab_alloc_again(struct xslab_cache *cache, void *at, gfp_t gfp);	/* off */
void *xslab_alloc_special(struct xslab_cache *cache, gfp_t gfp);
int xslab_free_missed(struct xslab_cache *cache, void *at);			/* off */
int xslab_free_unaccepted(struct xslab_cache *cache, void *obj);		/* off */

/* Change a live byte. Returns false if it does not say @from. */
static __always_inline bool xslab_change_live(u8 *live, u8 from, u8 to)
{
	/* Two CPUs come here for one object only by a client's error; see slab/check.c. */
	if (unlikely(data_race(*live) != from))
		return false;
	WRITE_ONCE(*live, to);
	return true;
}

/*
 * Load a live byte before all that is loaded behind xslab_loaded_live(). On x86 loads keep
 * their order; User Mode Linux has a fence for smp_load_acquire() nevertheless.
 */
#ifdef CONFIG_X86_64
/* Two CPUs come here for one object only by a client's error. */
#define xslab_load_live(live)	data_race(*(live))
#define xslab_loaded_live()	barrier()	/* pairs with locks: a slab changes hands */
#else
/* Two CPUs come here for one object only by a client's error. */
#define xslab_load_live(live)	smp_load_acquire(live)
#define xslab_loaded_live()	do { } while (0)
#endif

static __always_inline u8 *xslab_live_at(const struct xslab_check *check, const void *at)
{
	return &check->live[(unsigned long)at >> check->live_shift];
}

/* Is there a live byte to look at? */
static __always_inline bool xslab_has_live(const struct xslab_check *check)
{
	return check->live_shift;
}

/* Is the slab that starts at @slab, from base, one of the cache? */
static __always_inline bool xslab_owns(const struct xslab_cache *cache, unsigned long slab)
{
	/* Slabs start at pages: one shift instead of a division and a product. */
	void *owner = (void *)xslab_fast(cache)->first_owner +
		      (slab >> (PAGE_SHIFT - XSLAB_STATE_SHIFT));

	/* It changes only while the slab has no live object. */
	return data_race(*(struct xslab_cache **)owner) == cache;
}

/*
 * Does an object start @in bytes into a slab, plus the bias? See slab/geometry.c. This is whether
 * the sum wraps.
 */
static __always_inline bool xslab_is_start(const struct xslab_check *check, u64 in)
{
	u64 recip = check->recip, product = in * recip;

	/* Else gcc multiplies one more, and needs an instruction to add that. */
	OPTIMIZER_HIDE_VAR(product);
	return product + recip < recip;
}

/*
 * Is this, which is @in bytes behind base, an object to free? Its byte becomes the cache's tag.
 * The byte is looked at before the owner, and with preemption off: see slab/check.c.
 */
static __always_inline bool xslab_accept_at(const struct xslab_cache *cache, const void *at,
					    unsigned long in)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	const struct xslab_check *check = &fast->check;
	unsigned long slab = in & fast->slab_mask;
	u8 *live;

	/* The difference is wanted, not a mask of the other bits. */
	OPTIMIZER_HIDE_VAR(slab);
	if (unlikely(!xslab_is_start(check, in - slab)))
		return false;
	if (unlikely(!xslab_has_live(check)))
		return likely(xslab_owns(cache, slab));
	live = xslab_live_at(check, at);
	if (unlikely(xslab_load_live(live) != XSLAB_LIVE))
		return false;
	xslab_loaded_live();
	if (unlikely(!xslab_owns(cache, slab)))
		return false;
	WRITE_ONCE(*live, check->tag);
	return true;
}

/* Is an object that comes out of a magazine one to hand out? Marks it live. */
static __always_inline bool xslab_hand_out(const struct xslab_cache *cache, const void *at)
{
	const struct xslab_fast *fast = xslab_fast(cache);

	if (likely(xslab_has_live(&fast->check)))
		return xslab_change_live(xslab_live_at(&fast->check, at), fast->check.tag,
					 XSLAB_LIVE);
	/* It may have been freed twice, and its slab may have another owner by now. */
	return xslab_owns(cache, ((unsigned long)at - fast->base) & fast->slab_mask);
}

static __always_inline void *xslab_alloc_fast(struct xslab_cache *cache, gfp_t gfp)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	void *at;

	if (unlikely(gfp & XSLAB_GFP_SPECIAL))
		return xslab_alloc_special(cache, gfp);
	preempt_disable();
	if (unlikely(!xmag_try_alloc(&fast->cpus, &at, false)))
		return xslab_alloc_missed(cache, gfp);
	if (unlikely(!xslab_hand_out(cache, at)))
		return xslab_alloc_again(cache, at, gfp);
	preempt_enable();
	return xlinear_addr(&fast->linear, at);
}

/* An object, at linear address @at in the cache's pool. Begins with preemption off. */
static __always_inline int xslab_free_at(struct xslab_cache *cache, void *obj, void *at)
{
	const struct xslab_fast *fast = xslab_fast(cache);

	if (unlikely(!xslab_accept_at(cache, at, (unsigned long)at - fast->base)))
		return xslab_free_unaccepted(cache, obj);
	if (unlikely(!xmag_try_free(&fast->cpus, at)))
		return xslab_free_missed(cache, at);
	preempt_enable();
	return 0;
}

static __always_inline int xslab_free_fast(struct xslab_cache *cache, void *obj)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	void *at;

	preempt_disable();
	at = (void *)xlinear_of(&fast->linear, obj);
	if (unlikely((unsigned long)at - fast->base >= fast->bytes))
		return xslab_free_unaccepted(cache, obj);
	return xslab_free_at(cache, obj, at);
}

/* Of all that the functions above know; never 0. */
static __always_inline u32 xslab_fast_stamp(void)
{
	u32 stamp = XSTAMP_START;

	stamp = XSTAMP_FIELD(stamp, xmag_cpu, bottom);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, end);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, previous);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, previous_full);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, busy);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, top);
	stamp = XSTAMP_FIELD(stamp, xmag_cpu, allocs);
	stamp = xstamp_add(stamp, sizeof(struct xmag_cpu));
	stamp = XSTAMP_FIELD(stamp, xslab_check, live);
	stamp = XSTAMP_FIELD(stamp, xslab_check, live_shift);
	stamp = XSTAMP_FIELD(stamp, xslab_check, tag);
	stamp = XSTAMP_FIELD(stamp, xslab_check, recip);
	stamp = XSTAMP_FIELD(stamp, xslab_check, bias);
	stamp = xstamp_add(stamp, sizeof(struct xslab_check));
	stamp = XSTAMP_FIELD(stamp, xslab_fast, cpus);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, check);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, slab_mask);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, base);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, bytes);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, first_owner);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, linear.to);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, linear.mask);
	stamp = XSTAMP_FIELD(stamp, xslab_fast, linear.from);
	stamp = xstamp_add(stamp, XLINEAR_SHIFT);
	stamp = xstamp_add(stamp, sizeof(struct xslab_fast));
	stamp = xstamp_add(stamp, XSLAB_FAST);
	stamp = xstamp_add(stamp, PAGE_SHIFT - XSLAB_STATE_SHIFT);
	stamp = xstamp_add(stamp, (__force u32)XSLAB_GFP_SPECIAL);
	stamp = xstamp_add(stamp, XSLAB_LIVE);
	return stamp | 1U;
}

/*
 * A client that takes the address of the functions gets the exported ones, which do the
 * same. So do all clients where copies would be large, or where small ones are wanted.
 */
#if !defined(CONFIG_KASAN) && !defined(CONFIG_KCSAN) && !defined(CONFIG_KMSAN) && \
	!defined(CONFIG_CC_OPTIMIZE_FOR_SIZE)
#define xslab_cache_alloc(cache, gfp)	xslab_alloc_fast(cache, gfp)
#define xslab_cache_free(cache, obj)	xslab_free_fast(cache, obj)
#endif

#endif
