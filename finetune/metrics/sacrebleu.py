"""BLEU of a whole split (Papineni et al., ACL 2002), computed by sacreBLEU (Post, WMT 2018)."""

import re
from collections.abc import Sequence

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from finetune.errors import UserError
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Resampler
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores
from finetune.metrics.segment_statistics import segment_resampler

_DEFAULT, _CHARACTERS = sacrebleu.BLEU.TOKENIZER_DEFAULT, "char"
_TOKENIZERS = {
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "wuu", "lzh"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    # Thai, Lao, Khmer, Burmese, Tibetan and Dzongkha: no spaces between words, and no tokenizer that needs no download
    **dict.fromkeys(("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur", "bo", "bod", "dz", "dzo"), _CHARACTERS),
}
_UNSPACED = re.compile(
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Characters of Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese."""
_NUM_ORDERS = 4
"""BLEU's longest n-grams; of texts with fewer tokens it is 0, right or wrong."""


class Sacrebleu(OfflineMetric):
    """Corpus BLEU, 0 to 100, by the tokenizer of `tokenizer_for`; 0 where no text has four tokens.

    The details have the n-gram precisions (0 to 100), the brevity penalty, and the ratio of output to reference length.
    """

    def __init__(self, options: MetricOptions = DEFAULT_OPTIONS) -> None:
        """Choose the tokenizer; UserError where it needs a package that is not installed."""
        self.bleu = _bleu(options)
        super().__init__(options)

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one detokenized text an example."""
        result = self.bleu.corpus_score(predictions, [references])
        parts = {f"precision_{order}": precision for order, precision in enumerate(result.precisions, start=1)}
        parts |= {"brevity_penalty": result.bp, "length_ratio": result.ratio}
        return Scores({"bleu": result.score}, {"bleu": parts}, {self.name: str(self.bleu.get_signature())})

    def resampler(self, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
        """Return the function from resamples to values."""
        return segment_resampler(self.bleu, "bleu", predictions, references)


def has_words(references: Sequence[str]) -> bool:
    """Return whether BLEU's usual tokenizer, WMT's 13a, splits these texts into words, as BLEU needs it.

    Returns:
        False where more than half of all characters are of scripts that put no spaces between words, or where fewer
        than a tenth of the texts have the four tokens that BLEU compares.
    """
    cut = Tokenizer13a()  # type: ignore[no-untyped-call]
    characters = sum(len("".join(text.split())) for text in references)
    unspaced = sum(len(_UNSPACED.findall(text)) for text in references)
    long_enough = sum(len(cut(text).split()) >= _NUM_ORDERS for text in references)
    return 2 * unspaced <= characters and 10 * long_enough >= len(references)


def tokenizer_for(language: str | None, *, has_words: bool = True) -> str:
    """Return SacreBLEU's tokenizer for outputs.

    Args:
        language: Of the outputs, or None where it is not known.
        has_words: What the function of that name says of the references.

    Returns:
        The language's own tokenizer, for Chinese, Japanese and Korean; `char`, which cuts texts into characters, for
        other languages without spaces between words and where the references have none; else WMT's `13a`.
    """
    code = (language or "").lower().replace("_", "-").split("-")[0]
    return _TOKENIZERS.get(code, _DEFAULT if has_words else _CHARACTERS)


def tokenizer_note(options: MetricOptions) -> str | None:
    """Return a sentence on the tokenizer for the user, unless it is the usual one."""
    tokenizer = tokenizer_for(options.target_language, has_words=options.has_words)
    if tokenizer == _DEFAULT:
        return None
    if tokenizer == tokenizer_for(options.target_language):
        reason = f"the target language is {options.target_language}"
    else:
        reason = (
            "the references hold no spaces between words, or fewer than four words (task.target names the language)"
        )
    return (
        f"bleu cuts texts into {'characters' if tokenizer == _CHARACTERS else f'tokens of {tokenizer}'}, since {reason}"
    )


def _bleu(options: MetricOptions) -> sacrebleu.BLEU:
    language = options.target_language
    tokenizer = tokenizer_for(language, has_words=options.has_words)
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
