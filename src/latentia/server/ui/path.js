// Sentences along a line that was dragged on a map.

import { button, element, field, select, tell } from "./dom.js";
import { supported } from "./sentence.js";

const WAYS = [["short", "short"], ["spherical", "spherical"], ["populated", "where texts are"]];

export function pathPanel(session) {
  const steps = element("input", { type: "number", min: 2, max: 30, value: 7, onchange: () => again() });
  const way = select(WAYS, "short", () => again(), { id: "way" });
  const told = element("p", { className: "small" }, "Drag a line on the map with the tool Line, or with Shift held; with keys, press L at both ends.");
  const found = element("ol", { id: "path" });
  const again = () => session.path && session.ask(() => walk(session, session.path, Number(steps.value), way.value, told, found));
  session.addEventListener("line", again);
  return [element("div", { className: "row" }, field("Points", steps), field("Way between two sentences", way), button("Again", again)), told, found];
}

async function walk(session, { pane, from, to }, steps, way, told, found) {
  const both = from.point >= 0 && to.point >= 0;
  const ends = await Promise.all([from, to].map((end) => codeOf(pane, end)));
  const codes = between(...ends, steps).map((code) => supported(code, pane));
  const texts = both ? await written(pane, from, to, steps, way) : await pane.model.decode(codes, session.strategy);
  told.textContent = both ? `Between two sentences, the ${way} way.` : "On the line between the codes of both ends; between two sentences there are other ways too.";
  if (way === "short" || !both) await pane.trace(codes);
  found.replaceChildren(...texts.map((text, number) => element("li", {}, element("span", {}, (number / (steps - 1)).toFixed(2)), choice(session, pane, text, way === "short" || !both ? codes[number] : null))));
  texts.forEach((text, number) => session.keep("path", pane, { step: number, text }));
}

const codeOf = async (pane, end) => (end.point >= 0 ? (await pane.model.encode([pane.texts[end.point]]))[0] : pane.model.codeAt(pane.plane, ...end.place));

const between = (from, to, steps) => Array.from({ length: steps }, (_, number) => from.map((value, dimension) => value + ((to[dimension] - value) * number) / (steps - 1)));

async function written(pane, from, to, steps, way) {
  const { answers } = await pane.model.operation("interpolate", { a: pane.texts[from.point], b: pane.texts[to.point], steps, way, strategy: { kind: "Greedy" } });
  return answers.map((answer) => answer.text);
}

function choice(session, pane, text, code) {
  return button(text, () => tell(() => (code ? session.code(pane, code, "path") : session.text(pane, text))), { className: "choice" });
}
