// SPDX-License-Identifier: GPL-2.0-or-later
#include "observe/metrics.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"
#include "observe/metrics_text.h"

#define STRING_OF(x) #x
#define STRING(x)    STRING_OF(x)

static void put_service_info(FILE *out, const struct snapshot_service *svc)
{
	char vip[NET_ADDR_LEN], port[8];

	snprintf(port, sizeof(port), "%u", svc->port);
	metrics_put_service(out, "serin_service_info", svc);
	metrics_put_label(out, ",", "vip", net_format_addr(&svc->vip, vip));
	metrics_put_label(out, ",", "port", port);
	metrics_put_label(out, ",", "protocol", model_protocol_name(svc->protocol));
	metrics_put_label(out, ",", "forwarding", model_forwarding_name(svc->forwarding));
	metrics_put_label(out, ",", "affinity", model_affinity_name(svc->affinity));
	metrics_put_label(out, ",", "primary", svc->pools[svc->primary].name);
	metrics_put_value(out, 1);
}

/* One for each source: which is told apart by its label. */
static void write_sources(FILE *out, const struct snapshot *s)
{
	char prefix[NET_PREFIX_LEN];

	metrics_put_head(out, "serin_service_source_info", METRICS_GAUGE,
			 "An address or prefix that packets to backends come from; always 1.");
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t k = 0; k < s->services[i].source_count; k++) {
			const struct model_source *source = &s->services[i].sources[k];

			metrics_put_service(out, "serin_service_source_info", &s->services[i]);
			metrics_put_label(
				out, ",", "source",
				net_format_prefix(&source->prefix, source->prefix_len, prefix));
			metrics_put_value(out, 1);
		}
}

struct ports_family {
	const char *name;
	const char *type;
	const char *help;
	size_t offset; /* of a uint64_t of struct snapshot_ports */
};

/* Of fullnat services alone. */
static const struct ports_family ports_families[] = {
	{"serin_service_source_ports", METRICS_GAUGE, "Ports that flows can be given.",
	 offsetof(struct snapshot_ports, capacity)},
	{"serin_service_source_ports_used", METRICS_GAUGE, "Ports that living flows have.",
	 offsetof(struct snapshot_ports, used)},
	{"serin_service_source_table_bytes", METRICS_GAUGE, "Memory of the table of ports.",
	 offsetof(struct snapshot_ports, bytes)},
	{"serin_service_source_ports_taken_total", METRICS_COUNTER, "Ports given to flows.",
	 offsetof(struct snapshot_ports, taken)},
	{"serin_service_source_ports_evicted_total", METRICS_COUNTER,
	 "Ports taken from living flows that nobody had proved.",
	 offsetof(struct snapshot_ports, evicted)},
	{"serin_service_source_ports_refused_total", METRICS_COUNTER,
	 "New flows refused for want of a port.", offsetof(struct snapshot_ports, refused)},
	{"serin_service_client_address_untold_total", METRICS_COUNTER,
	 "Packets that had no room to tell the backend of the client.",
	 offsetof(struct snapshot_ports, untold)},
};

static uint64_t ports_value(const struct snapshot_ports *p, const struct ports_family *f)
{
	uint64_t value;

	memcpy(&value, (const char *)p + f->offset, sizeof(value));
	return value;
}

static void write_ports(FILE *out, const struct snapshot *s, const struct ports_family *f)
{
	bool is_used = f->offset == offsetof(struct snapshot_ports, used);

	metrics_put_head(out, f->name, f->type, f->help);
	for (size_t i = 0; i < s->service_count; i++) {
		const struct snapshot_ports *p = &s->services[i].ports;

		if (!p->capacity || (is_used && !p->has_used))
			continue;
		metrics_put_service(out, f->name, &s->services[i]);
		metrics_put_value(out, ports_value(p, f));
	}
}

