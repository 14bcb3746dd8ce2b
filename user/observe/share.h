/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how sure one can be of a share that was counted. Pure. */
#pragma once

#include <stdint.h>

/*
 * share_interval() - the 99 % Wilson score interval of hits / total, in percent.
 * @hits: at most @total; @total: 0 gives 0 .. 100, for nothing is known then
 *
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
 * Journal of the American Statistical Association 22 (1927), 209-212. With p = hits / total,
 * n = total and z the normal quantile of 0.995:
 *
 *	(p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
 *
 * Unlike p ± z √(p(1 - p)/n) it holds its 99 % near 0 and 100 % and for few flows, where a canary's
 * share is.
 */
void share_interval(uint64_t hits, uint64_t total, double *low, double *high);
