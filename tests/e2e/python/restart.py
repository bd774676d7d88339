"""One start of a service that keeps its refresh token in USSO_REFRESH_TOKEN: refresh, ask who I am, refresh again."""

import asyncio

from usso import AsyncUssoClient


async def main() -> None:
    async with AsyncUssoClient() as client:
        await client._refresh()
        answer = await client.get("/api/sso/v1/me")
        answer.raise_for_status()
        print(answer.json()["sub"])


asyncio.run(main())
