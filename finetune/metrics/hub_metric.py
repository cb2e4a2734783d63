"""Metrics that are not ours: fetched from the Hub by name, or read from an `evaluate` script by path."""

from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Real
from typing import Any

import evaluate
from datasets import Value

from finetune.errors import UserError
from finetune.hub_access import hub_access
from finetune.metrics.inputs import TASKS_OWN, class_order
from finetune.metrics.names import EXPECTED, RECIPE_KEY, check_name, suggestion
from finetune.metrics.scores import MetricOptions, Scores


class HubMetric:
    """A metric that `evaluate.load` finds, with the settings that its author chose as default."""

    def __init__(self, name: str, options: MetricOptions) -> None:
        """Load the metric; UserError where it cannot be had."""
        self.name = name
        self.options = options
        self.module = _load(name)

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        """Score all examples; class names become numbers where the metric takes whole numbers.

        Numbers in the result are values, dictionaries of numbers details; lists and texts are left out.
        """
        if isinstance(references[0], str) and _takes_integers(self.module):
            classes = class_order(self.options.labels, {*predictions, *references})
            number = {name: position for position, name in enumerate(classes)}
            predictions, references = [number[name] for name in predictions], [number[name] for name in references]
        try:
            result = self.module.compute(predictions=predictions, references=references)
        except (TypeError, ValueError) as error:
            _load.cache_clear()  # a module that fails keeps the examples it was given for its next call
            raise _mistake(self.name, "cannot score this task's predictions", error, TASKS_OWN) from error
        parts = {name: _numbers(part) for name, part in result.items() if isinstance(part, Mapping)}
        return Scores(_numbers(result), parts)


@cache
def _load(name: str) -> evaluate.EvaluationModule:
    check_name(name)
    try:
        with hub_access("metric", name, RECIPE_KEY):
            return evaluate.load(name, module_type="metric", keep_in_memory=True)
    except UserError as error:
        raise _name_own_metrics(name, error) from error
    except ImportError as error:
        raise _mistake(name, "needs a package that is not installed", error) from error
    except FileNotFoundError as error:  # of a folder that has the name, but no script
        where = f"{RECIPE_KEY}={name}"
        raise UserError(f"{name} is not a metric", expected=EXPECTED, where=where, fix=suggestion(name)) from error
    except OSError as error:
        fix = "set HF_HOME to a folder that can be written"
        raise _mistake(name, "cannot be stored", error, fix) from error


def _name_own_metrics(name: str, error: UserError) -> UserError:
    return UserError(
        error.problem,
        expected=EXPECTED,
        found=error.found,
        where=error.where,
        fix=", or ".join(filter(None, [suggestion(name), error.fix])),
    )


def _takes_integers(module: evaluate.EvaluationModule) -> bool:
    choices = module.features if isinstance(module.features, list) else [module.features]
    return all(isinstance(it["references"], Value) and "int" in it["references"].dtype for it in choices)


def _numbers(mapping: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in mapping.items() if isinstance(value, Real)}


def _mistake(name: str, problem: str, error: Exception, fix: str | None = None) -> UserError:
    found = " ".join(str(error).split())
    return UserError(f"the metric {name} {problem}", found=found, where=f"{RECIPE_KEY}={name}", fix=fix)
