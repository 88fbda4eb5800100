/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the benchmark share. The theory is at the top of main.c.
 */
#ifndef _XBENCH_H
#define _XBENCH_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/ktime.h>
#include <linux/types.h>
#ifndef CONFIG_UML
#include <asm/msr.h>
#include <asm/tsc.h>
#endif

struct xpool;
struct xslab_cache;
struct xslab_stats;
struct xteam;

#define XBENCH_MAX_REPS		31
#define XBENCH_MAX_OBJS		(256UL << 10)	/* pointers that a run has room for */
#define XBENCH_NAME_MAX		48
#define XBENCH_MANY		30000	/* objects of the large workloads */
#define XBENCH_SEED		4141
#define XBENCH_SLICES		25000	/* objects of a layer */

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
 * @remote: free on another CPU than the one that allocated
 * @objs: room for @batch objects; teams share it
 * @ticks: what the phases took, of the clock
 * @team: the team, where the run is a thread's part of one
 * @thread: number in the team
 * @threads: of the team
 * @ring: the team's
 * @random: state of xbench_fast_random()
 */
struct xrun {
	void		*handle;
	size_t		size;
	unsigned int	order;
	unsigned long	nr;
	unsigned long	batch;
	unsigned int	chunk;
	bool		shuffle;
	bool		remote;
	void		**objs;
	u64		ticks[XBENCH_PHASES];
	struct xteam	*team;
	unsigned int	thread;
	unsigned int	threads;
	struct xring	*ring;
	u32		random;
};

/**
 * struct xring - objects on their way from one thread to another, in @objs
 * @slots: objects, or batches of them, that there is room for
 * @full: for batches, by slot
 * @made: objects put in, as far as the producer has told
 * @used: objects taken out, as far as the consumer has told
 */
struct xring {
	unsigned long	slots;
	unsigned int	*full;
	unsigned long	made ____cacheline_aligned;
	unsigned long	used ____cacheline_aligned;
};

enum xwork {
	XWORK_PAIR,		/* allocate, free */
	XWORK_PAIR_TOUCH,	/* and write to the object in between */
	XWORK_ROUNDS,		/* allocate some, free them; one time for both */
	XWORK_BATCH,		/* allocate many, then free them */
	XWORK_BATCH_TOUCH,
	XWORK_BULK,		/* like XWORK_BATCH, but with bulk operations */
	XWORK_BULK_TOUCH,

	XWORK_RING,		/* for teams: see teamloops.h */
	XWORK_RELAY,
	XWORK_LARSON,
	XWORK_SCRATCH,
	XWORK_THRASH,
	XWORK_MSTRESS,
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
int xbench_stack(enum xwork work, struct xrun *run);
int xbench_slub(enum xwork work, struct xrun *run);
int xbench_kmalloc16(enum xwork work, struct xrun *run);
int xbench_kmalloc32(enum xwork work, struct xrun *run);
int xbench_kmalloc64(enum xwork work, struct xrun *run);
int xbench_kmalloc256(enum xwork work, struct xrun *run);
int xbench_kmalloc1024(enum xwork work, struct xrun *run);
int xbench_kmalloc4096(enum xwork work, struct xrun *run);
int xbench_mempool(enum xwork work, struct xrun *run);
int xbench_xslab(enum xwork work, struct xrun *run);
int xbench_pages(enum xwork work, struct xrun *run);
int xbench_xpages(enum xwork work, struct xrun *run);
int xbench_xaddr(enum xwork work, struct xrun *run);
int xbench_kmalloc_any(enum xwork work, struct xrun *run);
int xbench_xmalloc(enum xwork work, struct xrun *run);
int xbench_genpool(enum xwork work, struct xrun *run);
int xbench_xgenpool(enum xwork work, struct xrun *run);

/**
 * struct xscenario - a workload with its parameters
 * @name: as in the results; the size is put behind it
 * @work: which
 * @nr: operations
 * @batch: as in struct xrun
 * @chunk: as in struct xrun
 * @shuffle: as in struct xrun
 * @remote: as in struct xrun
 * @fast: part of the short benchmark
 * @threads: 0: no team
 * @slots: of the ring
 */
struct xscenario {
	const char	*name;
	enum xwork	work;
	unsigned long	nr;
	unsigned long	batch;
	unsigned int	chunk;
	bool		shuffle;
	bool		remote;
	bool		fast;
	unsigned int	threads;
	unsigned long	slots;
};

/**
 * struct xcontest - allocators that run the same workloads in turn
 * @table: the allocators, up to one without a name
 * @scenarios: the workloads, up to one without a name
 * @size: bytes of an object
 * @order: of a block of pages
 * @scattered: half of the memory is in use, here and there
 * @suffix: put behind the names of the scenarios; empty: @size
 */
struct xcontest {
	const struct xallocator	*table;
	const struct xscenario	*scenarios;
	size_t			size;
	unsigned int		order;
	bool			scattered;
	char			suffix[24];
};

extern bool xbench_fast;

extern const struct xallocator xbench_caches[];
extern const struct xallocator xbench_layered[];
extern const struct xallocator xbench_closed[];
extern const struct xallocator xbench_reserves[];
extern const struct xallocator xbench_sized[];
extern const struct xallocator xbench_of_pages[];
extern struct xpool *xbench_suite_pool;

/* Pointers to objects, the free ones below @top. */
struct xstack {
	void	**top;
	void	*objs;
	void	*slots[];
};

int xbench_contests(const struct xcontest *contests, unsigned int nr, size_t pool_bytes);
void xbench_contest(const struct xcontest *contest);
void xbench_value(const char *workload, const char *allocator, const char *metric,
		  u64 hundredths);
bool xbench_wanted(const char *workload);
int xbench_remote(xrun_fn fn, enum xwork work, struct xrun *run);
void xbench_tell_shares(const char *workload, const char *allocator,
			const struct xslab_stats *before, const struct xslab_stats *after);
void xbench_between(struct xrun *run, unsigned long nr);
void xbench_after(struct xrun *run);
void xbench_shuffle(void **objs, unsigned long nr);
void xbench_seed(void);
u32 xbench_random(u32 below);
void **xbench_objs(void);

int xbench_team(xrun_fn fn, enum xwork work, unsigned long slots, struct xrun *run);
int xbench_wait_until(unsigned int *word, unsigned int value);
int xbench_wait_past(unsigned long *word, unsigned long *now, unsigned long value);
int xbench_wait_slot(void **slot, bool full, void **was);
int xbench_meet(struct xrun *run);

/* Fast, and not very random: Numerical Recipes' generator. Use the high bits. */
static __always_inline u32 xbench_fast_random(struct xrun *run)
{
	return run->random = run->random * 1664525 + 1013904223;
}

struct xslab_cache *xbench_deep_cache(struct xpool *pool, size_t size, unsigned long objs);
void xbench_scatter(void);
struct xpool *xbench_pool(const char *name, size_t bytes);

int xbench_objects(void);
int xbench_sizes(void);
int xbench_pages_run(void);
int xbench_genpool_run(void);
int xbench_heap_run(void);
int xbench_remote_run(void);
int xbench_teams_run(void);
int xbench_worst_run(void);
int xbench_memory_run(void);
int xbench_shares_run(void);
int xbench_trace_run(void);

#endif
