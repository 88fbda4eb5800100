// SPDX-License-Identifier: GPL-2.0
/*
 * slab/rcu: objects that are given back after a grace period
 *
 * Readers under rcu_read_lock() may look at an object that xslab_cache_free_rcu() has taken
 * back, until they are through. From that call on the object is no client's: its live byte
 * says that it waits, so a second free is refused. Nothing is written to it, and nothing is
 * allocated: what waits is noted outside of it, in one of two ways.
 *
 *	batches	arrays of 64 objects. Each CPU fills one; when it is full, or older than a few
 *		milliseconds, it goes to call_rcu() as a whole. Then the objects are freed in
 *		bulk, and the batch is spare again
 *	bytes	where no batch is available, the live byte itself says that the object was
 *		left. A worker turns all such bytes of a cache into another state, waits for
 *		a grace period, and frees the objects in that state
 *
 * So no object is lost, however many wait, and the usual case costs a lock that no other CPU
 * wants. Batches are made once, 16 a CPU: a CPU that frees 30,000 objects in a second has as
 * many waiting as they hold in 30 ms, a long grace period. What is beyond that is for the
 * worker, which looks at all slabs of the cache but takes what comes meanwhile together.
 * A cache without live bytes has batches only, and a free that gets none is refused.
 *
 * Two CPUs that give an object back at the same instant may both be believed, as in check.c.
 * So what waited is not trusted either: its live byte must say so still. Otherwise the object
 * is free, or a client's, or its slab has another owner: it is dropped, counted and reported.
 * What waited goes to its slab past the magazines, and is at no time as a client's: so a
 * second free is refused until the end.
 *
 * The open batch of a CPU has a lock, as the worker that closes old ones comes from
 * elsewhere. An NMI that finds it taken leaves the object to the other way.
 *
 * Locks: xslab_rcu_lock, a mutex, protects the list of caches; a task that waits for their objects
 * holds it. No lock of a cache is held when a batch's lock is taken.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "slab.h"

#define XRCU_BATCH	64U	/* objects; as many as a magazine has */
#define XRCU_PER_CPU	16U	/* batches; see above */
#define XRCU_AGE_MS	2U	/* after which a batch does not wait to become full */

struct xslab_rcu_object {
	struct xslab_cache	*cache;
	void			*obj;
};

/**
 * struct xslab_rcu_batch - objects that wait together
 * @rcu: for call_rcu()
 * @next: the next spare one, or the next that an NMI filled
 * @nr: objects
 * @entries: the objects
 */
struct xslab_rcu_batch {
	struct rcu_head		rcu;
	struct llist_node	next;
	unsigned int		nr;
	struct xslab_rcu_object	entries[XRCU_BATCH];
};

/* The batch that a CPU fills, or NULL. */
struct xslab_rcu_cpu {
	raw_spinlock_t		lock;
	struct xslab_rcu_batch	*open;
};

static DEFINE_PER_CPU(struct xslab_rcu_cpu, xslab_rcu_cpus);

static struct xslab_rcu_batch *batches;		/* all of them */
static DEFINE_RAW_SPINLOCK(spare_lock);		/* for a CPU that takes one of ... */
static LLIST_HEAD(spare);			/* ... these */
static LLIST_HEAD(filled);			/* by NMIs */

static DEFINE_MUTEX(xslab_rcu_lock);
static LIST_HEAD(caches);			/* under xslab_rcu_lock */

static bool armed;				/* the worker will look at what waits */
static void kick_scan(struct irq_work *unused);
static struct irq_work kicker = IRQ_WORK_INIT(kick_scan);
static void scan_work(struct work_struct *unused);
static DECLARE_DELAYED_WORK(worker, scan_work);

/*
 * Back to where they came from
 */

/* Objects of one cache whose grace period is over; they waited as @state says. Any context. */
static void put_objects(struct xslab_cache *cache, void **objs, unsigned int nr, u8 state)
{
	unsigned int i, good = 0;

	for (i = 0; i < nr; i++) {
		if (unlikely(!xslab_mark(cache, objs[i], state, cache->fast.check.tag)))
			continue;
		tools_free(cache, addr_of(cache, objs[i]));
		objs[good++] = objs[i];
	}
	xslab_put_many(cache, objs, good);
	/* The last access to the cache here: a task that waits for it may destroy it. */
	atomic_long_sub(nr, &cache->rcu.nr);
}

static void batch_over(struct rcu_head *head)
{
	struct xslab_rcu_batch *batch = container_of(head, struct xslab_rcu_batch, rcu);
	void *objs[XRCU_BATCH];
	unsigned int i = 0, n;

	while (i < batch->nr) {
		struct xslab_cache *cache = batch->entries[i].cache;

		for (n = 0; i < batch->nr && batch->entries[i].cache == cache; i++)
			objs[n++] = batch->entries[i].obj;
		put_objects(cache, objs, n, XSLAB_WAITS);
	}
	batch->nr = 0;
	llist_add(&batch->next, &spare);
}

/*
 * Batches
 */

