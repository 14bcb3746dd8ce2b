#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Foretells what becomes of packets.

oracle_packets.py < WORLD > VECTORS
    WORLD is the JSON that tests/bpf/modes_lab.h writes. Each line of VECTORS is a step; later ones
    may rest on earlier ones.

        group NAME
        run NAME NIC FRAME REASON OUT    FRAME and OUT in hex; OUT: `=` as it came, `?` any digit
        run ... OUT KIND FLOW AT SUM     fullnat: where the source port is in OUT (new, same) or
                                         FRAME (reply), 0 in its place, and the checksum
        cut NAME NIC FRAME               FRAME, cut short anywhere, passes as it is

oracle_packets.py explain WANTED GOT
    says in which fields two frames differ.
"""
import difflib
import json
import sys

from scapy.compat import raw
from scapy.layers.inet import (IPOption_EOL, IPOption_NOP, IPOption_Router_Alert,
                               IPOption_RR, IPOption_Security, IPOption_Timestamp)
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting, PadN, RouterAlert)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

import oracle_icmp  # noqa: its groups
from oracle_wire import (GROUPS, Q, TAGGINGS, Book, Flow, Shape, World, each_way, filling, frame,
                         group, link_size, noise)

# ---- plain packets ----


@group
def plain(world, book):
    for way in each_way(world):
        flow = Flow(world, way)
        book.both(flow, "begin", Shape(flags="S"))
        for size in (0, 1, 2, 3, 40, 333):
            book.both(flow, f"{size}-bytes", Shape(payload=noise(size), flags="PA"))
        full = world.mtu[way.nic] - way.overhead()
        book.both(flow, "full-size", filling(way, full))
        book.forwards(flow, "last-hops", Shape(), ttl=2)
        book.both(flow, "ttl-255", Shape(tos=0x2e << 2, number=0xffff, flow=0xfffff), ttl=255)
        book.both(Flow(world, way), "another-client", Shape(flags="S"))


def unspecial_checksum(flow, what, way):
    """A payload that brings the transport's checksum in a frame of this kind to 0."""
    ends = flow.ends[what]
    packet = Shape(payload=b"\0\0abc").packet(way, ends, 64)
    layer = type(packet.getlayer("TCP") or packet.getlayer("UDP"))
    check = packet.__class__(raw(packet))[layer].chksum
    return check.to_bytes(2, "big") + b"abc"


@group
def checksums(world, book):
    """0 is never sent for a computed UDP checksum, and stays where none was computed."""
    for way in each_way(world, tags=[]):
        flow = Flow(world, way)
        book.forwards(flow, "begin", Shape(flags="S"))
        for what in ("request", "forwarded"):
            shape = Shape(payload=unspecial_checksum(flow, what, way))
            book.forwards(flow, f"all-ones-in-{what}", shape)
        for what in ("reply", "answer"):
            shape = Shape(payload=unspecial_checksum(flow, what, way))
            book.answers(flow, f"all-ones-in-{what}", shape)
        if way.is_tcp:
            continue
        if way.is_v4:
            book.both(flow, "none", Shape(no_checksum=True))
        else:
            given = flow.request(Shape(no_checksum=True))[0]
            book.passes(flow, "none-over-ipv6", given, "malformed")


