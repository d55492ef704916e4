// The page's own sign-in library, unchanged, against the sandbox: up, out, in, refreshed, out.
// node sign_in.mjs <identity provider's address> <e-mail>

import { AuthClient } from "@supabase/auth-js";

const [url, email] = process.argv.slice(2);
const auth = new AuthClient({ url: `${url}/auth/v1`, autoRefreshToken: false, persistSession: false });
const password = "a long enough password";

async function step(name, answer) {
  const { data, error } = await answer;
  console.log(JSON.stringify({ step: name, data, error: error && { status: error.status, code: error.code } }));
  return data;
}

await step("sign up", auth.signUp({ email, password, options: { data: { name: "Noor" } } }));
await step("sign out", auth.signOut());
await step("wrong password", auth.signInWithPassword({ email, password: "not this one" }));
const { session } = await step("sign in", auth.signInWithPassword({ email, password }));
await step("user", auth.getUser());
await step("refresh", auth.refreshSession());
await step("old refresh token", auth.refreshSession({ refresh_token: session.refresh_token }));
