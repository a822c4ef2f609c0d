"""The configuration: every mistake at once, no secret in any of them, the environment over the file over the preset."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ConfigError, load, load_for_serving, master_keys, without_effect
from gateway.elements.preset import presets
from gateway.policies import limit_rules
from gateway.settings import Config, parse_address, parse_duration, parse_size

CANARY = "canary-9c1e"
KEY = base64.b64encode(bytes(range(32))).decode()
DEV = """
[environments.dev]
base_url = "https://api.example.test/elements/api-v2/"
user_secret = "env:USER_SECRET"
organization_secret = "env:ORGANIZATION_SECRET"
"""
ENVIRON = {"USER_SECRET": "user-1", "ORGANIZATION_SECRET": "organization-1", "KEYS": f"# first\n\nk1:{KEY}\n"}


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def loaded(folder: Path, text: str = "", **environ: str) -> Config:
    return load(written(folder, text), environ)


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Every problem that serving with ``text`` has."""
    with pytest.raises(ConfigError) as raised:
        load_for_serving(written(folder, text), ENVIRON if environ is None else environ)
    assert str(raised.value) == "\n".join(raised.value.problems)
    return [str(problem) for problem in raised.value.problems]


def test_an_empty_file_has_the_contracts_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path)

    assert (config.listen.data, config.listen.admin) == (("127.0.0.1", 8080), ("127.0.0.1", 8081))
    assert (config.database.url, config.database_path()) == ("sqlite:///gateway.db", tmp_path.resolve() / "gateway.db")
    assert (config.cache.max_bytes, config.cache.max_object_bytes) == (256 << 20, 1 << 20)
    assert (config.listen.drain_timeout, config.vault.keys) == (30.0, "file:master.keys")


def test_all_that_serving_needs(tmp_path: Path) -> None:
    config, environments, keys = load_for_serving(written(tmp_path, DEV + '[vault]\nkeys = "env:KEYS"\n'), ENVIRON)
    dev = environments["dev"]

    assert dev.base_url == "https://api.example.test/elements/api-v2"
    assert (dev.user_secret.reveal(), dev.organization_secret.reveal()) == ("user-1", "organization-1")
    assert keys == [("k1", bytes(range(32)))] == master_keys(config, ENVIRON)
    assert "user-1" not in repr(config) + repr(environments)


def test_secrets_and_master_keys_in_files_are_relative_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("from-file\n")
    (tmp_path / "master.keys").write_text(f"new:{KEY}\nold:{KEY}\n")
    _, environments, keys = load_for_serving(written(tmp_path, DEV.replace("env:USER_SECRET", "file:user")), ENVIRON)

    assert environments["dev"].user_secret.reveal() == "from-file"
    assert [name for name, _ in keys] == ["new", "old"]


@pytest.mark.parametrize("where", ["allow_plain_secrets = true\n" + DEV, DEV + "allow_plain_secrets = true\n"])
def test_plain_secrets_only_where_allowed(tmp_path: Path, where: str) -> None:
    text = where.replace("env:USER_SECRET", CANARY) + '[vault]\nkeys = "env:KEYS"\n'

    assert load_for_serving(written(tmp_path, text), ENVIRON)[1]["dev"].user_secret.reveal() == CANARY
    (problem,) = mistakes(tmp_path, text.replace("allow_plain_secrets = true", ""))
    assert problem.startswith("environments.dev.user_secret: found a literal, expected ")
    assert CANARY not in problem


