"""Which direction of a value is better, told by its name, and never guessed."""

import pytest

from finetune.metrics import greater_is_better, own_metrics, value_names

GREATER = """
    accuracy f1 f1_2 f1_macro overall_f1 overall_accuracy HasAns_f1 bleu chrf rouge1 rougeL rougeLsum exact_match pass@1
    recall@5 ndcg@10 mean_iou roc_auc r_squared r2 matthews_correlation pearsonr cohen_kappa edit_similarity meteor
"""
LOWER = """
    loss dev_loss dev/loss Perplexity mean_perplexity mae mse mse_2 rmse smape mape mase brier brier_score nll
    negative_log_likelihood bpc bits_per_byte bits_per_char ece crps calibration_error edit_distance distance_2
    normalized_levenshtein_distance jaccard_distance wer cer ter word_error_rate cer_score edit_rate dice_loss log_loss
"""
UNKNOWN = ["score", "answer", "agreement", "tokens_per_second", "error_recall", "brier_skill_score", "filter", "number"]


@pytest.mark.parametrize("name", GREATER.split())
def test_scores_are_better_when_greater(name: str) -> None:
    assert greater_is_better(name) is True


@pytest.mark.parametrize("name", LOWER.split())
def test_losses_errors_and_distances_are_better_when_lower(name: str) -> None:
    assert greater_is_better(name) is False


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_names_do_not_tell(name: str) -> None:
    assert greater_is_better(name) is None


@pytest.mark.parametrize("metric", own_metrics())
def test_our_own_metrics_tell(metric: str) -> None:
    assert all(greater_is_better(value) is (metric != "mse") for value in value_names(metric) or ())
