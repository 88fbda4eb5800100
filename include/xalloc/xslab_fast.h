/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fast paths of xslab_cache_alloc() and xslab_cache_free(), inline in the caller. A
 * pair with all checks is 69 instructions so, without live checks 57; two calls would be
 * nine more. That takes 0.72 and 0.61 of SLUB's time (ns, User Mode Linux, on an Intel
 * Golden Cove). What is rare is a call. The theory is at the top of xslab.c and xmag.c.
 *
 * Time goes with the accesses to memory more than with instructions: these CPUs make three
 * a cycle, and a free had 25 in ten cycles. So what the checks of a free load is used twice:
 * 2 loads less and an instruction more, 16 bytes 3.25 ns and 3.12 on an AMD Zen 4. And the
 * shift that finds the live byte says whether there is one: a load less, and an instruction
 * more where there is none. With that of xmag_set_top(), batches of 128 objects of 64 bytes,
 * freed: 3.06 ns and 2.58 with checks, 2.54 and 2.36 without, on a Golden Cove.
 *
 * Nothing here is for clients to use, but the two macros at the end. A client is built
 * for one build of xalloc, as modules are for one build of the kernel.
 */
#ifndef _XALLOC_XSLAB_FAST_H
#define _XALLOC_XSLAB_FAST_H

#include <linux/gfp.h>

#include <xalloc/xmag.h>

/**
 * struct xslab_check - what it takes to look whether an object is one to free
 * @live: the live bytes, by address
 * @live_shift: log2 of the distance of addresses that have a live byte each; 0 where there
 *	is no @live, or are several regions
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
 * @near_base: bias bytes before the first slab of the pool's only region
 * @near_bytes: where slabs can start, from the first one on; 0 where there are several regions
 * @near_owners: where the state of the first slab names its cache
 */
struct xslab_fast {
	struct xmag_cpu __percpu	*cpus;
	struct xslab_check		check;
	unsigned long			slab_mask;
	unsigned long			near_base;
	unsigned long			near_bytes;
	struct xslab_cache		**near_owners;
};

/* The states of pages lie so far apart: log2 of bytes. */
#define XSLAB_STATE_SHIFT	6

/*
 * Where in the cache it is. A cache starts at a multiple of 2 KiB, as large objects do, and
 * clients write to the begin of an object after each allocation. See struct xmag_cpu: who
 * then read the begin of the cache, half a page or none from there, would wait.
 */
#define XSLAB_FAST		L1_CACHE_BYTES

static __always_inline const struct xslab_fast *xslab_fast(const struct xslab_cache *cache)
{
	return (const void *)cache + XSLAB_FAST;
}

/* What is left to xslab.c. Those that say so are called with preemption off. */
void *xslab_alloc_missed(struct xslab_cache *cache, gfp_t gfp);			/* off */
void *xslab_alloc_again(struct xslab_cache *cache, void *obj, gfp_t gfp);	/* off */
void *xslab_alloc_zeroed(struct xslab_cache *cache, void *obj);			/* off */
int xslab_free_missed(struct xslab_cache *cache, void *obj);			/* off */
int xslab_free_odd(struct xslab_cache *cache, void *obj);

/* Change the live byte; false: it says @on already. */
static __always_inline bool xslab_set_live(u8 *live, u8 on)
{
	/* Two CPUs come here for one object only by a client's error; see xslab.c. */
	if (unlikely(data_race(*live) == on))
		return false;
	WRITE_ONCE(*live, on);
	return true;
}

static __always_inline bool xslab_set_near_live(const struct xslab_check *check,
						const void *obj, u8 on)
{
	return xslab_set_live(&check->live[(unsigned long)obj >> check->live_shift], on);
}

/* Is there a live byte to look at? */
static __always_inline bool xslab_has_live(const struct xslab_check *check)
{
	return check->live_shift;
}

/* Is the slab that starts at @slab, from near_base, one of the cache? */
static __always_inline bool xslab_owns_near(const struct xslab_cache *cache,
					    unsigned long slab)
{
	/* Slabs start at pages: one shift instead of a division and a product. */
	void *owner = (void *)xslab_fast(cache)->near_owners +
		      (slab >> (PAGE_SHIFT - XSLAB_STATE_SHIFT));

	/* It changes only while the slab has no live object. */
	return data_race(*(struct xslab_cache **)owner) == cache;
}

/*
 * Does an object start @in bytes into a slab, plus the bias? See xslab.c. This is whether
 * the sum wraps.
 */
static __always_inline bool xslab_is_start(const struct xslab_check *check, u64 in)
{
	u64 recip = check->recip, product = in * recip;

	/* Else gcc multiplies one more, and needs an instruction to add that. */
	OPTIMIZER_HIDE_VAR(product);
	return product + recip < recip;
}

/* Is this, which is @in bytes behind near_base, an object to free? Marks it dead. */
static __always_inline bool xslab_accept_near(const struct xslab_cache *cache,
					      const void *obj, unsigned long in)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	const struct xslab_check *check = &fast->check;
	unsigned long slab = in & fast->slab_mask;

	/* The difference is wanted, not a mask of the other bits. */
	OPTIMIZER_HIDE_VAR(slab);
	return likely(xslab_is_start(check, in - slab)) &&
	       likely(xslab_owns_near(cache, slab)) &&
	       (unlikely(!xslab_has_live(check)) || likely(xslab_set_near_live(check, obj, 0)));
}

static __always_inline void *xslab_alloc_fast(struct xslab_cache *cache, gfp_t gfp)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	void *obj;

	preempt_disable();
	if (unlikely(!xmag_try_alloc(&fast->cpus, &obj, false)))
		return xslab_alloc_missed(cache, gfp);
	if (likely(xslab_has_live(&fast->check)) &&
	    unlikely(!xslab_set_near_live(&fast->check, obj, 1)))
		return xslab_alloc_again(cache, obj, gfp);
	if (unlikely(gfp & __GFP_ZERO))
		return xslab_alloc_zeroed(cache, obj);
	preempt_enable();
	return obj;
}

static __always_inline int xslab_free_fast(struct xslab_cache *cache, void *obj)
{
	const struct xslab_fast *fast = xslab_fast(cache);
	unsigned long in = (unsigned long)obj - fast->near_base;

	if (unlikely(in >= fast->near_bytes) || unlikely(!xslab_accept_near(cache, obj, in)))
		return xslab_free_odd(cache, obj);
	preempt_disable();
	if (unlikely(!xmag_try_free(&fast->cpus, obj, false)))
		return xslab_free_missed(cache, obj);
	preempt_enable();
	return 0;
}

/*
 * Whoever takes the address of the functions gets the exported ones, which do the same.
 * So does everybody where copies would be large, or where small ones are wanted.
 */
#if !defined(CONFIG_KASAN) && !defined(CONFIG_KCSAN) && !defined(CONFIG_CC_OPTIMIZE_FOR_SIZE)
#define xslab_cache_alloc(cache, gfp)	xslab_alloc_fast(cache, gfp)
#define xslab_cache_free(cache, obj)	xslab_free_fast(cache, obj)
#endif

#endif
