"""The front door: what runs here, and where to go next."""

from importlib.resources import files

from aiohttp import web

CSP = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"


class Page:
    """`GET /` and its style sheet, read once."""

    def __init__(self) -> None:
        screens = files("hub.routes") / "screens"
        self._page = (screens / "front.html").read_text()
        self._style = (screens / "front.css").read_text()

    def routes(self) -> list[web.RouteDef]:
        """The page and its style."""
        return [web.get("/", self.page), web.get("/front.css", self.style)]

    async def page(self, _request: web.Request) -> web.Response:
        """What runs here."""
        return web.Response(
            text=self._page, content_type="text/html", headers={"Content-Security-Policy": CSP}
        )

    async def style(self, _request: web.Request) -> web.Response:
        """How it looks."""
        return web.Response(
            text=self._style, content_type="text/css", headers={"Cache-Control": "max-age=300"}
        )
