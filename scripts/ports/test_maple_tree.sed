# The tree's cache comes and goes with the module of the test
s/^static int __init maple_tree_seed/void maple_tree_exit(void);\n&/
s/pr_info("\\nTEST STARTING\\n\\n")/maple_tree_init()/
/^static void __exit maple_tree_harvest/,/^}/s/^$/	maple_tree_exit();/

# It validates trees that no other task has, so without a lock; lockdep wants one
/^#include <linux\/rwsem.h>/a\
#define mt_validate(mt)	do { rcu_read_lock(); mt_validate(mt); rcu_read_unlock(); } while (0)
