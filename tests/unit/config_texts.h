/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the configuration that tests of wrong ones begin with. */
#pragma once

/* What is written after TOP is line 3; after SERVICE 7, GOOD 10, CANARY 12. */
#define TOP		    "version: 1\ninterfaces: [eth0]\n"
#define SERVICE		    TOP "services:\n- name: web\n  vip: 192.0.2.10\n  port: 80\n"
#define POOL(name, address) "  - name: " name "\n    backends: [{address: " address "}]\n"
#define GOOD		    SERVICE "  pools:\n" POOL("stable", "10.0.0.11")
#define CANARY		    GOOD "  - name: canary\n    backends: [{address: 10.0.0.21}]\n"
