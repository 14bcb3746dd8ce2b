/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the bench of the packet path's tests: a load balancer with two NICs in a network namespace
 * and a mount namespace of this process alone, and the pinned program run on one frame at a time.
 * Nothing is sent and nothing else arrives, so every counter is exact. All of it ends with the
 * process. For inclusion by one test program each.
 *
 *     front  10.1.0.0/16, 2001:db8:1::/64   hosts .1 to .100, neighbours for good
 *     back   10.2.0.0/16, 2001:db8:2::/64   hosts .1 to .100
 *
 * The MAC of host n is 02:00:00:0N:04:n of NIC N over IPv4, and 02:00:00:0N:06:n over IPv6.
 */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "dataplane/dataplane.h"
#include "lib/net.h"
#include "model/model.h"
#include "observe/status_json.h"

#include "frame.h"
#include "lab_wait.h"

#define LAB_DIR	      "/sys/fs/bpf/serin-lab"
#define LAB_PINS      LAB_DIR "/v5" /* of SERIN_ABI_VERSION */
#define LAB_HOSTS     100
#define LAB_FRAME_MAX 12288 /* of what comes out: jumbo frames and more */
#define LAB_LIMITS                    \
	"version: 1\n"                \
	"interfaces: [front, back]\n" \
	"limits: {services: 32, backends: 512, flows: 262144}\n"
#define LAB_HEAD LAB_LIMITS "services:\n"
/* Flows are over, and changes settle, within seconds. */
#define LAB_HASTY_HEAD(s)                                                                     \
	LAB_LIMITS "idle: {syn: " #s ", established: " #s ", closing: " #s ", udp: " #s "}\n" \
		   "services:\n"

static const uint8_t lab_front_mac[6] = {2, 0, 0, 0, 1, 1};
static const uint8_t lab_back_mac[6] = {2, 0, 0, 0, 2, 1};
static const uint8_t lab_client_mac[6] = {2, 0xc1, 0, 0, 0, 1};
static const struct dataplane_author lab_author = {.actor = "test", .reason = ""};

static int lab_front, lab_back; /* ifindexes */
static int lab_program = -1;
static uint64_t lab_rng;
static char lab_changes[65536]; /* what the last apply told */
static char lab_errors[65536];	/* and said on stderr */

static inline uint64_t lab_random(void) /* xorshift64* */
{
	lab_rng ^= lab_rng >> 12;
	lab_rng ^= lab_rng << 25;
	lab_rng ^= lab_rng >> 27;
	return lab_rng * 0x2545f4914f6cdd1dull;
}

static inline uint32_t lab_below(uint32_t n)
{
	return (uint32_t)((lab_random() >> 32) * n >> 32);
}

static inline struct in6_addr lab_addr(const char *text)
{
	struct in6_addr a;

	if (net_parse_addr(text, &a))
		lab_fail("\"%s\" is no address", text);
	return a;
}

/* ---- the two namespaces and the NICs ---- */

static inline void lab_sysctl(const char *nic, const char *key, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", nic, key);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static inline void lab_describe_nic(FILE *ip, const char *nic, int number, int mtu)
{
	fprintf(ip, "link set %s address 02:00:00:00:0%d:01 mtu %d\n", nic, number, mtu);
	fprintf(ip, "link set %s up\nlink set %s-far up\n", nic, nic);
	fprintf(ip, "address add 10.%d.255.254/16 dev %s\n", number, nic);
	fprintf(ip, "address add 2001:db8:%d::ffff/64 dev %s nodad\n", number, nic);
	for (int host = 1; host <= LAB_HOSTS; host++) {
		fprintf(ip, "neigh add 10.%d.0.%d lladdr 02:00:00:0%d:04:%02x dev %s\n", number,
			host, number, host, nic);
		fprintf(ip, "neigh add 2001:db8:%d::%x lladdr 02:00:00:0%d:06:%02x dev %s\n",
			number, host, number, host, nic);
	}
}

static inline int lab_make_nics(void)
{
	FILE *ip = popen("ip -batch -", "w");

	assert_non_null(ip);
	fputs("link set lo up\n", ip);
	fputs("link add front type veth peer name front-far\n", ip);
	fputs("link add back type veth peer name back-far\n", ip);
	assert_int_equal(pclose(ip), 0);
	/* The far ends say nothing: what the program counts is what the tests ran. */
	lab_sysctl("front-far", "disable_ipv6", "1");
	lab_sysctl("back-far", "disable_ipv6", "1");
	ip = popen("ip -batch -", "w");
	assert_non_null(ip);
	lab_describe_nic(ip, "front", 1, 1500);
	lab_describe_nic(ip, "back", 2, 1400);
	assert_int_equal(pclose(ip), 0);
	lab_front = (int)if_nametoindex("front");
	lab_back = (int)if_nametoindex("back");
	return 0;
}

static inline int lab_setup(void **state)
{
	(void)state;
	return lab_make_nics();
}

/* Before anything else: what follows touches nothing of the host's. */
static inline void lab_enter(uint64_t seed)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700")) {
		perror("cannot enter namespaces of its own (root is needed)");
		exit(1);
	}
	lab_rng = seed;
	printf("seed %#llx\n", (unsigned long long)seed);
}

