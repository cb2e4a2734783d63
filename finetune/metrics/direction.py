"""Which direction of a metric's value is the better one, as far as its name tells."""

import re

from finetune.metrics.registry import own_direction

_LOWER_NAMES = """
loss error errors mae mape mase mdape mse msle nmse nrmse rmse rmsle rmspe smape wape wmape crps pinball bpb
bpc bpd bpw brier cross_entropy ece kl mce negative_log_likelihood nll perplexity ppl surprisal cder cer
cer_score characterer charcut charcut_mt der distance distances edit_rate eer error_rate hter levenshtein mer
ter wer wil word_information_lost
"""
_GREATER_NAMES = """
accuracy acc precision recall sensitivity specificity f1 f2 f05 fbeta fscore dice jaccard iou auc auroc auprc
average_precision map mrr ndcg hit hits kappa qwk mcc matthews correlation pearson pearsonr spearman spearmanr
kendall kendalltau ccc r2 r_squared bertscore bleu bleurt brier_skill chrf comet exact exact_match gleu mauve
meteor nist sacrebleu sari rouge rougel rougelsum pass similarity wip
"""
_LOWER, _GREATER = frozenset(_LOWER_NAMES.split()), frozenset(_GREATER_NAMES.split())
_LOWER_STEM = re.compile(r"brier|distance|bits_per_|nats_per_|perplexity")
_NOUNS = {"loss": False, "error": False, "errors": False, "distance": False, "similarity": True}
"""Words that tell the direction where they are a name's last, whatever comes before: `dice_loss`, `edit_similarity`."""


def greater_is_better(value_name: str) -> bool | None:
    """Return whether a greater value is better, judged by the value's name.

    Args:
        value_name: Name of a value as a metric gives it, with or without more around it: `f1`, `dev_loss`,
            `overall_f1`, `rouge1`, `bits_per_byte`, `mse_2`.

    Returns:
        True for scores, False for losses, errors and distances, None where the name is unknown, or where its parts tell
        both (`score`, `agreement`, `error_recall`).
    """
    name = re.sub(r"[^a-z0-9]+", "_", value_name.lower()).strip("_")
    told = own_direction(re.sub(r"_\d+$", "", name))
    if told is None:
        told = _NOUNS.get(re.sub(r"_?\d+$", "", name).split("_")[-1])
    if told is not None:
        return told
    runs = _runs(name)
    lower = not _LOWER.isdisjoint(runs) or _LOWER_STEM.search(name) is not None
    greater = not _GREATER.isdisjoint(runs)
    return None if lower == greater else greater


def _runs(name: str) -> set[str]:
    """Return all runs of a name's words, with and without final digits: `rouge1_exact_match` has `exact_match`."""
    words = name.split("_")
    runs = {"_".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}
    return runs | {run.rstrip("0123456789") for run in runs}
