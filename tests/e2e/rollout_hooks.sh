#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Programs and webhooks that a rollout asks: a no holds it, one that hangs is ended in time, a server
# that comes back is asked again, and a chat hears of each transition. Meanwhile the agent answers. All
# that a program began ends with it, and with the agent.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"
# shellcheck source=../../scripts/lab_rollout.sh
. "$(dirname "$0")/../../scripts/lab_rollout.sh"

rollout_lab stable:1 canary:1
cd "$LAB_TMP"
# What they do is in the file `gate`: yes, no or hang.
cat >program <<END
#!/bin/sh
cd "$LAB_TMP"
printf '%s %s %s %s\n' "\$SERIN_MOMENT" "\$SERIN_STEP" "\$SERIN_RELEASE" "\$SERIN_KEY" >>told
cat >payload
case \$(cat gate) in
hang) sleep 1000 & a=\$!; setsid sleep 1000 & echo "\$PPID \$\$ \$a \$!" >>begun; wait ;;
yes) setsid sleep 1000 & echo "\$PPID \$\$ \$!" >>begun ;;
no) echo 'not while it rains'; exit 4 ;;
esac
END
chmod +x program
rollout_config "  careful:
    type: canary
    candidate: canary
    steps: [{weight: 10}, {weight: 20}]
    analysis: {kernel: false}
    standby: 1s
    hooks:
      - {at: step, exec: [$LAB_TMP/program], timeout: 2s, retries: 0}
      - {at: promotion, webhook: 'http://127.0.0.1:8081/promotion', timeout: 5s, retries: 8}
      - {at: event, webhook: 'http://127.0.0.1:8080/chat', payload: slack, timeout: 5s, retries: 3}"
webhooks() {
	lab_start lb python3 "$LAB_ROOT/tests/tools/webhooks.py" "$1" "$2"
}
webhooks 8080 chat
rollout_agent

# why_is WORDS: why it waits.
why_is() {
	[[ $(rollout_get .why) == *"$1"* ]]
}
waits_for() {
	lab_wait_for 30 why_is "$1"
}
# none_is_left: of what a program began, with who watches it; forgets them.
none_is_left() {
	local pid
	for pid in $(<begun); do
		! kill -0 "$pid" 2>/dev/null || return 1
	done
	rm begun
}
printf 'hang\n' >gate
rollout_start v2
for signal in KILL TERM; do
	lab_wait_for 15 test -s begun
	kill "-$signal" "$ROLLOUT_AGENT"
	wait "$ROLLOUT_AGENT" 2>/dev/null || true
	lab_wait_for 10 none_is_left
	rollout_agent
done
lab_wait_for 15 test -s begun
# It hangs in a child of its own: whoever asks the agent meanwhile is answered.
rollout_get .phase >/dev/null
waits_for 'no answer within 2 s'
lab_wait_for 10 none_is_left

printf 'no\n' >gate
waits_for 'not while it rains'
expect "weight without a yes" "$(rollout_weight canary)" 0
read -r moment step release key < <(tail -n 1 told)
expect "what it is told" "$moment $step $release" 'step 1 v2'
expect "payload" "$(jq -c '[.service, .release, .moment, .step, .key]' payload)" \
	"[\"web\",\"v2\",\"step\",1,\"$key\"]"

# Nobody listens where promotion is asked, until it is asked again.
printf 'yes\n' >gate
asked() {
	[[ $(rollout_get .question.at) == promotion ]]
}
lab_wait_for 20 asked
lab_wait_for 10 none_is_left
webhooks 8081 promotion
rollout_until 60 promoted
expect "tries" "$(rollout_ask services/web/rollout/record |
	jq '[.hooks[] | select(.at == "promotion" and .is_yes)] | length == 1 and .[0].tries > 1')" true
expect "promotion is asked with one key" "$(jq -r .headers.\"Idempotency-Key\" promotion | sort -u | wc -l)" 1
heard() {
	jq -r .body.text chat | grep -q "^web: release v2 is $1"
}
lab_wait_for 10 heard promoted
heard stepping || fail "$(cat chat)"
expect "children" "$(pgrep -P "$ROLLOUT_AGENT" | wc -l)" 0
