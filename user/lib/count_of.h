/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns how many elements an array has. Not for a pointer to one. */
#pragma once

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))
