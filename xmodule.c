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

static int parse_bytes(const char *name, const char *text, u64 *value)
{
	int err = xtext_bytes(text, value);

	if (err)
		pr_err("%s=%s: not a number of bytes below 2^64; write it like 64M or 0x4000000\n",
		       name, text);
	return err;
}

static int parse_base(struct xpool_args *args)
{
	u64 value;
	int err;

	if (!base)
		return 0;
	err = parse_bytes("base", base, &value);
	if (err)
		return err;
	if (!value || !args->size || !size) {
		pr_err("base=%s: needs %s\n", base,
		       value ? "size=, the bytes reserved there" : "an address other than 0");
		return -EINVAL;
	}
	args->base = value;
	return 0;
}

static int parse_size(struct xpool_args *args)
{
	u64 value = reserve_mem ? 0 : XMODULE_SIZE;
	int err = size ? parse_bytes("size", size, &value) : 0;

	if (err)
		return err;
	args->size = value;
	return 0;
}

/* With size=0 there is no default pool, so nothing must be said of one. */
static bool is_wanted(const struct xpool_args *args)
{
	return args->size || args->reserve_mem;
}

static int check_unwanted(void)
{
	const char *name = max_size ? "max_size" : reserve_mem ? "reserve_mem" : NULL;

	if (!name)
		return 0;
	pr_err("%s=%s: with size=0 there is no default pool; leave one of them out\n", name,
	       max_size ?: reserve_mem);
	return -EINVAL;
}

static int parse_max_size(struct xpool_args *args)
{
	u64 value = 0;
	int err = max_size ? parse_bytes("max_size", max_size, &value) : 0;

	if (err)
		return err;
	if (max_size && !value) {
		pr_err("max_size=%s: nothing to grow to; leave it out, or give a multiple of %lu\n",
		       max_size, 1UL << XPOOL_CHUNK_SHIFT);
		return -EINVAL;
	}
	args->max_size = value;
	return 0;
}

static int parse_parameters(struct xpool_args *args)
{
	int err = parse_size(args);

	if (err)
		return err;
	if (size && !args->size && !base)
		return check_unwanted();
	args->reserve_mem = reserve_mem;
	return parse_max_size(args) ?: parse_base(args);
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

static const char *source_text(char *text, size_t size)
{
	if (base)
		snprintf(text, size, "at base=%s", base);
	else if (reserve_mem)
		snprintf(text, size, "of reserve_mem=%s", reserve_mem);
	else
		strscpy(text, "from the system", size);
	return text;
}

static void tell_decay(char *text, size_t size, long ms)
{
	if (ms < 0)
		strscpy(text, "never", size);
	else
		snprintf(text, size, "%ld ms", ms);
}

/* What is managed: the one line of a load. */
static void tell(const struct xpool_args *args, long ms)
{
	char bytes[16], most[32] = "", source[64], decay[24];
	u64 step = BIT_ULL(PAGE_SHIFT + XBUDDY_MAX_ORDER), grows, share;
	struct xpool_stats s;

	tell_decay(decay, sizeof(decay), ms);
	if (!xpool_default()) {
		pr_info("no default pool, decay %s, checks %s\n", decay, checks ? "on" : "off");
		return;
	}
	xpool_stats(xpool_default(), &s);
	share = div64_u64(s.metadata * 10000, args->max_size ?: s.total << PAGE_SHIFT);
	string_get_size(s.total << PAGE_SHIFT, 1, STRING_UNITS_2, bytes, sizeof(bytes));
	if (args->max_size > args->size) {
		grows = args->size + round_down(args->max_size - args->size, step);
		strscpy(most, ", grows to ", sizeof(most));
		string_get_size(grows, 1, STRING_UNITS_2, most + strlen(most),
				sizeof(most) - strlen(most));
	}
	pr_info("pool default: %s in %llu region%s %s%s, %llu.%02llu %% metadata, decay %s, checks %s\n",
		bytes, s.regions, s.regions == 1 ? "" : "s",
		source_text(source, sizeof(source)), most, share / 100, share % 100, decay,
		checks ? "on" : "off");
}

static int __init xmodule_init(void)
{
	struct xpool_args args = { .name = "default" };
	long ms;
	int err;

	if (xcompat_untested_kernel())
		pr_notice("this kernel is newer than those that xalloc was tested with\n");
	err = parse_parameters(&args) ?: parse_decay(&ms);
	if (err)
		return err;
	xslab_set_checks(checks);

	err = xgather_subsys_init();
	if (err)
		return err;
	err = xmag_subsys_init();
	if (err)
		goto undo_gather;
	err = xrcu_init();
	if (err)
		goto undo_mag;
	err = xstats_init();
	if (err)
		goto undo_rcu;
	err = xdecay_init(ms);
	if (err)
		goto undo_stats;
	xslab_subsys_init();
	err = is_wanted(&args) ? xpage_init_default(&args) : 0;
	if (err)
		goto undo_decay;
	tell(&args, ms);
	return 0;

undo_decay:
	xdecay_exit();
undo_stats:
	xstats_exit();
undo_rcu:
	xrcu_exit();
undo_mag:
	xmag_subsys_exit();
undo_gather:
	xgather_subsys_exit();
	return err;
}

static void __exit xmodule_exit(void)
{
	xpage_exit_default();
	xslab_subsys_exit();
	xdecay_exit();
	xstats_exit();
	xrcu_exit();
	xmag_subsys_exit();
	xgather_subsys_exit();
}

module_init(xmodule_init);
module_exit(xmodule_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Private pools of pages with a buddy system, magazines and slab caches");
MODULE_AUTHOR("The xalloc authors");
