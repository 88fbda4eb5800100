/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics: what the module brings up and tears down
 */
#ifndef _XALLOC_XSTATS_H
#define _XALLOC_XSTATS_H

int xstats_init(void);
void xstats_exit(void);

#endif
