// An answer: how sure the planner is, the plans to choose from, and the chosen one as graph and JSON.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer, Candidate } from "./api";
import { Choices, choicesOf, useOthers } from "./choices";
import { Copy } from "./copy";
import type { Tools } from "./draft";
import { Editor } from "./editor";
import { Graph } from "./graph";
import { writeLink } from "./link";
import { printPlan, same, type Plan } from "./plan";
import { confidence, count } from "./words";

interface Props {
  answer: Answer;
  tools: Tools;
  saved: Plan | null;
  waiting: number;
  onSave: (right: Plan) => Promise<void>;
}

/** `saved`: the plan that a person said is right for this request, if there is one; `waiting`: how many there are. */
export function AnswerView({ answer, tools, saved, waiting, onSave }: Props) {
  const [chosen, setChosen] = useState<Plan | null>(saved ?? answer.plans[0]?.plan ?? null);
  const [editing, setEditing] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    if (wasEditing.current && !editing) opener.current?.focus();
    wasEditing.current = editing;
  }, [editing]);

  const { search, others, look } = useOthers(answer);
  const choices = choicesOf([...answer.plans, ...others], saved);
  const choice = choices.find(({ plan }) => chosen && same(plan, chosen)) ?? choices[0];
  if (!choice) return <p class="empty">The planner found no plan.</p>;
  const { plan } = choice;
  const isSaved = saved !== null && same(plan, saved);
  const save = async (right: Plan) => {
    await onSave(right);
    setEditing(false);
    setChosen(right);
  };
  if (editing) {
    return (
      <Editor
        request={answer.request}
        start={plan}
        tools={tools}
        model={answer.model}
        onSave={save}
        onCancel={() => setEditing(false)}
      />
    );
  }
  return (
    <section class="answer" aria-labelledby="answer-title">
      <header>
        <h2 id="answer-title">{plan.length ? count(plan.length, "step") : "No tool here can do this"}</h2>
        <Sureness candidate={choice.candidate} seconds={answer.seconds} />
      </header>
      {(choice.candidate?.notes ?? []).map((note) => (
        <p class="muted">Note: {note}</p>
      ))}
      <Choices choices={choices} chosen={choice} search={search} onChoose={setChosen} onLook={look} />
      <div class="columns">
        <div>
          {plan.length ? (
            <Graph plan={plan} model={answer.model} />
          ) : (
            <p class="empty">The planner answers with an empty plan: what is asked for is beyond these tools.</p>
          )}
          <div class="bar">
            {isSaved ? (
              <p class="good">
                Saved as right.{" "}
                <a href={writeLink({ view: "corrections", model: answer.model })}>
                  {count(waiting, "plan")} {waiting === 1 ? "waits" : "wait"} to be learned
                </a>
              </p>
            ) : (
              <SaveButton onSave={() => save(plan)} />
            )}
            <button type="button" ref={opener} onClick={() => setEditing(true)}>
              Correct it
            </button>
            <Copy
              what="The link"
              text={() => new URL(writeLink({ request: answer.request, model: answer.model }), location.href).href}
            >
              Copy link
            </Copy>
          </div>
        </div>
        <Json plan={plan} />
      </div>
    </section>
  );
}

function Sureness({ candidate, seconds }: { candidate: Candidate | null; seconds: number }) {
  if (!candidate) return <p class="sureness muted">Your correction</p>;
  const { words, detail } = confidence(candidate.confidence);
  return (
    <p class="sureness">
      <b>{words}</b>{" "}
      <span class="muted">
        {detail} {seconds.toFixed(2)} s.
      </span>
    </p>
  );
}

function SaveButton({ onSave }: { onSave: () => Promise<void> }) {
  const [failed, setFailed] = useState("");
  const save = () => onSave().catch((error: Error) => setFailed(error.message));
  return (
    <>
      <button type="button" onClick={save}>
        Save as right
      </button>
      {failed && (
        <p class="problem" role="alert">
          {failed}
        </p>
      )}
    </>
  );
}

function Json({ plan }: { plan: Plan }) {
  const shown = printPlan(plan);
  const pieces = shown.split(/("\$\$PREV\[[^"]*")/);
  return (
    <section class="json" aria-labelledby="json-title">
      <header>
        <h3 id="json-title">JSON</h3>
        <Copy what="The plan" text={() => shown}>
          Copy
        </Copy>
      </header>
      <pre tabIndex={0} aria-label="The plan as JSON">
        {pieces.map((piece, i) => (i % 2 ? <span class="reference">{piece}</span> : piece))}
      </pre>
    </section>
  );
}
