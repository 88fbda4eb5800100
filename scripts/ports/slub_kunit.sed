# slub_kunit on xslab: which of its tests apply, and how they are put.
#
# Not applicable:
# - clobber_zone, clobber_redzone_free, next_pointer, first_word, clobber_50th_byte: SLUB's
#   red zones, poison and free lists in objects, and that its validator repairs them. xalloc
#   writes nothing to objects and repairs nothing; the suite `tools` has what KASAN finds.
# - kmalloc_redzone_access, krealloc_redzone_zeroing, kmalloc_kfree_nolock: kmalloc(), which
#   xalloc does not have.
/^static void test_clobber_zone/,/^}/d
/^static void test_next_pointer/,/^}/d
/^static void test_first_word/,/^}/d
/^static void test_clobber_50th_byte/,/^}/d
/^static void test_clobber_redzone_free/,/^}/d
/^static void test_kmalloc_redzone_access/,/^}/d
/^static void test_krealloc_redzone_zeroing/,/^}/d
/^#ifdef CONFIG_PERF_EVENTS/,/^#endif/d
/KUNIT_CASE.*(test_\(clobber\|next\|first\|kmalloc\|krealloc\)/d

# Of no meaning here: flags that keep an object out of kfence and of the user's options
/include "..\/mm\/slab.h"/d
s/(flags | SLAB_NO_USER_FLAGS)/flags/
/s->flags |= SLAB_SKIP_KFENCE/d

s/kfree_rcu(p, rcu)/xslab_free_rcu(p)/
# A refused destroy is what SLUB counts as two errors
/^static void test_leak_destroy/,/^}/s/kmem_cache_destroy(s)/slab_errors = xslab_cache_destroy(s) == -EBUSY ? 2 : 0/
