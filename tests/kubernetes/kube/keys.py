"""A cluster's keys: authorities, certificates (EC P-256, signed by openssl) and kubeconfigs."""
import base64
import json
import secrets
import subprocess
import tempfile


def openssl(*arguments, text=""):
    done = subprocess.run(["openssl", *map(str, arguments)], input=text.encode(), capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Authority:
    """Signs in `directory`; NAME.crt and NAME.key of the authority and of everything that it issues lie there."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name

    def path(self, file):
        return self.directory / file

    def make_key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(f"{name}.key"))
        self.path(f"{name}.key").chmod(0o600)

    def create(self):
        self.make_key(self.name)
        openssl("req", "-x509", "-new", "-key", self.path(f"{self.name}.key"), "-days", "3650", "-subj", f"/CN={self.name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
                "-out", self.path(f"{self.name}.crt"))
        return self

    def issue(self, name, user, groups=(), addresses=(), names=()):
        """A client's certificate, or a server's when it has addresses or names."""
        self.make_key(name)
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        request = openssl("req", "-new", "-key", self.path(f"{name}.key"), "-subj", subject)
        alternatives = [f"IP:{each}" for each in addresses] + [f"DNS:{each}" for each in names]
        extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                      f"extendedKeyUsage={'serverAuth' if alternatives else 'clientAuth'}"]
        if alternatives:
            extensions.append("subjectAltName=" + ",".join(alternatives))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(extensions) + "\n")
            file.flush()
            certificate = openssl("x509", "-req", "-CA", self.path(f"{self.name}.crt"), "-CAkey", self.path(f"{self.name}.key"),
                                  "-set_serial", f"0x{secrets.token_hex(8)}", "-days", "3650", "-extfile", file.name,
                                  text=request.decode())
        self.path(f"{name}.crt").write_bytes(certificate)

    def issue_signing_pair(self, name):
        self.make_key(name)
        openssl("ec", "-in", self.path(f"{name}.key"), "-pubout", "-out", self.path(f"{name}.pub"))


def data_of(path):
    return base64.b64encode(path.read_bytes()).decode()


def kubeconfig(server, ca, user, namespace="default"):
    """`user`: the members of the user's entry, for example {"token": …}. JSON is YAML."""
    context = {"cluster": "c", "user": "u", "namespace": namespace}
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": data_of(ca)}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": context}]}, indent=1) + "\n"


def certificate_user(directory, name):
    return {"client-certificate-data": data_of(directory / f"{name}.crt"), "client-key-data": data_of(directory / f"{name}.key")}
