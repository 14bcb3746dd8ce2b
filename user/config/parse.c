// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "config/read_file.h"
#include "config/service.h"
#include "config/strategies.h"
#include "config/validate.h"
#include "config/values.h"
#include "lib/count_of.h"
#include "model/model.h"

#define INTERFACES_MAX (SERIN_MAX_PORTS - 1) /* index 0 is no port */

static void read_version(struct reader *r, const struct node *value, const struct schema_field *f,
			 void *object)
{
	(void)object;
	if (value_is_text(r, value, f, "1") && (strcmp(value->text, "1") || !value->is_plain))
		errors_add(&r->errors, value->at,
			   "this serin reads configurations of 'version: 1', not '%.40s'",
			   value->text);
}

/* What the kernel takes for the name of a network interface, and no more than it has room for. */
static bool is_interface_name(const char *text)
{
	if (!*text || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) || strchr("/:", *text))
			return false;
	return true;
}

static void read_interface_name(struct reader *r, const struct node *value,
				const struct schema_field *f, void *object)
{
	struct model_interface *interface = object;

	if (!value_is_text(r, value, f, "an interface's name"))
		return;
	if (strlen(value->text) >= sizeof(interface->name))
		errors_add(&r->errors, value->at,
			   "the interface name '%.40s' is longer than %zu characters", value->text,
			   sizeof(interface->name) - 1);
	else if (!is_interface_name(value->text))
		errors_add(&r->errors, value->at, "'%s' is not the name of an interface",
			   value->text);
	else
		strcpy(interface->name, value->text);
}

static const struct value_word mode_words[] = {{"native", MODEL_XDP_NATIVE},
					       {"generic", MODEL_XDP_GENERIC}};
static const struct schema_field interface_fields[] = {
	{"name", read_interface_name, 0, true, NULL},
	{"mode", value_read_word, offsetof(struct model_interface, mode), false,
	 &(const struct value_words){mode_words, COUNT_OF(mode_words),
				     sizeof(enum model_xdp_mode)}},
};
static const struct schema interface_schema = {"an interface", interface_fields,
					       COUNT_OF(interface_fields)};

static void read_interface(struct reader *r, const struct node *value, void *item)
{
	struct model_interface *interface = item;

	if (value->kind == NODE_TEXT && !node_is_null(value))
		read_interface_name(r, value, &interface_fields[0], item);
	else
		schema_read_map(r, value, &interface_schema, item);
	for (const struct model_interface *i = r->model->interfaces; i < interface; i++)
		if (*i->name && !strcmp(i->name, interface->name))
			errors_add(&r->errors, node_place(value, "name"),
				   "the interface '%s' is listed already", i->name);
}

static const struct schema_list interface_list = {
	.item = "interface",
	.item_size = sizeof(struct model_interface),
	.count_offset = offsetof(struct model, interface_count),
	.max = INTERFACES_MAX,
	.read_item = read_interface,
};

#define LIMIT(most) \
	(&(const struct value_number){.min = 1, .max = (most), .size = sizeof(uint32_t)})

static const struct schema_field limits_fields[] = {
	{"services", value_read_number, offsetof(struct model_limits, services), false,
	 LIMIT(MODEL_SERVICES_MAX)},
	{"backends", value_read_number, offsetof(struct model_limits, backends), false,
	 LIMIT(SERIN_MAX_BACKENDS)},
	{"flows", value_read_number, offsetof(struct model_limits, flows), false,
	 LIMIT(MODEL_FLOWS_MAX)},
	{"targets", value_read_number, offsetof(struct model_limits, targets), false,
	 LIMIT(MODEL_TARGETS_MAX)},
};
static const struct schema limits_schema = {"'limits'", limits_fields, COUNT_OF(limits_fields)};

static const struct schema_field idle_fields[] = {
	{"syn", value_read_number, offsetof(struct model_idle, syn_s), false,
	 LIMIT(MODEL_IDLE_MAX_S)},
	{"established", value_read_number, offsetof(struct model_idle, established_s), false,
	 LIMIT(MODEL_IDLE_MAX_S)},
	{"closing", value_read_number, offsetof(struct model_idle, closing_s), false,
	 LIMIT(MODEL_IDLE_MAX_S)},
	{"udp", value_read_number, offsetof(struct model_idle, udp_s), false,
	 LIMIT(MODEL_IDLE_MAX_S)},
};
static const struct schema idle_schema = {"'idle'", idle_fields, COUNT_OF(idle_fields)};

static const struct schema_field root_fields[] = {
	{"version", read_version, 0, true, NULL},
	{"interfaces", schema_read_list, offsetof(struct model, interfaces), true, &interface_list},
	{"limits", schema_read_submap, offsetof(struct model, limits), false, &limits_schema},
	{"idle", schema_read_submap, offsetof(struct model, idle), false, &idle_schema},
	{"strategies", strategies_read, 0, false, NULL}, /* services name them */
	{"services", schema_read_list, offsetof(struct model, services), true, &service_list},
};
static const struct schema root_schema = {"the configuration", root_fields, COUNT_OF(root_fields)};

static void check_limit(struct reader *r, const struct node *root, const char *what, size_t count,
			uint32_t limit)
{
	const struct node *limits = node_find(root, "limits");
	bool is_given = limits && node_find(limits, what);

	if (!limit || count <= limit)
		return;
	errors_add(&r->errors, is_given ? node_place(limits, what) : node_place(root, "services"),
		   "there are %zu %s, but room for %u: set 'limits: {%s: %zu}' or more", count,
		   what, limit, what, count);
}

static void validate(struct reader *r, const struct node *root)
{
	const struct model *m = r->model;
	const struct node *node = node_items(root, "services");
	size_t backends = 0, targets = 0;

	for (size_t i = 0; i < m->service_count; i++, node = node->next) {
		validate_service(r, node, &m->services[i]);
		for (size_t j = 0; j < m->services[i].pool_count; j++)
			backends += m->services[i].pools[j].backend_count;
		targets += m->services[i].target_count;
	}
	validate_unique(r, root);
	validate_sources(r, root);
	strategies_validate(r, root);
	check_limit(r, root, "services", m->service_count, m->limits.services);
	check_limit(r, root, "backends", backends, m->limits.backends);
	check_limit(r, root, "targets", targets, m->limits.targets);
}

static int read_model(struct reader *r, const char *text, size_t len)
{
	struct tree tree = {0};
	int err;

	text_skip_mark(&text, &len);
	if (len > CONFIG_SIZE_MAX) {
		errors_add(&r->errors, (struct place){0}, "larger than %u MiB",
			   CONFIG_SIZE_MAX >> 20);
		return -EINVAL;
	}
	err = tree_read(&tree, text, len, &r->errors);
	if (!err) {
		schema_read_map(r, tree.root, &root_schema, r->model);
		validate(r, tree.root);
	}
	tree_fini(&tree);
	return err;
}

int config_parse(const char *text, size_t len, struct model **out, struct config_errors *errors)
{
	struct reader r = {.model = model_new()};
	int err = r.model ? read_model(&r, len ? text : "", len) : -ENOMEM;

	if (err == -ENOMEM)
		r.errors.is_no_memory = true;
	err = errors_finish(&r.errors, errors);
	if (err)
		model_free(r.model);
	else
		*out = r.model;
	return err;
}
