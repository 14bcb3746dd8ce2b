#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit that `make install` installs: systemd finds no fault with it, and little exposed.
set -euo pipefail
# shellcheck source=../../scripts/lab.sh
. "$(dirname "$0")/../../scripts/lab.sh"

lab_init
if ! command -v systemd-analyze >/dev/null; then
	printf 'no systemd-analyze here (package systemd)\n'
	exit 77
fi
mkdir -p "$LAB_TMP/root/usr/local/sbin"
make -s -C "$LAB_ROOT" B="$LAB_BUILD" DESTDIR="$LAB_TMP/root" PREFIX=/opt/serin install-unit
unit=$LAB_TMP/root/opt/serin/lib/systemd/system/serin.service
grep -q '^ExecStart=/opt/serin/sbin/serin agent -c ' "$unit" || fail "$(grep ExecStart "$unit")"

# verify looks for the program, too.
sed -E "s|^(Exec[A-Za-z]+)=/opt/serin/sbin/serin|\1=$LAB_BUILD/serin|" "$unit" \
	>"$LAB_TMP/serin.service"
said=$(systemd-analyze verify "$LAB_TMP/serin.service" 2>&1) || fail "verify: $said"
expect "what verify says" "$said" ""
systemd-analyze security --offline=yes --threshold=25 --no-pager "$unit" >"$LAB_TMP/exposure" ||
	fail "$(grep Overall "$LAB_TMP/exposure")"
expect "capabilities" "$(sed -n 's/^CapabilityBoundingSet=//p' "$unit")" \
	"CAP_BPF CAP_NET_ADMIN CAP_PERFMON"
! grep -qE '^Exec(Stop|StopPost)=' "$unit" || fail "stopping the unit does more than stop the agent"
