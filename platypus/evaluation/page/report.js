"use strict";
const data = JSON.parse(document.getElementById("rows").textContent);
const PAGE = 25;
const $ = (id) => document.getElementById(id);
const node = (name, className = "", text = "") => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
};

const REFERENCE = /^\$\$PREV\[(\d+)\](.*)$/;
const parts = (value) => (Array.isArray(value) ? value : [value]);
const references = (value) => parts(value).map((part) => REFERENCE.exec(part)).filter(Boolean);

// A value as text that does not depend on step numbers, for finding differences; and as it is shown.
const key = (plan, value) =>
  JSON.stringify(value, (_, part) => {
    const found = typeof part === "string" && REFERENCE.exec(part);
    return found ? `\u0000${plan[found[1]]?.tool_name}${found[2]}` : part;
  });
const shown = (value) =>
  JSON.stringify(value, (_, part) => {
    const found = typeof part === "string" && REFERENCE.exec(part);
    return found ? `\u0001${Number(found[1]) + 1}${found[2]}\u0001` : part;
  }).replace(/"\\u0001(.*?)\\u0001"/g, "output of $1");

// The steps and arguments of a plan that another plan lacks.
function lacking(plan, other) {
  const tools = other.map((step) => step.tool_name);
  const values = other.flatMap((step) => step.arguments.map((a) => `${step.tool_name} ${a.argument_name} ${key(other, a.argument_value)}`));
  const take = (list, item) => {
    const at = list.indexOf(item);
    if (at >= 0) list.splice(at, 1);
    return at < 0;
  };
  return plan.map((step) => ({
    step: take(tools, step.tool_name),
    values: step.arguments.map((a) => take(values, `${step.tool_name} ${a.argument_name} ${key(plan, a.argument_value)}`)),
  }));
}

function drawn(plan, other) {
  const box = node("div", "plan");
  if (!plan.length) {
    box.append(node("p", "nothing", "No plan: the tools cannot answer that."));
    return box;
  }
  const differing = other ? lacking(plan, other) : plan.map((step) => ({ step: false, values: step.arguments.map(() => false) }));
  const steps = plan.map((step, i) => {
    const made = node("div", differing[i].step ? "step differs" : "step");
    const title = node("b");
    title.append(node("i", "", `${i + 1} `), step.tool_name);
    made.append(title);
    step.arguments.forEach((argument, k) => {
      const line = node("div");
      line.append(node("span", differing[i].values[k] && !differing[i].step ? "differs" : "", `${argument.argument_name} = ${shown(argument.argument_value)}`));
      made.append(line);
    });
    return made;
  });
  box.append(...steps);
  const edges = plan.flatMap((step, to) => [...new Set(step.arguments.flatMap((a) => references(a.argument_value).map((r) => Number(r[1]))))].map((from) => [from, to]));
  requestAnimationFrame(() => box.append(arcs(steps, edges)));
  return box;
}

// Arcs at the left: from each step to the steps that use its output.
function arcs(steps, edges) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const middle = (step) => step.offsetTop + 14;
  for (const [from, to] of edges) {
    if (!steps[from]) continue;
    const [start, end] = [middle(steps[from]) + 5, middle(steps[to]) - 3];
    const x = 32 - Math.min(28, 10 + 6 * (to - from));
    const path = document.createElementNS(svg.namespaceURI, "path");
    path.setAttribute("d", `M32 ${start} C${x} ${start} ${x} ${end} 31 ${end} m-6 -4 l6 4 l-6 4`);
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "#1f6feb");
    path.setAttribute("stroke-width", "1.5");
    svg.append(path);
  }
  return svg;
}

function side(title, content) {
  const made = node("div");
  made.append(node("h3", "", title), content);
  return made;
}

function row(example, variant) {
  const made = node("details", "row");
  const answer = example.answers[variant];
  const line = node("summary");
  line.append(node("span", "request", example.request));
  if (!answer.mistakes.length) line.append(node("span", answer.exact ? "badge right" : "badge", answer.exact ? "exact" : "not exact"));
  for (const kind of answer.mistakes) line.append(node("span", "badge", kind));
  made.append(line);
  made.addEventListener("toggle", () => {
    if (!made.open || made.children.length > 1) return;
    const pair = node("div", "pair");
    const plain = (value) => node("pre", "", value);
    pair.append(side("gold", Array.isArray(example.gold) ? drawn(example.gold, answer.plan) : plain(example.gold)));
    for (const name of [variant, ...Object.keys(example.answers).filter((other) => other !== variant)]) {
      const said = example.answers[name];
      const sure = said.probability === null ? "" : `, probability ${Math.round(100 * said.probability)}%`;
      const content = node("div");
      content.append(said.plan ? drawn(said.plan, example.gold) : plain(said.answer));
      if (said.problems.length) content.append(node("p", "problem", said.problems[0]));
      pair.append(side(`${name}${sure}`, content));
    }
    made.append(pair);
  });
  return made;
}

let count = PAGE;
function show() {
  const variant = $("variant").value, kind = $("kind").value, text = $("text").value.toLowerCase();
  const found = data.filter(({ request, answers }) => {
    const { mistakes, exact } = answers[variant];
    const fits = kind === "" || (kind === "wrong" ? !exact : kind === "exact" ? exact : mistakes.includes(kind));
    return fits && request.toLowerCase().includes(text);
  });
  $("found").textContent = `${found.length} of ${data.length} rows`;
  $("list").replaceChildren(...found.slice(0, count).map((example) => row(example, variant)));
  $("more").hidden = found.length <= count;
}
for (const id of ["variant", "kind", "text"]) $(id).addEventListener("input", () => { count = PAGE; show(); });
$("more").addEventListener("click", () => { count += PAGE; show(); });
show();
const first = document.querySelector("#list .row");
if (first) first.open = true;
