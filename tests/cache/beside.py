"""The real cache and a naive model of it walk side by side through what happens; whatever they differ in fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from gateway.cache import Bypass, Cache, CachePolicy, Found, Fresh, Stale
from gateway.cache.memory import MemoryStore
from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Environment, Exchange, Headers, Pair, Request, Response, Target
from gateway.paths import without_hub
from gateway.revalidation import unconditional
from gateway.secret import Secret
from tests.cache.expected import Doubt, Slowly, check, configured, fits_purge, nothing, place_of, stale_will_do, usable, whole
from tests.cache.happenings import (
    BASE,
    JSON,
    MAX_OBJECT,
    ONLY,
    OWNERS,
    PADDING,
    POLICIES,
    START,
    Answer,
    Clock,
    Forget,
    Get,
    Head,
    Purge,
    Write,
)
from tests.cache.model import Item, Model, Place, item, touches


@dataclass(frozen=True)
class Way:
    """A call that leaves: what the cache found for it, and what the model has."""

    place: Place
    wanted: dict[str, str]
    wish: str
    request: Request
    target: Target
    exchange: Exchange
    found: Found
    have: Item | None


@dataclass
class Play:
    """The cache, the model, and the clock of both."""

    max_bytes: int
    now: int = START
    serial: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.max_bytes, lambda: float(self.now))
        self.cache = Cache(lambda element: CachePolicy(lifetimes=POLICIES[element]), self.store, lambda: float(self.now), MAX_OBJECT)
        self.model = Model(lossy=self.max_bytes < 100_000)

    async def run(self, steps: Sequence[object]) -> None:
        for step in steps:
            await self.step(step)
            assert self.store.bytes <= self.max_bytes
        kept = [await self.stored(place, one) for place, items in self.model.items.items() for one in items]
        assert sum(kept) <= self.max_bytes

    async def step(self, step: object) -> Doubt:
        """What the step made doubtful."""
        match step:
            case Get():
                await self.get(step)
            case Head():
                await self.head(step)
            case Write():
                return await self.write(step)
            case Purge():
                return self.dropped(fits_purge(step), await self.cache.purge(step.environment, step.customer, step.element, step.path))
            case Forget():
                environment, instance = OWNERS[step.who]
                if instance:
                    went = await self.cache.drop_instance(environment, instance.handle)
                    return self.dropped(lambda place: place[0] == (environment, instance.handle), went)
            case Clock():
                self.now += step.seconds
                self.model.pass_time(self.now)
        return nothing

    def dropped(self, doubtful: Doubt, went: int) -> Doubt:
        number, certain = self.model.drop(doubtful)
        assert went == number or not certain
        return doubtful

    def call(self, who: int, method: str, path: str, fields: Sequence[Pair] = ()) -> tuple[Request, Target, Exchange]:
        """Element calls name the hub now and then: it makes no difference for them."""
        environment, instance = OWNERS[who]
        hub = "/hubs/crm" if instance and next(self.serial) % 2 else ""
        request = Request(method, hub + path, Headers(fields))
        where = Environment(environment, BASE, Secret("u"), Secret("o"))
        return request, Target(where, instance, without_hub(request.path)), Exchange("id", method, request.path, 0.0)

    async def get(self, step: Get) -> None:
        request, target, exchange = self.call(step.who, "GET", step.path + step.query, step.fields)
        place, wanted = place_of(step), {name.lower(): value for name, value in step.fields}
        have = self.model.fitting(place, wanted)
        wish = wanted.get("cache-control", "")
        past = wish == "no-store" or step.path == "/ping"
        how = None if past or have is None else usable(have, wish, self.now)
        try:
            found = await self.cache.look_up(request, target, exchange)
        except UpstreamTimeout:
            assert wish == "only-if-cached"
            assert how is None or not (have and have.certain)
            return
        if isinstance(found, Fresh):
            assert have is not None
            assert how == {"hit": "hit", "stale": "while revalidating"}[exchange.cache], "given although it is not to be used"
            check(found.response, have, wanted, self.now)
            if found.refresh is not None:
                await self.renew(step, request, target, found.refresh, have)
            return
        assert wish != "only-if-cached", "it left"
        assert how is None or not (have and have.certain), f"{how}, and not given"
        assert isinstance(found, Bypass) == (past or "range" in wanted)
        entry = found.entry if isinstance(found, Stale) else None
        if not isinstance(found, Bypass) and have is not None and entry is None:
            assert not have.certain, "stored, and lost"
            self.model.items.pop(place)
        assert entry is None or (have is not None and entry.body == have.body)
        await self.forward(Way(place, wanted, wish, request, target, exchange, found, have if entry else None), step.answer, step.meanwhile)

    async def renew(self, step: Get, request: Request, target: Target, found: Stale, have: Item) -> None:
        if step.renewal is None:
            self.cache.abandon(found)
            return
        wanted = {name: value for name, value in request.headers.index.items() if name.startswith("x-")}
        way = Way(place_of(step), wanted, "", unconditional(request), target, Exchange("id", "GET", request.path, 0.0), found, have)
        await self.forward(way, step.renewal, step.meanwhile)

    async def forward(self, way: Way, origin: Answer, meanwhile: Sequence[object]) -> None:
        """The call leaves, things happen, an answer comes."""
        asked, old, found = self.now, way.have, way.found
        confirms = origin.confirms and not origin.fails and bool(found.conditions)
        late = origin.streams and not origin.fails and not confirms
        overtaken = not late and await self.happens(meanwhile, way.place)
        serial = next(self.serial)
        said, body = origin.said(self.now, serial), b"answer %06d" % serial + bytes(PADDING * origin.large)
        spare = None if overtaken else self.spare(way)
        if origin.fails:
            way.exchange.upstream_calls = 1
            stale = await self.cache.failed(way.request, way.target, found, UpstreamUnreachable(), way.exchange)
            assert (stale is None) == (spare is None)
            if stale and spare:
                check(stale, spare, way.wanted, self.now)
            return
        if confirms and old:
            said = replace(said, etag=old.said.etag if origin.tagged else None)
            response = await self.settle(way, Response(304, Headers(said.pairs())))
            renewed = item(old.body, old.status, old.said.updated(said), way.wanted, asked, self.now, configured(way.place))
            check(response, renewed or old, way.wanted, self.now if renewed else None)
            self.model.discard(way.place, old)
            if renewed and not overtaken:
                self.model.keep(way.place, renewed, self.now)
            return
        given = Slowly(body) if origin.streams else body
        response = await self.settle(way, Response(origin.status, Headers([JSON, *said.pairs()]), given))
        if origin.status in (500, 503) and spare:
            check(response, spare, way.wanted, self.now)
            return
        new = None
        if not isinstance(found, Bypass):
            new = item(body, origin.status, said, way.wanted, asked, self.now, configured(way.place))
            if old and (new or origin.status in (200, 404, 410)):
                self.model.discard(way.place, old)
        if late:
            overtaken = await self.happens(meanwhile, way.place)
        assert await whole(response) == body
        if new and not overtaken and not origin.large:
            self.model.keep(way.place, new, self.now)

    async def settle(self, way: Way, response: Response) -> Response:
        return await self.cache.settle(way.request, way.target, way.found, response, way.exchange)

    def spare(self, way: Way) -> Item | None:
        """The stale answer that may stand in for one that cannot be had."""
        have = way.have
        if have is None or not isinstance(way.found, Stale) or way.found.reason != "stale" or not stale_will_do(have, way.wish, self.now):
            return None
        return have if have.left(self.now) + have.if_error > 0 else None

    async def happens(self, meanwhile: Sequence[object], place: Place) -> bool:
        """Whether any of it made what is at the place doubtful."""
        return any([(await self.step(one))(place) for one in meanwhile])

    async def head(self, step: Head) -> None:
        request, target, exchange = self.call(step.who, "HEAD", step.path)
        place = place_of(step)
        have = self.model.fitting(place, {}) if step.path != "/ping" else None
        said = step.answer.said(self.now, next(self.serial))
        if have and step.same:
            said = replace(said, etag=have.said.etag if said.etag else None, modified=have.said.modified if said.modified else None)
        length = () if step.same else (("Content-Length", "99999"),)
        found = await self.cache.look_up(request, target, exchange)
        response = Response(step.answer.status, Headers([*said.pairs(), *length]))
        assert await self.cache.settle(request, target, found, response, exchange) is response
        if have is None or step.answer.status not in (200, 404, 410):
            return
        self.model.discard(place, have)
        if step.same and step.answer.status == have.status:
            new = item(have.body, have.status, have.said.updated(said), {}, self.now, self.now, configured(place))
            if new:
                self.model.keep(place, new, self.now, certain=have.certain)

    async def write(self, step: Write) -> Doubt:
        request, target, exchange = self.call(step.who, step.method, step.path)
        found = await self.cache.look_up(request, target, exchange)
        if step.status:
            fields = [("Location", BASE + step.location)] if step.location else []
            await self.cache.settle(request, target, found, Response(step.status, Headers(fields)), exchange)
        else:
            exchange.upstream_calls = int(step.status == 0)
            assert await self.cache.failed(request, target, found, UpstreamUnreachable(), exchange) is None
        if step.status is None or 400 <= step.status < 500:
            return nothing
        owner, _, _ = place_of(step)
        also = step.location if 0 < step.status < 400 else None

        def doubtful(place: Place) -> bool:
            return place[0] == owner and (touches(step.method, step.path, place[1]) or place[1] == also)

        self.model.drop(doubtful)
        return doubtful

    async def stored(self, place: Place, one: Item) -> int:
        """The octets of the body that the store has for it."""
        (environment, handle), path, query = place
        number = next(n for n, (name, who) in enumerate(OWNERS) if (name, who.handle if who else None) == (environment, handle))
        request, target, exchange = self.call(number, "GET", path + query, [*((name, value) for name, value in one.varies if value), ONLY])
        try:
            found = await self.cache.look_up(request, target, exchange)
        except UpstreamTimeout:
            return 0
        return len(found.response.body) if isinstance(found, Fresh) and isinstance(found.response.body, bytes) else 0
