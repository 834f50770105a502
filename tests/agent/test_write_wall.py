"""The box's root can be written to, as in a pod of the profile fast: what runs may write to its own places only."""
import pytest

WRITE = """import os, sys
os.makedirs(sys.argv[1], exist_ok=True)
path = os.path.join(sys.argv[1], 'made')
try:
    open(path, 'w').write('x')
    os.rename(path, path + '-2')
    os.mkdir(path)
    os.rmdir(path)
    os.unlink(path + '-2')
    print('written')
except OSError as error:
    print(error.errno)
"""


@pytest.mark.parametrize("place", ["/workspace", "/workspace/below", "/tmp", "/home/sandbox", "/dev/shm"])
def test_own_places(box, place):
    assert box.run("python", WRITE, args=[place])["stdout"] == "written\n"


def test_between_own_directories(box):
    code = ("import os\nos.makedirs('/workspace/a', exist_ok=True)\nopen('/workspace/a/f', 'w').write('1')\n"
            "os.rename('/workspace/a/f', '/workspace/g')\nos.link('/workspace/g', '/workspace/a/h')\nprint(open('/workspace/a/h').read())")
    assert box.run("python", code)["stdout"] == "1\n"


@pytest.mark.parametrize("place", ["/var/tmp", "/run/box"])
def test_other_places_that_its_user_may_write_to(box, place):
    """Anybody may, by their modes; not from here."""
    assert box.run("python", f"import os\nprint(oct(os.stat('{place}').st_mode & 0o7777))")["stdout"] in ("0o1777\n", "0o777\n")
    assert box.run("python", WRITE, args=[place])["stdout"] == "13\n"


def test_other_languages_too(box):
    answer = box.run("bash", "echo x > /var/tmp/made || echo refused; echo y > /workspace/made && cat /workspace/made")
    assert answer["stdout"] == "refused\ny\n", answer


def test_devices_and_own_proc_files(box):
    assert box.run("python", "open('/dev/null', 'w').write('x')\nopen('/proc/self/comm', 'w').write('renamed')\nprint(open('/proc/self/comm').read())")["stdout"] \
        == "renamed\n\n"