static void write_service_families(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_service_info", METRICS_GAUGE,
			 "What the service is; always 1.");
	for (size_t i = 0; i < s->service_count; i++)
		put_service_info(out, &s->services[i]);
	write_sources(out, s);
	metrics_put_head(out, "serin_service_epoch", METRICS_GAUGE,
			 "Splits the service has had so far.");
	for (size_t i = 0; i < s->service_count; i++) {
		metrics_put_service(out, "serin_service_epoch", &s->services[i]);
		metrics_put_value(out, s->services[i].epoch);
	}
	metrics_put_head(out, "serin_service_settled", METRICS_GAUGE,
			 "Whether no choice has changed that a living flow could remember.");
	for (size_t i = 0; i < s->service_count; i++) {
		metrics_put_service(out, "serin_service_settled", &s->services[i]);
		metrics_put_value(out, s->services[i].is_settled);
	}
	metrics_put_head(out, "serin_service_last_change_timestamp_seconds", METRICS_GAUGE,
			 "When the live split was made, as Unix time; 0 if that is not known.");
	for (size_t i = 0; i < s->service_count; i++) {
		metrics_put_service(out, "serin_service_last_change_timestamp_seconds",
				    &s->services[i]);
		metrics_put_millionths(out, s->services[i].last.when_ns / 1000);
	}
	for (size_t i = 0; i < sizeof(ports_families) / sizeof(*ports_families); i++)
		write_ports(out, s, &ports_families[i]);
}

static void write_packets(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_packets_total", METRICS_COUNTER,
			 "Packets received, by what became of them and why.");
	for (int reason = SERIN_GO_ON + 1; reason < SERIN_REASON_MAX; reason++) {
		fputs("serin_packets_total", out);
		metrics_put_label(out, "{", "verdict", dataplane_reason_action(reason));
		metrics_put_label(out, ",", "reason", dataplane_reason_name(reason));
		metrics_put_value(out, s->packets[reason]);
	}
}

static void write_drops(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_drops_total", METRICS_COUNTER,
			 "Packets of a service dropped, by reason.");
	for (int reason = SERIN_GO_ON + 1; reason < SERIN_REASON_MAX; reason++) {
		if (strcmp(dataplane_reason_action(reason), "drop"))
			continue;
		fputs("serin_drops_total", out);
		metrics_put_label(out, "{", "reason", dataplane_reason_name(reason));
		metrics_put_value(out, s->packets[reason]);
	}
}

static void write_plain(FILE *out, const char *family, const char *help, uint64_t value)
{
	metrics_put_head(out, family, METRICS_GAUGE, help);
	fprintf(out, "%s %" PRIu64 "\n", family, value);
}

static void write_counter(FILE *out, const char *family, const char *help, uint64_t value)
{
	metrics_put_head(out, family, METRICS_COUNTER, help);
	fprintf(out, "%s %" PRIu64 "\n", family, value);
}

static void write_flow_table(FILE *out, const struct snapshot *s)
{
	write_plain(out, "serin_flow_table_entries", "Flows remembered now, an estimate.",
		    s->flow_entries);
	write_plain(out, "serin_flow_table_capacity",
		    "Places for flows of each family; best left half free.", s->flow_capacity);
	write_plain(out, "serin_flow_table_bytes", "Memory of the flow table.",
		    s->flow_bytes4 + s->flow_bytes6);
	write_counter(out, "serin_flow_table_inserted_total", "Flows remembered.",
		      s->flows_inserted);
	write_counter(out, "serin_flow_table_unremembered_total",
		      "Flows that found no place in the table.", s->flows_unremembered);
	metrics_put_head(out, "serin_flow_table_evicted_total", METRICS_COUNTER,
			 "Living flows that gave way to new ones, by state.");
	for (int state = 0; state < SERIN_FLOW_STATE_MAX; state++) {
		fputs("serin_flow_table_evicted_total", out);
		metrics_put_label(out, "{", "state", flow_state_name(state));
		metrics_put_value(out, s->flows_evicted[state]);
	}
}

static void write_usage(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_map_entries", METRICS_GAUGE,
			 "Entries in use; of flow tables, living flows, an estimate.");
	for (int i = 0; i < USAGE_MAX; i++) {
		fputs("serin_map_entries", out);
		metrics_put_label(out, "{", "map", s->usage[i].map);
		metrics_put_value(out, s->usage[i].used);
	}
	metrics_put_head(out, "serin_map_capacity", METRICS_GAUGE,
			 "Entries the map has room for, by the configuration's limits.");
	for (int i = 0; i < USAGE_MAX; i++) {
		fputs("serin_map_capacity", out);
		metrics_put_label(out, "{", "map", s->usage[i].map);
		metrics_put_value(out, s->usage[i].capacity);
	}
}

static void write_interfaces(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_interface_attached", METRICS_GAUGE,
			 "Whether the program runs on the network interface.");
	for (size_t i = 0; i < s->interface_count; i++) {
		const struct snapshot_interface *port = &s->interfaces[i];

		fputs("serin_interface_attached", out);
		metrics_put_label(out, "{", "interface", port->name);
		metrics_put_label(out, ",", "mode", model_xdp_mode_name(port->mode));
		metrics_put_value(out, port->is_attached);
	}
}

