/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decay: what those above, and the tests, may use
 */
#ifndef _XALLOC_XDECAY_H
#define _XALLOC_XDECAY_H

#include <linux/mutex.h>

#include "base/base.h"

/* A test that holds it keeps the worker from its work. */
extern struct mutex xdecay_lock;

void xdecay_curve_step(struct xcurve *curve, unsigned int epochs, unsigned long unused);
void xdecay_curve_add(struct xcurve *curve, unsigned int age, unsigned long pages);
unsigned long xdecay_curve_limit(const struct xcurve *curve);
unsigned long xdecay_runs(void);
int xdecay_init(long ms);
void xdecay_exit(void);

#endif
