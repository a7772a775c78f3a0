"""What can go wrong with accounts. No message says what was typed."""

from __future__ import annotations

from pipeline.errors import PipelineError


class AccountsUnusableError(PipelineError):
    """The accounts' database can't be reached, is of another version, or is busy."""


class WrongSignInError(PipelineError):
    """Name or password is wrong, or the account is disabled: never which."""

    def __init__(self) -> None:
        super().__init__("帳號或密碼不正確", "The name or the password is wrong")


class LockedOutError(PipelineError):
    """Too many wrong sign-ins; ``seconds`` until the next may be tried.

    Told alike of names that exist and of names that don't.
    """

    def __init__(self, seconds: int) -> None:
        minutes = max(1, -(-seconds // 60))
        super().__init__(
            f"登入失敗次數過多，請於 {minutes} 分鐘後再試",
            f"Too many failed sign-ins; try again in {minutes} min",
        )
        self.seconds = seconds


class WeakPasswordError(PipelineError):
    """A password that is too short, too long or too easy to guess."""


class WrongNameError(PipelineError):
    """A name can't be one, or is taken."""


class WrongBindingError(PipelineError):
    """A binding that can't be: no such form, or open to too many."""


class NoSuchAccountError(PipelineError):
    """No account, key, session or binding of that name, or none of theirs."""


class NotAllowedError(PipelineError):
    """They may not do that: a fault of the caller, who should not have offered it."""

    def __init__(self) -> None:
        super().__init__("您的帳號不能這樣做", "Your account can't do that")


def no_such_account() -> NoSuchAccountError:
    """No account of the name given."""
    return NoSuchAccountError("沒有這個帳號", "There is no such account")
