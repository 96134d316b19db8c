// The plans that an answer offers, to choose one of them. Other plans than the first cost a search, so they are looked
// for when the planner is not sure, or on demand.

import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "./announce";
import * as api from "./api";
import { calls, same, summary, type Plan } from "./plan";
import { count, percent } from "./words";

export interface Choice {
  plan: Plan;
  candidate: api.Candidate | null;
}

/** The plans, most likely first; the one that was saved as right goes before them. */
export function choicesOf(plans: api.Candidate[], saved: Plan | null): Choice[] {
  const distinct = plans.filter(({ plan }, i) => plans.findIndex((other) => same(other.plan, plan)) === i);
  distinct.sort((one, other) => (other.probability ?? 0) - (one.probability ?? 0));
  const asked = distinct.map((candidate) => ({ plan: candidate.plan, candidate }));
  if (!saved) return asked;
  const own = asked.find(({ plan }) => same(plan, saved)) ?? { plan: saved, candidate: null };
  return [own, ...asked.filter((one) => one !== own)];
}

const SURE = 0.8; // from this confidence on, other plans are looked for on demand only
const ALTERNATIVES = 4; // plans that are looked for, the best one included

export type Search = { state: "none" | "looking" | "found" } | { state: "failed"; message: string };

/** Other plans for an answered request. */
export function useOthers(answer: api.Answer) {
  const [search, setSearch] = useState<Search>({ state: "none" });
  const [others, setOthers] = useState<api.Candidate[]>([]);
  const stop = useRef(new AbortController());
  const look = async () => {
    setSearch({ state: "looking" });
    try {
      const { plans } = await api.plan(answer.request, answer.model, ALTERNATIVES, stop.current.signal);
      setOthers(plans);
      setSearch({ state: "found" });
      announce(`${count(plans.length, "plan")} to choose from.`);
    } catch (error) {
      if (error instanceof api.Trouble) setSearch({ state: "failed", message: error.message });
    }
  };
  useEffect(() => {
    const [first] = answer.plans;
    if (first && (first.confidence ?? 0) < SURE) look();
    return () => stop.current.abort();
  }, []);
  return { search, others, look };
}

interface Props {
  choices: Choice[];
  chosen: Choice;
  search: Search;
  onChoose: (plan: Plan) => void;
  onLook: () => void;
}

export function Choices({ choices, chosen, search, onChoose, onLook }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const look = () => {
    frame.current?.focus(); // the button goes; the next Tab leads to the plans
    onLook();
  };
  return (
    <div class="choices" tabIndex={-1} ref={frame}>
      {choices.length > 1 && (
        <fieldset>
          <legend>Plans, most likely first</legend>
          {choices.map((choice) => {
            const { plan, candidate } = choice;
            const alike = choices.some((other) => other !== choice && summary(other.plan) === summary(plan));
            return (
              <label key={calls(plan)}>
                <input type="radio" name="choice" checked={choice === chosen} onChange={() => onChoose(plan)} />
                <span class="code">{alike ? calls(plan) : summary(plan)}</span>
                {candidate?.probability != null && (
                  <meter aria-hidden="true" min={0} max={1} value={candidate.probability} />
                )}
                <span class="share">
                  {candidate ? candidate.probability !== null && percent(candidate.probability) : "yours"}
                </span>
              </label>
            );
          })}
        </fieldset>
      )}
      {search.state === "looking" && <p class="waiting">Looking for other plans …</p>}
      {search.state === "found" && choices.length === 1 && <p class="muted">There is no other plan.</p>}
      {search.state === "failed" && <p class="problem">No other plans: {search.message}</p>}
      {(search.state === "none" || search.state === "failed") && (
        <button type="button" class="quiet" onClick={look}>
          Look for other plans
        </button>
      )}
    </div>
  );
}
