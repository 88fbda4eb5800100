/* SPDX-License-Identifier: GPL-2.0 */
/* Any size: what xmodule.c uses; see xmalloc.c */
#ifndef _XALLOC_XMALLOC_IMPL_H
#define _XALLOC_XMALLOC_IMPL_H

void xmalloc_exit(void);

#endif
