"""Repositories on the Hub, and the check before training that a model can be pushed."""

from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, HfApi

from finetune.errors import UserError
from finetune.hub.errors import as_user_error
from finetune.hub.retry import retry
from finetune.recipe.hub import NAME


@dataclass(frozen=True)
class Repository:
    """A model repository on the Hub.

    Args:
        name: Name of the repository, `user/name`.
        private: Whether the repository is made private if it does not exist.

    Raises:
        UserError: The name is not a valid name of a repository.
    """

    name: str
    private: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UserError(f"{self.name!r} is not the name of a repository", expected="user/name")

    @property
    def url(self) -> str:
        """Address of the repository's page."""
        return f"{HfApi().endpoint}/{self.name}"


def check_access(target: Repository) -> None:
    """Check that models can be pushed to a repository, which is made if it does not exist.

    Raises:
        UserError: Nobody is logged in, the token is wrong or has no write permission, the repository is public although
            `private` is set, or the Hub cannot be reached.
    """
    api = HfApi()
    with as_user_error(target.name):
        retry(lambda: api.create_repo(target.name, private=target.private or None, exist_ok=True))
        is_private = retry(lambda: api.model_info(target.name)).private
        # create_repo with exist_ok=True also succeeds for a visible repository that the user may not write.
        retry(lambda: api.preupload_lfs_files(target.name, [CommitOperationAdd("README.md", b"")]))
    if target.private and not is_private:
        raise UserError(
            f"the repository {target.name} exists and is public",
            expected="a private one (hub.private=true, --private)",
            where=target.url,
            fix="make it private in its settings on the Hub, or push to another name",
        )
