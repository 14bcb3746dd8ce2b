// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/share.h"

#include <math.h>

#define Z99 2.5758293035489004 /* normal quantile of 0.995 */

void share_interval(uint64_t hits, uint64_t total, double *low, double *high)
{
	double n = (double)total, p, centre, half, scale;

	if (!total) {
		*low = 0;
		*high = 100;
		return;
	}
	p = hits < total ? (double)hits / n : 1;
	scale = 1 + Z99 * Z99 / n;
	centre = (p + Z99 * Z99 / (2 * n)) / scale;
	half = Z99 * sqrt(p * (1 - p) / n + Z99 * Z99 / (4 * n * n)) / scale;
	/* Exactly 0 and 100 at the ends, where rounding would leave a trace. */
	*low = hits ? 100 * (centre - half) : 0;
	*high = hits < total ? 100 * (centre + half) : 100;
}
