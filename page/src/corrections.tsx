// What people said is right, and the command that learns it.

import type { Corrections } from "./api";
import { Copy } from "./copy";
import { Graph } from "./graph";
import { writeLink } from "./link";
import { summary } from "./plan";
import { count } from "./words";

export function CorrectionsView({ corrections, model }: { corrections: Corrections; model: string }) {
  const { waiting, command, examples } = corrections;
  return (
    <section class="corrections" aria-labelledby="corrections-title">
      <h1 id="corrections-title">Corrections</h1>
      {waiting > 0 ? (
        <>
          <p>
            {count(waiting, "plan")} {waiting === 1 ? "waits" : "wait"} to be learned. This command learns{" "}
            {waiting === 1 ? "it" : "them"}:
          </p>
          <div class="command">
            <pre tabIndex={0} aria-label="Command">
              {command}
            </pre>
            <Copy what="The command" text={() => command}>
              Copy
            </Copy>
          </div>
        </>
      ) : (
        <p class="empty">
          Nothing waits. Below each plan, “Save as right” keeps it for the next fine-tune, as it is or corrected.
        </p>
      )}
      <ul>
        {examples.map(({ request, plan }) => (
          <li>
            <details>
              <summary>
                {request} <span class="muted code">{summary(plan)}</span>
              </summary>
              <div class="inside">
                {plan.length > 0 && <Graph plan={plan} model={model} />}
                <p>
                  <a href={writeLink({ request, model })}>Ask again</a>
                </p>
              </div>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
