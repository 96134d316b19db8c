// A plan as a graph: a box for each step, an arrow for each reference. To a screen reader it is an ordered list.

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isObject, type Json } from "./exact";
import { arrange, type Layout } from "./layout";
import { writeLink } from "./link";
import { arrows, readReference, referenceInWords, text, type Plan } from "./plan";

const WIDEST = 300;

/** `model`: tools link to their description in its catalogue. */
export function Graph({ plan, model }: { plan: Plan; model?: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const marker = useId();
  const [room, setRoom] = useState(0);
  const [layout, setLayout] = useState<Layout | null>(null);

  useLayoutEffect(() => {
    const element = frame.current!;
    setRoom(element.clientWidth);
    const observer = new ResizeObserver(() => setRoom(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (!room || !list.current) return;
    const boxes = [...list.current.children] as HTMLElement[];
    setLayout(
      arrange(
        boxes.map((box) => ({ width: box.offsetWidth, height: box.offsetHeight })),
        arrows(plan),
        room,
      ),
    );
  }, [plan, room]);

  const widest = Math.min(WIDEST, Math.max(160, room - 48));
  const size = layout && { width: layout.width, height: layout.height };
  return (
    <div class="graph" ref={frame}>
      <div class="canvas" style={size ? { width: `${size.width}px`, height: `${size.height}px` } : {}}>
        {layout && size && (
          <svg {...size} viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
            <marker id={marker} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
              <path d="M1 1 L7 4 L1 7" class="tip" />
            </marker>
            {layout.lines.map((line) => (
              <path class="arrow" d={line.path} marker-end={`url(#${marker})`} />
            ))}
            {layout.lines.map(
              ({ label, text: words }) =>
                label && (
                  <text x={label.x} y={label.y + 4}>
                    {words}
                  </text>
                ),
            )}
          </svg>
        )}
        <ol ref={list}>
          {plan.map((step, i) => {
            const corner = layout?.corners[i];
            return (
              <li
                class="step"
                style={{ maxWidth: `${widest}px`, ...(corner && { left: `${corner.x}px`, top: `${corner.y}px` }) }}
              >
                <p class="head">
                  <span class="number">{i + 1}</span>
                  {model === undefined ? (
                    <b class="code">{step.tool_name}</b>
                  ) : (
                    <a class="code" href={writeLink({ view: "tools", tool: step.tool_name, model })}>
                      {step.tool_name}
                    </a>
                  )}
                </p>
                {step.arguments.length > 0 && (
                  <dl>
                    {step.arguments.map((one) => (
                      <div>
                        <dt>{one.argument_name}</dt>
                        <dd>
                          <Shown value={one.argument_value} />
                        </dd>
                      </div>
                    ))}
                  </dl>
                )}
              </li>
            );
          })}
        </ol>
      </div>
    </div>
  );
}

/** A value as people write it: text without quotes, references in words. */
function Shown({ value }: { value: Json }) {
  const reference = readReference(value);
  if (reference)
    return (
      <span class="reference">
        {`output of ${referenceInWords(reference)}`.replace("output of first of", "first of")}
      </span>
    );
  if (Array.isArray(value) && value.length) {
    return (
      <>
        {value.map((one, i) => (
          <>
            {i > 0 && ", "}
            {typeof one === "string" && one.includes(",") ? text(one) : <Shown value={one} />}
          </>
        ))}
      </>
    );
  }
  if (typeof value === "string" && value) return <span>{value}</span>;
  return <span class={isObject(value) ? "code" : "literal"}>{text(value)}</span>;
}
