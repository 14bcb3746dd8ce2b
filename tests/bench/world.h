/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns where the benchmark runs: namespaces of this process alone, one NIC with neighbours for
 * good, Serin applied to it as its users do, and the textbook balancer filled from the same model.
 * All of it ends with the process. For inclusion by packet_bench.c.
 *
 *     bench0  10.1.0.0/16, 2001:db8:1::/64     backends .1 to .250, each a neighbour
 *             10.2.0.0/16 by way of 10.1.0.254   backends in their thousands
 *     bench2  10.3.0.0/16                      for some cases: backends .1 to .8; the same MAC address
 *             everything else by way of 10.1.0.253 and 2001:db8:1::fd, where clients are
 */
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/dataplane.h"
#include "lib/net.h"
#include "model/model.h"

#include "bench.h"
#include "textbook.h"

#include "tests/bench/driver.skel.h"
#include "tests/bench/floor.skel.h"
#include "tests/bench/textbook.skel.h"

#define WORLD_DIR	"/sys/fs/bpf/serin"
#define WORLD_TEXT_(x)	#x
#define WORLD_TEXT(x)	WORLD_TEXT_(x)
#define WORLD_PINS	WORLD_DIR "/v" WORLD_TEXT(SERIN_ABI_VERSION)
#define WORLD_NIC	"bench0"
#define WORLD_NIC2	"bench2"
#define WORLD_HOSTS	250
#define WORLD_HOSTS2	8   /* of the second NIC */
#define WORLD_GATEWAY	254 /* of the backends of 10.2.0.0/16 */
#define WORLD_CLIENTS	253 /* where clients' packets come from */
#define WORLD_FRAME_MAX 256

/* Those that take turns at the same packets. */
enum contender {
	CONTENDER_FLOOR,
	CONTENDER_SERIN,
	CONTENDER_TEXTBOOK,
	CONTENDER_MAX,
};

struct world {
	struct driver_bpf *driver;
	struct floor_bpf *floor;
	struct textbook_bpf *textbook;
	struct bench_turn *order; /* the driver's, mapped */
	int ifindex;
	int serin_fd;	 /* the pinned program */
	int subject_fd;	 /* what the driver calls now */
	double apply_ms; /* how long the last apply took */
};

static struct world world = {.serin_fd = -1, .subject_fd = -1};
static const uint8_t world_nic_mac[6] = {2, 0, 0, 0, 0, 1};
static const struct dataplane_author world_author = {.actor = "bench", .reason = ""};

