"""Starts Spillway on this machine: the end of ./run. See docs/running.md."""
import argparse
import os
import secrets
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import cleanup
from netns import open_listener, port_of
from output import Failed, complain, say
from process import Program, Stopped, Supervisor
from rundir import RunDirectory, registry_lock
import site_link
from site_link import AWAY_ADDRESS, PORT, make_keys
from sites import Site

TREE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ENVIRONMENTS = "python"  # the others are made when they are first asked for: compilers are large


def parse(arguments):
    parser = argparse.ArgumentParser(prog="run", description="Installs, builds and starts Spillway on this machine, and shows what it does.",
                                     epilog="SPILLWAY_PORT (8080; 0: a free one), SPILLWAY_STATE_DIR (default: below /run), "
                                            "SPILLWAY_CACHE_DIR (/var/cache/spillway), SPILLWAY_RESTART=0 (what dies stays dead), "
                                            "SPILLWAY_UPLOAD_MIB (10)")
    parser.add_argument("--once", action="store_true", help="demonstration, then down again; status 0 only if every step held")
    parser.add_argument("--no-demo", action="store_true", help="only up")
    parser.add_argument("--check", action="store_true", help="install, build, check the configurations, start nothing")
    parser.add_argument("--sites", choices=("local", "local,cloud"), metavar="local[,cloud]",
                        help="what is started: both (default), or the one without overflow")
    parser.add_argument("--slots", type=int, default=4, metavar="N", help="sandboxes that the local site has room for (4)")
    parser.add_argument("--cloud-slots", type=int, default=40, metavar="N", help="and the cloud (40)")
    parser.add_argument("--gateways", type=int, default=3, metavar="N", help="gateways of the local site (3); the cloud has one")
    parser.add_argument("--without-redis", action="store_true", help="Redis is not started: the rest does without, and shows it")
    parser.add_argument("--environments", default=ENVIRONMENTS, metavar="A,B", help="what sessions can start from (python); sandbox/images/build "
                                                                                    "--list names them all, each made once, which takes minutes")
    parser.add_argument("--packages", metavar="DIR", help="wheels and npm tarballs that sessions may ask to be installed")
    parser.add_argument("--runtime", metavar="CLASS=PROGRAM", help="run every sandbox by another OCI runtime (gvisor=/path/of/runsc)")
    parser.add_argument("--cold", action="store_true", help="no interpreters are kept ready in the sandboxes")
    parser.add_argument("--preset", choices=("release", "debug"), default="release", help="which build (debug: with sanitizers)")
    parser.add_argument("--kubernetes", action="store_true", help="a real Kubernetes cluster for the local site (made on first "
                                                                  "use: minutes, and up to 8 GB below SPILLWAY_CACHE_DIR)")
    parser.add_argument("--profile", choices=("strict", "fast"), default="strict", help="how the gateways make pods on the Kubernetes cluster "
                                                                                        "(docs/kubernetes.md)")
    options = parser.parse_args(arguments)
    if options.profile != "strict" and not options.kubernetes:
        parser.error("--profile fast goes with --kubernetes: the embedded node has nothing to gain by it")
    if options.once and options.no_demo:
        parser.error("--once is the demonstration; it does not go with --no-demo")
    if not 1 <= options.slots <= 1000 or not 1 <= options.cloud_slots <= 1000 or not 1 <= options.gateways <= 64:
        parser.error("--slots and --cloud-slots are 1 to 1000, --gateways 1 to 64")
    if options.packages and not os.path.isdir(options.packages):
        parser.error(f"--packages: there is no folder {options.packages}")
    if options.runtime and not os.access(options.runtime.partition("=")[2], os.X_OK):
        parser.error("--runtime: CLASS=PROGRAM, and a program that can be executed")
    options.sites = options.sites or "local,cloud"
    return options


def front_door():
    text = os.environ.get("SPILLWAY_PORT") or "8080"
    if not text.isdigit() or int(text) > 65535:
        raise Failed(f"SPILLWAY_PORT: {text!r} is no port")
    return open_listener(int(text), "SPILLWAY_PORT")