/* A spare batch, or NULL. Any context. */
static struct xslab_rcu_batch *take_spare(void)
{
	struct llist_node *node;
	unsigned long flags;

	if (!xlock(&spare_lock, &flags))
		return NULL;
	node = llist_del_first(&spare);
	raw_spin_unlock_irqrestore(&spare_lock, flags);
	return node ? llist_entry(node, struct xslab_rcu_batch, next) : NULL;
}

/*
 * The batch begins to wait. Any context. The caller holds the lock of the CPU that the batch
 * was open on: xslab_rcu_flush() must not see it closed and not yet submitted.
 */
static void submit(struct xslab_rcu_batch *batch)
{
	if (in_nmi()) {
		llist_add(&batch->next, &filled);
		irq_work_queue(&kicker);
	} else {
		call_rcu(&batch->rcu, batch_over);
	}
}

/* The worker should look in a while: a batch has its first object, or one was left. */
static void arm(void)
{
	if (!xchg(&armed, true))
		irq_work_queue(&kicker);
}

/* Note that an object waits. Returns false if there is no room. Any context. */
static bool add_to_batch(struct xslab_cache *cache, void *obj)
{
	struct xslab_rcu_cpu *cpu = raw_cpu_ptr(&xslab_rcu_cpus);	/* any: it has a lock */
	struct xslab_rcu_batch *batch;
	unsigned long flags;
	unsigned int nr = 0;

	if (!xlock(&cpu->lock, &flags))
		return false;
	batch = cpu->open ?: take_spare();
	if (batch) {
		batch->entries[batch->nr] = (struct xslab_rcu_object){ cache, obj };
		nr = ++batch->nr;
		cpu->open = nr < XRCU_BATCH ? batch : NULL;
	}
	if (nr == XRCU_BATCH)
		submit(batch);
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	if (nr == 1)
		arm();
	return nr;
}

static void close_all(void)
{
	unsigned long flags;
	int i;

	for_each_possible_cpu(i) {
		struct xslab_rcu_cpu *cpu = per_cpu_ptr(&xslab_rcu_cpus, i);

		raw_spin_lock_irqsave(&cpu->lock, flags);
		if (cpu->open)
			submit(cpu->open);
		cpu->open = NULL;
		raw_spin_unlock_irqrestore(&cpu->lock, flags);
	}
}

/* What could not be done at once. */
static void kick_scan(struct irq_work *unused)
{
	struct xslab_rcu_batch *batch, *next;

	llist_for_each_entry_safe(batch, next, llist_del_all(&filled), next)
		call_rcu(&batch->rcu, batch_over);
	if (READ_ONCE(armed))
		schedule_delayed_work(&worker, msecs_to_jiffies(XRCU_AGE_MS));
}

/*
 * Objects that were left: their live bytes say so
 */

static void leave_object(struct xslab_cache *cache, void *obj)
{
	if (unlikely(!xslab_mark(cache, obj, XSLAB_WAITS, XSLAB_LEFT))) {
		atomic_long_dec(&cache->rcu.nr);
		return;
	}
	smp_mb__before_atomic();	/* a CPU that sees the count sees the byte */
	atomic_long_inc(&cache->rcu.nr_left);
	arm();
}

/*
 * Does object @nr wait as @state says? Slabs of other owners may come and go during the scan,
 * and so may their bytes. But a slab with an object that waits stays. So the worker looks at the
 * owner again when it finds such a byte. One that a torn slab gave away has another owner.
 */
static bool is_left(const struct xslab_cache *cache, const struct xpage *slab, unsigned int nr,
		    u8 *byte, u8 state)
{
	if (likely(READ_ONCE(*byte) != state))
		return false;
	smp_rmb();	/* see above */
	return owner_of(slab) == cache && xslab_tear_has(slab, nr);
}

/* The objects of a slab that were left begin to wait; those that waited (@over) are free. */
static void scan_slab(struct xslab_cache *cache, struct xpage *slab, bool over)
{
	void *objs[XRCU_BATCH], *obj = first_object(cache, slab);
	unsigned int i, nr = 0;

	for (i = 0; i < cache->per_slab; i++, obj += cache->stride) {
		u8 *byte = xslab_live_at(&cache->fast.check, obj);

		if (!over && is_left(cache, slab, i, byte, XSLAB_LEFT))
			WRITE_ONCE(*byte, XSLAB_SEEN);
		if (over && is_left(cache, slab, i, byte, XSLAB_SEEN))
			objs[nr++] = obj;
		if (nr && (nr == XRCU_BATCH || i + 1 == cache->per_slab)) {
			atomic_long_sub(nr, &cache->rcu.nr_left);
			cache->rcu.unseen -= nr;
			put_objects(cache, objs, nr, XSLAB_SEEN);
			nr = 0;
		}
	}
}

static void scan(struct xslab_cache *cache, bool over)
{
	struct xpage *slab;

	for (slab = xslab_next(cache, NULL); slab; slab = xslab_next(cache, slab))
		scan_slab(cache, slab, over);
}

