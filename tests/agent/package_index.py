"""A package index and an npm registry over a folder of wheels and tarballs, for tests: pages with addresses as public ones have them."""
import base64
import hashlib
import http.server
import json
import os
import re
import tarfile
import threading
import urllib.parse


def manifest(path):
    with tarfile.open(path) as archive:
        return json.load(archive.extractfile("package/package.json"))


class Index:
    """answer(path) gives (status, content type, body). base: what its pages say that it is; damaged: names whose tarball is not
    what is announced."""

    def __init__(self, folder, base="", damaged=()):
        self.folder, self.base, self.damaged = folder, base, damaged
        self.seen = []

    def files(self, ending):
        return sorted(name for name in os.listdir(self.folder) if name.endswith(ending))

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def project(self, name):
        wheels = [wheel for wheel in self.files(".whl") if wheel.split("-")[0].replace("_", "-") == name]
        links = "".join(f'<a href="{self.base}/wheels/{wheel}#sha256={hashlib.sha256(self.read(wheel)).hexdigest()}">{wheel}</a>\n'
                        for wheel in wheels)
        return (200, "text/html", f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode()) if wheels else (404, "text/plain", b"no such project")

    def document(self, name):
        versions = {}
        for tarball in self.files(".tgz"):
            known = manifest(os.path.join(self.folder, tarball))
            if known["name"] != name:
                continue
            digest = hashlib.sha512(b"other" if name in self.damaged else self.read(tarball)).digest()
            versions[known["version"]] = {"version": known["version"], "dependencies": known["dependencies"],
                                          "dist": {"tarball": f"{self.base}/npm/-/{tarball}",
                                                   "integrity": f"sha512-{base64.b64encode(digest).decode()}"}}
        if not versions:
            return 404, "application/json", b'{"error":"not found"}'
        return 200, "application/vnd.npm.install-v1+json", json.dumps({"name": name, "versions": versions}).encode()

    def answer(self, path):
        self.seen.append(path)
        path = urllib.parse.unquote(path)
        found = re.fullmatch(r"/simple/([a-z0-9-]+)/|/(?:wheels|npm/-)/([\w.-]+)|/npm/(@?[\w./-]+)", path)
        project, file, package = found.groups() if found else (None, None, None)
        if project:
            return self.project(project)
        if package:
            return self.document(package)
        if file and os.path.exists(os.path.join(self.folder, file)):
            return 200, "application/octet-stream", self.read(file)
        return 404, "text/plain", b"nothing is here"


class IndexServer:
    """The index over HTTP. `rule(path)` may answer first, by (status, fields, body) or None; a body may be a list of pieces, sent
    without a length."""

    def __init__(self, folder, listener=None, **how):
        self.rule = lambda path: None
        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler(), bind_and_activate=listener is None)
        if listener:
            self.server.socket.close()
            self.server.socket = listener
        self.port = self.server.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.index = Index(folder, self.url, **how)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                ruled = outer.rule(self.path)
                if not ruled:
                    status, kind, body = outer.index.answer(self.path)
                    ruled = status, {"Content-Type": kind}, body
                status, fields, body = ruled
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                if isinstance(body, bytes):
                    self.send_header("Content-Length", str(len(body)))
                try:
                    self.end_headers()
                    for piece in [body] if isinstance(body, bytes) else body:
                        self.wfile.write(piece)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_):
                pass
        return Handler

    def close(self):
        self.server.shutdown()
        self.server.server_close()
