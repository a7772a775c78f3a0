"""``account`` and ``audit`` on the command line: an operator's day, and what they type wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from accounts_book import OTHER_PASSWORD, Book, X, Y, quick_hasher
from click.testing import CliRunner

from pipeline.accounts.accounts import open_accounts
from pipeline.cli import OUR_FAULT, WRONG_USAGE, cli, main
from pipeline.settings import Settings
from pipeline.store.opening import open_tables

Out = pytest.CaptureFixture[str]


class Machine:
    """A store, and what an operator types at it."""

    def __init__(self, store: Path, out: Out) -> None:
        self.store, self._out = store, out

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command and give what it printed; ``told`` has the rest."""
        self._out.readouterr()
        assert main([*arguments, "--store", str(self.store)]) == code
        printed = self._out.readouterr()
        self.told = printed.err
        return printed.out

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self(*arguments, "--format", "json").splitlines()]

    @property
    def url(self) -> str:
        return f"sqlite:///{self.store}/accounts.sqlite"


@pytest.fixture
def machine(tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.delenv("NHI_UPLOAD_ACCOUNTS_URL", raising=False)
    with open_tables(tmp_path / "store", buckets=1):
        pass
    return Machine(tmp_path / "store", capsys)


def test_an_account_from_first_to_last(machine: Machine) -> None:
    assert "account create" in machine("account", "list")
    out = machine("account", "create", "Amy", "--role", "clinic", "--institution", X,
                  "--display", "王小姐")  # fmt: skip
    password = out.rsplit(" ", 1)[1].strip()
    with open_accounts(machine.url) as accounts:
        assert accounts.sign_in("amy", password).must_change_password
    assert "王小姐" in machine("account", "list")
    (listed,) = machine.json("account", "list", "--institution", X)
    assert (listed["name"], listed["role"], listed["institution"]) == ("amy", "clinic", X)
    assert "password" not in listed
    assert machine.json("account", "list", "--institution", Y) == []
    machine("account", "disable", "AMY")
    assert "停用" in machine("account", "list")
    machine("account", "enable", "amy")
    new = machine("account", "set-password", "amy").rsplit(" ", 1)[1].strip()
    assert new != password
    (shown,) = machine.json("account", "show", "amy")
    assert shown["disabled_at"] is None
    actions = [row["action"] for row in machine.json("audit", "list")][::-1]
    assert actions == ["account.created", "sign-in", "account.disabled", "account.enabled",
                       "password.set"]  # fmt: skip
    for secret in (password, new):
        assert secret not in machine("audit", "list") + machine("account", "show", "amy")


def test_an_identity_is_linked(machine: Machine) -> None:
    machine("account", "create", "chen", "--role", "auditor", "--no-password")
    where = ("--issuer", "https://id.example.gov.tw", "--subject", "17")
    machine("account", "link", "chen", *where)
    assert "id.example.gov.tw 17" in machine("account", "show", "chen")
    machine("account", "unlink", "chen", *where)
    machine("account", "unlink", "chen", *where, code=WRONG_USAGE)
    machine("account", "create", "amy", "--role", "clinic", "--institution", X)
    machine("account", "link", "amy", *where, code=WRONG_USAGE)


def test_a_typed_password_is_asked_twice_and_not_shown(machine: Machine) -> None:
    runner, store = CliRunner(), ["--store", str(machine.store)]
    arguments = [
        "account",
        "create",
        "amy",
        "--role",
        "clinic",
        "--institution",
        X,
        "--ask",
        *store,
    ]
    typed = f"{OTHER_PASSWORD}\n{OTHER_PASSWORD}\n"
    made = runner.invoke(cli, arguments, input=typed, obj=Settings(), standalone_mode=False)
    assert made.return_value == 0, made.output
    assert OTHER_PASSWORD not in made.output
    with open_accounts(machine.url) as accounts:
        assert not accounts.sign_in("amy", OTHER_PASSWORD).must_change_password
    weak = runner.invoke(
        cli, ["account", "set-password", "amy", "--ask", *store],
        input="password1234\npassword1234\n", obj=Settings(), standalone_mode=False,
    )  # fmt: skip
    assert "太容易猜中" in str(weak.exception)


def test_keys_and_what_disabling_leaves(machine: Machine) -> None:
    text = machine("account", "key", "create", "HIS 廠商", "--institution", X,
                   "--institution", Y, "--expires", "2899-01-01")  # fmt: skip
    with open_accounts(machine.url) as accounts:
        who = accounts.key(text.strip())
    assert who is not None
    assert who.institutions == {X, Y}
    (listed,) = machine.json("account", "key", "list", "--institution", X)
    assert text.strip()[13:] not in orjson.dumps(listed).decode()
    assert listed["institutions"] == [X]
    assert machine.json("account", "key", "list")[0]["institutions"] == [X, Y]
    machine("account", "key", "revoke", listed["id"])
    machine("account", "key", "revoke", listed["id"], code=WRONG_USAGE)
    assert "已撤銷" in machine("account", "key", "list")
    machine("account", "key", "create", "x", "--institution", X, "--expires", "2020-01-01",
            code=WRONG_USAGE)  # fmt: skip
    with open_accounts(machine.url, hasher=quick_hasher()) as accounts:
        password = "tower-lamp-goose-42"
        machine("account", "create", "amy", "--role", "clinic", "--institution", X)
        accounts.set_password(_operator(), "amy", password, must_change_password=False)
        own = accounts.create_key(accounts.sign_in("amy", password).who, [X], "own")
    assert own[4:12] in machine("account", "disable", "amy")


def _operator() -> Any:
    from pipeline.accounts.who import OPERATOR

    return OPERATOR


def test_bindings(machine: Machine) -> None:
    machine("account", "bind", X, "192.0.2.0/28")
    machine("account", "bind", Y, "192.0.2.0/28")
    assert X in machine.told
    machine("account", "bind", Y, "0.0.0.0/0", code=WRONG_USAGE)
    assert [row["institution"] for row in machine.json("account", "bindings")] == [X, Y]
    machine("account", "unbind", X, "192.0.2.0/28")
    assert [row["institution"] for row in machine.json("account", "bindings")] == [Y]


def test_the_log_is_checked(machine: Machine) -> None:
    for name in ("amy", "bob", "chen"):
        machine("account", "create", name, "--role", "insurer", "--no-password")
    head = machine("audit", "head").strip()
    assert head.endswith(":3")
    assert head in machine("audit", "verify", "--head", head)
    machine("audit", "verify", "--head", "abc", code=WRONG_USAGE)
    assert machine.json("audit", "list", "--action", "account.created", "--limit", "2")[0][
        "detail"
    ] == {"name": "chen", "role": "insurer"}
    book = Book(machine.url)
    book.accounts.close()
    book.tamper("UPDATE audit SET who = 'eve' WHERE number = 2")
    assert "row 2" in machine("audit", "verify", code=OUR_FAULT)
    told = orjson.loads(machine("audit", "verify", "--format", "json", code=OUR_FAULT))
    assert (told["ok"], told["wrong_row"], told["why"], told["rows"]) == (False, 2, "hash", 1)
    book.tamper("UPDATE audit SET who = 'eve' WHERE number = 3", "DELETE FROM audit")
    assert "第 1 列" in machine("audit", "verify", "--head", head, code=OUR_FAULT)


@pytest.mark.parametrize(
    "arguments",
    [("create", "amy", "--role", "clinic"), ("create", "a", "--role", "insurer"),
     ("create", "王", "--role", "insurer"), ("create", "amy", "--role", "vendor"),
     ("show", "nobody"), ("disable", "nobody"), ("set-password", "nobody"),
     ("key", "create", "x"), ("key", "create", "x", "--institution", "1"),
     ("bind", "1", "192.0.2.0/28"), ("unbind", X, "192.0.2.0/28")],
)  # fmt: skip
def test_what_is_typed_wrong_changes_nothing(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine("account", *arguments, code=WRONG_USAGE)
    assert machine.json("audit", "list") == []


def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NHI_UPLOAD_ACCOUNTS_URL", raising=False)
    elsewhere = Machine(tmp_path / "misspelt", capsys)
    elsewhere("account", "create", "amy", "--role", "insurer", code=WRONG_USAGE)
    assert "nhi-upload serve --store" in elsewhere.told
    assert not elsewhere.store.exists()


def test_another_database_by_its_url(
    tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postgres_server import fresh_database

    monkeypatch.setenv("NHI_UPLOAD_ACCOUNTS_URL", fresh_database())
    assert main(["account", "create", "amy", "--role", "insurer", "--no-password"]) == 0
    capsys.readouterr()
    assert main(["account", "list", "--format", "json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["name"] == "amy"
    assert main(["audit", "verify"]) == 0
