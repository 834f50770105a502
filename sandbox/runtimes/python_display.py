"""What has a richer form than repr(): figures of matplotlib, and values with _repr_html_ and the like. Each goes to the agent as
a record D: mime type, a line feed, the data; what is binary as base64."""
import sys

DISPLAYS_MAX = 4 * 1024 * 1024
left = DISPLAYS_MAX
report = None  # set by who loads this


def encode(data):
    import binascii

    return binascii.b2a_base64(data, newline=False)


def show(mime, data):
    global left
    if isinstance(data, str):
        data = data.encode("utf-8", "backslashreplace")
    size = len(mime) + 1 + len(data)
    if size > left:
        report("O")
        return
    left -= size
    report("D", mime.encode() + b"\n" + data)


def as_html(value):
    show("text/html", value)


def as_png(value):
    show("image/png", value if isinstance(value, str) else encode(value))


def as_svg(value):
    show("image/svg+xml", value)


def as_json(value):
    import json

    show("application/json", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def show_bundle(value):
    bundle = value[0] if isinstance(value, tuple) else value
    for mime, data in bundle.items():
        if mime == "text/plain":
            continue
        if isinstance(data, bytes):
            data = encode(data)
        elif not isinstance(data, str):
            as_json(data)
            continue
        show(mime, data)


FORMS = (("_repr_html_", as_html), ("_repr_svg_", as_svg), ("_repr_png_", as_png), ("_repr_json_", as_json),
         ("_repr_mimebundle_", show_bundle))


def show_value(value):
    """A form that fails is none: the text is still there."""
    for name, form in FORMS:
        method = getattr(value, name, None)
        if method is None or isinstance(value, type):
            continue
        try:
            data = method()
            if data is not None:
                form(data)
        except Exception:
            continue


def show_figures():
    """Those that are open, as PNG; then they are closed."""
    import io

    pyplot = sys.modules["matplotlib.pyplot"]
    for number in pyplot.get_fignums():
        image = io.BytesIO()
        try:
            pyplot.figure(number).savefig(image, format="png", bbox_inches="tight")
        except Exception:
            continue
        as_png(image.getvalue())
    pyplot.close("all")
