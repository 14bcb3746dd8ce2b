/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how late a timer of the agent may be: sd-event takes 250 ms where it is told 0. */
#pragma once

#define TIMER_ACCURACY_US 1000
