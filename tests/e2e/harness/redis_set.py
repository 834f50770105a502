"""A master, a replica and three Sentinels, all with passwords, in a site's network namespace; and a site's gateways told to use them."""
import os
import signal
import subprocess
import tempfile
import shutil

import yaml

from .wait import until

NAME = "main"
SENTINELS = (26379, 26380, 26381)


class RedisSet:
    """site: is up. Construct, close()."""

    def __init__(self, site):
        self.site = site
        self.namespace = f"--net=/proc/{site.entry('node')['pid']}/ns/net"
        self.directory = tempfile.mkdtemp(prefix="e2e-redis-", dir="/run")
        self.password, self.sentinel_password = os.urandom(16).hex(), os.urandom(16).hex()
        self.processes = {}  # by port
        self.ports = [7001, 7002]  # the master first
        self.start_server(7001)
        self.start_server(7002, "replicaof 127.0.0.1 7001")
        until(lambda: "slave0:" in self.ask(7001, "INFO", "replication"), 60, "the replica follows")
        for port in SENTINELS:
            self.start_sentinel(port)
        until(lambda: all(self.knows_all(port) for port in SENTINELS), 60, "the Sentinels know each other and the replica")

    # -- its parts --

    def start(self, port, lines, *more):
        path = os.path.join(self.directory, f"{port}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {self.directory}", 'save ""', "appendonly no", *lines]) + "\n")
        with open(os.path.join(self.directory, f"{port}.log"), "ab") as log:
            self.processes[port] = subprocess.Popen(["nsenter", self.namespace, "redis-server", path, *more], stdin=subprocess.DEVNULL,
                                                    stdout=log, stderr=log)

    def start_server(self, port, *lines):
        self.start(port, [f"requirepass {self.password}", f"masterauth {self.password}", *lines])
        until(lambda: self.ask(port, "PING") == "PONG", 60, f"Redis on {port}")

    def start_sentinel(self, port):
        self.start(port, [f"requirepass {self.sentinel_password}", f"sentinel sentinel-pass {self.sentinel_password}",
                          f"sentinel monitor {NAME} 127.0.0.1 7001 2", f"sentinel auth-pass {NAME} {self.password}",
                          f"sentinel down-after-milliseconds {NAME} 1000", f"sentinel failover-timeout {NAME} 5000"], "--sentinel")
        until(lambda: self.ask(port, "PING") == "PONG", 60, f"the Sentinel on {port}")

    def knows_all(self, port):
        info = self.ask(port, "INFO", "sentinel")
        return "slaves=1" in info and f"sentinels={len(SENTINELS)}" in info

    def ask(self, port, *words):
        password = self.sentinel_password if port in SENTINELS else self.password
        done = subprocess.run(["nsenter", self.namespace, "redis-cli", "-h", "127.0.0.1", "-p", str(port), *words], capture_output=True,
                              text=True, timeout=10, check=False, env=dict(os.environ, REDISCLI_AUTH=password))
        return done.stdout.strip()

    def role(self, port):
        return self.ask(port, "ROLE").partition("\n")[0]

    # -- what happens to it --

    def kill(self, port):
        self.processes[port].send_signal(signal.SIGKILL)
        self.processes[port].wait(10)

    def fail_over(self):
        """By order of an operator: the old master lives on, as a replica."""
        assert self.ask(SENTINELS[0], "SENTINEL", "FAILOVER", NAME) == "OK"

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait(10)
        shutil.rmtree(self.directory)

    # -- the gateways --

    def url(self):
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in SENTINELS)}/{NAME}"

    def secret(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text + "\n")
        return path

    def use(self, gateway, password=None):
        """The gateway is started anew with these; gives its log's length before."""
        path = os.path.join(self.site.state_dir, "local", f"{gateway}.yaml")
        with open(path, encoding="utf-8") as file:
            settings = yaml.safe_load(file)
        settings["redis"] = {"url": self.url(), "password_file": self.secret(f"{gateway}.password", password or self.password),
                             "sentinel_password_file": self.secret("sentinel.password", self.sentinel_password)}
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(settings, file)
        before = len(self.log(gateway))
        self.site.wait_restarted(gateway, self.site.kill(gateway, signal.SIGTERM))
        return before

    def log(self, gateway):
        with open(os.path.join(self.site.state_dir, "local", f"{gateway}.log"), encoding="utf-8") as file:
            return file.read()
