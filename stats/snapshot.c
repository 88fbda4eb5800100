// SPDX-License-Identifier: GPL-2.0
/*
 * stats/snapshot: what each page of a pool is, as JSON
 *
 * The format is in Documentation/debugfs.md; SNAPSHOT_VERSION changes with it.
 *
 * The file is written in steps while it is read. A step looks at some blocks, regions, chunks or
 * owners, and its text is that of one element of a seq_file. Where the next step begins is a
 * cursor. seq_file may ask for a step again with more room, so show() leaves the cursor, and
 * next() moves it.
 *
 *	head -> regions -> blocks -> chunks -> owners
 *
 * Blocks name their owners, caches and heaps, by numbers. An owner has its number from the first
 * of its blocks, and its name is kept, so that it can be told at the end, when it may be gone.
 *
 * Nothing stops for a snapshot. A step holds the registry, so that the caches that it looks at
 * stay; the pool's lock for a lookup of one block, of those that have no owner; and a heap's lock
 * for some of its chunks. Between two steps of one reader anything may change, so a snapshot is no
 * instant: each record was true when it was written. No lock or pin is held while a reader is
 * away.
 */
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "stats.h"

#define SNAPSHOT_VERSION	1
#define STEP		64U	/* regions, blocks or owners in a step */

enum state {
	STATE_FREE,
	STATE_SLAB,
	STATE_PAGES,
	STATE_HEAP,
	STATE_MAGAZINE,
	STATE_BUSY,
	STATE_HOLE,
};

#define NO_OWNER	(-1)

/**
 * struct owner - a cache or a heap that has pages here
 * @id: the cache, or the heap as a holder of pages: to be compared, as it may have gone
 * @is_heap: else it is a cache
 * @size: bytes of an object, or of a granule
 * @objects: in a slab; 0: it is a heap
 * @name: its name
 */
struct owner {
	const void	*id;
	bool		is_heap;
	unsigned int	size;
	unsigned int	objects;
	char		name[XSLAB_NAME_MAX];
};

/**
 * struct cursor - where a step begins
 * @part: which part of the file
 * @begun: its first line was written
 * @more: an element of its array was
 * @at: number of a region, of a page, of an owner
 * @region: blocks: the last region that begins at or below @at
 * @walk: chunks: where in a heap
 */
struct cursor {
	unsigned int		part;
	bool			begun;
	bool			more;
	unsigned long		at;
	unsigned long		region;
	struct xheap_walk	walk;
};

/**
 * struct snapshot - a file that is open
 * @now: where the step begins that is shown
 * @next: where it ends
 * @owners: by number
 * @nr_owners: how many there are
 * @max_owners: for how many there is room
 */
struct snapshot {
	struct cursor	now;
	struct cursor	next;
	struct owner	*owners;
	unsigned int	nr_owners;
	unsigned int	max_owners;
};

/**
 * struct block - a record: blocks in a row that are the same in all but their places
 * @first: page number
 * @pages: of each
 * @times: how many
 * @state: of each
 * @owner: number, or NO_OWNER
 * @live: objects that clients hold, in slabs
 * @free: objects that they do not
 */
struct block {
	unsigned long	first;
	unsigned long	pages;
	unsigned long	times;
	enum state	state;
	int		owner;
	unsigned int	live;
	unsigned int	free;
};

/*
 * Text
 */

static void begin_element(struct seq_file *m, struct cursor *c)
{
	seq_puts(m, c->more ? ",\n" : "\n");
	c->more = true;
}

/* A name is printable ASCII without blanks. */
static void put_string(struct seq_file *m, const char *text)
{
	seq_putc(m, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			seq_putc(m, '\\');
		seq_putc(m, *text);
	}
	seq_putc(m, '"');
}

/*
 * Head and regions
 */

static int show_head(struct seq_file *m, struct xpool *pool, struct snapshot *s, struct cursor *c)
{
	struct xpool_stats stats;

	xpool_stats(pool, &stats);
	seq_printf(m, "{\"xalloc_snapshot\":%d,\n\"pool\":", SNAPSHOT_VERSION);
	put_string(m, pool->name);
	seq_printf(m, ",\n\"time_ns\":%llu,\n\"page_size\":%lu,\n\"numbers\":%lu,\n\"total\":%llu,\n",
		   ktime_get_ns(), PAGE_SIZE, pool->buddy.nr, stats.total);
	seq_printf(m, "\"reserve\":%llu,\n", stats.reserve);
	seq_puts(m, "\"states\":[\"free\",\"slab\",\"pages\",\"heap\",\"magazine\",\"busy\",\"hole\"]");
	return 0;
}

