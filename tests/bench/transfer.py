"""A neighbour's status polls while files of 100 MB go up and down: through nginx and the gateway, and, in alternating pairs, with an nginx
in the gateway's place that passes the same calls on to the same agent. What both have in common is the machine's."""
import multiprocessing
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import sessions
from harness import processes
from harness.client import Client
from harness.session import Session
from harness.site import Site
from harness.wait import until

SIZE = 100 << 20
TRANSFERS = 3  # of each half of a pair
KINDS = ("nothing", "up", "down")
PORT = 18991
BOUNDARY = "bench"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

MIDDLE = """
worker_processes 1;
daemon off;
master_process off;
pid {folder}/middle.pid;
error_log {folder}/middle.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/mb; proxy_temp_path {folder}/mp; fastcgi_temp_path {folder}/mf; uwsgi_temp_path {folder}/mu;
    scgi_temp_path {folder}/ms;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Authorization "Bearer {token}";
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_buffer_size 128k;
    proxy_buffers 4 128k;
    proxy_busy_buffers_size 128k;
    client_body_buffer_size 128k;
    upstream agent {{ server {agent}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        default_type application/json;
        location / {{ return 200 '{status}'; }}
        location ~ ^/[^/]+/(files/.*)$ {{ rewrite ^/[^/]+/(files/.*)$ /v1/$1 break; proxy_pass http://agent; }}
    }}
}}
"""


def ask(url, path, over, found):
    client, times = Client(url), []
    while not over.is_set():
        begun = time.monotonic()
        client.get(path).expect(200)
        times.append(time.monotonic() - begun)
        time.sleep(0.005)
    found.put(times)


class Transfers:
    def __init__(self, site):
        self.url, self.content = site.url, os.urandom(SIZE)
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
        self.form = head.encode() + self.content + f"\r\n--{BOUNDARY}--\r\n".encode()
        self.session = Session(site.client)
        self.session.create(cleanup="idle", resources={"disk": "256Mi", "cpu": "2000m"})
        self.session.wait_ready()
        self.neighbour = Session(site.client).start(cleanup="idle")

    def one(self, client, kind):
        if kind == "up":
            client.post(f"{self.session.base}/files/upload", body=self.form, headers=FORM, params={"overwrite": "true"}).expect(200, 201)
        elif kind == "down":
            if client.get(f"{self.session.base}/files/download/big").expect(200).body != self.content:
                raise SystemExit("bench: another file came down than went up")
        else:
            time.sleep(0.5)

    def watched(self, kind):
        """Times of the neighbour's polls, and of the transfers beside them. The poller is a process of its own: transfers keep this one busy."""
        fork, client, taken = multiprocessing.get_context("fork"), Client(self.url), []
        over, found = fork.Event(), fork.Queue()
        poller = fork.Process(target=ask, args=(self.url, f"/{self.neighbour.id}/status", over, found))
        poller.start()
        for _ in range(TRANSFERS):
            begun = time.monotonic()
            self.one(client, kind)
            taken.append(time.monotonic() - begun)
        over.set()
        polls = found.get(timeout=60)
        poller.join()
        return polls, taken


def reload(site, path, text):
    master = site.entry("nginx")["pid"]
    before = set(processes.descendants(master))
    path.write_text(text)
    os.kill(master, signal.SIGHUP)
    until(lambda: (now := set(processes.descendants(master))) and not now & before, 60, "nginx has taken its configuration", every=0.05)


def start_middle(site, transfers, folder):
    pod = site.node().pod(transfers.session.id)
    config = folder / "middle.conf"
    status = site.client.get(f"/{transfers.neighbour.id}/status").expect(200).body.decode().strip().replace("'", "")
    config.write_text(MIDDLE.format(folder=folder, agent=f"{pod['status']['podIP']}:8700", port=PORT, status=status,
                                    token=sessions.agent_token(Path(site.state_dir) / "local/site.key", pod)))
    space = f"--net=/proc/{site.gateways[0]['pid']}/ns/net"
    process = subprocess.Popen(["nsenter", space, "nginx", "-e", f"{folder}/middle.log", "-c", config], stdin=subprocess.DEVNULL)
    time.sleep(1)
    return process


def measure(folder, pairs):
    site, middle, done = Site(slots=4, gateways=1), None, {}
    site.environment["SPILLWAY_UPLOAD_MIB"] = "128"
    try:
        site.start()
        transfers = Transfers(site)
        middle = start_middle(site, transfers, folder)
        path = Path(site.state_dir) / "local/nginx.conf"
        ours = path.read_text()
        theirs = re.sub(r"^(        server )\S+( max_fails)", rf"\g<1>127.0.0.1:{PORT}\2", ours, flags=re.MULTILINE)
        transfers.one(site.client, "up")
        for pair in range(pairs):
            for way, text in sorted({"gateway": ours, "nginx": theirs}.items(), reverse=pair % 2 == 1):
                reload(site, path, text)
                for kind in KINDS:
                    polls, taken = transfers.watched(kind)
                    row = done.setdefault((kind, way), ([], []))
                    row[0].extend(polls)
                    row[1].extend(taken)
    finally:
        if middle:
            middle.terminate()
            middle.wait()
        site.stop()
        site.forget()
    latency = {f"a neighbour's status while {kind} goes, nginx → {way}": sessions.spread(polls) for (kind, way), (polls, _) in sorted(done.items())}
    speed = {f"{kind}, nginx → {way}": round(SIZE / 1e6 / min(taken)) for (kind, way), (_, taken) in sorted(done.items()) if kind != "nothing"}
    return latency, speed
