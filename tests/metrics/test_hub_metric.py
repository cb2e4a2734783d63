import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import evaluate
import huggingface_hub
import pytest

from finetune.errors import UserError
from finetune.metrics import MetricOptions, check_metric, score

SCRIPT = """
import datasets
import evaluate

class Agreement(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        pairs = list(zip(predictions, references))
        right = sum(p == r for p, r in pairs)
        return {"agreement": right / len(pairs), "pairs": pairs, "parts": {"right": right, "last": predictions[-1]}}
"""
LABELS = ("low", "middle", "high")
OPTIONS = MetricOptions(labels=LABELS)
PREDICTIONS = ["low", "high", "middle"]
REFERENCES = ["low", "low", "middle"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "agreement.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


class OneMetric(BaseHTTPRequestHandler):
    """A Hub that has evaluate-metric/agreement and nothing else."""

    def do_GET(self) -> None:
        found = self.path == "/" or self.path.endswith("/evaluate-metric/agreement/resolve/main/agreement.py")
        body = SCRIPT.encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 (names of http.server)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneMetric)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(evaluate.config, "HUB_EVALUATE_URL", url + "/spaces/{path}/resolve/{revision}/{name}")
    monkeypatch.setattr(evaluate.config, "HF_UPDATE_DOWNLOAD_COUNTS", False)
    yield
    server.shutdown()
    server.server_close()


def test_metric_of_a_script_scores_class_names_by_number(script: str) -> None:
    scores = score([script], PREDICTIONS, REFERENCES, options=OPTIONS)
    assert scores.values == pytest.approx({"agreement": 2 / 3})
    assert scores.details == {"parts": {"right": 2, "last": LABELS.index("middle")}}


def test_scores_the_same_twice(script: str) -> None:
    first = score([script], PREDICTIONS, REFERENCES, options=OPTIONS)
    assert score([script], PREDICTIONS, REFERENCES, options=OPTIONS) == first


@pytest.mark.usefixtures("hub")
def test_metric_of_the_hub() -> None:
    check_metric(["agreement"])
    assert score(["agreement"], PREDICTIONS, REFERENCES).values == pytest.approx({"agreement": 2 / 3})


@pytest.mark.usefixtures("hub")
def test_hub_has_no_such_metric() -> None:
    with pytest.raises(UserError, match="there is no metric agrement on the Hub"):
        check_metric(["agrement"])


def test_failure_in_the_metric_leaves_nothing_behind(script: str) -> None:
    with pytest.raises(UserError, match="cannot score this task's predictions"):
        score([script], [["low"]], [["low"]], options=OPTIONS)
    assert score([script], ["low"], ["low"], options=OPTIONS).values == {"agreement": 1}


def test_package_of_the_metric_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "needy.py"
    path.write_text("import no_such_package_at_all\n" + SCRIPT, encoding="utf-8")
    with pytest.raises(UserError, match=r"needs a package that is not installed(.|\n)*no_such_package_at_all"):
        check_metric([str(path)])


def test_cache_that_cannot_be_written(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate.loading, "init_dynamic_modules", lambda: "/dev/null/modules")
    with pytest.raises(UserError, match="HF_HOME"):
        check_metric([script])
