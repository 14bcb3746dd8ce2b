# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets are and become, by scapy and the RFCs, and by nothing of Serin's own."""
import copy
import random
import socket

from scapy.compat import raw
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

NEXT_HEADER = {TCP: 6, UDP: 17, IPv6ExtHdrDestOpt: 60}


class Way:
    """A service with one backend, and how packets get there."""

    def __init__(self, fields):
        self.__dict__.update(fields)
        self.is_v4 = ":" not in self.vip
        self.is_outer_v4 = ":" not in self.backend
        self.is_tunnel = self.mode in ("ipip", "gue")
        self.is_tcp = self.protocol == "tcp"
        self.is_fullnat = self.mode == "fullnat"
        self.has_replies = self.mode in ("nat", "fullnat")

    def overhead(self):
        if not self.is_tunnel:
            return 0
        return (20 if self.is_outer_v4 else 40) + (8 if self.mode == "gue" else 0)


class Shape:
    """What a packet is but for its addresses, ports and TTL."""

    def __init__(self, payload=b"8 bytes!", flags="A", tos=0, df=True, number=0x1234, flow=0,
                 seq=0x01020304, ack=0x0a0b0c0d, window=0x2000, urgent=0, tcp_options=(),
                 no_checksum=False, options=(), headers=(), late_headers=(), reserved=0):
        self.__dict__.update(locals())

    def answering(self):
        """Who answers a SYN sends none."""
        answer = copy.copy(self)
        answer.flags = "SA" if self.flags == "S" else self.flags
        return answer

    def telling(self, way, client, port):
        """With the client in the first TCP option: kind 28, as TOA modules read it."""
        told = copy.copy(self)
        family = socket.AF_INET if way.is_v4 else socket.AF_INET6
        option = (28, port.to_bytes(2, "big") + socket.inet_pton(family, client))
        told.tcp_options = (option,) + tuple(self.tcp_options)
        return told

    def transport(self, way, sport, dport):
        if way.is_tcp:
            return TCP(sport=sport, dport=dport, flags=self.flags, seq=self.seq, ack=self.ack,
                       window=self.window, urgptr=self.urgent, reserved=self.reserved,
                       options=list(self.tcp_options)) / Raw(self.payload)
        if self.no_checksum:
            return UDP(sport=sport, dport=dport, chksum=0) / Raw(self.payload)
        return UDP(sport=sport, dport=dport) / Raw(self.payload)

    def network(self, way, src, dst, ttl):
        if way.is_v4:
            return IP(src=src, dst=dst, ttl=ttl, tos=self.tos, id=self.number,
                      flags="DF" if self.df else 0, options=list(self.options))
        ip = IPv6(src=src, dst=dst, hlim=ttl, tc=self.tos, fl=self.flow)
        for header in self.headers:
            ip /= header.copy()
        return ip

    def packet(self, way, ends, ttl):
        src, sport, dst, dport = ends
        packet = self.network(way, src, dst, ttl)
        for header in self.late_headers:
            packet /= header.copy()
        return packet / self.transport(way, sport, dport)

    def ports_at(self, way, is_cut):
        """Where in the IP packet the transport's header begins."""
        ends = ("192.0.2.1", "192.0.2.2") if way.is_v4 else ("::1", "::2")
        return len(raw(self.network(way, *ends, 64))) + sum(
            len(raw(header)) for header in self.late_headers) + (
            8 if is_cut and not way.is_v4 else 0)

    def pieces(self, way, ends, ttl, cuts):
        """The datagram as fragments that begin and end at these bytes of what may be cut."""
        src, _, dst, _ = ends
        whole = raw(self.packet(way, ends, ttl))
        head = self.network(way, src, dst, ttl)
        if way.is_v4:
            body = whole[(whole[0] & 15) * 4:]
            first = 6 if way.is_tcp else 17
        else:
            body = whole[len(raw(head)):]
            first = NEXT_HEADER[type(self.late_headers[0]) if self.late_headers
                                else TCP if way.is_tcp else UDP]
        return [piece(way, head, body, first, begin, end, self.number)
                for begin, end in cuts]