/* ---- what the product says on stderr ---- */

static inline int lab_hush_begin(void)
{
	int real = dup(STDERR_FILENO), catcher = memfd_create("stderr", 0);

	assert_true(real >= 0 && catcher >= 0);
	dup2(catcher, STDERR_FILENO);
	close(catcher);
	return real;
}

static inline void lab_hush_end(int real)
{
	ssize_t len = pread(STDERR_FILENO, lab_errors, sizeof(lab_errors) - 1, 0);

	lab_errors[len > 0 ? len : 0] = '\0';
	dup2(real, STDERR_FILENO);
	close(real);
}

static inline size_t lab_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* ---- applying and reading ---- */

static inline struct model *lab_parse(const char *yaml)
{
	struct config_errors errors = {};
	struct model *m = NULL;

	if (config_parse(yaml, strlen(yaml), &m, &errors))
		fail_msg("line %zu: %s", errors.count ? errors.list[0].line : 0,
			 errors.count ? errors.list[0].message : "?");
	config_errors_fini(&errors);
	return m;
}

static inline int lab_apply_model(const struct model *m, bool dry_run)
{
	FILE *changes = fmemopen(lab_changes, sizeof(lab_changes), "w");
	int real = lab_hush_begin();
	int error = dataplane_apply(LAB_DIR, m, &lab_author, dry_run, changes);

	lab_hush_end(real);
	fclose(changes);
	return error;
}

static inline int lab_apply_yaml(const char *yaml, bool dry_run)
{
	struct model *m = lab_parse(yaml);
	int error = lab_apply_model(m, dry_run);

	model_free(m);
	return error;
}

/* Applies what must apply, and from then on runs the program that is pinned. */
static inline void lab_apply(const char *yaml)
{
	int error = lab_apply_yaml(yaml, false);

	if (error)
		fail_msg("apply: %d: %s", error, lab_errors);
	if (lab_program >= 0)
		close(lab_program);
	lab_program = bpf_obj_get(LAB_PINS "/program");
	assert_true(lab_program >= 0);
}

static inline void lab_detach(void)
{
	FILE *changes = fmemopen(lab_changes, sizeof(lab_changes), "w");

	if (lab_program >= 0)
		close(lab_program);
	lab_program = -1;
	assert_int_equal(dataplane_detach(LAB_DIR, &lab_author, false, changes), 0);
	fclose(changes);
}

static inline int lab_teardown(void **state)
{
	(void)state;
	lab_let_go(LAB_DIR);
	if (!dataplane_probe(LAB_DIR))
		lab_detach();
	return 0;
}

static inline struct dataplane *lab_open(enum dataplane_access access)
{
	struct dataplane *dp = NULL;

	assert_int_equal(dataplane_open(LAB_DIR, access, &dp), 0);
	return dp;
}

static inline struct snapshot *lab_snapshot(void)
{
	struct dataplane *dp = lab_open(DATAPLANE_READ);
	struct snapshot *s = NULL;

	assert_int_equal(dataplane_snapshot(dp, &s), 0);
	dataplane_close(dp);
	return s;
}

static inline const struct snapshot_pool *lab_pool(const struct snapshot *s, const char *service,
						   const char *pool)
{
	const struct snapshot_service *svc = snapshot_find_service(s, service);

	assert_non_null(svc);
	for (size_t i = 0; i < svc->pool_count; i++)
		if (!strcmp(svc->pools[i].name, pool))
			return &svc->pools[i];
	fail_msg("service %s has no pool %s", service, pool);
	return NULL;
}

static inline uint64_t lab_packets(const struct snapshot *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < SERIN_REASON_MAX; i++)
		sum += s->packets[i];
	return sum;
}

/* status as JSON: everything there is to see. The caller frees it. */
static inline char *lab_status(void)
{
	struct snapshot *s = lab_snapshot();
	json_t *json = status_json(s);
	char *text = json_dumps(json, STATUS_JSON_FLAGS);

	assert_non_null(text);
	json_decref(json);
	snapshot_free(s);
	return text;
}

static inline void lab_expect_status(char *before)
{
	char *after = lab_status();

	assert_string_equal(before, after);
	free(before);
	free(after);
}

static inline int lab_shift(const char *service, const char *pool, uint32_t ppm)
{
	struct dataplane_weight weight = {.pool = pool, .ppm = ppm};
	struct dataplane_shift_request request = {.service = service,
						  .weights = &weight,
						  .weight_count = 1,
						  .expect_epoch = -1,
						  .author = lab_author};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct dataplane_shift shift;
	int error = dataplane_shift(dp, &request, &shift);

	dataplane_close(dp);
	return error;
}

