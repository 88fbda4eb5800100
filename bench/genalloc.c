// SPDX-License-Identifier: GPL-2.0
/*
 * gen_pool for kernels that come without it. Nothing selects it on UML, and it
 * has no prompt of its own; so it is taken from the kernel's source.
 */
#include <../lib/genalloc.c>
