"""The servers that we are compared with: nginx answering by itself, nginx and HAProxy in front of the same agent."""
import shutil
import subprocess
import time
from pathlib import Path

STATUS_PORT, PROXY_PORT, HAPROXY_PORT = 18081, 18082, 18083

NGINX = """
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    keepalive_requests 1000000000;
    default_type application/json;
    upstream agent {{ server {agent}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{status_port};
        add_header Cache-Control no-store;
        add_header X-Request-Id $request_id;
        location / {{ return 200 '{body}'; }}
    }}
    server {{
        listen 127.0.0.1:{proxy_port};
        location / {{
            proxy_pass http://agent;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer {token}";
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
listen front
    bind 127.0.0.1:{port}
    http-request set-header Authorization "Bearer {token}"
    server agent {agent}
"""


class Peers:
    def __init__(self, netns_pid, folder, agent, token, status_body):
        self.folder = Path(folder)
        self.programs = []
        self.netns_pid = netns_pid
        words = dict(folder=folder, agent=agent, token=token, body=status_body.replace("'", ""), status_port=STATUS_PORT,
                     proxy_port=PROXY_PORT)
        (self.folder / "nginx.conf").write_text(NGINX.format(**words))
        (self.folder / "haproxy.cfg").write_text(HAPROXY.format(port=HAPROXY_PORT, agent=agent, token=token))
        self.nginx = self.start(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"])
        self.haproxy = self.start(["haproxy", "-db", "-q", "-f", f"{folder}/haproxy.cfg"]) if shutil.which("haproxy") else None
        time.sleep(1)

    def start(self, command):
        """nsenter becomes the program, so the pid is the server's own."""
        process = subprocess.Popen(["nsenter", f"--net=/proc/{self.netns_pid}/ns/net", *command], stdin=subprocess.DEVNULL)
        self.programs.append(process)
        return process

    def stop(self):
        for process in self.programs:
            process.terminate()
            process.wait()


def first_line(command):
    if not shutil.which(command[0]):
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().split("\n")[0]


def versions():
    return {"nginx": first_line(["nginx", "-v"]), "haproxy": first_line(["haproxy", "-v"]), "wrk": first_line(["wrk", "-v"]).split(" Copy")[0],
            "crun": first_line(["crun", "--version"]), "gcc": first_line(["gcc", "--version"]),
            "valgrind": first_line(["valgrind", "--version"])}