@group
def tcp_flags(world, book):
    """Whatever the state of the connection; and at the end of it, and before its beginning."""
    connection = ("S", "S", "A", "PA", "FA", "A", "RA")
    strange = ("SA", "R", "F", "FR", "", "FPU", "FSRPAUECN", "SEC", "SF", "SR", "U")
    for way in each_way(world, tags=[], is_tcp=True):
        flow = Flow(world, way)
        for i, flags in enumerate(connection):
            book.forwards(flow, f"{i}-{flags}", Shape(flags=flags, seq=1000 + i))
            answer = flags.replace("S", "SA") if "S" in flags else flags
            book.answers(flow, f"{i}-{answer}", Shape(flags=answer, seq=5000 + i))
        book.forwards(flow, "syn-of-new-isn", Shape(flags="S", seq=0xfedcba98, ack=0))
        book.answers(flow, "answer-to-new-isn", Shape(flags="SA", seq=1, ack=0xfedcba99))
        for flags in strange:
            flow = Flow(world, way)
            if way.is_fullnat and set(flags) & set("FR"): # no port is taken for an end
                given = flow.request(Shape(flags=flags))[0]
                book.passes(flow, f"first-{flags}", given, "unknown_flow")
            else:
                book.forwards(flow, f"first-{flags}", Shape(flags=flags))
            flow = Flow(world, way)
            book.both(flow, "syn", Shape(flags="S"))
            book.forwards(flow, f"later-{flags}", Shape(flags=flags, reserved=5))
        flow = Flow(world, way)
        book.both(flow, "syn", Shape(flags="S"))
        book.both(flow, "urgent", Shape(flags="PAU", urgent=0xabcd))
        book.both(flow, "options", Shape(flags="S", tcp_options=[
            ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None),
            ("WScale", 7)]))
        book.both(flow, "sack", Shape(tcp_options=[("SAck", (1, 2, 3, 4, 5, 6))]))
        if way.has_replies:
            book.passes_reply(flow, "syn-of-backend", Shape(flags="S"), "no_flow")


# ---- what is not ours, or not to go on ----


@group
def strangers(world, book):
    groups = "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"
    for way in each_way(world):
        flow = Flow(world, way)
        book.both(flow, "begin", Shape(flags="S"))
        for ttl in (0, 1):
            book.passes(flow, f"ttl-{ttl}", flow.request(Shape(), ttl=ttl)[0], "ttl_expiring")
            if way.has_replies:
                book.passes_reply(flow, f"reply-ttl-{ttl}", Shape(), "ttl_expiring", ttl=ttl)
        for mac in groups:
            given = bytes.fromhex(mac.replace(":", "")) + flow.request(Shape())[0][6:]
            book.passes(flow, "to-" + mac, given, "group_address")
        other = Flow(world, way)
        client, port, vip, service_port = other.ends["request"]
        other.ends["request"] = (client, port, vip, service_port + 1)
        book.passes(other, "other-port", other.request(Shape())[0], "no_service")
        other.ends["request"] = (vip, service_port, client, port)
        book.passes(other, "own-answer", other.request(Shape())[0], "no_service")


# ---- IPv4 options and IPv6 extension headers ----


