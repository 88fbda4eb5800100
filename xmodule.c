// SPDX-License-Identifier: GPL-2.0
/*
 * xmodule: parameters, the default pool, and the layers in order
 *
 *	insmod xalloc.ko				64 MiB from the system
 *	insmod xalloc.ko size=1G			another size
 *	insmod xalloc.ko size=64M max_size=4G		grows when it needs to
 *	insmod xalloc.ko base=0x100000000 size=1G	reserved with memmap=1G$4G
 *	insmod xalloc.ko reserve_mem=mine		reserved with reserve_mem=
 *	insmod xalloc.ko size=0				no default pool
 *
 * A bad parameter gives an errno and one line in the log; then nothing is held. A good
 * one gives a line that says what is managed.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "slab/slab.h"
#include "xdecay.h"
#include "xmalloc.h"
#include "xstats.h"

#define XMODULE_SIZE		SZ_64M
#define XMODULE_DECAY_MS	10000	/* as jemalloc's */

static char *size;
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "bytes of the default pool, with suffix K, M, G or T (default 64M, or all of reserve_mem); 0: there is none");

static char *max_size;
module_param(max_size, charp, 0444);
MODULE_PARM_DESC(max_size, "bytes that the default pool grows to, a multiple of 1024 pages (default: it does not grow)");

static char *base;
module_param(base, charp, 0444);
MODULE_PARM_DESC(base, "physical address of a range reserved with memmap= at boot; needs size");

static char *reserve_mem;
module_param(reserve_mem, charp, 0444);
MODULE_PARM_DESC(reserve_mem, "name of a range reserved with reserve_mem= at boot (Linux 6.12 on)");

/* Like a bool parameter, but the kernel would look at the first letter of a word alone. */
static int set_checks(const char *value, const struct kernel_param *param)
{
	if (value && strlen(value) != 1 && strcmp(value, "on") && strcmp(value, "off"))
		return -EINVAL;
	return param_set_bool(value, param);
}

static const struct kernel_param_ops checks_ops = {
	.flags	= KERNEL_PARAM_OPS_FL_NOARG,
	.set	= set_checks,
	.get	= param_get_bool,
};

static bool checks = true;
module_param_cb(checks, &checks_ops, &checks, 0444);
__MODULE_PARM_TYPE(checks, "bool");
MODULE_PARM_DESC(checks, "refuse double frees at once (default y); n finds them when a magazine is flushed");

static char *decay_ms;
module_param(decay_ms, charp, 0444);
MODULE_PARM_DESC(decay_ms, "milliseconds after which unused memory has gone back; 0: at once, -1: never (default 10000)");

/* The value stays where the parameter was not given. */
static int parse_bytes(const char *name, const char *text, u64 *value)
{
	int err = text ? xtext_bytes(text, value) : 0;

	if (err)
		pr_err("%s=%s: not a number of bytes below 2^64; write it like 64M or 0x4000000\n",
		       name, text);
	return err;
}

static int parse_parameters(struct xpool_args *args)
{
	u64 bytes = reserve_mem ? 0 : XMODULE_SIZE, most = 0, at = 0;
	int err = parse_bytes("size", size, &bytes);

	if (err)
		return err;
	if (size && !bytes && !base) {
		if (!max_size && !reserve_mem)
			return 0;
		pr_err("%s=%s: with size=0 there is no default pool; leave one of them out\n",
		       max_size ? "max_size" : "reserve_mem", max_size ?: reserve_mem);
		return -EINVAL;
	}
	err = parse_bytes("max_size", max_size, &most);
	if (err)
		return err;
	if (max_size && !most) {
		pr_err("max_size=%s: nothing to grow to; leave it out, or give a multiple of %lu\n",
		       max_size, 1UL << XPOOL_LARGEST_SHIFT);
		return -EINVAL;
	}
	err = parse_bytes("base", base, &at);
	if (err)
		return err;
	if (base && (!at || !bytes || !size)) {
		pr_err("base=%s: needs %s\n", base,
		       at ? "size=, the bytes reserved there" : "an address other than 0");
		return -EINVAL;
	}
	args->size = bytes;
	args->max_size = most;
	args->base = at;
	args->reserve_mem = reserve_mem;
	return 0;
}

