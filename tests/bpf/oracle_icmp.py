# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of ICMP: errors, that go to who sent what they quote, and Serin's own answers."""
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, IPOption_NOP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                                ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrHopByHop, RouterAlert)
from scapy.packet import Raw

from oracle_wire import TAGGINGS, Flow, Shape, each_way, enclose, filling, frame, group, noise

ERRORS4 = {
    "port": ICMP(type=3, code=3),
    "fragmentation-needed": ICMP(type=3, code=4, nexthopmtu=1300),
    "time": ICMP(type=11, code=0),
    "parameter": ICMP(type=12, code=0, ptr=9),
}
ERRORS6 = {
    "port": ICMPv6DestUnreach(code=4),
    "packet-too-big": ICMPv6PacketTooBig(mtu=1300),
    "time": ICMPv6TimeExceeded(code=0),
    "parameter": ICMPv6ParamProblem(code=1, ptr=40),
}


def carry(way, src, dst, ttl, message):
    """An ICMP message in its IP packet."""
    if way.is_v4:
        return raw(IP(src=src, dst=dst, ttl=ttl, id=0x4321) / message)
    return raw(IPv6(src=src, dst=dst, hlim=ttl) / message)


def router(way):
    return "203.0.113.9" if way.is_v4 else "2001:db8:f::9"


def quotes(way, shape, ends):
    """The packet between these ends, as a router quotes it: whole, and less and less of it."""
    whole = raw(shape.packet(way, ends, 61))
    header = 20 if way.is_v4 else 40
    yield "whole", whole
    for left in (8, 16, 20, 24):
        yield f"{left}-bytes", whole[:header + left]


def errors(way):
    return (ERRORS4 if way.is_v4 else ERRORS6).items()


def source_port(way, kind, flow, quote):
    """fullnat: in the quote, at its end of it, and in its checksum. A quote too short for that one
    shows in ICMP's; in a longer one the two make up for each other."""
    if not way.is_fullnat:
        return ()
    icmp = 14 + (20 if way.is_v4 else 40)
    ports = icmp + 8 + (20 if way.is_v4 else 40)
    checksum = ports + (16 if way.is_tcp else 6)
    if checksum + 2 > icmp + 8 + len(quote):
        checksum = icmp + 2
    return (kind, flow.port, ports + (2 if kind == "same" else 0), checksum)


def told(book, flow, what, came, left, port):
    """From the clients' side to the backend."""
    world, way = flow.world, flow.way
    given = frame(world.macs["front"], world.client_mac, [], came)
    link = frame(way.hop_mac, way.out_mac, [], left)[:-len(left)]
    if way.is_tunnel:
        link = link[:-2] + (b"\x08\x00" if way.is_outer_v4 else b"\x86\xdd")
    wanted = link.hex() + (enclose(way, left) if way.is_tunnel else left.hex())
    reason = "forwarded_same_port" if way.nic == "front" else "forwarded_other_port"
    book.run(flow.name + "/" + what, "front", given, reason, wanted, *port)


@group
def errors_of_clients(world, book):
    """About what a client was sent: to the backend, which is to know its own packet again. By fullnat
    it may have no way to anybody but the source, so that is who tells it."""
    for way in each_way(world, tags=[]):
        flow = Flow(world, way)
        book.both(flow, "begin", Shape(flags="S"))
        shape = Shape(payload=noise(100), flags="PA")
        seen = dict(quotes(way, shape, flow.ends["answer"]))
        sent = dict(quotes(way, shape, flow.ends["reply"]))
        inside = flow.ends["reply"][0]
        teller = way.source if way.is_fullnat else router(way)
        for name, message in errors(way):
            for part, quote in seen.items():
                came = carry(way, router(way), way.vip, 33, message / Raw(quote))
                left = carry(way, teller, inside, 32, message / Raw(sent[part]))
                told(book, flow, f"{name}-{part}", came, left,
                     source_port(way, "same", flow, quote))


@group
def errors_of_backends(world, book):
    """About what a backend was sent: to the client, by the VIP, whoever behind it said so."""
    for way in each_way(world, tags=[], has_replies=True):
        flow = Flow(world, way)
        book.both(flow, "begin", Shape(flags="S"))
        shape = Shape(payload=noise(100), flags="PA")
        seen = dict(quotes(way, shape, flow.ends["forwarded"]))
        sent = dict(quotes(way, shape, flow.ends["request"]))
        reason = "forwarded_same_port" if way.nic == "front" else "forwarded_other_port"
        for name, message in errors(way):
            for part, quote in seen.items():
                for by in (router(way), way.backend):
                    came = carry(way, by, flow.ends["forwarded"][0], 33, message / Raw(quote))
                    left = carry(way, way.vip, flow.client, 32, message / Raw(sent[part]))
                    given = frame(way.out_mac, way.hop_mac, [], came)
                    wanted = frame(world.client_mac, world.macs["front"], [], left).hex()
                    book.run(f"{flow.name}/{name}-{part}-reply", way.nic, given, reason, wanted,
                             *source_port(way, "reply", flow, quote))