@group
def ip_options(world, book):
    kinds = {
        "nop": [IPOption_NOP()] * 4,
        "end": [IPOption_NOP(), IPOption_EOL()],
        "record-route": [IPOption_RR(routers=["0.0.0.0"] * 9, pointer=4)],
        "recorded": [IPOption_RR(routers=["10.0.0.1", "0.0.0.0"], pointer=8)],
        "router-alert": [IPOption_Router_Alert()],
        "timestamp": [IPOption_Timestamp(flg=0, timestamp=7)],
        "security": [IPOption_Security()],
        "several": [IPOption_Router_Alert(), IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"])],
        "all-40-bytes": [IPOption_NOP()] * 40,
    }
    for way in each_way(world, tags=[], is_v4=True):
        flow = Flow(world, way)
        for name, options in kinds.items():
            book.both(flow, name, Shape(options=options, flags="S"))


def padded(size):
    """A destination options header of this many bytes."""
    left = size - 2
    options = []
    while left:
        step = min(left, 257)
        step -= 2 if left - step == 1 else 0
        options.append(PadN(optdata=bytes(step - 2)))
        left -= step
    return IPv6ExtHdrDestOpt(options=options, autopad=0)


def segments(left):
    return IPv6ExtHdrSegmentRouting(addresses=["2001:db8:5::1", "2001:db8:5::2"], segleft=left,
                                    lastentry=1)


@group
def extension_headers(world, book):
    hop = IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
    spent = IPv6ExtHdrRouting(type=2, addresses=["2001:db8:5::1"], segleft=0)
    whole = IPv6ExtHdrFragment(offset=0, m=0, id=0x11223344)
    kinds = {
        "hop-by-hop": [hop],
        "destination": [padded(8)],
        "routing": [spent],
        "segments": [segments(0)],
        "rfc-8200-order": [hop, padded(8), spent, padded(16)],
        "atomic-fragment": [whole],
        "hop-and-atomic-fragment": [hop, whole, padded(8)],
        "8-headers": [hop] + [padded(8)] * 7,
        "512-bytes-and-one": [padded(256), padded(256), padded(8)],
    }
    too_many = {
        "9-headers": [hop] + [padded(8)] * 8,
        "520-bytes-and-one": [padded(264), padded(256), padded(8)],
    }
    for way in each_way(world, tags=[], is_v4=False):
        flow = Flow(world, way)
        for name, headers in kinds.items():
            book.both(flow, name, Shape(headers=headers))
        book.forwards(flow, "syn-with-headers", Shape(headers=kinds["rfc-8200-order"], flags="S"))
        for name, headers in too_many.items():
            given = flow.request(Shape(headers=headers))[0]
            book.passes(flow, name, given, "extension_headers")
            other = Flow(world, way)
            other.ends["request"] = other.ends["request"][:2] + ("2001:db8:ee::1", 80)
            book.passes(other, name, other.request(Shape(headers=headers))[0], "protocol")
        for name, header in (("routing", IPv6ExtHdrRouting(addresses=["2001:db8:5::1"],
                                                           segleft=1)),
                             ("segments", segments(1))):
            given = flow.request(Shape(headers=[header]))[0]
            book.passes(flow, name + "-to-go-on", given, "protocol")
        nothing = IPv6(src=flow.client, dst=way.vip, nh=60) / IPv6ExtHdrDestOpt(nh=59) / Raw(b"x")
        book.passes(flow, "no-next-header",
                    frame(world.macs["front"], world.client_mac, [], nothing), "protocol")


# ---- tags, padding ----

@group
def tags(world, book):
    v6_options = [IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])]
    for way in each_way(world):
        for name, tagging in TAGGINGS.items():
            flow = Flow(world, way, tagging)
            book.both(flow, name, Shape(flags="S"))
            book.both(flow, name + "-options",
                      Shape(options=[IPOption_NOP()] * 8) if way.is_v4
                      else Shape(headers=v6_options))
            replied = [(tpid, vid, 0b1011) for tpid, vid in way.tags] or [(Q, 7, 0b0110)]
            book.answers(flow, name + "-tagged", Shape(), tags=replied)
        flow = Flow(world, way, [(Q, 5, 0), (Q, 6, 0), (Q, 7, 0)])
        book.passes(flow, "three-tags", flow.request(Shape())[0], "not_ip")


@group
def padding(world, book):
    """What Ethernet adds to short frames goes along, and is not the packet's."""
    for way in each_way(world):
        flow = Flow(world, way)
        book.forwards(flow, "begin", Shape(flags="S"))
        for size in (0, 1, 5, 18):
            shape = Shape(payload=noise(size))
            short = max(46 - link_size(shape, way), 3)
            book.both(flow, f"{size}-bytes", shape, padding=bytes(short))
            book.both(flow, f"{size}-bytes-noisily", shape, padding=noise(short))
        tagged = Flow(world, way, [(Q, 100, 0)])
        book.both(tagged, "tagged", Shape(payload=b"", flags="S"), padding=noise(6))


# ---- tunnels ----


@group
def outer_headers(world, book):
    """DSCP, ECN, DF and TTL of what is enclosed, and of what encloses it."""
    for way in each_way(world, tags=[], is_tunnel=True):
        flow = Flow(world, way)
        for tos in (0x00, 0x01, 0x02, 0x03, 0xb8, 0xb9, 0xba, 0xbb, 0x04, 0xfc, 0xff):
            book.forwards(flow, f"traffic-class-{tos:02x}", Shape(tos=tos))
            if way.is_v4:
                book.forwards(flow, f"tos-{tos:02x}-df-0", Shape(tos=tos, df=False))
        for ttl in (2, 63, 65, 255):
            book.forwards(flow, f"ttl-{ttl}", Shape(), ttl=ttl)
            book.forwards(flow, f"ttl-{ttl}-df-0", Shape(df=False), ttl=ttl)
        book.forwards(flow, "flow-label", Shape(flow=0xabcde, tos=0x5a))


