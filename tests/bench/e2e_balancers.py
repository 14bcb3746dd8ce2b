# SPDX-License-Identifier: GPL-2.0-or-later
"""Owns the load balancers that e2e.py compares: how each is configured, started, shifted and
stopped in the lab's network, and what CPU time it has taken."""
import json
import os
import re
import socket
import subprocess
import time

LAB, TMP, BUILD = os.environ["LAB"], os.environ["LAB_TMP"], os.environ["LAB_BUILD"]
VIP = os.environ["LAB_VIP4"]
CLIENT_MAC, BACKEND_MAC = os.environ["CLIENT_MAC"], os.environ["BACKEND_MAC"]
HTTP = {"stable": ["10.0.1.11", "10.0.1.12"], "canary": ["10.0.1.21", "10.0.1.22"]}
UDP = {"stable": ["10.0.2.11", "10.0.2.12"], "canary": ["10.0.2.21", "10.0.2.22"]}


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{LAB}-{namespace}", "--", *map(str, command)]


def run(namespace, *command, **options):
    options = {"stdout": subprocess.PIPE, "text": True, "check": True, **options}
    return subprocess.run(inside(namespace, *command), **options).stdout


def write(name, text):
    path = f"{TMP}/{name}"
    with open(path, "w") as file:
        file.write(text)
    return path