static inline void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("packet_bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static inline struct in6_addr world_addr(const char *text)
{
	struct in6_addr a;

	if (net_parse_addr(text, &a))
		die("%s is no address", text);
	return a;
}

static inline double world_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The MAC address of whoever packets to this address go to. */
static inline void world_mac(const struct in6_addr *to, uint8_t mac[6])
{
	bool is_v4 = net_is_v4(to);
	uint8_t host = to->s6_addr[15];

	if (is_v4 && to->s6_addr[12] == 10 && to->s6_addr[13] == 2)
		host = WORLD_GATEWAY;
	memcpy(mac, (const uint8_t[6]){2, 0, 0, 0, is_v4 ? 4 : 6, host}, 6);
}

/* Whether packets to this address leave by the second NIC. */
static inline bool world_is_beyond(const struct in6_addr *to)
{
	return net_is_v4(to) && to->s6_addr[12] == 10 && to->s6_addr[13] == 3;
}

/* ---- namespaces and NICs ---- */

static inline void world_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static inline void world_ip(FILE *ip, const char *what)
{
	if (!ip || pclose(ip))
		die("cannot make %s (is iproute2 installed?)", what);
}

static inline void world_make_nic(void)
{
	FILE *ip = popen("ip -batch -", "w");

	fputs("link set lo up\n", ip);
	fputs("link add " WORLD_NIC " address 02:00:00:00:00:01 type veth peer name bench1\n", ip);
	fputs("link add drive0 type veth peer name drive1\n", ip);
	world_ip(ip, "the NIC");
	world_write("/proc/sys/net/ipv6/conf/bench1/disable_ipv6", "1"); /* it says nothing */
	world_write("/proc/sys/net/ipv4/ip_forward", "1");
	world_write("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	ip = popen("ip -batch -", "w");
	fputs("link set " WORLD_NIC " up\nlink set bench1 up\n", ip);
	fputs("address add 10.1.255.1/16 dev " WORLD_NIC "\n", ip);
	fputs("address add 2001:db8:1::ffff/64 dev " WORLD_NIC " nodad\n", ip);
	for (int host = 1; host <= WORLD_GATEWAY; host++) {
		if (host > WORLD_HOSTS && host < WORLD_CLIENTS)
			continue;
		fprintf(ip, "neigh add 10.1.0.%d lladdr 02:00:00:00:04:%02x dev %s\n", host, host,
			WORLD_NIC);
		fprintf(ip, "neigh add 2001:db8:1::%x lladdr 02:00:00:00:06:%02x dev %s\n", host,
			host, WORLD_NIC);
	}
	fprintf(ip, "route add 10.2.0.0/16 via 10.1.0.%d\n", WORLD_GATEWAY);
	fprintf(ip, "route add default via 10.1.0.%d\n", WORLD_CLIENTS);
	fprintf(ip, "route add default via 2001:db8:1::%x\n", WORLD_CLIENTS);
	world_ip(ip, "addresses and neighbours");
	world.ifindex = (int)if_nametoindex(WORLD_NIC);
}

/* The second NIC, only as long as it is needed: each route makes the look-up of one longer. */
static inline void world_add_nic2(void)
{
	FILE *ip = popen("ip -batch -", "w");

	fputs("link add " WORLD_NIC2 " address 02:00:00:00:00:01 type veth peer name bench3\n", ip);
	fputs("link set " WORLD_NIC2 " up\nlink set bench3 up\n", ip);
	fputs("address add 10.3.255.1/16 dev " WORLD_NIC2 "\n", ip);
	for (int host = 1; host <= WORLD_HOSTS2; host++)
		fprintf(ip, "neigh add 10.3.0.%d lladdr 02:00:00:00:04:%02x dev %s\n", host, host,
			WORLD_NIC2);
	world_ip(ip, "the second NIC");
}

static inline void world_drop_nic2(void)
{
	FILE *ip = popen("ip -batch -", "w");

	fputs("link del " WORLD_NIC2 "\n", ip);
	world_ip(ip, "the second NIC go");
}

/* Before everybody else: a chunk of packets that had to wait for another process says nothing. Not
 * what it starts: that is to run as it would for its users. */
static inline void world_go_first(void)
{
	const struct sched_param first = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		die("cannot go before other processes: %s", strerror(errno));
}

/* One CPU for all that follows; not the first one, which most interrupts go to. */
static inline void world_pin_cpu(void)
{
	cpu_set_t allowed, one;
	int cpu = CPU_SETSIZE;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	while (cpu > 0 && !CPU_ISSET(--cpu, &allowed))
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("cannot stay on CPU %d: %s", cpu, strerror(errno));
}

/*
 * On a NIC that is down. BPF_PROG_RUN puts a program that is on none into the kernel's XDP dispatcher
 * and takes it out again, and waits for an RCU grace period each time: longer than a run takes.
 */
static inline void world_park(const struct bpf_program *driver, const char *nic)
{
	int ifindex = (int)if_nametoindex(nic);

	if (bpf_xdp_attach(ifindex, bpf_program__fd(driver), XDP_FLAGS_DRV_MODE, NULL))
		die("cannot attach the driver to %s: %s", nic, strerror(errno));
}

static inline void world_enter(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		die("cannot enter namespaces of its own: %s (root is needed)", strerror(errno));
	world_make_nic();
	world_pin_cpu();
	world_go_first();
	world.driver = driver_bpf__open_and_load();
	world.floor = floor_bpf__open_and_load();
	if (!world.driver || !world.floor)
		die("cannot load the driver: %s", strerror(errno));
	world_park(world.driver->progs.driver, "drive0");
	world_park(world.driver->progs.learner, "drive1");
	world.order = mmap(NULL, sizeof(*world.order) * BENCH_ORDER_MAX, PROT_READ | PROT_WRITE,
			   MAP_SHARED, bpf_map__fd(world.driver->maps.order), 0);
	if (world.order == MAP_FAILED)
		die("cannot map the order table: %s", strerror(errno));
}

/* ---- the textbook balancer ---- */

static inline struct textbook_endpoint world_endpoint(const struct in6_addr *addr, uint16_t port,
						      uint8_t protocol)
{
	struct textbook_endpoint e = {.port_be = htons(port), .protocol = protocol};

	memcpy(e.addr_be, addr, sizeof(*addr));
	return e;
}

static inline void world_put(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, 0))
		die("cannot fill the textbook's %s: %s", bpf_map__name(map), strerror(errno));
}

