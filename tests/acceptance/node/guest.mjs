// A guest on npm's socket.io-client: the main job, told line by line as JSON on standard output.
// Arguments: hub address, access token, practitioner's id.
import { io } from "socket.io-client";

const [hub, token, practitionerId] = process.argv.slice(2);
const WITHIN_MS = 30_000;

const tell = (step, body) => process.stdout.write(JSON.stringify({ step, body }) + "\n");

const socket = io(hub, { transports: ["websocket"], auth: { token }, reconnectionDelay: 50 });
const heard = [];
let wake = () => {};
socket.onAny((event, body) => {
  heard.push({ event, body });
  wake();
});
socket.on("connect_error", (error) => {
  tell("refused", error.data ?? { message: error.message });
  process.exit(1);
});

const ask = async (event, body) => {
  const answer = await socket.timeout(WITHIN_MS).emitWithAck(event, body);
  if (!answer.ok) throw new Error(`${event}: ${JSON.stringify(answer.error)}`);
  return answer;
};

const hear = async (event, fits = () => true) => {
  const until = Date.now() + WITHIN_MS;
  for (;;) {
    const found = heard.find((one) => one.event === event && fits(one.body));
    if (found) return found.body;
    if (Date.now() > until) throw new Error(`did not hear ${event}`);
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, 500);
    });
  }
};

const connected = () => new Promise((resolve) => socket.once("connect", resolve));

try {
  await connected();
  const { practitioners } = await ask("directory:watch", {});
  tell("directory", practitioners.find((one) => one.id === practitionerId));
  const { session, hold } = await ask("session:request", {
    practitioner_id: practitionerId,
    request_id: "node",
    cap_minor: 3000,
  });
  tell("requested", { session, hold });
  const of = (body) => body.session?.id === session.id;
  await hear("session:state", (body) => of(body) && body.session.state === "waiting");
  const joined = await ask("room:join", { session_id: session.id });
  tell("joined", joined);
  await hear("session:state", (body) => of(body) && body.session.state === "live");
  for (const number of [1, 2, 3]) {
    await ask("chat:send", { session_id: session.id, client_id: `n${number}`, text: `node ${number} 🌱` });
  }
  await hear("chat:message", (body) => body.text === "from Python");
  const before = heard.filter((one) => one.event === "chat:message").map((one) => one.body.seq);

  const back = connected();
  // As when the network goes: the transport ends, nobody says goodbye, and the library comes back by itself.
  socket.io.engine.close();
  await back;
  const last = Math.max(...before);
  const again = await ask("room:join", { session_id: session.id, after_seq: last });
  tell("back", { last, messages: again.messages, head_seq: again.head_seq });
  await hear("chat:message", (body) => body.text === "the last word");
  const after = heard.filter((one) => one.event === "chat:message").map((one) => one.body.seq);
  const ended = await ask("session:end", { session_id: session.id });
  await hear("session:state", (body) => of(body) && body.session.state === "settled");
  tell("ended", { ended, seqs: [...after, ...again.messages.map((one) => one.seq)].sort((a, b) => a - b) });
  socket.close();
} catch (error) {
  tell("failed", String(error));
  process.exit(1);
}
