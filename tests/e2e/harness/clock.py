"""A gateway whose wall clock the test can step. Time that only goes forward (CLOCK_MONOTONIC) stays as it is, as on a machine whose
clock is set."""
import os
import subprocess

from .spare_gateway import SpareGateway


class SteppedGateway(SpareGateway):
    def __init__(self, site):
        super().__init__(site)
        library = os.path.join(self.directory, "clock_step.so")
        subprocess.run(["cc", "-std=c17", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library,
                        os.path.join(os.path.dirname(__file__), "clock_step.c")], check=True)
        self.environment = {"LD_PRELOAD": library, "CLOCK_STEP": self.write("step", "0"),
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}  # of a build with sanitizers: the library comes before theirs

    def step(self, seconds):
        self.write("step", str(seconds))
