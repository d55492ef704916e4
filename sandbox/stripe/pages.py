"""Hosted pages: a card form, a 3-D Secure challenge, an onboarding form. Plain HTML, no script."""

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from sandbox.state import Json
from sandbox.stripe import accounts, charging, checkout, setup_intents
from sandbox.stripe.errors import StripeError
from sandbox.stripe.world import World

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>body{{font:16px system-ui;max-width:28rem;
margin:4rem auto;padding:0 1rem}}input,button{{font:inherit;padding:.5rem;margin:.25rem 0}}</style>
<h1>{title}</h1>{body}</html>"""
_CARD_FORM = """<p>{error}</p><form method="post"><label>Test card number<br>
<input name="number" autocomplete="off" inputmode="numeric" value="4242 4242 4242 4242" required></label><br>
<button type="submit">Save card</button></form><p><a href="{cancel}">Back</a></p>"""
_CHALLENGE = """<p>The bank asks whether this is you.</p><form method="post">
<button name="answer" value="approve">Approve</button>
<button name="answer" value="decline">Decline</button></form>"""
_ONBOARDING = """<p>Payouts for account {account}.</p><form method="post">
<button type="submit">Submit and finish</button></form>"""


def routes(world: World) -> list[web.RouteDef]:
    """The pages' own routes, below `/stripe`."""
    hosted = HostedPages(world)
    return [
        web.get("/stripe/checkout/{id}", hosted.show_checkout),
        web.post("/stripe/checkout/{id}", hosted.submit_checkout),
        web.get("/stripe/checkout/{id}/done", hosted.finish_checkout),
        web.get("/stripe/3ds/{id}", hosted.show_challenge),
        web.post("/stripe/3ds/{id}", hosted.answer_challenge),
        web.get("/stripe/onboarding/{id}", hosted.show_onboarding),
        web.post("/stripe/onboarding/{id}", hosted.submit_onboarding),
    ]


class HostedPages:
    """What a person's browser sees of Stripe."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def show_checkout(self, request: web.Request) -> web.Response:
        """The card form."""
        return _card_form(self._session(request), "")

    async def submit_checkout(self, request: web.Request) -> web.Response:
        """A card number: save it, ask the bank, or show what is wrong with it."""
        session = self._session(request)
        number = str((await request.post()).get("number", ""))
        try:
            intent = checkout.submit_session(self._world, session, number)
        except StripeError as error:
            return self._done(_card_form(session, str(error)))
        if intent["next_action"]:
            return self._done(_redirect(intent["next_action"]["redirect_to_url"]["url"]))
        return self._done(_redirect(_success_url(session)))

    async def finish_checkout(self, request: web.Request) -> web.Response:
        """Back from the bank: complete when the card was set up, otherwise ask for another."""
        session = self._world.store.get("checkout.session", request.match_info["id"])
        if session is None:
            raise web.HTTPNotFound
        intent = self._world.load("setup_intent", session["setup_intent"])
        if intent["status"] != "succeeded":
            return _redirect(f"{self._world.pages}/checkout/{session['id']}")
        checkout.complete_session(self._world, session)
        return self._done(_redirect(_success_url(session)))

    async def show_challenge(self, request: web.Request) -> web.Response:
        """The bank asks."""
        self._challenged(request)
        return _page("Confirm the payment", _CHALLENGE)

    async def answer_challenge(self, request: web.Request) -> web.Response:
        """`answer` is `approve` or `decline`; then back to the `return_url`."""
        answer = (await request.post()).get("answer")
        intent = self._challenged(request)
        back = intent["next_action"].get("redirect_to_url", {}).get("return_url")
        if answer not in ("approve", "decline"):
            raise web.HTTPBadRequest(text="answer is approve or decline")
        authenticate = (
            charging.authenticated if intent["object"] == "payment_intent" else setup_intents.authenticated
        )
        authenticate(self._world, intent, approved=answer == "approve")
        if not back:
            return self._done(_page("Done", "<p>You can close this page.</p>"))
        passed = intent["status"] in ("succeeded", "requires_capture")
        told = {
            intent["object"]: intent["id"],
            f"{intent['object']}_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if passed else "failed",
        }
        return self._done(_redirect(_with_query(back, told)))

    async def show_onboarding(self, request: web.Request) -> web.Response:
        """The onboarding form."""
        link = self._link(request)
        return _page("Payout details", _ONBOARDING.format(account=escape(link["account"])))

    async def submit_onboarding(self, request: web.Request) -> web.Response:
        """Everything submitted: transfers become active."""
        link = self._link(request)
        self._world.store.delete("link", link["id"])
        accounts.onboard(self._world, accounts.load(self._world, link["account"]))
        return self._done(_redirect(link["return_url"]))

    def _session(self, request: web.Request) -> Json:
        session = self._world.store.get("checkout.session", request.match_info["id"])
        if session is None or session["status"] != "open":
            raise web.HTTPNotFound(text="This page is no longer available.")
        return session

    def _challenged(self, request: web.Request) -> Json:
        intent = self._world.find(request.match_info["id"])
        if intent is None or intent.get("status") != "requires_action":
            raise web.HTTPNotFound(text="Nothing is to be confirmed here.")
        return intent

    def _link(self, request: web.Request) -> Json:
        """Links live for minutes and work once; then Stripe sends the person to the refresh address."""
        link = self._world.store.get("link", request.match_info["id"])
        if link is None:
            raise web.HTTPNotFound(text="This link was used already.")
        if link["expires_at"] < self._world.clock.now_s():
            raise web.HTTPSeeOther(link["refresh_url"])
        return link

    def _done(self, response: web.Response) -> web.Response:
        self._world.store.commit()
        return response


def _page(title: str, body: str) -> web.Response:
    return web.Response(text=_PAGE.format(title=escape(title), body=body), content_type="text/html")


def _card_form(session: Json, error: str) -> web.Response:
    cancel = session["cancel_url"] or "#"
    return _page("Save a card", _CARD_FORM.format(error=escape(error), cancel=escape(cancel)))


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})


def _success_url(session: Json) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _with_query(url: str, more: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *more.items()])
    return urlunsplit(parts._replace(query=query))