static int show_regions(struct seq_file *m, struct xpool *pool, struct snapshot *s,
			struct cursor *c)
{
	unsigned long end = min(c->at + STEP, pool->nr_regions);

	for (; c->at < end; c->at++) {
		const struct xregion *region = &pool->regions[c->at];
		unsigned long nr = READ_ONCE(region->nr);

		if (!nr)
			continue;
		begin_element(m, c);
		seq_printf(m, "[%lu,%lu,\"0x%lx\"]", region->index, nr, READ_ONCE(region->addr));
	}
	return c->at < pool->nr_regions;
}

/*
 * Owners
 */

/* Room for those that one step may find. Without locks, as the system may reclaim for it. */
static int make_room(struct snapshot *s)
{
	unsigned int max = max(s->max_owners * 2, STEP);
	struct owner *owners;

	if (s->max_owners - s->nr_owners >= STEP)
		return 0;
	owners = kvmalloc_array(max, sizeof(*owners), GFP_KERNEL | __GFP_ZERO);
	if (!owners)
		return -ENOMEM;
	if (s->nr_owners)
		memcpy(owners, s->owners, s->nr_owners * sizeof(*owners));
	kvfree(s->owners);
	s->owners = owners;
	s->max_owners = max;
	return 0;
}

/* The number of an owner, which has a new one if it is met the first time. */
static int number_of(struct snapshot *s, const struct owner *owner)
{
	unsigned int i;

	for (i = s->nr_owners; i--;)
		if (s->owners[i].id == owner->id && !strcmp(s->owners[i].name, owner->name))
			return i;
	s->owners[s->nr_owners] = *owner;
	return s->nr_owners++;
}

static int number_of_cache(struct snapshot *s, const struct xslab_cache *cache)
{
	struct owner owner = {
		.id = cache, .size = cache->object_size, .objects = cache->per_slab,
	};

	strscpy(owner.name, xslab_cache_name(cache), sizeof(owner.name));
	return number_of(s, &owner);
}

static int number_of_heap(struct snapshot *s, const struct xheap *heap)
{
	struct owner owner = { .id = &heap->holder, .is_heap = true, .size = 1U << heap->shift };

	strscpy(owner.name, heap->name, sizeof(owner.name));
	return number_of(s, &owner);
}

static int show_owners(struct seq_file *m, struct xpool *pool, struct snapshot *s,
		       struct cursor *c)
{
	unsigned long end = min_t(unsigned long, c->at + STEP, s->nr_owners);

	for (; c->at < end; c->at++) {
		const struct owner *owner = &s->owners[c->at];

		begin_element(m, c);
		seq_printf(m, "[\"%s\",", owner->is_heap ? "heap" : "cache");
		put_string(m, owner->name);
		seq_printf(m, ",%u,%u]", owner->size, owner->objects);
	}
	return c->at < s->nr_owners;
}

/*
 * Blocks
 */

static void look_at_slab(struct snapshot *s, struct xpage *slab, struct block *block)
{
	struct xslab_cache *cache = owner_of(slab);
	unsigned int objects;

	block->state = STATE_SLAB;
	if (!cache)
		return;		/* on its way, or lost */
	objects = xslab_objects_in(cache, slab);
	block->owner = number_of_cache(s, cache);
	block->live = min(xslab_live_in(cache, slab), objects);
	block->free = objects - block->live;
}

static void look_at_heap(struct snapshot *s, const struct xpage *page, struct block *block)
{
	const struct xheap *heap = xheap_listed_find(READ_ONCE(page->holder));

	block->state = STATE_HEAP;
	if (heap)
		block->owner = number_of_heap(s, heap);
}