MISTAKES = [
    ('[listen]\ndata = "nowhere"', "listen.data", "'nowhere'"),
    ("[listen]\nheader_timeout = 0", "listen.header_timeout", "0"),
    ('[listen]\nmax_body_bytes = "lots"', "listen.max_body_bytes", "'lots'"),
    ("[listen]\nprot = 1", "listen.prot", "unknown key"),
    ("unknown = 1", "unknown", "unknown key"),
    ('log_level = "loud"', "log_level", "'loud'"),
    ('[database]\nurl = "postgresql://u:canary-9c1e@h/d"', "database.url", ""),
    ('[vault]\nkeys = "canary-9c1e"', "vault.keys", ""),
    ('[environments.x]\nuser_secret = "env:A"\norganization_secret = "env:B"', "environments.x.base_url", "nothing"),
    ('[elements.hubspot]\nlimits = ["many"]', "elements.hubspot.limits.0", "'many'"),
    ('[elements.hubspot]\nscope = "planet"', "elements.hubspot.scope", "'planet'"),
    ('[elements.hubspot]\ntimezone = "Mars/Olympus"', "elements.hubspot.timezone", "'Mars/Olympus'"),
    ('[[elements.hubspot.cache.rules]]\npath = "objects"', "elements.hubspot.cache.rules.0.path", "'objects'"),
    ('[cors]\nallowed_origins = ["*"]', "cors.allowed_origins.0", "'*'"),
    ('[shared]\nredis = "redis://h"', "shared.redis", "unknown key"),
    (
        '[environments."a b"]\nbase_url = "http://h"\nuser_secret = "env:A"\norganization_secret = "env:B"',
        "environments.a b",
        "'a b'",
    ),
    ("elements = 5", "elements", "5"),
]


@pytest.mark.parametrize(("text", "path", "found"), MISTAKES)
def test_a_mistake_says_path_found_and_expected(tmp_path: Path, text: str, path: str, found: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, text), {})
    (problem,) = raised.value.problems

    assert problem.startswith(f"{path}: found ")
    assert found in problem
    assert ", expected " in problem
    assert CANARY not in problem
    assert "\n" not in problem


def test_all_bad_values_are_reported_together(tmp_path: Path) -> None:
    text = '[listen]\ndata = "x"\nprot = 1\n[elements.hubspot]\nlimits = ["many"]\n[cache]\nmax_bytes = "x"\n' + DEV
    found = {problem.partition(":")[0] for problem in mistakes(tmp_path, text)}

    assert found >= {"listen.data", "listen.prot", "elements.hubspot.limits.0", "cache.max_bytes"}


def test_missing_secrets_keys_and_default_are_reported_together(tmp_path: Path) -> None:
    found = {problem.partition(":")[0] for problem in mistakes(tmp_path, 'default_environment = "prod"\n' + DEV, {})}

    assert found == {"default_environment", "environments.dev.user_secret", "environments.dev.organization_secret", "vault.keys"}


def test_bad_values_and_missing_secrets_are_reported_together(tmp_path: Path) -> None:
    """An unknown key, a bad value or a missing secret: all of them together (contract 3)."""
    text = 'default_environment = "prod"\n[listen]\nprot = 1\n' + DEV
    found = {problem.partition(":")[0] for problem in mistakes(tmp_path, text, {})}

    assert found == {
        "listen.prot",
        "default_environment",
        "environments.dev.user_secret",
        "environments.dev.organization_secret",
        "vault.keys",
    }


@pytest.mark.parametrize(
    "text",
    [
        DEV.replace("env:USER_SECRET", CANARY),
        DEV.replace('"env:USER_SECRET"', f'["{CANARY}"]'),
        DEV.replace("[environments.dev]", "[[environments.dev]]").replace("env:USER_SECRET", CANARY),
        f'[[environments.dev]]\nuser_secret = "{CANARY}"',
        f'[environments]\ndev = "{CANARY}"',
        f'environments = "{CANARY}"',
        DEV.replace("https://api", f"https://user:{CANARY}@api"),
        DEV.replace("api-v2/", f"api-v2?key={CANARY}"),
        f'[vault]\nkeys = "{CANARY}"\n' + DEV,
        f'vault = "{CANARY}"\n' + DEV,
        f'[database]\nurl = "postgresql://u:{CANARY}@h/d"\n' + DEV,
        f'user_secret = "{CANARY}"\n' + DEV,
        DEV + f'user_secrt = "{CANARY}"\n',
        DEV.replace('"env:USER_SECRET"', f'"{CANARY}'),
        f'shared = {{redis = "redis://:{CANARY}@h"}}\n' + DEV,
        f'shared = "redis://:{CANARY}@h"\n' + DEV,
    ],
)
def test_no_mistake_shows_what_may_be_secret(tmp_path: Path, text: str) -> None:
    assert CANARY not in "\n".join(mistakes(tmp_path, text))


