// What the browser keeps: the theme and the earlier requests for good, the key until the tab is closed.
// A browser may forbid all of it; then it is kept as long as the page is open.

function kept(kind: "localStorage" | "sessionStorage", name: string) {
  let copy: string | null = null;
  return {
    read(): string | null {
      try {
        return window[kind].getItem(name);
      } catch {
        return copy;
      }
    },
    write(text: string | null): void {
      copy = text;
      try {
        if (text === null) window[kind].removeItem(name);
        else window[kind].setItem(name, text);
      } catch {
        // Forbidden or full.
      }
    },
  };
}

const key = kept("sessionStorage", "platypus.key");
export const readKey = key.read;
export const writeKey = key.write;

export type Theme = "light" | "dark";
const theme = kept("localStorage", "platypus.theme");
export const readTheme = () => theme.read() as Theme | null;
export const writeTheme = (chosen: Theme | null) => theme.write(chosen);

export interface Asked {
  request: string;
  model: string;
  answer: string;
}
const LONGEST = 50;
const asked = kept("localStorage", "platypus.history");

export function readHistory(): Asked[] {
  try {
    const entries: unknown = JSON.parse(asked.read() ?? "[]");
    return Array.isArray(entries)
      ? entries.filter((one) => typeof one?.request === "string" && typeof one?.model === "string")
      : [];
  } catch {
    return [];
  }
}

/** Put an entry first; the same request to the same model stands once. */
export function remember(entry: Asked): Asked[] {
  const others = readHistory().filter(({ request, model }) => request !== entry.request || model !== entry.model);
  const entries = [entry, ...others].slice(0, LONGEST);
  asked.write(JSON.stringify(entries));
  return entries;
}

export function forget(): Asked[] {
  asked.write(null);
  return [];
}
