/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns lines of "key=value key2="a value"": one record a line, whatever a value holds. Pure.
 * In quotes stand values that are empty or hold anything but letters, digits and _-./:@+,%[]; there
 * \" \\ \n \r \t \uXXXX are as in JSON: control characters, and \ufffd for what is no UTF-8.
 */
#pragma once

#include <stdio.h>

/* @key: letters, digits, and _; written as it is. A space before it is the caller's. */
void logfmt_pair(FILE *out, const char *key, const char *value);
/* The same, in quotes whatever it holds. */
void logfmt_text(FILE *out, const char *key, const char *value);