@group
def strange_icmp(world, book):
    """About packets that are nobody's here, and what is no error: the host's."""
    for way in each_way(world, tags=[]):
        flow = Flow(world, way)
        message = dict(errors(way))["time"]
        ends = flow.ends["answer"]
        others = {
            "of-another-port": (ends[0], ends[1] + 1) + ends[2:],
            "of-another-host": (router(way), ends[1]) + ends[2:],
        }
        for name, quoted in others.items():
            quote = raw(Shape().packet(way, quoted, 61))
            came = carry(way, router(way), quoted[0], 33, message / Raw(quote))
            book.passes(flow, name, frame(world.macs["front"], world.client_mac, [], came),
                        "no_service")
        quote = raw(Shape().packet(way, ends, 61))
        came = carry(way, router(way), way.vip, 1, message / Raw(quote))
        book.passes(flow, "expiring", frame(world.macs["front"], world.client_mac, [], came),
                    "ttl_expiring")
        came = carry(way, router(way), router(way), 33, message / Raw(quote))
        book.passes(flow, "for-somebody-else",
                    frame(world.macs["front"], world.client_mac, [], came), "protocol")
        came = carry(way, router(way), way.vip, 33, message)
        book.passes(flow, "without-a-quote",
                    frame(world.macs["front"], world.client_mac, [], came), "malformed")


def too_big(way, packet, mtu):
    """RFC 792 and 1191, RFC 1812 4.3.2; RFC 4443: as much of the packet as fits, in whole words."""
    if way.is_v4:
        quote = packet[:548]
        return raw(IP(src=way.vip, dst=IP(packet).src, tos=0xc0, flags="DF", id=0, ttl=64)
                   / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(quote))
    return raw(IPv6(src=way.vip, dst=IPv6(packet).src, hlim=64)
               / ICMPv6PacketTooBig(mtu=mtu) / Raw(packet[:1232]))


@group
def answers_to_what_is_too_big(world, book):
    """Few of them: they are limited in number."""
    for way in each_way(world, tags=[], nic="front"):
        most = world.mtu[way.nic] - way.overhead()
        for tagging in ([], TAGGINGS["unknown-qinq"])[:1 + way.is_tcp]:
            flow = Flow(world, way, tagging)
            book.forwards(flow, "fits", filling(way, most, flags="S"))
            shape = filling(way, most + 1, flags="S")
            given = flow.request(shape)[0]
            packet = flow.packets("request", shape, 64, None)[0]
            wanted = frame(world.client_mac, world.macs["front"], tagging,
                           too_big(way, packet, most))
            book.run(flow.name + "/one-byte-more", "front", given, "answered_too_big",
                     wanted.hex())


def echo(way, number, payload):
    if way.is_v4:
        return (ICMP(type=8, id=number, seq=7) / Raw(payload),
                ICMP(type=0, id=number, seq=7) / Raw(payload))
    return (ICMPv6EchoRequest(id=number, seq=7, data=payload),
            ICMPv6EchoReply(id=number, seq=7, data=payload))


@group
def echoes(world, book):
    """Of a VIP that no host owns."""
    for way in each_way(world):
        for name, tagging in TAGGINGS.items():
            flow = Flow(world, way, tagging)
            for size in (0, 1, 56, 1400):
                asked, answered = echo(way, flow.port, noise(size))
                padding = noise(max(0, 46 - size - 28))
                came = carry(way, flow.client, way.vip, 9, asked)
                left = carry(way, way.vip, flow.client, 64, answered)
                given = frame(world.macs["front"], world.client_mac, tagging, came, padding)
                wanted = frame(world.client_mac, world.macs["front"], tagging, left, padding)
                book.run(f"{flow.name}/{name}-{size}", "front", given, "answered_echo",
                         wanted.hex())
        asked, _ = echo(way, 1, b"")
        flow = Flow(world, way)
        if way.is_v4:
            came = raw(IP(src=flow.client, dst=way.vip, options=[IPOption_NOP()] * 4) / asked)
        else:
            came = raw(IPv6(src=flow.client, dst=way.vip)
                       / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / asked)
        book.passes(flow, "with-options", frame(world.macs["front"], world.client_mac, [], came),
                    "protocol")
        came = carry(way, flow.client, router(way), 64, asked)
        book.passes(flow, "to-another", frame(world.macs["front"], world.client_mac, [], came),
                    "protocol")
