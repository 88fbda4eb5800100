/^#include "zram_drv.h"/a #include "page.h"