# ---- fullnat that tells of its clients ----


def acknowledged(world, book, way, tags=()):
    """A connection whose client has been answered, and has not yet said a word."""
    flow = Flow(world, way, tags)
    book.both(flow, "syn", Shape(flags="S", payload=b"", tcp_options=[("MSS", 1460)]))
    return flow


@group
def client_address(world, book):
    """From the end of the handshake till the backend speaks; never where it does not fit, here or
    further on."""
    for way in (way for way in world.ways if way.tells):
        size = 8 if way.is_v4 else 20
        most = 1280  # what any path has room for
        flow = acknowledged(world, book, way)
        book.forwards(flow, "ack", Shape(payload=b""), tells=True)
        book.forwards(flow, "data", Shape(flags="PA", payload=noise(99)), tells=True)
        book.forwards(flow, "syn-again", Shape(flags="S"))
        stamped = Shape(tcp_options=[("NOP", None), ("NOP", None), ("Timestamp", (1, 2))])
        book.forwards(flow, "options", stamped, tells=True)
        book.forwards(flow, "header-full", Shape(tcp_options=[("NOP", None)] * (40 - size)),
                      tells=True)
        book.forwards(flow, "header-too-full", Shape(tcp_options=[("NOP", None)] * (41 - size)))
        book.forwards(flow, "fits", filling(way, most - size), tells=True)
        book.forwards(flow, "too-long", filling(way, most - size + 1))
        book.forwards(flow, "padded", Shape(payload=b""), padding=noise(9), tells=True)
        book.forwards(flow, "pieces", datagram(14), cuts=CUTS)
        if way.is_v4:
            book.forwards(flow, "ip-options", Shape(options=[IPOption_NOP()] * 40), tells=True)
        else:
            book.forwards(flow, "headers", Shape(headers=[padded(16)]), tells=True)
        book.forwards(flow, "fin", Shape(flags="FA"), tells=True)
        book.answers(flow, "first-word", Shape())
        book.forwards(flow, "later", Shape())
        for name, tagging in TAGGINGS.items():
            flow = acknowledged(world, book, way, tagging)
            book.forwards(flow, "tagged-" + name, Shape(), tells=True)
        flow = Flow(world, way)
        book.forwards(flow, "first-ack", Shape())
        book.answers(flow, "unanswered", Shape(flags="R"))
        flow = acknowledged(world, book, way)
        book.forwards(flow, "reset", Shape(flags="R"))


# ---- fragments ----

CUTS = [(0, 320), (320, 640), (640, 960), (960, None)]


def datagram(number, size=1000, **how):
    return Shape(payload=noise(size), df=False, number=number, **how)


def fragment_orders(world, book, way):
    flow = Flow(world, way)
    book.both(flow, "begin", Shape(flags="S"))
    book.both(flow, "in-order", datagram(1), cuts=CUTS)
    late = datagram(2)
    pieces = flow.request(late, cuts=CUTS)
    book.passes(flow, "last-before-first", pieces[3], "fragment")
    book.passes(flow, "middle-before-first", pieces[1], "fragment")
    book.forwards(flow, "first-then", late, cuts=CUTS[:1])
    book.forwards(flow, "out-of-order", late, cuts=[CUTS[3], CUTS[1], CUTS[2]])
    book.forwards(flow, "again", late, cuts=[CUTS[1], CUTS[0], CUTS[3]])
    book.forwards(flow, "overlapping", late, cuts=[(8, 16), (304, 336), (0, 960), (480, None)])
    book.forwards(flow, "later-tiny", late, cuts=[(96, 104), (104, 112)])
    other = datagram(3)
    book.passes(flow, "of-another-number", flow.request(other, cuts=CUTS)[1], "fragment")
    stranger = Flow(world, way)
    book.passes(stranger, "of-another-client", stranger.request(late, cuts=CUTS)[1], "fragment")
    book.passes(flow, "expiring", flow.request(late, cuts=CUTS, ttl=1)[1], "ttl_expiring")
    book.forwards(flow, "padded", late, cuts=[(1000, None)], padding=noise(14))
    book.both(flow, "headers-only", datagram(4), cuts=[(0, 24), (24, None)])
    if way.has_replies:
        book.passes_reply(flow, "reply-last-before-first", datagram(5), "fragment", CUTS, 3)


