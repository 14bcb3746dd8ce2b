// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * e2e_packets_bench - small UDP packets by BPF_PROG_RUN with live frames, as fast as one CPU can:
 * no socket, no skb, a tenth of what any sender in user space costs.
 *
 *   floor OPTIONS    attach the load balancer that only sends back, or carries packets between
 *                    clients and one host; it stays until taken off
 *   send OPTIONS     send to a VIP over a veth, count what comes back over it, and print JSON
 *
 * What comes back is counted and dropped in XDP on the sender's own interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jansson.h>

#include "e2e_packets.h"
#include "tests/bench/e2e_packets.skel.h"

#define RUN	 (2048 * E2E_BATCH) /* turns per system call */
#define DRAIN_MS 50		    /* after the last packet has been sent */

struct job {
	unsigned int ifindex;
	struct ether_addr to, from;
	struct in_addr vip, clients;
	unsigned int port, flows, milliseconds, rate;
	unsigned long long packets;
};

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "e2e_packets_bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static unsigned int sum_words(const void *data, size_t len)
{
	const unsigned char *byte = data;
	unsigned int sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (unsigned int)byte[i] << 8 | byte[i + 1];
	return sum;
}

/* Everything but the source address, the source port and the checksums. */
static struct e2e_frame make_frame(const struct job *job)
{
	struct e2e_frame f = {0};

	memcpy(f.eth.h_dest, &job->to, ETH_ALEN);
	memcpy(f.eth.h_source, &job->from, ETH_ALEN);
	f.eth.h_proto = htons(ETH_P_IP);
	f.ip.version = 4;
	f.ip.ihl = 5;
	f.ip.ttl = 64;
	f.ip.protocol = IPPROTO_UDP;
	f.ip.frag_off = htons(0x4000); /* do not fragment */
	f.ip.tot_len = htons(sizeof(f) - sizeof(f.eth));
	f.ip.daddr = job->vip.s_addr;
	f.udp.dest = htons((unsigned short)job->port);
	f.udp.len = htons(sizeof(f.udp) + sizeof(f.payload));
	memset(f.payload, 'x', sizeof(f.payload));
	return f;
}

static struct e2e_packets_bpf *load(const struct job *job)
{
	struct e2e_packets_bpf *skel = e2e_packets_bpf__open();
	struct e2e_frame f = make_frame(job);
	int err;

	if (!skel)
		die("opening", errno);
	memcpy(skel->bss->frame_words, &f, sizeof(f));
	skel->bss->host_be = job->vip.s_addr;
	memcpy(skel->bss->host_mac, &job->to, ETH_ALEN);
	memcpy(skel->bss->client_mac, &job->from, ETH_ALEN);
	skel->rodata->ip_sum = sum_words(&f.ip, sizeof(f.ip));
	skel->rodata->udp_sum = sum_words(&f.ip.daddr, sizeof(f.ip.daddr)) + IPPROTO_UDP +
				2 * ntohs(f.udp.len) + ntohs(f.udp.dest) +
				sum_words(f.payload, sizeof(f.payload));
	skel->rodata->clients = ntohl(job->clients.s_addr);
	skel->rodata->flow_count = job->flows;
	skel->rodata->pause_ns = job->rate ? E2E_BATCH * 1000000000ull / job->rate : 0;
	err = e2e_packets_bpf__load(skel);
	if (err)
		die("loading", err);
	return skel;
}

static void attach(unsigned int ifindex, const struct bpf_program *program)
{
	int err = bpf_xdp_attach((int)ifindex, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL);

	if (err)
		die("attaching", err);
}

static void send_some(const struct job *job, int program, unsigned int count)
{
	struct e2e_frame f = {0};
	struct xdp_md ctx = {.data_end = sizeof(f), .ingress_ifindex = job->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &f, .data_size_in = sizeof(f),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = E2E_BATCH);
	int err = bpf_prog_test_run_opts(program, &opts);

	if (err && err != -EINTR && err != -EAGAIN)
		die("sending", err);
}

/* A system call costs 30 ms, most of it to take its pages back: few of them, and pacing is left to
 * the program. */
