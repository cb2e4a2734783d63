"""One clear message wherever the Hugging Face Hub cannot give what a recipe names.

`huggingface_hub`, `transformers`, `datasets` and `evaluate` each report the same few problems (no network, no such
repository, no permission) by exceptions of their own, some of them after half a minute of retries. `hub_access` sends
one request to the Hub, lets the libraries use only their caches if it is not answered, and turns their exceptions into
a `UserError`. It never substitutes another model, data set or metric for the requested one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Literal

from finetune.errors import UserError

What = Literal["model", "data set", "metric"]

OFFLINE = "offline mode is on (HF_HUB_OFFLINE=1)"

MIRROR = "a mirror (set HF_ENDPOINT=https://... in the environment)"
SAMPLES = "a recipe that needs no Hub (recipe=sentiment_sample, address_sample, licence_sample or interface_sample)"
LOCAL = {
    "model": "a model in a local folder ({key}=path/to/folder), local files (data.path=...)",
    "data set": "local files (data.path=...)",
    "metric": "the task's own metrics ({key}=null)",
}
PAGES = {"model": "", "data set": "datasets/", "metric": "spaces/"}


@contextmanager
def hub_access(what: What, name: str, key: str) -> Iterator[str | None]:
    """Fetch from the Hub (or its cache, or a folder) inside this block.

    Args:
        what: The kind of thing that is fetched.
        name: Its Hub name, or a local folder.
        key: The recipe key that holds the name (`model.name`).

    Yields:
        Why the Hub cannot be reached, so that what the block gets comes from the cache; None where it answers.

    Raises:
        UserError: The Hub cannot be reached and the cache has no copy, or there is no such repository or revision, or
            it is gated or private, or the Hub answers with an error. Other exceptions of the block pass unchanged.
    """
    if Path(name).exists():
        yield None
        return
    _check_name(what, name, key)
    trouble = _trouble()
    try:
        with _caches_only(what) if trouble else nullcontext():
            yield trouble
    except UserError:
        raise
    except Exception as error:
        explained = _explain(error, what, name, key, trouble)
        if explained is None:
            raise
        raise explained from error


def _trouble() -> str | None:
    """Return the reason why the Hub cannot be reached, or None if it answers one request, which is not retried."""
    from huggingface_hub import constants, get_session

    if constants.is_offline_mode():
        return OFFLINE
    try:
        get_session().head(constants.ENDPOINT, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # of whichever HTTP library huggingface_hub uses
        return f"{constants.ENDPOINT}: {error}"
    return None


@contextmanager
def _caches_only(what: What) -> Iterator[None]:
    """Switch the libraries to offline mode inside the block, so that they read their caches and retry nothing."""
    # Imported before the switch is set: datasets copies it for good when it is imported.
    import datasets.config
    from huggingface_hub import constants

    switches = [(constants, "HF_HUB_OFFLINE"), (datasets.config, "HF_HUB_OFFLINE")]
    if what == "metric":
        import evaluate.config

        switches.append((evaluate.config, "HF_EVALUATE_OFFLINE"))
    before = [getattr(module, switch) for module, switch in switches]
    for module, switch in switches:
        setattr(module, switch, True)
    try:
        yield
    finally:
        for (module, switch), value in zip(switches, before, strict=True):
            setattr(module, switch, value)


def _check_name(what: What, name: str, key: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # a lazy export

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise UserError(
            f"{name} is neither a file or folder nor the name of a {what} on the Hub",
            expected="an existing path, or a name like owner/name",
            where=f"{key}={name}",
        ) from None


def _explain(error: Exception, what: What, name: str, key: str, trouble: str | None) -> UserError | None:
    """Return a `UserError` for an exception of a library; None if it has nothing to do with the Hub."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    chain = _chain(error)

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    if trouble:
        # evaluate tells an unreachable Hub and an unknown name alike; datasets has no class for a configuration that is
        # not cached.
        uncached = (what == "metric" and has(FileNotFoundError)) or "Couldn't find cache" in str(error)
        if uncached or has(LocalEntryNotFoundError, ConnectionError):
            return _unreachable(what, name, key, trouble)
        return None
    if has(GatedRepoError) or (has(DatasetNotFoundError) and "gated" in str(error)):
        return _gated(what, name, key)
    if has(RevisionNotFoundError):
        return _no_revision(what, name, key)
    if has(RepositoryNotFoundError, DatasetNotFoundError) or (what == "metric" and has(FileNotFoundError)):
        return _not_found(what, name, key)
    if has(RemoteEntryNotFoundError):
        return _lacks_file(what, name, key, error)
    for link in chain:
        if isinstance(link, HfHubHTTPError):
            return _refused(what, name, key, link)
    if has(LocalEntryNotFoundError, ConnectionError):
        return _unreachable(what, name, key, _innermost(chain))
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """Return the exception and those that caused it, the outermost first."""
    chain = [error]
    while (link := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(link)
    return chain


def _innermost(chain: list[BaseException]) -> str:
    return f"{type(chain[-1]).__name__}: {chain[-1]}"


def _unreachable(what: What, name: str, key: str, trouble: str) -> UserError:
    online = ["online (unset HF_HUB_OFFLINE)"] if trouble == OFFLINE else []
    ways = [*online, MIRROR, LOCAL[what].format(key=key)] + ([SAMPLES] if what != "metric" else [])
    return UserError(
        f"the {what} {name} cannot be fetched: the Hugging Face Hub cannot be reached, and the cache holds no copy",
        found=trouble,
        where=f"{key}={name}",
        fix=", or ".join(ways),
    )


def _gated(what: What, name: str, key: str) -> UserError:
    return UserError(
        f"the {what} {name} is gated: its owner grants access on the Hub",
        where=f"{key}={name}",
        fix=f"ask for access on {_page(what, name)}, then `hf auth login`",
    )


def _no_revision(what: What, name: str, key: str) -> UserError:
    revision_key = key.rpartition(".")[0] + ".revision"
    return UserError(
        f"the {what} {name} has no such revision on the Hub",
        expected="a branch, tag or commit of that repository",
        where=revision_key,
        fix=f"choose one of those listed on {_page(what, name)}/tree/main",
    )


def _not_found(what: What, name: str, key: str) -> UserError:
    return UserError(
        f"there is no {what} {name} on the Hub, or it is private",
        expected="owner/name as the Hub shows it, or a local path",
        where=f"{key}={name}",
        fix="correct the name, or `hf auth login` with an account that may read it",
    )


def _lacks_file(what: What, name: str, key: str, error: Exception) -> UserError:
    return UserError(
        f"the repository {name} on the Hub lacks a file that a {what} needs",
        found=str(error).splitlines()[0],
        where=f"{key}={name}",
        fix=f"see {_page(what, name)}/tree/main for what it holds, and choose another {what}",
    )


def _refused(what: What, name: str, key: str, error: Exception) -> UserError:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else "an error"
    unauthorized = status in (401, 403)
    return UserError(
        f"the Hub answers with {status} when asked for the {what} {name}",
        found=str(error).splitlines()[0],
        where=f"{key}={name}",
        fix="`hf auth login` with an account that may read it" if unauthorized else "try again later, or " + MIRROR,
    )


def _page(what: What, name: str) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{PAGES[what]}{name}"