static void write_program(FILE *out, const struct snapshot *s)
{
	metrics_put_head(out, "serin_program_info", METRICS_GAUGE,
			 "Version of the serin that loaded the running program; always 1.");
	fputs("serin_program_info", out);
	metrics_put_label(out, "{", "version", s->made_by);
	metrics_put_value(out, 1);
	write_interfaces(out, s);
	write_packets(out, s);
	write_drops(out, s);
	write_flow_table(out, s);
	write_usage(out, s);
}

int metrics_write(const struct snapshot *s, FILE *out)
{
	metrics_put_head(out, "serin_build_info", METRICS_GAUGE,
			 "Version and map layout of this serin; always 1.");
	fputs("serin_build_info", out);
	metrics_put_label(out, "{", "version", SERIN_VERSION);
	metrics_put_label(out, ",", "kernel_abi", STRING(SERIN_ABI_VERSION));
	metrics_put_value(out, 1);
	if (s) {
		write_program(out, s);
		write_service_families(out, s);
		metrics_write_pools(s, out);
		metrics_write_guards(s, out);
		metrics_write_backends(s, out);
	}
	return ferror(out) ? -EIO : 0;
}

static void write_events(const struct metrics_agent *agent, FILE *out)
{
	metrics_put_head(out, "serin_events_total", METRICS_COUNTER,
			 "Events the agent has read, by kind; one may stand for many.");
	for (int kind = 0; kind < SERIN_EVENT_MAX; kind++) {
		fputs("serin_events_total", out);
		metrics_put_label(out, "{", "kind", event_kind_name(kind));
		metrics_put_value(out, agent->events[kind]);
	}
	write_counter(out, "serin_events_lost_total",
		      "Events that were gone before the agent could read them.",
		      agent->events_lost);
}

static void write_store(const struct metrics_agent *agent, FILE *out)
{
	write_plain(out, "serin_store_available",
		    "Whether the state database could be written when it was last tried.",
		    agent->store_available);
	write_counter(out, "serin_store_errors_total",
		      "Times the state database could be neither read nor written.",
		      agent->store_errors);
	write_counter(out, "serin_store_lost_total",
		      "Changes and events that the state database does not have for that.",
		      agent->store_lost);
}

static void write_map_errors(const struct metrics_agent *agent, FILE *out)
{
	static const char *const names[] = {
		[METRICS_NEXT_HOPS] = "next_hops", [METRICS_SETTLING] = "settling",
		[METRICS_PORTS] = "ports",	   [METRICS_SAMPLING] = "sampling",
		[METRICS_FULLNESS] = "fullness",   [METRICS_SWEEP] = "sweep",
		[METRICS_HEALTH] = "health",
	};

	static_assert(sizeof(names) / sizeof(*names) == METRICS_WORK_MAX, "a name for each");
	metrics_put_head(out, "serin_agent_map_errors_total", METRICS_COUNTER,
			 "Times the agent could not read or write a map, by what it was to do.");
	for (int work = 0; work < METRICS_WORK_MAX; work++) {
		fputs("serin_agent_map_errors_total", out);
		metrics_put_label(out, "{", "what", names[work]);
		metrics_put_value(out, agent->map_errors[work]);
	}
}

int metrics_write_agent(const struct metrics_agent *agent, FILE *out)
{
	metrics_put_head(out, "serin_agent_start_time_seconds", METRICS_GAUGE,
			 "When the agent started, as Unix time.");
	fprintf(out, "serin_agent_start_time_seconds %" PRIu64 ".%03" PRIu64 "\n",
		agent->started_ms / 1000, agent->started_ms % 1000);
	write_plain(out, "serin_agent_dataplane_loaded",
		    "Whether a data plane was there to read when this was asked for.",
		    agent->is_loaded);
	metrics_put_head(out, "serin_agent_scrape_errors_total", METRICS_COUNTER,
			 "Times the data plane was there and could not be read.");
	fprintf(out, "serin_agent_scrape_errors_total %" PRIu64 "\n", agent->scrape_errors);
	write_counter(out, "serin_agent_pass_errors_total",
		      "Times the agent could not look after what runs: a map was not read or "
		      "written.",
		      agent->pass_errors);
	write_map_errors(agent, out);
	write_events(agent, out);
	if (agent->has_store)
		write_store(agent, out);
	return ferror(out) ? -EIO : 0;
}
