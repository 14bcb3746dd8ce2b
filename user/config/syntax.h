/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns what people are told where a text is not YAML at all. */
#pragma once

#include <yaml.h>

#include "config/errors.h"

/* Adds the one error a failed parser has. Returns -EINVAL, or -ENOMEM where that was its error. */
int syntax_error(const yaml_parser_t *parser, const char *text, size_t len, struct errors *errors);