def fragment_oddities(world, book, way):
    flow = Flow(world, way)
    book.both(flow, "begin", Shape(flags="S"))
    tiny = datagram(6)
    if way.is_tcp:
        # RFC 1858: the first piece holds less than the transport's header.
        for end in (8, 16):
            given = flow.request(tiny, cuts=[(0, end), (end, None)])
            book.passes(flow, f"first-of-{end}-bytes", given[0], "malformed")
            book.passes(flow, f"after-{end}-bytes", given[1], "fragment")
    else:
        book.both(flow, "first-of-8-bytes", tiny, cuts=[(0, 8), (8, 16), (16, None)])
        if way.is_v4:
            book.both(flow, "no-checksum", datagram(7, no_checksum=True), cuts=CUTS)
    if way.is_v4:
        book.both(flow, "options", datagram(8, options=[IPOption_NOP()] * 8), cuts=CUTS)
    else:
        hop = IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
        book.both(flow, "hop-by-hop", datagram(9, headers=[hop]), cuts=CUTS)
        book.both(flow, "destination-options", datagram(10, late_headers=[padded(16)]),
                  cuts=CUTS)
    for name in ("unknown-vlan", "qinq"):
        tagged = Flow(world, way, TAGGINGS[name])
        book.both(tagged, "begin", Shape(flags="S"))
        book.both(tagged, "tagged-" + name, datagram(11), cuts=CUTS)


@group
def fragments(world, book):
    for way in each_way(world, tags=[]):
        fragment_orders(world, book, way)
        fragment_oddities(world, book, way)


# ---- jumbo frames; where every port takes 9000 bytes ----


@group
def jumbo(world, book):
    for way in each_way(world, tags=[]):
        flow = Flow(world, way)
        book.both(flow, "begin", Shape(flags="S"))
        most = 9000 - way.overhead()
        for size in (3456, 3457, 4096, 4097, most - 1, most):
            book.both(flow, f"{size}-bytes", filling(way, size))
        tagged = Flow(world, way, TAGGINGS["unknown-qinq"])
        book.both(tagged, "tagged", filling(way, most, flags="S"))
        book.both(flow, "pieces", datagram(12, size=8500), cuts=[(0, 8000), (8000, None)])
        if way.nic == "back":
            book.cut(flow.name, "front", flow.request(filling(way, 3700))[0])


# ---- cut short ----


@group
def cut_short(world, book):
    hop = IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
    for way in each_way(world, tags=[]):
        flow = Flow(world, way)
        long = {"options": [IPOption_NOP()] * 8} if way.is_v4 else {"headers": [hop, padded(16)]}
        begin = Shape(flags="S", payload=noise(20))
        book.both(flow, "whole", begin)
        book.cut(flow.name, "front", flow.request(begin)[0])
        book.cut(flow.name + "-long", "front", flow.request(Shape(**long))[0])
        book.cut(flow.name + "-piece", "front",
                 flow.request(datagram(13, **long), cuts=[(0, 96), (96, None)])[0])
        tagged = Flow(world, way, TAGGINGS["qinq"])
        book.cut(flow.name + "-tagged", "front", tagged.request(begin)[0])
        if way.has_replies:
            book.cut(flow.name + "-reply", way.nic, flow.reply(begin)[0])


def explain(wanted, got):
    frames = [Ether(bytes.fromhex(text)).show(dump=True).splitlines() for text in (wanted, got)]
    print("\n".join(difflib.unified_diff(*frames, "wanted", "got", lineterm="", n=1)))


def main():
    if sys.argv[1:2] == ["explain"]:
        explain(*sys.argv[2:])
        return
    world = World(json.load(sys.stdin))
    book = Book(world, sys.stdout)
    for name, cases in GROUPS.items():
        print("group", name)
        cases(world, book)


if __name__ == "__main__":
    main()
