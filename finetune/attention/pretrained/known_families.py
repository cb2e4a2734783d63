"""The records of the architectures that are supported; messages list them in this order."""

from finetune.attention.pretrained.family import Family, like_bert, like_t5, register_family

_WEIGHTS = "finetune.attention.pretrained.weights"

KNOWN_FAMILIES = (
    like_bert("BERT", "Bert", "bert").but(weights=f"{_WEIGHTS}:BERT"),
    Family(
        "ALBERT",
        ("albert",),
        stack="AlbertModel",
        attention=("AlbertAttention",),
        shared=True,
        stream_positions="position_ids",
        lora_targets=("query", "value"),
    ),
    like_bert("CamemBERT", "Camembert", "camembert").but(positions="after_padding"),
    Family(
        "DistilBERT",
        ("distilbert",),
        stack="DistilBertModel",
        attention=("DistilBertSelfAttention",),
        stream_positions="position_ids",
        lora_targets=("q_lin", "v_lin"),
        ia3_targets=("k_lin", "v_lin", "lin2"),
        ia3_feed_forward=("lin2",),
    ),
    like_bert("ELECTRA", "Electra", "electra"),
    like_bert("ERNIE", "Ernie", "ernie"),
    Family(
        "ModernBERT",
        ("modernbert",),
        stack="ModernBertModel",
        attention=("ModernBertAttention",),
        stream_positions="position_ids",
    ),
    like_bert("RoBERTa", "Roberta", "roberta").but(positions="after_padding"),
    like_bert("XLM-RoBERTa", "XLMRoberta", "xlm-roberta").but(positions="after_padding"),
    like_bert("XLM-RoBERTa-XL", "XLMRobertaXL", "xlm-roberta-xl").but(positions="after_padding"),
    like_t5("T5", "T5", "t5").but(weights=f"{_WEIGHTS}:T5"),
    like_t5("mT5", "MT5", "mt5"),
    like_t5("UMT5", "UMT5", "umt5").but(
        stream_positions=None,
        no_stream="UMT5 makes its relative bias for every pair of tokens, in each layer",
        finds_ends=False,
    ),
    Family("DeBERTa", ("deberta-v2",)),
    Family("MPNet", ("mpnet",), positions="after_padding", lora_targets=("q", "v")),
)
for _family in KNOWN_FAMILIES:
    register_family(_family)
