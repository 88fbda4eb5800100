// SPDX-License-Identifier: GPL-2.0
/*
 * slab/sort: each partial slab on the list where it belongs
 *
 * A free leaves a partial slab on its list (lists.c). Compaction and tearing begin with the
 * emptiest slabs, so they have all of them sorted first.
 */
#include <linux/sched.h>

#include "slab.h"

/*
 * The first slab of a list goes where it belongs, which may be the end of the same one:
 * these are counted, and *@stop is the first of them. Returns false if there are no others.
 */
static bool sort_first(struct xslab_cache *cache, unsigned int list, struct xpage **stop,
		       unsigned long *nr)
{
	struct xpage *slab;
	unsigned long flags;
	bool goes_on;

	xslab_lock(cache, &flags);
	slab = list_first_entry_or_null(&cache->lists[list], struct xpage, list);
	goes_on = slab && slab != *stop;
	if (goes_on && !xslab_refile(cache, slab, list)) {
		list_move_tail(&slab->list, &cache->lists[list]);
		*stop = *stop ?: slab;
		++*nr;
	}
	xslab_unlock(cache, flags);
	return goes_on;
}

/*
 * Move all partial slabs to the lists where they belong, for a caller that begins with the
 * emptiest; others may come and go meanwhile. @nr: how many are on each. Process context.
 */
void xslab_sort(struct xslab_cache *cache, unsigned long *nr)
{
	unsigned int l;

	for (l = 0; l < XSLAB_BUCKETS; l++) {
		unsigned long most = READ_ONCE(cache->nr[XSLAB_PARTIAL]);
		struct xpage *stop = NULL;

		nr[l] = 0;
		while (most-- && sort_first(cache, l, &stop, &nr[l]))
			cond_resched();
	}
}
