"""Whether a repository may be written: found out before training, not after."""

from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, HfApi

from finetune.errors import UserError
from finetune.hub.errors import as_user_error
from finetune.hub.retry import retry
from finetune.recipe.hub import NAME


@dataclass(frozen=True)
class Repository:
    """A repository of models.

    Args:
        name: user/name.
        private: Whether it is made private where it does not exist.

    Raises:
        UserError: That is not how repositories are called.
    """

    name: str
    private: bool = False

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise UserError(f"{self.name!r} is not the name of a repository", expected="user/name")

    @property
    def url(self) -> str:
        """Its page."""
        return f"{HfApi().endpoint}/{self.name}"


def check_access(target: Repository) -> None:
    """Make sure that models can be pushed: somebody is logged in and may write; makes the repository if there is none.

    Raises:
        UserError: Nobody is logged in, the token is wrong or may not write there, the repository is public and was to
            be private, or the Hub cannot be reached.
    """
    api = HfApi()
    with as_user_error(target.name):
        retry(lambda: api.create_repo(target.name, private=target.private or None, exist_ok=True))
        is_private = retry(lambda: api.model_info(target.name)).private
        # create_repo is content with a repository of somebody else's, as long as it can be seen.
        retry(lambda: api.preupload_lfs_files(target.name, [CommitOperationAdd("README.md", b"")]))
    if target.private and not is_private:
        raise UserError(
            f"the repository {target.name} exists and is public",
            expected="a private one (hub.private=true, --private)",
            where=target.url,
            fix="make it private in its settings on the Hub, or push to another name",
        )
