// The whole page: what is known of the server, the view that the address names, and the request that is asked.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { announce, ANNOUNCER } from "./announce";
import { AnswerView } from "./answer";
import * as api from "./api";
import { RequestBox, Suggestions } from "./ask";
import { CorrectionsView } from "./corrections";
import { readLink, writeLink, type Link } from "./link";
import { Notice } from "./notice";
import { summary, type Plan } from "./plan";
import { forget, readHistory, remember } from "./storage";
import { ThemeSwitch } from "./theme";
import { ToolsView } from "./tools";
import { confidence, count } from "./words";

/** What the server said about a model. */
interface Known {
  model: string;
  catalogue: api.Catalogue;
  corrections: api.Corrections;
}
type Asking =
  { state: "idle" | "asking" } | { state: "done"; answer: api.Answer } | { state: "failed"; trouble: api.Trouble };

export function App() {
  const link = useLink();
  const [models, setModels] = useState<api.Model[] | null>(null);
  const [latest, setKnown] = useState<Known | null>(null);
  const [trouble, setTrouble] = useState<api.Trouble | null>(null);
  const [history, setHistory] = useState(readHistory);
  const model =
    (models?.find(({ id }) => id === link.model) ?? models?.find(({ platypus }) => platypus?.default) ?? models?.[0])
      ?.id ?? "";
  const known = latest?.model === model ? latest : null;
  const { asking, ask, stop } = useAsking((answer) => setHistory(remember(entry(answer))));
  const tools = useMemo(
    () => new Map((known?.catalogue.tools ?? []).map((tool) => [tool.name, tool])),
    [known?.catalogue],
  );

  const loading = useRef(0);
  const load = async (wanted: string) => {
    const mine = ++loading.current; // what an earlier try says no longer matters
    let trouble: api.Trouble | null = null;
    try {
      const found = await api.models();
      const about = wanted ? await knownOf(wanted) : null;
      if (mine !== loading.current) return;
      setModels(found);
      if (about) setKnown(about);
    } catch (error) {
      trouble = error as api.Trouble;
    }
    if (mine === loading.current) setTrouble(trouble);
  };
  useEffect(() => void load(model), [model]);
  useEffect(() => {
    if (link.view === "ask" && link.request && model) ask(link.request, model);
  }, [link.view, link.request, model]);

  useEffect(() => {
    const about = { ask: link.request, tools: "Tools", corrections: "Corrections" }[link.view];
    document.title = about ? `${about} · Platypus` : "Platypus";
  }, [link]);

  const go = (to: Partial<Link>) => {
    const address = writeLink({ model, ...to });
    if (address === location.hash) ask(to.request ?? "", to.model ?? model);
    else location.hash = address;
  };
  const save = async (right: Plan, answer: api.Answer) => {
    const saved = await api.correct(model, answer.request, right, answer.plans[0]?.plan ?? null);
    announce(`Saved as right. ${count(saved.waiting, "correction")} to learn.`);
    const corrections = await api.corrections(model);
    setKnown((before) => before && { ...before, corrections });
  };
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the content
      </a>
      <Header link={link} model={model} models={models ?? []} known={known} asked={currentRequest(asking, link)} />
      <main id="main" tabIndex={-1}>
        {trouble && <Notice trouble={trouble} onRetry={() => load(model)} />}
        {models && link.model && link.model !== model && (
          <p class="muted">
            This server has no planner named {link.model}; {model} answers.
          </p>
        )}
        {link.view === "tools" && known && <ToolsView tools={known.catalogue.tools} open={link.tool} />}
        {link.view === "corrections" && known && <CorrectionsView corrections={known.corrections} model={model} />}
        {/* Hidden, not left out: what was begun there is still there after a look at the tools. */}
        <section class="asking" aria-label="Ask for a plan" hidden={link.view !== "ask"}>
          <h1 class="unseen">Ask for a plan</h1>
          <RequestBox
            request={link.request}
            asking={asking.state === "asking"}
            ready={Boolean(model)}
            onAsk={(request) => go({ request })}
            onStop={stop}
          />
          {asking.state === "asking" && <p class="waiting">Planning …</p>}
          {asking.state === "failed" && <Notice trouble={asking.trouble} onRetry={() => ask(link.request, model)} />}
          {asking.state === "done" && known && (
            <AnswerView
              key={asking.answer.id}
              answer={asking.answer}
              tools={tools}
              saved={savedFor(asking.answer.request, known.corrections)}
              waiting={known.corrections.waiting}
              onSave={(right) => save(right, asking.answer)}
            />
          )}
          <Suggestions
            examples={(known?.catalogue.examples ?? []).filter((one) => one !== link.request)}
            history={history.filter((one) => one.request !== link.request)}
            onAsk={(request, asked) => go({ request, ...(asked && { model: asked }) })}
            onForget={() => setHistory(forget())}
          />
        </section>
      </main>
      <div id={ANNOUNCER} class="unseen" role="status" />
    </>
  );
}

