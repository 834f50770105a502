"""Are the sandboxes run with a kernel of their own (SPILLWAY_E2E_RUNTIME=gvisor=…)? What is different then is said in the tests."""
import os

import pytest

OWN_KERNEL = os.environ.get("SPILLWAY_E2E_RUNTIME", "").startswith("gvisor=")


def only_of_the_hosts_kernel(reason):
    return pytest.mark.skipif(OWN_KERNEL, reason=reason)
