/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owns the frame of a report's page: one file that needs no other, to read without colour and to print. */
#pragma once

#include <stdio.h>

/* Up to the body; @title goes on in page_title_end(), for what is from elsewhere. */
void page_begin(FILE *out);
void page_title_end(FILE *out);
void page_end(FILE *out);