static inline int lab_drain(const char *service, const char *backend, bool drain, bool force)
{
	struct dataplane_drain_request request = {
		.service = service, .drain = drain, .force = force, .author = lab_author};
	struct dataplane *dp = lab_open(DATAPLANE_WRITE);
	struct in6_addr address;
	uint16_t port = 0;
	int error, real = lab_hush_begin();

	assert_int_equal(net_parse_endpoint(backend, &address, &port), 0);
	error = dataplane_drain(dp, &request, &address, port);
	dataplane_close(dp);
	lab_hush_end(real);
	return error;
}

static inline struct explanation lab_explain(struct dataplane *dp, const char *service,
					     const struct in6_addr *client, uint16_t port)
{
	struct explain_query query = {.service = service, .client = *client, .port = port};
	struct explanation e;

	assert_int_equal(dataplane_explain(dp, &query, &e), 0);
	return e;
}

/* Of the flow that a frame begins, marked as it is. */
static inline struct explanation lab_explain_frame(struct dataplane *dp, const char *service,
						   const struct frame *f)
{
	struct explain_query query = {
		.service = service, .client = f->src, .port = f->src_port, .dscp = frame_dscp(f)};
	struct explanation e;

	assert_int_equal(dataplane_explain(dp, &query, &e), 0);
	return e;
}

/* ---- running the program ---- */

struct outcome {
	uint32_t action;
	uint32_t len;
	uint8_t bytes[LAB_FRAME_MAX];
};

/* A frame of which the first buffer holds @linear bytes at most. -errno: the kernel would not.
 * @ifindex 0: by the loopback, which the program is not attached to. */
static inline int lab_run_split(int ifindex, const uint8_t *bytes, size_t len, size_t linear,
				struct outcome *out)
{
	struct xdp_md ctx = {.data_end = (uint32_t)linear, .ingress_ifindex = (uint32_t)ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = (uint32_t)len,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .repeat = 1);

	if (ifindex) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
	}
	if (bpf_prog_test_run_opts(lab_program, &opts))
		return -errno;
	out->action = opts.retval;
	out->len = opts.data_size_out;
	return 0;
}

/* Where it cannot be run, and the main thread does not end with that, nothing comes out. */
static inline void lab_run(int ifindex, const uint8_t *bytes, size_t len, struct outcome *out)
{
	int error = lab_run_split(ifindex, bytes, len, len, out);

	if (error) {
		memset(out, 0, sizeof(*out));
		lab_fail("BPF_PROG_RUN of %zu bytes: %s", len, strerror(-error));
	}
}

static inline void lab_run_frame(int ifindex, const struct frame *f, struct outcome *out)
{
	uint8_t bytes[FRAME_MAX];
	size_t len = frame_build(f, bytes);

	lab_run(ifindex, bytes, len, out);
}

/* A request from a client behind `front`. */
static inline struct frame lab_request(const char *client, uint16_t port, const char *vip,
				       uint16_t vip_port, uint8_t protocol)
{
	struct frame f = {
		.src = lab_addr(client),
		.dst = lab_addr(vip),
		.src_port = port,
		.dst_port = vip_port,
		.protocol = protocol,
		.ttl = 64,
		.tcp_flags = FRAME_SYN,
		.payload_len = 8,
		.fill = port,
	};

	memcpy(f.dst_mac, lab_front_mac, 6);
	memcpy(f.src_mac, lab_client_mac, 6);
	return f;
}

static inline struct in6_addr lab_wire_addr(const uint8_t *bytes, bool is_destination)
{
	struct in6_addr a = {};

	if (bytes[12] == 0x08) {
		a.s6_addr[10] = a.s6_addr[11] = 0xff;
		memcpy(&a.s6_addr[12], bytes + FRAME_ETH + (is_destination ? 16 : 12), 4);
	} else {
		memcpy(&a, bytes + FRAME_ETH + (is_destination ? 24 : 8), 16);
	}
	return a;
}

/* The last byte of the destination tells which host of the lab got it; 0 if it went nowhere. */
static inline unsigned int lab_host_of(const struct outcome *o)
{
	struct in6_addr a;

	if (o->action != XDP_TX && o->action != XDP_REDIRECT)
		return 0;
	a = lab_wire_addr(o->bytes, true);
	return a.s6_addr[15];
}

/* Runs a request in by `front` and returns the backend's number, 0 if it was not forwarded. */
static inline unsigned int lab_ask(const struct frame *f)
{
	struct outcome out;

	lab_run_frame(lab_front, f, &out);
	return lab_host_of(&out);
}

/*
 * Where a new connection would go: its SYN tells, and a reset after it leaves no connection behind.
 * A reset alone tells where an old one goes that nobody remembers.
 */
static inline unsigned int lab_choose(const struct frame *f)
{
	struct frame syn = *f, reset = *f;
	unsigned int host;

	syn.tcp_flags = FRAME_SYN;
	reset.tcp_flags = FRAME_RST;
	host = lab_ask(&syn);
	assert_int_equal(lab_ask(&reset), host);
	return host;
}
