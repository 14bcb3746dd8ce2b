/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns `judge SERVICE`: the sequential judge by what the kernel counts, each second, with no agent. */
#pragma once

struct cli;

/* Returns an exit code. */
int judge_live(const struct cli *cli);
