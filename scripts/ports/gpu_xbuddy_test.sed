# The GPU buddy's tests on xbuddy: which of them apply, and how they are put.
#
# Not applicable:
# - alloc_limit: blocks of 2^51 chunks. xbuddy's largest has 2^10.
# - alloc_clear: memory that is known to be cleared is kept apart. xbuddy does not.
# - subtree_offset_alignment_stress: looks into the trees of the GPU's buddy.
/^static void gpu_test_buddy_alloc_limit/,/^}/d
/^static void gpu_test_buddy_alloc_clear/,/^}/d
/^static void gpu_test_buddy_subtree_offset/,/^}/d
/KUNIT_CASE(gpu_test_buddy_\(alloc_limit\|alloc_clear\|subtree\)/d

s/<linux\/gpu_buddy.h>/"gpu_xbuddy.h"/
# The orders that xbuddy has
/^static void gpu_test_buddy_alloc_\(pess\|opt\)imistic/,/^}/s/max_order = 16/max_order = XBUDDY_MAX_ORDER/
# The shim tries each aligned place in turn, which takes the square of the size
/^static void gpu_test_buddy_fragmentation/,/^}/s/SZ_4G/SZ_256M/