/* Pools take slots by weight, backends of a pool in turn; @ids: of each pool's first backend. */
static inline void world_fill_slots(const struct model_service *svc, uint32_t *slots,
				    const uint32_t *ids)
{
	uint32_t at = 0;

	for (size_t p = 0; p < svc->pool_count; p++) {
		const struct model_pool *pool = &svc->pools[p];
		uint32_t end = at + (uint32_t)((uint64_t)svc->table_size * pool->weight_ppm /
					       MODEL_PPM_ALL);

		for (uint32_t i = 0; p != svc->primary && at < end; at++, i++)
			slots[at] = ids[p] + i % (uint32_t)pool->backend_count;
	}
	for (uint32_t i = 0; at < svc->table_size; at++, i++)
		slots[at] =
			ids[svc->primary] + i % (uint32_t)svc->pools[svc->primary].backend_count;
}

static inline void world_fill_backend(const struct model_backend *b, uint8_t protocol, uint32_t id,
				      const struct textbook_service *s)
{
	struct textbook_backend entry = {.service = s->id, .port = world_is_beyond(&b->address)};

	entry.at = world_endpoint(&b->address, b->port, protocol);
	world_mac(&b->address, entry.mac);
	world_put(world.textbook->maps.backends, &id, &entry);
	world_put(world.textbook->maps.reverse, &entry.at, s);
}

static inline void world_fill_textbook(const struct model *m, uint64_t *slots)
{
	struct textbook_service s = {};
	uint32_t next_id = 0;

	for (size_t i = 0; i < m->service_count; i++) {
		const struct model_service *svc = &m->services[i];
		uint32_t ids[SERIN_MAX_POOLS];
		uint32_t *own = calloc(svc->table_size, sizeof(*own));

		s.vip = world_endpoint(&svc->vip, svc->port, svc->protocol);
		s.id = (uint32_t)i;
		s.slot_count = svc->table_size;
		world_put(world.textbook->maps.services, &s.vip, &s);
		for (size_t p = 0; p < svc->pool_count; p++) {
			ids[p] = next_id;
			for (size_t b = 0; b < svc->pools[p].backend_count; b++)
				world_fill_backend(&svc->pools[p].backends[b], svc->protocol,
						   next_id++, &s);
		}
		world_fill_slots(svc, own, ids);
		for (uint32_t slot = 0; slot < svc->table_size; slot++)
			slots[s.first_slot + slot] = own[slot];
		free(own);
		s.first_slot += svc->table_size;
	}
}

static inline void world_load_textbook(const struct model *m)
{
	uint32_t slot_count = 0, one = 1, ifindex2 = if_nametoindex(WORLD_NIC2);
	uint64_t *slots; /* an element of 4 bytes takes 8 in an array map */

	for (size_t i = 0; i < m->service_count; i++)
		slot_count += m->services[i].table_size;
	textbook_bpf__destroy(world.textbook);
	world.textbook = textbook_bpf__open();
	if (!world.textbook)
		die("cannot open the textbook balancer");
	memcpy((void *)&world.textbook->rodata->own_mac_head, world_nic_mac, 4);
	memcpy((void *)&world.textbook->rodata->own_mac_tail, world_nic_mac + 4, 2);
	bpf_map__set_max_entries(world.textbook->maps.connections, m->limits.flows);
	bpf_map__set_max_entries(world.textbook->maps.slots, slot_count);
	if (textbook_bpf__load(world.textbook))
		die("cannot load the textbook balancer: %s", strerror(errno));
	slots = mmap(NULL, slot_count * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(world.textbook->maps.slots), 0);
	if (slots == MAP_FAILED)
		die("cannot map the textbook's slots: %s", strerror(errno));
	if (ifindex2)
		world_put(world.textbook->maps.tx_ports, &one, &ifindex2);
	world_fill_textbook(m, slots);
	munmap(slots, slot_count * sizeof(*slots));
}

