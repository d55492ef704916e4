"""Every call that the hub can make at Stripe, found in its source: the sandbox has it, and checks it by the
parameters that the installed SDK has types for.
"""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from billing import evidence, requests
from billing.payment import Kind, Wanted
from rooms.ids import SessionId
from sandbox.stripe import form
from sandbox.stripe.errors import StripeError
from sandbox.stripe.params import check
from tests.integration.payments.desk import Desk

ROOT = Path(__file__).parents[3]
SESSION = SessionId("0192f0c1-2345-7000-8000-00000000beef")
MONEY: dict[str, Any] = {"amount_minor": 1_000, "currency": "usd", "at_ms": 0}
SAVED: dict[str, Any] = {"customer": "cus_1", "payment_method": "pm_1"}


def _returned_keys(function: Any) -> list[str]:
    """The keys of the one dictionary that a function gives back, read in its source."""
    [given] = [
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(function)))
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]
    return [str(key.value) for key in given.keys if isinstance(key, ast.Constant)]


EVIDENCE = dict.fromkeys(_returned_keys(evidence.evidence), "text")
BODIES: dict[Kind, tuple[str, list[Wanted]]] = {
    Kind.HOLD: (
        "PaymentIntentCreateParams",
        [
            requests.hold(SESSION, 1, ordinal=1, return_url=url, **SAVED, **MONEY)
            for url in (None, "https://hub.example/back")
        ],
    ),
    Kind.CHARGE: (
        "PaymentIntentCreateParams",
        [requests.charge(SESSION, 1, ordinal=1, share=None, **SAVED, **MONEY)],
    ),
    Kind.TIP: (
        "PaymentIntentCreateParams",
        [requests.charge(SESSION, 1, ordinal=1, share=None, kind=Kind.TIP, **SAVED, **MONEY)],
    ),
    Kind.CAPTURE: ("PaymentIntentCaptureParams", [requests.capture(1, 1_000, "usd", intent="pi_1", at_ms=0)]),
    Kind.CANCEL: ("PaymentIntentCancelParams", [requests.cancel(1, 1_000, "usd", intent="pi_1", at_ms=0)]),
    Kind.TRANSFER: (
        "TransferCreateParams",
        [requests.transfer(SESSION, 1, ordinal=1, destination="acct_1", charge="ch_1", **MONEY)],
    ),
    Kind.REFUND: ("RefundCreateParams", [requests.refund(SESSION, 1, ordinal=1, intent="pi_1", **MONEY)]),
    Kind.REVERSAL: (
        "TransferReversalCreateParams",
        [requests.reversal(SESSION, 1, ordinal=1, transfer_id="tr_1", **MONEY)],
    ),
    Kind.EVIDENCE: (
        "DisputeUpdateParams",
        [requests.evidence(1, "usd", dispute_id="du_1", fields={**EVIDENCE}, at_ms=0)],
    ),
}


def calls() -> Iterator[tuple[str, ...]]:
    """`("transfers", "reversals", "create_async")` for each call of the SDK in the hub's source."""
    for package in ("billing", "hub"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr.endswith("_async"):
                    names = _names(node)
                    if "api" in names:
                        yield tuple(names[names.index("api") + 1 :])


def _names(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*_names(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


CALLS = sorted(set(calls()))


def test_the_calls_were_found() -> None:
    assert ("payment_intents", "create_async") in CALLS
    assert ("transfers", "reversals", "create_async") in CALLS
    assert len(CALLS) >= 14


@pytest.mark.parametrize("call", CALLS, ids=".".join)
async def test_the_sandbox_has_the_call_and_knows_its_parameters(desk: Desk, call: tuple[str, ...]) -> None:
    method: Any = desk.vendor.v1
    for name in call:
        method = getattr(method, name)
    needed = [name for name in inspect.signature(method).parameters if name not in ("params", "options")]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await method(*["id_1"] * len(needed), {"no_such_parameter": "1"})
    assert (refused.value.http_status, refused.value.code) == (400, "parameter_unknown")


@pytest.mark.parametrize("kind", Kind)
def test_every_operation_sends_what_the_sdk_has_types_for(kind: Kind) -> None:
    params, wanted = BODIES[kind]
    for one in wanted:
        assert one.kind is kind
        encoded = "&".join(_pairs(one.params.body))
        check(params, form.parse(encoded))
        with pytest.raises(StripeError):
            check(params, {**form.parse(encoded), "tip_jar": "1"})


def _pairs(body: dict[str, object], prefix: str = "") -> Iterator[str]:
    """A body as the SDK would encode it."""
    for key, value in body.items():
        name = f"{prefix}[{key}]" if prefix else key
        if isinstance(value, dict):
            yield from _pairs(value, name)
        elif isinstance(value, list):
            yield from (f"{name}[{n}]={item}" for n, item in enumerate(value))
        else:
            yield f"{name}={str(value).lower() if isinstance(value, bool) else value}"