static void send_all(const struct job *job, const struct e2e_packets_bpf *skel)
{
	unsigned long long end = now_ns() + job->milliseconds * 1000000ull;

	while (now_ns() < end && (!job->packets || skel->bss->sent < job->packets))
		send_some(job, bpf_program__fd(skel->progs.e2e_send), RUN);
}

static unsigned long long read_seen(const struct e2e_packets_bpf *skel, unsigned int key)
{
	unsigned int cpus = (unsigned int)libbpf_num_possible_cpus();
	unsigned long long value[cpus], sum = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.seen), &key, value))
		die("reading counters", errno);
	for (unsigned int i = 0; i < cpus; i++)
		sum += value[i];
	return sum;
}

static void print_result(const struct e2e_packets_bpf *skel, unsigned long long elapsed_ns)
{
	json_t *to = json_object(), *line;
	unsigned long long all = 0;

	for (unsigned int key = 0; key < E2E_SEEN_MAX; key++) {
		unsigned long long count = read_seen(skel, key);
		char name[16];

		if (!count)
			continue;
		all += count;
		snprintf(name, sizeof(name), "%u", key);
		json_object_set_new(to, name, json_integer((json_int_t)count));
	}
	line = json_pack("{s:I, s:I, s:I, s:o}", "sent", (json_int_t)skel->bss->sent, "seen",
			 (json_int_t)all, "elapsed_ns", (json_int_t)elapsed_ns, "to", to);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

static void run(const struct job *job)
{
	struct e2e_packets_bpf *skel = load(job);
	unsigned long long begin;

	attach(job->ifindex, skel->progs.e2e_sink);
	begin = now_ns();
	send_all(job, skel);
	begin = now_ns() - begin;
	usleep(DRAIN_MS * 1000);
	print_result(skel, begin);
	e2e_packets_bpf__destroy(skel);
}

static void usage(void)
{
	fputs("usage: e2e_packets_bench floor --interface IFNAME [--vip ADDR --to MAC --from MAC]\n"
	      "       e2e_packets_bench send --interface IFNAME --to MAC --from MAC --vip ADDR\n"
	      "            --port PORT --clients ADDR [--flows N] [--milliseconds MS] [--packets "
	      "N]\n"
	      "            [--rate PER_SECOND]\n",
	      stderr);
	exit(2);
}

static const struct option options[] = {
	{"interface", required_argument, NULL, 'i'},
	{"to", required_argument, NULL, 't'},
	{"from", required_argument, NULL, 'f'},
	{"vip", required_argument, NULL, 'v'},
	{"port", required_argument, NULL, 'p'},
	{"clients", required_argument, NULL, 'c'},
	{"flows", required_argument, NULL, 'n'},
	{"milliseconds", required_argument, NULL, 'm'},
	{"packets", required_argument, NULL, 'P'},
	{"rate", required_argument, NULL, 'r'},
	{NULL, 0, NULL, 0},
};

static void read_options(struct job *job, int argc, char **argv)
{
	const char *text[128] = {
		['i'] = "", ['t'] = "", ['f'] = "", ['v'] = "0.0.0.0", ['c'] = "0.0.0.0"};
	unsigned long long value[128] = {['n'] = 1, ['m'] = 1000};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == '?')
			usage();
		text[o] = optarg;
		value[o] = strtoull(optarg, NULL, 10);
	}
	job->ifindex = if_nametoindex(text['i']);
	if (!job->ifindex || (*text['t'] && !ether_aton_r(text['t'], &job->to)) ||
	    (*text['f'] && !ether_aton_r(text['f'], &job->from)) ||
	    inet_pton(AF_INET, text['v'], &job->vip) != 1 ||
	    inet_pton(AF_INET, text['c'], &job->clients) != 1 || !value['n'])
		usage();
	job->port = (unsigned int)value['p'];
	job->flows = (unsigned int)value['n'];
	job->milliseconds = (unsigned int)value['m'];
	job->rate = (unsigned int)value['r'];
	job->packets = value['P'];
}

int main(int argc, char **argv)
{
	struct job job = {0};

	if (argc < 2 || (strcmp(argv[1], "send") && strcmp(argv[1], "floor")))
		usage();
	read_options(&job, argc - 1, argv + 1);
	if (!strcmp(argv[1], "send"))
		run(&job);
	else
		attach(job.ifindex, load(&job)->progs.e2e_floor);
	return 0;
}
