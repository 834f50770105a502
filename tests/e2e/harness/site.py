"""A whole site, started by ./run as an operator would and described by its state.json."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.parse

from . import containers, processes
from .client import Client, ConnectionLost
from .leftovers import Footprint, Machine
from .namespaces import connector
from .node import Node
from .prometheus import Metrics
from .wait import until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
UP = 300  # s; a first start may have to build and to make the root file systems


class Site:
    def __init__(self, slots=8, gateways=3, restart=True, mode="--no-demo", state_dir=None, own_state_dir=True, sites="local",
                 runtime=os.environ.get("SPILLWAY_E2E_RUNTIME")):
        self.before = Machine()
        self.own_state_dir = own_state_dir
        self.state_dir = state_dir or tempfile.mkdtemp(prefix="e2e-spillway-", dir="/run")
        self.arguments = [os.path.join(ROOT, "run"), mode, "--sites", sites, "--slots", str(slots), "--gateways", str(gateways)]
        if os.environ.get("SPILLWAY_E2E_PRESET"):
            self.arguments += ["--preset", os.environ["SPILLWAY_E2E_PRESET"]]
        if os.environ.get("SPILLWAY_E2E_KUBERNETES"):  # the same tests with a real cluster in place of the embedded node
            self.arguments.append("--kubernetes")
        if runtime:  # CLASS=PROGRAM: or in sandboxes of another runtime
            self.arguments += ["--runtime", runtime]
        if os.environ.get("SPILLWAY_E2E_COLD"):  # or without interpreters that are kept ready
            self.arguments.append("--cold")
        self.environment = dict(os.environ, SPILLWAY_PORT="0", SPILLWAY_STATE_DIR=self.state_dir,
                                SPILLWAY_RESTART="1" if restart else "0")
        self.slots = slots
        self.log_path = tempfile.mkstemp(prefix="spillway-e2e-", suffix=".log")[1]
        self.launcher = None
        self.footprint = Footprint()
        self.names = {self.state_dir}  # what its things on the machine are called
        self.client = None
        self.kept = set()  # sessions that outlive a test

    # -- up and down --

    def start(self):
        with open(self.log_path, "ab") as log:
            self.launcher = subprocess.Popen(self.arguments, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, start_new_session=True)
        until(self.is_up, UP, "the site is up", every=0.1)
        self.client = Client(self.url)
        self.observe()
        return self

    def is_up(self):
        if self.launcher.poll() is not None:
            raise AssertionError(f"./run ended with {self.launcher.returncode}:\n{self.log()[-4000:]}")
        try:
            url = self.state()["url"]
            return Client(url, timeout=5).get("/readyz").status == 200
        except (FileNotFoundError, ValueError, KeyError, ConnectionLost):
            return False

    def interrupt(self, sig=signal.SIGINT):
        """What a terminal does on Ctrl-C: the signal goes to the whole foreground process group."""
        self.observe()
        os.killpg(self.launcher.pid, sig)
        return self.launcher.wait(120)

    def stop(self):
        """Down again by SIGTERM, whatever state it is in; gives the exit status."""
        status = None
        if self.launcher and self.launcher.poll() is None:
            self.observe()
            self.launcher.send_signal(signal.SIGTERM)
            try:
                status = self.launcher.wait(120)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
                status = self.launcher.wait()
        return status

    def forget(self):
        """Removes what the harness itself made."""
        self.footprint.close()
        if self.own_state_dir:
            shutil.rmtree(self.state_dir, ignore_errors=True)
        if os.path.exists(self.log_path):
            os.unlink(self.log_path)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # -- what it says of itself --

    def state(self):
        with open(os.path.join(self.state_dir, "state.json"), encoding="utf-8") as file:
            return json.load(file)

    @property
    def url(self):
        return self.state()["url"]

    def local(self):
        return self.state()["sites"]["local"]

    @property
    def gateways(self):
        return self.local()["gateways"]

    def gateway(self, name):
        return next(entry for entry in self.gateways if entry["name"] == name)

    def entry(self, part):
        """"nginx", "redis", "node" or a gateway's name."""
        local = self.local()
        if part == "node":
            return local["nodes"][0]
        return local[part] if part in ("nginx", "redis") else self.gateway(part)

    def node(self):
        return Node(self.entry("node"))

    def nodes(self):
        """Of all sites that run beside each other."""
        return [Node(parts["nodes"][0]) for parts in self.state()["sites"].values()]

    def wait_known(self):
        """Every gateway knows how full the cluster is; the test before may have kept that from them, and watches come back one by one."""
        def is_known(entry):
            reply = self.client_of(entry["name"]).get("/api/v1/watermark")
            return reply.status == 200 and reply.json()["reason"] != "local_unknown"
        until(lambda: all(is_known(entry) for entry in self.gateways), 60, "every gateway knows the cluster", ignore=(ConnectionLost,))

    def client_of(self, name):
        """A client of one gateway, past nginx."""
        entry = self.gateway(name)
        return Client(entry["url"], connect=self.socket_to(entry["url"], entry["pid"]))

    @staticmethod
    def socket_to(url, pid):
        parts = urllib.parse.urlsplit(url)
        return connector(pid, parts.hostname, parts.port or 80)

    def admin(self, name, path="/metrics"):
        entry = self.gateway(name)
        client = Client(entry["admin_url"], connect=self.socket_to(entry["admin_url"], entry["pid"]), timeout=5)
        try:
            return client.get(path)
        finally:
            client.close()

    def metrics(self, name):
        return Metrics(self.admin(name).expect(200).body.decode())

    def routed(self, request_ids, seconds=20):
        """request id -> gateway's name, as nginx's own access log has it (written at most a second late)."""
        wanted = set(request_ids)
        pattern = re.compile(r'request=(\S+) .*gateway="([^"]*)"')

        def found():
            routes = {}
            for path in glob.glob(os.path.join(self.state_dir, "**", "access.log"), recursive=True):
                with open(path, encoding="utf-8", errors="replace") as file:
                    for request, address in pattern.findall(file.read()):
                        if request in wanted:
                            routes[request] = address.split(", ")[-1]
            return routes if set(routes) == wanted else None

        addresses = until(found, seconds, "the requests in nginx's log", every=0.1)
        names = {port: entry["name"] for entry in self.gateways for port in processes.listening_ports(entry["pid"])}
        return {request: names[int(address.rpartition(":")[2])] for request, address in addresses.items()}

    # -- faults --

    def kill(self, part, sig=signal.SIGKILL):
        """Sends the signal to the process that state.json names; gives its pid."""
        self.observe()
        pid = self.entry(part)["pid"]
        os.kill(pid, sig)
        return pid

    def wait_restarted(self, part, old_pid, seconds=60):
        def again():
            entry = self.entry(part)
            if entry["pid"] == old_pid or not processes.stat_fields(entry["pid"]):
                return None
            if part == "node":
                return self.node().get("/api/v1/pods").status == 200
            if part == "nginx":
                return Client(self.url, timeout=5).get("/readyz").status == 200
            if part == "redis":
                return True
            return self.client_of(part).get("/readyz").status == 200
        until(again, seconds, f"{part} restarted", every=0.05, ignore=(OSError, ValueError, ConnectionLost))
        self.observe()

    # -- what it leaves --

    def observe(self):
        """Notes which processes, namespaces and cgroups belong to this run, for the comparison at its end."""
        try:
            state = self.state()
        except (OSError, ValueError):
            return
        self.names.add(f"spillway-{state.get('run_id', 'none')}")
        self.footprint.add_state(self.launcher.pid, state)
        for root in containers.crun_roots(self.state_dir):
            for container in containers.crun_list(root):
                self.footprint.add_container(container)

    def check_nothing_left(self, seconds=60):
        """After the end of the launcher: nothing of this run, and the machine as it was before."""
        def clean():
            left = self.footprint.left() + Machine().new_since(self.before, self.names)
            return not left or None
        try:
            until(clean, seconds, "nothing is left", every=0.2)
        except AssertionError:
            left = self.footprint.left() + Machine().new_since(self.before, self.names)
            raise AssertionError("left behind:\n" + "\n".join(left)) from None


def state_files():
    """state.json of every run that uses its default directory below /run."""
    return set(glob.glob("/run/spillway*/state.json") + glob.glob("/run/spillway*/*/state.json"))
