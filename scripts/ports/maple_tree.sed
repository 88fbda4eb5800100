# A maple tree of our own beside the kernel's: symbols and trace events stay the kernel's.
/^EXPORT_SYMBOL/d
s/^#define CREATE_TRACE_POINTS/#define NOTRACE/

# All that it frees is nodes
s/\bkfree(/xslab_free(/
s/kfree_rcu(node, rcu)/xslab_free_rcu(node)/
s/^#include <linux\/slab.h>/#include "sheaf.h"/
$a\
void maple_tree_exit(void);\
void maple_tree_exit(void)\
{\
	rcu_barrier();\
	kmem_cache_destroy(maple_node_cache);\
}
