"""One site: a cluster with its gateways, in a network namespace of its own.

Inside, every part has a fixed port on 127.0.0.1, because nobody else is there. What the host uses (the front door, and for
tools and tests every gateway's two listeners and the node's API) are sockets of the host's namespace on free ports, which the
programs get handed over.
"""
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

import yaml

from netns import Namespace, open_listener, port_of
from output import Failed, tail
from process import Program
from rundir import write_atomically

TREE = Path(__file__).resolve().parents[2]
NODE_PORT = 6443
GATEWAY_PORT = 8001
ADMIN_PORT = 9001
NAMESPACE = "sandboxes"
START_SECONDS = 60
OWN_KERNEL = {"cpu": "250m", "memory": "128Mi"}  # what runsc needs beside the sandbox, docs/embedded-node.md


def yaml_of(value, indent=0):
    """Block YAML of nested dictionaries, lists of scalars and scalars; texts are quoted."""
    lines = []
    for key, item in value.items():
        pad = "  " * indent
        if isinstance(item, dict):
            lines += [f"{pad}{key}:", yaml_of(item, indent + 1)]
        elif isinstance(item, list):
            lines += [f"{pad}{key}:"] + [f"{pad}  - {json.dumps(each)}" for each in item]
        else:
            lines.append(f"{pad}{key}: {json.dumps(item)}")
    return "\n".join(lines)


def answers(port, path, timeout=2):
    """Does this port of the host give 200?"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def upload_bytes():
    """The largest file that can be uploaded: nginx must let through what the gateways take."""
    return int(os.environ.get("SPILLWAY_UPLOAD_MIB", "10")) * 1024 * 1024


class Gateway:
    def __init__(self, site, number):
        self.name = f"{site.prefix}gateway-{number}"
        self.address = f"127.0.0.1:{GATEWAY_PORT + number - 1}"
        self.admin_address = f"127.0.0.1:{ADMIN_PORT + number - 1}"
        self.api = open_listener(0)
        self.admin = open_listener(0)
        configuration = site.write(f"{self.name}.yaml", yaml_of(self.configuration(site)))
        self.program = Program(self.name, [site.programs / "spillway-gateway", "--config", configuration], site.directory,
                               namespace=site.namespace, sockets=[("api", self.api), ("admin", self.admin)],
                               log=site.directory / f"{self.name}.log", stop_seconds=15)
        self.port = port_of(self.api)
        self.admin_port = port_of(self.admin)

    def configuration(self, site):
        settings = {
            "name": self.name, "site": site.name, "listen": [self.address], "admin": {"listen": [self.admin_address]},
            "site_key_file": str(site.directory / "site.key"),
            "redis": {"url": f"unix://{site.redis_socket}"},
            "environments_file": str(site.node.environments),
            "drain": "5s",
            "limits": {"linger": "5s", "upload": upload_bytes()},
            # Short, so that the way back to local can be seen.
            "watermark": {"dwell": "5s", "usage_interval": "1s", "gateways": site.gateway_count},
        }
        if site.runtime:
            settings["runtime_class"] = site.runtime.partition("=")[0]
            settings["overhead"] = overhead(site.runtime)
        if site.cold:
            settings["agent"] = {"warm": False}
        for section, values in site.node.gateway_settings().items():
            settings.setdefault(section, {}).update(values)
        if site.remotes:
            settings["remotes"] = site.remotes
        if site.door_for_sites:
            settings["remote"] = {"token_file": str(site.door_for_sites["token_file"])}
        return settings

    def ready(self):
        return answers(self.port, "/readyz")

    def state(self):
        return {"name": self.name, "pid": self.program.pid, "url": f"http://127.0.0.1:{self.port}",
                "admin_url": f"http://127.0.0.1:{self.admin_port}"}


def overhead(runtime):
    """The node adds it to pods, the gateways count with it."""
    return OWN_KERNEL if Path(runtime.partition("=")[2]).name.startswith("runsc") else {"cpu": "0", "memory": "0"}


class Node:
    what = "a node"

    def __init__(self, site, slots):
        self.name = f"{site.name}-node-1"
        self.namespace = site.namespace
        self.api = open_listener(0)
        self.port = port_of(self.api)
        self.kubeconfig = site.write("node-1.kubeconfig", self.kubeconfig_text())
        configuration = site.write("node-1.yaml", yaml_of(self.configuration(site, slots)))
        self.environments = site.write("environments.yaml", site.environments())
        self.program = Program(f"{site.prefix}node-1", [site.programs / "spillway-node", "--config", configuration], site.directory,
                               namespace=site.namespace, sockets=[("api", self.api)], log=site.directory / "node-1.log",
                               stop_seconds=45)

    def configuration(self, site, slots):
        name, _, program = (site.runtime or "").partition("=")
        return {
            "name": self.name, "listen": [f"127.0.0.1:{NODE_PORT}"], "data_dir": str(site.directory / "node-1"),
            "cgroup_root": f"{site.run.cgroup}/{site.name}", "namespace": NAMESPACE,
            "images": {f"spillway/{name}": str(path) for name, path in site.images.items()},
            "agent": {"dir": str(site.directory / "agent")},
            # Slots are pods: CPU and memory are there for as many sandboxes of twice the usual size.
            "capacity": {"cpu": str(slots), "memory": f"{slots * 768}Mi", "pods": slots},
            "exit": {"remove_pods": True},
            **({"runtimes": {name: program}, "overhead": overhead(site.runtime)} if name else {}),
        }

    def gateway_settings(self):
        return {"kubernetes": {"url": f"http://127.0.0.1:{NODE_PORT}", "namespace": NAMESPACE}}

    def bring_up(self):
        pass  # its namespace is there

    def take_down(self):
        self.namespace.close()

    def kubeconfig_text(self):
        return yaml_of({"apiVersion": "v1", "kind": "Config", "current-context": "node"}) + f"""