def wait_for(what, is_true, seconds=5):
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def napi_threads(interface):
    """Kernel threads of this interface; tests/bench/e2e has made them."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if re.fullmatch(rf"napi/{interface}-\d+", file.read().strip()):
                    yield pid
        except OSError:
            pass  # it has ended


def family(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid] + [grandchild for child in file.read().split() for grandchild in family(child)]


def run_ns(threads):
    """How long these have been running, by the scheduler's own count."""
    total = 0
    for thread in threads:
        with open(f"/proc/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total


class Balancer:
    """One that is up between enter and exit; `protocol` says which of its two services."""

    name = ""
    protocols = ("tcp", "udp")
    vip = VIP
    process = None

    def __init__(self, protocol="tcp", canary=10):
        self.protocol, self.canary = protocol, canary
        self.pools = HTTP if protocol == "tcp" else UDP
        self.interface = "eth0" if protocol == "tcp" else "eth1"
        self.port = 80 if protocol == "tcp" else 53

    def __enter__(self):
        try:
            self.start()
            self.wait_until_served()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_until_served(self):
        if self.protocol == "tcp":
            url = f"http://{self.vip}:{self.port}/"
            wait_for(self.name, lambda: not subprocess.call(
                inside("client", "curl", "-sf", "-o", "/dev/null", "--max-time", "1", url)))

    def processes_ns(self):
        """Of a balancer in user space, its system calls included."""
        if not self.process:
            return 0
        return run_ns(f"{pid}/task/{thread}" for pid in family(self.process.pid)
                      for thread in os.listdir(f"/proc/{pid}/task"))

    def program_ns(self):
        """Of the XDP program, while BPF statistics are on; None where there is none."""
        link = json.loads(run("lb", "ip", "-d", "-j", "link", "show", self.interface))[0]
        if "xdp" not in link:
            return None
        program = json.loads(run("lb", "bpftool", "-j", "prog", "show", "id",
                                 link["xdp"]["prog"]["id"]))
        return program.get("run_time_ns", 0)

    def cpu_ns(self):
        return run_ns(napi_threads(self.interface)) + self.processes_ns()


class ToOneBackend(Balancer):
    """No balancer: clients of HTTP ask for the first backend, by its own address and port."""

    def __init__(self, protocol="tcp", canary=10):
        super().__init__(protocol, canary)
        if protocol == "tcp":
            self.vip, self.port = HTTP["stable"][0], 8080


class Floor(ToOneBackend):
    """An XDP program that carries packets and does nothing else: what veth and XDP cost."""

    name = "XDP alone"

    def start(self):
        to = ["--vip", self.vip, "--to", BACKEND_MAC, "--from", CLIENT_MAC]
        run("lb", f"{BUILD}/tests/bench/e2e_packets_bench", "floor", "--interface", self.interface,
            *(to if self.protocol == "tcp" else []))

    def stop(self):
        run("lb", "ip", "link", "set", "dev", self.interface, "xdp", "off")


class Routing(ToOneBackend):
    """The kernel as a router: what its own way costs."""

    name, protocols = "routing alone", ("tcp",)

    def start(self):
        pass

    def stop(self):
        pass


class Serin(Balancer):
    name = "serin"

    def serin(self, *arguments):
        return run("lb", f"{BUILD}/serin", "--bpffs", f"{TMP}/bpf/serin", *arguments)

    def start(self):
        pools = ""
        for pool, addresses in self.pools.items():
            weight = f", weight: {self.canary}" if pool == "canary" else ""
            backends = ", ".join(f'{{address: "{a}", port: 8080}}' for a in addresses)
            pools += f"      - {{name: {pool}{weight}, backends: [{backends}]}}\n"
        self.serin("apply", write("serin.yaml", f"""version: 1
interfaces: [{self.interface}]
services:
  - name: web
    vip: "{VIP}"
    port: {self.port}
    protocol: {self.protocol}
    affinity: connection
    primary: stable
    pools:
{pools}"""))

    def stop(self):
        self.serin("detach", "--yes")

    def shift(self, percent):
        self.serin("weight", "web", f"canary={percent}")


class Nftables(Balancer):
    """DNAT by a hash of the client, remembered by conntrack, as kube-proxy's nftables mode does."""

    name = "nftables"

    def rules(self):
        canary = self.canary * 100
        shares, begin = [], 0
        for pool, share in (("canary", canary), ("stable", 10000 - canary)):
            for i, address in enumerate(self.pools[pool]):
                end = begin + share // 2
                shares.append(f"{begin}-{end - 1} : {address}")
                begin = end
        return (f"flush chain ip lb pre\nadd rule ip lb pre ip daddr {VIP} {self.protocol} dport "
                f"{self.port} dnat to jhash ip saddr . {self.protocol} sport mod 10000 seed 0x5eed "
                f"map {{ {', '.join(shares)} }}:8080\n")

    def load(self, text):
        run("lb", "nft", "-f", write("rules.nft", text))

    def start(self):
        self.load("add table ip lb\n"
                  "add chain ip lb pre { type nat hook prerouting priority dstnat; }\n"
                  + self.rules())

    def stop(self):
        run("lb", "nft", "delete", "table", "ip", "lb")

    def shift(self, percent):
        self.canary = percent
        self.load(self.rules())


class Proxy(Balancer):
    """One in user space: the VIP is an address of the host, each connection is two."""

    def start(self):
        run("lb", "ip", "address", "add", f"{VIP}/32", "dev", "lo")
        self.process = subprocess.Popen(inside("lb", *self.command()), stdin=subprocess.DEVNULL,
                                        stderr=open(f"{TMP}/{self.name}.log", "a"))
        wait_for(self.name, lambda: run("lb", "ss", "-Hlntu", f"sport = :{self.port}"))

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        run("lb", "ip", "address", "del", f"{VIP}/32", "dev", "lo")


class Nginx(Proxy):
    """split_clients, and a reload to change it."""

    name = "nginx"

    def config(self):
        backends = {pool: " ".join(f"server {a}:8080;" for a in addresses)
                    for pool, addresses in self.pools.items()}
        udp = "udp reuseport" if self.protocol == "udp" else "backlog=4096"
        return write("stream.conf", f"""daemon off;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
pid {TMP}/stream.pid;
worker_processes auto;
worker_rlimit_nofile 16384;
events {{ worker_connections 8000; }}
stream {{
    split_clients "$remote_addr:$remote_port" $pool {{ {self.canary}% canary; * stable; }}
    upstream canary {{ {backends['canary']} }}
    upstream stable {{ {backends['stable']} }}
    server {{ listen {VIP}:{self.port} {udp}; proxy_pass $pool; proxy_timeout 20s; }}
}}
""")

    def command(self):
        return ["nginx", "-p", TMP, "-e", f"{TMP}/stream.log", "-c", self.config()]

    def shift(self, percent):
        self.canary = percent
        run("lb", *self.command(), "-s", "reload")


class Haproxy(Proxy):
    """Weights of servers, and its runtime API to change them."""

    name, protocols = "haproxy", ("tcp",)

    def command(self):
        weight = {"stable": 100 - self.canary, "canary": self.canary}
        servers = "\n".join(f"    server {pool}-{i} {address}:8080 weight {weight[pool]}"
                            for pool, addresses in self.pools.items()
                            for i, address in enumerate(addresses, 1))
        return ["haproxy", "-db", "-f", write("haproxy.cfg", f"""global
    maxconn 8000
    stats socket {TMP}/haproxy.sock mode 600 level admin
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend web
    bind {VIP}:{self.port} backlog 4096
    default_backend web
backend web
    balance roundrobin
{servers}
""")]

    def shift(self, percent):
        weight = {"stable": 100 - percent, "canary": percent}
        text = ";".join(f"set weight web/{pool}-{i} {weight[pool]}"
                        for pool, addresses in self.pools.items()
                        for i in range(1, len(addresses) + 1))
        with socket.socket(socket.AF_UNIX) as api:
            api.connect(f"{TMP}/haproxy.sock")
            api.sendall(text.encode() + b"\n")
            answer = api.recv(4096).decode().strip()
        if answer:
            raise RuntimeError(f"haproxy: {answer}")
