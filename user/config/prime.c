// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/prime.h"

bool prime_is(uint32_t n)
{
	if (n < 2)
		return false;
	for (uint64_t d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return true;
}

uint32_t prime_from(uint32_t n)
{
	while (!prime_is(n))
		n++;
	return n;
}
