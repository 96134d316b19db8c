// The request box, and what can be asked with a click: examples of the catalogue and earlier requests.

import { useEffect, useState } from "preact/hooks";
import type { Asked } from "./storage";

interface BoxProps {
  request: string;
  asking: boolean;
  ready: boolean;
  onAsk: (request: string) => void;
  onStop: () => void;
}

export function RequestBox({ request, asking, ready, onAsk, onStop }: BoxProps) {
  const [typed, setTyped] = useState(request);
  useEffect(() => setTyped(request), [request]);
  const ask = (event: Event) => {
    event.preventDefault();
    if (typed.trim()) onAsk(typed.trim());
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
  };
  return (
    <form class="ask" onSubmit={ask} aria-label="Ask">
      <label for="request">What should be done?</label>
      <div class="box">
        <textarea
          id="request"
          rows={1}
          required
          aria-describedby="request-keys"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={press}
        />
        {/* With keys: one element that turned into the other would submit the form when "Stop" is pressed. */}
        {asking ? (
          <button key="stop" type="button" onClick={onStop}>
            Stop
          </button>
        ) : (
          <button key="ask" class="main" disabled={!ready}>
            Plan it
          </button>
        )}
      </div>
      <p id="request-keys" class="muted keys">
        Enter asks, Shift + Enter begins a new line.
      </p>
    </form>
  );
}

interface ListsProps {
  examples: string[];
  history: Asked[];
  onAsk: (request: string, model?: string) => void;
  onForget: () => void;
}
const SHOWN = 6;

export function Suggestions({ examples, history, onAsk, onForget }: ListsProps) {
  const [all, setAll] = useState(false);
  const entries = all ? history : history.slice(0, SHOWN);
  return (
    <div class="suggestions">
      {examples.length > 0 && (
        <section aria-labelledby="examples-title">
          <h2 id="examples-title">Examples</h2>
          <ul>
            {examples.slice(0, SHOWN).map((request) => (
              <li key={request}>
                <button type="button" class="plain" onClick={() => onAsk(request)}>
                  {request}
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {history.length > 0 && (
        <section aria-labelledby="history-title">
          <h2 id="history-title">Asked before</h2>
          <ul>
            {entries.map(({ request, model, answer }) => (
              <li key={`${model} ${request}`}>
                <button type="button" class="plain" onClick={() => onAsk(request, model)}>
                  {request}
                </button>
                <p class="muted code">{answer}</p>
              </li>
            ))}
          </ul>
          <p class="bar">
            {history.length > SHOWN && (
              <button type="button" class="quiet" onClick={() => setAll(!all)}>
                {all ? "Show fewer" : `Show all ${history.length}`}
              </button>
            )}
            <button type="button" class="quiet" onClick={onForget}>
              Clear
            </button>
          </p>
        </section>
      )}
    </div>
  );
}