/* What @head, the first page of a block that has a kind, says. */
static void look_at_used(struct snapshot *s, struct xpage *head, enum xpool_page_kind kind,
			 struct block *block)
{
	switch (kind) {
	case XPAGE_SLAB:
		look_at_slab(s, head, block);
		break;
	case XPAGE_HEAP:
		look_at_heap(s, head, block);
		break;
	case XPAGE_LIVE:
		block->state = STATE_PAGES;
		break;
	case XPAGE_CACHED:
	case XPAGE_DEFERRED:
		block->state = STATE_MAGAZINE;
		break;
	case XPAGE_NONE:
		break;
	}
}

/* No block that is used begins at page @at: one that is free, or what came there meanwhile. */
static void look_around(struct xpool *pool, struct snapshot *s, unsigned long at,
			struct block *block)
{
	struct xbuddy_block found;
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(&pool->lock, flags);
	err = xbuddy_lookup(&pool->buddy, at, &found);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (err)
		return;
	block->pages = found.index + (1UL << found.order) - at;
	if (found.state == XBUDDY_FREE)
		block->state = STATE_FREE;
	else
		look_at_used(s, &pool->pages[found.index],
			     READ_ONCE(pool->pages[found.index].kind), block);
}

/* The pages from @at on that are no memory, or 0. *@end: where the region ends that @at is in. */
static unsigned long look_for_hole(const struct xpool *pool, struct cursor *c, unsigned long *end)
{
	const struct xregion *regions = pool->regions, *region;
	unsigned long nr;

	while (c->region + 1 < pool->nr_regions && regions[c->region + 1].index <= c->at)
		c->region++;
	region = &regions[c->region];
	nr = READ_ONCE(region->nr);
	*end = min(*end, pool->buddy.nr);
	if (c->at < region->index) {
		*end = min(*end, region->index);
	} else if (c->at < region->index + nr) {
		*end = min(*end, region->index + nr);
		return 0;
	} else if (c->region + 1 < pool->nr_regions) {
		*end = min(*end, regions[c->region + 1].index);
	}
	return *end - c->at;
}

/* The block at the cursor, which goes behind it. Under the registry. */
static struct block look_at_block(struct xpool *pool, struct snapshot *s, struct cursor *c)
{
	unsigned long at = c->at, end = round_down(at, XPOOL_LARGEST_PAGES) + XPOOL_LARGEST_PAGES;
	struct block block = {
		.first = at, .times = 1, .state = STATE_BUSY, .owner = NO_OWNER,
	};
	u16 state;

	block.pages = look_for_hole(pool, c, &end);
	if (block.pages) {
		block.state = STATE_HOLE;
	} else {
		state = READ_ONCE(pool->pages[at].state);
		block.pages = state >> 8 == XPAGE_NONE ? 1 : 1UL << (state & U8_MAX);
		if (state >> 8 == XPAGE_NONE)
			look_around(pool, s, at, &block);
		else
			look_at_used(s, &pool->pages[at], state >> 8, &block);
	}
	block.pages = clamp(block.pages, 1UL, end - at);
	c->at += block.pages;
	return block;
}

static bool is_same(const struct block *a, const struct block *b)
{
	return a->pages == b->pages && a->state == b->state && a->owner == b->owner &&
	       a->live == b->live && a->free == b->free;
}

static void show_block(struct seq_file *m, struct cursor *c, const struct block *block)
{
	begin_element(m, c);
	seq_printf(m, "[%lu,%lu,%u", block->first, block->pages, block->state);
	if (block->times > 1 || block->owner != NO_OWNER)
		seq_printf(m, ",%lu", block->times);
	if (block->owner != NO_OWNER)
		seq_printf(m, ",%d", block->owner);
	if (block->live || block->free)
		seq_printf(m, ",%u,%u", block->live, block->free);
	seq_putc(m, ']');
}

/* The caches that slabs name, and the heaps, stay while the registry is held. */
static int show_blocks(struct seq_file *m, struct xpool *pool, struct snapshot *s,
		       struct cursor *c)
{
	struct block last, block;
	unsigned int i;

	if (make_room(s))
		return -ENOMEM;
	mutex_lock(&xpool_registry);
	last = look_at_block(pool, s, c);
	for (i = 1; i < STEP && c->at < pool->buddy.nr; i++) {
		block = look_at_block(pool, s, c);
		if (is_same(&last, &block)) {
			last.times++;
			continue;
		}
		show_block(m, c, &last);
		last = block;
	}
	mutex_unlock(&xpool_registry);
	show_block(m, c, &last);
	cond_resched();
	return c->at < pool->buddy.nr;
}

