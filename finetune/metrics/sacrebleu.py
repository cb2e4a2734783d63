"""BLEU of a whole split (Papineni et al., ACL 2002), computed by sacreBLEU (Post, WMT 2018)."""

import sacrebleu

from finetune.errors import UserError
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores

_TOKENIZERS = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
}


class Sacrebleu(OfflineMetric):
    """Corpus BLEU, 0 to 100, with sacreBLEU's own tokenizer for the target language; 0 where no text has four tokens.

    The details have the n-gram precisions (0 to 100), the brevity penalty, and the ratio of output to reference length.
    """

    def __init__(self, options: MetricOptions = DEFAULT_OPTIONS) -> None:
        """Choose the tokenizer; UserError where it needs a package that is not installed."""
        self.bleu = _bleu(options.target_language)
        super().__init__(options)

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one detokenized text an example."""
        result = self.bleu.corpus_score(predictions, [references])
        parts = {f"precision_{order}": precision for order, precision in enumerate(result.precisions, start=1)}
        parts |= {"brevity_penalty": result.bp, "length_ratio": result.ratio}
        return Scores({"bleu": result.score}, {"bleu": parts}, {self.name: str(self.bleu.get_signature())})


def tokenizer_for(language: str | None) -> str:
    """SacreBLEU's tokenizer for a target language: of its own for Chinese, Japanese and Korean, else WMT's 13a.

    Thai, Lao, Khmer and Burmese put no spaces between words, and 13a does not cut them: read chrF there.
    """
    code = (language or "").lower().replace("_", "-").split("-")[0]
    return _TOKENIZERS.get(code, sacrebleu.BLEU.TOKENIZER_DEFAULT)


def _bleu(language: str | None) -> sacrebleu.BLEU:
    tokenizer = tokenizer_for(language)
    try:
        return sacrebleu.BLEU(tokenize=tokenizer)
    except (ImportError, RuntimeError) as error:
        extra = tokenizer.split("-")[0]
        raise UserError(
            f"sacrebleu needs a word segmenter to score the target language {language}",
            expected=f"the packages of tokenizer {tokenizer}",
            found="they are not installed",
            fix=f"pip install 'sacrebleu[{extra}]', or evaluation.metrics=[chrf], which needs none",
        ) from error
