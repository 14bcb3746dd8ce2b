// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * die_at.so - LD_PRELOADed, kills its process before the DIE_AT-th call that changes what others see:
 * pins, links, and entries of maps.
 */
#include <dlfcn.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void step(void)
{
	static int left = -1;

	if (left < 0)
		left = getenv("DIE_AT") ? atoi(getenv("DIE_AT")) : 0;
	if (left && !--left)
		kill(getpid(), SIGKILL);
}

static int is_change(long command)
{
	return command == BPF_OBJ_PIN || command == BPF_LINK_UPDATE || command == BPF_LINK_CREATE ||
	       command == BPF_MAP_UPDATE_ELEM;
}

/* libbpf's way into the kernel. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_bpf && is_change(arg[0]))
		step();
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int rename(const char *from, const char *to)
{
	static int (*real)(const char *, const char *);

	if (!real)
		real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	step();
	return real(from, to);
}
