// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet's walk. A stage returns SERIN_GO_ON, or the reason why the walk ends there; verdict()
 * alone turns a reason into an action and counts it, so every packet is counted exactly once.
 */
#include "packet.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "service.bpf.h"
#include "choose.bpf.h"
#include "shared.bpf.h"
#include "exit.bpf.h"
#include "flow.bpf.h"
#include "fragment.bpf.h"
#include "fullnat.bpf.h"
#include "hop.bpf.h"
#include "forward.bpf.h"
#include "icmp_answer.bpf.h"
#include "sample_steps.bpf.h"
#include "signals.bpf.h"

static __always_inline int action_of(int reason)
{
	switch (reason) {
#define ACTION_CASE(name, text, action) \
	case SERIN_##name:              \
		return XDP_##action;
		SERIN_REASONS(ACTION_CASE)
#undef ACTION_CASE
	default:
		return XDP_ABORTED;
	}
}

static __always_inline int verdict(int reason, __u32 out_port)
{
	__u32 zero = 0;
	struct serin_verdicts *v = bpf_map_lookup_elem(&verdicts, &zero);

	if (v && reason > SERIN_GO_ON && reason < SERIN_REASON_MAX)
		v->packets[reason]++;
	if (reason == SERIN_FORWARD_REDIRECT)
		return bpf_redirect_map(&tx_ports, out_port, XDP_DROP);
	return action_of(reason);
}

static __always_inline int find_backend(struct packet *p)
{
	int reason = find_service(p), moves = 0;

	if (!reason)
		reason = check_transit(p);
	if (!reason)
		reason = choose_settled(p, &moves);
	if (!reason && moves)
		reason = is_fullnat(p) ? follow_fullnat(p) : follow_flow(p);
	if (!reason && p->is_unfollowed && p->backend && READ_ONCE(p->backend->next_shared))
		reason = claim_shared(p);
	if (!reason && p->piece.place == PIECE_FIRST)
		reason = note_fragment(p);
	return reason;
}

/* A later piece goes where the first one went. */
static __always_inline int follow_first(struct packet *p)
{
	int reason = recall_fragment(p);

	return reason ? reason : check_transit(p);
}

SEC("xdp.frags")
int serin(struct xdp_md *ctx)
{
	struct packet p = {};
	int reason;

	reason = parse(ctx, &p);
	if (!reason)
		reason = p.piece.place == PIECE_LATER ? follow_first(&p) : find_backend(&p);
	if (!reason)
		reason = find_hop(&p);
	if (!reason)
		reason = find_exit(&p);
	if (!reason)
		reason = forward(&p);
	if (reason == SERIN_FORWARD_TX || reason == SERIN_FORWARD_REDIRECT) {
		count_signals(&p);
		sample_packet(&p);
	} else if (reason == SERIN_DROP_TOO_BIG) {
		reason = answer_too_big(&p);
	} else if (reason == SERIN_ANSWER_ECHO) {
		reason = answer_echo(&p);
	}
	return verdict(reason, p.out_port);
}

/*
 * What time is it for the flow table? User space cannot read jiffies; it runs this one.
 */
SEC("syscall")
int serin_clock(__u64 *now_jiffies)
{
	*now_jiffies = bpf_jiffies64();
	return 0;
}

/*
 * What time alone ends: handshakes that were not answered, samples that nothing is seen of. User space
 * runs it now and then.
 */
SEC("syscall")
int serin_sweep(void *ctx)
{
	(void)ctx;
	bpf_for_each_map_elem(&samples, sweep_sample, NULL, 0);
	return 0;
}

/*
 * What user space has to tell, into the same log: with no one to kill it half-way through a record.
 */
SEC("syscall")
int serin_tell(struct serin_event *e)
{
	return tell_event(e);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