static int parse_decay(long *ms)
{
	*ms = XMODULE_DECAY_MS;
	if (!decay_ms || !xtext_number(decay_ms, ms))
		return 0;
	pr_err("decay_ms=%s: not a number; give milliseconds, 0 for at once or -1 for never\n",
	       decay_ms);
	return -EINVAL;
}

/* What is managed: the one line of a load. */
static void print_default_pool(const struct xpool_args *args, long ms)
{
	const char *from = base ? "at base=" : reserve_mem ? "of reserve_mem=" : "from the system";
	u64 step = BIT_ULL(PAGE_SHIFT + XBUDDY_MAX_ORDER), grows, share;
	char bytes[16], most[16] = "", decay[24] = "never";
	struct xpool_stats s;

	if (ms >= 0)
		snprintf(decay, sizeof(decay), "%ld ms", ms);
	if (!xpool_default()) {
		pr_info("no default pool, decay %s, checks %s\n", decay, checks ? "on" : "off");
		return;
	}
	xpool_stats(xpool_default(), &s);
	share = div64_u64(s.metadata * 10000, args->max_size ?: s.total << PAGE_SHIFT);
	string_get_size(s.total << PAGE_SHIFT, 1, STRING_UNITS_2, bytes, sizeof(bytes));
	if (args->max_size > args->size) {
		grows = args->size + round_down(args->max_size - args->size, step);
		string_get_size(grows, 1, STRING_UNITS_2, most, sizeof(most));
	}
	pr_info("pool default: %s in %llu region%s %s%s%s%s, %llu.%02llu %% metadata, decay %s, checks %s\n",
		bytes, s.regions, s.regions == 1 ? "" : "s", from, base ?: reserve_mem ?: "",
		*most ? ", grows to " : "", most, share / 100, share % 100, decay,
		checks ? "on" : "off");
}

/* What needs nothing but the layers before it; the last goes first. */
static const struct {
	int	(*init)(void);
	void	(*exit)(void);
} layers[] = {
	{ xpool_gather_subsys_init, xpool_gather_subsys_exit },
	{ xmag_subsys_init, xmag_subsys_exit },
	{ xslab_rcu_init, xslab_rcu_exit },
	{ xstats_init, xstats_exit },
};

static void exit_layers(unsigned int nr)
{
	while (nr--)
		layers[nr].exit();
}

static int __init xmodule_init(void)
{
	struct xpool_args args = { .name = "default" };
	unsigned int nr;
	long ms;
	int err;

	if (xcompat_untested_kernel())
		pr_notice("this kernel is newer than those that xalloc was tested with\n");
	err = parse_parameters(&args) ?: parse_decay(&ms);
	if (err)
		return err;
	xslab_set_checks(checks);

	for (nr = 0; nr < ARRAY_SIZE(layers); nr++) {
		err = layers[nr].init();
		if (err)
			goto undo_layers;
	}
	err = xdecay_init(ms);
	if (err)
		goto undo_layers;
	xslab_subsys_init();
	err = args.size || args.reserve_mem ? xpool_init_default(&args) : 0;
	if (err)
		goto undo_decay;
	print_default_pool(&args, ms);
	return 0;

undo_decay:
	xdecay_exit();
undo_layers:
	exit_layers(nr);
	return err;
}

static void __exit xmodule_exit(void)
{
	xmalloc_exit();
	xpool_exit_default();
	xslab_subsys_exit();
	xdecay_exit();
	exit_layers(ARRAY_SIZE(layers));
}

module_init(xmodule_init);
module_exit(xmodule_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Private pools of pages with a buddy system, magazines, slab caches and heaps");
MODULE_AUTHOR("The xalloc authors");
