"""multipart/form-data, put together by hand so that it can be wrong."""
BOUNDARY = "----spillway-test-boundary"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name, content, file_name=None):
    disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def end():
    return f"--{BOUNDARY}--\r\n".encode()


def form(file_name, content):
    return part("file", content, file_name) + end()


def upload(box, file_name, content, query="", **how):
    return box.call("POST", f"/v1/files/upload{query}", form(file_name, content), {"Content-Type": TYPE}, **how)
