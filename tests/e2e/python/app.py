"""An application protected by the published SDK, as the guide shows it. `USSO_URL` says where USSO is."""

import os

from fastapi import Depends, FastAPI
from usso import UserData
from usso.integrations.fastapi import EXCEPTION_HANDLERS, USSOAuthentication

app = FastAPI(exception_handlers=EXCEPTION_HANDLERS)
signed_in = USSOAuthentication({"jwks_url": os.environ["USSO_URL"] + "/.well-known/jwks.json"})


@app.get("/hello")
def hello(user: UserData = Depends(signed_in)) -> dict:
    return {"user": user.uid, "tenant": user.tenant_id}
