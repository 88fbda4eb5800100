/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decay: what those above, and the tests, may use
 */
#ifndef _XALLOC_XDECAY_H
#define _XALLOC_XDECAY_H

#include "base/base.h"

void xdecay_curve_step(struct xcurve *curve, unsigned int epochs, unsigned long unused);
void xdecay_curve_add(struct xcurve *curve, unsigned int age, unsigned long pages);
unsigned long xdecay_curve_limit(const struct xcurve *curve);
unsigned long xdecay_runs(void);
void xdecay_hold(void);
void xdecay_release(void);
int xdecay_init(long ms);
void xdecay_exit(void);

#endif
