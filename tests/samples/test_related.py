from finetune.samples.related import SHINGLE, groups


def words(first: int, number: int) -> str:
    return " ".join(f"w{index}" for index in range(first, first + number))


def alone(texts: list[str]) -> list[int]:
    """The groups of texts that have each a family of their own."""
    return groups(texts, [str(number) for number in range(len(texts))])


def test_texts_with_most_pieces_in_common_are_in_one_group() -> None:
    first, second, other = alone([words(0, 100), words(10, 100), words(1000, 100)])
    assert first == second != other


def test_texts_with_half_of_their_pieces_in_common_are_not() -> None:
    pieces = 60
    length = pieces + SHINGLE - 1
    apart = alone([words(0, length), words(pieces // 3, length)])  # 40 pieces shared, of 80
    joined = alone([words(0, length), words(pieces // 3 - 1, length)])
    assert len(set(apart)) == 2
    assert len(set(joined)) == 1


def test_likeness_is_told_by_the_order_of_words() -> None:
    text = words(0, 50)
    assert len(set(alone([text, " ".join(reversed(text.split()))]))) == 2


def test_a_chain_of_like_texts_is_one_group() -> None:
    chain = [words(start, 100) for start in range(0, 200, 20)]
    assert len(set(alone([chain[0], chain[-1]]))) == 2
    assert len(set(alone(chain))) == 1


def test_a_family_is_one_group_and_passes_likeness_on() -> None:
    texts = [words(0, 50), words(1000, 50), words(1001, 50), words(2000, 50)]
    a, b, c, d = groups(texts, ["x", "x", "y", "z"])
    assert a == b == c != d


def test_texts_shorter_than_a_piece_are_compared_as_a_whole() -> None:
    first, longer, second, other = alone(["so be it", "so be it too", "so be it", words(0, 50)])
    assert first == second
    assert len({first, longer, other}) == 3
