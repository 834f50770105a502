"""Servers that the tests start, and their end."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NGINX_CONF = """
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    client_header_timeout 2s; client_body_timeout 2s; large_client_header_buffers 8 32k;
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host t; # an empty one would be left out
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
"""


HAND_OVER = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One wire_server."""

    def __init__(self, path, flags, handed_over=None, environment=None):
        self.err = tempfile.TemporaryFile()
        command = [path, *map(str, flags)]
        if handed_over is not None:
            command = [sys.executable, "-c", HAND_OVER, str(handed_over.fileno()), *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.err,
                                        pass_fds=[handed_over.fileno()] if handed_over else [],
                                        env={**os.environ, **(environment or {})})
        self.told = False
        self.port = int(self.process.stdout.readline() or 0)

    def count(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        c.request("GET", "/count")
        value = json.loads(c.getresponse().read())
        c.close()
        return value

    def wait_count(self, key, value, seconds=5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.count()[key] == value:
                return
            time.sleep(0.01)
        raise AssertionError(f"{key} is {self.count()[key]}, not {value}")

    def terminate(self):
        """SIGTERM, once: a second one could come after the program took its handler down."""
        if not self.told:
            self.process.send_signal(signal.SIGTERM)
        self.told = True

    def end(self):
        """Ends it; None, or what was wrong: it had to be killed, or the sanitizers had something to say."""
        self.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "it did not end within 10 s of SIGTERM"
        finally:
            self.process.stdout.close()
        self.err.seek(0)
        text = self.err.read().decode(errors="replace")
        if self.process.returncode != 0 or text:
            return f"exit status {self.process.returncode}: {text[:3000]}"
        return None


class Stand:
    """All servers of one run; equal flags share one server."""

    def __init__(self, path):
        self.path = path
        self.servers = {}
        self.nginxes = {}
        self.privates = []
        self.found = []
        self.dir = tempfile.mkdtemp(prefix="wire-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.nginxes.values():
            process[0].terminate()
            process[0].wait()
        for server in [*self.servers.values(), *self.privates]:
            if server.process.poll() is None:
                server.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def server(self, *flags):
        flags = tuple(flags)
        old = self.servers.get(flags)
        if old is None or old.process.poll() is not None:
            if old is not None:
                self.found.append(f"it died: {old.end()}")
            self.servers[flags] = Server(self.path, flags)
        return self.servers[flags]

    def private(self, *flags, **more):
        """A server for one test, which ends it."""
        self.privates.append(Server(self.path, flags, **more))
        return self.privates[-1]

    def nginx(self, backend):
        """The port of an nginx in front of that port."""
        if backend not in self.nginxes:
            port = free_port()
            place = pathlib.Path(self.dir, str(backend))
            place.mkdir()
            if os.getuid() == 0:
                os.chmod(self.dir, 0o755)
                os.chmod(place, 0o777)
            conf = place / "nginx.conf"
            conf.write_text(NGINX_CONF.format(dir=place, backend=backend, port=port))
            process = subprocess.Popen(["nginx", "-p", str(place), "-c", str(conf), "-e", f"{place}/error.log",
                                        "-g", "daemon off;"], stderr=subprocess.DEVNULL)
            wait_port(port)
            self.nginxes[backend] = (process, port)
        return self.nginxes[backend][1]

    def troubles(self):
        """Ends all servers; what they had to say."""
        found = list(self.found)
        for process, _ in self.nginxes.values():
            process.terminate()
            process.wait()
        self.nginxes = {}
        for flags, server in self.servers.items():
            said = server.end()
            if said:
                found.append(f"{' '.join(map(str, flags))} {said}")
        self.servers = {}
        return found


def wait_port(port):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")
