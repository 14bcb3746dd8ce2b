/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns questions to rtnetlink and their answers, for the files of rtnl.h alone: sockets, sequence
 * numbers, the wait for the acknowledgement, and addresses as attributes.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

struct rtnl;

/* Reads one message of the answer into out. 0 or -errno. */
typedef int rtnl_parser(const struct nlmsghdr *nlh, void *out);

/* A new request in the socket's own buffer; it holds a header and a few attributes. */
struct nlmsghdr *rtnl_request(struct rtnl *r, uint16_t type, uint16_t flags);

/*
 * rtnl_talk() - send the request and read until its acknowledgement.
 * @parse: for each message of the answer; NULL where only the acknowledgement is of interest
 *
 * Returns 0, the kernel's -errno, -ETIMEDOUT, or -EBADMSG where @parse found none to its liking.
 */
int rtnl_talk(struct rtnl *r, const struct nlmsghdr *nlh, rtnl_parser *parse, void *out);

/* Reads a whole table. @take: for each message; anything but 0 ends the dump and is returned.
 * -EINTR: the table changed meanwhile. */
int rtnl_dump(struct nlmsghdr *request, rtnl_parser *take, void *arg);

/* One message about a link; @out: a struct rtnl_link, zeroed. */
int rtnl_link_parse(const struct nlmsghdr *nlh, void *out);

uint8_t rtnl_family(const struct in6_addr *a);
void rtnl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct in6_addr *a);
/* len tells the family. 0 or -EBADMSG. */
int rtnl_take_addr(const void *data, size_t len, struct in6_addr *out);
int rtnl_take_u32(const struct nlattr *attr, uint32_t *out);
