/* SPDX-License-Identifier: GPL-2.0 */
/* page: single pages of the default pool instead of the system's. Comes after kmem_cache.h. */
#ifndef _PORTS_PAGE_H
#define _PORTS_PAGE_H

#include <linux/gfp.h>
#include <xalloc/xpool.h>

#undef alloc_page
#define alloc_page(gfp)			xpool_alloc_pages(xpool_default(), 0, gfp)
#undef alloc_pages_node
#define alloc_pages_node(nid, gfp, order)							\
	((void)(nid), xpool_alloc_pages(xpool_default(), order, gfp))
#undef __free_page
#define __free_page(page)		((void)WARN_ON(xpool_free_pages(xpool_default(), page, 0)))

#endif
