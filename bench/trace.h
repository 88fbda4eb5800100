/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traces: what a program allocated, as a file that is replayed in the kernel and outside of it
 *
 * A file is a header and its operations, 8 bytes each, in little endian. Addresses have become
 * slots: small numbers, the last one that is free first, so that as many are used as there were
 * allocations live at once. The operation is in the two lowest bits of a word, the slot above:
 *
 *	31                    2 1 0   31                     0
 *	+----------------------+---+  +-----------------------+
 *	| slot                 | op|  | bytes; 0 for a free   |
 *	+----------------------+---+  +-----------------------+
 *
 *	XTRACE_ALLOC	the slot is empty; bytes is 1 or more
 *	XTRACE_RESIZE	the slot is not empty; bytes is 1 or more
 *	XTRACE_FREE	the slot is not empty, and is empty from then on
 *
 * Zeroed and aligned allocations are plain ones. What the program never freed has no operation:
 * a replay frees it at its end.
 */
#ifndef _XTRACE_H
#define _XTRACE_H

#include <linux/types.h>

#define XTRACE_MAGIC	0x4543415254584c41ULL	/* "ALXTRACE" */

#define XTRACE_OP_BITS	2
#define XTRACE_OP_MASK	3U

enum xtrace_op_code {
	XTRACE_ALLOC,
	XTRACE_RESIZE,
	XTRACE_FREE,
};

/**
 * struct xtrace_header - the start of a file
 * @magic: XTRACE_MAGIC
 * @ops: how many follow
 * @slots: as many as there are
 * @largest: bytes of the largest allocation
 * @peak_op: operations after which most bytes are live
 * @peak_bytes: live then, as they were asked for
 */
struct xtrace_header {
	__u64	magic;
	__u32	ops;
	__u32	slots;
	__u32	largest;
	__u32	peak_op;
	__u64	peak_bytes;
};

struct xtrace_op {
	__u32	slot_op;
	__u32	bytes;
};

#endif
