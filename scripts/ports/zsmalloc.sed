# zsmalloc with pages of the pool. These stay where they are, so compaction is left out; and
# a page is given back as it came, while the system's free forgets its type by itself.
s/CONFIG_COMPACTION/CONFIG_PORTS_COMPACTION/
/^#include "zpdesc.h"/a #include "page.h"
s/zpdesc_put(zpdesc)/free_zpdesc(zpdesc)/
s/__free_page(page)/__ClearPageZsmalloc(page);\n\t&/