clusters:
  - name: node
    cluster:
      server: http://127.0.0.1:{self.port}
contexts:
  - name: node
    context:
      cluster: node
      user: node
      namespace: {NAMESPACE}
users:
  - name: node
    user: {{}}
"""

    def ready(self):
        return answers(self.port, "/readyz")

    def state(self):
        return {"name": self.name, "pid": self.program.pid, "url": f"http://127.0.0.1:{self.port}",
                "kubeconfig": str(self.kubeconfig)}


class Site:
    """door: the listening socket of the front door, in the host's namespace. Construct, start(), stop().

    profile: of sandboxes on a real cluster; None: the embedded node takes its place. remotes: rows of the gateways' setting
    `remotes`. door_for_sites: {listen, certificate, key, client_ca, token_file}, where gateways of other sites come in. with_redis:
    without it nobody listens where the gateways look for it. packages: a folder of wheels and npm tarballs that sessions may ask
    for. runtime: CLASS=PROGRAM, for all sandboxes. cold: no interpreters are kept ready.
    """

    def __init__(self, name, run, programs, images, door, gateways, slots, profile=None, remotes=(), door_for_sites=None, with_redis=True,
                 packages=None, runtime=None, cold=False):
        self.name = name
        self.prefix = "" if name == "local" else f"{name}-"
        self.slots = slots
        self.remotes = list(remotes)
        self.door_for_sites = door_for_sites
        self.run = run
        self.programs = Path(programs)
        self.images = images
        self.packages = packages
        self.runtime = runtime
        self.cold = cold
        self.directory = run.path / name
        self.directory.mkdir(mode=0o711)
        self.directory.chmod(0o711)
        self.door = door
        self.redis_socket = self.directory / "redis.sock"
        self.write("site.key", secrets.token_hex(32) + "\n")
        self.place_agent()
        self.node = self.make_node(slots, profile)
        self.redis = self.make_redis() if with_redis else None
        self.gateway_count = gateways
        self.gateways = [Gateway(self, number) for number in range(1, gateways + 1)]
        self.nginx = self.make_nginx()

    def write(self, name, text):
        path = self.directory / name
        write_atomically(path, text)
        return path

    def environments(self):
        """Of those that can be made, those that were."""
        data = yaml.safe_load((TREE / "sandbox/images/environments.yaml").read_text())
        return yaml.safe_dump(dict(data, environments={name: data["environments"][name] for name in self.images}), sort_keys=False)

    def place_agent(self):
        """What a pod finds under /spillway, a copy: a build does not change a run. Read by any user."""
        target = self.directory / "agent"
        shutil.copytree(self.programs.parent / "spillway-agent-dir", target)
        if self.packages:
            shutil.copytree(self.packages, target / "packages")
        for path in [target, *target.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)

    def make_node(self, slots, profile):
        """The embedded node, or a real cluster; its network is the site's."""
        if profile:
            from real_cluster import RealCluster  # the harness is needed for this only
            node = RealCluster(self, slots, profile)
            self.namespace = node.namespace
        else:
            self.namespace = Namespace()
            node = Node(self, slots)
        return node

    def make_redis(self):
        settings = ["port 0", f"unixsocket {self.redis_socket}", "unixsocketperm 700", f"dir {self.directory}", 'save ""',
                    "appendonly no", "maxmemory 256mb", "maxmemory-policy noeviction", "daemonize no", "supervised no"]
        configuration = self.write("redis.conf", "\n".join(settings) + "\n")
        return Program(f"{self.prefix}redis", ["redis-server", configuration], self.directory, namespace=self.namespace,
                       log=self.directory / "redis.log")

    def make_nginx(self):
        directory = self.directory / "nginx"
        directory.mkdir(mode=0o711)
        directory.chmod(0o711)
        spec = {"directory": str(directory), "listen": [f"127.0.0.1:{port_of(self.door)}"],
                "gateways": [gateway.address for gateway in self.gateways], "user": "nobody nogroup",
                "workers": min(4, os.cpu_count() or 1), "upload_bytes": upload_bytes()}
        if self.door_for_sites:
            spec["sites"] = {key: self.door_for_sites[key] for key in ("listen", "certificate", "key", "client_ca")}
        done = subprocess.run([TREE / "nginx/render", "-"], input=json.dumps(spec), text=True, capture_output=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        configuration = self.write("nginx.conf", done.stdout)
        return Program(f"{self.prefix}nginx", ["nginx", "-e", directory / "error.log", "-c", configuration], self.directory,
                       namespace=self.namespace, sockets=[("door", self.door)], socket_variable="NGINX",
                       log=self.directory / "nginx.log", has_workers=True)

    def all_programs(self):
        programs = [self.redis, self.node.program, *(gateway.program for gateway in self.gateways), self.nginx]
        return [program for program in programs if program]

    def redis_ready(self):
        if not self.redis:
            return True
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.settimeout(2)
                channel.connect(str(self.redis_socket))
                channel.sendall(b"PING\r\n")
                return channel.recv(16) == b"+PONG\r\n"
        except OSError:
            return False

    def check(self):
        """Would the parts take their configurations?"""
        checked = [self.node.program] if isinstance(self.node, Node) else []
        commands = [[*program.command, "--check-config"] for program in (*checked, *(g.program for g in self.gateways))]
        commands.append([*self.nginx.command, "-t", "-q"])
        for command in commands:
            # nginx binds to the addresses that it is to have; a cluster that is not up has no namespace yet, and none of those.
            enter = self.namespace.enter if self.namespace.descriptor >= 0 else None
            done = subprocess.run(command, capture_output=True, text=True, preexec_fn=enter)
            if done.returncode != 0:
                raise Failed(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())

    def start(self, supervisor):
        """Inside out, each part when those that it asks are ready. The node was brought up before."""
        for ready, what, programs in (
                (lambda: self.redis_ready() and self.node.ready(), "redis and the node ready",
                 [program for program in (self.redis, self.node.program) if program]),
                (lambda: all(g.ready() for g in self.gateways), "all gateways ready", [g.program for g in self.gateways]),
                (lambda: answers(port_of(self.door), "/readyz"), "nginx answers", [self.nginx])):
            for program in programs:
                supervisor.start(program)
            supervisor.wait_until(ready, START_SECONDS, f"{self.name}: {what}", programs)

    def stop(self, supervisor):
        """Outside in: no new requests, no new sessions, no pods, no store."""
        bad = []
        for programs in ([self.nginx], [gateway.program for gateway in self.gateways], [self.node.program], [self.redis]):
            bad += supervisor.stop([program for program in programs if program])
        self.node.take_down()
        return bad

    def logs(self):
        texts = []
        for program in self.all_programs():
            text = tail(program.log)
            if text:
                texts.append(f"  {program.name}:\n{text}")
        return "\n".join(texts)

    def state(self):
        return {"nginx": {"pid": self.nginx.pid, "url": f"http://127.0.0.1:{port_of(self.door)}"},
                "gateways": [gateway.state() for gateway in self.gateways],
                "redis": {"pid": self.redis.pid if self.redis else None, "url": f"unix://{self.redis_socket}"},
                "nodes": [self.node.state()]}
