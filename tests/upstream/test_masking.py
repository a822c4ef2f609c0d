"""Masking: no chunk border, no spelling lets a secret through."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.masking import Masked, Needle, mask, mask_text, needles, unfinished

# Few letters, so that secrets overlap, repeat and begin alike; no asterisk, which is what they become.
letters = st.sampled_from("ab/=")
secret_texts = st.lists(st.text(letters, min_size=6, max_size=9), min_size=1, max_size=3, unique=True)


class Chunks:
    """A stream of given chunks."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks
        self.closed = False

    @property
    def length(self) -> int | None:
        return sum(map(len, self._chunks))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


async def streamed(chunks: Sequence[bytes], secrets: Sequence[Needle]) -> list[bytes]:
    return [chunk async for chunk in Masked(Chunks(chunks), secrets)]


@st.composite
def echoes(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """Secrets, and a body cut anywhere that holds some of them, whole and in part."""
    secrets = draw(secret_texts)
    pieces = st.one_of(st.sampled_from(secrets), st.text(letters, max_size=3), st.sampled_from(secrets).map(lambda text: text[:-1]))
    body = "".join(draw(st.lists(pieces, max_size=6))).encode()
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return secrets, [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@given(echoes())
async def test_no_secret_leaves_and_no_octet_is_lost(case: tuple[list[str], list[bytes]]) -> None:
    texts, chunks = case
    secrets, body = needles(texts), b"".join(chunks)

    out = b"".join(await streamed(chunks, secrets))

    assert not [secret for needle in secrets for secret in needle.spellings if secret in out]
    assert len(out) == len(body)
    assert all(now in (was, ord("*")) for now, was in zip(out, body, strict=True))


@given(echoes())
async def test_any_chunking_masks_what_masking_the_whole_would(case: tuple[list[str], list[bytes]]) -> None:
    texts, chunks = case
    secrets = needles(texts[:1])

    assert b"".join(await streamed(chunks, secrets)) == mask(b"".join(chunks), secrets)


@pytest.mark.parametrize("cut", range(13))
async def test_a_secret_that_begins_like_another_is_masked_whole(cut: int) -> None:
    """The user's secret may be the beginning of a token: a border behind it must not let the rest of the token out."""
    body, secrets = b"secret-longer", needles(["secret", "secret-longer"])

    assert b"".join(await streamed([body[:cut], body[cut:]], secrets)) == b"*" * len(body)


@given(st.lists(st.binary(max_size=5), max_size=20))
async def test_no_empty_chunk_comes_out(chunks: list[bytes]) -> None:
    assert all(await streamed(chunks, needles(["secret"])))


async def test_what_cannot_be_the_beginning_of_a_secret_does_not_wait() -> None:
    assert await streamed([b"one s", b"two", b" secre"], needles(["secret"])) == [b"one ", b"stwo", b" ", b"secre"]


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
        lambda text: quote(text, safe=""),
        quote,
        lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text, safe="")),
        lambda text: json.dumps(text)[1:-1].replace("=", "\\u003d"),
    ],
    ids=["as it is", "JSON", "JSON with escaped slashes", "percent", "percent but for slashes", "percent in lower case", "Gson's JSON"],
)
@pytest.mark.parametrize("secret", ["q7VwM0k3/mSx1+nS2b8c=", 'with"quote\\and/slash=', "plain1234"])
def test_an_echo_in_another_spelling_is_masked(secret: str, spell: object) -> None:
    echo = spell(secret).encode()  # type: ignore[operator]

    assert mask(b"<" + echo + b">", needles([secret])) == b"<" + b"*" * len(echo) + b">"


@given(secret_texts)
def test_longer_spellings_come_first(texts: list[str]) -> None:
    needle = needles(texts[:1])[0]
    lengths = [len(spelling) for spelling in needle.spellings]

    assert lengths == sorted(lengths, reverse=True)


@given(st.text(st.characters(max_codepoint=255)).filter(lambda text: "secret" not in text))
def test_header_values_keep_their_octets(text: str) -> None:
    assert mask_text(f"{text}secret{text}", needles(["secret"])) == f"{text}******{text}"


@given(st.binary(max_size=12), st.lists(st.binary(min_size=1, max_size=6), max_size=3))
def test_unfinished_is_the_longest_proper_beginning_at_the_end(data: bytes, secrets: list[bytes]) -> None:
    longest = max(
        (size for secret in secrets for size in range(1, min(len(secret), len(data) + 1)) if data.endswith(secret[:size])), default=0
    )

    assert unfinished(data, [Needle(b"", tuple(secrets))]) == longest


async def test_length_and_closing_are_those_of_the_stream() -> None:
    chunks = Chunks([b"some"])
    masked = Masked(chunks, needles(["secret"]))
    await masked.aclose()

    assert (masked.length, chunks.closed) == (4, True)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=60))
def test_what_is_looked_for_first_is_in_every_spelling(secret: str) -> None:
    (needle,) = needles([secret])
    assert all(needle.stem in spelling for spelling in needle.spellings)
    assert len(needle.stem) == max((len(run) for run in re.findall("[A-Za-z0-9]+", secret)), default=0)


@pytest.mark.parametrize("secret", ["00%0a0", "ab\\u00ffcd", "%7e%7e%7e"])
def test_what_looks_like_an_escape_in_a_secret_is_left_alone(secret: str) -> None:
    (needle,) = needles([secret])
    assert all(needle.stem in spelling for spelling in needle.spellings)
    assert mask(f"<{secret}>".encode(), [needle]) == b"<" + b"*" * len(secret) + b">"


def test_a_secret_that_begins_with_a_sign_is_still_hard_to_mistake() -> None:
    (needle,) = needles(["-a_Zmljx0NhfzGjHoPPs7lM/g=="])
    assert needle.stem == b"Zmljx0NhfzGjHoPPs7lM"