/* ---- Serin ---- */

/* The kernel lets go of an unpinned link a moment after its pin is gone. */
static inline void world_wait_detached(void)
{
	uint32_t id = 1;

	for (int tries = 0; id && tries < 5000; tries++) {
		if (bpf_xdp_query_id(world.ifindex, 0, &id))
			die("cannot ask what is attached");
		if (id)
			usleep(1000);
	}
	if (id)
		die("the NIC still has a program");
}

static inline void world_unload(void)
{
	FILE *changes = fopen("/dev/null", "w");

	if (world.serin_fd >= 0)
		close(world.serin_fd);
	world.serin_fd = -1;
	world.subject_fd = -1; /* another program's soon */
	if (!dataplane_probe(WORLD_DIR) &&
	    dataplane_detach(WORLD_DIR, &world_author, false, changes))
		die("cannot detach");
	fclose(changes);
	world_wait_detached();
}

/* Both balancers anew, with empty tables. */
static inline void world_load(const struct model *m)
{
	FILE *changes = fopen("/dev/null", "w");
	double start;

	world_unload();
	start = world_now_ns();
	if (dataplane_apply(WORLD_DIR, m, &world_author, false, changes))
		die("cannot apply the model");
	world.apply_ms = (world_now_ns() - start) / 1e6;
	fclose(changes);
	world.serin_fd = bpf_obj_get(WORLD_PINS "/program");
	if (world.serin_fd < 0)
		die("no program is pinned: %s", strerror(errno));
	world_load_textbook(m);
}

static inline struct dataplane *world_open(void)
{
	struct dataplane *dp = NULL;

	if (dataplane_open(WORLD_DIR, DATAPLANE_WRITE, &dp))
		die("cannot open what was applied");
	return dp;
}

static inline int world_shift(struct dataplane *dp, const char *service, uint32_t ppm,
			      struct dataplane_shift *out)
{
	const struct dataplane_weight weight = {.pool = "canary", .ppm = ppm};
	const struct dataplane_shift_request request = {.service = service,
							.weights = &weight,
							.weight_count = 1,
							.expect_epoch = -1,
							.author = world_author};

	return dataplane_shift(dp, &request, out);
}

static inline void world_shift_once(const char *service, uint32_t ppm)
{
	struct dataplane *dp = world_open();
	struct dataplane_shift shift;

	if (world_shift(dp, service, ppm, &shift))
		die("cannot shift %s", service);
	dataplane_close(dp);
}

/* ---- running ---- */

static inline int world_fd(enum contender who)
{
	switch (who) {
	case CONTENDER_SERIN:
		return world.serin_fd;
	case CONTENDER_TEXTBOOK:
		return bpf_program__fd(world.textbook->progs.textbook);
	default:
		return bpf_program__fd(world.floor->progs.bottom);
	}
}

static inline enum bench_side world_side(enum contender who)
{
	return who == CONTENDER_TEXTBOOK ? BENCH_SIDE_TEXTBOOK : BENCH_SIDE_SUBJECT;
}

static inline void world_call(int fd)
{
	uint32_t zero = 0;

	if (fd == world.subject_fd)
		return;
	if (bpf_map_update_elem(bpf_map__fd(world.driver->maps.subject), &zero, &fd, 0))
		die("the driver cannot call the program under test: %s", strerror(errno));
	world.subject_fd = fd;
}

struct outcome {
	uint32_t action;
	uint32_t len;
	uint8_t bytes[WORLD_FRAME_MAX];
};

/*
 * Sends `packets` packets, from turn `start` on, to whatever world_call() named. The stamps are in
 * run->stamps_ns afterwards; the last packet, as the program left it, is in @out.
 */
static inline void world_run(const struct bpf_program *driver, uint32_t packets,
			     struct outcome *out)
{
	static const uint8_t zeros[BENCH_FRAME_LEN];
	struct xdp_md ctx = {.data_end = BENCH_FRAME_LEN,
			     .ingress_ifindex = (uint32_t)world.ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = zeros, .data_size_in = sizeof(zeros),
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)packets);

	world.driver->bss->run.packet = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(driver), &opts))
		die("BPF_PROG_RUN: %s", strerror(errno));
	out->action = opts.retval;
	out->len = opts.data_size_out;
}
