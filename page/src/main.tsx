import { render } from "preact";
import { App } from "./app";
import { applyTheme } from "./theme";

applyTheme();
document.addEventListener("DOMContentLoaded", () => render(<App />, document.getElementById("page")!));