@pytest.mark.parametrize("value", [f"{CANARY} x", f"{CANARY},", f"{CANARY}é", f"{CANARY}\nx"])
def test_a_secret_that_would_end_the_header_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    problems = mistakes(tmp_path, DEV + '[vault]\nkeys = "env:KEYS"\n', {**ENVIRON, "USER_SECRET": value})

    assert len(problems) == 1
    assert CANARY not in problems[0]


@pytest.mark.parametrize("text", ["", "# nothing", "k1", f"k1:{KEY[:-4]}", f"k1:{CANARY}", f"k1:{KEY}\nk1:{KEY}", f"k 1:{KEY}", f":{KEY}"])
def test_master_keys_that_cannot_be(tmp_path: Path, text: str) -> None:
    (problem,) = mistakes(tmp_path, DEV + '[vault]\nkeys = "env:KEYS"\n', {**ENVIRON, "KEYS": text})

    assert problem.startswith("vault.keys")
    assert CANARY not in problem
    assert KEY[:12] not in problem


@pytest.mark.parametrize(
    "url",
    ["", "h", "ftp://h", "http://", "http://h?x", "http://h#x", "http://h/a b", "http://u@h", "http://h:port/x", "http://h:99999/x", "http://h:1:2/x",
     "http://[::1/x", "http://:80/x", "http://a..b/x", "http://h:/x y"],
)  # fmt: skip
def test_a_base_url_that_cannot_be_called(tmp_path: Path, url: str) -> None:
    problems = mistakes(tmp_path, DEV.replace("https://api.example.test/elements/api-v2/", url))

    assert any(problem.startswith("environments.dev.base_url: found ") for problem in problems)


def test_no_file_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gateway init"):
        load(tmp_path / "gateway.toml", {})
    with pytest.raises(ConfigError, match="TOML"):
        loaded(tmp_path, "= 1")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("GATEWAY__LISTEN__DATA", "[::1]:0", lambda config: config.listen.data == ("::1", 0)),
        ("GATEWAY__LISTEN__MAX_FIELDS", "7", lambda config: config.listen.max_fields == 7),
        ("GATEWAY__UPSTREAM__CONNECT_TIMEOUT", "3", lambda config: config.upstream.connect_timeout == 3),
        ("GATEWAY__UPSTREAM__CONNECT_TIMEOUT", "2.5", lambda config: config.upstream.connect_timeout == 2.5),
        ("GATEWAY__ACCESS_LOG", "false", lambda config: config.access_log is False),
        ("GATEWAY__LOG_LEVEL", "debug", lambda config: config.log_level == "debug"),
        ("GATEWAY__ELEMENTS__HUBSPOT__LIMITS", '["1/s"]', lambda config: config.element("hubspot").limits == ("1/s",)),
        ("GATEWAY__ELEMENTS__HUBSPOT__CACHE__TTL", "5s", lambda config: config.element("hubspot").cache.ttl == 5),
        ("GATEWAY__ELEMENTS__MIXEDCASE__SCOPE", "group", lambda config: config.element("MixedCase").scope == "group"),
        ("GATEWAY__ELEMENTS__MY_ELEMENT__SCOPE", "group", lambda config: config.element("my-element").scope == "group"),
        ("GATEWAY__CACHE", '{"max_bytes": "1KiB"}', lambda config: config.cache.max_bytes == 1024),
        ("GATEWAY__ENVIRONMENTS__DEV__USER_SECRET", "env:OTHER", lambda config: config.environments["dev"].user_secret == "env:OTHER"),
        ("GATEWAY__ENVIRONMENTS__DEV__USER_SECRET", "123456", lambda config: config.environments["dev"].user_secret == "123456"),
        ("GATEWAY__DEFAULT_ENVIRONMENT", "dev", lambda config: config.default_environment == "dev"),
        ("gateway__listen__max_fields", "7", lambda config: config.listen.max_fields == 100),
        ("GATEWAY_LISTEN", "x", lambda config: config.listen.max_fields == 100),
    ],
)
def test_the_environment_wins(tmp_path: Path, variable: str, value: str, expected: object) -> None:
    text = "[listen]\ndata = '127.0.0.1:1'\n[elements.MixedCase]\nscope='customer'\n[elements.my-element]\nscope='customer'\n" + DEV

    assert expected(loaded(tmp_path, text, **{variable: value}))  # type: ignore[operator]


