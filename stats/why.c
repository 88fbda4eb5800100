// SPDX-License-Identifier: GPL-2.0
/*
 * stats/why: why a region stays
 *
 * One live object holds its slab, and that its region. `why` walks over the states of
 * the pages of each 4 MiB and tells for each cache how many live objects it has
 * there. It takes no lock but the registry, so that pages may change hands under
 * its eyes; caches, whose names it prints, cannot go meanwhile.
 */
#include <linux/seq_file.h>
#include <linux/string.h>

#include "stats.h"

#define PINNED_MAX	XPOOL_LARGEST_PAGES	/* caches in a region: one a page */

struct pinning_cache {
	struct xslab_cache	*cache;
	unsigned long		objects;
	unsigned long		pages;
};

/**
 * struct pinned - what is found in one region
 * @clients: pages that clients hold
 * @kept: pages that they freed and that are kept for the next
 * @slabs: pages of slabs
 * @heaps: pages of heaps
 * @nr: caches in @by
 * @by: caches with slabs here
 */
struct pinned {
	unsigned long		clients;
	unsigned long		kept;
	unsigned long		slabs;
	unsigned long		heaps;
	unsigned int		nr;
	struct pinning_cache	by[PINNED_MAX];
};

static struct pinning_cache *find_pinning_cache(struct pinned *pins, struct xslab_cache *cache)
{
	unsigned int i;

	for (i = 0; i < pins->nr; i++)
		if (pins->by[i].cache == cache)
			return &pins->by[i];
	if (pins->nr == PINNED_MAX)
		return NULL;
	pins->by[pins->nr] = (struct pinning_cache){ .cache = cache };
	return &pins->by[pins->nr++];
}

/* A slab that has no cache yet, or any more, is on its way. */
static void pinned_by_slab(struct pinned *pins, struct xpage *slab, unsigned long pages)
{
	struct xslab_cache *cache = owner_of(slab);
	struct pinning_cache *by = cache ? find_pinning_cache(pins, cache) : NULL;

	pins->slabs += pages;
	if (!by)
		return;
	by->objects += xslab_live_in(cache, slab);
	by->pages += pages;
}

/* Look at the pages of region @nr. A block may change while it is looked at. */
static void find_pins(struct xpool *pool, unsigned long nr, struct pinned *pins)
{
	unsigned long i = max(nr * XPOOL_LARGEST_PAGES, pool->start >> PAGE_SHIFT);
	unsigned long end = min((nr + 1) * XPOOL_LARGEST_PAGES, pool->buddy.nr), pages;

	memset(pins, 0, offsetof(struct pinned, by));
	for (; i < end; i += pages) {
		struct xpage *page = &pool->pages[i];
		u16 kind = READ_ONCE(page->kind);

		pages = 1;
		if (kind == XPAGE_NONE)
			continue;
		pages = min(1UL << READ_ONCE(page->order), end - i);
		if (kind == XPAGE_SLAB)
			pinned_by_slab(pins, page, pages);
		else if (kind == XPAGE_LIVE)
			pins->clients += pages;
		else if (kind == XPAGE_HEAP)
			pins->heaps += pages;
		else
			pins->kept += pages;
	}
}

static void show_pins(struct seq_file *m, unsigned long nr, const struct pinned *pins)
{
	unsigned long used = pins->clients + pins->kept + pins->slabs + pins->heaps;
	unsigned int i;

	if (!used)
		return;
	seq_printf(m, "%lu used %lu clients %lu kept %lu slabs %lu heaps %lu", nr, used,
		   pins->clients, pins->kept, pins->slabs, pins->heaps);
	for (i = 0; i < pins->nr; i++) {
		const struct pinning_cache *by = &pins->by[i];

		seq_printf(m, " cache %lu %lu %s", by->objects, by->pages,
			   xslab_cache_name(by->cache));
	}
	seq_putc(m, '\n');
}

/* Caches, whose names are shown, stay while the registry is held. */
void xstats_show_why(struct seq_file *m, void *object)
{
	static struct pinned pins;	/* under the registry */
	struct xpool *pool = object;
	unsigned long nr;

	for (nr = 0; nr << XBUDDY_MAX_ORDER < pool->buddy.nr && !seq_has_overflowed(m); nr++) {
		mutex_lock(&xpool_registry);
		find_pins(pool, nr, &pins);
		show_pins(m, nr, &pins);
		mutex_unlock(&xpool_registry);
		cond_resched();
	}
}
