/* SPDX-License-Identifier: GPL-2.0 */
/* What xstats.c and the files of debugfs that have a file of their own share */
#ifndef _XALLOC_STATS_H
#define _XALLOC_STATS_H

#include <linux/dcache.h>
#include <linux/fs.h>

#include "../heap/heap.h"
#include "../slab/slab.h"

/* The object that a file of debugfs is of: what its directory has for its private data. */
static inline void *xstats_object_of(const struct file *file)
{
	return d_inode(file->f_path.dentry->d_parent)->i_private;
}

/* why.c */
void xstats_show_why(struct seq_file *m, void *pool);

/* snapshot.c */
extern const struct file_operations xstats_snapshot_fops;

#endif
