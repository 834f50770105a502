"""The way between two sites: one veth pair from network namespace to network namespace, and the keys for TLS on it.

The host's namespace gets no interface. Pods' interfaces are called veth…, and the node's firewall drops what they ask for; these
are called link-…, so that it lets them through. Everything goes with the namespaces and the run's directory.
"""
import os
import subprocess

from output import Failed

HOME_ADDRESS = "10.255.99.1"
AWAY_ADDRESS = "10.255.99.2"
PORT = 8443
DAYS = 30


def in_namespace(namespace, *command):
    """In this process's own words, as the namespace has no name: by a descriptor of ours."""
    done = subprocess.run(["nsenter", f"--net=/proc/{os.getpid()}/fd/{namespace.descriptor}", *command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def give_address(namespace, interface, address):
    in_namespace(namespace, "ip", "address", "add", f"{address}/30", "dev", interface)
    in_namespace(namespace, "ip", "link", "set", interface, "up")


def prepare(home_name, away):
    """away: (name, namespace). Both ends are there until the other site's namespace is; that site's servers can be configured."""
    away_name, namespace = away
    in_namespace(namespace, "ip", "link", "add", f"link-{home_name}", "type", "veth", "peer", "name", f"link-{away_name}")
    give_address(namespace, f"link-{home_name}", AWAY_ADDRESS)


def join(home, away):
    """home, away: (name, namespace). In the site NAME the interface is called link-OTHER."""
    (_, home_namespace), (away_name, away_namespace) = home, away
    in_namespace(away_namespace, "ip", "link", "set", f"link-{away_name}", "netns", f"/proc/{os.getpid()}/fd/{home_namespace.descriptor}")
    give_address(home_namespace, f"link-{away_name}", HOME_ADDRESS)


def openssl(directory, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"openssl {arguments[0]}: {done.stderr.strip()}")


def new_key(directory, name, subject):
    openssl(directory, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")


def make_keys(directory):
    """An authority of the run's own, a certificate for the site's address and one for those who call it."""
    directory.mkdir(mode=0o700)
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(DAYS),
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=spillway run")
    (directory / "server.ext").write_text(f"subjectAltName=IP:{AWAY_ADDRESS}\nextendedKeyUsage=serverAuth\n")
    (directory / "client.ext").write_text("extendedKeyUsage=clientAuth\n")
    for name, subject in (("server", "spillway site"), ("client", "spillway gateway")):
        new_key(directory, name, subject)
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", str(DAYS), "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return directory
