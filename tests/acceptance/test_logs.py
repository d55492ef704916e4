"""What the processes write down: facts for operators, and nothing of what people are or say."""

import json
from typing import Any

from tests.acceptance.scene import Scene, until
from tests.stack import Stack

SAID = "nobody-else-reads-this-sentence"


def written(stack: Stack) -> str:
    """Everything that the hubs and workers have logged so far."""
    logs = [running.program.log for running in (*stack.webs.values(), *stack.workers)]
    return "".join(log.read_text(errors="replace") for log in logs if log is not None)


async def test_no_log_line_holds_a_token_a_text_or_a_person(scene: Scene) -> None:
    person = await scene.person("guest")
    guest, host = await scene.enter(person, 0), await scene.host(1, rate_minor=30_000)
    session_id = await scene.live(guest, host)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=SAID)
    # What is refused and what fails is logged with most zeal.
    await guest.refusal("chat:send", session_id=session_id, client_id="2", text=SAID * 100)
    await guest.refusal("no:such:event", text=SAID)
    await guest.refusal("auth:refresh", token=guest.token + SAID)
    await guest.drop()
    await host.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    (name,) = [row["name"] for row in await scene.sql("select name from people where id = $1", guest.id)]
    log = written(scene.stack)
    assert session_id in log
    for private in (SAID, guest.token, host.token, person["email"], name, guest.id, host.id):
        assert private not in log


async def test_each_line_is_one_event_with_a_name_and_a_time(scene: Scene) -> None:
    await scene.guest(0)

    async def opened() -> bool:
        return '"socket.opened"' in written(scene.stack)

    await until(opened, "nothing was logged")
    for line in written(scene.stack).splitlines():
        entry: dict[str, Any] = json.loads(line)
        assert {"event", "level", "timestamp", "process"} <= entry.keys()
