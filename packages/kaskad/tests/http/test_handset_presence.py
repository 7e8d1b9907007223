"""The handset comes and goes with the simulator, without a restart."""

import httpx2
from msgspec.structs import replace

from kaskad.app.ports import Provider
from kaskad.bootstrap import Options, build
from kaskad.stores.memory import MemoryStore
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests import builders


async def test_the_handset_is_there_while_there_is_a_simulator() -> None:
    clock = FakeClock()
    catalog = FixedCatalog(builders.snapshot(builders.channel()))
    service = build(
        Options(secret_keys=[builders.KEY], handset=True),
        store=MemoryStore(clock.now),
        catalog=catalog,
        clock=clock,
        entropy=FakeEntropy(),
    )
    transport = httpx2.ASGITransport(app=service.application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/handset/messages")).status_code == 200
        page = (await client.get("/handset")).text
        assert 'href="/"' not in page
        assert "kaskad-phone" in page
        real = Provider(id="x", tenant=builders.TENANT, driver="another", settings={})
        catalog.snapshot = replace(
            builders.snapshot(builders.channel()), providers={(builders.TENANT, "x"): real}
        )
        gone = await client.get("/handset/messages")
        assert (gone.status_code, gone.json()["type"]) == (404, "NotFoundException")
