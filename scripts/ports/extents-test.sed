# The test of ext4's extents frees its inodes, and not what their trees of extents hold
/^static void extents_kunit_exit/,/^}/s/^\text4_es_unregister_shrinker(sbi);/\
	for (struct rb_node *node; (node = rb_first(\&k_ctx.k_ei->i_es_tree.root)); ) {\
		rb_erase(node, \&k_ctx.k_ei->i_es_tree.root);\
		xslab_free(rb_entry(node, struct extent_status, rb_node));\
	}\
&/