def piece(way, head, body, first, begin, end, number):
    end = len(body) if end is None else end
    more = end < len(body)
    head = head.copy()
    if way.is_v4:
        head.frag, head.flags, head.proto = begin // 8, "MF" if more else 0, first
        return raw(head / Raw(body[begin:end]))
    return raw(head / IPv6ExtHdrFragment(nh=first, offset=begin // 8, m=int(more), id=number)
               / Raw(body[begin:end]))


def frame(dst, src, tags, packet, padding=b""):
    """Tags are (TPID, VLAN id, priority and drop eligibility)."""
    packet = raw(packet)
    types = [tpid for tpid, _, _ in tags] + [0x0800 if packet[0] >> 4 == 4 else 0x86dd]
    link = raw(Ether(dst=dst, src=src, type=types[0]))
    for (_, vid, pcp), following in zip(tags, types[1:]):
        link += (pcp << 12 | vid).to_bytes(2, "big") + following.to_bytes(2, "big")
    return link + packet + padding


def traffic_of(packet):
    """DSCP and ECN of an IP packet, and whether it may be fragmented on its way."""
    if packet[0] >> 4 == 4:
        return packet[1], bool(packet[6] & 0x40)
    return (packet[0] & 15) << 4 | packet[1] >> 4, True


def enclose(way, packet):
    """A tunnel's packet, in hex: RFC 2003, 2473, 6040 (normal mode), 6935; GUE's variant 1."""
    tos, df = traffic_of(packet)
    proto = 4 if packet[0] >> 4 == 4 else 41
    body = Raw(packet)
    if way.mode == "gue":
        body = UDP(sport=0, dport=way.gue_port, chksum=0) / body
        proto = 17
    if way.is_outer_v4:
        outer = IP(src=way.source, dst=way.backend, tos=tos, ttl=64, proto=proto, id=0,
                   flags="DF" if df else 0)
        unknown = [] if df else [(8, 12), (20, 24)]  # id and header checksum, in digits
    else:
        outer = IPv6(src=way.source, dst=way.backend, tc=tos, hlim=64, nh=proto)
        unknown = [(3, 8)]  # flow label
    if way.mode == "gue":
        unknown.append((len(raw(outer)) * 2, len(raw(outer)) * 2 + 4))  # source port
    text = raw(outer / body).hex()
    for begin, end in unknown:
        text = text[:begin] + "?" * (end - begin) + text[end:]
    return text


class World:
    def __init__(self, fields):
        self.__dict__.update(fields)
        self.ways = [Way(w) for w in self.ways]
        self.known = {(v["nic"], tuple(map(tuple, v["tags"]))): v for v in self.vlans}
        self.flows = 0

    def vlan_of(self, nic, tags):
        return self.known.get((nic, tuple((tpid, vid) for tpid, vid, _ in tags)))

    def tags_out(self, nic, tags, wanted):
        """A VLAN's tags with the priority of those that came; none; or those that came."""
        if wanted:
            return [(tpid, vid, tags[i][2] if i < len(tags) else 0)
                    for i, (tpid, vid) in enumerate(wanted)]
        return [] if self.vlan_of(nic, tags) else tags


class Flow:
    """One client of a way, and the frames it and the backend send."""

    def __init__(self, world, way, tags=()):
        world.flows += 1
        n = world.flows
        self.world, self.way, self.tags = world, way, list(tags)
        self.name = way.name
        self.port = 1024 + n % 60000
        self.client = "198.51.%d.%d" % (100 + n // 250, 1 + n % 250) if way.is_v4 else \
            "2001:db8:c:%x::%x" % (n // 250, 1 + n % 250)
        inside = (way.backend, way.backend_port) if way.has_replies else (way.vip, way.port)
        outside = (way.source, 0) if way.is_fullnat else (self.client, self.port)
        self.ends = {
            "request": (self.client, self.port, way.vip, way.port),
            "forwarded": outside + inside,
            "reply": inside + outside,
            "answer": (way.vip, way.port, self.client, self.port),
        }

    def packets(self, what, shape, ttl, cuts):
        ends = self.ends[what]
        if cuts is None:
            return [raw(shape.packet(self.way, ends, ttl))]
        return shape.pieces(self.way, ends, ttl, cuts)

    def request(self, shape, ttl=64, cuts=None, padding=b""):
        return [frame(self.world.macs["front"], self.world.client_mac, self.tags, p, padding)
                for p in self.packets("request", shape, ttl, cuts)]

    def forwarded(self, shape, ttl=64, cuts=None, padding=b"", tells=False):
        way = self.way
        if tells:
            shape = shape.telling(way, self.client, self.port)
        tags = self.world.tags_out("front", self.tags, way.tags)
        frames = []
        for p in self.packets("forwarded", shape, ttl - 1, cuts):
            link = frame(way.hop_mac, way.out_mac, tags, p)[:-len(p)]
            if way.is_tunnel:
                link = link[:-2] + (b"\x08\x00" if way.is_outer_v4 else b"\x86\xdd")
            frames.append(link.hex() + (enclose(way, p) if way.is_tunnel else p.hex()) +
                          padding.hex())
        return frames

    def reply_tags(self):
        return [(tpid, vid, 0) for tpid, vid in self.way.tags]

    def reply(self, shape, ttl=64, cuts=None, padding=b"", tags=None):
        way = self.way
        return [frame(way.out_mac, way.hop_mac, self.reply_tags() if tags is None else tags, p,
                      padding)
                for p in self.packets("reply", shape, ttl, cuts)]

    def answer(self, shape, ttl=64, cuts=None, padding=b"", tags=None):
        world, came_by = self.world, self.world.vlan_of("front", self.tags)
        tags = world.tags_out(self.way.nic, self.reply_tags() if tags is None else tags,
                              came_by["tags"] if came_by else [])
        mac = came_by["mac"] if came_by else world.macs["front"]
        return [frame(world.client_mac, mac, tags, p, padding).hex()
                for p in self.packets("answer", shape, ttl - 1, cuts)]


class Book:
    """The vectors, as they are written."""

    def __init__(self, world, out):
        self.world, self.out = world, out

    def run(self, name, nic, given, reason, wanted="=", *port):
        print("run", name, nic, given.hex(), reason, wanted, *port, file=self.out)

    def cut(self, name, nic, given):
        print("cut", name, nic, given.hex(), file=self.out)

    def passes(self, flow, what, given, reason, nic="front"):
        self.run(flow.name + "/" + what, nic, given, reason)

    def source_port(self, flow, kind, shape, cuts, link_len):
        """For each frame: how the port nobody can foretell is dealt with. In a frame that has it,
        it stands for 0: the flow's number, and the places of port and checksum."""
        if not flow.way.is_fullnat:
            return [()] * len(cuts or [None])
        at = link_len + shape.ports_at(flow.way, cuts is not None)
        checksum = at + (16 if flow.way.is_tcp else 6) if not shape.no_checksum else 0
        known = (kind, flow.port, at + (2 if kind == "reply" else 0), checksum)
        return [() if cut and cut[0] else known for cut in cuts or [None]]

    def forwards(self, flow, what, shape, tells=False, **how):
        reason = "forwarded_same_port" if flow.way.nic == "front" else "forwarded_other_port"
        tags = self.world.tags_out("front", flow.tags, flow.way.tags)
        kind = "new" if shape.flags == "S" else "same"
        ports = self.source_port(flow, kind, shape, how.get("cuts"), 14 + 4 * len(tags))
        for given, wanted, port in zip(flow.request(shape, **how),
                                       flow.forwarded(shape, tells=tells, **how), ports):
            self.run(flow.name + "/" + what, "front", given, reason, wanted, *port)

    def answers(self, flow, what, shape, tags=None, **how):
        """The backend's own replies: by nat only do they come this way."""
        if not flow.way.has_replies:
            return
        reason = "forwarded_same_port" if flow.way.nic == "front" else "forwarded_other_port"
        link_len = 14 + 4 * len(flow.reply_tags() if tags is None else tags)
        ports = self.source_port(flow, "reply", shape, how.get("cuts"), link_len)
        for given, wanted, port in zip(flow.reply(shape, tags=tags, **how),
                                       flow.answer(shape, tags=tags, **how), ports):
            self.run(flow.name + "/" + what + "-reply", flow.way.nic, given, reason, wanted, *port)

    def passes_reply(self, flow, what, shape, reason, cuts=None, which=0, **how):
        """One frame of the backend's that goes no further."""
        link_len = 14 + 4 * len(flow.reply_tags())
        port = self.source_port(flow, "reply", shape, cuts, link_len)[which]
        given = flow.reply(shape, cuts=cuts, **how)[which]
        self.run(flow.name + "/" + what, flow.way.nic, given, reason, "=", *port)

    def both(self, flow, what, shape, **how):
        self.forwards(flow, what, shape, **how)
        self.answers(flow, what, shape.answering(), **how)


RANDOM = random.Random(0x5e71)


def noise(size):
    return RANDOM.randbytes(size)


GROUPS = {}


def group(cases):
    GROUPS[cases.__name__] = cases
    return cases


def each_way(world, **wanted):
    """Those behind a VLAN differ from others in tags alone, which only some groups are about."""
    for way in world.ways:
        is_special = way.varies or way.tells
        if not is_special and all(getattr(way, k) == v for k, v in wanted.items()):
            yield way


def link_size(shape, way):
    """Of the IP packet this shape makes."""
    ends = ("192.0.2.1", 1, "192.0.2.2", 1) if way.is_v4 else ("::1", 1, "::2", 1)
    return len(raw(shape.packet(way, ends, 64)))


def filling(way, size, **how):
    """A shape whose IP packet has this size."""
    empty = link_size(Shape(payload=b"", **how), way)
    return Shape(payload=noise(size - empty), **how)


Q, AD = 0x8100, 0x88a8
TAGGINGS = {
    "untagged": [],
    "priority-tag": [(Q, 0, 0b1010)],
    "unknown-vlan": [(Q, 7, 0b0110)],
    "unknown-802.1ad": [(AD, 100, 0b0011)],
    "unknown-qinq": [(AD, 9, 0b1101), (Q, 4093, 0b0101)],
    "unknown-qinq-of-802.1q": [(Q, 100, 0b0000), (Q, 300, 0b1111)],
    "vlan": [(Q, 100, 0b1110)],
    "qinq": [(AD, 200, 0b1000), (Q, 300, 0b0010)],
}
