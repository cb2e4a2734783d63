from threading import Thread

import pytest

from finetune.attention.tuning import cpu_tuning, is_cpu_tuned


def test_the_switch_holds_inside_its_block_and_is_set_back() -> None:
    assert is_cpu_tuned()
    with cpu_tuning(enabled=False):
        assert not is_cpu_tuned()
        with cpu_tuning(enabled=True):
            assert is_cpu_tuned()
        assert not is_cpu_tuned()
    assert is_cpu_tuned()


def test_an_error_in_the_block_sets_the_switch_back() -> None:
    with pytest.raises(KeyError), cpu_tuning(enabled=False):
        raise KeyError
    assert is_cpu_tuned()


def test_all_threads_see_the_switch() -> None:
    seen: list[bool] = []
    with cpu_tuning(enabled=False):
        thread = Thread(target=lambda: seen.append(is_cpu_tuned()))
        thread.start()
        thread.join()
    assert seen == [False]
