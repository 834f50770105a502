"""Small packages, built here: wheels and npm tarballs as an operator would offer them."""
import io
import json
import tarfile
import zipfile


def wheel(folder, name, version, code, requires=()):
    """A wheel with one module of the package's name."""
    info = f"{name}-{version}.dist-info"
    metadata = "".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"Requires-Dist: {each}\n" for each in requires)])
    files = {f"{name}.py": code, f"{info}/METADATA": metadata,
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def tarball(folder, name, version, code, dependencies=None, extra=(), **more):
    """As `npm pack` makes it; `extra`: more members, as (TarInfo, bytes); `more`: of its package.json."""
    manifest = {"name": name, "version": version, "main": "index.js", "dependencies": dependencies or {}, **more}
    path = f"{folder}/{name.replace('@', '').replace('/', '-')}-{version}.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in (("package/package.json", json.dumps(manifest)), ("package/index.js", code)):
            info = tarfile.TarInfo(member)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for info, data in extra:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def offer_of_an_index(folder):
    """A wheel that needs another, and a tarball that needs another."""
    wheel(folder, "greeting", "1.0", "import words\n\ndef greet():\n    return words.HELLO\n", requires=["words>=1"])
    wheel(folder, "words", "1.0", "HELLO = 'hello from an index'\n")
    tarball(folder, "left", "1.4.2", "module.exports = 'left with ' + require('@own/right')", {"@own/right": "^2.1.0"})
    tarball(folder, "@own/right", "2.1.7", "module.exports = 'right'")
