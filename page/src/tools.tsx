// The catalogue, to browse and to search.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Tool } from "./api";
import { isNothing, inWords } from "./schema";
import { count } from "./words";

const SHOWN = 100;

/** `open`: the name of the tool to show in full. */
export function ToolsView({ tools, open }: { tools: Tool[]; open: string }) {
  const [words, setWords] = useState("");
  const found = matching(tools, words);
  const shown = found.slice(0, SHOWN);
  const target = tools.find((tool) => tool.name === open);
  if (target && !words && !shown.includes(target)) shown.unshift(target);
  return (
    <section class="tools" aria-labelledby="tools-title">
      <h1 id="tools-title">Tools</h1>
      <div class="search">
        <label for="search" class="unseen">
          Search the tools
        </label>
        <input
          id="search"
          type="search"
          placeholder="Search names, descriptions, arguments"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <p class="muted" role="status">
          {words ? `${count(found.length, "tool")} of ${tools.length}` : count(tools.length, "tool")}
          {found.length > shown.length && `, the first ${SHOWN} are shown`}
        </p>
      </div>
      <ul>
        {shown.map((tool) => (
          <ToolEntry key={tool.name} tool={tool} open={tool.name === open} />
        ))}
      </ul>
    </section>
  );
}

/** The tools in which every word occurs; those with all words in their name go first. */
function matching(tools: Tool[], typed: string): Tool[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text: string) => words.every((word) => text.toLowerCase().includes(word));
  const found = tools.filter((tool) =>
    has(
      [tool.name, tool.title, tool.description, ...tool.arguments.flatMap((one) => [one.name, one.description])].join(
        " ",
      ),
    ),
  );
  return [...found.filter((tool) => has(tool.name)), ...found.filter((tool) => !has(tool.name))];
}

function ToolEntry({ tool, open }: { tool: Tool; open: boolean }) {
  const summary = useRef<HTMLElement>(null);
  useEffect(() => {
    if (open) summary.current?.focus();
  }, [open]);
  const output = tool.output_schema;
  const returns =
    output === null || !Object.keys(output).length ? "anything" : isNothing(output) ? "nothing" : inWords(output);
  return (
    <li>
      <details open={open}>
        <summary ref={summary}>
          <span class="code">{tool.name}</span>{" "}
          <span class="muted">{tool.title || tool.description.split("\n")[0]}</span>
        </summary>
        <div class="inside">
          {(tool.title || tool.description.includes("\n")) && <p class="whole">{tool.description}</p>}
          {tool.arguments.length > 0 ? (
            <dl class="arguments" aria-label={`Arguments of ${tool.name}`}>
              {tool.arguments.map((one) => (
                <div>
                  <dt>
                    <span class="code">{one.name}</span>
                    {one.required && <span class="required"> required</span>}
                  </dt>
                  <dd>{inWords(one.schema)}</dd>
                  <dd class="muted">{one.description}</dd>
                </div>
              ))}
            </dl>
          ) : (
            <p class="muted">It takes no arguments.</p>
          )}
          <p>
            <span class="muted">Returns</span> {returns}
          </p>
        </div>
      </details>
    </li>
  );
}
