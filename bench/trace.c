// SPDX-License-Identifier: GPL-2.0
/*
 * Traces: what real programs allocated, replayed
 *
 * The file that the parameter trace names (trace.h) is replayed on xmalloc() and on kmalloc(). No
 * replay writes to what it allocates; a reallocation copies what it must.
 *
 * Memory: in a first replay the pages of each allocator are counted at SAMPLES places and where
 * most is live. Of xmalloc that are the pages of slabs and of the heap's regions, with those that
 * are empty and kept; of kmalloc the pages of slabs and large blocks, as the system counts them, of
 * which there were some before. Pages that the page allocators of both keep are of no client.
 *
 * Instructions: of a second replay, without those of one on nothing. So caches and heap are those
 * of a system that runs for a while. What the program never freed is freed outside of it.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include <xalloc/xmalloc.h>
#include <xalloc/xpool.h>

#include "trace.h"
#include "xbench.h"

#define SAMPLES		500U
#define MAX_OPS		(16U << 20)
#define SUFFIX		".trace"

static char *trace = "";
module_param(trace, charp, 0444);
MODULE_PARM_DESC(trace, "the file that the suite of this name replays");

/**
 * struct replay - a trace that is replayed
 * @header: of the file
 * @ops: header->ops of them
 * @slots: what is allocated, NULL where nothing is
 * @bytes: by slot, of what is allocated
 * @next: operation
 */
struct replay {
	struct xtrace_header	header;
	struct xtrace_op	*ops;
	void			**slots;
	u32			*bytes;
	u32			next;
};

/**
 * struct with - an allocator
 * @name: as in the results
 * @alloc: @bytes
 * @resize: to @bytes
 * @free: what the others returned
 * @pages: that it has now
 * @run: replays without a stop, compiled for it
 */
struct with {
	const char	*name;
	void		*(*alloc)(u32 bytes);
	void		*(*resize)(void *addr, u32 bytes);
	void		(*free)(void *addr);
	unsigned long	(*pages)(const struct replay *replay);
	int		(*run)(struct replay *replay, u32 nr);
};

/* The next @nr operations. Returns 0, or -ENOMEM with replay->next at the one that failed. */
static __always_inline int run(const struct with *with, struct replay *replay, u32 nr)
{
	const struct xtrace_op *op = replay->ops + replay->next, *end = op + nr;
	void *addr, **slot;

	for (; op < end; op++) {
		slot = &replay->slots[op->slot_op >> XTRACE_OP_BITS];
		if ((op->slot_op & XTRACE_OP_MASK) == XTRACE_FREE) {
			with->free(*slot);
			*slot = NULL;
			continue;
		}
		if ((op->slot_op & XTRACE_OP_MASK) == XTRACE_ALLOC)
			addr = with->alloc(op->bytes);
		else
			addr = with->resize(*slot, op->bytes);
		if (unlikely(!addr))
			break;
		*slot = addr;
	}
	replay->next = op - replay->ops;
	return op == end ? 0 : -ENOMEM;
}

/*
 * Allocators
 */

static __always_inline void *nothing_alloc(u32 bytes)
{
	barrier();
	return ZERO_SIZE_PTR;
}

static __always_inline void *nothing_resize(void *addr, u32 bytes)
{
	barrier();
	return addr;
}

static __always_inline void nothing_free(void *addr)
{
	barrier();
}

static int run_nothing(struct replay *replay, u32 nr);

static const struct with nothing = {
	"nothing", nothing_alloc, nothing_resize, nothing_free, NULL, run_nothing,
};

static int run_nothing(struct replay *replay, u32 nr)
{
	return run(&nothing, replay, nr);
}

static __always_inline void *kmalloc_alloc(u32 bytes)
{
	return kmalloc(bytes, GFP_KERNEL);
}

static __always_inline void *kmalloc_resize(void *addr, u32 bytes)
{
	return krealloc(addr, bytes, GFP_KERNEL);
}

static __always_inline void kmalloc_free(void *addr)
{
	kfree(addr);
}

/* Each CPU adds its part to the system's numbers when they are refreshed. */
static void refresh_numbers(void)
{
	struct file *file = filp_open("/proc/sys/vm/stat_refresh", O_RDONLY, 0);
	loff_t pos = 0;
	char byte;

	if (IS_ERR(file))
		return;
	kernel_read(file, &byte, sizeof(byte), &pos);
	filp_close(file, NULL);
}

