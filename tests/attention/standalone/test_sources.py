"""The attention package as one file that imports nothing of finetune."""

from finetune.attention.pretrained import like_bert
from finetune.attention.standalone.own_code import FunctionSource, OwnModule
from finetune.attention.standalone.sources import attention_module, collect_sources


def test_the_copy_is_the_package_as_it_stands() -> None:
    text, sources = attention_module(), dict(collect_sources())
    assert "finetune.attention.pretrained.apply" in sources
    assert not any(name.startswith("finetune.attention.layers") for name in sources), "only what is needed"
    for source in sources.values():
        longest = max(source.splitlines(), key=lambda line: len(line) if "finetune" not in line else 0)
        assert longest in text
    compile(text, "finetune_attention.py", "exec")


def test_the_copy_imports_nothing_of_finetune() -> None:
    assert "from finetune." not in attention_module()
    assert "import finetune" not in attention_module().replace("import finetune_attention", "")


def package_of(text: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith("PACKAGE = "))
    return line


def test_other_code_has_another_name_so_that_both_can_be_imported() -> None:
    family = like_bert("Other", "Other", "other")
    own = OwnModule("x = 1", (FunctionSource("register_predicate", "near", "close", ("word",), (), False, True),))
    texts = [attention_module(), attention_module((own,)), attention_module(families=(family,))]
    assert len({package_of(text) for text in texts}) == 3
    assert package_of(attention_module()) == package_of(texts[0])
    assert "register_predicate('near', columns=('word',), values=(), length=False, by_head=True)(own.close)" in texts[1]
    assert "pretrained.register_family(pretrained.Family(name='Other'" in texts[2]


def test_every_module_that_the_copy_imports_is_in_it() -> None:
    sources = dict(collect_sources())
    parents = {name.rpartition(".")[0] for name in sources} - {"finetune"}
    assert parents <= sources.keys()
    assert not any(name.startswith("finetune.attention.standalone") for name in sources)
