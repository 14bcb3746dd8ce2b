// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/shift_json.h"

json_t *shift_json(const char *service, const struct dataplane_shift *shift)
{
	json_t *pools = json_array();

	for (size_t i = 0; i < shift->pool_count; i++)
		json_array_append_new(pools,
				      json_pack("{s:s, s:f, s:f}", "name", shift->pool[i].name,
						"before", shift->pool[i].before_ppm / 1e4, "after",
						shift->pool[i].after_ppm / 1e4));
	return json_pack("{s:s, s:i, s:b, s:I, s:I, s:o}", "service", service, "epoch",
			 shift->epoch, "changed", shift->took_effect_ns != 0, "took_effect_ns",
			 (json_int_t)shift->took_effect_ns, "store_ns", (json_int_t)shift->store_ns,
			 "pools", pools);
}