def find_images(names):
    """Made when they are not there yet."""
    images = {}
    for name in names:
        done = subprocess.run([TREE / "sandbox/images/build", name], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(f"the root file system of {name} could not be made")
        images[name] = done.stdout.strip()
    return images


class Launcher:
    def __init__(self, options):
        self.options = options
        self.supervisor = None
        self.run = None
        self.sites = []
        self.door = None
        self.demo = None

    def prepare(self):
        if os.geteuid() != 0:
            raise Failed("namespaces and cgroups need root")
        images = find_images(dict.fromkeys([ENVIRONMENTS, *self.options.environments.split(",")]))
        self.supervisor = Supervisor(restart=os.environ.get("SPILLWAY_RESTART", "1") != "0")
        chosen = os.environ.get("SPILLWAY_STATE_DIR")
        with registry_lock():
            cleanup.clean_dead_runs()
            self.door = front_door()
            self.run = RunDirectory.create(chosen)
        programs = TREE / "build" / self.options.preset / "bin"
        remotes = []
        common = {"with_redis": not self.options.without_redis, "packages": self.options.packages, "runtime": self.options.runtime,
                  "cold": self.options.cold}
        if self.options.sites == "local,cloud":
            keys, token_file = self.make_secrets()
            entrance = {"listen": [f"{AWAY_ADDRESS}:{PORT}"], "certificate": str(keys / "server.pem"), "key": str(keys / "server.key"),
                        "client_ca": str(keys / "ca.pem"), "token_file": token_file}
            remotes.append({"name": "cloud", "url": f"https://{AWAY_ADDRESS}:{PORT}", "token_file": str(token_file),
                            "ca_file": str(keys / "ca.pem"), "cert_file": str(keys / "client.pem"), "key_file": str(keys / "client.key")})
            self.sites.append(Site("cloud", self.run, programs, images, open_listener(0), 1, self.options.cloud_slots,
                                   door_for_sites=entrance, **common))
        self.sites.append(Site("local", self.run, programs, images, self.door, self.options.gateways, self.options.slots,
                               self.options.profile if self.options.kubernetes else None, remotes, **common))
        if remotes:
            cloud, local = self.sites
            site_link.prepare(local.name, (cloud.name, cloud.namespace))
        self.supervisor.changed = self.write_state

    def make_secrets(self):
        """What the two sites know each other by: keys for TLS, and the token in every request between them."""
        keys = make_keys(self.run.path / "keys")
        token_file = keys / "token"
        token_file.write_text(secrets.token_hex(32) + "\n")
        return keys, token_file

    @property
    def url(self):
        return f"http://127.0.0.1:{port_of(self.door)}"

    def write_state(self):
        self.run.write_state({"url": self.url, "run_id": self.run.run_id, "launcher": os.getpid(),
                              "sites": {site.name: site.state() for site in reversed(self.sites)}})

    def up(self):
        for site in self.sites:
            site.node.bring_up()
        if len(self.sites) > 1:
            cloud, local = self.sites
            site_link.join((local.name, local.namespace), (cloud.name, cloud.namespace))
        for site in self.sites:
            site.start(self.supervisor)
            count = len(site.gateways)
            say(f"site {site.name} is up: nginx, {count} gateway{'s' if count > 1 else ''}, {'Redis' if site.redis else 'no Redis'}, "
                f"{site.node.what} with {site.slots} slots")
        self.write_state()

    def demonstrate(self):
        self.demo = Program("demo", ["/usr/bin/python3", HERE / "demo.py", self.run.path / "state.json"], self.run.path, once=True)
        self.supervisor.start(self.demo)
        return self.supervisor.wait_for_end(self.demo)

    def invite(self):
        print(f"""
Spillway is up at {self.url} (state and logs: {self.run.path}). Try:

  curl -sX POST {self.url}/hello
  curl -s '{self.url}/hello/status?wait=20&until=ready'
  curl -s '{self.url}/hello/exec/python?wait=5' -H 'Content-Type: text/plain' --data '6 * 7'

Ctrl-C ends it and leaves nothing.""", flush=True)

    def stay(self):
        while True:
            self.supervisor.turn(3600)

    def down(self):
        """True if everything ended as it was asked to and nothing was left."""
        if self.run is None:
            return True
        self.supervisor.stopping = True
        if self.demo:
            self.supervisor.stop([self.demo])
        bad = [name for site in reversed(self.sites) for name in site.stop(self.supervisor)]
        cleanup.remove_parents(self.run)
        left = cleanup.leftovers(self.run)
        for thing in left:
            complain(f"left behind, and removed now: {thing}")
        with registry_lock():
            cleanup.clean(self.run)
            self.run.remove()
        if not bad and not left:
            say("all is down, nothing is left")
        return not bad and not left

    def go(self):
        if self.options.check:
            for site in self.sites:
                site.check()
            say("the configurations are fine")
            return 0
        self.up()
        status = 0 if self.options.no_demo else self.demonstrate()
        if self.options.once:
            return 0 if status == 0 else 1
        self.invite()
        self.stay()
        return 0


def main(arguments):
    options = parse(arguments)
    launcher = Launcher(options)
    status = 1
    try:
        launcher.prepare()
        status = launcher.go()
        if status != 0:
            complain("the demonstration failed; the ends of the logs:\n" + "\n".join(site.logs() for site in launcher.sites))
    except Failed as error:
        complain(str(error))
    except KeyboardInterrupt:  # before the supervisor takes the signals
        status = 130
    except Stopped as stopped:
        say(f"{stopped}: going down")
        status = 0 if not options.once and stopped.signum in (signal.SIGINT, signal.SIGTERM) else 128 + stopped.signum
    except Exception:  # a bug; what was started goes down all the same
        traceback.print_exc()
    clean = launcher.down()
    return status or (0 if clean else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
