"""The commands that README.md prints for its readers."""
import os
import re

README = os.path.join(os.path.dirname(__file__), "..", "..", "..", "README.md")
BLOCK = re.compile(r"^```(?:sh|bash|console|shell)?\n(.*?)^```", re.M | re.S)
EXAMPLE_URL = re.compile(r"http://(?:127\.0\.0\.1|localhost):8080")


def curl_commands(text):
    """Commands that begin with curl in the text's code blocks, continuation lines included, in order."""
    found = []
    for block in BLOCK.findall(text):
        lines = iter(block.splitlines())
        for line in lines:
            command = line.removeprefix("$ ")
            quotes = command.count("'") % 2
            while command.endswith("\\") or quotes:
                more = next(lines)
                command += "\n" + more
                quotes = (quotes + more.count("'")) % 2
            if re.match(r"\s*curl\s", command):
                found.append(command.strip())
    return found


def commands_for(url):
    """The README's curl commands, aimed at this URL instead of the example's; nothing else is changed."""
    with open(README, encoding="utf-8") as file:
        return [EXAMPLE_URL.sub(url, command) for command in curl_commands(file.read())]
