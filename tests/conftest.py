"""What holds for every test: no Hub, one thread, and the network only where a test is marked to need it."""

import functools
import os
import subprocess
import sys
import tempfile

import hypothesis
import pytest

# The same examples in each run, so that a change fails for what it changed. To look for new failures:
# pytest --hypothesis-profile=random
# Without hypothesis's deadline of 200 ms an example, which a loaded machine misses.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("random", derandomize=False, deadline=None)
hypothesis.settings.load_profile("fixed")

# Libraries read these when they are imported, so they are set before any test is. Port 9 (discard) answers nobody: a
# test that needs a Hub starts one of its own and names it, and none reads what this user has cached.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")
_hub_cache = tempfile.TemporaryDirectory(prefix="finetune-tests-")
os.environ["HF_HOME"] = _hub_cache.name


def pytest_configure() -> None:
    from finetune import log  # after the variables above are set

    log.to_console()  # as the commands do, so that tests see on standard error what a user sees


def pytest_unconfigure() -> None:
    _hub_cache.cleanup()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("network") and not pypi_answers():
        pytest.skip("PyPI cannot be reached through pip")


@functools.cache
def pypi_answers() -> bool:
    """Whether pip finds a small package."""
    options = ["--quiet", "--no-deps", "--retries", "0", "--timeout", "10"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, "iniconfig"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
