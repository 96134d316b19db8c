// A button that puts a text on the clipboard and says so.

import { useState } from "preact/hooks";
import { announce } from "./announce";

export function Copy({ text, children, what }: { text: () => string; children: string; what: string }) {
  const [state, setState] = useState<"" | "Copied" | "Not allowed">("");
  const copy = async () => {
    const done = await write(text());
    setState(done ? "Copied" : "Not allowed");
    announce(done ? `${what} is on the clipboard.` : "The browser does not allow it.");
    setTimeout(() => setState(""), 2000);
  };
  return (
    <button type="button" onClick={copy}>
      {state || children}
    </button>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text); // no clipboard on a page that did not come over HTTPS or from this computer
  }
}

function writeBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  const before = document.activeElement as HTMLElement | null;
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}