@pytest.mark.parametrize("variable", ["GATEWAY__", "GATEWAY____X", "GATEWAY__LISTEN__DATA__X", "GATEWAY__LISTEN__"])
def test_a_variable_that_leads_nowhere_is_a_mistake(tmp_path: Path, variable: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, '[listen]\ndata = "127.0.0.1:1"', **{variable: CANARY})

    assert any(problem.startswith(variable) for problem in raised.value.problems)
    assert CANARY not in str(raised.value)


def test_an_unknown_variable_is_a_mistake_like_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"listen\.prot"):
        loaded(tmp_path, GATEWAY__LISTEN__PROT="1")


def test_presets_stand_where_nothing_is_said(tmp_path: Path) -> None:
    shipped = presets()["hubspot"]
    config = loaded(
        tmp_path, '[elements.hubspot]\nlimits = ["1/s"]\n[elements.hubspot.cache]\nttl = "1s"\n[elements.own]\nlimits = ["2/s"]'
    )
    hubspot = config.element("hubspot")

    assert (hubspot.limits, hubspot.cache.ttl, hubspot.scope) == (("1/s",), 1.0, shipped["scope"])
    assert [rule.path for rule in hubspot.cache.rules] == [rule["path"] for rule in shipped["cache"]["rules"]]
    assert config.element("closeio").limits == tuple(presets()["closeio"]["limits"])
    assert config.element("own").limits == ("2/s",)
    assert config.element("unheard-of").limits == ()


def test_settings_without_effect_are_named(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        '[callers.certificates]\n"a.test" = "abcdefghijkl"\n[elements.own]\nconcurrency = 2\nwait = "1s"'
        '\n[[elements.own.cache.rules]]\npath = "/x"\nstale_if_error = "1s"',
    )

    assert without_effect(config) == ["callers.certificates"]
    assert (limit_rules(config, "own").policy.concurrency, limit_rules(config, "own").wait_s) == (2, 1.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("60s", 60),
        ("1.5s", 1.5),
        ("10m", 600),
        ("10min", 600),
        ("1h", 3600),
        ("90d", 7_776_000),
        (" 2 s ", 2),
        (0, 0),
        (1.5, 1.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 year", "1s1", -1, True, None, [], float("nan"), float("inf")])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "octets"), [("0", 0), ("1KiB", 1024), ("2MiB", 2 << 20), ("1GB", 10**9), ("7B", 7), (" 7 ", 7), (9, 9)])
def test_sizes(text: object, octets: int) -> None:
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "KiB", "1.5MiB", "1iB", "-1", "1 TB", True, -1, 1.5, None])
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str) | st.just("localhost"), st.integers(0, 65535))
def test_addresses(host: str, port: int) -> None:
    assert parse_address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}") == (host, port)


@pytest.mark.parametrize("text", ["", "8080", ":8080", "h", "h:", "h:65536", "::1:80", "h:80x", "a b:1", 8080, None])
def test_no_addresses(text: object) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)


@pytest.mark.parametrize(("made", "found"), [(None, "no readable file cas.pem"), ("nonsense", "no certificates in cas.pem")])
def test_authorities_that_cannot_be_read_are_a_mistake(tmp_path: Path, made: str | None, found: str) -> None:
    if made is not None:
        (tmp_path / "cas.pem").write_text(made)
    with pytest.raises(ConfigError) as caught:
        load_for_serving(written(tmp_path, '[upstream]\nca_file = "cas.pem"'), {})
    assert any(problem.startswith(f"upstream.ca_file: found {found}") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[cors]\nallowed_origins = "https://a.b"', 'cors.allowed_origins: found \'https://a.b\', expected a list, such as ["…", "…"]'),
        ("[listen]\nmax_connections = 0", "listen.max_connections: found 0, expected more than 0"),
    ],
)
def test_what_is_expected_is_said_as_people_say_it(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    assert line in caught.value.problems
