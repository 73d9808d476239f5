"""The dashboard's files, as `web/` built them into the package."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parent.parent / "bundle" / "assets" / "web"
MISSING = (
    "The dashboard's files are not in this installation: there is no page to show.\n"
    "The collector itself works; its data are at /v1/models and /v1/drift.\n"
    "In a checkout `make assets` builds the files; a released wheel brings them.\n"
)


def page(web: Path) -> Response:
    """`dashboard.html`, or a plain word about why it isn't there."""
    file = web / "dashboard.html"
    if not file.is_file():
        return PlainTextResponse(MISSING, 503)
    return FileResponse(file, headers={"Cache-Control": "no-cache"})


class Assets(StaticFiles):
    """`/assets/dashboard-*`: names carry a hash of the content, so a browser may keep them for
    good.
    """

    def __init__(self, web: Path) -> None:
        super().__init__(directory=web / "assets", check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
