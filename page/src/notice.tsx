// What went wrong, in plain words, with the way on.

import { useEffect } from "preact/hooks";
import type { Kind, Trouble } from "./api";
import { readKey, writeKey } from "./storage";

const TITLES: Record<Kind, string> = {
  gone: "The server is gone",
  busy: "The server is busy",
  starting: "The planner is not ready yet",
  late: "There was no answer in time",
  key: "This server asks for a key",
  refused: "That did not work",
};
const PAUSE = 3; // seconds between two looks at a server that is starting

export function Notice({ trouble, onRetry }: { trouble: Trouble; onRetry: () => void }) {
  const { kind, wait } = trouble;
  const message =
    kind !== "key"
      ? trouble.message
      : readKey()
        ? "It does not know the key that was given."
        : "Whoever runs the server can give you one.";
  useEffect(() => {
    if (kind !== "starting") return;
    const timer = setTimeout(onRetry, 1000 * (wait ?? PAUSE));
    return () => clearTimeout(timer);
  }, [trouble]);
  return (
    <section class="notice" role="alert" aria-label={TITLES[kind]}>
      <h2>{TITLES[kind]}</h2>
      <p>
        {message} {kind === "starting" && "The page tries again by itself."}
        {kind === "busy" && wait !== null && `It asks to wait ${wait} ${wait === 1 ? "second" : "seconds"}.`}
      </p>
      {kind === "key" ? (
        <KeyForm onRetry={onRetry} />
      ) : (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </section>
  );
}

function KeyForm({ onRetry }: { onRetry: () => void }) {
  const submit = (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    writeKey((new FormData(form).get("key") as string).trim());
    form.reset();
    onRetry();
  };
  return (
    <form class="key" onSubmit={submit}>
      <label for="key">Key</label>
      <input id="key" name="key" type="password" autocomplete="off" required />
      <button class="main">Use it</button>
      <p class="muted">It is kept until this tab is closed.</p>
    </form>
  );
}
