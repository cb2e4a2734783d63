"""The parts of the GPU check, in their order: what must be right first, then what is measured."""

from functools import partial

from scripts.gpu_checks.kernels import check_flex, check_kernels
from scripts.gpu_checks.learning import check_learning
from scripts.gpu_checks.models import check_models
from scripts.gpu_checks.results import Results
from scripts.gpu_checks.runner import Part
from scripts.gpu_checks.setting import Setting
from scripts.gpu_checks.timing import measure_matmul
from scripts.gpu_checks.training_loop import check_training_loop
from scripts.gpu_checks.training_steps import measure_steps
from scripts.gpu_checks.windows import measure_windows


def windows(tokens: int, tiny_tokens: int, setting: Setting) -> Results:
    """Measure attention over a long text; on a CPU over a short one."""
    return measure_windows(tiny_tokens if setting.tiny else tokens, setting)


PARTS = (
    Part("kernels", check_kernels, 50),
    Part("flex", check_flex, 60),
    Part("models", check_models, 60),
    Part("learning", check_learning, 20, least=1),
    Part("training loop", check_training_loop, 70),
    Part("matrix products", measure_matmul, 10, least=1),
    Part("BERT-base steps", partial(measure_steps, "bert"), 60),
    Part("T5-base steps", partial(measure_steps, "t5"), 60),
    Part("windows, 4k tokens", partial(windows, 4096, 64), 35),
    Part("windows, 16k tokens", partial(windows, 16384, 200), 45),
)
"""All parts; shares are about the seconds of each within the eight minutes of a full check."""
