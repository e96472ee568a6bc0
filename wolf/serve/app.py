"""The addresses of the dashboard.

/                        the runs                     /live                     their list, as it changes
/run/NAME                one run                      /run/NAME/live            its parts, as they change
/run/NAME/variants       the table's page             /run/NAME/variant/ID      one variant, and its controls
/run/NAME/compare        any two, side by side        /run/NAME/duel            two texts, blind
/run/NAME/report         the report, to keep          /run/NAME/order           POST: an order into the inbox
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from wolf.errors import UsageError
from wolf.reading.records import Run
from wolf.reading.terminal import line
from wolf.serve import controls, views
from wolf.serve.follow import Follower
from wolf.serve.guard import Guard
from wolf.serve.pages import Pages, digest
from wolf.serve.shelf import BROKEN, Shelf

LARGEST = 8 * 2**20  # bytes of a form
LOOK = 0.4  # seconds between two looks at a run
BEAT = 10.0  # seconds after which a stream says that it is alive
STATIC = {  # name -> its package, its file there, its type
    "report.css": ("wolf.report", "style.css", "text/css"),
    "serve.css": ("wolf.serve", "serve.css", "text/css"),
    "map.js": ("wolf.report", "map.js", "text/javascript"),
    "serve.js": ("wolf.serve", "serve.js", "text/javascript"),
}


class Dashboard:
    """The server's state: the shelf, the templates, whether it is closing."""

    def __init__(self, where: Path, closing: Callable[[], bool] = lambda: False) -> None:
        """`closing` says that streams should end."""
        self.shelf = Shelf(where)
        self.pages = Pages()
        self._closing = closing

    def app(self, token: str, cookie: str) -> Starlette:
        """The application, behind its guard."""
        routes = [
            Route("/", self.runs),
            Route("/live", self.runs_live),
            Route("/static/{name}", static),
            Route("/run/{name}", self.run),
            Route("/run/{name}/live", self.run_live),
            Route("/run/{name}/variants", self.variants),
            Route("/run/{name}/variant/{id}", self.variant),
            Route("/run/{name}/compare", self.compare),
            Route("/run/{name}/duel", self.duel),
            Route("/run/{name}/report", self.report),
            Route("/run/{name}/order", self.order, methods=["POST"]),
        ]
        guard = Middleware(Guard, token=token, cookie=cookie)
        broken = dict.fromkeys(BROKEN, self.trouble)
        return Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: self.missing, **broken})

    # Pages

    async def runs(self, request: Request) -> Response:
        """The list; a single run is shown at once."""
        if self.shelf.single:
            return RedirectResponse(f"/run/{self.shelf.names()[0]}", 303)
        rows = await self.shelf.rows()
        return HTMLResponse(self.pages.render("runs.html", where=str(self.shelf.where), rows=rows))

    async def run(self, request: Request) -> Response:
        """One run. The map and the knobs take seconds, so they come through the stream, or with `?all`."""
        follower = self._follower(request)
        everything = "all" in request.query_params

        def work(run: Run) -> str:
            parts = self.pages.parts(follower, run, everything, False)
            return self.pages.render("run.html", **self.pages.frame(run, request.query_params), parts=parts)

        return HTMLResponse(await follower.do(work))

    async def variants(self, request: Request) -> Response:
        """A page of the table; the table alone for a script."""
        alone = "bare" in request.query_params
        return await self._page(
            request, "table.html" if alone else "variants.html", lambda run: views.table(run, request.query_params)
        )

    async def variant(self, request: Request) -> Response:
        """One variant."""
        return await self._page(request, "variant.html", lambda run: views.variant(run, request.path_params["id"]))

    async def compare(self, request: Request) -> Response:
        """Two variants."""
        a, b = (request.query_params.get(name, default) for name, default in (("a", "seed"), ("b", "best")))
        return await self._page(request, "compare.html", lambda run: views.compared(run, a, b))

    async def duel(self, request: Request) -> Response:
        """Two texts."""
        return await self._page(request, "duel.html", views.duel)

    async def report(self, request: Request) -> Response:
        """The report, as a file to keep."""
        from wolf.report import render

        html = await self._follower(request).do(render)
        return HTMLResponse(html, headers={"content-disposition": 'attachment; filename="report.html"'})

    async def order(self, request: Request) -> Response:
        """Put an order into the inbox. What becomes of it, the run says: it is shown when it has been written down."""
        from wolf.commands.tell import send

        follower = self._follower(request)
        if int(request.headers.get("content-length", 0)) > LARGEST:
            raise UsageError("this is too much for one order: 8 MiB at most")
        body = (await request.body()).decode("utf-8")
        form = {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
        id = await follower.do(lambda run: send(run, controls.order(run, form), "dashboard"))
        if _script(request):
            return JSONResponse({"id": id, "waits": not follower.working})
        back = "duel" if form.get("back") == "duel" else ""
        name = request.path_params["name"]
        return RedirectResponse(f"/run/{name}/{back}" if back else f"/run/{name}#orders", 303)

    # Streams

    async def runs_live(self, request: Request) -> Response:
        """The list, whenever it changed."""

        async def parts() -> dict[str, str]:
            return {"runs": self.pages.render("list.html", rows=await self.shelf.rows())}

        return self._stream(request, parts)

    async def run_live(self, request: Request) -> Response:
        """The parts of a run that changed."""
        follower = self._follower(request)

        async def parts() -> dict[str, str]:
            if self.pages.quiet(follower):
                return {}
            return await follower.do(lambda run: self.pages.parts(follower, run, True, True))

        return self._stream(request, parts, follower)

    def _stream(self, request: Request, parts: Any, follower: Follower | None = None) -> Response:
        async def events() -> AsyncIterator[str]:
            sent: dict[str, str] = {}
            beat = asyncio.get_running_loop().time()
            if follower:
                follower.watchers += 1
            try:
                yield "retry: 1000\n\n"
                while not self._closing():
                    try:
                        made = await parts()
                    except BROKEN as error:
                        made = {"trouble": self.pages.render("trouble.html", sentence=_sentence(error), bare=True)}
                    fresh = {name: html for name, html in made.items() if sent.get(name) != digest(html)}
                    if fresh:
                        sent |= {name: digest(html) for name, html in fresh.items()}
                        data = {name: {"html": html, "digest": sent[name]} for name, html in fresh.items()}
                        seq = follower.seq if follower else 0
                        yield f"id: {seq}\nevent: parts\ndata: {json.dumps(data)}\n\n"
                    now = asyncio.get_running_loop().time()
                    if fresh or now - beat > BEAT:
                        beat = now
                        yield "event: beat\ndata: {}\n\n"
                    await asyncio.sleep(LOOK)
            finally:
                if follower:
                    follower.watchers -= 1

        return StreamingResponse(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    # What can go wrong

    async def trouble(self, request: Request, error: Exception) -> Response:
        """A sentence, never a traceback."""
        status = 422 if isinstance(error, UsageError) else 500
        if _script(request):
            return JSONResponse({"error": _sentence(error)}, status)
        return HTMLResponse(self.pages.render("trouble.html", sentence=_sentence(error), bare=False), status)

    async def missing(self, request: Request, error: Exception) -> Response:
        """No such page."""
        assert isinstance(error, HTTPException)
        sentence = error.detail if error.status_code == 404 and error.detail != "Not Found" else "there is no such page"
        sentence = sentence if error.status_code == 404 else error.detail
        if _script(request):
            return JSONResponse({"error": sentence}, error.status_code)
        return HTMLResponse(self.pages.render("trouble.html", sentence=sentence, bare=False), error.status_code)

    def _follower(self, request: Request) -> Follower:
        follower = self.shelf.follower(request.path_params["name"])
        if follower is None:
            raise HTTPException(404, f"there is no run {line(request.path_params['name'], 80)} in {self.shelf.where}")
        return follower

    async def _page(self, request: Request, template: str, values: Callable[[Run], dict[str, Any]]) -> Response:
        def work(run: Run) -> str:
            return self.pages.render(template, **self.pages.frame(run, request.query_params), **values(run))

        return HTMLResponse(await self._follower(request).do(work))


async def static(request: Request) -> Response:
    """Our style and our script."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    package, file, kind = STATIC[name]
    return Response((files(package) / file).read_bytes(), media_type=kind)


def _script(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _sentence(error: Exception) -> str:
    return line(str(error), 600) or type(error).__name__
