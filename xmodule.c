// SPDX-License-Identifier: GPL-2.0
/*
 * xmodule: parameters, the default pool, and the layers in order
 *
 *	insmod xalloc.ko				64 MiB from the system
 *	insmod xalloc.ko size=1G			another size
 *	insmod xalloc.ko size=64M max_size=4G		grows when it needs to
 *	insmod xalloc.ko base=0x100000000 size=1G	reserved with memmap=1G$4G
 *	insmod xalloc.ko reserve_mem=mine		reserved with reserve_mem=
 *
 * A bad parameter gives an errno and one line in the log; then nothing is held.
 */
#define pr_fmt(fmt) "xalloc: " fmt

#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "internal.h"

#define XMODULE_SIZE		SZ_64M
#define XMODULE_DECAY_MS	10000	/* as jemalloc's */

static char *size;
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "bytes of the default pool, with suffix K, M, G or T (default 64M, or all of reserve_mem)");

static char *max_size;
module_param(max_size, charp, 0444);
MODULE_PARM_DESC(max_size, "bytes that the default pool grows to, a multiple of 4M (default: it does not grow)");

static char *base;
module_param(base, charp, 0444);
MODULE_PARM_DESC(base, "physical address of a range reserved with memmap= at boot; needs size");

static char *reserve_mem;
module_param(reserve_mem, charp, 0444);
MODULE_PARM_DESC(reserve_mem, "name of a range reserved with reserve_mem= at boot (Linux 6.12 on)");

static bool checks = true;
module_param(checks, bool, 0444);
MODULE_PARM_DESC(checks, "refuse double frees at once (default y); n finds them when a magazine is flushed");

static char *decay_ms;
module_param(decay_ms, charp, 0444);
MODULE_PARM_DESC(decay_ms, "milliseconds after which unused memory has gone back; 0: at once, -1: never (default 10000)");

/* 10, 20, 30 ... for K, M, G ...; 0 for a digit; -1 for anything else. */
static int suffix_shift(const char *text, size_t len)
{
	static const char suffixes[] = "KMGTP";
	const char *at;

	if (isxdigit(text[len - 1]))
		return 0;
	at = strchr(suffixes, toupper(text[len - 1]));
	return at ? (at - suffixes + 1) * 10 : -1;
}

/* memparse() would take "12Q" for 12 and wrap around silently. */
static int parse_bytes(const char *name, const char *text, u64 *value)
{
	char digits[24];
	size_t len = strlen(text);
	int shift = len ? suffix_shift(text, len) : -1;
	int err = -EINVAL;

	if (shift >= 0 && len - !!shift < sizeof(digits)) {
		strscpy(digits, text, len - !!shift + 1);
		err = kstrtoull(digits, 0, value);
		if (!err && check_shl_overflow(*value, shift, value))
			err = -ERANGE;
	}
	if (err)
		pr_err("%s=%s: not a number of bytes below 2^64; write it like 64M or 0x4000000\n",
		       name, text);
	return err ? -EINVAL : 0;
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
	if (!value || !size) {
		pr_err("base=%s: needs %s\n", base,
		       size ? "an address other than 0" : "size=, the bytes reserved there");
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
	if (size && !value) {
		pr_err("size=%s: nothing to manage; give a multiple of the page size %lu\n",
		       size, PAGE_SIZE);
		return -EINVAL;
	}
	args->size = value;
	return 0;
}

static int parse_max_size(struct xpool_args *args)
{
	u64 value = 0;
	int err = max_size ? parse_bytes("max_size", max_size, &value) : 0;

	if (err)
		return err;
	if (max_size && !value) {
		pr_err("max_size=%s: nothing to grow to; leave it out, or give a multiple of 4M\n",
		       max_size);
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
	args->reserve_mem = reserve_mem;
	return parse_max_size(args) ?: parse_base(args);
}

static int parse_decay(long *ms)
{
	*ms = XMODULE_DECAY_MS;
	if (!decay_ms || !kstrtol(decay_ms, 0, ms))
		return 0;
	pr_err("decay_ms=%s: not a number; give milliseconds, 0 for at once or -1 for never\n",
	       decay_ms);
	return -EINVAL;
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

	err = xmag_subsys_init();
	if (err)
		return err;
	err = xstats_init();
	if (err)
		goto undo_mag;
	err = xdecay_init(ms);
	if (err)
		goto undo_stats;
	err = xpage_init_default(&args);
	if (err)
		goto undo_decay;
	return 0;

undo_decay:
	xdecay_exit();
undo_stats:
	xstats_exit();
undo_mag:
	xmag_subsys_exit();
	return err;
}

static void __exit xmodule_exit(void)
{
	xpage_exit_default();
	xdecay_exit();
	xstats_exit();
	xmag_subsys_exit();
}

module_init(xmodule_init);
module_exit(xmodule_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Private pools of pages with a buddy system, magazines and slab caches");
MODULE_AUTHOR("The xalloc authors");
