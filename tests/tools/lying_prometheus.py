# SPDX-License-Identifier: GPL-2.0-or-later
"""lying_prometheus.py PORT [CERT KEY]: answers /LIE/api/v1/query_range with that lie.

With a certificate, by TLS, and asking for one of the client's. What it was asked goes to stdout.
"""
import base64
import http.server
import json
import ssl
import sys
import urllib.parse

BASIC = "Basic " + base64.b64encode(b"judge:open sesame").decode()


def matrix(*values):
    points = [[1700000000 + i, v] for i, v in enumerate(values)]
    return json.dumps({"status": "success", "data": {
        "resultType": "matrix", "result": [{"metric": {}, "values": points}]}})


def refusal(kind, text):
    return json.dumps({"status": "error", "errorType": kind, "error": text})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        lie = self.path.split("/")[1]
        self.form = dict(urllib.parse.parse_qsl(form))
        print(self.path, json.dumps(self.form), flush=True)
        getattr(self, lie.replace("-", "_"))()

    def answer(self, status, body, **headers):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def moody(self):
        """What the file `mood` says: a lie, a number at the end of what is asked for, or "CANARY/OTHERS",
        numbers around which the pools' values lie all along. Of absent_total there is nothing."""
        with open("mood") as f:
            mood = f.read()
        if mood in ("slow", "broken"):
            getattr(self, mood)()
            return
        points = [[float(self.form["end"]), mood]]
        if "/" in mood:
            middle = float(mood.split("/")["canary" not in self.form["query"]])
            start, end, step = (float(self.form[key].rstrip("s")) for key in ("start", "end", "step"))
            points = [[start + i * step, str(middle + i * 7 % 13 / 100)]
                      for i in range(int((end - start) / step) + 1)]
        result = [{"metric": {}, "values": points}]
        if "absent_total" in self.form["query"]:
            result = []
        self.answer(200, json.dumps({"status": "success", "data": {
            "resultType": "matrix", "result": result}}))

    def right(self):
        self.answer(200, matrix(*["1"] * 20))

    def odd_numbers(self):
        self.answer(200, matrix("NaN", "+Inf", "-Inf", *["1"] * 17))

    def broken(self):
        self.answer(500, "<html>oops</html>")

    def overloaded(self):
        self.answer(503, refusal("timeout", "query timed out in expression evaluation"))

    def elsewhere(self):
        self.answer(302, "", Location="/right/api/v1/query_range")

    def not_json(self):
        self.answer(200, '{"status": "success", "data": }')

    def not_matrix(self):
        self.answer(200, '{"status": "success", "data": {"resultType": "scalar", "result": []}}')

    def empty(self):
        self.answer(200, "")

    def cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"status": ')
        self.close_connection = True

    def slow(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"status": ')
        self.rfile.read(1)  # until the other side gives up
        self.close_connection = True

    def huge(self):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b" " * 65536)
        except OSError:
            pass

    def basic(self):
        self.let_in(BASIC)

    def bearer(self):
        self.let_in("Bearer tell-nobody")

    def let_in(self, wanted):
        if self.headers["Authorization"] == wanted:
            self.right()
        else:
            self.answer(401, "Unauthorized\n")

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
if len(sys.argv) > 2:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[2], sys.argv[3])
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(sys.argv[2])
    server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