/*
 * Chunks of heaps
 */

/* A row of chunks; false: the heap has no more. */
static bool show_row(struct seq_file *m, struct xpool *pool, struct xheap *heap, struct cursor *c)
{
	unsigned long offset;
	s32 chunks[STEP];
	unsigned int i, nr = 0;
	u32 at;

	do {
		at = c->walk.at;
		if (c->walk.bytes)
			nr = xheap_walk(heap, &c->walk, chunks, STEP);
	} while (!nr && xheap_walk_region(heap, &c->walk));
	offset = xpool_offset(pool, (void *)(unsigned long)c->walk.start);
	if (!nr || offset == XPOOL_FOREIGN)
		return false;
	begin_element(m, c);
	seq_printf(m, "[%lu,%lu,%u,[%d", c->at, offset >> PAGE_SHIFT, at, chunks[0]);
	for (i = 1; i < nr; i++)
		seq_printf(m, ",%d", chunks[i]);
	seq_puts(m, "]]");
	return true;
}

static int show_chunks(struct seq_file *m, struct xpool *pool, struct snapshot *s,
		       struct cursor *c)
{
	for (; c->at < s->nr_owners; c->at++) {
		const struct owner *owner = &s->owners[c->at];
		struct xheap *heap = owner->is_heap ? xheap_listed_pin(owner->id) : NULL;
		bool shown = false;

		if (heap) {
			shown = heap->pool == pool && show_row(m, pool, heap, c);
			xpool_listed_unpin(&heap->listing.entry);
		}
		if (shown)
			return true;
		c->walk = (struct xheap_walk){ };
	}
	return false;
}

/*
 * The file
 */

/**
 * struct part - a part of the file
 * @open: what is written before it
 * @show: write some, and move the cursor behind it. Returns 1 if there is more; 0; or an errno
 * @close: what is written after it
 */
struct part {
	const char	*open;
	int		(*show)(struct seq_file *m, struct xpool *pool, struct snapshot *s,
				struct cursor *c);
	const char	*close;
};

static const struct part parts[] = {
	{ "", show_head, ",\n" },
	{ "\"regions\":[", show_regions, "],\n" },
	{ "\"blocks\":[", show_blocks, "],\n" },
	{ "\"chunks\":[", show_chunks, "],\n" },
	{ "\"owners\":[", show_owners, "]}\n" },
};

static int snapshot_show(struct seq_file *m, void *snapshot)
{
	struct snapshot *s = snapshot;
	struct cursor *c = &s->next;
	const struct part *part;
	int more;

	s->next = s->now;
	part = &parts[c->part];
	if (!c->begun)
		seq_puts(m, part->open);
	c->begun = true;
	more = part->show(m, xstats_object_of(m->file), s, c);
	if (more < 0)
		return more;
	if (!more) {
		seq_puts(m, part->close);
		s->next = (struct cursor){ .part = c->part + 1 };
	}
	return 0;
}

static void *step_of(struct snapshot *s)
{
	return s->now.part < ARRAY_SIZE(parts) ? s : NULL;
}

static void *snapshot_start(struct seq_file *m, loff_t *pos)
{
	struct snapshot *s = m->private;

	if (!*pos) {
		s->now = (struct cursor){ };
		s->nr_owners = 0;
	}
	return step_of(s);
}

static void *snapshot_next(struct seq_file *m, void *snapshot, loff_t *pos)
{
	struct snapshot *s = snapshot;

	++*pos;
	s->now = s->next;
	return step_of(s);
}

static void snapshot_stop(struct seq_file *m, void *snapshot)
{
}

static const struct seq_operations snapshot_ops = {
	.start	= snapshot_start,
	.next	= snapshot_next,
	.stop	= snapshot_stop,
	.show	= snapshot_show,
};

static int snapshot_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &snapshot_ops, sizeof(struct snapshot));
}

static int snapshot_release(struct inode *inode, struct file *file)
{
	struct snapshot *s = ((struct seq_file *)file->private_data)->private;

	kvfree(s->owners);
	return seq_release_private(inode, file);
}

const struct file_operations xstats_snapshot_fops = {
	.owner		= THIS_MODULE,
	.open		= snapshot_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= snapshot_release,
};
