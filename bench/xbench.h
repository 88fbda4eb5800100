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

enum xwork {
	XWORK_PAIR,		/* allocate, free */
	XWORK_PAIR_TOUCH,	/* and write to the object in between */
	XWORK_BATCH,		/* allocate many, then free them */
	XWORK_BATCH_TOUCH,
	XWORK_BULK,		/* the same with bulk operations */
	XWORK_BULK_TOUCH,
};

/* The workloads compiled for one allocator; 0 or an errno. */
typedef int (*xrun_fn)(enum xwork work, struct xrun *run);

struct xcontest;

/**
 * struct xallocator - a row of a table of allocators
 * @name: as in the results
 * @only_size: it is compiled for objects of this size alone; 0: for all
 * @work: its workloads; -EOPNOTSUPP for those that it cannot do
 * @create: make the handle for a contest; NULL where it cannot
 * @destroy: undo it
 */
struct xallocator {
	const char	*name;
	size_t		only_size;
	xrun_fn		work;
	void		*(*create)(const struct xcontest *contest);
	void		(*destroy)(void *handle);
};

int xbench_nothing(enum xwork work, struct xrun *run);
int xbench_slub(enum xwork work, struct xrun *run);
int xbench_kmalloc16(enum xwork work, struct xrun *run);
int xbench_kmalloc64(enum xwork work, struct xrun *run);
int xbench_kmalloc256(enum xwork work, struct xrun *run);
int xbench_kmalloc1024(enum xwork work, struct xrun *run);
int xbench_kmalloc4096(enum xwork work, struct xrun *run);
int xbench_mempool(enum xwork work, struct xrun *run);
int xbench_xslab(enum xwork work, struct xrun *run);
int xbench_pages(enum xwork work, struct xrun *run);
int xbench_xpages(enum xwork work, struct xrun *run);
int xbench_xaddr(enum xwork work, struct xrun *run);
int xbench_genpool(enum xwork work, struct xrun *run);

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
