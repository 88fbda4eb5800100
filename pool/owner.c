// SPDX-License-Identifier: GPL-2.0
/*
 * pool/owner: address to pool, for pools that grow
 *
 * Addresses
 *
 * No table may need to grow when a region comes. So the table from address to
 * page number, which each pool of several regions has, here covers all memory that
 * the system had when the pool was made: two words for each 4 MiB. A table of half
 * that size, shared by all pools that grow, leads from an address to its pool.
 * A region is published in both by a store with release after it has been set up,
 * and taken out of both before the system gets it. A lookup takes no lock. It is
 * certain for an address that a client holds, because its region stays; for
 * another one it may see what was there an instant ago, finds no block there, and
 * refuses it. What it may read, the arrays of struct xpage and of regions, stays
 * as long as the pool.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/rcupdate.h>

#include "pool.h"

struct xowners {
	unsigned long	first;
	unsigned long	nr;
	unsigned int	users;		/* pools; under xpool_registry */
	struct xpool	*of[];
};

static struct xowners *xowners;

/* Which chunks of addresses the memory of the system lies in. */
void xgrow_direct_map(unsigned long *first, unsigned long *nr)
{
	unsigned long start = ULONG_MAX, end = 0;
	int nid;

	for_each_online_node(nid) {
		start = min_t(unsigned long, start, node_start_pfn(nid));
		end = max_t(unsigned long, end, node_end_pfn(nid));
	}
	*first = (unsigned long)__va(PFN_PHYS(start)) >> XPOOL_CHUNK_SHIFT;
	*nr = ((unsigned long)__va(PFN_PHYS(end) - 1) >> XPOOL_CHUNK_SHIFT) - *first + 1;
}

/* One more pool uses the table, if there is one. */
static bool share_owners(void)
{
	lockdep_assert_held(&xpool_registry);
	if (xowners)
		xowners->users++;
	return xowners;
}

/* Two pools that are created at once may both make one: one of them is too many. */
int xgrow_get_owners(void)
{
	unsigned long first, nr;
	struct xowners *new;
	bool shared;

	mutex_lock(&xpool_registry);
	shared = share_owners();
	mutex_unlock(&xpool_registry);
	if (shared)
		return 0;
	xgrow_direct_map(&first, &nr);
	new = xmeta_alloc(struct_size(new, of, nr));
	if (!new)
		return -ENOMEM;
	new->first = first;
	new->nr = nr;
	new->users = 1;
	mutex_lock(&xpool_registry);
	if (!share_owners()) {
		/* Pairs with xgrow_owner_slot(). */
		smp_store_release(&xowners, new);
		new = NULL;
	}
	mutex_unlock(&xpool_registry);
	xmeta_free(new);
	return 0;
}

void xgrow_put_owners(void)
{
	struct xowners *old = NULL;

	mutex_lock(&xpool_registry);
	if (!--xowners->users) {
		old = xowners;
		WRITE_ONCE(xowners, NULL);
	}
	mutex_unlock(&xpool_registry);
	if (!old)
		return;
	synchronize_rcu_expedited();
	xmeta_free(old);
}

struct xpool **xgrow_owner_slot(unsigned long addr)
{
	struct xowners *owners;
	unsigned long slot;

	/* Pairs with xgrow_get_owners(). */
	owners = smp_load_acquire(&xowners);
	if (!owners)
		return NULL;
	slot = (addr >> XPOOL_CHUNK_SHIFT) - owners->first;
	return slot < owners->nr ? &owners->of[slot] : NULL;
}

/* The pool that has grown to @addr, or NULL. With preemption off, like xpool_page_any(). */
struct xpool *xgrow_owner(unsigned long addr)
{
	struct xpool **slot = xgrow_owner_slot(addr);

	return slot ? READ_ONCE(*slot) : NULL;
}
EXPORT_SYMBOL_FOR_KUNIT(xgrow_owner);

/* Is some of these @bytes in a region that a pool has grown by? */
bool xgrow_overlaps(unsigned long addr, unsigned long bytes)
{
	unsigned long chunk = addr >> XPOOL_CHUNK_SHIFT;
	unsigned long last = (addr + bytes - 1) >> XPOOL_CHUNK_SHIFT;

	lockdep_assert_held(&xpool_registry);
	if (!xowners)
		return false;
	chunk = max(chunk, xowners->first);
	last = min(last, xowners->first + xowners->nr - 1);
	for (; chunk <= last; chunk++)
		if (xgrow_owner(chunk << XPOOL_CHUNK_SHIFT))
			return true;
	return false;
}
