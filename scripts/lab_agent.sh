# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Owns how end-to-end tests start an agent with serin.yaml. Sourced after scripts/lab.sh.

agent='' # the pid
export agent

answers_ready() {
	lab_in lb curl -sf --max-time 2 http://127.0.0.1:10717/-/ready
}

start_agent() {
	lab_start lb "$LAB_BUILD/serin" --bpffs "$LAB_TMP/bpf/serin" agent \
		-c "$LAB_TMP/serin.yaml" 2>>"$LAB_TMP/agent.log"
	agent=$LAB_PID
	lab_wait_for 10 answers_ready
}