async function knownOf(model: string): Promise<Known> {
  const [catalogue, corrections] = await Promise.all([api.catalogue(model), api.corrections(model)]);
  return { model, catalogue, corrections };
}

function entry({ request, model, plans }: api.Answer) {
  return { request, model, answer: plans[0] ? summary(plans[0].plan) : "" };
}

/** The latest plan that was saved as right for the request. */
function savedFor(request: string, { examples }: api.Corrections): Plan | null {
  return examples.findLast((one) => one.request === request)?.plan ?? null;
}

const currentRequest = (asking: Asking, link: Link) => (asking.state === "done" ? asking.answer.request : link.request);

function useLink(): Link {
  const [link, setLink] = useState(() => readLink());
  useEffect(() => {
    const follow = () => setLink(readLink());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return link;
}

/** The request that is being asked; asking another one ends it. */
function useAsking(onAnswer: (answer: api.Answer) => void) {
  const [asking, setAsking] = useState<Asking>({ state: "idle" });
  const running = useRef<{ stop: AbortController; request: string; model: string } | null>(null);
  const stop = () => {
    running.current?.stop.abort();
    running.current = null;
    setAsking({ state: "idle" });
  };
  const ask = async (request: string, model: string) => {
    if (asking.state === "done" && running.current?.request === request && running.current.model === model) return;
    running.current?.stop.abort();
    const mine = { stop: new AbortController(), request, model };
    running.current = mine;
    setAsking({ state: "asking" });
    announce("Planning");
    try {
      const answer = await api.plan(request, model, 1, mine.stop.signal);
      setAsking({ state: "done", answer });
      announce(inWords(answer));
      onAnswer(answer);
    } catch (error) {
      if (!mine.stop.signal.aborted) setAsking({ state: "failed", trouble: error as api.Trouble });
    }
  };
  return { asking, ask, stop };
}

function inWords({ plans }: api.Answer): string {
  const [best] = plans;
  if (!best) return "The planner found no plan.";
  const what = best.plan.length
    ? `A plan with ${count(best.plan.length, "step").toLowerCase()}.`
    : "No tool here can do this.";
  return `${what} ${confidence(best.confidence).words}.`;
}

interface HeaderProps {
  link: Link;
  model: string;
  models: api.Model[];
  known: Known | null;
  asked: string;
}

function Header({ link, model, models, known, asked }: HeaderProps) {
  const waiting = known?.corrections.waiting ?? 0;
  const views = [
    { view: "ask", name: "Ask", number: 0, request: asked },
    { view: "tools", name: "Tools", number: known?.catalogue.tools.length ?? 0 },
    { view: "corrections", name: "Corrections", number: waiting },
  ] as const;
  const choose = (event: Event) => {
    location.hash = writeLink({ ...link, tool: "", model: (event.currentTarget as HTMLSelectElement).value });
  };
  return (
    <header class="top">
      <p class="brand">Platypus</p>
      <nav aria-label="Views">
        {views.map(({ name, number, ...to }) => (
          <a href={writeLink({ ...to, model })} aria-current={link.view === to.view ? "page" : undefined}>
            {name} {number > 0 && <span class="number">{number}</span>}
          </a>
        ))}
      </nav>
      <div class="right">
        {models.length > 1 ? (
          <>
            <label for="model" class="unseen">
              Planner
            </label>
            <select id="model" value={model} onChange={choose}>
              {models.map(({ id }) => (
                <option value={id}>{id}</option>
              ))}
            </select>
          </>
        ) : (
          <span class="muted">{model}</span>
        )}
        <ThemeSwitch />
      </div>
    </header>
  );
}
