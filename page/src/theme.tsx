// Light or dark: as the system says, until the switch says otherwise.

import { useEffect, useState } from "preact/hooks";
import { readTheme, writeTheme, type Theme } from "./storage";

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = (): Theme => (dark.matches ? "dark" : "light");

/** Called before anything is drawn, so that nothing flashes. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = readTheme() ?? system();
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(readTheme() ?? system());
  useEffect(() => {
    const follow = () => {
      applyTheme();
      setTheme(readTheme() ?? system());
    };
    dark.addEventListener("change", follow);
    return () => dark.removeEventListener("change", follow);
  }, []);
  const other = theme === "dark" ? "light" : "dark";
  const turn = () => {
    writeTheme(other === system() ? null : other);
    applyTheme();
    setTheme(other);
  };
  return (
    <button type="button" class="quiet" onClick={turn}>
      {other === "dark" ? "Dark" : "Light"}
      <span class="unseen"> theme</span>
    </button>
  );
}