static unsigned long kmalloc_pages(const struct replay *replay)
{
	refresh_numbers();
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

static int run_kmalloc(struct replay *replay, u32 nr);

static const struct with with_kmalloc = {
	"kmalloc", kmalloc_alloc, kmalloc_resize, kmalloc_free, kmalloc_pages, run_kmalloc,
};

static int run_kmalloc(struct replay *replay, u32 nr)
{
	return run(&with_kmalloc, replay, nr);
}

static __always_inline void *xmalloc_alloc(u32 bytes)
{
	return xmalloc(bytes, GFP_KERNEL);
}

static __always_inline void *xmalloc_resize(void *addr, u32 bytes)
{
	return xrealloc(addr, bytes, GFP_KERNEL);
}

static __always_inline void xmalloc_free(void *addr)
{
	xfree(addr);
}

static unsigned long xmalloc_pages(const struct replay *replay)
{
	struct xpool_stats stats;

	xpool_stats(xpool_default(), &stats);
	return stats.slabs + stats.heaps;
}

static int run_xmalloc(struct replay *replay, u32 nr);

static const struct with with_xmalloc = {
	"xmalloc", xmalloc_alloc, xmalloc_resize, xmalloc_free, xmalloc_pages, run_xmalloc,
};

static int run_xmalloc(struct replay *replay, u32 nr)
{
	return run(&with_xmalloc, replay, nr);
}

/*
 * Replays
 */

static void free_rest(const struct with *with, struct replay *replay)
{
	u32 slot;

	for (slot = 0; slot < replay->header.slots; slot++) {
		if (replay->slots[slot])
			with->free(replay->slots[slot]);
		replay->slots[slot] = NULL;
	}
	replay->next = 0;
}

/* As far as @to; notes what is where, for those that count pages by it. */
static int run_to(const struct with *with, struct replay *replay, u32 to)
{
	const struct xtrace_op *op = replay->ops + replay->next, *end = replay->ops + to;

	for (; op < end; op++)
		replay->bytes[op->slot_op >> XTRACE_OP_BITS] = op->bytes;
	return with->run(replay, to - replay->next);
}

/* Returns the most pages that the allocator had, besides what it had before; or an errno. */
static long most_pages(const struct with *with, struct replay *replay)
{
	u32 ops = replay->header.ops, step = ops / SAMPLES + 1, next, peak = replay->header.peak_op;
	unsigned long before = with->pages(replay), pages = before;
	int err = 0;

	while (!err && replay->next < ops) {
		next = min(replay->next + step, ops);
		if (replay->next < peak && next > peak)
			next = peak;
		err = run_to(with, replay, next);
		pages = max(pages, with->pages(replay));
		cond_resched();
	}
	free_rest(with, replay);
	return err ?: (long)(pages - before);
}

/* What a replay takes, of the clock; or an errno. */
static s64 ticks_of(const struct with *with, struct replay *replay)
{
	u64 start = xbench_now(), ticks;
	int err = with->run(replay, replay->header.ops);

	ticks = xbench_now() - start;
	free_rest(with, replay);
	return err ?: (s64)ticks;
}

static const char *workload_of(const char *path, char *name)
{
	const char *base = kbasename(path);
	int length = strlen(base);

	if (length > strlen(SUFFIX) && !strcmp(base + length - strlen(SUFFIX), SUFFIX))
		length -= strlen(SUFFIX);
	snprintf(name, XBENCH_NAME_MAX, "trace-%.*s", length, base);
	return name;
}

static int tell(const struct with *with, struct replay *replay, const char *workload, s64 loop)
{
	long pages = most_pages(with, replay);
	s64 ticks = pages < 0 ? pages : ticks_of(with, replay);

	if (ticks < 0) {
		pr_err("%s: %s: error %lld\n", workload, with->name, ticks);
		return ticks;
	}
	xbench_value(workload, with->name, "peak_kib", 100 * ((u64)pages << (PAGE_SHIFT - 10)));
	xbench_value(workload, with->name, XBENCH_UNIT "_op",
		     100 * (ticks - loop) / replay->header.ops);
	return 0;
}

static void tell_trace(struct replay *replay, const char *workload, s64 loop)
{
	const struct xtrace_header *header = &replay->header;

	struct xpool_stats stats;

	xpool_stats(xpool_default(), &stats);
	xbench_value(workload, "xmalloc", "metadata_kib",
		     100 * (stats.metadata + stats.live_bytes) >> 10);
	xbench_value(workload, "program", "ops", 100ULL * header->ops);
	xbench_value(workload, "program", "slots", 100ULL * header->slots);
	xbench_value(workload, "program", "live_kib", 100 * header->peak_bytes >> 10);
	xbench_value(workload, "nothing", XBENCH_UNIT "_op", 100 * loop / header->ops);
}

static int replay_all(struct replay *replay)
{
	char workload[XBENCH_NAME_MAX];
	s64 loop;
	int err;

	if (!xpool_default())
		return -ENODEV;
	err = xmalloc_prepare();
	if (err)
		return err;
	workload_of(trace, workload);
	ticks_of(&nothing, replay);
	loop = ticks_of(&nothing, replay);
	tell_trace(replay, workload, loop);
	if (replay->header.largest > KMALLOC_MAX_SIZE) {
		pr_err("%s: an allocation of %u bytes: kmalloc() has %lu at most\n", workload,
		       replay->header.largest, KMALLOC_MAX_SIZE);
		return -E2BIG;
	}
	err = tell(&with_kmalloc, replay, workload, loop);
	return tell(&with_xmalloc, replay, workload, loop) ?: err;
}

/*
 * Files
 */

static bool op_fits(const struct xtrace_op *op, const struct xtrace_header *header)
{
	u32 code = op->slot_op & XTRACE_OP_MASK;

	return op->slot_op >> XTRACE_OP_BITS < header->slots && code <= XTRACE_FREE &&
	       (code == XTRACE_FREE || op->bytes);
}

static bool header_fits(const struct xtrace_header *header)
{
	return header->magic == XTRACE_MAGIC && header->ops && header->ops <= MAX_OPS &&
	       header->slots && header->slots <= header->ops && header->peak_op <= header->ops;
}

static int read_exactly(struct file *file, void *to, size_t bytes, loff_t *pos)
{
	ssize_t got;

	for (; bytes; to += got, bytes -= got) {
		got = kernel_read(file, to, bytes, pos);
		if (got <= 0)
			return got ?: -EINVAL;
	}
	return 0;
}

static int allocate(struct replay *replay)
{
	const struct xtrace_header *header = &replay->header;

	replay->ops = vmalloc(array_size(header->ops, sizeof(*replay->ops)));
	replay->slots = vzalloc(array_size(header->slots, sizeof(*replay->slots)));
	replay->bytes = vzalloc(array_size(header->slots, sizeof(*replay->bytes)));
	return replay->ops && replay->slots && replay->bytes ? 0 : -ENOMEM;
}

static int read_trace(struct file *file, struct replay *replay)
{
	loff_t pos = 0;
	u32 i;
	int err = read_exactly(file, &replay->header, sizeof(replay->header), &pos);

	if (err)
		return err;
	if (!header_fits(&replay->header))
		return -EINVAL;
	err = allocate(replay);
	if (!err)
		err = read_exactly(file, replay->ops,
				   array_size(replay->header.ops, sizeof(*replay->ops)), &pos);
	for (i = 0; !err && i < replay->header.ops; i++)
		if (!op_fits(&replay->ops[i], &replay->header))
			err = -EINVAL;
	return err;
}

int xbench_trace_run(void)
{
	struct file *file = filp_open(trace, O_RDONLY, 0);
	struct replay replay = {};
	int err;

	if (IS_ERR(file)) {
		pr_err("trace %s: cannot be opened: %ld\n", trace, PTR_ERR(file));
		return PTR_ERR(file);
	}
	err = read_trace(file, &replay);
	filp_close(file, NULL);
	if (err)
		pr_err("trace %s: is none, or is damaged: %d\n", trace, err);
	else
		err = replay_all(&replay);
	vfree(replay.bytes);
	vfree(replay.slots);
	vfree(replay.ops);
	return err;
}
