/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the benchmark share. The theory is at the top of main.c.
 */
#ifndef _XBENCH_H
#define _XBENCH_H

#include <linux/compiler.h>
#include <linux/ktime.h>
#include <linux/types.h>
#ifndef CONFIG_UML
#include <asm/msr.h>
#include <asm/tsc.h>
#endif

struct xpool;

#define XBENCH_MAX_REPS		31
#define XBENCH_MAX_OBJS		(256UL << 10)	/* pointers that a run has room for */
#define XBENCH_NAME_MAX		48

/*
 * The clock: on x86 the time stamp counter, which counts instructions under
 * icount; on UML the nanoseconds of the host.
 */
#ifdef CONFIG_UML
#define XBENCH_UNIT "ns"
static __always_inline u64 xbench_now(void)
{
	return ktime_get_ns();
}
#else
#define XBENCH_UNIT "insn"
static __always_inline u64 xbench_now(void)
{
	return rdtsc_ordered();
}
#endif

/* The phases of a run that are measured apart. */
enum xbench_phase {
	XBENCH_ALLOC,
	XBENCH_PAIR = XBENCH_ALLOC,
	XBENCH_FREE,
	XBENCH_PHASES,
};

/**
 * struct xrun - one run of one workload on one allocator
 * @handle: the cache, pool or whatever else the allocator calls itself
 * @size: bytes of an object
 * @order: of a block, for allocators of pages
 * @nr: operations in all, or pairs of them
 * @batch: objects allocated before the first is freed
 * @chunk: objects of one bulk operation
 * @shuffle: free in random order
 * @objs: room for @batch objects
 * @ticks: what the phases took, of the clock
 */
struct xrun {
	void		*handle;
	size_t		size;
	unsigned int	order;
	unsigned long	nr;
	unsigned long	batch;
	unsigned int	chunk;
	bool		shuffle;
	void		**objs;
	u64		ticks[XBENCH_PHASES];
};

/* A workload, compiled for one allocator; 0 or -ENOMEM. */
typedef int (*xrun_fn)(struct xrun *run);

/*
 * What workloads there are, and what each allocator has compiled of them; NULL
 * for what it cannot do.
 */
enum xwork {
	XWORK_PAIR,
	XWORK_PAIR_TOUCH,
	XWORK_BATCH,
	XWORK_BATCH_TOUCH,
	XWORK_BULK,
	XWORK_BULK_TOUCH,
	XWORKS,
};

struct xcontest;

/**
 * struct xallocator - a row of a table of allocators
 * @name: as in the results
 * @only_size: it is compiled for objects of this size alone; 0: for all
 * @work: its workloads
 * @create: make the handle for a contest; NULL where it cannot
 * @destroy: undo it
 */
struct xallocator {
	const char	*name;
	size_t		only_size;
	const xrun_fn	*work;
	void		*(*create)(const struct xcontest *contest);
	void		(*destroy)(void *handle);
};

extern const xrun_fn xbench_slub[XWORKS], xbench_kmalloc16[XWORKS],
	xbench_kmalloc64[XWORKS], xbench_kmalloc256[XWORKS],
	xbench_kmalloc1024[XWORKS], xbench_kmalloc4096[XWORKS],
	xbench_mempool[XWORKS], xbench_xslab[XWORKS], xbench_pages[XWORKS],
	xbench_xpages[XWORKS], xbench_xaddr[XWORKS], xbench_genpool[XWORKS],
	xbench_nothing[XWORKS];

/**
 * struct xscenario - a workload with its parameters
 * @name: as in the results; the size is put behind it
 * @work: which
 * @nr: operations
 * @batch: as in struct xrun
 * @chunk: as in struct xrun
 * @shuffle: as in struct xrun
 * @fast: part of the short benchmark
 */
struct xscenario {
	const char	*name;
	enum xwork	work;
	unsigned long	nr;
	unsigned long	batch;
	unsigned int	chunk;
	bool		shuffle;
	bool		fast;
};

/**
 * struct xcontest - allocators that run the same workloads in turn
 * @table: the allocators
 * @nr_allocators: rows of @table
 * @scenarios: the workloads
 * @nr_scenarios: how many
 * @size: bytes of an object
 * @order: of a block of pages
 * @scattered: half of the memory is in use, here and there
 * @suffix: put behind the names of the scenarios
 */
struct xcontest {
	const struct xallocator	*table;
	unsigned int		nr_allocators;
	const struct xscenario	*scenarios;
	unsigned int		nr_scenarios;
	size_t			size;
	unsigned int		order;
	bool			scattered;
	char			suffix[24];
};

extern bool xbench_fast;

void xbench_contest(const struct xcontest *contest);
void xbench_value(const char *workload, const char *allocator, const char *metric,
		  u64 hundredths);
void xbench_shuffle(void **objs, unsigned long nr);
u32 xbench_random(u32 below);
void **xbench_objs(void);

struct xpool *xbench_pool(const char *name, size_t bytes);

int xbench_objects(void);
int xbench_pages_run(void);
int xbench_genpool_run(void);

#endif
