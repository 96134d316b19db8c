// The part of the address behind "#": which view is shown, and which request is asked of which model.

export interface Link {
  view: "ask" | "tools" | "corrections";
  request: string;
  model: string;
  tool: string;
}

export function readLink(fragment = location.hash): Link {
  const fields = new URLSearchParams(fragment.slice(1));
  const view = fields.get("view");
  return {
    view: view === "tools" || view === "corrections" ? view : "ask",
    request: fields.get("request") ?? "",
    model: fields.get("model") ?? "",
    tool: fields.get("tool") ?? "",
  };
}

export function writeLink({ view = "ask", request, model, tool }: Partial<Link>): string {
  const fields = new URLSearchParams();
  if (view !== "ask") fields.set("view", view);
  for (const [name, value] of Object.entries({ request, model, tool })) {
    if (value) fields.set(name, value);
  }
  return `#${fields.toString().replaceAll("+", "%20")}`;
}
