// Where the steps of a plan stand and how its arrows run, in pixels, given the size of each step's box.

import { Graph, layout } from "@dagrejs/dagre";
import type { Arrow } from "./plan";

export interface Size {
  width: number;
  height: number;
}
export interface Point {
  x: number;
  y: number;
}
export interface Line {
  path: string;
  label: Point | null;
  text: string;
}
export interface Layout extends Size {
  corners: Point[];
  lines: Line[];
}

const LETTER = 6.7; // width of a letter of a label
const LABEL = 18; // height of a label
const MARGIN = 1;
const CORNER = 12; // no arrow meets a box nearer to its corner

/** Steps in ranks from top to bottom, or below one another if the ranks are wider than `room`. */
export function arrange(sizes: Size[], arrows: Arrow[], room: number): Layout {
  const ranked = inRanks(sizes, arrows);
  return ranked.width <= room ? ranked : inColumn(sizes, arrows);
}

function inRanks(sizes: Size[], arrows: Arrow[]): Layout {
  const graph = new Graph<object, Point & Size, Point & Size & { points: Point[]; labelpos: string }>();
  graph.setGraph({ rankdir: "TB", nodesep: 32, ranksep: 44, edgesep: 24, marginx: MARGIN, marginy: MARGIN });
  sizes.forEach((size, i) => graph.setNode(String(i), { ...size, x: 0, y: 0 }));
  for (const { from, to, labels } of arrows) {
    const width = Math.max(...labels.map((label) => label.length)) * LETTER + 12;
    graph.setEdge(String(from), String(to), { width, height: LABEL, labelpos: "c", points: [], x: 0, y: 0 });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as Partial<Size>;
  const boxes = sizes.map((_, i) => graph.node(String(i)));
  const mirror = isBackwards(boxes) ? ({ x, y }: Point) => ({ x: width - x, y }) : (point: Point) => point;
  const centres = boxes.map(mirror);
  const under = (i: number, x: number) => {
    const reach = sizes[i]!.width / 2 - CORNER;
    return Math.max(centres[i]!.x - reach, Math.min(centres[i]!.x + reach, x));
  };
  const lines = arrows.map(({ from, to, labels }) => {
    const edge = graph.edge(String(from), String(to));
    const [label, points] = [mirror(edge), edge.points.map(mirror)];
    const [first, last] = [points[0]!, points.at(-1)!];
    first.x = under(from, points[1]!.x); // as straight down as the boxes allow
    last.x = under(to, points.at(-2)!.x);
    return { path: smooth(points), label, text: labels.join(", ") };
  });
  const corners = sizes.map((size, i) => ({ x: centres[i]!.x - size.width / 2, y: centres[i]!.y - size.height / 2 }));
  return { width, height, corners, lines };
}

/** Whether most boxes that stand beside one another have the later step on the left. */
function isBackwards(boxes: Point[]): boolean {
  let backwards = 0;
  boxes.forEach((later, i) => {
    const beside = boxes.slice(0, i).filter((box) => Math.abs(box.y - later.y) < 1);
    backwards += beside.filter((box) => box.x > later.x).length - beside.filter((box) => box.x < later.x).length;
  });
  return backwards > 0;
}

/** A line through all points that leaves and reaches each of them straight down. */
function smooth(points: Point[]): string {
  const curves = points.slice(1).map((to, i) => {
    const from = points[i]!;
    const y = (from.y + to.y) / 2;
    return `C${at({ x: from.x, y })} ${at({ x: to.x, y })} ${at(to)}`;
  });
  return `M${at(points[0] ?? { x: 0, y: 0 })} ${curves.join(" ")}`;
}

const at = ({ x, y }: Point) => `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;

const GAP = 40;
const GUTTER = 14; // for each arrow that passes steps

function inColumn(sizes: Size[], arrows: Arrow[]): Layout {
  const passing = arrows.filter(({ from, to }) => to > from + 1);
  const left = passing.length ? GUTTER * Math.min(3, passing.length) + 4 : 0;
  let height = MARGIN;
  const corners = sizes.map((size) => {
    const corner = { x: left, y: height };
    height += size.height + GAP;
    return corner;
  });
  const bottom = (i: number) => corners[i]!.y + sizes[i]!.height;
  const lines = arrows.map((arrow) => {
    const { from, to, labels } = arrow;
    const text = labels.join(", ");
    if (to === from + 1) {
      const x = left + 24;
      return {
        path: `M${x} ${bottom(from)} L${x} ${corners[to]!.y}`,
        label: { x: x + 12 + (text.length * LETTER) / 2, y: bottom(from) + GAP / 2 },
        text,
      };
    }
    const out = left - GUTTER * ((passing.indexOf(arrow) % 3) + 1);
    const [start, end] = [bottom(from) - 14, corners[to]!.y + 20];
    const path = `M${left} ${start} Q${out} ${start} ${out} ${start + 12} L${out} ${end - 12} Q${out} ${end} ${left} ${end}`;
    return { path, label: null, text };
  });
  const width = left + Math.max(0, ...sizes.map((size) => size.width)) + MARGIN;
  return { width, height: Math.max(0, height - GAP) + MARGIN, corners, lines };
}