/* All objects that were left go back. */
static void put_left(void)
{
	struct xslab_cache *cache;
	bool some = false;

	lockdep_assert_held(&xslab_rcu_lock);
	list_for_each_entry(cache, &caches, rcu.node) {
		cache->rcu.unseen = atomic_long_read(&cache->rcu.nr_left);
		some |= cache->rcu.unseen;
		if (cache->rcu.unseen)
			scan(cache, false);
	}
	if (!some)
		return;
	synchronize_rcu();
	list_for_each_entry(cache, &caches, rcu.node) {
		if (!cache->rcu.unseen)
			continue;
		scan(cache, true);
		if (likely(cache->rcu.unseen <= 0))
			continue;
		/* Some that were counted are not there: another free was believed, too. */
		atomic_long_sub(cache->rcu.unseen, &cache->rcu.nr_left);
		xslab_note_lost(cache, NULL, cache->rcu.unseen);
		atomic_long_sub(cache->rcu.unseen, &cache->rcu.nr);
	}
}

/*
 * What comes to wait after the exchange arms us again. Batches must not stay open for as long as
 * a task waits for a grace period.
 */
static void scan_work(struct work_struct *unused)
{
	xchg(&armed, false);
	close_all();
	if (!mutex_trylock(&xslab_rcu_lock)) {
		arm();
		return;
	}
	put_left();
	mutex_unlock(&xslab_rcu_lock);
}

/*
 * Waiting for them
 */

/*
 * Wait until all objects of a pool are back that xslab_cache_free_rcu() has taken so far.
 * Process context, not under rcu_read_lock(). Costs a look at each cache if there are none.
 */
void xslab_rcu_flush(struct xpool *pool)
{
	struct xslab_cache *cache;
	bool some = false;

	might_sleep();
	mutex_lock(&xslab_rcu_lock);
	list_for_each_entry(cache, &caches, rcu.node)
		some |= cache->pool == pool && atomic_long_read(&cache->rcu.nr);
	if (some) {
		close_all();
		irq_work_sync(&kicker);
		put_left();
		rcu_barrier();
	}
	mutex_unlock(&xslab_rcu_lock);
}
EXPORT_SYMBOL_FOR_KUNIT(xslab_rcu_flush);

/* An object that was accepted waits from now on. Returns 0, or -EAGAIN: there is no room. */
static int note(struct xslab_cache *cache, void *at)
{
	atomic_long_inc(&cache->rcu.nr);
	if (likely(add_to_batch(cache, at)))
		return 0;
	if (has_live(cache)) {
		leave_object(cache, at);
		return 0;
	}
	atomic_long_dec(&cache->rcu.nr);
	return -EAGAIN;
}

/**
 * xslab_cache_free_rcu() - give an object back when all readers are through with it
 * @cache: the cache that it was taken from
 * @obj: the object; NULL does nothing
 *
 * The object is checked now, and no client's from now on. It can be allocated again after a
 * grace period: until then readers that found it under rcu_read_lock() may look at it.
 * Nothing is written to it meanwhile, and nothing is allocated. A forced collection, and
 * destroying the cache, wait for what was given back so; so they must not be called
 * under rcu_read_lock().
 *
 * Context: Any, NMI too.
 * Return: as xslab_cache_free(); and, of a cache without live checks only, -EAGAIN with
 * nothing changed, where there is no room to note the object: 1,024 wait for each CPU
 * already, or this is an NMI that interrupted such a call. Try again after a grace period.
 */
int xslab_cache_free_rcu(struct xslab_cache *cache, void *obj)
{
	int err = 0;
	void *at;

	/* Until the object is noted a cache that is given up must not go. */
	preempt_disable();
	at = linear_of(cache, obj);
	if (unlikely(!xslab_accept(cache, at, XSLAB_WAITS)))
		err = xslab_refuse_free(cache, obj);
	else
		err = note(cache, at);
	preempt_enable();
	return err;
}
EXPORT_SYMBOL_GPL(xslab_cache_free_rcu);

/*
 * Bring-up and tear-down
 */

void xslab_rcu_add_cache(struct xslab_cache *cache)
{
	mutex_lock(&xslab_rcu_lock);
	list_add_tail(&cache->rcu.node, &caches);
	mutex_unlock(&xslab_rcu_lock);
}

void xslab_rcu_del_cache(struct xslab_cache *cache)
{
	mutex_lock(&xslab_rcu_lock);
	list_del(&cache->rcu.node);
	mutex_unlock(&xslab_rcu_lock);
}

/* Returns 0 or -ENOMEM. */
int xslab_rcu_init(void)
{
	unsigned long i, nr = XRCU_PER_CPU * num_possible_cpus();
	int cpu;

	batches = xmeta_alloc(nr * sizeof(*batches));
	if (!batches)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		llist_add(&batches[i].next, &spare);
	for_each_possible_cpu(cpu)
		raw_spin_lock_init(&per_cpu_ptr(&xslab_rcu_cpus, cpu)->lock);
	return 0;
}

/* There are no caches any more. */
void xslab_rcu_exit(void)
{
	irq_work_sync(&kicker);
	cancel_delayed_work_sync(&worker);
	rcu_barrier();
	xmeta_free(batches);
}
