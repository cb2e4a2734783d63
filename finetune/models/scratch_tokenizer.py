"""A tokenizer trained on the training data.

Both architectures use byte-pair encoding (Sennrich et al. 2016) of words with their leading space, as in
SentencePiece, so that decoding restores the spaces of the text. WordPiece is not used for BERT: its decoder guesses
spaces (wrong in one of twelve German sentences, and in most Chinese ones), one unknown character makes a whole word
unknown, and its trainer numbers the tokens differently in every run.
"""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from finetune.recipe import Scratch

PUNCTUATION = r"▁?[\p{P}$+<=>^`|~]|[\n\r\t]"
"""A pattern of what separates words: a punctuation mark or ASCII symbol with the space before it, or a line break or
tab."""

T5_TOKENS = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def train_tokenizer(scratch: Scratch, texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a tokenizer; equal texts give equal tokenizers.

    Characters that do not occur in the texts are unknown, and so are the rarest characters where there are more than
    `scratch.vocab_size` allows.

    Args:
        scratch: The recipe's section: architecture, size of the vocabulary, and whether texts are lower-cased.
        texts: The training texts, which are read once.
    """
    special = T5_TOKENS if scratch.architecture == "t5" else BERT_TOKENS
    tokenizer = _untrained(special["unk_token"], scratch.lowercase)
    trainer = trainers.BpeTrainer(
        vocab_size=scratch.vocab_size,
        limit_alphabet=scratch.vocab_size - len(special),
        min_frequency=2,
        special_tokens=list(special.values()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped_t5(tokenizer) if scratch.architecture == "t5" else _wrapped_bert(tokenizer, scratch.max_positions)


def _untrained(unknown: str, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=unknown, fuse_unk=True))
    fold = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *fold])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(PUNCTUATION), "isolated")]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _wrapped_t5(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    end = T5_TOKENS["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        **T5_TOKENS,
    )


def _wrapped_bert(tokenizer: Tokenizer, max_positions: int) -> PreTrainedTokenizerFast:
    start, end = BERT_TOKENS["cls_token"], BERT_TOKENS["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        model_max_length=max_positions,
        clean_up_tokenization_spaces=False,
        **BERT_TOKENS,
    )
