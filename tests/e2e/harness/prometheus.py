"""Prometheus' text format, as far as our gateways write it."""
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\d+)?$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            name, labels, value = match.groups()
            self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def total(self, name, **labels):
        """Sum over all children that have these labels; None when the family is unknown."""
        found = [value for sample, has, value in self.samples
                 if sample == name and all(has.get(key) == wanted for key, wanted in labels.items())]
        return sum(found) if found else None

    def names(self):
        return sorted({name for name, _, _ in self.samples})
