// Numbers in words.

const SMALL = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"];

/** "One step", "Three tools", "23 tools". */
export function count(number: number, noun: string): string {
  return `${SMALL[number] ?? number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function percent(share: number): string {
  if (share > 0 && share < 0.005) return "< 1%";
  if (share < 1 && share >= 0.995) return "> 99%";
  return `${Math.round(share * 100)}%`;
}

export interface Confidence {
  words: string;
  detail: string;
}

/** What a calibrated confidence means. A planner that was not evaluated has none. */
export function confidence(value: number | null): Confidence {
  if (value === null) {
    return { words: "Confidence unknown", detail: "This planner has not been evaluated, so check the plan yourself." };
  }
  const [words] = LEVELS.find(([, least]) => value >= least)!;
  return { words, detail: `About ${Math.round(value * 100)} in 100 plans with this confidence are right.` };
}

const LEVELS: [string, number][] = [
  ["Almost certainly right", 0.95],
  ["Very likely right", 0.8],
  ["Probably right", 0.6],
  ["Could be right", 0.4],
  ["Probably wrong", 0.15],
  ["Very likely wrong", 0],
];
