# SPDX-License-Identifier: GPL-2.0-or-later
# Everything made is in build/. `make help` lists the targets.

VERSION := 0.1.0
B       := build
PREFIX  ?= /usr/local
DESTDIR ?=
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = @$(if $(filter 1,$(V)),:,printf '  %-7s %s\n')

CC        := gcc
CLANG     ?= clang
BPFTOOL   ?= bpftool
MULTIARCH := $(shell $(CC) -print-multiarch)
LIBS      := libbpf yaml-0.1 jansson libmicrohttpd libsystemd libmnl smartcols sqlite3 libcurl gnutls libcrypt
WARN      := -Wall -Wextra -Werror
CFLAGS    ?= -O2 -g
CFLAGS_   := -std=gnu11 $(WARN) -Wmissing-prototypes -Wshadow -D_GNU_SOURCE -DSERIN_VERSION='"$(VERSION)"' \
	     -Iinclude -Iuser -I$(B) $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LDLIBS     = $(shell pkg-config --libs $(LIBS)) -lm
BPF_CFLAGS := -O2 -g -std=gnu11 $(WARN) -target bpf -mcpu=v3 -Iinclude -I/usr/include/$(MULTIARCH)

USER_SRC := $(wildcard user/*/*.c)
USER_OBJ := $(USER_SRC:%.c=$(B)/%.o)
SKEL     := $(B)/bpf/serin.skel.h
UNIT     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*_test.c))
BPFTEST  := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/*_test.c))
TOOLS    := $(patsubst %.c,$(B)/%,$(filter-out %.bpf.c,$(wildcard tests/tools/*.c)))
BENCH    := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*_bench.c))
BENCH_SKEL := $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard tests/bench/*.bpf.c))
TOOL_SKEL := $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard tests/tools/*.bpf.c))
FUZZ_SRC := $(wildcard user/api/*.c user/config/*.c user/model/*.c user/lib/*.c) user/store/live_json.c
FUZZ_SRC += user/agent/rollout_verdict.c $(addprefix user/metrics_source/,moment.c range.c) user/judge_live/live_codec.c
FUZZ_SRC += $(wildcard user/rollout/*.c user/judge/*.c user/judge_io/*.c user/observe/judgement*.c) $(addprefix user/observe/,markup.c page.c plain.c svg.c)
OTHER    := $(addprefix $(B)/tests/other/,serin die_at.so)
SIMULATE := $(B)/tests/simulate/sequential
FUZZ     := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/*_fuzz.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps test unit bpf e2e fuzz mutate budget fuzz-long soak reload-soak test-vm bench bench-quick bench-insn bench-health demo demo-rollout releases install install-unit lint format clean help
.PHONY: simulate bench-judge bench-sequential

all: $(B)/serin ## build serin (the default)

deps: ## install what is missing of the Debian packages
	$(Q)scripts/install-deps

$(B)/serin: $(B)/user/main.o $(B)/libserin.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(LDLIBS)

$(B)/libserin.a: $(USER_OBJ)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/%.bpf.o: %.bpf.c | deps
	$(say) BPF $@
	$(Q)mkdir -p $(@D) && $(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.skel.h: $(B)/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@

$(B)/%.o: %.c | deps $(SKEL)
	$(say) CC $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_) $(CFLAGS) -MMD -MP -c -o $@ $<

# Verdicts are to be the same on every machine: no fused multiplications.
$(B)/user/judge/%.o: CFLAGS_ += -ffp-contract=off

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(B)/tests/bpf/%: $(B)/tests/bpf/%.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

$(addsuffix .o,$(BENCH)): $(B)/%.o: %.c | deps $(SKEL) $(BENCH_SKEL)
	$(say) CC $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_) $(CFLAGS) -MMD -MP -c -o $@ $<

$(addsuffix .o,$(TOOLS)): $(B)/%.o: %.c | deps $(SKEL) $(TOOL_SKEL)
	$(say) CC $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(B)/tests/tools/%: $(B)/tests/tools/%.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(SIMULATE): $(B)/tests/simulate/world.o
$(B)/tests/simulate/%: $(B)/tests/simulate/%.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lpthread $(LDLIBS)

$(B)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_SRC) | deps
	$(say) FUZZ $@
	$(Q)mkdir -p $(@D) && $(CLANG) $(CFLAGS_) -O1 -g -fsanitize=fuzzer,address,undefined -o $@ $< $(FUZZ_SRC) $(LDLIBS)

# A newer serin to upgrade to: another program of the same ABI, and all else the same.
$(B)/tests/other/%.o: user/%.c $(B)/tests/other/bpf/serin.skel.h | deps $(SKEL)
	$(say) CC $@
	$(Q)mkdir -p $(@D) && $(CC) -I$(B)/tests/other $(CFLAGS_) -USERIN_VERSION -DSERIN_VERSION='"$(VERSION)+other"' $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/other/die_at.so: tests/other/die_at.c
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_) $(CFLAGS) -shared -fPIC -o $@ $<

$(B)/tests/other/serin: $(addprefix $(B)/tests/other/,dataplane/load.o dataplane/upgrade.o dataplane/apply.o cli/help.o cli/status.o) $(B)/user/main.o $(B)/libserin.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

test: ## build and run every test: unit, bpf, e2e, and a short fuzz run
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(UNIT) $(BPFTEST) $(TOOLS) $(OTHER) $(FUZZ) $(if $(filter budget,$(SUITES)),$(BENCH)) && SERIN_BUILD=$(abspath $(B)) tests/run $(SUITES)

unit bpf e2e fuzz budget: ## one suite alone
	$(Q)$(MAKE) --no-print-directory test SUITES=$@

mutate: ## MUTATIONS (1000000) random and damaged packets, by every forwarding mode
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(B)/tests/bpf/mutate_test && SERIN_BUILD=$(abspath $(B)) tests/run $@

fuzz-long: ## fuzz every parser for FUZZ_SECONDS (300) each
	$(Q)FUZZ_SECONDS=$${FUZZ_SECONDS:-300} $(MAKE) --no-print-directory test SUITES=fuzz

soak: ## mixed load for SOAK_SECONDS (1200): does every counter agree with the peers', and is nothing left?
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS) && SOAK_SECONDS=$${SOAK_SECONDS:-1200} SOAK_RATE=$${SOAK_RATE:-200} SERIN_BUILD=$(abspath $(B)) tests/soak

reload-soak: ## RELOADS (100000; two hours) reloads of an agent: its memory stays; first 1,000 of one built with sanitizers
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS)
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -Wno-error' $(B)/asan/serin
	$(Q)SERIN_BUILD=$(abspath $(B)) RELOADS=$${SANITIZED_RELOADS:-1000} RELOAD_SANITIZED=1 RELOAD_AGENT=$(abspath $(B))/asan/serin tests/e2e/reloads.sh
	$(Q)SERIN_BUILD=$(abspath $(B)) RELOADS=$${RELOADS:-100000} tests/e2e/reloads.sh

test-vm: ## the bpf and e2e suites under Linux 6.1 and 6.12 in VMs, and what verifiers say of clang 14 and 19
	$(Q)scripts/install-deps vm clang-19 && $(MAKE) --no-print-directory all $(BPFTEST) $(TOOLS) $(OTHER)
	$(Q)$(MAKE) --no-print-directory B=$(B)/clang-19 CLANG=clang-19 $(B)/clang-19/tests/bpf/load_test
	$(Q)SERIN_BUILD=$(abspath $(B)) tests/vm

bench: ## ns per packet, growth, and end to end against nftables, nginx, HAProxy (15 min)
	$(Q)scripts/install-deps bench && $(MAKE) --no-print-directory all $(BENCH) $(TOOLS) && SERIN_BUILD=$(abspath $(B)) tests/bench/run

bench-quick: ## the same, shorter (under a minute)
	$(Q)scripts/install-deps bench && $(MAKE) --no-print-directory all $(BENCH) $(TOOLS) && SERIN_BUILD=$(abspath $(B)) tests/bench/run --quick

bench-judge: ## how long a judge run of 100 metrics and of a million points takes
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory $(B)/tests/bench/judge_bench && $(B)/tests/bench/judge_bench

bench-insn: ## instructions per packet, counted in a VM, against the committed budget
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(BENCH) && SERIN_BUILD=$(abspath $(B)) tests/bench/vm_insn

bench-health: ## what 1,000 health checks a second take of one core
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS) && SERIN_BUILD=$(abspath $(B)) tests/bench/health

bench-sequential: $(B)/tests/simulate/sequential_bench ## processor time of the sequential judge, 10,000 services
	$(Q)$<

simulate: $(SIMULATE) ## how often the sequential judge is wrong, how soon right, beside the design's figures; ALL=1: of much else, too (two minutes)
	$(Q)$< $(if $(ALL),all) $(SEED)

releases: ## releases good and bad, from start to end by themselves, and AA (50) of the same version: what became of each
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS) && AA=$${AA:-50} SERIN_BUILD=$(abspath $(B)) tests/releases

demo-rollout: ## a bad release that is taken back by itself, and a good one, under load; a minute
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS) && SERIN_BUILD=$(abspath $(B)) scripts/demo-rollout

demo: ## shift a canary 0 -> 100 -> 0 % under real traffic, in namespaces
	$(Q)scripts/install-deps && $(MAKE) --no-print-directory all $(TOOLS) && SERIN_BUILD=$(abspath $(B)) scripts/demo

install: all install-unit ## install serin and its unit under PREFIX (/usr/local)
	$(Q)install -D -m 0755 $(B)/serin $(DESTDIR)$(PREFIX)/sbin/serin

install-unit:
	$(Q)install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)sed 's|/usr/local/|$(PREFIX)/|' systemd/serin.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/serin.service

lint: ## formatting, shell scripts, sizes of functions and files
	$(Q)scripts/lint

format: ## clang-format everything in place
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove build/
	$(Q)rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z].*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
